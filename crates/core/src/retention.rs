//! How long payloads are kept, whom they are about, and under which key each lies. Nothing here reads a payload.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use countersign_policy::{FLOOR_DAYS, Snapshot, retention_days};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::{hex, read_hex};
use crate::record::{Actor, ActorKind};
use crate::time::{Span, Time};

/// Retention class of payloads whose policy names none.
pub const DEFAULT_CLASS: &str = "default";
/// Whom a payload is about, without saying who: the first half of an HMAC of the name under a key of the organization
/// (see [`DigestKey::subject`](crate::digest::DigestKey::subject)).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(pub [u8; 16]);

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not the digest of a subject.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a subject's digest of 32 lower-case hexadecimal digits")]
pub struct SubjectError(String);

impl FromStr for Subject {
    type Err = SubjectError;
    fn from_str(text: &str) -> Result<Self, SubjectError> {
        read_hex(text)
            .map(Subject)
            .ok_or_else(|| SubjectError(text.chars().take(80).collect()))
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Subject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::read(deserializer, str::parse)
    }
}

impl schemars::JsonSchema for Subject {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Subject".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-f]{32}$" })
    }
}

/// The name of an agent as a subject: its own words, where nobody else is known whom they are about.
pub fn agent_subject(agent: &str) -> String {
    format!("agent:{agent}")
}

/// The name of whoever caused a record as a subject: what a person says is about that person.
pub fn actor_subject(actor: &Actor) -> String {
    match actor.kind {
        ActorKind::User => actor.id.clone(),
        ActorKind::Agent => agent_subject(&actor.id),
        ActorKind::Operator => "operator".to_owned(),
        ActorKind::System => "system".to_owned(),
    }
}

/// Which key a payload lies under: one for each subject and year, and anew after the subject's data was restricted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId {
    /// Whom the payloads are about.
    pub subject: Subject,
    /// The year of the payloads, UTC.
    pub year: i16,
    /// Index of the record that restricted the subject's earlier data; 0 = there is none.
    pub after: u64,
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.subject, self.year)?;
        match self.after {
            0 => Ok(()),
            after => write!(f, "/{after}"),
        }
    }
}

impl KeyId {
    /// The subject that a key's text form begins with.
    pub fn subject_of(text: &str) -> Option<Subject> {
        text.split('/').next()?.parse().ok()
    }
}

/// How long payloads of a class are kept under this policy: as long as the class says, or the organization for the
/// default class, and no shorter than any floor. `None`: until somebody erases them.
pub fn kept_for(class: &str, live: Option<&Snapshot>) -> Option<Span> {
    let organization = live.and_then(Snapshot::organization);
    let text = match class {
        DEFAULT_CLASS => organization.and_then(|organization| organization.retention())?,
        class => class,
    };
    let days = retention_days(text)?.max(FLOOR_DAYS);
    Some(Span::days(days.into()).max(legal_floor(live).unwrap_or_default()))
}

/// How long the rules that the organization lives by want everything kept. `None` if it names none.
pub fn legal_floor(live: Option<&Snapshot>) -> Option<Span> {
    let pack = live.and_then(Snapshot::organization)?.strictest()?;
    Some(Span::days(pack.floor_days.into()))
}

/// What is to be destroyed, as far as a hold may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covered {
    /// Agents whose actions the payloads belong to.
    pub agents: BTreeSet<Arc<str>>,
    /// Time of the oldest of their records.
    pub from: Time,
    /// Whom they are about; empty = nobody knows.
    pub subjects: BTreeSet<Subject>,
    /// Time of the newest of their records.
    pub to: Time,
}
