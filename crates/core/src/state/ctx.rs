//! What a command is carried out with, besides the state.

use countersign_policy::Snapshot;

use super::Transient;
use crate::digest::DigestKey;
use crate::ids::IdSource;
use crate::redact::Redactor;
use crate::time::Time;

/// Everything that `handle` may read besides the state and the command.
pub struct Ctx<'a> {
    /// The time of the records that come of it.
    pub now: Time,
    /// Where new ids come from.
    pub ids: &'a mut dyn IdSource,
    /// The snapshot that decides, compiled: the live one, or the candidate where that decides, as [`State::governing`](super::State::governing) says.
    /// `None` if there is none or it cannot be had.
    pub live: Option<&'a Snapshot>,
    /// The snapshot that is asked beside it, compiled. Without it nothing is asked, and nothing else is different.
    pub beside: Option<&'a Snapshot>,
    /// Makes action digests.
    pub digest_key: &'a DigestKey,
    /// Makes stored forms.
    pub redactor: &'a Redactor,
    /// What is known for a moment and harms nobody when it is lost.
    pub transient: &'a mut Transient,
}
