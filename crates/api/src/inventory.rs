//! What the inventory knows of agents, tools that change, and leases of gateways.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bounded::{Hex64, Id, Moment, Text, Whole, stated};
use crate::operations::{KillAnswer, KillScope};

/// Items of one list of a description.
pub const ITEMS_AT_MOST: usize = 100;

fn items(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let text = generator.subschema_for::<Text<200>>();
    schemars::json_schema!({ "type": "array", "maxItems": ITEMS_AT_MOST, "items": text })
}

/// The boundary of an agent, in seven fields. A list that is meant to be empty says so: `["none"]`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BoundaryBody {
    /// The process that it is part of.
    #[serde(default, deserialize_with = "stated", skip_serializing_if = "Option::is_none")]
    pub process: Option<Text<500>>,
    /// Systems that it reads.
    #[serde(default)]
    #[schemars(schema_with = "items")]
    pub reads: Vec<Text<200>>,
    /// Systems that it writes.
    #[serde(default)]
    #[schemars(schema_with = "items")]
    pub writes: Vec<Text<200>>,
    /// Actions that need no approval.
    #[serde(default)]
    #[schemars(schema_with = "items")]
    pub without_approval: Vec<Text<200>>,
    /// Actions that always need an approval.
    #[serde(default)]
    #[schemars(schema_with = "items")]
    pub always_approve: Vec<Text<200>>,
    /// Data that it must never access.
    #[serde(default)]
    #[schemars(schema_with = "items")]
    pub never_access: Vec<Text<200>>,
    /// The team that owns the boundary.
    #[serde(default, deserialize_with = "stated", skip_serializing_if = "Option::is_none")]
    pub owning_team: Option<Id>,
}

/// All that is known of an agent; what is left out is blank afterwards.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DescriptionBody {
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Text<500>>,
    /// What kind of system it is, such as `agent`, `copilot` or `chatbot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<Text<200>>,
    /// Who answers for how it works: `team:x` or `user:x`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub technical_owner: Option<Id>,
    /// Who answers for it when its owners are gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_owner: Option<Id>,
    /// The role or team that reviews what it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviewer: Option<Id>,
    /// When somebody has to look at all of this again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_by: Option<Moment>,
    /// Its model and version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Text<200>>,
    /// The version of its prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<Text<200>>,
    /// Environments that it runs in.
    #[serde(default)]
    #[schemars(schema_with = "items")]
    pub environments: Vec<Text<200>>,
    /// Tools that it uses.
    #[serde(default)]
    #[schemars(schema_with = "items")]
    pub tools: Vec<Text<200>>,
    /// Data that it touches.
    #[serde(default)]
    #[schemars(schema_with = "items")]
    pub data: Vec<Text<200>>,
    /// Its boundary.
    #[serde(default)]
    pub boundary: BoundaryBody,
}

/// One thing that has to be known of an agent.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReadinessItem {
    /// Its name, such as `boundary.process`.
    pub field: String,
    /// It is known.
    pub ready: bool,
}

/// Whether an agent can be made active.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReadinessAnswer {
    /// All is known.
    pub ready: bool,
    /// Since when it is active.
    pub activated: Option<String>,
    /// The organization denies agents that are not active.
    pub required: bool,
    /// What has to be known, in the order of a form.
    pub items: Vec<ReadinessItem>,
}

/// A grant of a mandate, and when it was used.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AccessItem {
    /// The tools that it is about; `null` = any.
    pub tool: Option<String>,
    /// The operations that it is about; `null` = any.
    pub action: Option<String>,
    /// File of the mandate.
    pub file: String,
    /// Line of the grant.
    pub line: u32,
    /// When a permit for something that it covers was last used.
    pub last_used: Option<String>,
    /// It was not used for 30 days.
    pub unused: bool,
}

/// What an agent may do, and does.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AccessReviewAnswer {
    /// Grants of its mandate.
    pub grants: Vec<AccessItem>,
}

/// A tool as it looks now.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolBody {
    /// The tool, as actions name it.
    pub tool: Text<128>,
    /// SHA-256 of the schema of its arguments.
    pub schema: Hex64,
    /// SHA-256 of its description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Hex64>,
}

/// Approves a tool that changed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproveToolBody {
    /// The tool.
    pub tool: Text<128>,
    /// SHA-256 of the schema that was looked at.
    pub schema: Hex64,
}

/// A registered tool.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ToolAnswer {
    /// The tool.
    pub tool: String,
    /// SHA-256 of the schema of its arguments.
    pub schema: String,
    /// SHA-256 of its description.
    pub description: Option<String>,
    /// It changed, and nobody approved it since: nothing is permitted with it.
    pub changed: bool,
    /// Since when it is as it is.
    pub since: String,
}

/// Registered tools, by name.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ToolsAnswer {
    /// All of them.
    pub tools: Vec<ToolAnswer>,
}

/// Something that a gateway guards.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    { "properties": { "scope": { "const": "organization" } }, "not": { "required": ["name"] } },
    { "properties": { "scope": { "enum": ["agent", "team", "tool", "class", "run"] } }, "required": ["name"] },
]))]
pub struct GuardBody {
    /// What kind of thing.
    pub scope: KillScope,
    /// Which agent, team, tool, class or run.
    #[serde(default, deserialize_with = "stated", skip_serializing_if = "Option::is_none")]
    pub name: Option<Text<128>>,
}

fn guards(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let guard = generator.subschema_for::<GuardBody>();
    schemars::json_schema!({ "type": "array", "maxItems": ITEMS_AT_MOST, "items": guard })
}

/// A lease to take or to renew.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaseBody {
    /// What the gateway is called.
    pub gateway: Id,
    /// What it guards; nothing = everything.
    #[serde(default)]
    #[schemars(schema_with = "guards")]
    pub guards: Vec<GuardBody>,
    /// How long it goes on without a renewal.
    pub seconds: Whole<5, 30>,
}

/// A tool that may be let through for a while without a lease.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct FailOpenItem {
    /// The tool.
    pub tool: String,
    /// For how long after the lease is over.
    pub seconds: u32,
}

/// What a gateway has to do.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LeaseAnswer {
    /// The gateway.
    pub gateway: String,
    /// `go`: let through what `stops` does not name; `stop`: let nothing through.
    pub answer: String,
    /// How long the answer is good, counted from when the renewal was sent. Without another answer until then, the gateway
    /// stops.
    pub seconds: u32,
    /// Engaged kill switches that concern it.
    pub stops: Vec<KillAnswer>,
    /// What it may let through when it has no answer any more, and for how long; everything else stops.
    pub fail_open: Vec<FailOpenItem>,
}

/// A lease that holds.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LeaseItem {
    /// The gateway.
    pub gateway: String,
    /// Whose key it holds the lease with.
    pub holder: String,
    /// What it guards, such as `tool:bank/transfer`.
    pub guards: Vec<String>,
    /// How long it goes on without a renewal.
    pub seconds: u32,
    /// What may be let through without a lease.
    pub fail_open: Vec<FailOpenItem>,
    /// Since when it guards.
    pub since: String,
    /// Until when it counts if nothing is heard of it.
    pub until: String,
}

/// Leases that hold.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LeasesAnswer {
    /// All of them.
    pub leases: Vec<LeaseItem>,
}

/// An entry of a register.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RegisterEntry {
    /// Its name.
    pub name: String,
    /// What is known of it, by column; a column of which nothing is known is left out.
    pub about: BTreeMap<String, Vec<String>>,
}

/// A register, made from what is known now.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RegisterAnswer {
    /// Which: `classes`, `data_sources`, `owners`, `tools`, `workflows`.
    pub register: String,
    /// Its columns, in the order of a table.
    pub columns: Vec<String>,
    /// By name.
    pub entries: Vec<RegisterEntry>,
}
