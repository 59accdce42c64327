//! The record for outsiders: search, checkpoints, proofs, explanations.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::action::Receipt;
use crate::bounded::Text;

/// A record that a search found.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AuditEntryAnswer {
    /// Where it is.
    pub receipt: Receipt,
    /// The record, exactly as it is hashed.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub record: Box<RawValue>,
}

/// A page of a search.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AuditAnswer {
    /// Newest first.
    pub entries: Vec<AuditEntryAnswer>,
    /// The next page's `cursor`; `null` at the end.
    pub next_cursor: Option<String>,
    /// How many records the search covers.
    pub as_of_seq: u64,
}

/// A signed checkpoint.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CheckpointAnswer {
    /// How many records it covers.
    pub size: u64,
    /// C2SP signed note.
    pub checkpoint: String,
}

/// A proof that a record is in the tree of a checkpoint.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct InclusionAnswer {
    /// The record's index.
    pub index: u64,
    /// Leaf hash of the record, hexadecimal.
    pub leaf_hash: String,
    /// Sibling hashes from the leaf up, hexadecimal.
    pub hashes: Vec<String>,
    /// The signed checkpoint.
    pub checkpoint: String,
}

/// A proof that a longer ledger extends a shorter one.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ConsistencyAnswer {
    /// Records of the shorter.
    pub from: u64,
    /// Records of the longer.
    pub to: u64,
    /// The proof, hexadecimal.
    pub hashes: Vec<String>,
}

/// What lies beside a record, and what opens its commitment.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PayloadAnswer {
    /// The record's index.
    pub index: u64,
    /// Salt, hexadecimal.
    pub salt: String,
    /// Canonical JSON text, exactly as it is committed to.
    pub body: String,
}

/// JSON Schemas of the record types that a ledger began with.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SchemasAnswer {
    /// File name to exact text.
    pub files: BTreeMap<String, String>,
}

/// The verifying keys of a log.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LogKey {
    /// The origin of its checkpoints, in the epoch that it is in.
    pub origin: String,
    /// What verifies them, C2SP form.
    pub vkey: String,
    /// What verified earlier ones, under earlier names or by earlier keys; oldest first.
    pub earlier: Vec<String>,
}

/// Verifying keys of the logs that are kept here. Whose they are is not said.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LogKeysAnswer {
    /// By origin.
    pub logs: Vec<LogKey>,
}

/// Why a log is to go on under another name.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEpochBody {
    /// What happened. It becomes part of the record.
    pub why: Text<2000>,
}

/// Where a log stood.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LogEnd {
    /// Its origin.
    pub origin: String,
    /// Root over its records, hexadecimal.
    pub root: String,
    /// How many records.
    pub size: u64,
}

/// A log under its new name.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OpenedEpochAnswer {
    /// Which epoch.
    pub epoch: u64,
    /// Its origin.
    pub origin: String,
    /// What verifies its checkpoints, to be kept by whoever wants to verify later.
    pub vkey: String,
    /// How many records the ledger has.
    pub size: u64,
    /// What was signed for before, where the ledger was not that any more.
    pub mark: Option<LogEnd>,
}

/// A log with another key.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RotatedKeyAnswer {
    /// What verifies checkpoints from now on.
    pub vkey: String,
    /// What verified them before.
    pub old_vkey: String,
    /// Until when the key before signs them as well.
    pub until: String,
}

/// Which programs a ledger is for.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReaderAnswer {
    /// Programs before this reader do not serve it.
    pub least: u32,
    /// The reader that this program is.
    pub own: u32,
}

/// A JSON Web Key Set (RFC 7517): the keys that sign permits.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct KeySetAnswer {
    /// Ed25519 keys (RFC 8037).
    pub keys: Vec<BTreeMap<String, String>>,
}

/// A rule that was looked at.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TraceBody {
    /// The policy document.
    pub document: String,
    /// Which rule of it.
    pub rule: String,
    /// Line in the document, from 1.
    pub line: u32,
    /// Column in the document, from 1.
    pub column: u32,
    /// It is about this action.
    pub selected: bool,
    /// It is about this action and its condition holds, or cannot be evaluated, which denies.
    pub matched: bool,
    /// What it asks for when it matches.
    pub asked: String,
    /// Why it matched or did not.
    pub why: String,
    /// What its condition read of the stored form: path and value as JSON, or `absent`.
    pub values: Vec<ReadValue>,
}

/// A value that a condition read.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReadValue {
    /// Where it is, such as `args.order`.
    pub path: String,
    /// JSON, or `absent`.
    pub value: String,
}

/// Why an action was decided as it was.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ExplainAnswer {
    /// The action.
    pub id: String,
    /// Every rule that was looked at.
    pub rules: Vec<TraceBody>,
    /// For other answers the smallest change of the action that leads to it, the loosest answer first. Each was evaluated;
    /// what no rule mentions is not tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub otherwise: Vec<OtherwiseBody>,
    /// Other answers were not searched for, because the server is searching for somebody else's: ask again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsearched: bool,
}

/// What would be decided of an action that nobody asks for, and why.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DryRunAnswer {
    /// The answer that the agent would get.
    pub action: crate::action::ActionAnswer,
    /// Every rule that was looked at, with values of the action as it was sent.
    pub rules: Vec<TraceBody>,
    /// For other answers the smallest change of the action that leads to it, the loosest answer first. None where something
    /// above policy decides, such as a kill switch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub otherwise: Vec<OtherwiseBody>,
    /// Other answers were not searched for, because the server is searching for somebody else's: ask again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsearched: bool,
}

/// What would have had to be different for another answer.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OtherwiseBody {
    /// The answer of policy.
    pub decision: String,
    /// All that is different.
    pub changes: Vec<ChangeBody>,
    /// The same in words.
    pub sentence: String,
}

/// One thing that is different.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ChangeBody {
    /// Where, as a JSON pointer into the action.
    pub pointer: String,
    /// What the stored form says there, as JSON; left out where it says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What it would have to say, as JSON; left out for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// A change that leads to another answer, on the wire.
pub fn otherwise(found: &countersign_policy::Counterfactual) -> OtherwiseBody {
    let text = |value: &Option<countersign_policy::Value>| {
        value.as_ref().map(|value| {
            let mut text = String::new();
            countersign_policy::json::to_json(value, &mut text);
            text
        })
    };
    let change = |change: &countersign_policy::Change| ChangeBody {
        pointer: change.pointer(),
        from: text(&change.from),
        to: text(&change.to),
    };
    OtherwiseBody {
        decision: found.decision.as_str().to_owned(),
        changes: found.changes.iter().map(change).collect(),
        sentence: found.sentence(),
    }
}

/// A trace on the wire.
pub fn trace(trace: countersign_policy::Trace) -> TraceBody {
    TraceBody {
        document: trace.document,
        rule: trace.rule,
        line: trace.line,
        column: trace.column,
        selected: trace.selected,
        matched: trace.matched,
        asked: trace.asked.as_str().to_owned(),
        why: trace.why,
        values: trace
            .values
            .into_iter()
            .map(|(path, value)| ReadValue { path, value })
            .collect(),
    }
}
