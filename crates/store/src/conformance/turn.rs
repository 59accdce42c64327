//! Several nodes append to one store, one at a time for each ledger.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::fixture::{append, conflicts, has_exactly, has_nothing, head, holds, same};
use super::{Nodes, Outcome};
use crate::{Changes, Org, Shared, Store};

fn shared(store: &dyn Store) -> Result<&dyn Shared, &'static str> {
    store.shared().ok_or("it is not a shared store")
}

fn orgs(names: &[&str]) -> Vec<Org> {
    names.iter().map(|name| Org::from(*name)).collect()
}

pub(super) fn a_turn_shows_the_end_of_each_ledger([a, b]: &Nodes) -> Outcome {
    a.append(&[append("acme", 0, 3), append("globex", 0, 5)])?;
    let turn = shared(&**b)?.turn(&orgs(&["acme", "globex", "initech"]))?;
    same("head", turn.head("acme"), Some(&head("acme", 3)))?;
    same("head", turn.head("globex"), Some(&head("globex", 5)))?;
    same("no head", turn.head("initech"), None)
}

pub(super) fn what_one_node_appends_the_other_sees([a, b]: &Nodes) -> Outcome {
    a.append(&[append("acme", 0, 3)])?;
    let turn = shared(&**b)?.turn(&orgs(&["acme"]))?;
    turn.append(&[append("acme", 3, 4)])?;
    has_exactly(&**a, "acme", 7)?;
    conflicts(a.append(&[append("acme", 3, 1)]), "acme", 3, 7)?;
    a.append(&[append("acme", 7, 1)])?;
    has_exactly(&**b, "acme", 8)
}

pub(super) fn a_turn_waits_until_another_ends([a, b]: &Nodes) -> Outcome {
    a.append(&[append("acme", 0, 1)])?;
    let first = shared(&**a)?.turn(&orgs(&["acme"]))?;
    let ended = AtomicBool::new(false);
    let outcome: Result<(), String> = std::thread::scope(|scope| {
        let second = scope.spawn(|| -> Result<(), String> {
            let text = |error: &dyn std::fmt::Display| error.to_string();
            let turn = shared(&**b)?.turn(&orgs(&["acme"])).map_err(|error| text(&error))?;
            let waited = ended.load(Ordering::Acquire);
            let size = turn.head("acme").map(|head| head.size);
            turn.append(&[append("acme", 3, 1)]).map_err(|error| text(&error))?;
            if waited && size == Some(3) {
                return Ok(());
            }
            Err(format!("the second turn waited: {waited}, and saw {size:?}"))
        });
        // Long enough that a turn that does not wait is caught; one that does cannot end sooner.
        std::thread::sleep(Duration::from_millis(150));
        ended.store(true, Ordering::Release);
        let appended = first.append(&[append("acme", 1, 2)]).map_err(|error| error.to_string());
        let second = second.join().unwrap_or_else(|_| Err("it panicked".into()));
        appended.and(second)
    });
    outcome?;
    has_exactly(&**a, "acme", 4)
}

pub(super) fn turns_on_different_ledgers_do_not_wait([a, b]: &Nodes) -> Outcome {
    a.append(&[append("acme", 0, 1), append("globex", 0, 1)])?;
    let first = shared(&**a)?.turn(&orgs(&["acme"]))?;
    shared(&**b)?
        .turn(&orgs(&["globex"]))?
        .append(&[append("globex", 1, 1)])?;
    first.append(&[append("acme", 1, 1)])?;
    has_exactly(&**a, "acme", 2)?;
    has_exactly(&**a, "globex", 2)
}

pub(super) fn a_dropped_turn_appends_nothing([a, b]: &Nodes) -> Outcome {
    a.append(&[append("acme", 0, 1)])?;
    drop(shared(&**a)?.turn(&orgs(&["acme"]))?);
    shared(&**b)?.turn(&orgs(&["acme"]))?.append(&[append("acme", 1, 1)])?;
    has_exactly(&**a, "acme", 2)?;
    // A batch that is refused ends the turn as well.
    conflicts(
        shared(&**a)?.turn(&orgs(&["acme"]))?.append(&[append("acme", 5, 1)]),
        "acme",
        5,
        2,
    )?;
    shared(&**b)?.turn(&orgs(&["acme"]))?.append(&[append("acme", 2, 1)])?;
    has_exactly(&**a, "acme", 3)
}

pub(super) fn of_two_that_create_an_organization_one_succeeds([a, b]: &Nodes) -> Outcome {
    let outcomes = std::thread::scope(|scope| {
        [a, b]
            .map(|node| scope.spawn(move || node.append(&[append("acme", 0, 2)])))
            .map(std::thread::ScopedJoinHandle::join)
    });
    let mut refused = None;
    let mut created = 0;
    for outcome in outcomes {
        match outcome.map_err(|_| "it panicked")? {
            Ok(()) => created += 1,
            Err(error) => refused = Some(error),
        }
    }
    same("created", created, 1)?;
    conflicts(refused.map_or(Ok(()), Err), "acme", 0, 2)?;
    has_exactly(&**a, "acme", 2)?;
    a.remove_organization("acme")?;
    has_nothing(&**b, "acme")
}

pub(super) fn time_never_goes_back_between_turns([a, b]: &Nodes) -> Outcome {
    a.append(&[append("acme", 0, 1)])?;
    let mut last = None;
    for round in 0..20 {
        let node = if round % 2 == 0 { a } else { b };
        let now = shared(&**node)?.turn(&orgs(&["acme"]))?.now();
        holds("time goes on", last.is_none_or(|last| now >= last))?;
        last = Some(now);
    }
    let now = shared(&**b)?.turn(&[])?.now();
    holds("a turn on nothing tells the time", last.is_none_or(|last| now >= last))
}

pub(super) fn the_other_node_hears_of_changes([a, b]: &Nodes) -> Outcome {
    a.append(&[append("acme", 0, 1), append("globex", 0, 1)])?;
    hears(&**b, "acme")?;
    a.append(&[append("acme", 1, 1)])?;
    hears(&**b, "acme")?;
    a.remove_organization("globex")?;
    hears(&**b, "globex")
}

/// Fails unless the node hears of the ledger within a few seconds.
fn hears(node: &dyn Store, wanted: &str) -> Outcome {
    for _ in 0..50 {
        match shared(node)?.changes(Duration::from_millis(200))? {
            Changes::Anywhere => return Ok(()),
            Changes::In(news) if news.iter().any(|org| **org == *wanted) => return Ok(()),
            Changes::In(_) => {}
        }
    }
    Err(format!("nothing was heard of `{wanted}`").into())
}

pub(super) fn work_is_leased_to_one_at_a_time([a, b]: &Nodes) -> Outcome {
    a.append(&[append("acme", 0, 1), append("globex", 0, 1)])?;
    let (a, b) = (shared(&**a)?, shared(&**b)?);
    let (long, short) = (Duration::from_secs(60), Duration::from_millis(1));
    holds("the first gets it", a.lease("acme", "effects", "a", long)?)?;
    holds("the second does not", !b.lease("acme", "effects", "b", long)?)?;
    holds("other work is free", b.lease("acme", "index", "b", long)?)?;
    holds("of another organization too", b.lease("globex", "effects", "b", long)?)?;
    holds("the first keeps it", a.lease("acme", "effects", "a", short)?)?;
    for _ in 0..200 {
        if b.lease("acme", "effects", "b", long)? {
            return holds("then the first has lost it", !a.lease("acme", "effects", "a", long)?);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Err("a lease that is over was not given to another".into())
}

pub(super) fn turns_of_many_threads_lose_and_double_nothing([a, b]: &Nodes) -> Outcome {
    const ROUNDS: u64 = 15;
    a.append(&[append("acme", 0, 1), append("globex", 0, 1)])?;
    let work = |node: &dyn Store, count: u64| -> Result<(), String> {
        for _ in 0..ROUNDS {
            let names: BTreeSet<Org> = orgs(&["acme", "globex"]).into_iter().collect();
            let text = |error: &dyn std::fmt::Display| error.to_string();
            let turn = shared(node)?
                .turn(&Vec::from_iter(names))
                .map_err(|error| text(&error))?;
            let size = |org: &str| turn.head(org).map(|head| head.size).ok_or("no head");
            let batch = [
                append("acme", size("acme")?, count),
                append("globex", size("globex")?, 1),
            ];
            turn.append(&batch).map_err(|error| text(&error))?;
        }
        Ok(())
    };
    let outcome: Result<(), String> = std::thread::scope(|scope| {
        let threads = [(a, 1), (b, 2), (a, 3), (b, 4)].map(|(node, count)| scope.spawn(move || work(&**node, count)));
        let joined = threads.map(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".into())));
        joined.into_iter().collect()
    });
    outcome?;
    has_exactly(&**b, "acme", 1 + ROUNDS * (1 + 2 + 3 + 4))?;
    has_exactly(&**a, "globex", 1 + ROUNDS * 4)
}
