//! Runs: what set one off, what happened in it, what it came to, and what another policy would have said.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bounded::{FileName, Id, SnapshotHash, Text, Whole};
use crate::policies::files;

/// Steps that one answer shows.
pub const STEPS_AT_MOST: usize = 2000;

/// Records of a run at which one answer looks.
pub const RECORDS_AT_MOST: usize = 20_000;

/// Texts to its agents that one answer shows, and as many notes.
pub const SAID_AT_MOST: usize = 200;
/// The form of a `traceparent` of W3C Trace Context.
pub const TRACEPARENT: &str = "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$";

/// What sets a run off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TriggerWord {
    /// An agent before it.
    Agent,
    /// Something that happened elsewhere.
    Event,
    /// A person who asks for something.
    Person,
    /// The clock.
    Schedule,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndWord {
    /// Somebody called it off.
    Cancelled,
    /// It did not come to what it was for.
    Failed,
    /// It came to what it was for.
    Succeeded,
}

fn agents(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let id = generator.subschema_for::<Id>();
    schemars::json_schema!({ "type": "array", "maxItems": 64, "items": id })
}

fn run_id(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "pattern": "^run_[0-9a-f]{32}$" })
}

/// A run that begins.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRunBody {
    /// Agents that act in it; an agent that starts a run is one of them.
    #[serde(default)]
    #[schemars(schema_with = "agents")]
    pub agents: Vec<Id>,
    /// What set it off.
    pub trigger: TriggerWord,
    /// What it begins with, as people will want to read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<serde_json::Map<String, serde_json::Value>>,
    /// On whose behalf: what is kept of the context goes when that person's data is erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Text<512>>,
    /// The open run that it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "run_id")]
    pub parent: Option<String>,
    /// W3C trace context of what set it off; left out, the request's own `traceparent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = TRACEPARENT))]
    pub traceparent: Option<String>,
    /// It ends when nothing is heard of it for so many seconds; a day when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_seconds: Option<Whole<1, 2_592_000>>,
}

/// The end of a run.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndRunBody {
    /// How it ended.
    pub status: EndWord,
    /// What it came to, as people will want to read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<serde_json::Map<String, serde_json::Value>>,
}

/// Something that a person says.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SayBody {
    /// What.
    pub text: Text<4096>,
}

/// A policy to hold a run against: one that was uploaded, or documents, which are not kept.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["snapshot"] }, { "required": ["files"] }]))]
pub struct ReplayBody {
    /// Hash of an uploaded one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotHash>,
    /// Documents: name to exact text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "files")]
    pub files: BTreeMap<FileName, String>,
}

/// A run in a list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RunItem {
    /// Its id, by which actions name it.
    pub run: String,
    /// `open` or `ended`.
    pub state: String,
    /// Agents that act in it.
    pub agents: Vec<String>,
    /// What set it off: `agent`, `event`, `person`, `schedule`.
    pub trigger: String,
    /// Who started it.
    pub started_by: String,
    /// When.
    pub started_at: String,
    /// The run that it is part of.
    pub parent: Option<String>,
}

/// Runs that were started.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RunsAnswer {
    /// Newest first.
    pub runs: Vec<RunItem>,
    /// The next page's `cursor`; `null` at the end.
    pub next_cursor: Option<String>,
    /// How many records the search covers.
    pub as_of_seq: u64,
}

/// What a person said to the agents of a run, or noted about it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SaidBody {
    /// Who.
    pub by: String,
    /// When.
    pub at: String,
    /// What; `null` once that is gone.
    pub text: Option<String>,
    /// Index of the record.
    pub index: u64,
}

/// A request for a human decision, in a run.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RunApproval {
    /// The request.
    pub id: String,
    /// Where it stands.
    pub state: String,
    /// Who approved or rejected, in order.
    pub by: Vec<String>,
}

/// What happened after, in a run.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RunOutcome {
    /// `succeeded`, `failed`, `unknown`.
    pub status: String,
    /// What it cost, decimal text.
    pub cost: Option<String>,
    /// In which currency.
    pub currency: Option<String>,
    /// How long it took.
    pub duration_ms: Option<u64>,
    /// When it was reported.
    pub at: String,
}

/// An action of a run.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RunStep {
    /// How many actions lead to it.
    pub depth: u32,
    /// The action that it comes from.
    pub parent: Option<String>,
    /// Its name among the run's steps.
    pub step: Option<String>,
    /// The action.
    pub action_id: String,
    /// Who acted.
    pub agent: String,
    /// The tool.
    pub tool: Option<String>,
    /// The operation.
    pub action: String,
    /// What policy said.
    pub decision: String,
    /// Where it stands: `pending`, `permitted`, `refused`.
    pub status: String,
    /// Why it is refused.
    pub reason_code: Option<String>,
    /// Labels of what its agent had read.
    pub reads: Vec<String>,
    /// The request for a human decision.
    pub approval: Option<RunApproval>,
    /// What happened after.
    pub outcome: Option<RunOutcome>,
    /// When it was decided.
    pub at: String,
    /// Index of the decision's record.
    pub index: u64,
}

/// What one answer leaves off of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunLeftOff {
    /// Actions after those that are shown: in none of the numbers either.
    pub steps: u64,
    /// Earlier texts to its agents.
    pub inputs: u64,
    /// Earlier notes.
    pub notes: u64,
    /// There is more still: one answer looks at 20,000 records of a run, its end not among them then.
    pub at_least: bool,
}

impl RunLeftOff {
    /// Whether all actions are shown.
    pub fn has_all_actions(&self) -> bool {
        self.steps == 0 && !self.at_least
    }
}

/// A run, from what set it off to what it came to.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RunAnswer {
    /// As actions name it.
    pub run: String,
    /// `open`, `ended`, or `unstarted`: actions name it, and nobody started it.
    pub state: String,
    /// How it ended: `succeeded`, `failed`, `cancelled`, `idle`.
    pub status: Option<String>,
    /// Agents that act in it.
    pub agents: Vec<String>,
    /// What set it off: `agent`, `event`, `person`, `schedule`.
    pub trigger: Option<String>,
    /// Who started it.
    pub started_by: Option<String>,
    /// When.
    pub started_at: Option<String>,
    /// Who ended it.
    pub ended_by: Option<String>,
    /// When.
    pub ended_at: Option<String>,
    /// The run that it is part of.
    pub parent: Option<String>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// What it began with.
    pub context: Option<serde_json::Value>,
    /// What it came to.
    pub output: Option<serde_json::Value>,
    /// Labels of what has been read in it so far, while it is open.
    pub reads: Vec<String>,
    /// Its actions by where they stand: `pending`, `permitted`, `refused`.
    pub actions: BTreeMap<String, u64>,
    /// What they cost, decimal text by currency.
    pub cost: BTreeMap<String, String>,
    /// Tokens by kind.
    pub tokens: BTreeMap<String, u64>,
    /// Its actions as a tree: each after the one that it comes from, one level deeper.
    pub steps: Vec<RunStep>,
    /// What people said to its agents, the last of it.
    pub inputs: Vec<SaidBody>,
    /// What people noted about it, the last of it.
    pub notes: Vec<SaidBody>,
    /// All of its actions are here; a run may have more than one answer holds.
    pub complete: bool,
    /// How much is not here.
    pub left_off: RunLeftOff,
}

/// A decision under two policies.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReplayItem {
    /// The action.
    pub action_id: String,
    /// Who acted.
    pub agent: String,
    /// The tool.
    pub tool: Option<String>,
    /// The operation.
    pub action: String,
    /// Index of the decision's record.
    pub index: u64,
    /// `same`, `differs`, `not_derivable`.
    pub outcome: String,
    /// What was decided.
    pub recorded: String,
    /// What the policy of then says alone; another word than `recorded` where something above policy made it stricter.
    pub before: Option<String>,
    /// What the other policy says alone.
    pub after: Option<String>,
    /// The rule of the other policy that speaks first: `document#rule`.
    pub rule: Option<String>,
    /// Its first reason.
    pub message: Option<String>,
    /// What is not there and would be read.
    pub gaps: Vec<String>,
}

/// A run under another policy.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReplayAnswer {
    /// The run.
    pub run: String,
    /// Hash of the other policy.
    pub snapshot: String,
    /// How many decisions are the same.
    pub same: u64,
    /// How many differ.
    pub differs: u64,
    /// How many cannot be told.
    pub not_derivable: u64,
    /// Each decision, in order.
    pub decisions: Vec<ReplayItem>,
    /// All of its actions are here; a run may have more than one answer holds.
    pub complete: bool,
}
