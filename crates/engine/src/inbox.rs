//! The inbox: what waits, by lane, and what passes between the sequencer and the committer.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::error::EngineError;
use crate::sequencer::{Batch, Job};

/// How many commands may wait in each lane.
const LANE_BOUND: usize = 4096;
/// How often timers are looked at when nothing else happens.
const TIMER_STEP: Duration = Duration::from_millis(100);
/// What is served before what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Kill, revoke, vote, redeem.
    Urgent,
    /// Decide, and everything else that writes.
    Write,
    /// Reads of the state.
    Read,
}

/// What the sequencer asks for.
pub(crate) struct Asked {
    /// How many jobs it takes.
    pub room: usize,
    /// It has a batch to hand over.
    pub has_batch: bool,
    /// It has sealed its states because the engine stops.
    pub sealed: bool,
    /// It takes jobs while the last batch is still being committed.
    pub ahead: bool,
    /// It waits a moment if there is nothing to do.
    pub wait: bool,
}

/// What the sequencer does next.
pub(crate) enum Next {
    Jobs(Vec<Job>),
    HandOver,
    Failed,
    Idle,
    SealToStop,
    Stop,
}

#[derive(Default)]
struct Waiting {
    lanes: [VecDeque<Job>; 3],
    handed_over: Option<Batch>,
    committer_busy: bool,
    /// The last commit failed: ledgers in memory are ahead of the store.
    failed: bool,
    stopping: bool,
    committer_gone: bool,
    /// There is news besides jobs.
    nudged: bool,
    /// The sequencer sleeps; waking it when it does not would cost every request a system call.
    sequencer_sleeps: bool,
}

/// What faces put commands into.
#[derive(Default)]
pub(crate) struct Inbox {
    waiting: Mutex<Waiting>,
    /// There is something for the sequencer.
    work: Condvar,
    /// There is something for the committer.
    batch: Condvar,
}

impl Inbox {
    /// Puts a job into its lane; refuses it when the lane is full or the engine stops.
    pub fn put(&self, lane: Lane, job: Job) -> Result<(), EngineError> {
        let mut waiting = crate::lock(&self.waiting);
        if waiting.stopping {
            return Err(EngineError::unavailable("stopping", "the server is stopping"));
        }
        let jobs = &mut waiting.lanes[lane as usize];
        if jobs.len() >= LANE_BOUND {
            return Err(EngineError::unavailable("overloaded", "too many requests are waiting"));
        }
        jobs.push_back(job);
        let sleeps = std::mem::take(&mut waiting.sequencer_sleeps);
        drop(waiting);
        if sleeps {
            self.work.notify_one();
        }
        Ok(())
    }

    /// The next batch for the committer; `None` when there will be no more.
    pub fn next_batch(&self) -> Option<Batch> {
        let mut waiting = crate::lock(&self.waiting);
        loop {
            if let Some(batch) = waiting.handed_over.take() {
                return Some(batch);
            }
            if waiting.committer_gone {
                return None;
            }
            waiting = self.batch.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The batch that was handed over, if there is one.
    pub fn handed_over(&self) -> Option<Batch> {
        crate::lock(&self.waiting).handed_over.take()
    }

    /// A batch is on its way.
    pub fn is_committing(&self) -> bool {
        crate::lock(&self.waiting).committer_busy
    }

    /// There is news for the sequencer besides jobs.
    pub fn nudge(&self) {
        crate::lock(&self.waiting).nudged = true;
        self.work.notify_one();
    }

    /// The committer is free again.
    pub fn committed(&self, fine: bool) {
        let mut waiting = crate::lock(&self.waiting);
        waiting.committer_busy = false;
        waiting.failed |= !fine;
        drop(waiting);
        self.work.notify_one();
    }

    /// How many jobs wait, by lane.
    pub fn depths(&self) -> [usize; 3] {
        let waiting = crate::lock(&self.waiting);
        [waiting.lanes[0].len(), waiting.lanes[1].len(), waiting.lanes[2].len()]
    }

    /// Lets everything that waits be carried out, then ends both threads.
    pub fn stop(&self) {
        crate::lock(&self.waiting).stopping = true;
        self.work.notify_one();
    }

    /// Gives the committer a batch; it is free.
    pub fn hand_over(&self, batch: Batch) {
        let mut waiting = crate::lock(&self.waiting);
        waiting.handed_over = Some(batch);
        waiting.committer_busy = true;
        drop(waiting);
        self.batch.notify_one();
    }

    /// What the sequencer does next: jobs, or the moment to hand over what it has.
    pub fn next(&self, asked: &Asked) -> Next {
        let mut waiting = crate::lock(&self.waiting);
        loop {
            if waiting.failed && !waiting.committer_busy {
                waiting.failed = false;
                return Next::Failed;
            }
            let jobs = if waiting.failed || waiting.committer_busy && !asked.ahead {
                Vec::new()
            } else {
                take_by_lane(&mut waiting.lanes, asked.room)
            };
            if !jobs.is_empty() {
                return Next::Jobs(jobs);
            }
            if asked.has_batch && !waiting.committer_busy {
                return Next::HandOver;
            }
            if waiting.stopping && !asked.has_batch && !waiting.committer_busy {
                if !asked.sealed {
                    return Next::SealToStop;
                }
                waiting.committer_gone = true;
                self.batch.notify_one();
                return Next::Stop;
            }
            if !asked.wait || std::mem::take(&mut waiting.nudged) {
                return Next::Idle;
            }
            waiting.sequencer_sleeps = true;
            let (again, timeout) = self
                .work
                .wait_timeout(waiting, TIMER_STEP)
                .unwrap_or_else(PoisonError::into_inner);
            waiting = again;
            waiting.sequencer_sleeps = false;
            if timeout.timed_out() && !asked.has_batch {
                return Next::Idle;
            }
        }
    }
}

fn take_by_lane(lanes: &mut [VecDeque<Job>; 3], room: usize) -> Vec<Job> {
    let mut jobs = Vec::new();
    for lane in lanes {
        let count = lane.len().min(room - jobs.len());
        jobs.extend(lane.drain(..count));
    }
    jobs
}
