//! The store in memory as several nodes use it, on a clock of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_core::digest::Digest;
use countersign_core::time::Time;

use super::MemoryStore;
use crate::{
    Append, AppendError, Changes, Files, Head, Org, OrganizationRow, Payloads, Query, ReadError, Resealed, SearchRow,
    Shared, Store, StoredPayload, StoredRecord, StoredSecret, StoredState, Turn,
};

/// How long one turn waits for another.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Where a shared store in memory gets its time from.
type StoreClock = Box<dyn Fn() -> Time + Send + Sync>;

/// One node's view of a store in memory that several nodes share. [`SharedMemory::node`] makes further ones.
pub struct SharedMemory {
    common: Arc<Common>,
    /// Sizes of the ledgers when this node last heard of them.
    heard: Mutex<BTreeMap<Org, u64>>,
}

struct Common {
    store: MemoryStore,
    clock: StoreClock,
    taken: Mutex<Taken>,
    /// A turn ended, or a ledger grew.
    changed: Condvar,
}

#[derive(Default)]
struct Taken {
    orgs: BTreeSet<Org>,
    leases: BTreeMap<(String, String), (String, Time)>,
}

impl SharedMemory {
    /// An empty store whose time is what `clock` says.
    pub fn new(clock: impl Fn() -> Time + Send + Sync + 'static) -> SharedMemory {
        SharedMemory {
            common: Arc::new(Common {
                store: MemoryStore::default(),
                clock: Box::new(clock),
                taken: Mutex::new(Taken::default()),
                changed: Condvar::new(),
            }),
            heard: Mutex::new(BTreeMap::new()),
        }
    }

    /// Another node's view of the same store.
    #[must_use]
    pub fn node(&self) -> SharedMemory {
        SharedMemory {
            common: self.common.clone(),
            heard: Mutex::new(BTreeMap::new()),
        }
    }

    fn store(&self) -> &MemoryStore {
        &self.common.store
    }

    /// Which ledgers have another size than this node knows; it knows them then.
    fn news(&self) -> Vec<Org> {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let sizes: BTreeMap<Org, u64> = (self.store().lock().iter())
            .map(|(org, ledger)| (org.clone(), ledger.head.size))
            .collect();
        let grown = sizes.iter().filter(|(org, size)| heard.get(*org) != Some(*size));
        let gone = heard.keys().filter(|org| !sizes.contains_key(*org));
        let news = grown.map(|(org, _)| org).chain(gone).cloned().collect();
        *heard = sizes;
        news
    }
}

impl Common {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct MemoryTurn {
    common: Arc<Common>,
    heads: BTreeMap<Org, Option<Head>>,
    now: Time,
}

impl Turn for MemoryTurn {
    fn now(&self) -> Time {
        self.now
    }

    fn head(&self, org: &str) -> Option<&Head> {
        self.heads.get(org)?.as_ref()
    }

    fn append(self: Box<Self>, batch: &[Append]) -> Result<(), AppendError> {
        self.common.store.append(batch)
    }
}

impl Drop for MemoryTurn {
    fn drop(&mut self) {
        let mut taken = self.common.taken();
        for org in self.heads.keys() {
            taken.orgs.remove(org);
        }
        self.common.changed.notify_all();
    }
}

impl Shared for SharedMemory {
    fn turn(&self, orgs: &[Org]) -> Result<Box<dyn Turn>, AppendError> {
        let free = |taken: &mut Taken| orgs.iter().any(|org| taken.orgs.contains(org));
        let (mut taken, waited) = (self.common.changed)
            .wait_timeout_while(self.common.taken(), LONGEST_WAIT, free)
            .unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return Err(AppendError::Failed("another node holds the ledger".into()));
        }
        taken.orgs.extend(orgs.iter().cloned());
        drop(taken);
        let ledgers = self.store().lock();
        let heads = orgs
            .iter()
            .map(|org| (org.clone(), ledgers.get(org).map(|ledger| ledger.head.clone())));
        Ok(Box::new(MemoryTurn {
            common: self.common.clone(),
            heads: heads.collect(),
            now: (self.common.clock)(),
        }))
    }

    fn changes(&self, at_most: Duration) -> Result<Changes, ReadError> {
        let news = self.news();
        if !news.is_empty() {
            return Ok(Changes::In(news));
        }
        drop(self.common.changed.wait_timeout(self.common.taken(), at_most));
        Ok(Changes::In(self.news()))
    }

    fn lease(&self, org: &str, work: &str, holder: &str, lasts: Duration) -> Result<bool, ReadError> {
        let now = (self.common.clock)();
        let until = Time(
            now.0
                .saturating_add(i64::try_from(lasts.as_micros()).unwrap_or(i64::MAX)),
        );
        let mut taken = self.common.taken();
        let lease = taken.leases.entry((org.to_owned(), work.to_owned()));
        let (by, ends) = lease.or_insert_with(|| (holder.to_owned(), until));
        if by != holder && *ends > now {
            return Ok(false);
        }
        (*by, *ends) = (holder.to_owned(), until);
        Ok(true)
    }
}

impl Store for SharedMemory {
    fn organizations(&self) -> Result<Vec<OrganizationRow>, ReadError> {
        self.store().organizations()
    }

    fn append(&self, batch: &[Append]) -> Result<(), AppendError> {
        let orgs: BTreeSet<Org> = batch.iter().map(|share| share.org.clone()).collect();
        self.turn(&Vec::from_iter(orgs))?.append(batch)
    }

    fn remove_organization(&self, org: &str) -> Result<(), AppendError> {
        let turn = self.turn(&[org.into()])?;
        self.store().remove_organization(org)?;
        drop(turn);
        Ok(())
    }

    fn head(&self, org: &str) -> Result<Option<Head>, ReadError> {
        self.store().head(org)
    }

    fn records(&self, org: &str, from: u64, limit: usize) -> Result<Vec<StoredRecord>, ReadError> {
        self.store().records(org, from, limit)
    }

    fn leaf_hashes(&self, org: &str, from: u64, to: u64) -> Result<Vec<Digest>, ReadError> {
        self.store().leaf_hashes(org, from, to)
    }

    fn by_subject(&self, org: &str, subject: u128) -> Result<Vec<StoredRecord>, ReadError> {
        self.store().by_subject(org, subject)
    }

    fn payload(&self, org: &str, seq: u64) -> Result<Option<StoredPayload>, ReadError> {
        self.store().payload(org, seq)
    }

    fn payloads(&self, org: &str, which: &Payloads) -> Result<Vec<u64>, ReadError> {
        self.store().payloads(org, which)
    }

    fn pruned(&self, org: &str) -> Result<u64, ReadError> {
        self.store().pruned(org)
    }

    fn secret(&self, org: &str, kind: &str, id: &str) -> Result<Option<Vec<u8>>, ReadError> {
        self.store().secret(org, kind, id)
    }

    fn organization_of_secret(&self, kind: &str, id: &str) -> Result<Option<Org>, ReadError> {
        self.store().organization_of_secret(kind, id)
    }

    fn secrets(&self, org: &str, after: Option<(&str, &str)>, limit: usize) -> Result<Vec<StoredSecret>, ReadError> {
        self.store().secrets(org, after, limit)
    }

    fn reseal(&self, org: &str, secrets: &[Resealed]) -> Result<(), ReadError> {
        self.store().reseal(org, secrets)
    }

    fn snapshot(&self, org: &str, hash: &str) -> Result<Option<Files>, ReadError> {
        self.store().snapshot(org, hash)
    }

    fn state(&self, org: &str) -> Result<Option<StoredState>, ReadError> {
        self.store().state(org)
    }

    fn indexed(&self, org: &str) -> Result<u64, ReadError> {
        self.store().indexed(org)
    }

    fn index(&self, org: &str, rows: &[SearchRow]) -> Result<(), ReadError> {
        self.store().index(org, rows)
    }

    fn search(&self, org: &str, query: &Query) -> Result<Vec<SearchRow>, ReadError> {
        self.store().search(org, query)
    }

    fn ping(&self) -> Result<(), ReadError> {
        self.store().ping()
    }

    fn shared(&self) -> Option<&dyn Shared> {
        Some(self)
    }
}
