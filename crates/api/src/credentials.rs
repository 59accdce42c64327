//! Credentials of tools, which are given out for permits that were used.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::bounded::{Name, Text};

/// The longest value of a credential, bytes.
pub const LONGEST_SECRET: usize = 16 * 1024;

/// A secret on its way: neither shown nor repeated by errors.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct SecretText(pub String);

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // What is no text is not repeated either.
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) if (1..=LONGEST_SECRET).contains(&text.len()) => Ok(SecretText(text)),
            _other => Err(D::Error::custom(format!(
                "invalid secret: it has to be a text of 1 to {LONGEST_SECRET} bytes"
            ))),
        }
    }
}

impl JsonSchema for SecretText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SecretText".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "format": "password" })
    }
}

/// A credential to store. One of the same name gets this value, and is from now on for what is said here.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCredentialBody {
    /// Its name.
    pub name: Name,
    /// Its value, up to 16 KiB. It is never shown again.
    pub value: SecretText,
    /// Tools that it is for, or beginnings that end in `*`.
    #[schemars(length(min = 1, max = 32))]
    pub tools: Vec<Text<128>>,
    /// Operations that it is for, or beginnings that end in `*`; every operation of its tools when left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub operations: Vec<Text<128>>,
    /// Agents for whose actions it is given out, or beginnings that end in `*`; every agent when left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub agents: Vec<Text<128>>,
}

/// A credential that was stored.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StoredCredential {
    /// Its name.
    pub name: String,
    /// How many values it has had, with this one.
    pub version: u64,
}

/// A credential, without its value.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CredentialAnswer {
    /// Its name.
    pub name: String,
    /// How many values it has had.
    pub version: u64,
    /// Since when it has this one.
    pub since: String,
    /// When it was last given out.
    pub released: Option<String>,
    /// Tools that it is for.
    pub tools: Vec<String>,
    /// Operations that it is for; every operation of its tools where there are none.
    pub operations: Vec<String>,
    /// Agents for whose actions it is given out; every agent where there are none.
    pub agents: Vec<String>,
}

/// Credentials, by name.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CredentialsAnswer {
    /// All of them.
    pub credentials: Vec<CredentialAnswer>,
}

/// Asks for the credential of the tool that is about to run.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseCredentialBody {
    /// The permit, which has been redeemed.
    pub permit: Text<16384>,
    /// Which one; the only one that is for the action when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Name>,
}

/// A credential that was given out.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReleasedCredentialAnswer {
    /// Its name.
    pub name: String,
    /// Which version.
    pub version: u64,
    /// Its value, given out this once.
    pub value: SecretText,
    /// The action that it is for.
    pub action_id: String,
    /// Whose action it is.
    pub agent: String,
}
