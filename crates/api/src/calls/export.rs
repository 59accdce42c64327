//! The call by which the record goes to other programs.

use Method::Get;
use Role::{Admin, Auditor};

use serde_json::json;

use super::params::{SEARCH, query};
use super::table::people;
use super::{Call, Method, Param, Role};

const FORMAT: Param = query(
    "format",
    "`jsonl` (exact records; when left out), `csv` or `ocsf`.",
    || json!({ "type": "string", "enum": ["csv", "jsonl", "ocsf"] }),
);

/// The filters of a search, without what pages through it.
const PARAMS: &[Param] = &{
    let [agent, action, decision, kind, from, to, ..] = *SEARCH else {
        panic!("a search has six filters")
    };
    [FORMAT, agent, action, decision, kind, from, to]
};

pub(super) static CALLS: &[Call] = &[Call::new("export", Get, "/v1/audit/export", people(&[Admin, Auditor]))
    .about("Sends records as they are read, oldest first, in a format for other programs; those that a search finds. A connection that breaks before its end has not sent all of them. Payloads do not go along.")
    .with(PARAMS)
    .answers_as("application/octet-stream")];
