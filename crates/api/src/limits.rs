//! Limits as they stand.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an action adds to a window of a limit, in its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LimitRead {
    /// The limit.
    pub id: String,
    /// How many actions counted before this one.
    pub counted: u32,
    /// How many may.
    pub at_most: Option<u32>,
    /// What they came to, a decimal string.
    pub sum: Option<String>,
    /// What they may come to.
    pub sum_at_most: Option<String>,
    /// What this action adds.
    pub takes: Option<String>,
    /// What the sum is in, an ISO 4217 code.
    pub unit: Option<String>,
    /// When there is room for it again, where there is none; absent where there never is.
    pub room_at: Option<String>,
    /// The action that this one repeats.
    pub repeats: Option<String>,
}

/// One window of a limit.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WindowAnswer {
    /// `organization`, or what tells it apart, joined by `,`: `agent:…`, `team:…`, `tool:…`, `action:…`, and `key:…`, a digest
    /// of what the actions' own values tell apart. `rest:AGENT` is what an agent does beyond the windows that it may open.
    pub whose: String,
    /// The agent that opened it.
    pub opened_by: String,
    /// How many actions count.
    pub counted: u32,
    /// What they come to, a decimal string.
    pub sum: Option<String>,
    /// When there is room again, where there is none.
    pub room_at: Option<String>,
}

/// A limit of the live policy as it stands.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LimitAnswer {
    /// Its name; that of a mandate's rate is `AGENT/rate`.
    pub id: String,
    /// What has a window of its own; nothing: all share one.
    pub per: Vec<String>,
    /// The most actions that one window holds.
    pub count: Option<u32>,
    /// The most that they come to, a decimal string.
    pub sum: Option<String>,
    /// What the sum is in, an ISO 4217 code.
    pub unit: Option<String>,
    /// How long an action counts, in seconds: one at `t` counts until just before `t` and this.
    pub within_s: i64,
    /// `actions`, `retries`, or `repetitions`.
    pub counts: String,
    /// `alert`, `ask`, `deny` or `pause`.
    pub at_cap: String,
    /// How many of its windows hold something now, of those that were asked for.
    pub windows_in_use: usize,
    /// Those windows, the fullest first: one in the list of all limits, up to 100 where one is shown or some are looked for.
    pub windows: Vec<WindowAnswer>,
}

/// Limits of the live policy.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LimitsAnswer {
    /// By name.
    pub limits: Vec<LimitAnswer>,
}
