//! What parameters of calls look like.

use serde_json::{Value, json};

use super::{Param, Place};
use crate::bounded::MAX_WHOLE;

pub(super) const fn path(name: &'static str, about: &'static str, schema: fn() -> Value) -> Param {
    Param {
        name,
        place: Place::Path,
        about,
        schema,
        required: true,
        slashes: false,
    }
}

pub(super) const fn query(name: &'static str, about: &'static str, schema: fn() -> Value) -> Param {
    Param {
        name,
        place: Place::Query,
        about,
        schema,
        required: false,
        slashes: false,
    }
}

pub(super) const fn needed(mut param: Param) -> Param {
    param.required = true;
    param
}

pub(super) const fn with_slashes(mut param: Param) -> Param {
    param.slashes = true;
    param
}

pub(super) fn id_of(prefix: &str) -> Value {
    json!({ "type": "string", "pattern": format!("^{prefix}_[0-9a-f]{{32}}$") })
}

pub(super) fn index() -> Value {
    json!({ "type": "integer", "minimum": 0, "maximum": MAX_WHOLE })
}

pub(super) fn size() -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": MAX_WHOLE })
}

pub(super) fn word() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 512 })
}

pub(super) fn id() -> Value {
    json!({ "type": "string", "pattern": crate::bounded::Id::PATTERN })
}

pub(super) fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

pub(super) fn week() -> Value {
    json!({ "type": "string", "pattern": "^[0-9]{4}-W[0-9]{2}$" })
}

pub(super) fn flag() -> Value {
    json!({ "type": "boolean" })
}

pub(super) fn page(most: u32) -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": most })
}

pub(super) fn queued() -> Value {
    json!({ "type": "string", "pattern": "^[0-9]{1,16}-apr_[0-9a-f]{32}$" })
}

/// Parameters of a search of the record.
pub(super) const SEARCH: &[Param] = &[
    query("agent", "Only this agent's.", word),
    query("action", "Only decisions on this operation.", word),
    query(
        "decision",
        "Only this decision.",
        || json!({ "type": "string", "enum": ["allow", "allow_with_constraints", "remediate", "require_approval", "deny"] }),
    ),
    query("type", "Only this type of record, such as `decision.made`.", word),
    query("from", "Not before.", time),
    query("to", "Before.", time),
    query(
        "cursor",
        "`next_cursor` of the page before.",
        || json!({ "type": "string", "pattern": "^[0-9]{1,15}$" }),
    ),
    query("limit", "How many at most; 50 when left out.", || page(500)),
    query(
        "min_seq",
        "Wait up to a second until the search covers this record.",
        index,
    ),
];
