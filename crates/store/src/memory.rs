//! The plainest store: everything in one map, gone with the process. For tests, simulations and dry runs.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_core::digest::Digest;

use crate::{
    Append, AppendError, Files, Head, Org, OrganizationRow, Payloads, Query, ReadError, Resealed, SearchRow, Store,
    StoredPayload, StoredRecord, StoredSecret, StoredState,
};

mod shared;

pub use shared::SharedMemory;

/// A store in memory. Nothing of it is durable.
#[derive(Default)]
pub struct MemoryStore {
    ledgers: Mutex<BTreeMap<Org, Ledger>>,
}

struct Ledger {
    row: OrganizationRow,
    head: Head,
    records: Vec<StoredRecord>,
    payloads: BTreeMap<u64, StoredPayload>,
    pruned: u64,
    subjects: BTreeMap<u128, Vec<u64>>,
    secrets: BTreeMap<(String, String), Vec<u8>>,
    snapshots: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    state: Option<StoredState>,
    index: Vec<SearchRow>,
}

impl Ledger {
    fn new(row: OrganizationRow, head: Head) -> Ledger {
        Ledger {
            row,
            head,
            records: Vec::new(),
            payloads: BTreeMap::new(),
            pruned: 0,
            subjects: BTreeMap::new(),
            secrets: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            state: None,
            index: Vec::new(),
        }
    }

    fn add(&mut self, share: &Append) {
        self.head = share.head.clone();
        for record in &share.records {
            self.records.push(StoredRecord {
                leaf: record.leaf.clone(),
                leaf_hash: record.leaf_hash,
                seq: record.seq,
            });
            if let Some(payload) = &record.payload {
                self.payloads.insert(record.seq, payload.clone());
            }
            for subject in &record.subjects {
                let seqs = self.subjects.entry(*subject).or_default();
                if seqs.last() != Some(&record.seq) {
                    seqs.push(record.seq);
                }
            }
        }
        for secret in &share.secrets {
            let key = (secret.kind.to_owned(), secret.id.clone());
            if secret.sealed.is_empty() {
                self.secrets.remove(&key);
            } else {
                self.secrets.insert(key, secret.sealed.clone());
            }
        }
        for snapshot in &share.snapshots {
            self.snapshots
                .insert(snapshot.hash.to_string(), snapshot.files.iter().cloned().collect());
        }
        if let Some(state) = &share.state {
            self.state = Some(state.clone());
        }
        for seq in &share.destroy {
            self.payloads.remove(seq);
        }
        if let Some(before) = share.prune {
            for record in self.records.iter_mut().take_while(|record| record.seq < before) {
                record.leaf = Vec::new();
            }
            self.pruned = self.pruned.max(before);
        }
    }

    /// The records in `from..to`, as far as there are any.
    fn range(&self, from: u64, to: u64) -> &[StoredRecord] {
        let end = self.records.len();
        let place = |seq: u64| usize::try_from(seq).unwrap_or(end).min(end);
        self.records.get(place(from)..place(to)).unwrap_or_default()
    }
}

impl MemoryStore {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Org, Ledger>> {
        self.ledgers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `read` finds in the ledger of `org`; the default if there is none.
    fn read<T: Default>(&self, org: &str, read: impl FnOnce(&Ledger) -> T) -> Result<T, ReadError> {
        Ok(self.lock().get(org).map(read).unwrap_or_default())
    }
}

impl Store for MemoryStore {
    fn organizations(&self) -> Result<Vec<OrganizationRow>, ReadError> {
        Ok(self.lock().values().map(|ledger| ledger.row.clone()).collect())
    }

    fn append(&self, batch: &[Append]) -> Result<(), AppendError> {
        let mut ledgers = self.lock();
        // All of it is checked before any of it is done.
        let mut sizes: BTreeMap<&Org, Option<u64>> = BTreeMap::new();
        for share in batch {
            let found = sizes
                .entry(&share.org)
                .or_insert_with(|| ledgers.get(&share.org).map(|ledger| ledger.head.size));
            share.check(*found)?;
            *found = Some(share.head.size);
        }
        for share in batch {
            if let Some(row) = &share.create {
                ledgers.insert(share.org.clone(), Ledger::new(row.clone(), share.head.clone()));
            }
            if let Some(ledger) = ledgers.get_mut(&share.org) {
                ledger.add(share);
            }
        }
        Ok(())
    }

    fn remove_organization(&self, org: &str) -> Result<(), AppendError> {
        self.lock().remove(org);
        Ok(())
    }

    fn head(&self, org: &str) -> Result<Option<Head>, ReadError> {
        self.read(org, |ledger| Some(ledger.head.clone()))
    }

    fn records(&self, org: &str, from: u64, limit: usize) -> Result<Vec<StoredRecord>, ReadError> {
        self.read(org, |ledger| {
            let from = from.max(ledger.pruned);
            ledger.range(from, u64::MAX).iter().take(limit).cloned().collect()
        })
    }

    fn leaf_hashes(&self, org: &str, from: u64, to: u64) -> Result<Vec<Digest>, ReadError> {
        self.read(org, |ledger| {
            ledger.range(from, to).iter().map(|record| record.leaf_hash).collect()
        })
    }

    fn by_subject(&self, org: &str, subject: u128) -> Result<Vec<StoredRecord>, ReadError> {
        self.read(org, |ledger| {
            let seqs = ledger.subjects.get(&subject).map(Vec::as_slice).unwrap_or_default();
            seqs.iter()
                .filter(|seq| **seq >= ledger.pruned)
                .flat_map(|seq| ledger.range(*seq, seq + 1))
                .cloned()
                .collect()
        })
    }

    fn payload(&self, org: &str, seq: u64) -> Result<Option<StoredPayload>, ReadError> {
        self.read(org, |ledger| ledger.payloads.get(&seq).cloned())
    }

    fn payloads(&self, org: &str, which: &Payloads) -> Result<Vec<u64>, ReadError> {
        let fits = |payload: &StoredPayload| {
            which.class.as_ref().is_none_or(|class| *class == payload.class)
                && which.key.as_ref().is_none_or(|key| *key == payload.key)
        };
        self.read(org, |ledger| {
            let range = which.from..which.before.max(which.from);
            let fitting = ledger.payloads.range(range).filter(|(_, payload)| fits(payload));
            fitting.map(|(seq, _)| *seq).take(which.limit).collect()
        })
    }

    fn pruned(&self, org: &str) -> Result<u64, ReadError> {
        self.read(org, |ledger| ledger.pruned)
    }

    fn secret(&self, org: &str, kind: &str, id: &str) -> Result<Option<Vec<u8>>, ReadError> {
        self.read(org, |ledger| {
            ledger.secrets.get(&(kind.to_owned(), id.to_owned())).cloned()
        })
    }

    fn organization_of_secret(&self, kind: &str, id: &str) -> Result<Option<Org>, ReadError> {
        let key = (kind.to_owned(), id.to_owned());
        let ledgers = self.lock();
        let mut owners = ledgers.iter().filter(|(_, ledger)| ledger.secrets.contains_key(&key));
        match (owners.next(), owners.next()) {
            (Some((org, _)), None) => Ok(Some(org.clone())),
            _ => Ok(None),
        }
    }

    fn secrets(&self, org: &str, after: Option<(&str, &str)>, limit: usize) -> Result<Vec<StoredSecret>, ReadError> {
        self.read(org, |ledger| {
            let after = after.map(|(kind, id)| (kind.to_owned(), id.to_owned()));
            let later = ledger
                .secrets
                .iter()
                .filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after));
            let row = |((kind, id), sealed): (&(String, String), &Vec<u8>)| StoredSecret {
                id: id.clone(),
                kind: kind.clone(),
                sealed: sealed.clone(),
            };
            later.take(limit).map(row).collect()
        })
    }

    fn reseal(&self, org: &str, secrets: &[Resealed]) -> Result<(), ReadError> {
        if let Some(ledger) = self.lock().get_mut(org) {
            for Resealed { sealed, was } in secrets {
                let there = ledger.secrets.get_mut(&(was.kind.clone(), was.id.clone()));
                if let Some(there) = there.filter(|there| **there == was.sealed) {
                    there.clone_from(sealed);
                }
            }
        }
        Ok(())
    }

    fn snapshot(&self, org: &str, hash: &str) -> Result<Option<Files>, ReadError> {
        self.read(org, |ledger| {
            ledger
                .snapshots
                .get(hash)
                .map(|files| files.clone().into_iter().collect())
        })
    }

    fn state(&self, org: &str) -> Result<Option<StoredState>, ReadError> {
        self.read(org, |ledger| ledger.state.clone())
    }

    fn indexed(&self, org: &str) -> Result<u64, ReadError> {
        self.read(org, |ledger| ledger.index.len() as u64)
    }

    fn index(&self, org: &str, rows: &[SearchRow]) -> Result<(), ReadError> {
        let mut ledgers = self.lock();
        let ledger = ledgers
            .get_mut(org)
            .ok_or_else(|| ReadError(format!("there is no organization `{org}`")))?;
        SearchRow::check(rows, ledger.index.len() as u64, ledger.head.size)?;
        ledger.index.extend_from_slice(rows);
        Ok(())
    }

    fn search(&self, org: &str, query: &Query) -> Result<Vec<SearchRow>, ReadError> {
        let agrees = |wanted: &Option<String>, found: Option<&String>| wanted.is_none() || wanted.as_ref() == found;
        let fits = |row: &&SearchRow| {
            query.before.is_none_or(|before| row.seq < before)
                && query.from.is_none_or(|from| row.ts >= from)
                && query.to.is_none_or(|to| row.ts < to)
                && agrees(&query.action, row.action.as_ref())
                && agrees(&query.agent, row.agent.as_ref())
                && agrees(&query.decision, row.decision.as_ref())
                && agrees(&query.kind, Some(&row.kind))
        };
        self.read(org, |ledger| {
            ledger
                .index
                .iter()
                .rev()
                .filter(fits)
                .take(query.limit)
                .cloned()
                .collect()
        })
    }

    fn ping(&self) -> Result<(), ReadError> {
        Ok(())
    }
}
