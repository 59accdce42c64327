//! What limits count, and circuits that failures open.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_false;
use crate::ids::ActionId;
use crate::time::Time;

/// What a decision read of one window of a limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowRead {
    /// How many it may hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<u32>,
    /// How many actions it held before this one.
    pub counted: u32,
    /// The first of them, where the limit looks for repetitions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<ActionId>,
    /// The limit.
    pub limit: Arc<str>,
    /// When there is room for this action again, where there is none now and there ever is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<Time>,
    /// What they came to, decimal text, where the limit is on a sum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sum: Option<String>,
    /// What they may come to, decimal text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sum_at_most: Option<String>,
    /// What the action adds to that, decimal text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takes: Option<String>,
    /// What the sum is in, an ISO 4217 code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Whose window: `agent:ID` and the like, joined by `,`; `key:` and a keyed digest stands for all that the action's own
    /// values tell apart; `rest:AGENT` for what one agent does beyond the windows that it may open.
    pub window: Arc<str>,
}

/// What an action adds to one window of a limit, and from when until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Counted {
    /// What it adds to the sum, decimal text, where the limit is on one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// There was no room: the limit only tells people, or they approved it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub beyond: bool,
    /// Since when it counts.
    pub from: Time,
    /// The limit.
    pub limit: Arc<str>,
    /// What comes later is held against it, since the limit looks for repetitions.
    #[serde(default, skip_serializing_if = "is_false")]
    pub repeats: bool,
    /// When it does not count any more.
    pub until: Time,
    /// Whose window, as in what the decision read.
    pub window: Arc<str>,
}

/// What a decision read of a circuit that is not closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CircuitRead {
    /// Whose circuit: `agent:ID` and the like, joined by `,`.
    pub circuit: Arc<str>,
    /// The limit that opened it.
    pub limit: Arc<str>,
    /// The action that tries whether it works again, as long as its outcome is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<ActionId>,
    /// From when on one action may try.
    pub until: Time,
}

/// Where an action lies in the tree of its run, where the live policy limits that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DepthRead {
    /// What it lies below: the id of an action, or a keyed digest of run and step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<Arc<str>>,
    /// How deep that lies; 0 where it lies below nothing.
    pub level: u32,
    /// What names it to those below it: a keyed digest of its run and step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Arc<str>>,
}

/// A circuit that an action tries: what comes of it closes the circuit, or opens it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// Whose circuit.
    pub circuit: Arc<str>,
    /// The limit that opened it.
    pub limit: Arc<str>,
}

/// `circuit.opened`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CircuitOpened {
    /// The action whose outcome opened it.
    pub action_id: ActionId,
    /// Whose action that was.
    pub agent: Arc<str>,
    /// Whose circuit.
    pub circuit: Arc<str>,
    /// How many failures there were within the time of the limit, the last one included; 1 where a trial failed.
    pub failures: u32,
    /// The limit.
    pub limit: Arc<str>,
    /// It was open, and the action tried whether it works again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub trial: bool,
    /// From when on one action may try.
    pub until: Time,
}

/// `circuit.closed`; the reason is the payload where a person did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CircuitClosed {
    /// The trial that succeeded, unless a person closed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_id: Option<ActionId>,
    /// Whose circuit.
    pub circuit: Arc<str>,
    /// The limit that had opened it.
    pub limit: Arc<str>,
}
