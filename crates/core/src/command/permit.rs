//! What is done with a permit: it is used, and the credential of its tool is asked for.

use std::sync::Arc;

use countersign_policy::Action;

use crate::digest::Digest;
use crate::ids::PermitId;

/// A permit that is shown before its action runs.
pub struct Redeem {
    /// The permit; its signature was checked.
    pub permit: PermitId,
    /// Digest of what is about to run.
    pub digest: Digest,
    /// The agent that shows it, unless a gateway does.
    pub agent: Option<Arc<str>>,
    /// The stored form of the action, if another snapshot is live than the permit cites.
    pub action: Option<Box<Action>>,
}

/// Asks for the credential of the tool that is about to run.
pub struct ReleaseCredential {
    /// The permit; its signature was checked.
    pub permit: PermitId,
    /// The stored form of the action, if another snapshot is live than the permit cites.
    pub action: Option<Box<Action>>,
    /// The only agent whose permits the caller may show, unless it is any.
    pub agent: Option<Arc<str>>,
    /// Which one; without it the only one that fits.
    pub credential: Option<String>,
}
