//! What faces and engine read of a state.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::Error as _;
use serde_json::Value;

use super::*;

/// Read access: nouns, for faces and engine.
impl State {
    /// The index of the next record.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The time of the last record.
    pub fn last_ts(&self) -> Time {
        self.last_ts
    }

    /// The organization.
    pub fn organization(&self) -> &str {
        &self.organization
    }

    /// The organization's currency.
    pub fn currency(&self) -> &str {
        &self.currency
    }

    /// The hash of the live snapshot.
    pub fn live(&self) -> Option<&Arc<str>> {
        self.live.as_ref()
    }

    /// Stored snapshots by hash.
    pub fn snapshots(&self) -> &BTreeMap<Arc<str>, StoredSnapshot> {
        &self.snapshots
    }

    /// Known agents.
    pub fn agents(&self) -> &BTreeMap<Arc<str>, Agent> {
        &self.agents
    }

    /// People.
    pub fn users(&self) -> &BTreeMap<String, User> {
        &self.users
    }

    /// Credentials, without their secrets.
    pub fn keys(&self) -> &BTreeMap<Arc<str>, Key> {
        &self.keys
    }

    /// Requests that have not ended.
    pub fn approvals(&self) -> &BTreeMap<ApprovalId, OpenApproval> {
        &self.approvals
    }

    /// Actions of which something is open.
    pub fn actions(&self) -> &BTreeMap<ActionId, OpenAction> {
        &self.actions
    }

    /// Engaged kill switches.
    pub fn kills(&self) -> impl Iterator<Item = &Kill> {
        self.kills.values()
    }

    /// Alerts that nobody took note of.
    pub fn alerts(&self) -> &BTreeMap<AlertId, OpenAlert> {
        &self.alerts
    }

    /// Registered receivers of callbacks.
    pub fn receivers(&self) -> &BTreeMap<ReceiverId, String> {
        &self.receivers
    }

    /// Callbacks that have not arrived.
    pub fn deliveries(&self) -> &BTreeMap<DeliveryId, PendingDelivery> {
        &self.deliveries
    }

    /// The host's clock jumped, and timers stand still.
    pub fn frozen(&self) -> bool {
        self.frozen
    }

    /// Sources of calls that were seen elsewhere, by name.
    pub fn observed(&self) -> &BTreeMap<Arc<str>, super::Source> {
        self.observed.sources()
    }

    /// The organization is closed.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// How many records came after the last seal.
    pub fn unsealed(&self) -> u64 {
        self.next_seq - self.sealed
    }

    /// The next instant at which [`Command::Tick`](crate::Command::Tick) has something to do.
    pub fn next_due(&self) -> Option<Time> {
        if self.frozen {
            return None;
        }
        let due = self.due.first().map(|(at, _)| *at);
        due.into_iter().chain(self.named_due.first().map(|(at, _)| *at)).min()
    }

    /// Canonical bytes of the state: what a seal hashes and a stored state is.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Every part of a state serializes; an empty text would not load, and so not be trusted.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// A state from its canonical bytes.
    ///
    /// # Errors
    /// If they are no state, or hold something that this version would leave out of it.
    pub fn from_bytes(bytes: &[u8]) -> Result<State, serde_json::Error> {
        let mut state: State = serde_json::from_slice(bytes)?;
        let again = state.to_bytes();
        if again != bytes
            && let Some(field) = left_out(&serde_json::from_slice(bytes)?, &serde_json::from_slice(&again)?)
        {
            let why = format!("it has the field `{field}`, which this version does not know");
            return Err(serde_json::Error::custom(why));
        }
        state.rebuild_caches();
        Ok(state)
    }

    /// SHA-256 of the canonical bytes.
    pub fn hash(&self) -> Digest {
        Digest::of(&self.to_bytes())
    }
}

/// The first field of `then` that `now` lacks, and that says something.
fn left_out(then: &Value, now: &Value) -> Option<String> {
    let says = |value: &Value| match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_i64() != Some(0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    };
    match (then, now) {
        (Value::Object(then), Value::Object(now)) => then.iter().find_map(|(name, value)| match now.get(name) {
            Some(now) => left_out(value, now),
            None => says(value).then(|| name.clone()),
        }),
        (Value::Array(then), Value::Array(now)) => then.iter().zip(now).find_map(|(then, now)| left_out(then, now)),
        _plain => None,
    }
}
