//! What agents want of one subject, and who wants the opposite.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::ActionId;
use crate::time::Time;

/// What an operation wants of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// That it is done.
    For,
    /// That it is not done.
    Against,
}

impl From<countersign_policy::Side> for Side {
    fn from(side: countersign_policy::Side) -> Self {
        match side {
            countersign_policy::Side::For => Side::For,
            countersign_policy::Side::Against => Side::Against,
        }
    }
}

/// What a decision read of those who want something of the same subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PositionsRead {
    /// How many agents are against it, this one included if it is.
    pub against: u32,
    /// The last action of another agent that wants the opposite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opposed_by: Option<ActionId>,
    /// The rule of the policy.
    pub rule: Arc<str>,
    /// What this action wants.
    pub side: Side,
    /// The subject: `key:` and a keyed digest of what names it.
    pub subject: Arc<str>,
    /// How many agents are for it, this one included if it is.
    pub supporting: u32,
}

/// What an agent wants of a subject from now on, in place of what it wanted of it before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// The rule of the policy.
    pub rule: Arc<str>,
    /// What it wants.
    pub side: Side,
    /// The subject, as in what the decision read.
    pub subject: Arc<str>,
    /// When its word does not stand any more.
    pub until: Time,
}
