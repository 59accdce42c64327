//! Which policy is stored, and which is live.

use std::sync::Arc;

use countersign_policy::Decision;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_false;
use crate::ids::ProposalId;
use crate::time::Time;

/// `snapshot.uploaded`; the files lie beside the ledger under their hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotUploaded {
    /// How many documents it has.
    pub documents: u64,
    /// Its hash, `sha256:…`.
    pub hash: Arc<str>,
}

/// `snapshot.activated`; the rationale is the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotActivated {
    /// People who agreed to it, where the policy that was live wanted that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approved_by: Vec<String>,
    /// Its hash, `sha256:…`.
    pub hash: Arc<str>,
    /// What was live before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<Arc<str>>,
    /// It was live before: this is a return.
    #[serde(default, skip_serializing_if = "is_false")]
    pub rollback: bool,
}

/// `snapshot.proposed`: somebody wants it live, and others have to agree; the rationale is the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotProposed {
    /// Names of those who may agree.
    pub approvers: Vec<String>,
    /// Who wants it, and does not agree to it.
    pub by: String,
    /// It is to decide for a share, and not to become live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// Its hash, `sha256:…`.
    pub hash: Arc<str>,
    /// What a vote names: the same snapshot may be proposed again, for something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<ProposalId>,
    /// How many have to agree.
    pub quorum: u32,
    /// Until when.
    pub until: Time,
}

/// `snapshot.judged`: somebody agreed, or did not; a comment is the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotJudged {
    /// Yes or no.
    pub agrees: bool,
    /// Who.
    pub by: String,
    /// The snapshot's hash, `sha256:…`.
    pub hash: Arc<str>,
    /// To what they agreed, or did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<ProposalId>,
}

/// `snapshot.waived`: it may become live though tests of it fail, or rules have none; the reason is the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotWaived {
    /// Who.
    pub by: String,
    /// How many of its tests fail.
    pub failing: u64,
    /// Its hash, `sha256:…`.
    pub hash: Arc<str>,
    /// How many of its rules no test tries.
    pub untried: u64,
}

/// Why a snapshot that was proposed did not become live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeclinedBecause {
    /// Nobody decided in time.
    Expired,
    /// Somebody said no.
    Rejected,
    /// Another one was proposed.
    Superseded,
}

/// `snapshot.declined`: what was live stays live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotDeclined {
    /// The snapshot's hash, `sha256:…`.
    pub hash: Arc<str>,
    /// Why.
    pub why: DeclinedBecause,
}

/// Whose actions a candidate decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShareOf {
    /// Those of a share of the agents.
    Agents,
    /// Those of a share of the runs; what belongs to none goes by its agent.
    Runs,
}

/// How far what a candidate says may be from what the live policy says of the same actions, in thousandths of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bands {
    /// From how many decisions on that is looked at.
    pub after: u32,
    /// Actions about which people are asked, more or fewer.
    pub asked: u32,
    /// Actions that are denied, more or fewer.
    pub denied: u32,
    /// Actions that are denied because a condition cannot be evaluated, more.
    pub erred: u32,
}

/// A candidate that decides for a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// When it is taken back by itself.
    pub bands: Bands,
    /// Whose actions it decides.
    pub of: ShareOf,
    /// How many of a thousand.
    pub permille: u32,
}

/// `candidate.started`: a snapshot is tried beside the one that is live; the rationale is the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CandidateStarted {
    /// People who agreed to it, where the policy that is live wants that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approved_by: Vec<String>,
    /// Who wanted it.
    pub by: String,
    /// For whom it decides; left out, it decides for nobody, and what it would have said is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// Its hash, `sha256:…`.
    pub hash: Arc<str>,
}

/// What of a candidate left its band.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rate {
    /// About how many actions people are asked.
    Asked,
    /// How many are denied.
    Denied,
    /// How many are denied because a condition cannot be evaluated.
    Erred,
}

/// A rate that left its band.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeftBand {
    /// Of how many actions the candidate says so.
    pub candidate: u64,
    /// Of how many in all.
    pub decisions: u64,
    /// Of how many of them the live policy would have said so.
    pub live: u64,
    /// What.
    pub rate: Rate,
}

/// Why a candidate is not tried any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CandidateEnd {
    /// A rate left its band.
    Halted,
    /// It is live.
    Promoted,
    /// Another one is live, or is tried.
    Superseded,
    /// Somebody took it back.
    Withdrawn,
}

/// `candidate.ended`: whatever it decided for, the live policy decides for again; why somebody took it back is the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CandidateEnded {
    /// Its hash, `sha256:…`.
    pub hash: Arc<str>,
    /// What left its band.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<LeftBand>,
    /// Why.
    pub why: CandidateEnd,
}

/// What two policies say of an action while one of them is tried: the one that decided, and the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SaidBeside {
    /// What the policy says that decided, before anything else tightened it.
    pub decided: Decision,
    /// The other one denies because a condition cannot be evaluated.
    #[serde(default, skip_serializing_if = "is_false")]
    pub erred: bool,
    /// The other one's hash, `sha256:…`.
    pub hash: Arc<str>,
    /// The rule of the other one that speaks first, where it says something else: `document#rule`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What the other one says.
    pub says: Decision,
}
