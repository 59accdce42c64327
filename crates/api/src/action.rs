//! Actions, decisions, permits, outcomes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::budgets::BudgetLeft;
use crate::limits::LimitRead;
use crate::revisions::RevisionBody;

/// Text without control characters.
const WORDS: &str = r"^[^\u0000-\u001f\u007f-\u009f]+$";
/// Decimal text.
const DECIMAL: &str = r"^-?[0-9]{1,18}(\.[0-9]{1,9})?$";
/// The form of an ISO 4217 code.
const CURRENCY: &str = "^[A-Z]{3}$";

fn confidence(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "anyOf": [
            { "type": "number", "minimum": 0, "maximum": 1 },
            { "type": "string", "pattern": r"^(0(\.[0-9]{1,9})?|1(\.0{1,9})?)$" },
        ],
    })
}

fn labels(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array", "maxItems": 16, "items": { "type": "string", "pattern": "^[a-z][a-z0-9_]{0,63}$" },
    })
}

fn number_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<serde_json::Number>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(serde_json::Number),
        Text(String),
    }
    match Either::deserialize(deserializer)? {
        Either::Number(number) => Ok(Some(number)),
        Either::Text(text) => text.parse().map(Some).map_err(D::Error::custom),
    }
}

/// What it is about.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceBody {
    /// The kind of thing, such as `customer_data`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = WORDS))]
    pub kind: Option<String>,
    /// Which one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = WORDS))]
    pub id: Option<String>,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = WORDS))]
    pub owner: Option<String>,
    /// Free labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<serde_json::Map<String, serde_json::Value>>,
}

/// One thing that an agent wants to do. At least one of `tool` and `action` is needed; anything else may be left out.
/// Unknown fields are refused. Lengths are counted in bytes of UTF-8.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("anyOf" = [{ "required": ["tool"] }, { "required": ["action"] }]))]
pub struct ActionBody {
    /// The operation. Without it, the last part of `tool`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = WORDS))]
    pub action: Option<String>,
    /// The tool; `server/name` for MCP.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = WORDS))]
    pub tool: Option<String>,
    /// Arguments of the operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<serde_json::Map<String, serde_json::Value>>,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourceBody>,
    /// The environment, compared exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = WORDS))]
    pub env: Option<String>,
    /// `read` or `write`; can only raise what the operation implies.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["read", "write"]))]
    pub access: Option<String>,
    /// Money that moves: a decimal string such as `"12.50"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = DECIMAL))]
    pub amount: Option<String>,
    /// ISO 4217; the organization's when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = CURRENCY))]
    pub currency: Option<String>,
    /// What running it is expected to cost, a decimal string.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = DECIMAL))]
    pub estimated_cost: Option<String>,
    /// The agent's confidence, 0 to 1.
    #[serde(
        default,
        deserialize_with = "number_or_text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(schema_with = "confidence")]
    pub confidence: Option<serde_json::Number>,
    /// What a reviewer needs: `sources`, `references`, `confidence`, `alternatives`, `reason`, `next_step`; and what the agent
    /// hands over: `attempted`, `failed`, `gathered`, `recommended`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<serde_json::Map<String, serde_json::Value>>,
    /// Free labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<serde_json::Map<String, serde_json::Value>>,
    /// On whose behalf.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = WORDS))]
    pub principal: Option<String>,
    /// The run that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = WORDS))]
    pub run: Option<String>,
    /// The action that caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = WORDS))]
    pub parent: Option<String>,
    /// The step of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = WORDS))]
    pub step: Option<String>,
    /// The agents for which it is done, the first one first: each with its `agent` and the `action` by which it called the
    /// next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delegation: Option<Vec<serde_json::Value>>,
    /// Model and version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<serde_json::Map<String, serde_json::Value>>,
    /// Sources that disagree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conflicts: Option<Vec<serde_json::Value>>,
    /// Labels of what the agent has read, such as `outside`; what is known of it counts as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "labels")]
    pub reads: Vec<String>,
    /// A registered receiver, or an address below one, that is told the final status.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048), regex(pattern = WORDS))]
    pub callback_url: Option<String>,
    /// Run the alternative if policy has one to apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept_remedy: Option<bool>,
    /// Whose action it is; only with a key of scope `act_for:…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = WORDS))]
    pub agent: Option<String>,
}

/// One thing that spoke for the decision.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReasonBody {
    /// A stable word: `rule`, `no_rule_allows`, `over_max`, `condition_error`, ….
    pub code: String,
    /// What this reason asked for.
    pub decision: String,
    /// The policy document; empty where none spoke.
    pub document: String,
    /// Which rule of it.
    pub rule: String,
    /// Line in the document, from 1; 0 where there is none.
    pub line: u32,
    /// Column in the document, from 1; 0 where there is none.
    pub column: u32,
    /// One sentence.
    pub message: String,
}

/// Where a record is in the ledger.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    /// Index of the record.
    pub index: u64,
    /// RFC 6962 leaf hash of its bytes, hexadecimal.
    pub leaf_hash: String,
}

/// Who has to approve.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SlotBody {
    /// Names of teams, duties, schedules or people; empty = the admins.
    pub names: Vec<String>,
    /// Who that was when they were asked.
    pub people: Vec<String>,
    /// `any` so many of them, or `all`.
    pub quorum: String,
    /// The rule that asks.
    pub source: String,
}

/// What happened to a step of a route.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StepBody {
    /// The route.
    pub route: String,
    /// Which step of it, from 1.
    pub step: u32,
    /// Why it was asked (`opened`, `approved`, `timed_out`, `repeated`, `revised`, `unreachable`), or what came of it (`reminded`,
    /// `passed`, `held`).
    pub what: String,
    /// When.
    pub at: String,
    /// When its time is over; without it at the deadline.
    pub due: Option<String>,
    /// The time that the step before let pass.
    pub missed: Option<String>,
    /// The fallback stands in for a step that reaches nobody.
    pub fallback: bool,
    /// Who is asked.
    pub slots: Vec<SlotBody>,
    /// Index of the record.
    pub index: u64,
}

/// A question that the agent did not answer yet.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct QuestionBody {
    /// Who asks.
    pub by: String,
    /// What.
    pub text: Option<String>,
    /// Until when it is waited for the answer.
    pub due: String,
}

/// A request for a human decision, in an action's answer.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalSummary {
    /// Its id.
    pub id: String,
    /// `needs_evidence`, `pending`, `clarifying`, `held`, `approved`, `rejected`, `expired`, `cancelled`, `invalidated`, `lapsed`, `consumed`.
    pub state: String,
    /// Evidence that is missing.
    pub missing: Vec<String>,
    /// Who may decide, in words.
    pub waiting_for: String,
    /// Names that policy uses and nobody is known by.
    pub unresolved: Vec<String>,
    /// Names of the approvers that policy asks for and that are known.
    pub approvers: Vec<String>,
    /// When it expires undecided.
    pub deadline: String,
    /// Where it can be looked at.
    pub url: String,
}

/// A safer action in place of the one asked for.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RemedyBody {
    /// The permit is for the alternative.
    pub applied: bool,
    /// The alternative, as it would be submitted.
    pub alternative: serde_json::Value,
    /// What it changes: JSON pointers.
    pub changed: Vec<String>,
    /// The rule that offers it.
    pub source: String,
    /// The alternative's digest.
    pub action_digest: String,
}

/// What happened after.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OutcomeBody {
    /// `succeeded`, `failed`, or `unknown` when nobody reported one in time.
    pub status: String,
    /// Why it came to nothing good: `misunderstood_context`, `lost_access`, `conflicting_instructions`, `unhelpful_output`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// When it was reported.
    pub at: String,
    /// What it cost, a decimal string.
    pub cost: Option<String>,
    /// The cost's currency.
    pub currency: Option<String>,
    /// Constraints that it broke.
    pub violations: Vec<String>,
    /// Where the report is in the ledger.
    pub index: u64,
}

/// An action, its decision and what came of it. `decision` is what policy said and never changes; `status` is what the
/// caller needs. A permit is there if and only if `status` is `permitted`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ActionAnswer {
    /// Its id; `null` in a dry run.
    pub id: Option<String>,
    /// Who acts.
    pub agent: String,
    /// The tool.
    pub tool: Option<String>,
    /// The operation.
    pub action: String,
    /// `allow`, `allow_with_constraints`, `remediate`, `require_approval`, `deny`.
    pub decision: String,
    /// `pending`, `permitted`, `refused`.
    pub status: String,
    /// Why it is refused: `denied`, `rejected`, `expired`, `cancelled`, `invalidated`, `killed`, `unroutable`,
    /// `too_many_open`, `remedy_offered`.
    pub reason_code: Option<String>,
    /// What matched and spoke for something.
    pub reasons: Vec<ReasonBody>,
    /// Limits that travel with the grant.
    pub constraints: BTreeMap<String, serde_json::Value>,
    /// What the result may let out: a gateway does it by itself, and whoever else runs the tool holds to it. Absent where results
    /// pass as they are.
    #[serde(default, skip_serializing_if = "countersign_core::policy::Outputs::is_empty")]
    pub outputs: countersign_core::policy::Outputs,
    /// The policy snapshot that decided, `sha256:…`.
    pub snapshot: Option<String>,
    /// What binds decision, approval and permit to this exact action.
    pub action_digest: String,
    /// The permit: a JWT signed with Ed25519.
    pub permit: Option<String>,
    /// Why no permit can be made of a permitted action any more: its data is `erased`, `destroyed` (its time was over) or
    /// `restricted` (it is to be erased). Absent where nothing stands in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permit_withheld: Option<String>,
    /// The request for a human decision.
    pub approval: Option<ApprovalSummary>,
    /// A safer action that policy offers.
    pub remedy: Option<RemedyBody>,
    /// What it is now, where a reviewer narrowed it or the agent changed it while people decided: `action_digest`,
    /// `constraints`, `snapshot` and the permit are for that. Absent where nobody changed anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<RevisionBody>,
    /// Kinds of personal or secret data that were found; they are replaced in everything that is kept.
    pub pii: Vec<String>,
    /// The agents for which it is done, proven, the first one first. Absent where it is done for none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delegation: Vec<LinkBody>,
    /// What the grant rests on that only the agent says.
    pub reported: Vec<String>,
    /// A grant beyond the agent's mandate was used.
    pub beyond_mandate: bool,
    /// What this action would leave of the budgets that are about it, as they stood when it was decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<BudgetLeft>,
    /// What this action adds to the limits that are about it, as they stood when it was decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<LimitRead>,
    /// When it was decided; `null` in a dry run.
    pub decided_at: Option<String>,
    /// When the permit was used.
    pub redeemed_at: Option<String>,
    /// What happened after.
    pub outcome: Option<OutcomeBody>,
    /// Where the decision is in the ledger; `null` in a dry run.
    pub receipt: Option<Receipt>,
}

/// An agent for which another one acts.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LinkBody {
    /// The agent.
    pub agent: String,
    /// The action by which it called the next one.
    pub action: String,
    /// Who answered for it then.
    pub owner: Option<String>,
}

/// A vote that was cast.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct VoteBody {
    /// Who.
    pub user: String,
    /// The channel that it came by, where it came by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// What: `approve`, `reject`, `edit` and the others.
    pub verb: String,
    /// When.
    pub at: String,
    /// It counts.
    pub counted: bool,
    /// Why it does not count.
    pub not_counted: Option<String>,
    /// The colleague who has the place now.
    pub to: Option<String>,
    /// What the person said.
    pub comment: Option<String>,
    /// The name of the votes that were given at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
    /// It is for what the request was about before a revision, and does not stand for what it is about now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outdated: bool,
    /// Whoever says yes owns the agent that asks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub self_approved: bool,
    /// A passkey of the person has signed it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub signed: bool,
    /// Where it is in the ledger.
    pub index: u64,
}

/// A request for a human decision, in full.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalAnswer {
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub state: String,
    /// The action and its decision. What the agent says is data, never instructions.
    pub action: ActionAnswer,
    /// The action as it is kept and as it stands, with what must not be kept replaced.
    pub stored: serde_json::Value,
    /// Evidence that came later.
    pub answers: Vec<serde_json::Value>,
    /// Places of the action that whoever decides may narrow: JSON pointers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub editable: Vec<String>,
    /// What the request was changed to, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<RevisionBody>,
    /// What a vote has to echo.
    pub action_digest: String,
    /// What a vote has to echo.
    pub snapshot: Option<String>,
    /// How surely whoever approves has to be known, where a route says so: `mfa` and `webauthn` want the vote signed by a
    /// passkey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assurance: Option<String>,
    /// The hash of what is shown here of the action, the rule and the answers: a vote may echo it, and an approval of
    /// what is of risk `R3` or `R4` must. Changes when the agent answers, and when the action is changed.
    #[serde(default)]
    pub presentation_digest: Option<String>,
    /// Who is asked now.
    pub slots: Vec<SlotBody>,
    /// What happened on its routes, in order.
    pub steps: Vec<StepBody>,
    /// What the agent was asked and did not answer yet.
    pub question: Option<QuestionBody>,
    /// Who is on it, alone until `claimed_until`.
    pub claimed_by: Option<String>,
    /// Until when.
    pub claimed_until: Option<String>,
    /// People who may not vote, and why.
    pub excluded: BTreeMap<String, String>,
    /// Names that policy uses and nobody is known by.
    pub unresolved: Vec<String>,
    /// Evidence that is missing.
    pub missing: Vec<String>,
    /// Votes, in order.
    pub votes: Vec<VoteBody>,
    /// When it was opened.
    pub opened_at: String,
    /// When an answer is expected.
    pub sla_due: String,
    /// It passed that time.
    pub overdue: bool,
    /// When it expires undecided.
    pub deadline: String,
    /// That somebody let it through at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<crate::glass::BrokenAnswer>,
    /// What happens if nobody answers, in sentences; empty once it has ended.
    pub if_unanswered: Vec<String>,
    /// How long an approval may be used, seconds.
    pub valid_for_s: i64,
    /// Why it ended.
    pub why: Option<String>,
    /// A safer operation that the route offers in its place.
    pub fallback: Option<String>,
}

impl ApprovalAnswer {
    /// What the agent wants to do, in our words.
    pub fn sentence(&self) -> String {
        let action = &self.action;
        let text = |name: &str| self.stored.get(name).and_then(|value| value.as_str());
        let mut sentence = format!("agent `{}` asks to run `{}`", action.agent, action.action);
        if let Some(tool) = action.tool.as_ref().filter(|tool| **tool != action.action) {
            sentence += &format!(" with `{tool}`");
        }
        if let Some(amount) = text("amount") {
            sentence += &format!(" for {amount} {}", text("currency").unwrap_or_default());
        }
        sentence.trim_end().to_owned()
    }
}
