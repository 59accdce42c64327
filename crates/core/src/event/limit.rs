//! What limits count.

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
