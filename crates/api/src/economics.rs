//! What review costs, and what it stops.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much one person reviews.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReviewShare {
    /// Who.
    pub user: String,
    /// Votes that count.
    pub votes: u64,
    /// Those of them that reject.
    pub rejections: u64,
    /// Those of them that approve less than was asked for.
    #[serde(default)]
    pub edits: u64,
    /// How long requests were read before these votes, milliseconds; of one reading fifteen minutes at most.
    pub reading_ms: i64,
    /// The share of all votes, basis points.
    pub share: u64,
}

/// What one person decides for one agent.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReviewPair {
    /// The agent.
    pub agent: String,
    /// Who.
    pub user: String,
    /// Votes that count.
    pub votes: u64,
    /// Those of them that approve.
    pub approvals: u64,
}

/// What people decided about one class of tools since something last went wrong there.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReviewedClass {
    /// The class, or the tool where the catalogue gives it none.
    pub class: String,
    /// Requests that were approved or rejected.
    pub decided: u64,
    /// Those of them that were approved.
    pub approved: u64,
    /// Since when that is counted: the first decision, or the last failure.
    pub since: String,
    /// People stop so little of it that it could be looked at less.
    pub could_be_loosened: bool,
    /// Why, or what is missing for it, in words.
    pub why: String,
}

/// What review costs and what it stops: votes of the last seven days, 500 of one person at most.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EconomicsAnswer {
    /// Votes that count.
    pub votes: u64,
    /// Those of them that reject.
    pub rejections: u64,
    /// Those of them that approve less than was asked for.
    #[serde(default)]
    pub edits: u64,
    /// How long requests were read before these votes, milliseconds.
    pub reading_ms: i64,
    /// Rejections for each hour of reading, in hundredths; absent where nothing was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejections_per_100_hours: Option<u64>,
    /// Edits for each hour of reading, in hundredths; absent where nothing was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edits_per_100_hours: Option<u64>,
    /// By name.
    pub reviewers: Vec<ReviewShare>,
    /// By votes, the most first; the first 200.
    pub pairs: Vec<ReviewPair>,
    /// By name.
    pub classes: Vec<ReviewedClass>,
}
