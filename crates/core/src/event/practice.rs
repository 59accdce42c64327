//! Records of practice: requests that cannot come to anything, by which it is seen who answers, and who reads.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Verb;
use crate::ids::{ActionId, ApprovalId};

/// What a request is that cannot come to anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PracticeKind {
    /// It is seen who approves what a careful person rejects.
    Canary,
    /// It is seen who answers in time.
    Drill,
}

impl PracticeKind {
    /// The wire name.
    pub fn as_str(self) -> &'static str {
        match self {
            PracticeKind::Canary => "canary",
            PracticeKind::Drill => "drill",
        }
    }
}

/// `practice.started`: the request is no agent's; why it was made is the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PracticeStarted {
    /// The action, which nobody wants.
    pub action_id: ActionId,
    /// The request.
    pub approval: ApprovalId,
    /// Who made it. That person does not vote on it.
    pub by: String,
    /// What it is.
    pub kind: PracticeKind,
}

/// How somebody answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Practised {
    /// How long after being asked, milliseconds.
    pub after_ms: i64,
    /// Who.
    pub user: String,
    /// What: `approve` or `reject`.
    pub verb: Verb,
}

/// `practice.ended`: what the request was is known from here on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PracticeEnded {
    /// The action.
    pub action_id: ActionId,
    /// Who answered, by name.
    pub answers: Vec<Practised>,
    /// The request.
    pub approval: ApprovalId,
    /// Everybody who was asked.
    pub asked: Vec<String>,
    /// What it was.
    pub kind: PracticeKind,
}
