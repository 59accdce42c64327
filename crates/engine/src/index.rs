//! The search index: follows the ledger on a thread of its own, and can be made again from nothing.
//!
//! Lines for records that were just committed come from memory; whatever is missing before them is read from the store.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use countersign_core::{Event, Record};
use countersign_store::{Org, SearchRow};

use crate::Inner;
use crate::error::EngineError;
use crate::ledger::Entry;
use crate::ledger::upgrade_needed;
use crate::nodes::Work;

/// How many records are indexed at once.
const CHUNK: usize = 2000;
/// How many lines are kept for an index that does not keep up.
const FRESH_AT_MOST: usize = 100_000;
/// How long new records gather before they are indexed: the index may lie a second behind.
const GATHER: std::time::Duration = std::time::Duration::from_millis(200);

/// Which organizations have records that the index lacks.
#[derive(Default)]
pub(crate) struct Signal {
    state: Mutex<Wanted>,
    changed: Condvar,
}

#[derive(Default)]
struct Wanted {
    /// Lines of records that were just committed, by organization, in order.
    fresh: BTreeMap<Org, Vec<SearchRow>>,
    stopping: bool,
}

impl Signal {
    /// There are records that the index lacks; these are known already.
    pub fn raise(&self, org: &Org, entries: &[Entry]) {
        let mut wanted = crate::lock(&self.state);
        let fresh = match wanted.fresh.get_mut(org) {
            Some(fresh) => fresh,
            None => {
                self.changed.notify_one();
                wanted.fresh.entry(org.clone()).or_default()
            }
        };
        // An index that cannot keep up reads the rest from the store.
        if fresh.len() < FRESH_AT_MOST {
            fresh.extend(entries.iter().map(|entry| row(&entry.record)));
        }
    }

    /// Ends the thread.
    pub fn stop(&self) {
        crate::lock(&self.state).stopping = true;
        self.changed.notify_one();
    }

    fn wait(&self) -> Option<BTreeMap<Org, Vec<SearchRow>>> {
        let mut wanted = crate::lock(&self.state);
        while wanted.fresh.is_empty() && !wanted.stopping {
            wanted = self.changed.wait(wanted).unwrap_or_else(PoisonError::into_inner);
        }
        if wanted.stopping {
            return None;
        }
        // More records are about to come: indexing them together costs less.
        let (mut wanted, _) = self
            .changed
            .wait_timeout_while(wanted, GATHER, |wanted| !wanted.stopping)
            .unwrap_or_else(PoisonError::into_inner);
        Some(std::mem::take(&mut wanted.fresh))
    }
}

/// Starts the thread.
pub(crate) fn start(inner: &Arc<Inner>) -> std::io::Result<JoinHandle<()>> {
    let inner = inner.clone();
    std::thread::Builder::new().name("index".into()).spawn(move || {
        while let Some(fresh) = inner.index_wanted.wait() {
            follow_each(&inner, fresh);
        }
    })
}

/// Follows every ledger that has records which the index lacks, at once.
pub(crate) fn follow_all(inner: &Inner) {
    let fresh = std::mem::take(&mut crate::lock(&inner.index_wanted.state).fresh);
    follow_each(inner, fresh);
}

fn follow_each(inner: &Inner, fresh: BTreeMap<Org, Vec<SearchRow>>) {
    for (org, fresh) in fresh {
        let followed = if inner.does(Work::Index, &org) {
            follow(inner, &org, fresh)
        } else {
            look_again(inner, &org)
        };
        if let Err(error) = followed {
            tracing::warn!(org = &*org, %error, "the search index could not follow");
        }
    }
}

/// Another node writes the index. Should it die, this one goes on where it stopped.
fn look_again(inner: &Inner, org: &Org) -> Result<(), EngineError> {
    let size = inner.store.head(org)?.map_or(0, |head| head.size);
    if inner.store.indexed(org)? < size {
        inner.index_wanted.raise(org, &[]);
    }
    Ok(())
}

fn follow(inner: &Inner, org: &Org, mut fresh: Vec<SearchRow>) -> Result<(), EngineError> {
    loop {
        let from = inner.store.indexed(org)?;
        fresh.retain(|row| row.seq >= from);
        let in_order = fresh.iter().zip(from..).all(|(row, seq)| row.seq == seq);
        if in_order && !fresh.is_empty() {
            inner.store.index(org, &std::mem::take(&mut fresh))?;
            continue;
        }
        let chunk = inner.store.records(org, from, CHUNK)?;
        if chunk.is_empty() {
            return Ok(());
        }
        // Records that were pruned have no bytes to read; a line of no type stands in for each.
        let begins = chunk.first().map_or(from, |stored| stored.seq);
        if begins > from {
            let upto = begins.min(from + CHUNK as u64);
            let rows: Vec<SearchRow> = (from..upto).map(pruned).collect();
            inner.store.index(org, &rows)?;
            continue;
        }
        let mut rows = Vec::with_capacity(chunk.len());
        for stored in &chunk {
            let (record, _) = Record::decode(&stored.leaf).map_err(|error| upgrade_needed(org, error))?;
            rows.push(row(&record));
        }
        inner.store.index(org, &rows)?;
    }
}

fn pruned(seq: u64) -> SearchRow {
    SearchRow {
        seq,
        ..SearchRow::default()
    }
}

/// The line of a record.
pub(crate) fn row(record: &Record) -> SearchRow {
    let mut row = SearchRow {
        kind: record.event.kind().to_owned(),
        seq: record.seq,
        ts: record.ts,
        ..SearchRow::default()
    };
    match &record.event {
        Event::DecisionMade(e) => {
            row.action = Some(e.action.clone());
            row.agent = Some(e.agent.to_string());
            row.decision = Some(e.decision.as_str().to_owned());
        }
        Event::ApprovalOpened(e) => row.agent = Some(e.agent.to_string()),
        Event::AlertRaised(e) => row.agent = e.agent.as_deref().map(str::to_owned),
        Event::RefusalsRepeated(e) => row.agent = Some(e.agent.to_string()),
        Event::AgentRegistered(e) => row.agent = Some(e.agent.clone()),
        Event::AgentSighted(e) => row.agent = Some(e.agent.clone()),
        // Everything else is found by its type and time.
        _other => {}
    }
    row
}
