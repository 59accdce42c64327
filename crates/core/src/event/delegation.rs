//! Agents that act for one another, as decisions read their chain.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::ActionId;

/// An agent that handed an action on, and what was known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The action by which it called the next agent of the chain: the proof that it did.
    pub action_id: ActionId,
    /// What was known of the agent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub agent: BTreeMap<String, String>,
    /// The agent.
    pub id: Arc<str>,
    /// The agent's labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// `active`, `quarantined` or `unregistered`.
    pub standing: String,
}

/// Why a link of a chain is not proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unproven {
    /// The call is over, was not permitted, or was stopped.
    Ended,
    /// Another agent's action.
    NotItsOwn,
    /// It calls another agent than the next of the chain.
    NotThisAgent,
    /// It was made for other agents than those before it in the chain.
    OtherChain,
    /// More agents than a chain may have.
    TooLong,
    /// No such action is open.
    Unknown,
    /// It is no object with `agent` and `action`.
    Unreadable,
}

/// The link of a chain that is not proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BrokenLink {
    /// Its place in the chain, from 1.
    pub link: u32,
    /// Why.
    pub why: Unproven,
}
