//! Kill switches, alerts, callbacks, health.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bounded::{Text, Url};
use crate::channels::NoticeAnswer;

/// What a kill switch stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KillScope {
    /// Everything.
    Organization,
    /// One agent.
    Agent,
    /// Every agent of a team.
    Team,
    /// One tool.
    Tool,
    /// Every tool of a class of the tool catalogue.
    Class,
    /// One run.
    Run,
}

/// A kill switch to engage. Anybody who may should be able to do it at once, so a reason is welcome and not needed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    { "properties": { "scope": { "const": "organization" } }, "not": { "required": ["name"] } },
    { "properties": { "scope": { "enum": ["agent", "team", "tool", "class", "run"] } }, "required": ["name"] },
]))]
pub struct KillBody {
    /// What it stops.
    pub scope: KillScope,
    /// Which agent, team, tool, class or run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Text<128>>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text<4096>>,
}

/// A kill switch to release.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    { "properties": { "scope": { "const": "organization" } }, "not": { "required": ["name"] } },
    { "properties": { "scope": { "enum": ["agent", "team", "tool", "class", "run"] } }, "required": ["name"] },
]))]
pub struct ReleaseBody {
    /// What it stopped.
    pub scope: KillScope,
    /// Which agent, team, tool, class or run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Text<128>>,
    /// Why.
    pub reason: Text<4096>,
}

/// An engaged kill switch.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct KillAnswer {
    /// What it stops: `organization`, `agent`, `team`, `tool`, `class`, `run`.
    pub scope: String,
    /// Which agent, team, tool, class or run.
    pub name: Option<String>,
    /// Who engaged it.
    pub by: String,
    /// When.
    pub since: String,
    /// Who of two people wants it released.
    pub release_requested_by: Option<String>,
}

/// Engaged kill switches.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct KillsAnswer {
    /// All of them.
    pub kills: Vec<KillAnswer>,
}

/// Whether a kill switch is released.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseAnswer {
    /// `false`: a second person has to confirm.
    pub released: bool,
}

/// An alert that nobody took note of.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AlertAnswer {
    /// Its id.
    pub id: String,
    /// What kind, such as `delete_attempt`.
    pub name: String,
    /// One sentence.
    pub summary: String,
    /// The agent that it is about.
    pub agent: Option<String>,
    /// The action that it is about.
    pub action: Option<String>,
    /// When.
    pub raised: String,
}

/// Open alerts, oldest first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AlertsAnswer {
    /// All of them.
    pub alerts: Vec<AlertAnswer>,
}

/// A receiver of callbacks to register.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCallbackBody {
    /// Where callbacks go.
    pub url: Url,
}

/// A receiver that was registered.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RegisteredCallback {
    /// Its id.
    pub id: String,
    /// Where callbacks go.
    pub url: String,
    /// The shared secret `whsec_…` that signs them, shown this once; `null` in a repetition.
    pub secret: Option<String>,
}

/// A receiver.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CallbackAnswer {
    /// Its id.
    pub id: String,
    /// Where callbacks go.
    pub url: String,
}

/// Receivers, by id.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CallbacksAnswer {
    /// All of them.
    pub callbacks: Vec<CallbackAnswer>,
}

/// A callback that has not arrived.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DeliveryAnswer {
    /// Its id, the `webhook-id` that receivers deduplicate by.
    pub id: String,
    /// The action whose status it tells.
    pub action: String,
    /// The receiver.
    pub callback: String,
    /// Where to.
    pub url: String,
    /// `pending`, or `dead` until a person sends it again.
    pub state: String,
    /// Tries so far.
    pub attempts: u32,
    /// What the receiver said last.
    pub detail: String,
    /// When it is tried next.
    pub next: Option<String>,
}

/// Callbacks and notices that have not arrived, oldest first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DeliveriesAnswer {
    /// All of them.
    pub deliveries: Vec<DeliveryAnswer>,
    /// All notices to people.
    pub notices: Vec<NoticeAnswer>,
}

/// It happened.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DoneAnswer {
    /// Always `true`; everything else is a problem.
    pub done: bool,
}

/// A sign of life.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HealthAnswer {
    /// `ok`.
    pub status: String,
}
