//! Agents, people, keys, organizations, and who is asking.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bounded::{Currency, Days, Id, Name, Text};

/// What a person may do in Countersign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Admin,
    /// Reads everything, the ledger too.
    Auditor,
    /// Agents, keys of agents, kill switches, alerts, callbacks.
    Operator,
    /// Policies.
    PolicyAuthor,
    /// Votes.
    Reviewer,
    /// Reads what is going on.
    Viewer,
}

impl Role {
    /// The wire name.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::Auditor => "auditor",
            Role::Operator => "operator",
            Role::PolicyAuthor => "policy_author",
            Role::Reviewer => "reviewer",
            Role::Viewer => "viewer",
        }
    }
}

/// How many labels an agent may have.
pub const LABELS_AT_MOST: usize = 32;

/// Labels of an agent: what conditions see as `agent.labels`.
pub type Labels = BTreeMap<Name, Text<64>>;

fn labels(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let text = generator.subschema_for::<Text<64>>();
    schemars::json_schema!({
        "type": "object",
        "maxProperties": LABELS_AT_MOST,
        "propertyNames": { "pattern": Name::PATTERN },
        "additionalProperties": text,
    })
}

/// An agent to register.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAgentBody {
    /// Its id.
    pub id: Id,
    /// Who answers for it: `team:x` or `user:x`.
    pub owner: Id,
    /// Its team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<Id>,
    /// Free labels that conditions see.
    #[serde(default)]
    #[schemars(schema_with = "labels")]
    pub labels: Labels,
}

/// Particulars of a registered agent; what is left out is empty afterwards.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentBody {
    /// Who answers for it: `team:x` or `user:x`.
    pub owner: Id,
    /// Its team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<Id>,
    /// Free labels that conditions see.
    #[serde(default)]
    #[schemars(schema_with = "labels")]
    pub labels: Labels,
}

/// An agent.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AgentAnswer {
    /// Its id.
    pub id: String,
    /// Who answers for it; empty for one that was only sighted.
    pub owner: String,
    /// Its team.
    pub team: Option<String>,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
    /// Nobody registered it; everything it asks for is denied.
    pub quarantined: bool,
    /// The source that saw it elsewhere, where nobody registered it and it never asked here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_by: Option<String>,
    /// When it was first known.
    pub since: String,
    /// Why it gets no permit until it is resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,
    /// Since when it is active, where somebody made it so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activated: Option<String>,
    /// What its mandate trusts it to do: `observe`, `recommend`, `prepare`, `execute`, `escalate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// With how many of its operations it stands where, by mode.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub modes: BTreeMap<String, u32>,
}

/// Agents, by id.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AgentsAnswer {
    /// All of them.
    pub agents: Vec<AgentAnswer>,
}

/// An agent that was registered, with its key.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RegisteredAgent {
    /// The agent.
    pub agent: AgentAnswer,
    /// The key, shown this once; `null` in a repetition.
    pub key: Option<String>,
    /// What the key is known by; `null` in a repetition.
    pub kid: Option<String>,
}

/// A person to add.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUserBody {
    /// Id.
    pub id: Id,
    /// Name; kept beside the ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Text<200>>,
    /// E-mail address; kept beside the ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Text<254>>,
    /// Id of the person's Slack account, such as `U0123456789`; kept beside the ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slack_id: Option<Text<64>>,
    /// What the person may do in Countersign.
    #[serde(default)]
    #[schemars(length(max = 6))]
    pub roles: Vec<Role>,
    /// The person's teams.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub teams: Vec<Id>,
    /// What the person answers for.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub duties: Vec<Id>,
    /// Whom the person reports to; somebody who was added before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manager: Option<Id>,
    /// The person's time zone, IANA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<Text<64>>,
}

/// A person's rights; what is left out is empty afterwards.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserBody {
    /// Name; kept beside the ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Text<200>>,
    /// E-mail address; kept beside the ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Text<254>>,
    /// Id of the person's Slack account, such as `U0123456789`; kept beside the ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slack_id: Option<Text<64>>,
    /// What the person may do in Countersign.
    #[serde(default)]
    #[schemars(length(max = 6))]
    pub roles: Vec<Role>,
    /// The person's teams.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub teams: Vec<Id>,
    /// What the person answers for.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub duties: Vec<Id>,
    /// Whom the person reports to; somebody who was added before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manager: Option<Id>,
    /// The person's time zone, IANA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<Text<64>>,
}

/// A person.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct UserAnswer {
    /// Id.
    pub id: String,
    /// What the person may do in Countersign.
    pub roles: Vec<String>,
    /// The person's teams.
    pub teams: Vec<String>,
    /// What the person answers for.
    pub duties: Vec<String>,
    /// Whom the person reports to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// The person's time zone, IANA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

/// What somebody changes of themselves; what is left out stays as it is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnProfileBody {
    /// What they are called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Text<200>>,
    /// Their time zone, IANA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Text<64>>,
}

/// A person, with what is kept of them beside the ledger.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PersonAnswer {
    /// The person.
    pub user: UserAnswer,
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// E-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Id of the person's Slack account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slack_id: Option<String>,
}

/// People, by id.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct UsersAnswer {
    /// All of them.
    pub users: Vec<UserAnswer>,
}

/// A person that was added, with a key.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AddedUser {
    /// The person.
    pub user: UserAnswer,
    /// The key, shown this once; `null` in a repetition.
    pub key: Option<String>,
    /// What the key is known by; `null` in a repetition.
    pub kid: Option<String>,
}

/// A key to issue, for an agent or for a person.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["agent"] }, { "required": ["user"] }]))]
pub struct NewKeyBody {
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<Id>,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// `redeem`, `outcome`, `credential`, `act_for:<agent>`, `act_for:<prefix>*`: what a gateway's key may do for others.
    #[serde(default)]
    #[schemars(schema_with = "scopes")]
    pub scopes: Vec<Text<140>>,
    /// How long it is good, days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_days: Option<Days>,
}

/// How many scopes one key may have.
pub const SCOPES_AT_MOST: usize = 32;

fn scopes(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "maxItems": SCOPES_AT_MOST,
        "items": { "type": "string", "pattern": "^(redeem|outcome|credential|act_for:([*]|[a-z0-9][a-z0-9_.:/-]{0,126}[*]?))$" },
    })
}

/// A key that was issued.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct IssuedKey {
    /// What it is known by; `null` in a repetition.
    pub kid: Option<String>,
    /// The key, shown this once; `null` in a repetition.
    pub key: Option<String>,
}

/// A key, without its secret.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct KeyAnswer {
    /// What it is known by.
    pub kid: String,
    /// `agent` or `user`.
    pub kind: String,
    /// Whose it is.
    pub subject: String,
    /// What it may do for others.
    pub scopes: Vec<String>,
    /// When it ends by itself.
    pub expires: Option<String>,
    /// It was revoked.
    pub revoked: bool,
}

/// Keys, by kid.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct KeysAnswer {
    /// All of them.
    pub keys: Vec<KeyAnswer>,
}

/// Who is asking.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WhoamiAnswer {
    /// The organization.
    pub organization: String,
    /// `agent`, `user` or `operator`.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// What the key is known by.
    pub kid: Option<String>,
    /// What a person may do in Countersign.
    pub roles: Vec<String>,
    /// What the key may do for others.
    pub scopes: Vec<String>,
    /// A person's time zone, IANA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

/// An organization to create.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrganizationBody {
    /// Its name.
    pub name: Id,
    /// ISO 4217; `USD` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// IANA time zone; `UTC` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<Text<64>>,
    /// Id of its first person; `admin` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin: Option<Id>,
}

/// An organization that was created.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CreatedOrganization {
    /// Its name.
    pub organization: String,
    /// Its first admin.
    pub admin: String,
    /// The first admin's key, shown this once.
    pub admin_key: String,
    /// The log's verifying key, to be kept by whoever wants to verify later.
    pub vkey: String,
    /// The log's origin.
    pub origin: String,
}

/// An organization.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OrganizationAnswer {
    /// Its name.
    pub organization: String,
    /// When it was created.
    pub created: String,
    /// The log's origin.
    pub origin: String,
}

/// Organizations, by name.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OrganizationsAnswer {
    /// All of them.
    pub organizations: Vec<OrganizationAnswer>,
}

/// What became of an organization.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ClosedOrganization {
    /// Its name.
    pub organization: String,
    /// Nothing is decided any more.
    pub closed: bool,
    /// Its ledger is gone.
    pub removed: bool,
}
