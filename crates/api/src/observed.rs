//! Calls of tools that were seen elsewhere, what of them is governed, and how governance fails.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bounded::{Count, Id, Moment, Text, Whole};

/// Calls that one request tells.
pub const CALLS_AT_MOST: usize = 500;

fn calls(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let call = generator.subschema_for::<ObservedCallBody>();
    schemars::json_schema!({ "type": "array", "minItems": 1, "maxItems": CALLS_AT_MOST, "items": call })
}

/// A call that was seen elsewhere.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObservedCallBody {
    /// Its place in the source's log, which only rises: an offset, a line, a sequence number.
    pub id: Count,
    /// When it was made.
    pub at: Moment,
    /// Who called, as the source names it.
    pub agent: Id,
    /// What was called, as actions name it.
    pub tool: Text<128>,
    /// How many calls it stands for; 1 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<Whole<1, 1_000_000>>,
}

/// What a source has seen.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObservedBody {
    /// The source: a log, an egress proxy, an audit export of a vendor.
    pub source: Id,
    /// Its calls, by rising `id`.
    #[schemars(schema_with = "calls")]
    pub calls: Vec<ObservedCallBody>,
}

/// Up to where a source is known.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ObservedAnswer {
    /// The source.
    pub source: String,
    /// Up to which `id` it is known: what comes from before it counts no more.
    pub last: u64,
}

/// A source of calls.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SourceAnswer {
    /// Its name.
    pub source: String,
    /// Up to which `id` it is known.
    pub last: u64,
    /// When it told something last.
    pub at: String,
}

/// What an agent did with a tool within 30 days.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CoveredAnswer {
    /// The agent.
    pub agent: String,
    /// `registered` or `quarantined`.
    pub standing: String,
    /// The tool.
    pub tool: String,
    /// The live policy names the tool.
    pub named_by_policy: bool,
    /// Calls that ran with a permit.
    pub governed: u64,
    /// Calls that were seen elsewhere.
    pub observed: u64,
    /// Calls that were seen and had no permit, at least.
    pub outside: u64,
    /// Calls that were seen on days before calls with a permit were counted.
    pub earlier: u64,
    /// The last day on which a call was seen elsewhere.
    pub last_observed: Option<String>,
}

/// One day of all agents and tools.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DayAnswer {
    /// The day, UTC.
    pub day: String,
    /// Calls that ran with a permit.
    pub governed: u64,
    /// Calls that were seen elsewhere.
    pub observed: u64,
}

/// What of the calls that were seen elsewhere is governed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CoverageAnswer {
    /// Calls with a permit are counted from this day on (UTC); absent where no source told anything yet.
    pub since: Option<String>,
    /// How many of 1,000 calls that were seen had a permit, rounded down; absent where none was seen.
    pub covered_per_mille: Option<u64>,
    /// Agents and tools of which calls were seen and none ever had a permit.
    pub never_governed: usize,
    /// Sources, by name.
    pub sources: Vec<SourceAnswer>,
    /// By agent and tool: those with the most calls outside first, up to 1,000.
    pub pairs: Vec<CoveredAnswer>,
    /// How many pairs there are beyond those that are listed.
    pub more: usize,
    /// The last 30 days.
    pub days: Vec<DayAnswer>,
    /// Calls of agents and tools beyond the 10,000 pairs that are kept track of.
    pub others: u64,
}

/// A way in which governance fails, and what there is of it now.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct FailureModeAnswer {
    /// `over_trust`, `over_permission`, `approval_theatre`, `no_timeout`, `fragmented_evidence`, `third_party_blind_spots` or
    /// `multi_agent`.
    pub mode: String,
    /// What is looked for.
    pub detector: String,
    /// How often it was found.
    pub found: usize,
    /// Up to ten of what was found.
    pub examples: Vec<String>,
    /// What is missing for looking; where it is there, nothing found means little.
    pub blind: Option<String>,
}

/// The seven failure modes of governance.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct GovernanceAnswer {
    /// All of them, always.
    pub modes: Vec<FailureModeAnswer>,
}
