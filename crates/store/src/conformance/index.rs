//! The search index continues, and finds what it should, newest first.

use super::Outcome;
use super::fixture::{append, holds, lines, same, ts};
use crate::{Query, SearchRow, Store};

const SIZE: u64 = 100;

fn filled(store: &dyn Store) -> Outcome {
    store.append(&[append("acme", 0, SIZE), append("globex", 0, 10)])?;
    store.index("acme", &lines(0..30))?;
    store.index("globex", &lines(0..10))?;
    store.index("acme", &lines(30..SIZE))?;
    Ok(())
}

/// Fails unless the store finds what going through all lines finds.
fn finds(store: &dyn Store, query: &Query, fits: impl Fn(&SearchRow) -> bool) -> Outcome {
    let expected: Vec<SearchRow> = lines(0..SIZE)
        .into_iter()
        .rev()
        .filter(fits)
        .take(query.limit)
        .collect();
    same(&format!("{query:?}"), store.search("acme", query)?, expected)
}

fn all() -> Query {
    Query {
        limit: 1_000,
        ..Query::default()
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

pub(super) fn the_index_begins_empty_and_lies_behind(store: &dyn Store) -> Outcome {
    store.append(&[append("acme", 0, 5), append("globex", 0, 5)])?;
    same("indexed", store.indexed("acme")?, 0)?;
    same("search", store.search("acme", &all())?, Vec::new())?;
    store.index("acme", &lines(0..3))?;
    same("indexed", store.indexed("acme")?, 3)?;
    store.append(&[append("acme", 5, 5)])?;
    store.index("acme", &lines(3..10))?;
    store.index("acme", &[])?;
    same("indexed", store.indexed("acme")?, 10)?;
    same("indexed of another organization", store.indexed("globex")?, 0)
}

pub(super) fn the_index_continues_without_gap_or_overlap(store: &dyn Store) -> Outcome {
    store.append(&[append("acme", 0, 10)])?;
    store.index("acme", &lines(0..3))?;
    let mut gap = lines(3..6);
    gap.remove(1);
    for (what, rows) in [
        ("a gap before", lines(4..6)),
        ("an overlap", lines(2..6)),
        ("a gap within", gap),
        ("lines beyond the ledger", lines(3..11)),
    ] {
        holds(&format!("{what} is refused"), store.index("acme", &rows).is_err())?;
        same("indexed", store.indexed("acme")?, 3)?;
        same("lines", store.search("acme", &all())?.len(), 3)?;
    }
    holds(
        "an unknown organization is refused",
        store.index("globex", &lines(0..1)).is_err(),
    )
}

pub(super) fn a_search_without_filter_gives_the_newest_first(store: &dyn Store) -> Outcome {
    filled(store)?;
    for limit in [0, 1, 7, 100, usize::MAX] {
        finds(
            store,
            &Query {
                limit,
                ..Query::default()
            },
            |_| true,
        )?;
    }
    same("of another organization", store.search("globex", &all())?.len(), 10)
}

pub(super) fn a_search_goes_on_before_the_last_line(store: &dyn Store) -> Outcome {
    filled(store)?;
    for query in [
        Query {
            limit: 7,
            ..Query::default()
        },
        Query {
            agent: some("agent-2"),
            limit: 3,
            ..Query::default()
        },
        Query {
            agent: some("agent-0"),
            decision: some("allow"),
            limit: 2,
            ..Query::default()
        },
    ] {
        let whole = store.search(
            "acme",
            &Query {
                limit: 1_000,
                ..query.clone()
            },
        )?;
        let mut pages = Vec::new();
        let mut before = None;
        loop {
            let page = store.search(
                "acme",
                &Query {
                    before,
                    ..query.clone()
                },
            )?;
            let Some(last) = page.last() else { break };
            before = Some(last.seq);
            pages.extend(page);
        }
        same("all pages", pages, whole)?;
    }
    finds(
        store,
        &Query {
            before: Some(0),
            ..all()
        },
        |_| false,
    )?;
    finds(
        store,
        &Query {
            before: Some(1),
            ..all()
        },
        |row| row.seq < 1,
    )?;
    finds(
        store,
        &Query {
            before: Some(u64::MAX),
            ..all()
        },
        |_| true,
    )
}

pub(super) fn each_filter_selects(store: &dyn Store) -> Outcome {
    filled(store)?;
    for text in ["tool.0", "tool.2", "tool.9", "agent-1", ""] {
        finds(
            store,
            &Query {
                action: some(text),
                ..all()
            },
            |row| row.action.as_deref() == Some(text),
        )?;
    }
    for text in ["agent-0", "agent-3", "agent-4", "Agent-0", "deny"] {
        finds(
            store,
            &Query {
                agent: some(text),
                ..all()
            },
            |row| row.agent.as_deref() == Some(text),
        )?;
    }
    for text in ["allow", "deny", "remediate"] {
        finds(
            store,
            &Query {
                decision: some(text),
                ..all()
            },
            |row| row.decision.as_deref() == Some(text),
        )?;
    }
    for text in ["decision.made", "outcome.reported", "decision"] {
        finds(
            store,
            &Query {
                kind: some(text),
                ..all()
            },
            |row| row.kind == text,
        )?;
    }
    Ok(())
}

pub(super) fn filters_are_combined(store: &dyn Store) -> Outcome {
    filled(store)?;
    for (agent, action, decision, kind) in [
        ("agent-0", "tool.0", "deny", "decision.made"),
        ("agent-1", "tool.0", "allow", "decision.made"),
        ("agent-1", "tool.0", "allow", "outcome.reported"),
        ("agent-1", "tool.1", "deny", "decision.made"),
    ] {
        let query = Query {
            agent: some(agent),
            action: some(action),
            ..all()
        };
        let by_both = |row: &SearchRow| row.agent.as_deref() == Some(agent) && row.action.as_deref() == Some(action);
        finds(store, &query, by_both)?;
        let query = Query {
            decision: some(decision),
            kind: some(kind),
            ..query
        };
        let by_all = |row: &SearchRow| by_both(row) && row.decision.as_deref() == Some(decision) && row.kind == kind;
        finds(store, &query, by_all)?;
        let query = Query {
            before: Some(70),
            from: Some(ts(10)),
            ..query
        };
        finds(store, &query, |row| by_all(row) && (10..70).contains(&row.seq))?;
    }
    Ok(())
}

pub(super) fn time_ranges_include_their_beginning_and_not_their_end(store: &dyn Store) -> Outcome {
    filled(store)?;
    let later = |seq: u64, micros: i64| {
        let mut time = ts(seq);
        time.0 += micros;
        Some(time)
    };
    for (from, to) in [
        (None, None),
        (later(10, 0), None),
        (None, later(10, 0)),
        (later(10, 0), later(20, 0)),
        (later(10, 1), later(20, 1)),
        (later(10, -1), later(20, -1)),
        (later(20, 0), later(20, 0)),
        (later(20, 0), later(10, 0)),
        (later(0, -1_000_000), later(SIZE, 1_000_000)),
        (later(SIZE, 0), None),
        (None, later(0, 0)),
    ] {
        let within = |row: &SearchRow| from.is_none_or(|from| row.ts >= from) && to.is_none_or(|to| row.ts < to);
        finds(store, &Query { from, to, ..all() }, within)?;
        let query = Query {
            agent: some("agent-1"),
            from,
            to,
            before: Some(15),
            ..all()
        };
        finds(store, &query, |row| {
            within(row) && row.seq < 15 && row.agent.as_deref() == Some("agent-1")
        })?;
    }
    Ok(())
}
