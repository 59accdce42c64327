//! What a person changes of themselves.

use super::Sealed;

/// A person's own zone or profile in place of what it was; nothing else of them changes.
pub struct OwnProfile {
    /// Who.
    pub user: String,
    /// The time zone, IANA; as it was where it is left out.
    pub zone: Option<String>,
    /// The profile; as it was where it is left out.
    pub profile: Option<Sealed>,
    /// Index of the record whose profile it was made from: it is not put in place of another one.
    pub made_from: Option<u64>,
}
