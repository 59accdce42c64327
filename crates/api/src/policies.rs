//! Policy documents: upload, check, what is wrong with them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use countersign_core::ids::ProposalId;
use countersign_policy::{Problem, Severity};

use crate::bounded::{FileName, SnapshotHash, Text};
use crate::candidates::CanaryAnswer;

/// How many files one upload may have.
pub const FILES_AT_MOST: usize = 1000;

/// Policy documents by file name.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PoliciesBody {
    /// Name to exact text.
    #[schemars(schema_with = "files")]
    pub files: BTreeMap<FileName, String>,
}

pub(crate) fn files(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "minProperties": 1,
        "maxProperties": FILES_AT_MOST,
        "propertyNames": { "pattern": FileName::PATTERN },
        "additionalProperties": { "type": "string" },
    })
}

/// Why a snapshot is made live.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RationaleBody {
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rationale: Option<Text<4096>>,
}

/// Why the snapshot is made live that was live before.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RollBackBody {
    /// What is to go: the canary, or what is live. Where another one has taken its place, nothing happens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<SnapshotHash>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rationale: Option<Text<4096>>,
}

/// A finding in a policy document.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PolicyProblem {
    /// `error` or `warning`.
    pub severity: String,
    /// A stable word, such as `unknown_field`.
    pub code: String,
    /// The document's file name.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Why it matters.
    pub why: String,
    /// The line, and below it the text that the finding is about, underlined.
    pub excerpt: String,
}

/// What a check of documents found.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PolicyCheckAnswer {
    /// The snapshot's hash, `sha256:…`; `null` if the documents do not load.
    pub hash: Option<String>,
    /// Errors and warnings, by file and place.
    pub problems: Vec<PolicyProblem>,
    /// Tests in the documents that did not get the decision that they want.
    pub failed_tests: Vec<String>,
    /// Rules of which the tests leave a side untried, by file and line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untried: Vec<UntriedRule>,
    /// It can be made live.
    pub ok: bool,
}

/// A rule, and which of its sides no test tries.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct UntriedRule {
    /// `agent:` or `name:` of the document.
    pub document: String,
    /// Which rule, such as `rules[0]`.
    pub rule: String,
    /// The document's file name.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// `holds`, `does not hold`, `above max_amount`.
    pub untried: Vec<String>,
}

/// A stored snapshot.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotAnswer {
    /// `sha256:…`.
    pub hash: String,
    /// How many documents it has.
    pub documents: u64,
    /// When it was stored.
    pub uploaded: String,
    /// When it was last made live.
    pub activated: Option<String>,
    /// It decides now.
    pub live: bool,
    /// It may become live though its tests do not show that it is right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waived: Option<WaivedTests>,
}

/// What somebody lets pass of the tests of a snapshot.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WaivedTests {
    /// Who.
    pub by: String,
    /// How many tests that fail.
    pub failing: u64,
    /// How many rules that no test tries.
    pub untried: u64,
}

/// Why a snapshot may become live though its tests do not show that it is right.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaiverBody {
    /// Why.
    pub reason: Text<4096>,
}

/// What was let pass.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WaiverAnswer {
    /// `sha256:…`.
    pub hash: String,
    /// Tests that fail, a sentence each.
    pub failing: Vec<String>,
    /// Rules that no test tries, by file and line.
    pub untried: Vec<String>,
}

/// Stored snapshots, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotsAnswer {
    /// All of them.
    pub snapshots: Vec<SnapshotAnswer>,
    /// The one that waits for people to agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingPolicy>,
}

/// A stored snapshot with its documents.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotFilesAnswer {
    /// `sha256:…`.
    pub hash: String,
    /// Name to text.
    pub files: BTreeMap<String, String>,
}

/// A snapshot that somebody wants live, and to which others have to agree.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PendingPolicy {
    /// `sha256:…`.
    pub hash: String,
    /// What a vote names as its `proposal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ProposalId>,
    /// Who wants it.
    pub by: String,
    /// It is to decide for a share, and not to become live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanaryAnswer>,
    /// Names of those who may agree.
    pub approvers: Vec<String>,
    /// Who has agreed.
    pub approved_by: Vec<String>,
    /// How many have to agree.
    pub quorum: u32,
    /// Until when.
    pub until: String,
}

/// Something that happened to a snapshot.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PolicyStepAnswer {
    /// When.
    pub at: String,
    /// Who did it; `countersign` what happened by itself.
    pub by: String,
    /// `sha256:…`.
    pub hash: String,
    /// Index of the record.
    pub index: u64,
    /// `uploaded`, `waived`, `proposed`, `agreed`, `rejected`, `declined`, `activated`, `rolled_back`; of what is tried
    /// `shadow`, `canary`, `promoted`, `halted`, `withdrawn`, `ended`.
    pub what: String,
    /// Why, in the words of whoever did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What happened to snapshots, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PolicyHistoryAnswer {
    /// As many steps as were asked for, at most.
    pub steps: Vec<PolicyStepAnswer>,
}

/// What a person says of a snapshot that somebody wants live.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PolicyVerb {
    /// Yes.
    Approve,
    /// No: what is live stays live.
    Reject,
}

/// A person's word on a snapshot that somebody wants live.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyVoteBody {
    /// The `id` of what waits, as the person was shown it: the same snapshot may be wanted for something else by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<ProposalId>,
    /// Yes or no.
    pub verb: PolicyVerb,
    /// Why; a rejection needs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<Text<4096>>,
}

/// What is live now.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LiveAnswer {
    /// `sha256:…`.
    pub live: String,
    /// What is to be live once people have agreed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingPolicy>,
    /// What is not as it should be, a sentence each: gaps in schedules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// A finding on the wire. `text` is the document's.
pub fn problem(problem: &Problem, text: &str) -> PolicyProblem {
    PolicyProblem {
        severity: match problem.severity {
            Severity::Error => "error".to_owned(),
            Severity::Warning => "warning".to_owned(),
        },
        code: problem.code.to_owned(),
        file: problem.file.clone(),
        line: problem.line,
        column: problem.column,
        message: problem.message.clone(),
        help: problem.help.clone(),
        why: problem.why().to_owned(),
        excerpt: excerpt(problem, text),
    }
}

/// Longest line that an excerpt shows, in characters.
const EXCERPT_CHARS: usize = 160;

/// The line of a finding with the text underlined that it is about.
pub fn excerpt(problem: &Problem, text: &str) -> String {
    let place = usize::try_from(problem.line).unwrap_or_default().saturating_sub(1);
    let Some(line) = text.lines().nth(place) else {
        return String::new();
    };
    let shown: String = line
        .chars()
        .take(EXCERPT_CHARS)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let before = usize::try_from(problem.column)
        .unwrap_or(1)
        .saturating_sub(1)
        .min(EXCERPT_CHARS);
    let about = text.get(problem.span.clone()).unwrap_or_default();
    let length = about.lines().next().unwrap_or_default().chars().count();
    let length = length.clamp(1, EXCERPT_CHARS.saturating_sub(before).max(1));
    let number = problem.line.to_string();
    format!(
        "{number} | {shown}\n{:width$} | {:before$}{}",
        "",
        "",
        "^".repeat(length),
        width = number.len()
    )
}
