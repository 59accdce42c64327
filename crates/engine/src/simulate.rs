//! What a policy that is not live would have said of recorded actions: read from the store by a thread of its own, a part of
//! the ledger at a time, beside the sequencer.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use countersign_core::record::is_decision;
use countersign_core::simulate::{Against, Cited, Report, Simulation};
use countersign_core::{Category, Record, Refusal, State, Time};
use countersign_policy::Snapshot;
use countersign_policy::diff::{Difference, differences};
use countersign_store::Org;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::auth::Caller;
use crate::error::EngineError;
use crate::{Engine, Inner, blocking};

/// Records that are read at once.
const PAGE: usize = 1024;
/// How long one part takes at most, as long as it comes forward at all.
const PART: Duration = Duration::from_secs(2);
/// Records of one part at most, however fast they are looked at.
const PART_RECORDS: u64 = 200_000;
/// How many records are looked at between two looks at whether decisions wait.
const STRIDE: usize = 64;
/// How long decisions that wait are made way for.
const MAKE_WAY: Duration = Duration::from_millis(1);

/// What the candidate is held against.
pub enum HeldAgainst {
    /// The policy that is live now.
    Live,
    /// What was decided then.
    Recorded,
    /// A stored snapshot.
    Snapshot(String),
}

/// Which part of the ledger is looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Range {
    /// Only decisions from this time on.
    pub since: Option<Time>,
    /// From this record on.
    pub from: Option<u64>,
    /// Only records before this one.
    pub until: Option<u64>,
}

/// What became of a part of the ledger.
pub struct SimulatedPart {
    /// What the candidate was held against: a snapshot's hash, or `recorded`.
    pub against: String,
    /// Kinds of differences between the two at which a simulation does not look, a sentence each.
    pub outside: Vec<String>,
    /// The first record of the part.
    pub from: u64,
    /// The records of the whole range end before this one.
    pub until: u64,
    /// Where the next part begins.
    pub next: Option<u64>,
    /// What was found.
    pub report: Report,
}

/// What is done by one at a time on a node.
pub(crate) struct Alone {
    /// To try a policy.
    simulating: Arc<Semaphore>,
    /// To search for what would have been decided otherwise.
    pub(crate) searching: Mutex<()>,
}

impl Default for Alone {
    fn default() -> Alone {
        Alone {
            simulating: Arc::new(Semaphore::new(1)),
            searching: Mutex::new(()),
        }
    }
}

/// The snapshots that an organization has. Schemas lie beside them in the store, and are none.
struct Known {
    live: Option<Arc<str>>,
    stored: Vec<Arc<str>>,
}

impl Known {
    fn of(state: &State) -> Known {
        Known {
            live: state.live().cloned(),
            stored: state.snapshots().keys().cloned().collect(),
        }
    }

    /// The one that is named, or the live one.
    fn snapshot(self, named: Option<String>) -> Result<Arc<str>, Refusal> {
        match named {
            None => self.live.ok_or_else(|| {
                Refusal::conflict("no_policy", "no policy is live, so there is nothing to hold it against")
                    .hint("name a stored snapshot; a simulation can be held against `recorded` as well")
            }),
            Some(hash) => {
                let found = self.stored.into_iter().find(|known| **known == *hash);
                found.ok_or_else(|| Refusal::missing("snapshot", hash))
            }
        }
    }
}

/// What a simulation is held against.
struct Meant {
    /// The snapshot; `None` for what was recorded.
    against: Option<Arc<str>>,
    /// The snapshot whose differences are told at which a simulation does not look.
    told: Option<Arc<str>>,
}

/// Somebody tries a policy: this is held from before the documents are looked at until the work is done, also where nobody
/// waits for it any more.
pub struct Simulating {
    _held: OwnedSemaphorePermit,
}

/// Snapshots of an organization, as decisions cite them.
struct Stored<'i> {
    inner: &'i Inner,
    org: &'i Org,
}

impl Cited for Stored<'_> {
    fn snapshot(&self, hash: &Arc<str>) -> Option<Arc<Snapshot>> {
        self.inner.compiled(self.org, Some(hash))
    }
}

impl Engine {
    /// Begins to try a policy. One at a time, so that those who try policies do not take the processor from those who
    /// decide.
    ///
    /// # Errors
    /// `simulation_running` while somebody else does.
    pub fn simulating(&self) -> Result<Simulating, EngineError> {
        let held = self.inner.alone.simulating.clone().try_acquire_owned().map_err(|_| {
            let detail = "a policy is being tried or compared";
            Refusal::new(Category::Throttled, "simulation_running", detail).hint("ask again in a moment")
        })?;
        Ok(Simulating { _held: held })
    }

    /// What is different in `after`, and the hash of what was before: a stored snapshot, or the live one where none is named.
    ///
    /// # Errors
    /// `not_found` for a snapshot that is not stored, `no_policy` where it is to be the live one and nothing is.
    pub async fn policy_differences(
        &self,
        caller: &Caller,
        before: Option<String>,
        after: Snapshot,
        simulating: Simulating,
    ) -> Result<(String, Vec<Difference>), EngineError> {
        let known = self.look(&caller.org, Known::of).await?;
        let hash = known.snapshot(before)?;
        let (inner, org) = (self.inner.clone(), caller.org.clone());
        blocking(move || {
            let _simulating = simulating;
            let before = inner.compiled(&org, Some(&hash)).ok_or_else(|| lost(&hash))?;
            Ok((hash.to_string(), differences(&before, &after)))
        })
        .await
    }

    /// The snapshot that is meant, if one is, and how long the ledger is; besides the one whose differences at which nobody
    /// looks are told, which of what was recorded is the live one.
    async fn held(&self, caller: &Caller, against: HeldAgainst) -> Result<(Meant, u64), EngineError> {
        let known = self.look(&caller.org, |state| (Known::of(state), state.next_seq()));
        let (known, size) = known.await?;
        let told = known.live.clone();
        let against = match against {
            HeldAgainst::Recorded => None,
            HeldAgainst::Live => Some(known.snapshot(None)?),
            HeldAgainst::Snapshot(hash) => Some(known.snapshot(Some(hash))?),
        };
        let told = against.clone().or(told);
        Ok((Meant { against, told }, size))
    }

    /// Holds a part of the recorded decisions against a candidate. Whoever asks goes on at `next` until there is none.
    ///
    /// # Errors
    /// `not_found` for a snapshot that is not stored, `no_policy` where it is held against what is live and nothing is.
    pub async fn simulate(
        &self,
        caller: &Caller,
        candidate: Arc<Snapshot>,
        against: HeldAgainst,
        range: Range,
        simulating: Simulating,
    ) -> Result<SimulatedPart, EngineError> {
        let (against, size) = self.held(caller, against).await?;
        let (inner, org) = (self.inner.clone(), caller.org.clone());
        blocking(move || {
            let _simulating = simulating;
            inner.simulate(&org, &candidate, against, range, size)
        })
        .await
    }
}

impl Inner {
    fn simulate(
        &self,
        org: &Org,
        candidate: &Snapshot,
        Meant { against, told }: Meant,
        range: Range,
        size: u64,
    ) -> Result<SimulatedPart, EngineError> {
        let held = match &against {
            Some(hash) => Some(self.compiled(org, Some(hash)).ok_or_else(|| lost(hash))?),
            None => None,
        };
        // What was recorded was decided by many snapshots, and what will be is by the live one.
        let told = match &told {
            Some(hash) => Some(self.compiled(org, Some(hash)).ok_or_else(|| lost(hash))?),
            None => None,
        };
        let until = range.until.unwrap_or(size).min(size);
        let begins = self.store.pruned(org)?;
        let mut next = range.from.unwrap_or(0).max(begins);
        if let Some(since) = range.since {
            next = next.max(self.first_since(org, since, begins, until)?);
        }
        let mut part = SimulatedPart {
            against: against.as_ref().map_or("recorded", |hash| &**hash).to_owned(),
            outside: told.as_deref().map(|told| outside(told, candidate)).unwrap_or_default(),
            from: next,
            until,
            next: None,
            report: Report::default(),
        };
        let currency = self.opened(org)?.currency;
        let stored = Stored { inner: self, org };
        let against = held.as_deref().map_or(Against::Recorded, Against::Snapshot);
        let mut simulation = Simulation::new(candidate, against, &stored, &currency);
        let started = Instant::now();
        while next < until {
            if next > part.from && (started.elapsed() >= PART || next - part.from >= PART_RECORDS) {
                part.next = Some(next);
                break;
            }
            next = self.simulate_page(org, next, until, &mut simulation, &mut part.report)?;
        }
        Ok(part)
    }

    /// Looks at one page of records. Answers where the next one begins.
    fn simulate_page(
        &self,
        org: &Org,
        from: u64,
        until: u64,
        simulation: &mut Simulation<'_>,
        report: &mut Report,
    ) -> Result<u64, EngineError> {
        let limit = usize::try_from(until - from).unwrap_or(PAGE).min(PAGE);
        let records = self.store.records(org, from, limit)?;
        let mut opener = self.opener(org);
        let mut next = until;
        for (place, stored) in records.iter().enumerate() {
            if place % STRIDE == 0 {
                self.make_way();
            }
            if stored.seq >= until {
                break;
            }
            next = stored.seq + 1;
            if !is_decision(&stored.leaf) {
                continue;
            }
            let record = Record::decode(&stored.leaf).map_err(EngineError::internal)?.0;
            let payload = opener.payload(record.seq)?;
            simulation.record(&record, payload.as_ref(), report);
        }
        Ok(if records.len() < limit { until } else { next })
    }

    /// Lets decisions go first that wait.
    fn make_way(&self) {
        let [urgent, write, _] = self.inbox.depths();
        if urgent + write > 0 && !self.is_stepped() {
            std::thread::sleep(MAKE_WAY);
        }
    }

    /// The first record at or after a time, among `from..until`: times rise from record to record.
    fn first_since(&self, org: &Org, since: Time, from: u64, until: u64) -> Result<u64, EngineError> {
        let (mut low, mut high) = (from, until);
        while low < high {
            let middle = low + (high - low) / 2;
            let stored = self.store.records(org, middle, 1)?;
            let Some(stored) = stored.first() else { break };
            let record = Record::decode(&stored.leaf).map_err(EngineError::internal)?.0;
            if record.ts < since {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }
}

fn lost(hash: &str) -> EngineError {
    EngineError::internal(format!("snapshot {hash} does not load any more"))
}

/// What two snapshots differ in at which a simulation does not look, a sentence each.
pub fn outside(held: &Snapshot, candidate: &Snapshot) -> Vec<String> {
    let found = differences(held, candidate).into_iter();
    found
        .filter(|difference| difference.outside)
        .map(|difference| difference.sentence)
        .collect()
}
