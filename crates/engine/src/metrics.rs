//! What is counted, for operators. Counters only: nothing here decides anything.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use countersign_core::Event;
use countersign_core::policy::Decision;

/// Upper bounds of the latency buckets, seconds.
pub const BUCKETS: [f64; 12] = [
    0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.5, 2.0, 10.0,
];

/// A histogram of durations.
#[derive(Default)]
pub struct Histogram {
    buckets: [AtomicU64; 12],
    count: AtomicU64,
    sum_us: AtomicU64,
}

impl Histogram {
    /// Counts one duration.
    pub fn observe(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let seconds = took.as_secs_f64();
        for (bound, bucket) in BUCKETS.iter().zip(&self.buckets) {
            if seconds <= *bound {
                bucket.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// Bucket counts (cumulative), the count and the sum in microseconds.
    pub fn read(&self) -> ([u64; 12], u64, u64) {
        let buckets = std::array::from_fn(|place| self.buckets[place].load(Ordering::Relaxed));
        (
            buckets,
            self.count.load(Ordering::Relaxed),
            self.sum_us.load(Ordering::Relaxed),
        )
    }
}

/// Commits to the store.
#[derive(Default)]
pub struct Commits {
    /// How long they took.
    pub duration: Histogram,
    /// Records that they made durable.
    pub records: AtomicU64,
    /// How many failed.
    pub failed: AtomicU64,
}

impl Commits {
    pub(crate) fn observe(&self, took: Duration, records: usize, fine: bool) {
        self.duration.observe(took);
        if fine {
            self.records.fetch_add(records as u64, Ordering::Relaxed);
        } else {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Counters of an engine.
#[derive(Default)]
pub struct Metrics {
    /// Commits to the store.
    pub commits: Commits,
    /// Decisions: allow, allow_with_constraints, remediate, require_approval, deny.
    pub decisions: [AtomicU64; 5],
    /// Permits redeemed.
    pub redeemed: AtomicU64,
    /// Permits refused.
    pub refused: AtomicU64,
    /// Votes recorded.
    pub votes: AtomicU64,
    /// Alerts raised.
    pub alerts: AtomicU64,
    /// Tries to deliver a callback.
    pub callback_attempts: AtomicU64,
    /// Requests whose credential was not good.
    pub unauthenticated: AtomicU64,
}

/// The place of a decision in [`Metrics::decisions`].
pub const DECISIONS: [Decision; 5] = [
    Decision::Allow,
    Decision::AllowWithConstraints,
    Decision::Remediate,
    Decision::RequireApproval,
    Decision::Deny,
];

impl Metrics {
    pub(crate) fn count(&self, event: &Event) {
        let counter = match event {
            Event::DecisionMade(e) => &self.decisions[e.decision as usize],
            Event::PermitRedeemed(_) => &self.redeemed,
            Event::PermitRefused(_) => &self.refused,
            Event::ApprovalVoted(_) => &self.votes,
            Event::AlertRaised(_) => &self.alerts,
            Event::CallbackAttempted(_) => &self.callback_attempts,
            _other => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
