//! Drills and canaries: requests that cannot come to anything.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bounded::{Id, Text};

/// What a request is that cannot come to anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PracticeWord {
    /// It is seen who approves what a careful person rejects.
    Canary,
    /// It is seen who answers in time.
    Drill,
}

/// A request that cannot come to anything.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PracticeBody {
    /// What it is.
    pub kind: PracticeWord,
    /// In whose name.
    pub agent: Id,
    /// The action, with the fields of `POST /v1/actions`; a person has to decide on it.
    pub action: serde_json::Map<String, serde_json::Value>,
    /// Why, and for a canary what a careful person finds in it.
    pub reason: Text<4096>,
}

/// Somebody who was asked.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PractisedPerson {
    /// Who.
    pub user: String,
    /// What that person said: `approve`, `reject`; absent: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    /// How long after being asked, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<i64>,
}

/// How a drill or a canary stands.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PracticeAnswer {
    /// The request.
    pub approval: String,
    /// The action, which nobody wants.
    pub action: String,
    /// What it is.
    pub kind: PracticeWord,
    /// Who made it.
    pub by: String,
    /// It is over, and those who were asked know what it was.
    pub over: bool,
    /// Everybody who was asked so far.
    pub asked: Vec<PractisedPerson>,
    /// How many of these answered.
    pub answered: u32,
}

/// What came of a cadence last.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LastDue {
    /// When it was due.
    pub at: String,
    /// The request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<String>,
    /// Why nobody was asked: a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A drill or a canary that the live policy has asked by itself.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CadenceItem {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: PracticeWord,
    /// One within each span of so many seconds.
    pub every_seconds: i64,
    /// In whose name.
    pub agent: String,
    /// The calendar in whose hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<String>,
    /// What came of it last; absent: it was not due yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<LastDue>,
}

/// How somebody who may decide does in drills.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DrilledPerson {
    /// Who.
    pub user: String,
    /// When a drill ended last in which that person was asked; absent: there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
    /// When one ended in which that person had answered; absent: none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered: Option<String>,
    /// How many in a row went without an answer.
    pub missed: u32,
}

/// Who practises what, and who has not.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PracticesAnswer {
    /// Cadences of the live policy, by name. When one is due next nobody is told.
    pub cadences: Vec<CadenceItem>,
    /// Everybody who may decide: first who has answered no drill yet, then by how long ago that was.
    pub people: Vec<DrilledPerson>,
}
