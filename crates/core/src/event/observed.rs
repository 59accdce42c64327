//! Calls of tools that were seen elsewhere.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

fn is_none(count: &u64) -> bool {
    *count == 0
}

/// How often an agent called a tool on one day, as its source says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObservedCalls {
    /// Who called; empty, as the tool is, for all that is beyond the pairs that are kept track of.
    pub agent: Arc<str>,
    /// How often.
    pub calls: u64,
    /// The day, UTC: days since 1970-01-01.
    pub day: i64,
    /// What was called.
    pub tool: Arc<str>,
}

/// `calls.observed`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallsObserved {
    /// What was seen, by day, agent and tool.
    pub counts: Vec<ObservedCalls>,
    /// The place in the source up to which it is known now: what comes from before it is a repetition.
    pub last: u64,
    /// Calls that are older than what is kept, and were not counted.
    #[serde(default, skip_serializing_if = "is_none")]
    pub old: u64,
    /// Calls that had come before, and were not counted again.
    #[serde(default, skip_serializing_if = "is_none")]
    pub repeated: u64,
    /// Where they were seen.
    pub source: Arc<str>,
}
