//! A record on its way out: its exact line, and how its fields are found.
//!
//! Fields are read from the JSON, not from the domain's types: an export of a ledger with records of a type that this
//! version does not know is as complete as any other.

use countersign_core::Time;
use countersign_tlog::{Hash, leaf_hash};
use serde_json::Value;

use crate::error::ExportError;

/// What lies beside a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beside {
    /// The record has no payload.
    Nothing,
    /// It has one, which was not asked for.
    Closed,
    /// It had one, which is erased or over its time.
    Gone,
    /// It has one, which is shown to nobody.
    Restricted,
    /// Its payload.
    Open {
        /// Canonical JSON text.
        body: String,
        /// Salt, hexadecimal.
        salt: String,
    },
}

impl Beside {
    /// The word for it in exports.
    pub fn state(&self) -> &'static str {
        match self {
            Beside::Nothing => "none",
            Beside::Closed => "closed",
            Beside::Gone => "gone",
            Beside::Restricted => "restricted",
            Beside::Open { .. } => "open",
        }
    }

    /// The payload's canonical text.
    pub fn body(&self) -> Option<&str> {
        match self {
            Beside::Open { body, .. } => Some(body),
            Beside::Nothing | Beside::Closed | Beside::Gone | Beside::Restricted => None,
        }
    }
}

/// A record on its way out.
#[derive(Debug)]
pub struct Entry {
    /// Its index.
    pub seq: u64,
    /// Its time.
    pub ts: Time,
    /// Its canonical bytes, without a line break.
    pub line: String,
    /// The hash of those bytes as a leaf of the tree.
    pub leaf_hash: Hash,
    /// The same as JSON.
    pub record: Value,
    /// What lies beside it.
    pub beside: Beside,
}

impl Entry {
    /// Reads a canonical line.
    ///
    /// # Errors
    /// [`ExportError::Unreadable`] if it is no record.
    pub fn read(line: &str) -> Result<Entry, ExportError> {
        let unreadable = |why: String| ExportError::Unreadable(format!("a record cannot be read: {why}"));
        let record: Value = serde_json::from_str(line).map_err(|error| unreadable(error.to_string()))?;
        let seq = record.get("seq").and_then(Value::as_u64);
        let seq = seq.ok_or_else(|| unreadable("it has no `seq`".to_owned()))?;
        let ts = record.get("ts").and_then(Value::as_str).unwrap_or_default();
        let ts: Time = ts
            .parse()
            .map_err(|_| unreadable(format!("record {seq} has no `ts`")))?;
        let beside = if record.get("payload").is_some() {
            Beside::Closed
        } else {
            Beside::Nothing
        };
        Ok(Entry {
            seq,
            ts,
            leaf_hash: leaf_hash(line.as_bytes()),
            line: line.to_owned(),
            record,
            beside,
        })
    }

    /// The text at a path such as `actor.id`.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.value(path)?.as_str()
    }

    /// The value at a path.
    pub(crate) fn value(&self, path: &str) -> Option<&Value> {
        path.split('.').try_fold(&self.record, |value, name| value.get(name))
    }

    /// The record's type.
    pub(crate) fn kind(&self) -> &str {
        self.text("type").unwrap_or_default()
    }

    /// The agent that it is about: the one that it names, or the one that caused it.
    pub(crate) fn agent(&self) -> Option<&str> {
        self.text("data.agent").or_else(|| {
            self.text("actor.id")
                .filter(|_| self.text("actor.kind") == Some("agent"))
        })
    }

    /// The permit's id: it stands alone, or in the permit that is issued.
    pub(crate) fn permit(&self) -> Option<&str> {
        self.text("data.permit").or_else(|| self.text("data.permit.id"))
    }

    /// What a kill switch stops, such as `agent:x`.
    pub(crate) fn scope(&self) -> Option<String> {
        let kind = self.text("data.scope.kind")?;
        Some(match self.text("data.scope.name") {
            Some(name) => format!("{kind}:{name}"),
            None => kind.to_owned(),
        })
    }
}
