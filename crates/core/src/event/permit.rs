//! Permits, their use, and what happened after.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_policy::verdict::PermitUse;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::ids::{ActionId, ApprovalId, PermitId};
use crate::time::Time;
use crate::week::Week;

/// A permit as the record that issues it states it. The token is made from this and never stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Permit {
    /// For whom it is.
    pub audience: String,
    /// When it ends.
    pub expires: Time,
    /// Its id.
    pub id: PermitId,
    /// How it may be checked.
    pub r#use: PermitUse,
}

/// `permit.redeemed`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PermitRedeemed {
    /// The action.
    pub action_id: ActionId,
    /// The request that it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalId>,
    /// What counts from now on in place of what counted since the decision.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counted: Vec<super::Counted>,
    /// The digest of what is about to run.
    pub digest: Digest,
    /// The operation that is about to run. Records of earlier versions do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Arc<str>>,
    /// Until when an outcome is expected.
    pub outcome_due: Time,
    /// The permit.
    pub permit: PermitId,
    /// What its agent wants from now on by rules that went live after the decision.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub positions: Vec<super::Position>,
    /// The snapshot that was live, when it was not the cited one and the action was evaluated again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reevaluated: Option<Arc<str>>,
    /// Its tool, or the operation where there is none. Records of earlier versions do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<Arc<str>>,
    /// Circuits that it tries since people approved it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trials: Vec<super::Trial>,
}

/// `permit.refused`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PermitRefused {
    /// The action.
    pub action_id: ActionId,
    /// The permit.
    pub permit: PermitId,
    /// Why.
    pub reason: String,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeStatus {
    /// It ran.
    Succeeded,
    /// It ran and failed, or did not run.
    Failed,
    /// Nobody said.
    Unknown,
}

impl OutcomeStatus {
    /// The wire name.
    pub fn as_str(self) -> &'static str {
        match self {
            OutcomeStatus::Failed => "failed",
            OutcomeStatus::Succeeded => "succeeded",
            OutcomeStatus::Unknown => "unknown",
        }
    }
}

/// Why what an agent did came to nothing good, as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The agent was told things that contradict each other.
    ConflictingInstructions,
    /// The agent cannot reach any more what it works with.
    LostAccess,
    /// The agent took its task for another one.
    MisunderstoodContext,
    /// It is right, and helps nobody.
    UnhelpfulOutput,
}

impl Cause {
    /// All of them, in alphabetical order.
    pub const ALL: [Cause; 4] = [
        Cause::ConflictingInstructions,
        Cause::LostAccess,
        Cause::MisunderstoodContext,
        Cause::UnhelpfulOutput,
    ];

    /// The wire name.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::ConflictingInstructions => "conflicting_instructions",
            Cause::LostAccess => "lost_access",
            Cause::MisunderstoodContext => "misunderstood_context",
            Cause::UnhelpfulOutput => "unhelpful_output",
        }
    }
}

/// What an agent keeps failing at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InARow {
    /// Who.
    pub agent: Arc<str>,
    /// With what, as the decisions say it.
    pub attempt: Arc<str>,
    /// How often, with this outcome; 0 ends the row.
    pub failures: u32,
}

/// `outcome.reported`; output and error are the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutcomeReported {
    /// The action.
    pub action_id: ActionId,
    /// Why it came to nothing good, where somebody says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// What it cost, decimal text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<String>,
    /// What counts from now on: its failure, its cost, and what its permit had counted where that had ended unused and it ran
    /// all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counted: Vec<super::Counted>,
    /// The cost's currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// How long it took, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Classes of tools for which people let it through, and it went wrong; or the tool where the catalogue gives it none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fell_short: Vec<Arc<str>>,
    /// How often the agent has failed at this in a row, where it failed or this success ends the row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_a_row: Option<InARow>,
    /// What it takes from the budgets that its permit reserved from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settled: Vec<super::Settlement>,
    /// How it ended.
    pub status: OutcomeStatus,
    /// Tokens by kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tokens: BTreeMap<String, u64>,
    /// Constraints that it broke.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<String>,
    /// The week in whose sample it takes part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub week: Option<Week>,
}
