//! Channels by which people are told about requests: registering them with their secrets, and opening them for use.

use countersign_core::event::{ChannelKind, ChannelRegistered, Quiet};
use countersign_core::ids::NoticeId;
use countersign_core::redact::Kinds;
use countersign_core::{Command, Refusal};
use countersign_notify::email::{SmtpServer, is_mailbox};
use countersign_notify::{Secret, Target, slack};
use countersign_store::{Org, SealedSecret};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::EngineError;
use crate::inbox::Lane;
use crate::intake::Request;
use crate::ledger::Beside;
use crate::{Engine, Inner};

/// Kind of the secrets that belong to channels.
const CHANNEL: &str = "channel";
/// Where the methods of Slack's API lie, unless a channel says otherwise.
const SLACK_API: &str = "https://slack.com/api";

/// A channel to register.
pub struct NewChannel {
    /// Its name.
    pub name: String,
    /// Hours in which what is not urgent waits.
    pub quiet: Option<Quiet>,
    /// Where it leads.
    pub way: NewWay,
}

/// Where a channel leads, with everything that is needed to get there.
#[derive(Serialize, Deserialize)]
pub enum NewWay {
    /// Mail.
    Email {
        /// `smtps://user:password@host`
        url: String,
        /// Who it comes from.
        from: String,
    },
    /// A conversation in Slack, as an app's bot.
    SlackBot {
        /// `xoxb-…`
        token: String,
        /// Id of the conversation.
        conversation: String,
        /// What Slack signs with; without it there are no buttons to decide with.
        signing_secret: Option<String>,
        /// Where the methods of the API lie, if not at Slack.
        api_url: Option<String>,
    },
    /// A conversation in Slack, by an incoming webhook.
    SlackWebhook {
        /// The webhook's URL, which is a secret.
        url: String,
    },
    /// A signed webhook; its secret is made here.
    Webhook {
        /// Where to.
        url: String,
    },
}

/// What is stored of a channel, sealed.
#[derive(Serialize, Deserialize)]
struct StoredChannel {
    way: NewWay,
    /// What webhooks are signed with.
    secret: Option<String>,
}

/// A channel opened for use.
pub(crate) enum Way {
    Email {
        server: SmtpServer,
        from: String,
    },
    Slack {
        way: slack::Way,
        signing_secret: Option<Zeroizing<String>>,
    },
    Webhook {
        target: Target,
        secret: Secret,
    },
}

impl Engine {
    /// Registers a channel. Answers the secret that its webhooks are signed with, which is shown once, and whether the
    /// answer repeats an earlier one.
    pub async fn register_channel(
        &self,
        request: &Request<'_>,
        new: NewChannel,
    ) -> Result<(Option<String>, bool), EngineError> {
        let secret = match &new.way {
            NewWay::Webhook { .. } => Some(Secret::from_bytes(crate::random::bytes::<32>()).reveal().to_string()),
            NewWay::Email { .. } | NewWay::SlackBot { .. } | NewWay::SlackWebhook { .. } => None,
        };
        let stored = StoredChannel {
            way: new.way,
            secret: secret.clone(),
        };
        let (kind, target) = self.inner.describe(&stored)?;
        let sealed = Zeroizing::new(serde_json::to_vec(&stored).map_err(EngineError::internal)?);
        let beside = Beside {
            secrets: vec![self.inner.vault.seal(&request.caller.org, CHANNEL, &new.name, &sealed)],
            ..Beside::default()
        };
        let command = Command::RegisterChannel(Box::new(ChannelRegistered {
            channel: new.name,
            kind,
            quiet: new.quiet,
            target,
        }));
        let envelope = request.envelope(command);
        let done = self.perform(Lane::Write, &request.caller.org, envelope, beside).await?;
        let replayed = done.replayed.is_some();
        Ok((secret.filter(|_| !replayed), replayed))
    }

    /// Removes a channel and its secrets.
    pub async fn remove_channel(&self, request: &Request<'_>, name: &str) -> Result<(), EngineError> {
        let gone = SealedSecret {
            id: name.to_owned(),
            kind: CHANNEL,
            sealed: Vec::new(),
        };
        let beside = Beside {
            secrets: vec![gone],
            ..Beside::default()
        };
        let envelope = request.envelope(Command::RemoveChannel(name.to_owned()));
        self.perform(Lane::Write, &request.caller.org, envelope, beside)
            .await
            .map(drop)
    }

    /// Sends a notice again. Answers whether that repeats an earlier answer.
    pub async fn resend_notice(&self, request: &Request<'_>, id: NoticeId) -> Result<bool, EngineError> {
        let envelope = request.envelope(Command::ResendNotice(id));
        let done = self
            .perform(Lane::Write, &request.caller.org, envelope, Beside::default())
            .await?;
        self.inner.effects_wanted.notify_one();
        Ok(done.replayed.is_some())
    }
}

impl Inner {
    /// A registered channel, opened for use.
    pub(crate) fn way(&self, org: &Org, name: &str) -> Result<Way, EngineError> {
        let sealed = self.store.secret(org, CHANNEL, name)?;
        let sealed = sealed.ok_or_else(|| Refusal::missing("channel", name))?;
        let opened = self
            .vault
            .open(org, CHANNEL, name, &sealed)
            .map_err(EngineError::internal)?;
        let stored: StoredChannel = serde_json::from_slice(&opened).map_err(EngineError::internal)?;
        Ok(self.open(stored)?)
    }

    /// What a channel is and where it leads, without its secrets.
    fn describe(&self, stored: &StoredChannel) -> Result<(ChannelKind, String), EngineError> {
        let copy = serde_json::to_value(stored).and_then(serde_json::from_value);
        let target = match (self.open(copy.map_err(EngineError::internal)?)?, &stored.way) {
            (Way::Email { server, .. }, _) => (ChannelKind::Email, server.place()),
            (Way::Webhook { target, .. }, _) => (ChannelKind::Webhook, target.as_str().to_owned()),
            (Way::Slack { .. }, NewWay::SlackBot { conversation, .. }) => (ChannelKind::Slack, conversation.clone()),
            // The path of an incoming webhook is its secret.
            (Way::Slack { .. }, _) => (ChannelKind::Slack, "incoming webhook".to_owned()),
        };
        if !self.redactor.redact_text(&target.1, &Kinds::all()).found.is_empty() {
            return Err(refused("its address holds personal or secret data, and addresses are kept").into());
        }
        Ok(target)
    }

    fn open(&self, stored: StoredChannel) -> Result<Way, Refusal> {
        let allowed = &self.settings.callbacks;
        let target = |url: &str| Target::parse(url, allowed).map_err(refused);
        Ok(match stored.way {
            NewWay::Email { url, from } => {
                let url = Zeroizing::new(url);
                if !is_mailbox(&from) {
                    return Err(refused(
                        "`from` is an address such as `Countersign <countersign@example.com>`",
                    ));
                }
                Way::Email {
                    server: SmtpServer::parse(&url, allowed).map_err(refused)?,
                    from,
                }
            }
            NewWay::SlackBot {
                token,
                conversation,
                signing_secret,
                api_url,
            } => {
                let token = Zeroizing::new(token);
                let api = api_url.as_deref().unwrap_or(SLACK_API).trim_end_matches('/');
                let word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
                if !word(&conversation) || !token.bytes().all(|b| b.is_ascii_graphic()) {
                    return Err(refused(
                        "a bot has a token such as `xoxb-…` and the id of a conversation such as `C0123456789`",
                    ));
                }
                Way::Slack {
                    way: slack::Way::Bot {
                        post: target(&format!("{api}/chat.postMessage"))?,
                        update: target(&format!("{api}/chat.update"))?,
                        token,
                        channel: conversation,
                    },
                    signing_secret: signing_secret.map(Zeroizing::new),
                }
            }
            NewWay::SlackWebhook { url } => Way::Slack {
                way: slack::Way::Incoming(target(&url)?),
                signing_secret: None,
            },
            NewWay::Webhook { url } => {
                let secret = stored.secret.as_deref().and_then(|text| Secret::parse(text).ok());
                Way::Webhook {
                    target: target(&url)?,
                    secret: secret.ok_or_else(|| refused("its secret is damaged"))?,
                }
            }
        })
    }
}

fn refused(why: impl std::fmt::Display) -> Refusal {
    Refusal::invalid("channel_refused", format!("this channel cannot be used: {why}"))
        .hint("use public hosts with TLS, or start the server with --allow-callbacks-to HOST:PORT")
}
