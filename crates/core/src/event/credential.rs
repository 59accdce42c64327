//! Credentials of tools: what is known of them, and when one was given out. Their values lie with the secrets.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{ActionId, PermitId};

/// `credential.stored`; its value lies with the secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialStored {
    /// Agents for whose actions it is given out, or beginnings that end in `*`; without any, every agent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<String>,
    /// Its name.
    pub credential: String,
    /// Operations that it is for, or beginnings that end in `*`; without any, every operation of its tools.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<String>,
    /// A random name of this value: which of the sealed values it is. Nothing can be learned from it.
    pub secret: String,
    /// Tools that it is for, or beginnings that end in `*`.
    pub tools: Vec<String>,
    /// How many values it has had, with this one.
    pub version: u64,
}

/// `credential.released`: it was given out for an action whose permit was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialReleased {
    /// The action.
    pub action_id: ActionId,
    /// Whose action it is.
    pub agent: Arc<str>,
    /// The credential.
    pub credential: String,
    /// The permit.
    pub permit: PermitId,
    /// Which of its values.
    pub secret: String,
    /// Which version of it.
    pub version: u64,
}

/// `credential.removed`; its value is destroyed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialRemoved {
    /// Its name.
    pub credential: String,
}
