//! A ledger as it lies in a store, held against itself: what its checkpoint was signed for, and everything beside the
//! records that can be told from them. Looking changes nothing.
//!
//! All leaf hashes are held against the checkpoint; bytes are read of the newest records only, as many as are asked for.
//! Whatever ends the life of a payload is recorded after it, so those records say of each payload that is not there whether
//! it may be gone.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::record::Commitment;
use countersign_core::view::subjects;
use countersign_core::{Event, Record, Time};
use countersign_store::{OrganizationRow, Query, SearchRow, Store};
use countersign_tlog::{Checkpoint, Edge, Hash, VerifyingKey, file_set_hash, leaf_hash};

use crate::index::row;
use crate::ledger::sealed_state;
use crate::payload::{Kept, Purpose, kept};
use crate::prune::first_record;
use crate::signer::{state_of, vkey_under};
use crate::vault::Vault;

/// How many records, lines or secrets are read at once.
const PAGE: usize = 1000;
/// How many leaf hashes.
const HASHES: u64 = 65_536;

/// What was looked at and found to be as it should.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inspected {
    /// Lines of the search index.
    pub lines: u64,
    /// Payloads, opened and held against their records' commitments.
    pub payloads: u64,
    /// Records whose bytes were hashed again.
    pub read: u64,
    /// Records of the ledger; all of their leaf hashes were held against the checkpoint.
    pub records: u64,
    /// Secrets, opened.
    pub secrets: u64,
    /// Policy snapshots, hashed again.
    pub snapshots: u64,
}

/// Looks a ledger over. Without a vault neither payloads nor secrets are opened.
///
/// # Errors
/// What is not as it should be, in one sentence about the organization.
pub fn inspect(
    store: &dyn Store,
    vault: Option<&Vault>,
    org: &OrganizationRow,
    newest: u64,
) -> Result<Inspected, String> {
    let name = &*org.name;
    let head = store.head(name).map_err(said)?.ok_or("it has no end")?;
    // First, as all that follows is folded on top of it.
    if store.state(name).map_err(said)?.is_some() && sealed_state(store, name).map_err(said)?.is_none() {
        return Err("its stored state is not the one that was sealed".to_owned());
    }
    let before = store.pruned(name).map_err(said)?;
    let state = state_of(store, name).map_err(said)?;
    let vkey = vkey_under(&state, store, name).map_err(said)?;
    let vkey: VerifyingKey = vkey.parse().map_err(|error| format!("its key: {error}"))?;
    let checkpoint = Checkpoint::open(&vkey, &head.checkpoint).map_err(|error| format!("its checkpoint: {error}"))?;
    if checkpoint.size != head.size {
        let (covers, has) = (checkpoint.size, head.size);
        return Err(format!("its checkpoint covers {covers} records, it has {has}"));
    }
    holds(store, name, &checkpoint, &head.edge)?;
    first_names(store, org)?;
    // A server may prune meanwhile: what the records say is between what the store said before them and after them.
    let pruned = store.pruned(name).map_err(said)?;
    if state.pruned() < before || state.pruned() > pruned {
        let (says, lacks) = (state.pruned(), pruned);
        return Err(format!("records before {says} were pruned, and the store says {lacks}"));
    }
    let mut looked = Inspected {
        records: head.size,
        ..Inspected::default()
    };
    let from = head.size.saturating_sub(newest).max(pruned);
    let mut window = Window::read(store, name, from, head.size)?;
    looked.read = head.size - from;
    window.ends_at(head.ts)?;
    looked.lines = window.lines(store, name, from, head.size)?;
    window.found_by_subject(store, name, from, head.size)?;
    if let Some(vault) = vault {
        looked.secrets = secrets(store, vault, name)?;
        looked.payloads = window.payloads(store, vault, name)?;
    }
    for hash in state.snapshots().keys() {
        has_its_hash(store, name, hash)?;
        looked.snapshots += 1;
    }
    Ok(looked)
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Whether the checkpoint that was signed covers the leaf hashes as they lie in the store, all of them: who changes a record
/// and its hash does not change what was signed.
fn holds(store: &dyn Store, org: &str, checkpoint: &Checkpoint, edge: &[u8]) -> Result<(), String> {
    let mut tree = Edge::new();
    while tree.size() < checkpoint.size {
        let to = checkpoint.size.min(tree.size() + HASHES);
        let hashes = store.leaf_hashes(org, tree.size(), to).map_err(said)?;
        if hashes.is_empty() {
            return Err(format!("record {} has no hash", tree.size()));
        }
        hashes.into_iter().for_each(|hash| tree.push(Hash(hash.0)));
    }
    if tree.root() != checkpoint.root {
        return Err("its records are not those that its checkpoint was signed for".to_owned());
    }
    if tree.to_bytes() != edge {
        return Err("the edge of its tree is another than its records have".to_owned());
    }
    Ok(())
}

/// Whether the first record, which is kept when records are pruned, is the ledger's, and is of the log that the store names.
fn first_names(store: &dyn Store, org: &OrganizationRow) -> Result<(), String> {
    let leaf = first_record(store, &org.name).map_err(said)?;
    let hashes = store.leaf_hashes(&org.name, 0, 1).map_err(said)?;
    if hashes.first().map(|hash| hash.0) != Some(leaf_hash(&leaf).0) {
        return Err("the first record that was kept is not the ledger's".to_owned());
    }
    let (first, log) = Record::decode(&leaf).map_err(said)?;
    if log != *org.origin {
        return Err(format!(
            "it is the ledger of `{log}`, and the store says `{}`",
            org.origin
        ));
    }
    match first.event {
        Event::LedgerOpened(opened) => has_its_hash(store, &org.name, &format!("sha256:{}", opened.schemas)),
        other => Err(format!("it begins with `{}`", other.kind())),
    }
}

/// Whether the files of a set, a policy or the schemas of records, are those that its name says.
fn has_its_hash(store: &dyn Store, org: &str, name: &str) -> Result<(), String> {
    let files = store.snapshot(org, name).map_err(said)?;
    let files = files.ok_or_else(|| format!("the files of {name} are missing"))?;
    let hash = file_set_hash(files.iter().map(|(_, bytes)| bytes.as_slice()));
    if format!("sha256:{hash}") != name {
        return Err(format!("the files of {name} do not have that hash"));
    }
    Ok(())
}

/// What the newest records say of what lies beside them.
struct Window {
    /// Keys that were destroyed.
    erased: BTreeSet<String>,
    /// Classes of payloads that were destroyed, and of which records.
    gone: Vec<(String, std::ops::Range<u64>)>,
    /// Index of the record after the last that was read.
    next: u64,
    /// What payloads must be.
    payloads: BTreeMap<u64, Commitment>,
    /// Their lines of the search index, in order.
    rows: Vec<SearchRow>,
    /// Which records each subject has.
    subjects: BTreeMap<u128, BTreeSet<u64>>,
}

impl Window {
    /// Reads records and hashes them again.
    fn read(store: &dyn Store, org: &str, from: u64, to: u64) -> Result<Window, String> {
        let mut window = Window {
            erased: BTreeSet::new(),
            gone: Vec::new(),
            next: from,
            payloads: BTreeMap::new(),
            rows: Vec::new(),
            subjects: BTreeMap::new(),
        };
        let mut next = from;
        while next < to {
            // Servers may append meanwhile; that is of the next look.
            let most = usize::try_from(to - next).map_or(PAGE, |left| left.min(PAGE));
            let page = store.records(org, next, most).map_err(said)?;
            if page.is_empty() {
                return Err(format!("record {next} is missing"));
            }
            for stored in page {
                if stored.seq != next {
                    return Err(format!("record {next} is missing"));
                }
                if leaf_hash(&stored.leaf).0 != stored.leaf_hash.0 {
                    return Err(format!("record {next} does not have its hash"));
                }
                let (record, _) = Record::decode(&stored.leaf).map_err(said)?;
                window.take_in(record);
                next += 1;
            }
        }
        Ok(window)
    }

    fn take_in(&mut self, record: Record) {
        self.rows.push(row(&record));
        for subject in subjects(&record.event) {
            self.subjects.entry(subject).or_default().insert(record.seq);
        }
        self.next = record.seq + 1;
        if let Some(commitment) = record.payload {
            self.payloads.insert(record.seq, commitment);
        }
        self.destroyed_by(record.event);
    }

    fn destroyed_by(&mut self, event: Event) {
        match event {
            Event::PayloadsDestroyed(e) => self.gone.push((e.class, e.from..e.to)),
            Event::SubjectErased(e) => self.erased.extend(e.keys),
            _other => {}
        }
    }

    /// Whether the ledger's end has the time of its last record.
    fn ends_at(&self, ts: Time) -> Result<(), String> {
        match self.rows.last() {
            Some(last) if last.ts != ts => Err(format!("its last record is of {}, and its end says {ts}", last.ts)),
            _same => Ok(()),
        }
    }

    /// Holds the search index against the records: each line by itself, and what is found by any of its words. Gives how
    /// many lines there are; an index that lies behind is made up for by the next server.
    fn lines(&self, store: &dyn Store, org: &str, from: u64, size: u64) -> Result<u64, String> {
        let covers = store.indexed(org).map_err(said)?;
        let now = store.head(org).map_err(said)?.map_or(0, |head| head.size);
        if covers > now {
            return Err(format!(
                "the search index covers {covers} records, the ledger has {now}"
            ));
        }
        let until = covers.min(size);
        let covered: Vec<&SearchRow> = self.rows.iter().filter(|row| row.seq < until).collect();
        let mut words: BTreeSet<[Option<&str>; 4]> = BTreeSet::from([[None; 4]]);
        for row in &covered {
            let all = [
                Some(&*row.kind),
                row.agent.as_deref(),
                row.action.as_deref(),
                row.decision.as_deref(),
            ];
            words.extend((0..4).map(|word| std::array::from_fn(|place| all[place].filter(|_| place == word))));
            words.insert(all);
            // A search for these two goes another way than one with an agent.
            words.insert([all[0], None, None, all[3]]);
        }
        for asked in words {
            let query = |before| Query {
                kind: asked[0].map(str::to_owned),
                agent: asked[1].map(str::to_owned),
                action: asked[2].map(str::to_owned),
                decision: asked[3].map(str::to_owned),
                before: Some(before),
                limit: PAGE,
                ..Query::default()
            };
            let fits = |row: &SearchRow| {
                let has = [
                    Some(&*row.kind),
                    row.agent.as_deref(),
                    row.action.as_deref(),
                    row.decision.as_deref(),
                ];
                asked
                    .iter()
                    .zip(has)
                    .all(|(asked, has)| asked.is_none() || *asked == has)
            };
            let mut before = until;
            let mut wanted = covered.iter().rev().filter(|row| fits(row));
            loop {
                let page = store.search(org, &query(before)).map_err(said)?;
                let (full, last) = (page.len() == PAGE, page.last().map(|row| row.seq));
                let ours = page.into_iter().filter(|row| row.seq >= from);
                for found in ours {
                    let seq = found.seq;
                    if wanted.next().is_none_or(|row| **row != found) {
                        return Err(format!(
                            "the search index has another line for record {seq} than the record"
                        ));
                    }
                }
                match last.filter(|last| full && *last > from) {
                    Some(last) => before = last,
                    None => break,
                }
            }
            if let Some(row) = wanted.next() {
                return Err(format!("the search index does not find record {}", row.seq));
            }
        }
        Ok(u64::try_from(covered.len()).unwrap_or(u64::MAX))
    }

    /// Whether every subject is found with its records.
    fn found_by_subject(&self, store: &dyn Store, org: &str, from: u64, size: u64) -> Result<(), String> {
        for (subject, records) in &self.subjects {
            let found = store
                .by_subject_page(org, *subject, from, records.len() + 1)
                .map_err(said)?;
            // Servers may append meanwhile.
            let found: BTreeSet<u64> = (found.into_iter().map(|stored| stored.seq))
                .filter(|seq| *seq < size)
                .collect();
            if let Some(seq) = found.symmetric_difference(records).next() {
                return Err(format!("record {seq} is not found by what it is about"));
            }
        }
        Ok(())
    }

    /// Opens the payloads. Gives how many there are.
    fn payloads(&mut self, store: &dyn Store, vault: &Vault, org: &str) -> Result<u64, String> {
        let mut opened = 0;
        for (seq, commitment) in std::mem::take(&mut self.payloads) {
            match kept(store, vault, org, seq, Purpose::Legal).map_err(said)? {
                Kept::Whole(payload) if payload.commitment() == commitment => opened += 1,
                Kept::Whole(_) => return Err(format!("the payload of record {seq} is not the one that it commits to")),
                Kept::Restricted => {}
                left @ (Kept::Nothing | Kept::Erased) => {
                    let mut gone = self.may_be_gone(store, org, seq, &commitment.class, &left)?;
                    // A server may have destroyed it meanwhile, and said so.
                    if !gone && self.go_on(store, org)? {
                        gone = self.may_be_gone(store, org, seq, &commitment.class, &left)?;
                    }
                    if !gone {
                        let what = if matches!(left, Kept::Erased) { "its key" } else { "it" };
                        return Err(format!(
                            "the payload of record {seq} cannot be read: {what} is missing, and no record says that it was destroyed"
                        ));
                    }
                }
            }
        }
        Ok(opened)
    }

    /// Whether a record says that a payload, or the key to it, was destroyed.
    fn may_be_gone(&self, store: &dyn Store, org: &str, seq: u64, class: &str, left: &Kept) -> Result<bool, String> {
        if self
            .gone
            .iter()
            .any(|(gone, records)| gone == class && records.contains(&seq))
        {
            return Ok(true);
        }
        if !matches!(left, Kept::Erased) {
            return Ok(false);
        }
        let stored = store.payload(org, seq).map_err(said)?;
        Ok(stored.is_none_or(|stored| self.erased.contains(&stored.key)))
    }

    /// Reads what was destroyed since the last record that was read. `false` if there is no further record.
    fn go_on(&mut self, store: &dyn Store, org: &str) -> Result<bool, String> {
        let from = self.next;
        loop {
            let page = store.records(org, self.next, PAGE).map_err(said)?;
            if page.is_empty() {
                return Ok(self.next > from);
            }
            for stored in page {
                let (record, _) = Record::decode(&stored.leaf).map_err(said)?;
                self.next = record.seq + 1;
                self.destroyed_by(record.event);
            }
        }
    }
}

/// Opens all secrets. Gives how many there are.
fn secrets(store: &dyn Store, vault: &Vault, org: &str) -> Result<u64, String> {
    let mut opened = 0;
    let mut last: Option<(String, String)> = None;
    loop {
        let after = last.as_ref().map(|(kind, id)| (&**kind, &**id));
        let page = store.secrets(org, after, PAGE).map_err(said)?;
        let Some(end) = page.last() else {
            return Ok(opened);
        };
        last = Some((end.kind.clone(), end.id.clone()));
        for secret in page {
            vault
                .open(org, &secret.kind, &secret.id, &secret.sealed)
                .map_err(said)?;
            opened += 1;
        }
    }
}
