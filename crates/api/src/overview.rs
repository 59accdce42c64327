//! What goes on, at a glance.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happened within one hour.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HourAnswer {
    /// When it began.
    pub from: String,
    /// Actions that were allowed.
    pub allow: u64,
    /// Actions that were allowed within limits.
    pub allow_with_constraints: u64,
    /// Actions that were denied.
    pub deny: u64,
    /// Actions in whose place a safer one was offered.
    pub remediate: u64,
    /// Actions about which people were asked.
    pub require_approval: u64,
    /// Requests that people answered by the time that policy wants an answer.
    pub answered_in_time: u64,
    /// Requests that were answered later, or by nobody.
    pub answered_late: u64,
}

/// How often a rule asked people or denied.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SpokenRule {
    /// The policy document; empty where none spoke.
    pub document: String,
    /// Which rule of it; where none spoke a stable word such as `no_rule_allows`.
    pub rule: String,
    /// How often people were asked because of it.
    pub asked: u64,
    /// How often it denied.
    pub denied: u64,
}

/// An action that policy denied.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DeniedAction {
    /// Its id.
    pub id: String,
    /// The operation.
    pub action: String,
    /// Whose.
    pub agent: String,
    /// When.
    pub at: String,
    /// The policy document that spoke; empty where none did.
    pub document: String,
    /// Which rule of it; where none spoke a stable word such as `no_rule_allows`.
    pub rule: String,
}

/// A request that waits for an answer.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WaitingRequest {
    /// Its id.
    pub id: String,
    /// The operation.
    pub action: String,
    /// Whose.
    pub agent: String,
    /// When it was opened.
    pub opened: String,
    /// By when policy wants an answer.
    pub sla_due: String,
    /// When it ends without one.
    pub deadline: String,
    /// The time by which policy wants an answer is over.
    pub late: bool,
}

/// Requests that wait for an answer.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WaitingAnswer {
    /// How many there are.
    pub open: u64,
    /// How many of them are late.
    pub late: u64,
    /// Ten at most, by the time by which policy wants an answer.
    pub first: Vec<WaitingRequest>,
}

/// How many agents are in which state. One that nobody registered is not counted as paused.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AgentCounts {
    /// Registered, and not paused.
    pub active: u64,
    /// Paused.
    pub paused: u64,
    /// Nobody registered them: everything that they ask for is denied.
    pub quarantined: u64,
    /// By mode (`pre_action`, `post_action`, `exception_only`, `periodic_batch`) in how many of their operations agents are.
    pub modes: BTreeMap<String, u64>,
}

/// How the ledger stands.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LedgerStands {
    /// How many records the newest signed checkpoint covers.
    pub size: u64,
    /// When the last of them was written.
    pub last: String,
    /// How many records the newest checkpoint covers that a witness cosigned; absent where none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witnessed: Option<u64>,
}

/// What goes on, at a glance. Drills and canaries are counted like everything else, so that nobody can tell them apart by it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OverviewAnswer {
    /// When it was so.
    pub now: String,
    /// Hours in which something happened, oldest first.
    pub hours: Vec<HourAnswer>,
    /// Rules of these days (UTC), what spoke most often first; ten at most. Of rules that hardly ever speak some may be missing.
    pub rules: Vec<SpokenRule>,
    /// The newest denials, the newest first; ten at most.
    pub denials: Vec<DeniedAction>,
    /// Requests that wait.
    pub waiting: WaitingAnswer,
    /// Agents.
    pub agents: AgentCounts,
    /// The ledger.
    pub ledger: LedgerStands,
}
