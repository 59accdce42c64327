//! Records of practice: requests that cannot come to anything, by which it is seen who answers, and who reads.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Verb;
use crate::digest::Digest;
use crate::ids::{ActionId, ApprovalId};
use crate::time::Time;

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
    /// Who was asked and did not answer, where it went its way: until everybody had answered, or until its deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unanswered: Option<Vec<String>>,
}

/// `practice.due`: a cadence of the policy had a drill or a canary due. With the key everybody can draw the moment and the action
/// again; it tells nothing about another span.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PracticeDue {
    /// Which of the cadence's actions was drawn, from 0.
    pub action: u32,
    /// The request; none where nobody could be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalId>,
    /// The moment that was drawn.
    pub at: Time,
    /// When the span began within which it was drawn.
    pub begins: Time,
    /// The name of the cadence.
    pub cadence: String,
    /// The number of the draw: how many before it fell outside of the hours.
    pub draw: u32,
    /// How long the span is, seconds.
    pub every_s: i64,
    /// The key of the span.
    pub key: Digest,
    /// What it is.
    pub kind: PracticeKind,
    /// Why nobody could be asked: a code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
