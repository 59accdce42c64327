//! What agents have earned, and looks at what has run.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bounded::{Id, Text};

/// How much of what an agent does is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModeWord {
    /// A person decides before each action.
    PreAction,
    /// A person looks at each action afterwards.
    PostAction,
    /// A person looks at what failed, and at a sample.
    ExceptionOnly,
    /// A person looks at the week's sample; only the organization's document says so.
    PeriodicBatch,
}

/// What has to be shown for a mode.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ThresholdBody {
    /// So many successes.
    pub successes: u32,
    /// Errors below this share, such as `2 %`.
    pub max_error: String,
    /// So many days in the mode before.
    pub days: u32,
}

/// The rules of autonomy; nothing where the live policy has none.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CriteriaAnswer {
    /// What has to be shown, by mode.
    pub modes: BTreeMap<String, ThresholdBody>,
    /// Above this share of errors an agent starts over.
    pub demote_above: Option<String>,
    /// So many rejections in a row pause an agent.
    pub pause_after: Option<u32>,
    /// `point` or `wilson95`.
    pub estimate: Option<String>,
    /// The share of actions that is drawn for a look.
    pub sample: Option<String>,
    /// Modes that the organization's document says; the first one that is about an action holds.
    pub stated: Vec<StatedModeAnswer>,
}

/// A mode that holds without being earned.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StatedModeAnswer {
    /// For which agents; absent: for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// With tools of which class; absent: of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// With which tools; absent: with all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// The mode.
    pub mode: ModeWord,
    /// Within what time somebody looks, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within_s: Option<i64>,
    /// The share that is drawn, where it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<String>,
}

/// Whether autonomy goes as planned: people before nearly everything at first, and less by what agents show.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PlanAnswer {
    /// The live policy has rules of autonomy.
    pub ruled: bool,
    /// What the plan is.
    pub plan: PlanBody,
    /// Operations of agents that have shown something.
    pub operations: u64,
    /// Those of them that run without a person before.
    pub loosened: u64,
    /// Week by week, UTC: the first twelve and the last 53; weeks without a decision are left out.
    pub weeks: Vec<WeekAnswer>,
    /// What is not as planned.
    pub findings: Vec<OffPlanAnswer>,
}

/// The plan: shares of the actions under the rules, percent.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PlanBody {
    /// So many wait for a person in the first week, at least.
    pub restricted_at_start: u64,
    /// So many run without being asked for, from and to.
    pub loosened: (u64, u64),
    /// After so many weeks, from and to.
    pub weeks: (i64, i64),
}

/// What was decided in one week.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WeekAnswer {
    /// Its Monday, such as `2026-11-23`.
    pub begins: String,
    /// A person was asked before.
    pub restricted: u64,
    /// Ran unasked, and a person looks at each afterwards.
    pub supervised: u64,
    /// Ran unasked, and a person looks at exceptions or a sample.
    pub autonomous: u64,
    /// `restricted` of these three, percent; absent where there was none of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restricted_percent: Option<u64>,
    /// `supervised` of these three, percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supervised_percent: Option<u64>,
    /// `autonomous` of these three, percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autonomous_percent: Option<u64>,
    /// Ran outside the rules: it only looks, or there were no rules.
    pub unruled: u64,
    /// Denied, or a safer action was offered.
    pub denied: u64,
    /// Modes that people granted.
    pub loosened: u64,
    /// Modes that were lost.
    pub tightened: u64,
}

/// Something that is not as planned.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OffPlanAnswer {
    /// `starts_open`, `nothing_loosened` or `little_loosened`.
    pub code: String,
    /// What it is, and what to do about it.
    pub message: String,
}

/// Where an agent stands with one operation.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StandingAnswer {
    /// The operation.
    pub operation: String,
    /// How much is looked at.
    pub mode: ModeWord,
    /// Since when.
    pub since: String,
    /// Actions that ran well.
    pub succeeded: u32,
    /// Actions that failed, broke a limit, or were found faulty.
    pub failed: u32,
    /// Requests that people rejected in a row.
    pub rejected: u32,
    /// Digest of the model and version that showed it.
    pub model: Option<String>,
    /// What is missing for the next mode; nothing if it is earned and waits for a person.
    pub missing: Vec<String>,
}

/// Where an agent stands.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AutonomyAnswer {
    /// The agent.
    pub agent: String,
    /// Why it gets no permit until it is resumed.
    pub paused: Option<String>,
    /// With each operation that it has run; with every other one it starts with a person before each action.
    pub operations: Vec<StandingAnswer>,
}

/// How much is to be looked at.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModeBody {
    /// The operation, as `GET /v1/autonomy/{agent}` names it.
    pub operation: Text<1024>,
    /// The mode.
    pub mode: ModeWord,
    /// Why.
    pub reason: Text<4096>,
}

/// Why an agent is paused, or goes on.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseBody {
    /// The agent.
    pub agent: Id,
    /// Why.
    pub reason: Text<4096>,
}

/// Whether an agent is paused.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PauseAnswer {
    /// The agent.
    pub agent: String,
    /// Why it gets no permit until it is resumed: `access`, `budget`, `limit`, `rejections`, `review_overdue` or
    /// `requested`.
    pub paused: Option<String>,
}

/// A look at an action that has run.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReviewAnswer {
    /// Its id.
    pub id: String,
    /// `post_action`, `exception`, `sample` or `break_glass`.
    pub kind: String,
    /// The action.
    pub action: String,
    /// Who acted.
    pub agent: String,
    /// The operation.
    pub operation: String,
    /// Until when somebody should look.
    pub due: String,
    /// Nobody did.
    pub overdue: bool,
    /// People who may not judge it.
    pub excluded: Vec<String>,
    /// What was found; absent while it is open.
    pub finding: Option<FindingWord>,
}

/// Looks that nobody has taken yet.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReviewsAnswer {
    /// By the time until when, the first 100.
    pub reviews: Vec<ReviewAnswer>,
}

/// What somebody found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FindingWord {
    /// It was right.
    Fine,
    /// It was not; needs a comment.
    Faulty,
}

/// What a look found.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FindingBody {
    /// What.
    pub finding: FindingWord,
    /// What the person says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<Text<4096>>,
}
