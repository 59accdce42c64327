//! The sequencer: what waits becomes one batch, handled in memory while the batch before it is being made durable.
//!
//! Two threads. The *sequencer* owns every ledger: it takes waiting commands by lane, handles them, and hands the batch
//! over as soon as the committer is free. The *committer* appends the batch to the store, and only then answers the
//! callers. There is no timer: an idle engine commits a lone command at once, a busy one fills its next batch exactly
//! while the last one is being written.
//!
//! A failed commit throws away every ledger that ran ahead of the store; they are folded anew, and the callers of the
//! batch are told that nothing happened, unless the ledger says otherwise.
//!
//! Where several nodes share a store, each batch is made within a turn: see [`turns`].

mod chores;
mod turns;

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::JoinHandle;

use countersign_core::{Answer, Command, Envelope, Refusal, State, Time};
use countersign_store::{Append, Org, Turn};
use tokio::sync::oneshot;

use crate::error::EngineError;
use crate::inbox::{self, Next};
use crate::ledger::{Beside, Entry, Ledger};
use crate::{Inner, by_system};

/// How many commands one batch takes at most.
const BATCH_BOUND: usize = 512;
/// How many organizations are loaded at once to look at their timers.
const WAKE_AT_ONCE: usize = 4;
/// A ledger without timers that nobody used for so long is let go.
const LET_GO_AFTER: countersign_core::Span = countersign_core::Span::minutes(10);
/// How often timers are looked at.
const TIMER_STEP: countersign_core::Span = countersign_core::Span(50_000);

/// What a command came to, durably.
#[derive(Debug)]
pub struct Committed {
    /// Its records.
    pub entries: Vec<Entry>,
    /// How it ended.
    pub answer: Answer,
}

/// Where the answer to a command goes.
pub(crate) type Reply = oneshot::Sender<Result<Committed, EngineError>>;
/// Answers a read once everything that it saw is durable.
pub(crate) type Release = Box<dyn FnOnce(Result<(), EngineError>) + Send>;
/// Reads a state and keeps the result for later.
type Look = Box<dyn FnOnce(Result<&State, EngineError>) -> Release + Send>;

pub(crate) enum Job {
    Command {
        org: Org,
        envelope: Envelope,
        beside: Beside,
        reply: Reply,
    },
    Create {
        ledger: Box<Ledger>,
        envelope: Envelope,
        beside: Beside,
        reply: Reply,
    },
    Look {
        org: Org,
        look: Look,
    },
    /// Forget the ledger: the organization was removed.
    Forget {
        org: Org,
    },
}

impl Job {
    /// The ledger that this would grow; `None` if it only reads.
    fn grows(&self) -> Option<&Org> {
        match self {
            Job::Command { org, .. } => Some(org),
            Job::Create { ledger, .. } => Some(&ledger.org),
            Job::Look { .. } | Job::Forget { .. } => None,
        }
    }

    /// The ledger that this reads.
    fn reads(&self) -> Option<&Org> {
        match self {
            Job::Look { org, .. } => Some(org),
            Job::Command { .. } | Job::Create { .. } | Job::Forget { .. } => None,
        }
    }

    fn refuse(self, error: EngineError) {
        match self {
            Job::Command { reply, .. } | Job::Create { reply, .. } => drop(reply.send(Err(error))),
            Job::Look { look, .. } => look(Err(error.clone()))(Err(error)),
            Job::Forget { .. } => {}
        }
    }
}

/// A batch on its way to the store.
#[derive(Default)]
pub(crate) struct Batch {
    /// The turn that it was made in, on a shared store.
    pub turn: Option<Box<dyn Turn>>,
    pub shares: Vec<Append>,
    pub replies: Vec<(Org, Reply, Committed)>,
    pub releases: Vec<Release>,
    /// Records of commands that nobody waits for, so that watchers see them too.
    pub unasked: Vec<(Org, Vec<Entry>)>,
}

impl Batch {
    fn len(&self) -> usize {
        self.replies.len() + self.releases.len() + self.unasked.len()
    }
}

/// Starts the two threads.
pub(crate) fn start(inner: &Arc<Inner>) -> std::io::Result<[JoinHandle<()>; 2]> {
    let (sequencing, committing) = (inner.clone(), inner.clone());
    Ok([
        std::thread::Builder::new().name("sequencer".into()).spawn(move || {
            let mut sequencer = Sequencer::new(sequencing);
            while sequencer.step(true) != Step::Stopped {}
        })?,
        std::thread::Builder::new()
            .name("committer".into())
            .spawn(move || crate::committer::commit_batches(&committing))?,
    ])
}

/// What a step of the sequencer came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It did something.
    Worked,
    /// There was nothing to do.
    Idle,
    /// It is over.
    Stopped,
}

pub(crate) struct Sequencer {
    inner: Arc<Inner>,
    ledgers: HashMap<Org, Ledger>,
    /// Ledgers that are for later programs, and why: they are not served, and not folded again and again.
    too_new: HashMap<Org, EngineError>,
    batch: Batch,
    /// Share of each organization in the batch that is being made.
    shares: HashMap<Org, Append>,
    timers_looked_at: Time,
    cadences_looked_at: Time,
    /// Cadences are looked at in this round of chores.
    looks_at_cadences: bool,
    /// The states were sealed because the engine stops.
    sealed_to_stop: bool,
}

impl Sequencer {
    pub fn new(inner: Arc<Inner>) -> Sequencer {
        Sequencer {
            inner,
            ledgers: HashMap::new(),
            too_new: HashMap::new(),
            batch: Batch::default(),
            shares: HashMap::new(),
            timers_looked_at: Time(0),
            cadences_looked_at: Time(0),
            looks_at_cadences: false,
            sealed_to_stop: false,
        }
    }

    /// Does what is to be done next; with `wait`, waits a moment for it.
    pub fn step(&mut self, wait: bool) -> Step {
        let room = BATCH_BOUND.saturating_sub(self.batch.len());
        let asked = inbox::Asked {
            room,
            has_batch: self.batch.len() > 0,
            sealed: self.sealed_to_stop,
            // Within a turn there is nothing to hurry ahead of.
            ahead: self.inner.store.shared().is_none(),
            wait,
        };
        let next = self.inner.inbox.next(&asked);
        let mut step = Step::Worked;
        match next {
            Next::Jobs(jobs) => self.take_all(jobs),
            Next::HandOver => self.hand_over(None),
            Next::Failed => self.start_over(),
            Next::Idle => step = Step::Idle,
            Next::SealToStop => self.seal_to_stop(),
            Next::Stop => return Step::Stopped,
        }
        let looked = self.look_around();
        if looked { Step::Worked } else { step }
    }

    fn take_all(&mut self, jobs: Vec<Job>) {
        if self.inner.store.shared().is_some() {
            self.take_in_turn(jobs);
        } else {
            for job in jobs {
                self.take(job);
            }
        }
    }

    fn take(&mut self, job: Job) {
        match job {
            Job::Command {
                org,
                envelope,
                beside,
                reply,
            } => match self
                .ledger(&org)
                .and_then(|ledger| match ledger.refuses(&envelope.command) {
                    Some(error) => Err(error.clone()),
                    None => Ok(()),
                }) {
                Ok(()) => {
                    let (answer, entries) = self.carry_out(&org, envelope, beside);
                    self.batch.replies.push((org, reply, Committed { entries, answer }));
                }
                Err(error) => drop(reply.send(Err(error))),
            },
            Job::Create {
                ledger,
                envelope,
                beside,
                reply,
            } => {
                let org = ledger.org.clone();
                if self.ledgers.contains_key(&org) {
                    // Another node created it meanwhile.
                    let taken = Refusal::conflict("already_exists", format!("organization `{org}` exists"));
                    return drop(reply.send(Err(taken.into())));
                }
                self.ledgers.insert(org.clone(), *ledger);
                let (answer, entries) = self.carry_out(&org, envelope, beside);
                self.batch.replies.push((org, reply, Committed { entries, answer }));
            }
            Job::Look { org, look } => {
                let now = self.inner.clock.read().now;
                let release = match self.ledger(&org) {
                    Ok(ledger) => {
                        ledger.last_used = ledger.last_used.max(now);
                        look(Ok(&ledger.state))
                    }
                    Err(error) => look(Err(error)),
                };
                self.batch.releases.push(release);
            }
            Job::Forget { org } => {
                self.ledgers.remove(&org);
                self.too_new.remove(&org);
            }
        }
    }

    /// The ledger of an organization, folded if it is not in memory, with its clock and policy as they are now.
    fn ledger(&mut self, org: &Org) -> Result<&mut Ledger, EngineError> {
        if !self.ledgers.contains_key(org) {
            if let Some(error) = self.too_new.get(org) {
                return Err(error.clone());
            }
            let mut ledger = self.inner.load_ledger(org).inspect_err(|error| {
                if error.needs_upgrade() {
                    tracing::error!(org = &**org, %error, "an organization is not served");
                    self.too_new.insert(org.clone(), error.clone());
                }
            })?;
            self.inner.clock.not_before(ledger.state.last_ts());
            ledger.last_used = self.inner.clock.read().now;
            self.ledgers.insert(org.clone(), ledger);
        }
        self.ledgers
            .get_mut(org)
            .ok_or_else(|| EngineError::internal("a ledger that was loaded is gone"))
    }

    fn carry_out(&mut self, org: &Org, envelope: Envelope, beside: Beside) -> (Answer, Vec<Entry>) {
        let reading = self.inner.clock.read();
        if let Some(shows) = reading.jumped
            && !self
                .ledgers
                .get(org)
                .is_some_and(|ledger| ledger.state.frozen() || ledger.state.next_seq() == 0)
        {
            self.inner.clock_jumped();
            self.by_itself(org, Command::NoteClockJump { shows }, reading.now);
        } else if reading.jumped.is_none() {
            self.confirm_clock(org, reading.now);
        }
        let Some(ledger) = self.ledgers.get_mut(org) else {
            return (Answer::Refused(Refusal::missing("organization", org)), Vec::new());
        };
        self.inner.refresh(ledger);
        let share = self.shares.entry(org.clone()).or_insert_with(|| ledger.begin());
        ledger.carry_out(envelope, beside, reading.now, share)
    }

    /// Carries out a command of Countersign's own.
    fn by_itself(&mut self, org: &Org, command: Command, now: Time) {
        let Some(ledger) = self.ledgers.get_mut(org).filter(|ledger| ledger.barred.is_none()) else {
            return;
        };
        self.inner.refresh(ledger);
        let share = self.shares.entry(org.clone()).or_insert_with(|| ledger.begin());
        let (_, entries) = ledger.carry_out(by_system(command), Beside::default(), now, share);
        if !entries.is_empty() {
            self.batch.unasked.push((org.clone(), entries));
        }
    }

    /// Signs what was carried out and gives it to the committer.
    fn hand_over(&mut self, turn: Option<Box<dyn Turn>>) {
        let mut batch = std::mem::take(&mut self.batch);
        batch.turn = turn;
        let mut unsigned = None;
        for (org, mut share) in std::mem::take(&mut self.shares) {
            if share.records.is_empty() {
                continue;
            }
            let signed = match self.ledgers.get(&org) {
                Some(ledger) => ledger.sign(&mut share),
                None => Err(EngineError::internal(format!("the ledger of `{org}` is gone"))),
            };
            match signed {
                Ok(()) => batch.shares.push(share),
                Err(error) => {
                    tracing::error!(org = &*org, %error, "a checkpoint could not be signed");
                    unsigned = Some(error);
                }
            }
        }
        if let Some(error) = unsigned {
            fail(batch, &error);
            self.start_over();
            return;
        }
        // Locks and rows are taken in one order everywhere.
        batch.shares.sort_by(|a, b| a.org.cmp(&b.org));
        self.inner.inbox.hand_over(batch);
    }

    /// After a failed commit: nothing of what runs ahead of the store happened.
    fn start_over(&mut self) {
        // Their timers go on as soon as they can be read again.
        crate::lock(&self.inner.wake).extend(self.ledgers.drain().map(|(org, _)| org));
        self.shares.clear();
        let batch = std::mem::take(&mut self.batch);
        fail(
            batch,
            &EngineError::unavailable("store_failed", "the store failed; nothing happened"),
        );
    }
}

pub(crate) fn fail(batch: Batch, error: &EngineError) {
    for (_, reply, _) in batch.replies {
        drop(reply.send(Err(error.clone())));
    }
    for release in batch.releases {
        release(Err(error.clone()));
    }
}
