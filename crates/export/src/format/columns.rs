//! The columns of the flat formats. Names and order are a promise: new columns are added at the end.

use std::borrow::Cow;

use serde_json::Value;

use crate::entry::Entry;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Integer,
    /// Text.
    Text,
    /// An instant, RFC 3339 in UTC.
    Time,
}

impl Kind {
    /// The word for it in documents.
    pub(super) fn word(self) -> &'static str {
        match self {
            Kind::Flag => "flag",
            Kind::Integer => "integer",
            Kind::Text => "text",
            Kind::Time => "time",
        }
    }
}

/// What a cell holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell<'a> {
    Flag(bool),
    Integer(i64),
    Text(Cow<'a, str>),
    /// Microseconds since 1970, and the text.
    Time(i64, Cow<'a, str>),
}

/// A column.
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// The cell of a record; `None` where it has none.
    pub(super) read: fn(&Entry) -> Option<Cell<'_>>,
}

macro_rules! columns {
    ($($name:literal $kind:ident $read:expr;)*) => {
        /// All columns.
        pub(super) const COLUMNS: &[Column] = &[$(Column { name: $name, kind: Kind::$kind, read: $read },)*];
    };
}

columns! {
    "seq" Integer |entry| whole(entry.seq);
    "ts" Time |entry| Some(Cell::Time(entry.ts.0, Cow::Borrowed(entry.text("ts")?)));
    "type" Text |entry| text(entry, "type");
    "prov" Text |entry| text(entry, "prov");
    "actor_kind" Text |entry| text(entry, "actor.kind");
    "actor_id" Text |entry| text(entry, "actor.id");
    "actor_auth" Text |entry| text(entry, "actor.auth");
    "actor_verified" Flag |entry| Some(Cell::Flag(entry.value("actor.verified")?.as_bool()?));
    "agent" Text |entry| borrowed(entry.agent());
    "action_id" Text |entry| text(entry, "data.action_id");
    "action" Text |entry| text(entry, "data.action");
    "tool" Text |entry| text(entry, "data.tool");
    "resource_type" Text |entry| text(entry, "data.resource_type");
    "env" Text |entry| text(entry, "data.env");
    "decision" Text |entry| text(entry, "data.decision");
    "status" Text |entry| text(entry, "data.status");
    "state" Text |entry| text(entry, "data.state");
    "reason_code" Text |entry| text(entry, "data.reason_code");
    "amount" Text |entry| text(entry, "data.amount");
    "currency" Text |entry| text(entry, "data.currency");
    "cost" Text |entry| text(entry, "data.cost");
    "duration_ms" Integer |entry| whole(entry.value("data.duration_ms")?.as_u64()?);
    "approval" Text |entry| text(entry, "data.approval");
    "permit" Text |entry| borrowed(entry.permit());
    "user" Text |entry| text(entry, "data.user");
    "verb" Text |entry| text(entry, "data.verb");
    "scope" Text |entry| entry.scope().map(|scope| Cell::Text(Cow::Owned(scope)));
    "alert" Text |entry| text(entry, "data.name");
    "digest" Text |entry| text(entry, "data.digest");
    "snapshot" Text |entry| text(entry, "snapshot");
    "payload_state" Text |entry| borrowed(Some(entry.beside.state()));
    "payload_commit" Text |entry| text(entry, "payload.$commit");
    "payload_class" Text |entry| text(entry, "payload.class");
    "payload_bytes" Integer |entry| whole(entry.value("payload.size")?.as_u64()?);
    "redact" Text |entry| json(entry, "redact");
    "leaf_hash" Text |entry| Some(Cell::Text(Cow::Owned(entry.leaf_hash.to_string())));
    "log" Text |entry| text(entry, "log");
    "data" Text |entry| json(entry, "data");
    "payload" Text |entry| borrowed(entry.beside.body());
}

fn borrowed(text: Option<&str>) -> Option<Cell<'_>> {
    text.map(|text| Cell::Text(Cow::Borrowed(text)))
}

fn text<'a>(entry: &'a Entry, path: &str) -> Option<Cell<'a>> {
    borrowed(entry.text(path))
}

fn json<'a>(entry: &'a Entry, path: &str) -> Option<Cell<'a>> {
    entry
        .value(path)
        .map(Value::to_string)
        .map(|text| Cell::Text(Cow::Owned(text)))
}

fn whole(number: u64) -> Option<Cell<'static>> {
    i64::try_from(number).ok().map(Cell::Integer)
}
