//! Calls of tools that were seen elsewhere.

use std::sync::Arc;

use crate::time::Time;

/// What a source has seen.
pub struct Observe {
    /// The calls, by rising place in the source.
    pub calls: Vec<ObservedCall>,
    /// The source.
    pub source: Arc<str>,
}

/// A call that was seen elsewhere.
pub struct ObservedCall {
    /// Who called.
    pub agent: Arc<str>,
    /// When.
    pub at: Time,
    /// How many calls it stands for.
    pub count: u64,
    /// Its place in the source's log.
    pub id: u64,
    /// What was called.
    pub tool: Arc<str>,
}
