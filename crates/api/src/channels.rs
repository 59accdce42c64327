//! Channels by which people are told about requests.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bounded::{Name, Text, Url, WallTime, stated};

/// Hours in which what is not urgent waits: it is told at their end, to each person in one message. An escalation, a
/// reminder, and a request that would not be waited for until then are urgent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuietBody {
    /// IANA time zone.
    pub zone: Text<64>,
    /// When they begin.
    pub from: WallTime,
    /// When they end; before `from` it is the next day.
    pub to: WallTime,
}

/// Mail to each person who is asked and has an address.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailBody {
    /// `smtps://user:password@host` or, with STARTTLS, `smtp://user:password@host:587`. A secret.
    pub url: Text<2048>,
    /// Who it comes from, such as `Countersign <countersign@example.com>`.
    pub from: Text<254>,
}

/// A conversation in Slack: as an app's bot with `token` and `channel`, or by an incoming webhook with `webhook_url`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    { "required": ["token", "channel"], "not": { "required": ["webhook_url"] } },
    { "required": ["webhook_url"], "not": { "anyOf": [
        { "required": ["token"] }, { "required": ["channel"] }, { "required": ["signing_secret"] },
        { "required": ["api_url"] },
    ] } },
]))]
pub struct SlackBody {
    /// The bot's token `xoxb-…`. A secret.
    #[serde(default, deserialize_with = "stated", skip_serializing_if = "Option::is_none")]
    pub token: Option<Text<512>>,
    /// Id of the conversation, such as `C0123456789`.
    #[serde(default, deserialize_with = "stated", skip_serializing_if = "Option::is_none")]
    pub channel: Option<Text<64>>,
    /// The app's signing secret: with it messages have a button to approve.
    #[serde(default, deserialize_with = "stated", skip_serializing_if = "Option::is_none")]
    pub signing_secret: Option<Text<256>>,
    /// Where the methods of the API lie, if not at `https://slack.com/api`.
    #[serde(default, deserialize_with = "stated", skip_serializing_if = "Option::is_none")]
    pub api_url: Option<Url>,
    /// The URL of an incoming webhook. A secret.
    #[serde(default, deserialize_with = "stated", skip_serializing_if = "Option::is_none")]
    pub webhook_url: Option<Url>,
}

/// A receiver of signed webhooks.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookBody {
    /// Where to.
    pub url: Url,
}

/// A channel to register: one of `email`, `slack`, `webhook`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    { "required": ["email"], "not": { "anyOf": [{ "required": ["slack"] }, { "required": ["webhook"] }] } },
    { "required": ["slack"], "not": { "anyOf": [{ "required": ["email"] }, { "required": ["webhook"] }] } },
    { "required": ["webhook"], "not": { "anyOf": [{ "required": ["email"] }, { "required": ["slack"] }] } },
]))]
pub struct NewChannelBody {
    /// Its name.
    pub name: Name,
    /// Mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<EmailBody>,
    /// Slack.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slack: Option<SlackBody>,
    /// A webhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookBody>,
    /// Its quiet hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet: Option<QuietBody>,
}

/// A channel that was registered.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RegisteredChannel {
    /// Its name.
    pub name: String,
    /// What a webhook is signed with, `whsec_…`, shown this once; `null` for other channels and in a repetition.
    pub secret: Option<String>,
}

/// What Slack posts when somebody presses a button.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SlackForm {
    /// JSON of type `block_actions`.
    pub payload: String,
}

/// A channel, without its secrets.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ChannelAnswer {
    /// Its name.
    pub name: String,
    /// `email`, `slack`, `webhook`.
    pub kind: String,
    /// Where it leads, as far as that is no secret.
    pub target: String,
    /// Its quiet hours.
    pub quiet: Option<QuietBody>,
}

/// Channels, by name.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ChannelsAnswer {
    /// All of them.
    pub channels: Vec<ChannelAnswer>,
}

/// What came of trying a channel out.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ChannelTestAnswer {
    /// It was taken.
    pub delivered: bool,
    /// What was answered, or why it was not reached.
    pub detail: String,
}

/// A notice that has not arrived.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NoticeAnswer {
    /// Its id.
    pub id: String,
    /// The request that it is about.
    pub approval: String,
    /// The channel.
    pub channel: String,
    /// Who is told; `null` where it is whoever reads the channel.
    pub user: Option<String>,
    /// `opened`, `step_started`, `reminded`, `escalated`, `resolved`.
    pub kind: String,
    /// `pending`, or `dead` until a person sends it again.
    pub state: String,
    /// Tries so far.
    pub attempts: u32,
    /// What was said last.
    pub detail: String,
    /// When it is tried next.
    pub next: Option<String>,
}
