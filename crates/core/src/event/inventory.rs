//! The inventory: what is known of an agent besides its name, and which tools there are.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::time::Time;

/// The boundary of an agent, in seven fields. A list that is meant to be empty says so: `["none"]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Boundary {
    /// Actions that always need an approval.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub always_approve: Vec<String>,
    /// Data that it must never access.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub never_access: Vec<String>,
    /// The team that owns the boundary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owning_team: Option<String>,
    /// The process that it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// Systems that it reads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<String>,
    /// Actions that need no approval.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without_approval: Vec<String>,
    /// Systems that it writes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writes: Vec<String>,
}

/// What the inventory knows of an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Its boundary.
    #[serde(default)]
    pub boundary: Boundary,
    /// Data that it touches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<String>,
    /// Environments that it runs in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<String>,
    /// Who answers for it when its owners are gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_owner: Option<String>,
    /// Its model and version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The version of its prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// When somebody has to look at all of this again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_by: Option<Time>,
    /// The role or team that reviews what it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviewer: Option<String>,
    /// What kind of system it is, such as `agent`, `copilot` or `chatbot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Who answers for how it works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub technical_owner: Option<String>,
    /// Tools that it uses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
}

/// `agent.described`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentDescribed {
    /// The agent.
    pub agent: Arc<str>,
    /// All that is known of it now.
    pub description: Description,
}

/// `agent.activated`: nothing of what has to be known of it was blank.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentActivated {
    /// The agent.
    pub agent: Arc<str>,
}

/// `agent.review_overdue`: nobody looked at what is known of an agent in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentReviewOverdue {
    /// The agent.
    pub agent: Arc<str>,
    /// When it was to be looked at.
    pub review_by: Time,
}

/// `tool.registered`: a tool was seen for the first time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolRegistered {
    /// SHA-256 of its description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Digest>,
    /// SHA-256 of the schema of its arguments.
    pub schema: Digest,
    /// The tool.
    pub tool: String,
}

/// `tool.changed`: under the same name is another tool now. Nothing is permitted with it until a person approves it, and what
/// agents have shown with it starts over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolChanged {
    /// SHA-256 of its description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Digest>,
    /// SHA-256 of the schema of its arguments.
    pub schema: Digest,
    /// The tool.
    pub tool: String,
}

/// `tool.approved`: a person looked at a tool that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolApproved {
    /// SHA-256 of the schema that was approved.
    pub schema: Digest,
    /// The tool.
    pub tool: String,
}
