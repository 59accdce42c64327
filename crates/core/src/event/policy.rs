//! Which policy is stored, and which is live.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_false;

/// `snapshot.uploaded`; the files lie beside the ledger under their hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotUploaded {
    /// How many documents it has.
    pub documents: u64,
    /// Its hash, `sha256:…`.
    pub hash: Arc<str>,
}

/// `snapshot.activated`; the rationale is the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotActivated {
    /// Its hash, `sha256:…`.
    pub hash: Arc<str>,
    /// What was live before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<Arc<str>>,
    /// It was live before: this is a return.
    #[serde(default, skip_serializing_if = "is_false")]
    pub rollback: bool,
}
