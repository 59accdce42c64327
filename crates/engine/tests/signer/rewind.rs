//! A store that loses commits when it is told to, and that can be had anew as it was before.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use countersign_core::digest::Digest;
use countersign_store::{
    Append, AppendError, Files, Head, MemoryStore, Org, OrganizationRow, Payloads, Query, ReadError, Resealed,
    SearchRow, Store, StoredPayload, StoredRecord, StoredSecret, StoredState,
};

/// What becomes of the next commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is durable.
    Fine,
    /// It fails after the checkpoint was signed: nothing is there.
    Lost,
    /// A bit of a record flips in memory after the checkpoint was signed.
    Flipped,
    /// Nobody hears of it: nothing is there.
    UnknownAndLost,
    /// Nobody hears of it: all is there.
    UnknownButThere,
}

/// The store.
pub struct Rewind {
    inner: MemoryStore,
    batches: Mutex<Vec<Vec<Append>>>,
    /// Decides the fate of each commit by its number.
    fate: Box<dyn Fn(u64) -> Fate + Send + Sync>,
    commits: AtomicU64,
    /// How many pages of secrets are sealed anew before the process is killed.
    pub reseals: AtomicU64,
}

impl Rewind {
    /// An empty store.
    pub fn new(fate: impl Fn(u64) -> Fate + Send + Sync + 'static) -> Rewind {
        Rewind {
            inner: MemoryStore::default(),
            batches: Mutex::default(),
            fate: Box::new(fate),
            commits: AtomicU64::new(0),
            reseals: AtomicU64::new(u64::MAX),
        }
    }

    /// How many batches it holds.
    pub fn batches(&self) -> usize {
        self.batches.lock().unwrap().len()
    }

    /// What was appended, batch by batch.
    pub fn contents(&self) -> Vec<Vec<Append>> {
        self.batches.lock().unwrap().clone()
    }

    /// The store as it was after its first `batches`: what a backup from then restores to.
    pub fn as_of(&self, batches: usize) -> Rewind {
        let old = Rewind::new(|_| Fate::Fine);
        for batch in &self.batches.lock().unwrap()[..batches] {
            old.append(batch).unwrap();
        }
        old
    }
}

impl Store for Rewind {
    fn append(&self, batch: &[Append]) -> Result<(), AppendError> {
        let fate = (self.fate)(self.commits.fetch_add(1, Ordering::SeqCst));
        match fate {
            Fate::Lost => return Err(AppendError::Failed("the disk says no".into())),
            Fate::UnknownAndLost => return Err(AppendError::Unknown("connection lost".into())),
            Fate::Flipped => {
                let mut batch = batch.to_vec();
                *batch[0].records[0].leaf.last_mut().unwrap() ^= 4;
                return self.inner.append(&batch);
            }
            Fate::Fine | Fate::UnknownButThere => {}
        }
        self.inner.append(batch)?;
        self.batches.lock().unwrap().push(batch.to_vec());
        if fate == Fate::UnknownButThere {
            return Err(AppendError::Unknown("connection lost".into()));
        }
        Ok(())
    }
    fn organizations(&self) -> Result<Vec<OrganizationRow>, ReadError> {
        self.inner.organizations()
    }
    fn remove_organization(&self, org: &str) -> Result<(), AppendError> {
        self.inner.remove_organization(org)
    }
    fn head(&self, org: &str) -> Result<Option<Head>, ReadError> {
        self.inner.head(org)
    }
    fn records(&self, org: &str, from: u64, limit: usize) -> Result<Vec<StoredRecord>, ReadError> {
        self.inner.records(org, from, limit)
    }
    fn leaf_hashes(&self, org: &str, from: u64, to: u64) -> Result<Vec<Digest>, ReadError> {
        self.inner.leaf_hashes(org, from, to)
    }
    fn by_subject(&self, org: &str, subject: u128) -> Result<Vec<StoredRecord>, ReadError> {
        self.inner.by_subject(org, subject)
    }
    fn payload(&self, org: &str, seq: u64) -> Result<Option<StoredPayload>, ReadError> {
        self.inner.payload(org, seq)
    }
    fn payloads(&self, org: &str, which: &Payloads) -> Result<Vec<u64>, ReadError> {
        self.inner.payloads(org, which)
    }
    fn pruned(&self, org: &str) -> Result<u64, ReadError> {
        self.inner.pruned(org)
    }
    fn secret(&self, org: &str, kind: &str, id: &str) -> Result<Option<Vec<u8>>, ReadError> {
        self.inner.secret(org, kind, id)
    }
    fn organization_of_secret(&self, kind: &str, id: &str) -> Result<Option<Org>, ReadError> {
        self.inner.organization_of_secret(kind, id)
    }
    fn secrets(&self, org: &str, after: Option<(&str, &str)>, limit: usize) -> Result<Vec<StoredSecret>, ReadError> {
        self.inner.secrets(org, after, limit)
    }
    fn reseal(&self, org: &str, secrets: &[Resealed]) -> Result<(), ReadError> {
        let left = self.reseals.fetch_sub(1, Ordering::SeqCst);
        if left == 0 {
            return Err(ReadError("the process was killed".into()));
        }
        self.inner.reseal(org, secrets)
    }
    fn snapshot(&self, org: &str, hash: &str) -> Result<Option<Files>, ReadError> {
        self.inner.snapshot(org, hash)
    }
    fn state(&self, org: &str) -> Result<Option<StoredState>, ReadError> {
        self.inner.state(org)
    }
    fn indexed(&self, org: &str) -> Result<u64, ReadError> {
        self.inner.indexed(org)
    }
    fn index(&self, org: &str, rows: &[SearchRow]) -> Result<(), ReadError> {
        self.inner.index(org, rows)
    }
    fn search(&self, org: &str, query: &Query) -> Result<Vec<SearchRow>, ReadError> {
        self.inner.search(org, query)
    }
    fn ping(&self) -> Result<(), ReadError> {
        self.inner.ping()
    }
}
