//! Runs: one piece of work of an agent or of several, from what set it off to its end.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::RunId;
use crate::record::ActorKind;

/// What sets a run off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// An agent before it.
    Agent,
    /// Something that happened elsewhere, such as a message that came in.
    Event,
    /// A person who asks for something.
    Person,
    /// The clock.
    Schedule,
}

impl Trigger {
    /// The wire name.
    pub fn as_str(self) -> &'static str {
        match self {
            Trigger::Agent => "agent",
            Trigger::Event => "event",
            Trigger::Person => "person",
            Trigger::Schedule => "schedule",
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Somebody called it off.
    Cancelled,
    /// It did not come to what it was for.
    Failed,
    /// Nothing was heard of it for as long as it was to be waited for.
    Idle,
    /// It came to what it was for.
    Succeeded,
}

impl RunStatus {
    /// The wire name.
    pub fn as_str(self) -> &'static str {
        match self {
            RunStatus::Cancelled => "cancelled",
            RunStatus::Failed => "failed",
            RunStatus::Idle => "idle",
            RunStatus::Succeeded => "succeeded",
        }
    }
}

/// `run.started`; the payload is the context that it begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunStarted {
    /// Agents that act in it, sorted.
    pub agents: Vec<Arc<str>>,
    /// It ends when nothing is heard of it for so long, seconds.
    pub idle_s: u32,
    /// The run that it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<RunId>,
    /// Labels of what has been read in the run that it is part of, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<String>,
    /// The run.
    pub run: RunId,
    /// Who started it.
    pub started_by: ActorKind,
    /// W3C trace context: `traceparent` of what set it off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// What set it off.
    pub trigger: Trigger,
}

/// `run.input`: a person said something to the agents of a run, which are from here on about what that person wants; the
/// payload is what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunInput {
    /// The run, as actions name it.
    pub run: Arc<str>,
}

/// `run.noted`: a person noted something about a run, for other people; the payload is what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunNoted {
    /// The run, as actions name it.
    pub run: Arc<str>,
}

/// `run.ended`; the payload is what it came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunEnded {
    /// The run.
    pub run: RunId,
    /// How.
    pub status: RunStatus,
}
