//! Readers beside the writer, and the store after the process.

use std::sync::atomic::{AtomicBool, Ordering};

use super::Outcome;
use super::fixture::{append, has_exactly, has_riches, head, holds, lines, rich, same, stored};
use crate::{Query, Store};

const WHOLE: u64 = 8;
const BATCHES: u64 = 60;

pub(super) fn readers_see_only_whole_batches(store: &dyn Store) -> Outcome {
    store.append(&[append("acme", 0, WHOLE), append("globex", 0, WHOLE)])?;
    let done = AtomicBool::new(false);
    let watch = |org: &'static str| -> Result<(), String> {
        while !done.load(Ordering::Acquire) {
            look(store, org).map_err(|error| error.to_string())?;
        }
        Ok(())
    };
    let outcomes = std::thread::scope(|scope| {
        let readers = ["acme", "globex", "acme"].map(|org| scope.spawn(move || watch(org)));
        let written = (1..BATCHES).try_for_each(|batch| {
            store.append(&[
                append("acme", batch * WHOLE, WHOLE),
                append("globex", batch * WHOLE, WHOLE),
            ])
        });
        done.store(true, Ordering::Release);
        let read = readers.map(|reader| reader.join().unwrap_or_else(|_| Err("a reader panicked".into())));
        written
            .map_err(|error| error.to_string())
            .and(read.into_iter().collect::<Result<(), String>>())
    });
    outcomes?;
    has_exactly(store, "acme", WHOLE * BATCHES)?;
    has_exactly(store, "globex", WHOLE * BATCHES)
}

fn look(store: &dyn Store, org: &str) -> Outcome {
    let seen = store.head(org)?.ok_or("the head is gone")?;
    same("head", &seen, &head(org, seen.size))?;
    holds("a head covers whole batches", seen.size.is_multiple_of(WHOLE))?;
    let records = store.records(org, 0, usize::MAX)?;
    let count = records.len() as u64;
    holds(
        "records come in whole batches",
        count.is_multiple_of(WHOLE) && count >= seen.size,
    )?;
    let last = records.last().ok_or("no records")?;
    same("last record", last, &stored(org, count - 1))?;
    let hashes = store.leaf_hashes(org, 0, u64::MAX)?.len() as u64;
    holds(
        "leaf hashes come in whole batches",
        hashes.is_multiple_of(WHOLE) && hashes >= count,
    )
}

pub(super) fn everything_is_there_after_reopening(
    store: Box<dyn Store>,
    reopen: &dyn Fn(Box<dyn Store>) -> Box<dyn Store>,
) -> Outcome {
    store.append(&[rich("acme", 0, 20), append("globex", 0, 5)])?;
    store.append(&[append("initech", 0, 2)])?;
    store.index("acme", &lines(0..20))?;
    store.remove_organization("initech")?;
    let mut store = store;
    for round in 0..3 {
        store = reopen(store);
        has_exactly(store.as_ref(), "acme", 20 + round)?;
        has_riches(store.as_ref(), "acme", 0)?;
        has_exactly(store.as_ref(), "globex", 5)?;
        same("organizations", store.organizations()?.len(), 2)?;
        // The search index is derived: it may be lost, but not wrong.
        let found = store.search(
            "acme",
            &Query {
                limit: 99,
                ..Query::default()
            },
        )?;
        let covered = store.indexed("acme")?;
        let expected: Vec<_> = lines(0..covered).into_iter().rev().collect();
        same("search", found, expected)?;
        store.append(&[append("acme", 20 + round, 1)])?;
    }
    Ok(())
}
