//! Revisions of a request: what a reviewer narrowed, or the agent changed, while people decided.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::action::{ActionBody, ReasonBody};

/// How many places one edit may change.
pub const PLACES_AT_MOST: usize = 32;

/// What a request is about since somebody changed it. The permit is for exactly this.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RevisionBody {
    /// Which one it is; what was asked for first is 1.
    pub revision: u32,
    /// The person who narrowed it; `null` where the agent changed it.
    pub edited_by: Option<String>,
    /// What is other than before: JSON pointers.
    pub changed: Vec<String>,
    /// Its digest.
    pub action_digest: String,
    /// The action as it is now, as it would be submitted: whoever runs it runs this. Only in the answer of an action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Value>,
    /// All of `action` is kept. Where it is not, whoever runs it has to have it from elsewhere.
    pub complete: bool,
    /// What policy says of it. What is looser than before loosens nothing: people were asked.
    pub decision: String,
    /// Why policy says so.
    pub reasons: Vec<ReasonBody>,
    /// Somebody else than who narrowed it has to approve it as well.
    pub needs_second: bool,
    /// When.
    pub at: String,
    /// Index of its record.
    pub index: u64,
}

/// What the agent wants now, in full: not only what changed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviseBody {
    /// The action. It may have other `args`, `amount`, `currency`, `estimated_cost`, `resource`, `evidence`, `confidence`
    /// and `conflicts`; with anything else it is another action.
    pub action: ActionBody,
}

/// Values by place, for an edit.
pub type Places = Map<String, Value>;

/// At most so many places, each a JSON pointer; `null` takes a member away.
pub(crate) fn places(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "minProperties": 1,
        "maxProperties": PLACES_AT_MOST,
        "propertyNames": { "pattern": "^/(amount$|args/)", "maxLength": 512 },
    })
}
