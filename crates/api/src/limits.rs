//! Limits as they stand.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bounded::Text;

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

/// A circuit that failures have opened.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CircuitAnswer {
    /// Whose it is: `organization`, or what tells it apart, joined by `,`: `agent:…`, `team:…`, `tool:…`, `action:…`.
    pub circuit: String,
    /// How many failures opened it.
    pub failures: u32,
    /// The agent that failed last.
    pub failed_by: String,
    /// Since when it is open.
    pub open_since: String,
    /// From when on one action may try whether it works again.
    pub try_at: String,
    /// The action that tries it now; the others wait for its outcome.
    pub trial: Option<String>,
}

/// A circuit that is to be closed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseCircuitBody {
    /// The limit that opened it.
    pub limit: Text<512>,
    /// Whose it is, as the limit shows it.
    pub circuit: Text<1024>,
    /// Why.
    pub reason: Text<4096>,
}

/// A circuit that is closed now.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CloseCircuitAnswer {
    /// The limit that had opened it.
    pub limit: String,
    /// Whose it is.
    pub circuit: String,
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
    /// `actions`, `retries`, `repetitions`, `failures`, `costs` or `depth`.
    pub counts: String,
    /// Where it counts failures: for how many seconds so many of them open a circuit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_for_s: Option<i64>,
    /// Circuits that are open, or wait for a trial; up to as many as windows are listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub circuits: Vec<CircuitAnswer>,
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
