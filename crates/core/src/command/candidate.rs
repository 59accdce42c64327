//! Trying a policy beside the one that is live.

use std::sync::Arc;

use super::Sealed;
use crate::event::Canary;

/// Try a snapshot.
pub struct TryCandidate {
    /// The snapshot.
    pub hash: Arc<str>,
    /// For whom it decides; `None` in the shadow.
    pub canary: Option<Canary>,
    /// Why.
    pub rationale: Option<Sealed>,
}
