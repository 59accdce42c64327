//! Records of what agents have earned: their modes, looks at actions that have run, pauses.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::ids::{ActionId, ReviewId};
use crate::time::Time;
use crate::week::Week;

/// How much of what an agent does is looked at, for one operation. Ordered from all to least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A person decides before each action.
    #[default]
    PreAction,
    /// A person looks at each action afterwards.
    PostAction,
    /// A person looks at what failed, and at a sample.
    ExceptionOnly,
    /// A person looks at a sample, whatever came of it. Nobody earns it: the organization's document says it.
    PeriodicBatch,
}

impl Mode {
    /// The wire name.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::PreAction => "pre_action",
            Mode::PostAction => "post_action",
            Mode::ExceptionOnly => "exception_only",
            Mode::PeriodicBatch => "periodic_batch",
        }
    }

    /// The next looser mode that can be earned.
    pub fn next(self) -> Option<Mode> {
        match self {
            Mode::PreAction => Some(Mode::PostAction),
            Mode::PostAction => Some(Mode::ExceptionOnly),
            Mode::ExceptionOnly | Mode::PeriodicBatch => None,
        }
    }
}

/// What an action's agent acts in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActsIn {
    /// How much is looked at.
    pub mode: Mode,
    /// Digest of the model and version that the agent says acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Digest>,
    /// With what: `TOOL:ACTION@ENVIRONMENT`, without what the action does not name.
    pub operation: String,
    /// The share that is drawn for a look at the end of the week, basis points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<u32>,
    /// The organization's document says the mode; it is not earned.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub stated: bool,
    /// Within what time somebody looks, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within_s: Option<i64>,
}

/// What an agent has shown with one operation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// Actions that failed, broke a limit, or were found faulty.
    pub failed: u32,
    /// How much is looked at.
    pub mode: Mode,
    /// Digest of the model and version that showed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Digest>,
    /// Requests that people rejected in a row.
    pub rejected: u32,
    /// Since when it is in this mode.
    pub since: Time,
    /// Actions that ran well.
    pub succeeded: u32,
}

/// Why a standing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StandingReason {
    /// A person approved after rejections.
    Approved,
    /// Too many errors, or a person took autonomy away.
    Demoted,
    /// Another model or version acts: it starts over.
    NewModel,
    /// An outcome was reported.
    Outcome,
    /// A person granted what was earned.
    Promoted,
    /// A person rejected.
    Rejected,
    /// A person looked at what had run.
    Reviewed,
}

/// `autonomy.changed`: what an agent has shown with one operation, as of now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AutonomyChanged {
    /// The agent.
    pub agent: Arc<str>,
    /// The operation.
    pub operation: String,
    /// Why.
    pub reason: StandingReason,
    /// All of it.
    pub standing: Standing,
}

/// `agent.paused`; the reason is the payload where a person did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentPaused {
    /// The agent.
    pub agent: Arc<str>,
    /// `budget`, `rejections`, `review_overdue` or `requested`.
    pub why: String,
}

/// `agent.resumed`; the reason is the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentResumed {
    /// The agent.
    pub agent: Arc<str>,
}

/// Why somebody looks at an action that has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReviewKind {
    /// A person let it through at once.
    BreakGlass,
    /// It failed or broke a limit.
    Exception,
    /// Every action of this mode is looked at.
    PostAction,
    /// It was drawn.
    Sample,
}

impl ReviewKind {
    /// The wire name.
    pub fn as_str(self) -> &'static str {
        match self {
            ReviewKind::BreakGlass => "break_glass",
            ReviewKind::Exception => "exception",
            ReviewKind::PostAction => "post_action",
            ReviewKind::Sample => "sample",
        }
    }
}

/// `review.opened`: a person looks at what has run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewOpened {
    /// The action.
    pub action_id: ActionId,
    /// Who acted.
    pub agent: Arc<str>,
    /// Who let it through, where somebody broke the glass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken_by: Option<String>,
    /// Until when.
    pub due: Time,
    /// People who may not judge it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<String>,
    /// Why.
    pub kind: ReviewKind,
    /// Names of the only people who may judge it; empty: whoever may vote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// The operation.
    pub operation: String,
    /// Its id.
    pub review: ReviewId,
    /// It counted as a success before anybody looked.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub succeeded: bool,
    /// The week whose sample it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub week: Option<Week>,
}

/// What somebody found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// It was right.
    Fine,
    /// It was not.
    Faulty,
}

/// `review.closed`; the comment is the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewClosed {
    /// The action.
    pub action_id: ActionId,
    /// What was found.
    pub finding: Finding,
    /// It was closed after its time.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub late: bool,
    /// The review.
    pub review: ReviewId,
    /// Who looked.
    pub user: String,
}

/// `review.overdue`: nobody looked in time; it stays open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewOverdue {
    /// The action.
    pub action_id: ActionId,
    /// Until when somebody should have.
    pub due: Time,
    /// The review.
    pub review: ReviewId,
}
