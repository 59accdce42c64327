//! Policies that are tried beside the one that is live.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use countersign_core::event::{Bands, Canary, ShareOf};
use countersign_core::state::{Candidate, Counts};

use crate::bounded::{SnapshotHash, Text, Whole};
use crate::policies::PendingPolicy;

/// Why a policy is tried, made live or taken back.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WhyBody {
    /// Why.
    pub rationale: Text<4096>,
}

/// Why what is tried is made live.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PromoteBody {
    /// What is tried, as the caller saw it. Where another one has taken its place, nothing happens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotHash>,
    /// Why.
    pub rationale: Text<4096>,
}

/// Whose actions a candidate decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShareOfWord {
    /// Those of a share of the agents.
    #[default]
    Agents,
    /// Those of a share of the runs; what belongs to none goes by its agent.
    Runs,
}

impl From<ShareOfWord> for ShareOf {
    fn from(word: ShareOfWord) -> ShareOf {
        match word {
            ShareOfWord::Agents => ShareOf::Agents,
            ShareOfWord::Runs => ShareOf::Runs,
        }
    }
}

/// How far what a candidate says may be from what the live policy says of the same actions.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BandsBody {
    /// From how many decisions on that is looked at.
    pub after: Whole<1, 1_000_000>,
    /// Actions about which people are asked, more or fewer, in thousandths.
    pub asked_permille: Whole<0, 1000>,
    /// Actions that are denied, more or fewer, in thousandths.
    pub denied_permille: Whole<0, 1000>,
    /// Actions that are denied because a condition cannot be evaluated, more, in thousandths.
    pub erred_permille: Whole<0, 1000>,
}

impl Default for BandsBody {
    fn default() -> BandsBody {
        BandsBody {
            after: Whole(20),
            asked_permille: Whole(100),
            denied_permille: Whole(50),
            erred_permille: Whole(0),
        }
    }
}

/// For whom a candidate is to decide.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CanaryBody {
    /// When it is taken back by itself.
    #[serde(default)]
    pub bands: BandsBody,
    /// Whose actions it decides.
    #[serde(default)]
    pub of: ShareOfWord,
    /// Why.
    pub rationale: Text<4096>,
    /// How many of a thousand.
    pub share_permille: Whole<1, 1000>,
}

impl CanaryBody {
    /// The same as the record says it.
    pub fn canary(&self) -> Canary {
        let whole = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Canary {
            bands: Bands {
                after: whole(self.bands.after.0),
                asked: whole(self.bands.asked_permille.0),
                denied: whole(self.bands.denied_permille.0),
                erred: whole(self.bands.erred_permille.0),
            },
            of: self.of.into(),
            permille: whole(self.share_permille.0),
        }
    }
}

/// The bands of a canary, in the words of the request.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BandsAnswer {
    /// From how many decisions on that is looked at.
    pub after: u32,
    /// Actions about which people are asked, more or fewer, in thousandths.
    pub asked_permille: u32,
    /// Actions that are denied, more or fewer, in thousandths.
    pub denied_permille: u32,
    /// Actions that are denied because a condition cannot be evaluated, more, in thousandths.
    pub erred_permille: u32,
}

/// For whom a candidate decides, in the words of the request.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CanaryAnswer {
    /// When it is taken back by itself.
    pub bands: BandsAnswer,
    /// Whose actions it decides.
    pub of: ShareOfWord,
    /// How many of a thousand.
    pub share_permille: u32,
}

impl From<Canary> for CanaryAnswer {
    fn from(canary: Canary) -> CanaryAnswer {
        let Bands {
            after,
            asked,
            denied,
            erred,
        } = canary.bands;
        CanaryAnswer {
            bands: BandsAnswer {
                after,
                asked_permille: asked,
                denied_permille: denied,
                erred_permille: erred,
            },
            of: match canary.of {
                ShareOf::Agents => ShareOfWord::Agents,
                ShareOf::Runs => ShareOfWord::Runs,
            },
            share_permille: canary.permille,
        }
    }
}

/// How often a policy said what.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SaidCounts {
    /// That people are asked.
    pub asked: u64,
    /// No.
    pub denied: u64,
    /// No, because a condition cannot be evaluated.
    pub erred: u64,
}

impl From<Counts> for SaidCounts {
    fn from(counts: Counts) -> SaidCounts {
        SaidCounts {
            asked: counts.asked,
            denied: counts.denied,
            erred: counts.erred,
        }
    }
}

/// A policy that is tried.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CandidateAnswer {
    /// `sha256:…`.
    pub hash: String,
    /// `shadow` or `canary`.
    pub stage: String,
    /// Who wanted it.
    pub by: String,
    /// Since when.
    pub since: String,
    /// For whom it decides, and when it is taken back by itself; `null` in the shadow.
    pub canary: Option<CanaryAnswer>,
    /// Actions of which both policies said something.
    pub decisions: u64,
    /// Those of which they said different things, such as `allow to deny`: what the live policy says first.
    pub flips: BTreeMap<String, u64>,
    /// What the candidate said.
    pub candidate: SaidCounts,
    /// What the live policy said of the same actions.
    pub live: SaidCounts,
}

impl From<Candidate> for CandidateAnswer {
    fn from(known: Candidate) -> CandidateAnswer {
        CandidateAnswer {
            hash: known.hash.to_string(),
            stage: if known.canary.is_some() { "canary" } else { "shadow" }.to_owned(),
            by: known.by,
            since: known.since.to_string(),
            canary: known.canary.map(CanaryAnswer::from),
            decisions: known.tried.decisions,
            flips: known.tried.flips,
            candidate: known.tried.candidate.into(),
            live: known.tried.live.into(),
        }
    }
}

/// What is live, and what is tried beside it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TryingAnswer {
    /// `sha256:…` of what is live.
    pub live: String,
    /// What is tried.
    pub candidate: Option<CandidateAnswer>,
    /// What waits for people to agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingPolicy>,
    /// What is not as it should be, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}
