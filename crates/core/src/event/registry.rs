//! Who there is: agents, people, and their keys.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::record::ActorKind;
use crate::time::Time;

/// `agent.registered`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentRegistered {
    /// The agent.
    pub agent: String,
    /// Free labels that conditions see.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Who answers for it: `team:x` or `user:x`.
    pub owner: String,
    /// Its team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
}

/// `agent.sighted`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentSighted {
    /// The agent's claimed name.
    pub agent: String,
    /// The source that saw it elsewhere, where it did not ask here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// `user.added`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserAdded {
    /// What the person answers for in the organization.
    pub duties: Vec<String>,
    /// Whom the person reports to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// What the person may do in Countersign.
    pub roles: Vec<String>,
    /// The person's teams.
    pub teams: Vec<String>,
    /// The person.
    pub user: String,
    /// The person's time zone, IANA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

/// `user.removed`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserRemoved {
    /// The person.
    pub user: String,
}

/// `key.issued`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyIssued {
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
    /// First bytes of the hash of its secret: enough to tell two keys apart, nothing to use.
    pub fingerprint: String,
    /// What it is known by.
    pub kid: String,
    /// Whose it is: an agent's or a person's.
    pub kind: ActorKind,
    /// What it may be used for.
    pub scopes: Vec<String>,
    /// Whose it is.
    pub subject: String,
}

/// `key.revoked`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyRevoked {
    /// It was the last key of a person that worked: links by which that person decides end with it.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub ends_links: bool,
    /// What it was known by.
    pub kid: String,
}
