//! A policy that is not live, tried on recorded actions.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use countersign_core::simulate::Report;
pub use countersign_policy::diff::Difference;

use crate::bounded::{Count, FileName, Held, LiveOrHash, Moment, SnapshotHash};
use crate::policies::files;

/// What to try, on what, against what.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["snapshot"] }, { "required": ["files"] }]))]
pub struct SimulateBody {
    /// What the candidate is held against: `live` (unless it says otherwise) is the policy that is live now, `recorded` what was
    /// decided then, a hash a stored snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<Held>,
    /// The candidate's documents: name to exact text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "files")]
    pub files: BTreeMap<FileName, String>,
    /// Only records from this one on: `next` of the part before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Count>,
    /// Only what was decided from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Moment>,
    /// The candidate, where it is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotHash>,
    /// Only records before this one: `until` of the part before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Count>,
}

/// What became of a part of the ledger. Reports of parts add up.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SimulationAnswer {
    /// The candidate's hash.
    pub candidate: String,
    /// What it was held against: a snapshot's hash, or `recorded`.
    pub against: String,
    /// What the two differ in at which a simulation does not look, a sentence each: budgets, limits, strict rules, routes.
    pub outside: Vec<String>,
    /// The first record of this part.
    pub from: u64,
    /// All parts together end before this record.
    pub until: u64,
    /// Where the next part begins; `null` after the last one.
    pub next: Option<u64>,
    /// What was found in this part.
    pub report: Report,
}

/// Two policies that are held against each other.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["snapshot"] }, { "required": ["files"] }]))]
pub struct DiffBody {
    /// What was before: `live` (unless it says otherwise), or the hash of a stored snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<LiveOrHash>,
    /// What comes after: documents, name to exact text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "files")]
    pub files: BTreeMap<FileName, String>,
    /// What comes after, where it is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotHash>,
}

/// What two policies differ in.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DiffAnswer {
    /// Hash of what was before.
    pub before: String,
    /// Hash of what comes after.
    pub after: String,
    /// By part, document and rule.
    pub differences: Vec<Difference>,
}
