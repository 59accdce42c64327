//! What is not folded: counts of requests that were turned away without a record, until a record tells them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::REFUSAL_SPAN;
use crate::digest::Digest;
use crate::time::Time;

/// What is known for a moment and harms nobody when it is lost.
#[derive(Default)]
pub struct Transient {
    pub(super) turned_away: BTreeMap<Digest, TurnedAway>,
}

/// Repetitions of one refused action.
pub(super) struct TurnedAway {
    pub agent: Arc<str>,
    pub count: u64,
    pub since: Time,
}

impl Transient {
    /// When a tick has something to tell besides the state's own timers.
    pub fn next_due(&self) -> Option<Time> {
        self.turned_away.values().map(|away| away.since + REFUSAL_SPAN).min()
    }
}
