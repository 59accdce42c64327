//! Records: the entries of a ledger, their canonical bytes, and back.
//!
//! A record's bytes are RFC 8785 canonical JSON in a restricted profile (no floats, no nulls, ASCII keys), written once
//! and hashed as they are. Every struct below declares its fields in the order of their names, so that plain
//! serialization *is* the canonical form; a test re-canonicalizes one record of every type and compares.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::digest::Digest;
use crate::event::{DecisionMade, Event};
use crate::retention::Subject;
use crate::time::Time;

/// Version of the envelope.
pub const ENVELOPE_VERSION: u32 = 1;
/// The largest record, in bytes; what is larger belongs into a payload.
pub const MAX_RECORD_BYTES: usize = 16 * 1024;

/// What kind of actor caused a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A non-human actor with a key of its own.
    Agent,
    /// A person.
    User,
    /// The operator at the machine, who holds the data folder.
    Operator,
    /// Countersign itself: timers, deliveries, seals.
    System,
}

/// Who caused a record, and how we know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    /// How it was authenticated: `key:<kid>`, `local`, `internal`.
    pub auth: String,
    /// Its id.
    pub id: String,
    /// What it is.
    pub kind: ActorKind,
    /// The credential proves the id; `false` where somebody else's credential only names it.
    pub verified: bool,
}

impl Actor {
    /// Countersign itself.
    pub fn system() -> Actor {
        Actor {
            auth: "internal".into(),
            id: "countersign".into(),
            kind: ActorKind::System,
            verified: true,
        }
    }
}

/// Where the facts of a record come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provenance {
    /// Countersign saw it itself.
    Observed,
    /// The agent says so.
    Reported,
}

/// The idempotency key of the request, hashed with its scope, and what its body is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Idempotency {
    /// In a request the first half of SHA-256 over the body's bytes; in a record a hash of that with the digest key.
    pub body: Half,
    /// First half of SHA-256 over credential, route and key.
    pub key: Half,
}

/// Sixteen bytes, written as hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Half(pub [u8; 16]);

impl Serialize for Half {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:032x}", u128::from_be_bytes(self.0)))
    }
}

impl<'de> Deserialize<'de> for Half {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::read(deserializer, |text| {
            crate::digest::read_hex(text)
                .map(Half)
                .ok_or("not 32 lower-case hexadecimal digits")
        })
    }
}

/// What a record holds of its payload: enough to prove it, nothing to guess it from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commitment {
    /// SHA-256 over tag, salt and the payload's canonical bytes.
    #[serde(rename = "$commit")]
    pub commit: Digest,
    /// Retention class.
    pub class: String,
    /// Length of the canonical bytes.
    pub size: u64,
}

/// Foreign JSON that belongs to a record and lies beside the ledger.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload {
    /// RFC 8785 text.
    pub body: Vec<u8>,
    /// 32 random bytes; gone with the payload, so that the commitment gives nothing away afterwards.
    pub salt: [u8; 32],
    /// Retention class.
    pub class: String,
    /// Whom it is about; `None` = whoever caused the record.
    pub about: Option<Subject>,
}

impl Payload {
    /// The commitment to this payload.
    pub fn commitment(&self) -> Commitment {
        Commitment {
            commit: Digest::tagged("countersign-commit-v1", &[&self.salt, &self.body]),
            class: self.class.clone(),
            size: self.body.len() as u64,
        }
    }
}

/// An event on its way into the ledger: everything of the record but its place.
pub struct Draft {
    /// What happened.
    pub event: Event,
    /// Foreign JSON that goes with it, already committed to.
    pub payload: Option<Arc<(Payload, Commitment)>>,
    /// Where the facts come from.
    pub prov: Provenance,
    /// What redaction replaced in the payload, by kind.
    pub redact: BTreeMap<String, u32>,
    /// The policy snapshot that it cites.
    pub snapshot: Option<Arc<str>>,
}

impl Draft {
    /// An event that Countersign observed, with nothing beside it.
    pub fn observed(event: impl Into<Event>) -> Draft {
        Draft {
            event: event.into(),
            payload: None,
            prov: Provenance::Observed,
            redact: BTreeMap::new(),
            snapshot: None,
        }
    }

    /// Adds a payload.
    #[must_use]
    pub fn with_payload(mut self, payload: Option<Arc<(Payload, Commitment)>>) -> Draft {
        self.payload = payload;
        self
    }

    /// Adds the cited snapshot.
    #[must_use]
    pub fn citing(mut self, snapshot: Option<Arc<str>>) -> Draft {
        self.snapshot = snapshot;
        self
    }
}

/// One entry of a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Index in the ledger, from 0.
    pub seq: u64,
    /// When it was accepted; strictly after the record before it.
    pub ts: Time,
    /// Who caused it.
    pub actor: Actor,
    /// What happened.
    pub event: Event,
    /// The request's idempotency key, on the first record that the request caused.
    pub idem: Option<Idempotency>,
    /// What lies beside the ledger.
    pub payload: Option<Commitment>,
    /// Where the facts come from.
    pub prov: Provenance,
    /// What redaction replaced in the payload, by kind.
    pub redact: BTreeMap<String, u32>,
    /// The policy snapshot that it cites.
    pub snapshot: Option<Arc<str>>,
}

#[derive(Serialize)]
struct Encoded<'a> {
    actor: &'a Actor,
    data: &'a Event,
    #[serde(skip_serializing_if = "Option::is_none")]
    idem: Option<&'a Idempotency>,
    log: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a Commitment>,
    prov: Provenance,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    redact: &'a BTreeMap<String, u32>,
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<&'a str>,
    ts: Time,
    r#type: &'static str,
    v: u32,
}

/// An envelope, with its data as `D`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decoded<'a, D> {
    actor: Actor,
    data: D,
    idem: Option<Idempotency>,
    log: String,
    payload: Option<Commitment>,
    prov: Provenance,
    #[serde(default)]
    redact: BTreeMap<String, u32>,
    seq: u64,
    snapshot: Option<Arc<str>>,
    ts: Time,
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    v: u32,
}

impl<D> Decoded<'_, D> {
    /// The record, of which `event` is the data, and the origin of its ledger.
    fn with(self, event: impl FnOnce(D) -> Event) -> (Record, String) {
        let record = Record {
            seq: self.seq,
            ts: self.ts,
            actor: self.actor,
            event: event(self.data),
            idem: self.idem,
            payload: self.payload,
            prov: self.prov,
            redact: self.redact,
            snapshot: self.snapshot,
        };
        (record, self.log)
    }
}

/// Whether canonical bytes are those of a decision, which is told without reading them: type and version are the last
/// members. Whatever else is said of a record, [`Record::decode`] says.
pub fn is_decision(leaf: &[u8]) -> bool {
    leaf.ends_with(b",\"type\":\"decision.made\",\"v\":1}")
}

/// Why bytes are not a record that this version can fold.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The bytes are not a record.
    #[error("record {seq:?} cannot be read: {why}")]
    Malformed {
        /// Its index, where it could be read.
        seq: Option<u64>,
        /// What is wrong.
        why: String,
    },
    /// A newer version wrote it.
    #[error("record {seq} has type `{kind}` version {version}, which this version does not know; upgrade Countersign")]
    Unknown {
        /// Its index.
        seq: u64,
        /// Its type.
        kind: String,
        /// Its envelope version.
        version: u32,
    },
    /// A newer version wrote something into it that this one would leave out of the state.
    #[error("record {seq} (`{kind}`) holds what this version does not know: {why}; upgrade Countersign")]
    Newer {
        /// Its index.
        seq: u64,
        /// Its type.
        kind: String,
        /// The field or word.
        why: String,
    },
    /// It would not fit into the ledger.
    #[error("a record of {bytes} bytes is over the limit of {MAX_RECORD_BYTES}")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

/// Whether what keeps data from being read is a field or a word that was added later.
fn is_newer(why: &str) -> bool {
    why.starts_with("unknown field `") || why.starts_with("unknown variant `")
}

/// What is unknown, without the list of all that is known.
fn first_part(why: &str) -> String {
    why.split(", ").next().unwrap_or(why).to_owned()
}

impl Record {
    /// The canonical bytes of this record in the ledger of origin `log`: what is stored, hashed and exported.
    pub fn encode(&self, log: &str) -> Result<Vec<u8>, RecordError> {
        let mut bytes = Vec::with_capacity(1024);
        let encoded = Encoded {
            actor: &self.actor,
            data: &self.event,
            idem: self.idem.as_ref(),
            log,
            payload: self.payload.as_ref(),
            prov: self.prov,
            redact: &self.redact,
            seq: self.seq,
            snapshot: self.snapshot.as_deref(),
            ts: self.ts,
            r#type: self.event.kind(),
            v: ENVELOPE_VERSION,
        };
        serde_json::to_writer(&mut bytes, &encoded).map_err(|error| RecordError::Malformed {
            seq: Some(self.seq),
            why: error.to_string(),
        })?;
        if bytes.len() > MAX_RECORD_BYTES {
            return Err(RecordError::TooLarge { bytes: bytes.len() });
        }
        Ok(bytes)
    }

    /// Reads canonical bytes back. The second value is the origin of the ledger that they name.
    pub fn decode(bytes: &[u8]) -> Result<(Record, String), RecordError> {
        let malformed = |seq: Option<u64>, why: &dyn fmt::Display| RecordError::Malformed {
            seq,
            why: why.to_string(),
        };
        let text = std::str::from_utf8(bytes).map_err(|error| malformed(None, &error))?;
        // Most records are decisions, and these are read in one go. What is wrong with one is said below, as of any other.
        if is_decision(bytes)
            && let Ok(decoded) = serde_json::from_str::<Decoded<'_, Box<DecisionMade>>>(text)
        {
            return Ok(decoded.with(Event::DecisionMade));
        }
        let decoded: Decoded<'_, &RawValue> = serde_json::from_str(text).map_err(|error| malformed(None, &error))?;
        let unknown = || RecordError::Unknown {
            seq: decoded.seq,
            kind: decoded.r#type.clone().into_owned(),
            version: decoded.v,
        };
        if decoded.v != ENVELOPE_VERSION {
            return Err(unknown());
        }
        let event = Event::decode(&decoded.r#type, decoded.data.get())
            .ok_or_else(unknown)?
            .map_err(|error| match error.to_string() {
                why if is_newer(&why) => RecordError::Newer {
                    seq: decoded.seq,
                    kind: decoded.r#type.clone().into_owned(),
                    why: first_part(&why),
                },
                why => malformed(Some(decoded.seq), &why),
            })?;
        Ok(decoded.with(|_| event))
    }
}
