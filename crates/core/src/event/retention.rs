//! What happens to what is kept: holds, erasure, destruction by class, pruning.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_false;
use crate::ids::HoldId;
use crate::retention::{Covered, Subject};
use crate::time::Time;

/// What a hold covers: everything that fits all that it names. A hold that names nothing covers everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldScope {
    /// Only what belongs to this agent's actions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Not before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Time>,
    /// Only what is about this subject: an HMAC of the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// Before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Time>,
}

impl HoldScope {
    /// Whether some of this may be covered.
    pub fn covers(&self, what: &Covered) -> bool {
        self.from.is_none_or(|from| what.to >= from)
            && self.to.is_none_or(|to| what.from < to)
            && (self.agent.as_deref()).is_none_or(|agent| what.agents.iter().any(|other| **other == *agent))
            && self.subject.is_none_or(|subject| what.subjects.contains(&subject))
    }

    /// Whether all that is about a subject is covered, whoever did it and whenever.
    pub fn covers_subject(&self, subject: Subject) -> bool {
        self.agent.is_none()
            && self.from.is_none()
            && self.to.is_none()
            && self.subject.is_none_or(|held| held == subject)
    }

    /// Whether records of a span of time may be covered.
    pub fn covers_time(&self, from: Time, to: Time) -> bool {
        self.from.is_none_or(|start| to >= start) && self.to.is_none_or(|end| from < end)
    }
}

/// `hold.placed`; the reason is the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldPlaced {
    /// Who placed it.
    pub by: String,
    /// Its id.
    pub hold: HoldId,
    /// What it covers.
    pub scope: HoldScope,
}

/// `hold.release_requested`; the reason is the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldReleaseRequested {
    /// Who asks.
    pub by: String,
    /// The hold.
    pub hold: HoldId,
    /// From when on it can be released.
    pub ready: Time,
}

/// `hold.released`; the reason is the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldReleased {
    /// The hold.
    pub hold: HoldId,
    /// One person sufficed, because there was no second.
    #[serde(default, skip_serializing_if = "is_false")]
    pub single_person: bool,
}

/// `subject.restricted`: data about a subject is read by nobody but for a legal purpose, until it is erased. The reason is
/// the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubjectRestricted {
    /// Who asked.
    pub by: String,
    /// A second person has to confirm the erasure.
    #[serde(default, skip_serializing_if = "is_false")]
    pub confirmation_needed: bool,
    /// The keys that the data may lie under.
    pub keys: Vec<String>,
    /// Why the law asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub legal_basis: Option<String>,
    /// Whom it is about: an HMAC of the name.
    pub subject: Subject,
    /// Until when a rule of retention forbids the erasure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// `subject.erasure_confirmed`; the reason is the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubjectErasureConfirmed {
    /// Who confirmed.
    pub by: String,
    /// Whom it is about: an HMAC of the name.
    pub subject: Subject,
}

/// `subject.erased`: the keys are gone, and what lay under them cannot be read any more by anybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubjectErased {
    /// The keys that were destroyed.
    pub keys: Vec<String>,
    /// Why the law asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub legal_basis: Option<String>,
    /// How many payloads lay under them.
    pub payloads: u64,
    /// One person sufficed, because there was no second.
    #[serde(default, skip_serializing_if = "is_false")]
    pub single_person: bool,
    /// Whom it is about: an HMAC of the name.
    pub subject: Subject,
}

/// `payloads.destroyed`: their time was over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PayloadsDestroyed {
    /// Their retention class.
    pub class: String,
    /// How many.
    pub count: u64,
    /// Index of the first of their records.
    pub from: u64,
    /// Index after the last of their records.
    pub to: u64,
}

/// `ledger.pruned`: records lost their bytes; their leaf hashes stay. The reason is the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LedgerPruned {
    /// Index of the first of them.
    pub from: u64,
    /// Index after the last of them.
    pub to: u64,
}
