//! The machine under a simulated store: a write-ahead log on a disk that forgets, and what it shows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_core::Time;
use countersign_store::{Append, AppendError, Head, MemoryStore, Org, ReadError, Store as _};

use super::dice::Dice;
use super::disk::Disk;
use super::faults::{Fault, Faults};
use super::frames::{Entry, Frames};
use super::sabotage::Sabotage;
use super::timeline::{Timeline, Wall};

/// A ledger that is shorter after a crash than what was acknowledged of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Whose.
    pub org: Org,
    /// How many records were acknowledged.
    pub acknowledged: u64,
    /// How many there are.
    pub left: u64,
}

pub(super) struct Server {
    pub clock: Wall,
    pub dice: Dice,
    pub disk: Disk,
    pub faults: Faults,
    /// What is committed: what reads see.
    pub image: Arc<MemoryStore>,
    pub up: bool,
    /// Nodes whose connection is cut.
    pub cut: BTreeSet<u64>,
    /// Ledgers that a turn holds, by turn.
    pub taken: BTreeMap<Org, u64>,
    pub leases: BTreeMap<(String, String), (String, Time)>,
    /// News for nodes was lost: they have to look everywhere.
    pub news_lost: BTreeSet<u64>,
    /// What is wrong on purpose.
    pub sabotage: Option<Sabotage>,
    pub appends: u64,
    pub turns: u64,
    frames: Frames,
    timeline: Timeline,
}

impl Server {
    pub fn new(timeline: &Timeline, dice: Dice) -> Server {
        Server {
            clock: timeline.wall(),
            dice,
            disk: Disk::default(),
            faults: Faults::default(),
            image: Arc::default(),
            up: true,
            cut: BTreeSet::new(),
            taken: BTreeMap::new(),
            leases: BTreeMap::new(),
            news_lost: BTreeSet::new(),
            sabotage: None,
            appends: 0,
            turns: 0,
            frames: Frames::default(),
            timeline: timeline.clone(),
        }
    }

    /// Whether a node gets through.
    pub fn reach(&self, node: u64) -> Result<(), &'static str> {
        if !self.up {
            return Err("the machine is down");
        }
        if self.cut.contains(&node) {
            return Err("the connection is cut");
        }
        Ok(())
    }

    /// What a read of this node sees.
    pub fn read(&mut self, node: u64) -> Result<Arc<MemoryStore>, ReadError> {
        self.reach(node).map_err(|why| ReadError(why.into()))?;
        if self.faults.of_read(&mut self.dice) {
            return Err(ReadError("the read failed".into()));
        }
        Ok(self.image.clone())
    }

    /// The ends of these ledgers.
    pub fn heads(&self, orgs: &[Org]) -> Result<BTreeMap<Org, Option<Head>>, ReadError> {
        orgs.iter()
            .map(|org| Ok((org.clone(), self.image.head(org)?)))
            .collect()
    }

    pub fn append(&mut self, node: u64, batch: &[Append]) -> Result<(), AppendError> {
        self.appends += 1;
        self.reach(node).map_err(|why| AppendError::Failed(why.into()))?;
        self.check(batch)?;
        let fault = self.faults.of_append(&mut self.dice);
        match fault {
            Some(Fault::Full) => return Err(AppendError::Full("no room is left".into())),
            Some(Fault::Failed) => return Err(AppendError::Failed("input/output error".into())),
            Some(Fault::UnknownAndLost) => return Err(AppendError::Unknown("the connection was lost".into())),
            Some(Fault::Slow(span)) => self.timeline.pass(span),
            Some(Fault::UnknownButThere | Fault::DiesWriting | Fault::DiesUnsynced | Fault::DiesSynced) | None => {}
        }
        if self.sabotage == Some(Sabotage::AcknowledgesNothing) && self.dice.happens(50) {
            return Ok(());
        }
        self.write(Entry::Batch(batch.into()), fault)?;
        self.image.append(batch)?;
        match fault {
            Some(Fault::UnknownButThere) => Err(AppendError::Unknown("the connection was lost".into())),
            _fine => Ok(()),
        }
    }

    pub fn remove(&mut self, node: u64, org: &str) -> Result<(), AppendError> {
        self.reach(node).map_err(|why| AppendError::Failed(why.into()))?;
        self.write(Entry::Remove(org.into()), None)?;
        self.image.remove_organization(org)
    }

    /// What [`MemoryStore`] checks, before anything is on the disk.
    fn check(&self, batch: &[Append]) -> Result<(), AppendError> {
        let mut sizes: BTreeMap<&Org, Option<u64>> = BTreeMap::new();
        for share in batch {
            let head = self.image.head(&share.org);
            let head = head.map_err(|error| AppendError::Failed(error.to_string()))?;
            let found = sizes.entry(&share.org).or_insert_with(|| head.map(|head| head.size));
            share.check(*found)?;
            *found = Some(share.head.size);
        }
        Ok(())
    }

    /// Puts a frame on the disk.
    fn write(&mut self, entry: Entry, fault: Option<Fault>) -> Result<(), AppendError> {
        let before = self.disk.len();
        let frame = self.frames.encode(before, entry);
        let died = || Err(AppendError::Unknown("the machine died".into()));
        if fault == Some(Fault::DiesWriting) {
            let part = self.dice.place(frame.len());
            // A part that does not fit is as gone as one that was not written.
            let _fits = self.disk.write(&frame[..part]);
            self.die();
            return died();
        }
        if self.disk.write(&frame).is_err() {
            self.disk.cut(before);
            return Err(AppendError::Full("no room is left on the disk".into()));
        }
        if fault == Some(Fault::DiesUnsynced) {
            self.die();
            return died();
        }
        self.disk.sync();
        if fault == Some(Fault::DiesSynced) {
            self.die();
            return died();
        }
        Ok(())
    }

    /// The power goes.
    pub fn die(&mut self) {
        if std::mem::replace(&mut self.up, false) {
            self.disk.crash(&mut self.dice);
            self.taken.clear();
            self.leases.clear();
        }
    }

    /// Starts again from the disk. Says which ledgers lost what was acknowledged.
    pub fn restart(&mut self) -> Vec<Lost> {
        let before = std::mem::take(&mut self.image);
        let (entries, whole) = self.frames.decode(self.disk.bytes());
        self.disk.cut(whole);
        for entry in entries {
            let done = match &entry {
                Entry::Batch(batch) => self.image.append(batch),
                Entry::Remove(org) => self.image.remove_organization(org),
            };
            assert!(done.is_ok(), "a log of a simulated store replays: {done:?}");
        }
        self.up = true;
        let size = |image: &MemoryStore, org: &str| {
            let head = image.head(org).unwrap_or_default();
            head.map_or(0, |head| head.size)
        };
        let rows = before.organizations().unwrap_or_default();
        let lost = rows.into_iter().map(|row| Lost {
            acknowledged: size(&before, &row.name),
            left: size(&self.image, &row.name),
            org: row.name,
        });
        lost.filter(|lost| lost.left < lost.acknowledged).collect()
    }
}
