//! Which policy is stored, and which is live.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_false;
use crate::time::Time;

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
    /// People who agreed to it, where the policy that was live wanted that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approved_by: Vec<String>,
    /// Its hash, `sha256:…`.
    pub hash: Arc<str>,
    /// What was live before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<Arc<str>>,
    /// It was live before: this is a return.
    #[serde(default, skip_serializing_if = "is_false")]
    pub rollback: bool,
}

/// `snapshot.proposed`: somebody wants it live, and others have to agree; the rationale is the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotProposed {
    /// Names of those who may agree.
    pub approvers: Vec<String>,
    /// Who wants it, and does not agree to it.
    pub by: String,
    /// Its hash, `sha256:…`.
    pub hash: Arc<str>,
    /// How many have to agree.
    pub quorum: u32,
    /// Until when.
    pub until: Time,
}

/// `snapshot.judged`: somebody agreed, or did not; a comment is the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotJudged {
    /// Yes or no.
    pub agrees: bool,
    /// Who.
    pub by: String,
    /// The snapshot's hash, `sha256:…`.
    pub hash: Arc<str>,
}

/// `snapshot.waived`: it may become live though tests of it fail, or rules have none; the reason is the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotWaived {
    /// Who.
    pub by: String,
    /// How many of its tests fail.
    pub failing: u64,
    /// Its hash, `sha256:…`.
    pub hash: Arc<str>,
    /// How many of its rules no test tries.
    pub untried: u64,
}

/// Why a snapshot that was proposed did not become live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeclinedBecause {
    /// Nobody decided in time.
    Expired,
    /// Somebody said no.
    Rejected,
    /// Another one was proposed.
    Superseded,
}

/// `snapshot.declined`: what was live stays live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotDeclined {
    /// The snapshot's hash, `sha256:…`.
    pub hash: Arc<str>,
    /// Why.
    pub why: DeclinedBecause,
}
