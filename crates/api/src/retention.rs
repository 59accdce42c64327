//! What becomes of what is kept: legal holds, erasure, pruning.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bounded::{Id, Moment, Text};

/// A legal hold to place. It covers everything that fits all that it names; a hold that names nothing covers everything.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldBody {
    /// Only what belongs to this agent's actions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<Id>,
    /// Not before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Moment>,
    /// Only what is about this subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Text<512>>,
    /// Before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Moment>,
    /// Why.
    pub why: Text<4096>,
}

/// An open legal hold.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HoldAnswer {
    /// Its id.
    pub id: String,
    /// Only what belongs to this agent's actions.
    pub agent: Option<String>,
    /// Not before.
    pub from: Option<String>,
    /// Only what is about this subject: an HMAC of its name.
    pub subject: Option<String>,
    /// Before.
    pub to: Option<String>,
    /// Who placed it.
    pub by: String,
    /// When.
    pub placed: String,
    /// Who wants it released.
    pub release_requested_by: Option<String>,
    /// From when on it can be released.
    pub release_from: Option<String>,
}

/// Open legal holds.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HoldsAnswer {
    /// All of them.
    pub holds: Vec<HoldAnswer>,
}

/// Why something is done.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WhyBody {
    /// Why.
    pub why: Text<4096>,
}

/// Whether a legal hold is released.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HoldReleaseAnswer {
    /// `false`: it can be released from `release_from` on, by another admin where there are two.
    pub released: bool,
    /// From when on it can be released.
    pub release_from: Option<String>,
}

/// An erasure to carry out.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErasureBody {
    /// Whose data: a `principal`, an owner of a resource, a person's id, or `agent:` and an agent's id.
    pub subject: Text<512>,
    /// Why.
    pub why: Text<4096>,
    /// Why the law asks for it, such as `GDPR 17(1)(b)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub legal_basis: Option<Text<200>>,
}

/// Where an erasure stands.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ErasureAnswer {
    /// `asked`: a second admin has to confirm; `restricted`: a rule of retention forbids it until `until`; `erased`.
    pub state: String,
    /// Whose data: an HMAC of the name, as records have it.
    pub subject: String,
    /// When it is carried out.
    pub until: Option<String>,
    /// How many payloads nobody can read any more.
    pub payloads: Option<u64>,
}

/// An erasure that was asked for and is not carried out yet.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WaitingErasure {
    /// Whose data: an HMAC of the name.
    pub subject: String,
    /// Who asked.
    pub by: String,
    /// Nobody else has to agree any more.
    pub confirmed: bool,
    /// Why the law asks for it.
    pub legal_basis: Option<String>,
    /// Until when a rule of retention forbids it.
    pub until: Option<String>,
}

/// Erasures that are not carried out yet.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ErasuresAnswer {
    /// All of them.
    pub erasures: Vec<WaitingErasure>,
}

/// Old records to prune.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PruneBody {
    /// Only records before this instant.
    pub before: Moment,
    /// Why.
    pub why: Text<4096>,
}

/// What was pruned.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PruneAnswer {
    /// Index of the first record that lost its bytes.
    pub from: u64,
    /// Index after the last.
    pub to: u64,
}

/// Leaf hashes, which stay when records are pruned.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LeafHashesAnswer {
    /// Records before this index have no bytes any more.
    pub pruned: u64,
    /// Hashes in order, hexadecimal.
    pub hashes: Vec<String>,
    /// The exact first record, if it has no bytes in the ledger any more.
    pub first: Option<String>,
}
