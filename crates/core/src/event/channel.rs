//! Channels by which people are told about requests, and notices on their way through them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_zero;
use crate::ids::{ActionId, ApprovalId, NoticeId};
use crate::time::Time;

/// What a channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChannelKind {
    /// Mail to each person.
    Email,
    /// A conversation in Slack.
    Slack,
    /// A signed webhook.
    Webhook,
}

impl ChannelKind {
    /// The wire name.
    pub fn as_str(self) -> &'static str {
        match self {
            ChannelKind::Email => "email",
            ChannelKind::Slack => "slack",
            ChannelKind::Webhook => "webhook",
        }
    }
}

/// Hours in which what is not urgent waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quiet {
    /// When they begin, such as `22:00`.
    pub from: String,
    /// When they end, such as `07:00`; before `from` it is the next day.
    pub to: String,
    /// IANA time zone.
    pub zone: String,
}

/// `channel.registered`; its secrets lie with the secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelRegistered {
    /// Its name.
    pub channel: String,
    /// What it is.
    pub kind: ChannelKind,
    /// Its quiet hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Quiet>,
    /// Where it leads, as far as that is no secret: a mail server, a conversation, a URL.
    pub target: String,
}

/// `channel.removed`; what was on its way through it is dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelRemoved {
    /// Its name.
    pub channel: String,
}

/// What people are told about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// They are asked.
    Opened,
    /// They are asked, by a step of a route.
    StepStarted,
    /// The time for an answer is nearly over, or the target for it has passed.
    Reminded,
    /// Those who were asked before let their time pass.
    Escalated,
    /// It ended.
    Resolved,
    /// Somebody let it through at once.
    GlassBroken,
}

impl NoticeKind {
    /// The wire name.
    pub fn as_str(self) -> &'static str {
        match self {
            NoticeKind::Opened => "opened",
            NoticeKind::StepStarted => "step_started",
            NoticeKind::Reminded => "reminded",
            NoticeKind::Escalated => "escalated",
            NoticeKind::Resolved => "resolved",
            NoticeKind::GlassBroken => "glass_broken",
        }
    }
}

/// `notice.due`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoticeDue {
    /// The action.
    pub action_id: ActionId,
    /// Not before: the end of quiet hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Time>,
    /// The request.
    pub approval: ApprovalId,
    /// The channel.
    pub channel: String,
    /// What is told.
    pub kind: NoticeKind,
    /// How many more people are asked who get no notice, because fifty do; said with the first of them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u32,
    /// Its id; the receiver deduplicates by it.
    pub notice: NoticeId,
    /// Which step of the track, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
    /// Which track, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track: Option<u32>,
    /// Who is told; without it whoever reads the channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// How a try to deliver a notice ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoticeResult {
    /// The channel took it.
    Delivered,
    /// It will be tried again.
    Retrying,
    /// It lies with the dead letters until a person sends it again.
    Dead,
    /// A person sends it again.
    Resent,
    /// It was not sent, since there is nobody to tell or nothing to tell any more.
    Skipped,
}

/// `notice.attempted`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoticeAttempted {
    /// Which try this was, from 1; 0 when a person sends it again.
    pub attempt: u32,
    /// What was answered, why it was not reached, or why it was skipped.
    pub detail: String,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Time>,
    /// The notice.
    pub notice: NoticeId,
    /// By what the message can be updated, where the channel can do that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// How it ended.
    pub result: NoticeResult,
}
