//! What comes back from Slack: somebody pressed a button of a message.
//!
//! A button shows nothing about who may press it. Slack's signature says that the press is Slack's, the profile whose
//! `slack_id` it names says which person of the organization it was, and the vote is then cast like any other: for exactly
//! what the message showed, and counted only if that person may decide.

use std::sync::Arc;

use countersign_api::ApprovalAnswer;
use countersign_core::command::Via;
use countersign_core::digest::Digest;
use countersign_core::event::Verb;
use countersign_core::ids::ApprovalId;
use countersign_core::record::{Actor, ActorKind};
use countersign_core::{Refusal, Time};
use countersign_notify::{Sender, Target, What, slack};
use countersign_policy::{Assurance, Snapshot};
use countersign_store::Org;
use serde_json::Value;

use crate::approvals::VoteRequest;
use crate::auth::Caller;
use crate::channels::Way;
use crate::error::EngineError;
use crate::intake::Request;
use crate::registry::NewUser;
use crate::{Engine, blocking};

/// A request that says that it is Slack's.
pub struct FromSlack<'a> {
    /// The organization.
    pub org: &'a str,
    /// The channel.
    pub channel: &'a str,
    /// When it was signed.
    pub timestamp: &'a str,
    /// The signature.
    pub signature: &'a str,
    /// The form, as it came.
    pub body: &'a [u8],
    /// Method and path.
    pub route: &'a str,
}

/// What a button carries, read.
struct Shown {
    approval: ApprovalId,
    digest: Digest,
    snapshot: String,
}

impl Shown {
    fn of(value: &str) -> Option<Shown> {
        let mut parts = value.split(' ');
        Some(Shown {
            approval: parts.next()?.parse().ok()?,
            digest: parts.next()?.parse().ok()?,
            snapshot: parts.next()?.to_owned(),
        })
    }
}

impl Engine {
    /// Carries out what somebody pressed, and answers the message that says what came of it. The same goes to the
    /// response URL that Slack names, which is what people see.
    ///
    /// # Errors
    ///
    /// The request is not Slack's, or is no press of a button.
    pub async fn from_slack(&self, request: &FromSlack<'_>) -> Result<Value, EngineError> {
        let now = self.inner.clock.read().now;
        let org = self.signed_by_slack(request, now).await?;
        let pressed = slack::interaction(request.body).ok_or_else(|| {
            Refusal::invalid("invalid_value", "this is no press of a button")
                .hint("set this address as the app's request URL for interactivity")
        })?;
        if pressed.action != slack::APPROVE {
            return Ok(serde_json::json!({}));
        }
        let message = match Shown::of(&pressed.value) {
            Some(shown) => self.approve(&org, request, &pressed, shown).await?,
            None => slack::whisper("This button is damaged: open the request in Countersign."),
        };
        if let Some(url) = pressed.response_url {
            self.respond(&url, message.clone(), now);
        }
        Ok(message)
    }

    /// The organization, if the channel's secret signed the request.
    async fn signed_by_slack(&self, request: &FromSlack<'_>, now: Time) -> Result<Org, EngineError> {
        // Whatever is wrong, a stranger learns only that it is.
        let stranger = || EngineError::Unauthenticated("the request is not signed by Slack for this channel".into());
        let (inner, org, channel) = (self.inner.clone(), Org::from(request.org), request.channel.to_owned());
        let name = org.clone();
        let way = blocking(move || {
            inner.org(&name)?;
            inner.way(&name, &channel)
        });
        let secret = match way.await {
            Ok(Way::Slack {
                signing_secret: Some(secret),
                ..
            }) => secret,
            Ok(_) | Err(EngineError::Refused(_)) => return Err(stranger()),
            Err(error) => return Err(error),
        };
        slack::verify(
            &secret,
            request.timestamp,
            request.signature,
            request.body,
            now.unix_seconds(),
        )
        .map_err(|_| stranger())?;
        Ok(org)
    }

    async fn approve(
        &self,
        org: &Org,
        request: &FromSlack<'_>,
        pressed: &slack::Interaction,
        shown: Shown,
    ) -> Result<Value, EngineError> {
        let Some(caller) = self.person_of_slack(org, &pressed.user).await? else {
            return Ok(slack::whisper(
                "Countersign does not know you by this Slack account, so nothing was decided. Ask an admin to enter your \
                 Slack id in your profile.",
            ));
        };
        let (user, now) = (caller.actor.id.clone(), self.inner.clock.read().now);
        if self.look(org, move |state| state.is_locked_out(&user, now)).await? {
            return Ok(slack::whisper(
                "Your keys were revoked, so nothing was decided. Ask an admin for a new one.",
            ));
        }
        if !self.is_low(org, shown.approval).await? {
            return Ok(slack::whisper(
                "This request wants more assurance than Slack gives: open it in Countersign.",
            ));
        }
        // A press that Slack sends twice is one vote.
        let voting = Request {
            caller: &caller,
            route: request.route,
            idempotency_key: Some(&pressed.trigger),
            body: pressed.value.as_bytes(),
        };
        let vote = VoteRequest {
            verb: Verb::Approve,
            comment: None,
            to: None,
            digest: shown.digest,
            snapshot: shown.snapshot,
            // A message is no reading of the request: what is risky is not approved from here.
            presentation: None,
            set: None,
            via: Some(Via {
                channel: request.channel.to_owned(),
                link: None,
            }),
            assertion: None,
        };
        Ok(match self.vote(&voting, shown.approval, vote).await {
            Ok((answer, _)) => self.after_vote(&caller, &answer),
            Err(EngineError::Refused(refusal)) => slack::whisper(&format!("Nothing was decided: {}", refusal.detail)),
            Err(error) => return Err(error),
        })
    }

    /// What the person sees after the vote.
    fn after_vote(&self, caller: &Caller, answer: &ApprovalAnswer) -> Value {
        let own = answer.votes.iter().rev().find(|vote| vote.user == caller.actor.id);
        if let Some(why) = own
            .filter(|vote| !vote.counted)
            .and_then(|vote| vote.not_counted.as_ref())
        {
            return slack::whisper(&format!("Your vote is on record and does not count: {why}."));
        }
        let open = matches!(
            answer.state.as_str(),
            "pending" | "clarifying" | "held" | "needs_evidence"
        );
        let what = if open { What::Opened } else { What::Resolved };
        let notice = self.notice(&answer.id, what, answer);
        let approve = crate::notices::approve_value(answer).filter(|_| open);
        slack::in_place(slack::message(&notice, approve.as_deref()))
    }

    /// People whose profiles name this Slack account, with their roles.
    async fn people_of_slack(&self, org: &Org, slack_id: &str) -> Result<Vec<(String, Vec<String>)>, EngineError> {
        let slack_id = slack_id.to_owned();
        self.people_whose(org, "slack_id", move |known| known == slack_id).await
    }

    /// The person whose profile names this Slack account. Of one that several people claim nobody can say whose it is.
    async fn person_of_slack(&self, org: &Org, slack_id: &str) -> Result<Option<Caller>, EngineError> {
        let mut found = self.people_of_slack(org, slack_id).await?;
        let only = found.pop().filter(|_| found.is_empty());
        Ok(only.map(|(id, roles)| Caller {
            org: org.clone(),
            actor: Actor {
                auth: "slack".into(),
                id,
                kind: ActorKind::User,
                verified: true,
            },
            kid: None,
            scopes: Arc::new([]),
            roles: roles.into(),
        }))
    }

    /// Whether a Slack account is free for a person: nobody else has it.
    pub(crate) async fn check_slack_id(&self, org: &Org, user: &NewUser) -> Result<(), EngineError> {
        let Some(slack_id) = &user.slack_id else { return Ok(()) };
        let found = self.people_of_slack(org, slack_id).await?;
        match found.iter().find(|(id, _)| *id != user.id) {
            Some((other, _)) => {
                let detail = format!("`{other}` has this Slack account already");
                Err(Refusal::conflict("slack_id_taken", detail)
                    .hint("take it from that person's profile first")
                    .into())
            }
            None => Ok(()),
        }
    }

    /// Whether an open request takes routes, all of which are content with the assurance that Slack gives. One that is over is
    /// left to the vote, which says so.
    async fn is_low(&self, org: &Org, approval: ApprovalId) -> Result<bool, EngineError> {
        let live = self.inner.org(org)?.live();
        let routes = self.look(org, move |state| {
            let open = state.approvals().get(&approval)?;
            let routes = open.tracks.iter().map(|track| track.rules.route.clone());
            Some(routes.collect::<Vec<_>>())
        });
        let Some(routes) = routes.await? else { return Ok(true) };
        let organization = live.as_deref().and_then(Snapshot::organization);
        let low = |route: &String| {
            let route = organization.and_then(|organization| organization.route(route));
            // Of a route that is no longer there nobody can say what it wants.
            route.is_some_and(|route| route.assurance == Assurance::Low)
        };
        // What takes no route says nothing of assurance.
        Ok(!routes.is_empty() && routes.iter().all(low))
    }

    /// Sends a message where Slack wants it. Nobody waits for it: Slack gives up on an answer after three seconds.
    fn respond(&self, url: &str, message: Value, now: Time) {
        let Ok(target) = Target::parse(url, &self.inner.settings.callbacks) else {
            tracing::warn!("the response URL of a press in Slack may not be contacted");
            return;
        };
        let way = slack::Way::Incoming(target);
        tokio::spawn(async move {
            match Sender::new() {
                Ok(sender) => {
                    let posted = sender.slack(&way, &message, None, now.unix_seconds()).await;
                    tracing::debug!(attempt = ?posted.attempt, "answered a press in Slack");
                }
                Err(error) => tracing::warn!(%error, "a press in Slack could not be answered"),
            }
        });
    }
}
