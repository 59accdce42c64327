//! What asks for a decision.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_policy::Action;

use super::Sealed;
use crate::digest::ActionDigest;
use crate::redact::Kinds;
use crate::stored::Shown;

/// An action that wants a decision.
pub struct Submit {
    /// Who acts.
    pub agent: Arc<str>,
    /// The credential proves who acts.
    pub verified: bool,
    /// The person whose credential it is, where a person's is used: the requester, who does not decide.
    pub person: Option<String>,
    /// What redaction looks for in this agent's actions.
    pub kinds: Kinds,
    /// The action as received; never stored.
    pub action: Action,
    /// Its digest.
    pub digest: ActionDigest,
    /// The stored form, which is the record's payload.
    pub stored: Sealed,
    /// What redaction found and replaced, by kind.
    pub redact: BTreeMap<String, u32>,
    /// The words of it that the record shows.
    pub shown: Shown,
    /// What a failure of it counts for.
    pub attempt: Arc<str>,
    /// Where the final status is told.
    pub callback_url: Option<String>,
    /// The caller runs the alternative if policy has one to apply.
    pub accept_remedy: bool,
    /// No agent wants it: it is made to see what people do with it, and the live policy alone decides it.
    pub practice: bool,
}
