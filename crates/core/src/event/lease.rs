//! Leases: which gateways guard what, and may go on only as long as they hear of kill switches.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Scope;
use crate::time::Time;

/// A tool that a gateway may let through for a while when it cannot renew its lease, because policy says so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FailOpen {
    /// For how long after the lease is over.
    pub seconds: u32,
    /// The tool.
    pub tool: String,
}

/// `lease.granted`: a gateway guards something from here on, or goes on guarding it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaseGranted {
    /// What it may let through without a lease, and for how long; nothing else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fail_open: Vec<FailOpen>,
    /// The gateway, as its holder calls it.
    pub gateway: String,
    /// What it guards.
    pub guards: Vec<Scope>,
    /// Whose key it holds the lease with.
    pub holder: String,
    /// How long it may go on without a renewal.
    pub seconds: u32,
    /// Until when it counts as a guard if nothing is heard of it.
    pub until: Time,
}

/// Why a lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LeaseEnd {
    /// Nothing was heard of the gateway.
    Lapsed,
    /// The gateway gave it back.
    Returned,
}

/// `lease.ended`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaseEnded {
    /// The gateway.
    pub gateway: String,
    /// Whose key it held the lease with.
    pub holder: String,
    /// Why.
    pub why: LeaseEnd,
}
