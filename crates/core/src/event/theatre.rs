//! Records of reviewers whose votes look like no review, and what they carry.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is conspicuous about somebody's votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// Something was approved that was made to be rejected.
    Canary,
    /// More than half of the approvals came sooner than the request can be read.
    Dwell,
    /// Very many votes within an hour.
    Pace,
    /// Hardly a vote says no.
    Share,
    /// Very many approvals in a row.
    Streak,
}

impl Flag {
    /// The wire name.
    pub fn as_str(self) -> &'static str {
        match self {
            Flag::Canary => "canary",
            Flag::Dwell => "dwell",
            Flag::Pace => "pace",
            Flag::Share => "share",
            Flag::Streak => "streak",
        }
    }
}

/// `reviewer.restored`: a person may vote again; the reason is the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewerRestored {
    /// Who said so.
    pub by: String,
    /// Who.
    pub user: String,
}

/// `reviewer.suspended`: a person does not vote until an admin says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewerSuspended {
    /// Links by which the person decides end.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub ends_links: bool,
    /// What was conspicuous.
    pub flags: Vec<Flag>,
    /// Who.
    pub user: String,
}
