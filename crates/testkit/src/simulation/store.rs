//! A store that fails as it is told or as its dice fall: one connection to a simulated machine, of one owner or of
//! several nodes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_core::Time;
use countersign_core::digest::Digest;
use countersign_store::{
    Append, AppendError, Changes, Files, Head, MemoryStore, Org, OrganizationRow, Payloads, Query, ReadError, Resealed,
    SearchRow, Shared, Store, StoredPayload, StoredRecord, StoredSecret, StoredState, Turn,
};

use super::dice::Dice;
use super::faults::{Fault, Faults};
use super::sabotage::Sabotage;
use super::server::{Lost, Server};
use super::timeline::{Timeline, Wall};

/// A connection to a simulated store. [`SimStore::node`] makes further ones.
pub struct SimStore {
    server: Arc<Mutex<Server>>,
    node: u64,
    shared: bool,
    /// Sizes of the ledgers when this node last heard of them.
    heard: Mutex<BTreeMap<Org, u64>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SimStore {
    /// An empty store of one owner, on a disk whose misfortunes come from `dice`.
    pub fn owned(timeline: &Timeline, dice: Dice) -> SimStore {
        SimStore {
            server: Arc::new(Mutex::new(Server::new(timeline, dice))),
            node: 0,
            shared: false,
            heard: Mutex::default(),
        }
    }

    /// An empty store that several nodes share, on a clock of its own.
    pub fn shared(timeline: &Timeline, dice: Dice) -> SimStore {
        SimStore {
            shared: true,
            ..SimStore::owned(timeline, dice)
        }
    }

    /// A store for a test that says itself what fails.
    pub fn obedient() -> SimStore {
        SimStore::owned(&Timeline::default(), Dice::new(0))
    }

    /// Another node's connection to the same store.
    #[must_use]
    pub fn node(&self, node: u64) -> SimStore {
        SimStore {
            server: self.server.clone(),
            node,
            shared: self.shared,
            heard: Mutex::default(),
        }
    }

    /// From now on every append has this fault; `None` ends it.
    pub fn fail(&self, fault: Option<Fault>) {
        lock(&self.server).faults.always = fault;
    }

    /// Changes what goes wrong.
    pub fn faults<T>(&self, change: impl FnOnce(&mut Faults) -> T) -> T {
        change(&mut lock(&self.server).faults)
    }

    /// How many appends were tried.
    pub fn appends(&self) -> u64 {
        lock(&self.server).appends
    }

    /// The clock of the machine.
    pub fn clock(&self) -> Wall {
        lock(&self.server).clock.clone()
    }

    /// The disk acknowledges syncs and does not carry them out, or does again.
    pub fn lie(&self, lies: bool) {
        lock(&self.server).disk.lies = lies;
    }

    /// The disk has room for so many bytes more; `None` = for all.
    pub fn room(&self, bytes: Option<usize>) {
        let mut server = lock(&self.server);
        server.disk.room_until = bytes.map(|bytes| server.disk.len() + bytes);
    }

    /// Does something wrong on purpose from now on.
    pub fn sabotage(&self, sabotage: Option<Sabotage>) {
        let mut server = lock(&self.server);
        server.sabotage = sabotage;
        server.disk.lies = sabotage == Some(Sabotage::LosesSyncs);
    }

    /// Whether the machine runs.
    pub fn is_up(&self) -> bool {
        lock(&self.server).up
    }

    /// The power goes.
    pub fn die(&self) {
        lock(&self.server).die();
    }

    /// Starts the machine again. Says which ledgers lost what was acknowledged.
    pub fn restart(&self) -> Vec<Lost> {
        lock(&self.server).restart()
    }

    /// Cuts a node's connection, or lets it through again. Its turns end with its connection.
    pub fn cut(&self, node: u64, cut: bool) {
        let mut server = lock(&self.server);
        if cut {
            server.cut.insert(node);
        } else {
            server.cut.remove(&node);
        }
        server.news_lost.insert(node);
    }

    /// Ends every turn that lies idle.
    pub fn end_turns(&self) {
        lock(&self.server).taken.clear();
    }

    /// What is committed, past all faults: for whoever checks.
    pub fn image(&self) -> Arc<MemoryStore> {
        lock(&self.server).image.clone()
    }

    fn read<T>(&self, read: impl FnOnce(&MemoryStore) -> Result<T, ReadError>) -> Result<T, ReadError> {
        let image = lock(&self.server).read(self.node)?;
        read(&image)
    }

    /// Which ledgers have another size than this node knows; it knows them then.
    fn news(&self) -> Result<Vec<Org>, ReadError> {
        let image = lock(&self.server).read(self.node)?;
        let mut heard = lock(&self.heard);
        let mut sizes = BTreeMap::new();
        for row in image.organizations()? {
            let size = image.head(&row.name)?.map_or(0, |head| head.size);
            sizes.insert(row.name, size);
        }
        let grown = sizes.iter().filter(|(org, size)| heard.get(*org) != Some(*size));
        let gone = heard.keys().filter(|org| !sizes.contains_key(*org));
        let news = grown.map(|(org, _)| org).chain(gone).cloned().collect();
        *heard = sizes;
        Ok(news)
    }
}

impl Store for SimStore {
    fn organizations(&self) -> Result<Vec<OrganizationRow>, ReadError> {
        self.read(Store::organizations)
    }

    fn append(&self, batch: &[Append]) -> Result<(), AppendError> {
        if !self.shared {
            return lock(&self.server).append(self.node, batch);
        }
        let orgs: Vec<Org> = batch.iter().map(|share| share.org.clone()).collect();
        self.turn(&orgs)?.append(batch)
    }

    fn remove_organization(&self, org: &str) -> Result<(), AppendError> {
        lock(&self.server).remove(self.node, org)
    }

    fn head(&self, org: &str) -> Result<Option<Head>, ReadError> {
        self.read(|image| image.head(org))
    }

    fn records(&self, org: &str, from: u64, limit: usize) -> Result<Vec<StoredRecord>, ReadError> {
        let mut records = self.read(|image| image.records(org, from, limit))?;
        let Some(sabotage) = lock(&self.server).sabotage else {
            return Ok(records);
        };
        for record in &mut records {
            let read = sabotage.of_record(std::mem::take(&mut record.leaf));
            record.leaf = read.map_err(|error| ReadError(error.to_string()))?;
        }
        Ok(records)
    }

    fn leaf_hashes(&self, org: &str, from: u64, to: u64) -> Result<Vec<Digest>, ReadError> {
        self.read(|image| image.leaf_hashes(org, from, to))
    }

    fn by_subject(&self, org: &str, subject: u128) -> Result<Vec<StoredRecord>, ReadError> {
        self.read(|image| image.by_subject(org, subject))
    }

    fn payload(&self, org: &str, seq: u64) -> Result<Option<StoredPayload>, ReadError> {
        self.read(|image| image.payload(org, seq))
    }

    fn payloads(&self, org: &str, which: &Payloads) -> Result<Vec<u64>, ReadError> {
        self.read(|image| image.payloads(org, which))
    }

    fn pruned(&self, org: &str) -> Result<u64, ReadError> {
        self.read(|image| image.pruned(org))
    }

    fn secret(&self, org: &str, kind: &str, id: &str) -> Result<Option<Vec<u8>>, ReadError> {
        self.read(|image| image.secret(org, kind, id))
    }

    fn organization_of_secret(&self, kind: &str, id: &str) -> Result<Option<Org>, ReadError> {
        self.read(|image| image.organization_of_secret(kind, id))
    }

    fn secrets(&self, org: &str, after: Option<(&str, &str)>, limit: usize) -> Result<Vec<StoredSecret>, ReadError> {
        self.read(|image| image.secrets(org, after, limit))
    }

    fn reseal(&self, org: &str, secrets: &[Resealed]) -> Result<(), ReadError> {
        // No world gives its instance another key.
        self.read(|image| image.reseal(org, secrets))
    }

    fn snapshot(&self, org: &str, hash: &str) -> Result<Option<Files>, ReadError> {
        self.read(|image| image.snapshot(org, hash))
    }

    fn state(&self, org: &str) -> Result<Option<StoredState>, ReadError> {
        self.read(|image| image.state(org))
    }

    fn indexed(&self, org: &str) -> Result<u64, ReadError> {
        self.read(|image| image.indexed(org))
    }

    fn index(&self, org: &str, rows: &[SearchRow]) -> Result<(), ReadError> {
        self.read(|image| image.index(org, rows))
    }

    fn search(&self, org: &str, query: &Query) -> Result<Vec<SearchRow>, ReadError> {
        self.read(|image| image.search(org, query))
    }

    fn ping(&self) -> Result<(), ReadError> {
        self.read(|_| Ok(()))
    }

    fn shared(&self) -> Option<&dyn Shared> {
        self.shared.then_some(self)
    }
}

struct SimTurn {
    server: Arc<Mutex<Server>>,
    node: u64,
    turn: u64,
    now: Time,
    heads: BTreeMap<Org, Option<Head>>,
}

impl Turn for SimTurn {
    fn now(&self) -> Time {
        self.now
    }

    fn head(&self, org: &str) -> Option<&Head> {
        self.heads.get(org)?.as_ref()
    }

    fn append(self: Box<Self>, batch: &[Append]) -> Result<(), AppendError> {
        let mut server = lock(&self.server);
        if !self.heads.keys().all(|org| server.taken.get(org) == Some(&self.turn)) {
            return Err(AppendError::Failed(
                "the turn lay idle for too long and was ended".into(),
            ));
        }
        server.append(self.node, batch)
    }
}

impl Drop for SimTurn {
    fn drop(&mut self) {
        lock(&self.server).taken.retain(|_, turn| *turn != self.turn);
    }
}

impl Shared for SimStore {
    fn turn(&self, orgs: &[Org]) -> Result<Box<dyn Turn>, AppendError> {
        let mut server = lock(&self.server);
        let failed = |why: &str| AppendError::Failed(why.into());
        server.reach(self.node).map_err(failed)?;
        if orgs.iter().any(|org| server.taken.contains_key(org)) {
            return Err(failed("another node holds the ledger"));
        }
        server.turns += 1;
        let turn = server.turns;
        let heads = server.heads(orgs).map_err(|error| failed(&error.0))?;
        server.taken.extend(orgs.iter().map(|org| (org.clone(), turn)));
        Ok(Box::new(SimTurn {
            server: self.server.clone(),
            node: self.node,
            turn,
            now: server.clock.shows(),
            heads,
        }))
    }

    fn changes(&self, _at_most: Duration) -> Result<Changes, ReadError> {
        let news = self.news()?;
        if lock(&self.server).news_lost.remove(&self.node) {
            return Ok(Changes::Anywhere);
        }
        Ok(Changes::In(news))
    }

    fn lease(&self, org: &str, work: &str, holder: &str, lasts: Duration) -> Result<bool, ReadError> {
        let mut server = lock(&self.server);
        server.reach(self.node).map_err(|why| ReadError(why.into()))?;
        let now = server.clock.shows();
        let until = Time(
            now.0
                .saturating_add(i64::try_from(lasts.as_micros()).unwrap_or(i64::MAX)),
        );
        let lease = server.leases.entry((org.to_owned(), work.to_owned()));
        let (by, ends) = lease.or_insert_with(|| (holder.to_owned(), until));
        if by != holder && *ends > now {
            return Ok(false);
        }
        (*by, *ends) = (holder.to_owned(), until);
        Ok(true)
    }
}
