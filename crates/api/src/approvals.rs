//! Requests of approvals, permits and outcomes.

use std::collections::BTreeMap;

use countersign_core::event::{Cause, Filtered};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::action::{ActionAnswer, ActionBody, ApprovalAnswer, Receipt};
use crate::bounded::{Cost, Count, Currency, Hex64, Id, Name, SnapshotHash, Text, stated};
use crate::problem::Problem;

/// What a person does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VoteVerb {
    /// Says yes.
    Approve,
    /// Says no; needs a comment.
    Reject,
    /// Leaves it to others.
    Abstain,
    /// Says something.
    Comment,
    /// Asks the agent something; needs a comment.
    Clarify,
    /// Gives the place to a colleague; needs `to`.
    HandOver,
    /// Is on it: nobody else decides for ten minutes.
    Claim,
    /// Is no longer on it.
    Release,
    /// Says yes to less than was asked for; needs `set`.
    Edit,
}

/// A vote for exactly what was seen.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VoteRequestBody {
    /// What.
    pub verb: VoteVerb,
    /// What the person says; a rejection and a question need it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<Text<4096>>,
    /// The colleague who gets the place, with `hand_over`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Id>,
    /// `action_digest` of the request as it was seen.
    pub action_digest: Hex64,
    /// `snapshot` of the request as it was seen.
    pub snapshot: SnapshotHash,
    /// `presentation_digest` of the request as it was seen; needed to approve what is of risk `R3` or `R4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presentation_digest: Option<Hex64>,
    /// With `edit`: what is to be at which place, such as `{"/amount": "300"}`; `null` takes a member away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::revisions::places")]
    pub set: Option<crate::revisions::Places>,
    /// A signature of the person's passkey over the vote; needed to approve on a route with `assurance`. What is signed:
    /// SHA-256 of `countersign-vote-v1`, a zero byte and the canonical JSON of `organization`, `approval`, `user`, and of this
    /// body's `verb`, `action_digest`, `snapshot`, `presentation_digest` and `set`.
    #[serde(default, deserialize_with = "stated", skip_serializing_if = "Option::is_none")]
    pub assertion: Option<crate::sessions::AssertionBody>,
}

/// What a person does with several requests at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VotesVerb {
    /// Says yes.
    Approve,
    /// Says no; needs a comment.
    Reject,
    /// Leaves them to others.
    Abstain,
}

/// One of several requests, exactly as it was seen.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VotesItem {
    /// The request.
    pub approval: Text<64>,
    /// Its `action_digest` as it was seen.
    pub action_digest: Hex64,
    /// Its `snapshot` as it was seen.
    pub snapshot: SnapshotHash,
    /// Its `presentation_digest` as it was seen.
    #[serde(default, deserialize_with = "stated", skip_serializing_if = "Option::is_none")]
    pub presentation_digest: Option<Hex64>,
}

/// The same vote on several requests of one kind.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VotesBody {
    /// What.
    pub verb: VotesVerb,
    /// What the person says; a rejection needs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<Text<4096>>,
    /// 1 to 20 requests, of the same rules, route, tool and currency.
    #[schemars(length(min = 1, max = 20))]
    pub items: Vec<VotesItem>,
}

/// What came of one of several votes: `request` or `problem`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct VotesResult {
    /// The request's id.
    pub approval: String,
    /// The request, now that the vote counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<ApprovalAnswer>,
    /// Why the vote was not given, or does not count. `single_review`: its amount stands out, so it is decided alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// What came of several votes, in the order of the items.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct VotesAnswer {
    /// What the votes' records name as `batch`.
    pub batch: String,
    /// How many of them count.
    pub counted: u64,
    /// One for each item.
    pub results: Vec<VotesResult>,
}

/// Evidence that completes a request, or the answer to a question.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswersBody {
    /// `sources`, `references`, `confidence`, `alternatives`, `reason`, `next_step`; `attempted`, `failed`, `gathered`,
    /// `recommended`; and `answer`, words for whoever asked.
    pub evidence: Map<String, Value>,
}

/// Requests that have not ended.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalsAnswer {
    /// By deadline.
    pub approvals: Vec<ApprovalAnswer>,
    /// The next page's `cursor`; `null` at the end.
    pub next_cursor: Option<String>,
}

/// A permit and what is about to run: the whole action or its digest.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["action"] }, { "required": ["action_digest"] }]))]
pub struct RedeemBody {
    /// The permit, as it was answered.
    pub permit: Text<16384>,
    /// The whole action that is about to run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<ActionBody>,
    /// Its digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action_digest: Option<Hex64>,
}

/// It may run now, once.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RedeemAnswer {
    /// Always `true`; everything else is a problem.
    pub go: bool,
    /// The action.
    pub action_id: String,
    /// Who acts.
    pub agent: String,
    /// Limits that it has to run within.
    pub constraints: BTreeMap<String, Value>,
    /// Where that is in the ledger.
    pub receipt: Receipt,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeWord {
    /// It ran.
    Succeeded,
    /// It ran and failed, or did not run.
    Failed,
}

/// What it cost.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CostBody {
    /// A decimal string.
    pub amount: Cost,
    /// ISO 4217.
    pub currency: Currency,
}

/// What happened after.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutcomeRequestBody {
    /// How it ended.
    pub status: OutcomeWord,
    /// Why it came to nothing good. `lost_access` pauses the agent, `conflicting_instructions` raises an alert, the others ask a
    /// person to look at the action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// What it cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<CostBody>,
    /// How long it took, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<Count>,
    /// Tokens by kind, such as `input` and `output`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "token_counts")]
    pub tokens: BTreeMap<Name, Count>,
    /// What came of it; kept beside the ledger, after redaction.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "anything")]
    pub output: Option<Value>,
    /// What went wrong; kept beside the ledger, after redaction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Text<4096>>,
    /// What was done about the result by the `outputs` of the action. Left out, it is what was replaced in `output` and `error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filtered: Option<Filtered>,
}

/// How many kinds of tokens an outcome may name.
pub const TOKEN_KINDS_AT_MOST: usize = 16;

fn token_counts(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let count = generator.subschema_for::<Count>();
    schemars::json_schema!({
        "type": "object",
        "maxProperties": TOKEN_KINDS_AT_MOST,
        "propertyNames": { "pattern": Name::PATTERN },
        "additionalProperties": count,
    })
}

fn anything(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": ["object", "array", "string", "number", "boolean"] })
}

/// Several actions, decided in order.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchBody {
    /// 1 to 1,000 actions.
    #[schemars(schema_with = "batch_items")]
    pub actions: Vec<ActionBody>,
}

/// An item that is no action has a problem as its result and spoils nothing else, so any item is taken.
fn batch_items(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let action = generator.subschema_for::<ActionBody>();
    schemars::json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": 1000,
        "items": { "description": "An action; anything else gets a problem as its result.", "anyOf": [action, {}] },
    })
}

/// What one action of a batch came to: `action` or `problem`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BatchItem {
    /// The decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<ActionAnswer>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// What a batch came to, in the order of its actions.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BatchAnswer {
    /// One for each action.
    pub results: Vec<BatchItem>,
}
