//! Every search finds what reading all lines would find, and none reads all lines.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use std::path::PathBuf;

use countersign_core::digest::Digest;

use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("countersign-search-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An index without a ledger.
fn index(folder: &Folder) -> Search {
    let ledger = open::ledger(&folder.0.join("ledger.db")).unwrap();
    Search::open(&folder.0.join("search.db"), &ledger).unwrap()
}

/// Lines of 400 agents, more than shapes are merged of, and of agents, actions and decisions that never meet.
fn lines(count: u64) -> Vec<SearchRow> {
    let text = |text: String| Some(text);
    let line = |seq: u64| {
        let mix = seq.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
        let mut row = SearchRow {
            kind: ["outcome.reported", "callback.due"][usize::from(mix.is_multiple_of(3))].into(),
            seq,
            ts: Time(i64::try_from(seq).unwrap() * 10),
            ..SearchRow::default()
        };
        if mix.is_multiple_of(2) {
            let agent = (mix / 2) % 400;
            row.kind = "decision.made".into();
            row.agent = text(format!("agent-{agent}"));
            row.action = text(format!("action-{}", (agent + mix / 800 % 2) % 7));
            row.decision = text(["allow", "deny"][usize::from(mix.is_multiple_of(10))].into());
        } else if mix.is_multiple_of(5) {
            row.kind = "approval.opened".into();
            row.agent = text(format!("agent-{}", mix % 3));
        }
        row
    };
    (0..count).map(line).collect()
}

/// What reading all lines finds.
fn plainly(lines: &[SearchRow], query: &Query) -> Vec<SearchRow> {
    let fits = |wanted: &Option<String>, is: &Option<String>| wanted.is_none() || wanted == is;
    let mut found: Vec<SearchRow> = lines
        .iter()
        .filter(|line| {
            fits(&query.agent, &line.agent)
                && fits(&query.action, &line.action)
                && fits(&query.decision, &line.decision)
                && fits(&query.kind, &Some(line.kind.clone()))
                && query.from.is_none_or(|from| line.ts >= from)
                && query.to.is_none_or(|to| line.ts < to)
                && query.before.is_none_or(|before| line.seq < before)
        })
        .cloned()
        .collect();
    found.reverse();
    found.truncate(query.limit);
    found
}

#[test]
fn every_combination_of_filters_finds_what_reading_all_lines_finds() {
    let folder = Folder::new("combinations");
    let (search, lines, org) = (index(&folder), lines(6_000), OrgId(1));
    for (part, rows) in lines.chunks(700).enumerate() {
        search
            .add(org, 6_000, Some(Digest::of(&part.to_be_bytes())), rows)
            .unwrap();
    }
    // Another organization has the same words.
    search.add(OrgId(2), 50, Some(Digest::of(b"")), &lines[..50]).unwrap();
    let some = |texts: &[&str]| -> Vec<Option<String>> {
        std::iter::once(None)
            .chain(texts.iter().map(|text| Some((*text).to_owned())))
            .collect()
    };
    let mut asked = 0;
    for agent in some(&["agent-0", "agent-2", "agent-399", "nobody"]) {
        for action in some(&["action-0", "action-6"]) {
            for decision in some(&["allow", "deny"]) {
                for kind in some(&["decision.made", "callback.due", "approval.opened"]) {
                    for (from, to, before, limit) in [
                        (None, None, None, 500),
                        (Some(7_000), Some(31_000), None, 20),
                        (Some(100), None, Some(3_000), 7),
                        (Some(90_000), Some(80_000), None, 5),
                    ] {
                        let query = Query {
                            action: action.clone(),
                            agent: agent.clone(),
                            before,
                            decision: decision.clone(),
                            from: from.map(Time),
                            kind: kind.clone(),
                            limit,
                            to: to.map(Time),
                        };
                        assert_eq!(search.find(org, &query).unwrap(), plainly(&lines, &query), "{query:?}");
                        asked += 1;
                    }
                }
            }
        }
    }
    assert_eq!(asked, 5 * 3 * 3 * 4 * 4);
}

#[test]
fn few_shapes_are_merged_and_many_words_are_walked() {
    let folder = Folder::new("ways");
    let (search, lines, org) = (index(&folder), lines(6_000), OrgId(1));
    search.add(org, 6_000, Some(Digest::of(b"")), &lines).unwrap();
    let fitting = |agent: Option<&str>, decision: Option<&str>, kind: Option<&str>| {
        let number = |word: Option<&str>| -> i64 {
            let conn = &search.lock().conn;
            word.map_or(0, |word| known_number(conn, org, word).unwrap().unwrap())
        };
        let filters = Shape {
            agent: number(agent),
            decision: number(decision),
            kind: number(kind),
            ..Shape::default()
        };
        shapes::fitting(&search.lock().conn, org, filters, lists::MERGED_AT_MOST).unwrap()
    };
    assert_eq!(
        fitting(None, Some("allow"), Some("callback.due")),
        Some(Vec::new()),
        "never together: no list"
    );
    let few = fitting(Some("agent-7"), Some("allow"), None).unwrap();
    assert!((1..=4).contains(&few.len()), "{few:?}");
    assert_eq!(
        fitting(None, Some("allow"), Some("decision.made")),
        None,
        "more than are merged"
    );
}

#[test]
fn no_search_reads_all_lines() {
    let folder = Folder::new("plans");
    let search = index(&folder);
    let conn = &search.lock().conn;
    for sql in [
        WORD,
        TIME,
        LINE,
        lists::AGENT,
        lists::ACTION,
        lists::DECISION,
        lists::KIND,
        lists::SHAPE,
        shapes::KNOWN,
        shapes::BY_AGENT,
        shapes::BY_ACTION,
        shapes::BY_KIND,
    ] {
        let mut plan = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let values = rusqlite::params_from_iter(vec![0_i64; plan.parameter_count()]);
        let steps = plan.query_map(values, |row| row.get(3)).unwrap();
        let steps: Vec<String> = steps.collect::<Result<_>>().unwrap();
        assert!(steps.iter().any(|step| step.starts_with("SEARCH")), "{sql}: {steps:?}");
        for step in &steps {
            assert!(
                !step.contains("SCAN") || step == "SCAN CONSTANT ROW",
                "{sql}: {steps:?}"
            );
            assert!(!step.contains("TEMP B-TREE"), "{sql} sorts: {steps:?}");
        }
    }
}
