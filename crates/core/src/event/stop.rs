//! Kill switches, and alerts that a person should look at.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_false;
use crate::ids::{ActionId, AlertId};

/// What a kill switch stops.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind", content = "name", deny_unknown_fields)]
pub enum Scope {
    /// One agent.
    Agent(String),
    /// Every tool of a class of the tool catalogue.
    Class(String),
    /// Everything of the organization.
    Organization,
    /// One run, whichever agents are part of it.
    Run(String),
    /// Every agent of a team.
    Team(String),
    /// One tool.
    Tool(String),
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Scope::Agent(name) => write!(f, "agent:{name}"),
            Scope::Class(name) => write!(f, "class:{name}"),
            Scope::Organization => f.write_str("organization"),
            Scope::Run(name) => write!(f, "run:{name}"),
            Scope::Team(name) => write!(f, "team:{name}"),
            Scope::Tool(name) => write!(f, "tool:{name}"),
        }
    }
}

/// `kill.engaged`; the reason is the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KillEngaged {
    /// What it stops.
    pub scope: Scope,
}

/// `kill.release_requested`; the reason is the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KillReleaseRequested {
    /// Who asks.
    pub by: String,
    /// What it stops.
    pub scope: Scope,
}

/// `kill.released`; the reason is the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KillReleased {
    /// What it stopped.
    pub scope: Scope,
    /// One person sufficed, because there was no second.
    #[serde(default, skip_serializing_if = "is_false")]
    pub single_person: bool,
}

/// `alert.raised`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertRaised {
    /// The action that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action_id: Option<ActionId>,
    /// The agent that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<Arc<str>>,
    /// Its id.
    pub alert: AlertId,
    /// What kind of alert, such as `delete_attempt`.
    pub name: String,
    /// One sentence.
    pub summary: String,
}

/// `alert.acknowledged`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertAcknowledged {
    /// The alert.
    pub alert: AlertId,
}
