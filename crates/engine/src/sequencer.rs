//! The sequencer: what waits becomes one batch, handled in memory while the batch before it is being made durable.
//!
//! Two threads. The *sequencer* owns every ledger: it takes waiting commands by lane, handles them, and hands the batch
//! over as soon as the committer is free. The *committer* appends the batch to the store, and only then answers the
//! callers. There is no timer: an idle engine commits a lone command at once, a busy one fills its next batch exactly
//! while the last one is being written.
//!
//! A failed commit throws away every ledger that ran ahead of the store; they are folded anew, and the callers of the
//! batch are told that nothing happened, unless the ledger says otherwise.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::JoinHandle;

use countersign_core::{Actor, Answer, Command, Envelope, State, Time};
use countersign_store::{Append, Org};
use tokio::sync::oneshot;

use crate::Inner;
use crate::error::EngineError;
use crate::inbox::Next;
use crate::ledger::{Beside, Entry, Ledger};

/// How many commands one batch takes at most.
const BATCH_BOUND: usize = 512;
/// After so many unsealed records the state is sealed in the next quiet moment. Hashing a large state takes longer than
/// a caller should wait.
const SEAL_WHEN_QUIET: u64 = 50_000;
/// After so many it is sealed in any case, so that a start never folds much more.
const SEAL_ANYWAY: u64 = 4_000_000;
/// A moment is quiet when nothing was asked for so long.
const QUIET: countersign_core::Span = countersign_core::Span::seconds(2);
/// After so many the state is sealed when the engine stops.
const SEAL_WHEN_STOPPING: u64 = 1_000;
/// How many organizations are loaded at once to look at their timers.
const WAKE_AT_ONCE: usize = 4;
/// A ledger without timers that nobody used for so long is let go.
const LET_GO_AFTER: countersign_core::Span = countersign_core::Span::minutes(10);

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

/// A batch on its way to the store.
#[derive(Default)]
pub(crate) struct Batch {
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
        std::thread::Builder::new()
            .name("sequencer".into())
            .spawn(move || Sequencer::new(sequencing).run())?,
        std::thread::Builder::new()
            .name("committer".into())
            .spawn(move || crate::committer::commit_batches(&committing))?,
    ])
}

struct Sequencer {
    inner: Arc<Inner>,
    ledgers: HashMap<Org, Ledger>,
    batch: Batch,
    /// Share of each organization in the batch that is being made.
    shares: HashMap<Org, Append>,
    timers_looked_at: Time,
    /// The states were sealed because the engine stops.
    sealed_to_stop: bool,
}

impl Sequencer {
    fn new(inner: Arc<Inner>) -> Sequencer {
        Sequencer {
            inner,
            ledgers: HashMap::new(),
            batch: Batch::default(),
            shares: HashMap::new(),
            timers_looked_at: Time(0),
            sealed_to_stop: false,
        }
    }

    fn run(mut self) {
        loop {
            match self.next() {
                Next::Jobs(jobs) => {
                    for job in jobs {
                        self.take(job);
                    }
                }
                Next::HandOver => self.hand_over(),
                Next::Failed => self.start_over(),
                Next::Idle => {}
                Next::SealToStop => self.seal_to_stop(),
                Next::Stop => return,
            }
            self.look_at_timers();
        }
    }

    /// Waits for something to do.
    fn next(&mut self) -> Next {
        let room = BATCH_BOUND.saturating_sub(self.batch.len());
        self.inner.inbox.next(room, self.batch.len() > 0, self.sealed_to_stop)
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
            }
        }
    }

    /// The ledger of an organization, folded if it is not in memory, with its clock and policy as they are now.
    fn ledger(&mut self, org: &Org) -> Result<&mut Ledger, EngineError> {
        if !self.ledgers.contains_key(org) {
            let mut ledger = self.inner.load_ledger(org)?;
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
            return (
                Answer::Refused(countersign_core::Refusal::missing("organization", org)),
                Vec::new(),
            );
        };
        // Activation changes what the next command is decided by.
        if ledger.live.as_ref().map(|live| live.hash_text()) != ledger.state.live().map(|hash| &**hash) {
            ledger.live = self.inner.compiled(org, ledger.state.live());
        }
        let share = self.shares.entry(org.clone()).or_insert_with(|| ledger.begin());
        ledger.carry_out(envelope, beside, reading.now, share)
    }

    /// Lets the timers of a ledger run again, now that the clock is fine.
    fn confirm_clock(&mut self, org: &Org, now: Time) {
        if self.ledgers.get(org).is_some_and(|ledger| ledger.state.frozen()) {
            let by = if self.inner.clock_was_confirmed() {
                "operator"
            } else {
                "caught_up"
            };
            self.by_itself(org, Command::ConfirmClock { by }, now);
        }
    }

    /// Loads organizations of which nobody knows what is due; one that cannot be read is tried again.
    fn wake(&mut self) {
        let some: Vec<Org> = {
            let mut wake = crate::lock(&self.inner.wake);
            let some: Vec<Org> = wake.iter().take(WAKE_AT_ONCE).cloned().collect();
            wake.retain(|org| !some.contains(org));
            some
        };
        for org in some {
            if let Err(error) = self.ledger(&org).map(drop) {
                tracing::warn!(org = &*org, %error, "an organization's timers cannot be looked at yet");
                if self.inner.org(&org).is_ok() {
                    crate::lock(&self.inner.wake).insert(org);
                }
            }
        }
    }

    /// Carries out a command of Countersign's own.
    fn by_itself(&mut self, org: &Org, command: Command, now: Time) {
        let envelope = Envelope {
            actor: Actor::system(),
            kid: None,
            idem: None,
            command,
        };
        if let Some(ledger) = self.ledgers.get_mut(org).filter(|ledger| ledger.barred.is_none()) {
            if ledger.live.as_ref().map(|live| live.hash_text()) != ledger.state.live().map(|hash| &**hash) {
                ledger.live = self.inner.compiled(org, ledger.state.live());
            }
            let share = self.shares.entry(org.clone()).or_insert_with(|| ledger.begin());
            let (_, entries) = ledger.carry_out(envelope, Beside::default(), now, share);
            if !entries.is_empty() {
                self.batch.unasked.push((org.clone(), entries));
            }
        }
    }

    fn look_at_timers(&mut self) {
        let reading = self.inner.clock.read();
        let now = reading.now;
        if now < self.timers_looked_at + countersign_core::Span(50_000) {
            return;
        }
        self.timers_looked_at = now;
        self.wake();
        if reading.jumped.is_none() {
            let frozen: Vec<Org> = self
                .ledgers
                .values()
                .filter(|ledger| ledger.state.frozen())
                .map(|ledger| ledger.org.clone())
                .collect();
            for org in frozen {
                self.confirm_clock(&org, now);
            }
        }
        let due = |ledger: &Ledger| ledger.next_due().is_some_and(|at| at <= now);
        let orgs: Vec<Org> = self
            .ledgers
            .values()
            .filter(|l| due(l))
            .map(|l| l.org.clone())
            .collect();
        for org in orgs {
            self.by_itself(&org, Command::Tick, now);
        }
        if self.batch.len() == 0 {
            let long = |ledger: &Ledger| {
                let quiet = ledger.last_used + QUIET < now;
                let unsealed = ledger.state.unsealed();
                (unsealed > SEAL_WHEN_QUIET && quiet || unsealed > SEAL_ANYWAY) && !ledger.state.is_closed()
            };
            if let Some(org) = self.ledgers.values().find(|ledger| long(ledger)).map(|l| l.org.clone()) {
                self.by_itself(&org, Command::Seal, now);
            }
            self.ledgers
                .retain(|_, ledger| !ledger.is_quiet() || ledger.last_used + LET_GO_AFTER > now);
        }
    }

    /// Seals every state that the next start would have to fold for long.
    fn seal_to_stop(&mut self) {
        self.sealed_to_stop = true;
        let now = self.inner.clock.read().now;
        let worth_it = |ledger: &Ledger| ledger.state.unsealed() > SEAL_WHEN_STOPPING && !ledger.state.is_closed();
        let orgs: Vec<Org> = self
            .ledgers
            .values()
            .filter(|l| worth_it(l))
            .map(|l| l.org.clone())
            .collect();
        for org in orgs {
            self.by_itself(&org, Command::Seal, now);
        }
    }

    /// Signs what was carried out and gives it to the committer.
    fn hand_over(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
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
