//! How people vote, and what follows where that looks like no review.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bounded::{Id, Text};

/// Votes of one person on what one agent asks for.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReviewedAgent {
    /// The agent.
    pub agent: String,
    /// Who answers for it.
    pub owner: String,
    /// How many.
    pub votes: u64,
}

/// How a person votes: the last seven days, 500 votes at most.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReviewerAnswer {
    /// Who.
    pub user: String,
    /// Votes that count: approvals and rejections.
    pub votes: u64,
    /// Those of them that approve.
    pub approvals: u64,
    /// Approvals that came sooner than policy took for reading.
    pub too_fast: u64,
    /// The most approvals in a row.
    pub streak: u64,
    /// The most votes within an hour.
    pub busiest_hour: u64,
    /// The median time from the first reading to the approval, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub median_dwell_ms: Option<i64>,
    /// Votes of everybody in that time.
    pub votes_of_all: u64,
    /// On what whose agents asked for, by agent.
    pub agents: Vec<ReviewedAgent>,
    /// Canaries that this person rejected, of the last 90 days.
    pub canaries_caught: u64,
    /// Canaries that this person approved, of the last 90 days.
    pub canaries_missed: u64,
    /// What is conspicuous by the live policy: `canary`, `dwell`, `pace`, `share`, `streak`.
    pub flags: Vec<String>,
    /// What follows of that: `note`, `comment`, `second` or `suspend`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<String>,
    /// Since when the person does not vote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspended_since: Option<String>,
    /// What was conspicuous then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suspended_for: Vec<String>,
}

/// How people vote.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReviewersAnswer {
    /// By name.
    pub reviewers: Vec<ReviewerAnswer>,
}

/// Who may vote again.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestoreReviewerBody {
    /// Who.
    pub user: Id,
    /// Why.
    pub reason: Text<4096>,
}
