//! What the ledger says of itself: its beginning and end, seals, epochs, the clock, requests that changed nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::time::Time;

/// `ledger.opened`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LedgerOpened {
    /// The state counts what was decided of late.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub counts: bool,
    /// The organization's currency, ISO 4217.
    pub currency: String,
    /// Epoch of the log; 1, and one more after each restore.
    pub epoch: u32,
    /// The organization.
    pub organization: String,
    /// Identifier of the key that signs permits.
    pub permit_kid: String,
    /// Its public key, 32 bytes, hexadecimal.
    pub permit_public: String,
    /// Hash over the JSON Schemas of all record types.
    pub schemas: Digest,
    /// The log's verifying key, C2SP form.
    pub vkey: String,
    /// The organization's time zone, IANA.
    pub zone: String,
}

/// `ledger.min_reader`: from here on records may be of every type that this reader knows (see [`crate::reader`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MinReaderRaised {
    /// The least reader before.
    pub before: u32,
    /// The least reader from here on.
    pub reader: u32,
}

/// `organization.closed`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OrganizationClosed {
    /// The organization.
    pub organization: String,
}

/// `state.sealed`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StateSealed {
    /// The state covers the records before this index.
    pub at: u64,
    /// From here on the state counts what was decided of late; in a ledger that did not from its first record.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub counts: bool,
    /// SHA-256 of the canonical state.
    pub hash: Digest,
}

/// `request.noted`: written for a request with an idempotency key alone, so that a late repetition of it does nothing
/// either, whatever has changed since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestNoted {
    /// What was asked for, such as `kill` or `activate_snapshot`.
    pub command: String,
}

/// `clock.jumped`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockJumped {
    /// What the host's clock shows.
    pub shows: Time,
}

/// `clock.confirmed`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockConfirmed {
    /// `operator`, or `caught_up` when the clock came back by itself.
    pub by: String,
}

/// Where a log ended: so many records, with this root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EpochEnd {
    /// Its origin.
    pub log: String,
    /// Root over its records.
    pub root: Digest,
    /// How many records.
    pub size: u64,
}

/// `epoch.opened`; the payload says why. It is the first record that carries the new origin; records and tree go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EpochOpened {
    /// Which one, counted from 1.
    pub epoch: u64,
    /// The origin from this record on.
    pub log: String,
    /// What was signed for, as the signer remembers, where the ledger is not that any more: what is more than `previous` is lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mark: Option<EpochEnd>,
    /// The log before this record, as it is in the ledger.
    pub previous: EpochEnd,
    /// The verifying key of the new origin, C2SP form.
    pub vkey: String,
}

/// `key.rotated`. Until `until` both keys sign checkpoints, so that whoever pinned the old one can take up the new one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyRotated {
    /// Which key: `log`.
    pub key: String,
    /// The verifying key before, C2SP form.
    pub old_vkey: String,
    /// Until when the old key signs as well.
    pub until: Time,
    /// The verifying key from here on, C2SP form.
    pub vkey: String,
}
