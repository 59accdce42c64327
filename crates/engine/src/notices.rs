//! Notices that are due are told to people. At least once, driven from the ledger, like callbacks.

#[cfg(feature = "simulation")]
mod simulated;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use countersign_api::ApprovalAnswer;
use countersign_api::convert::approval_url;
use countersign_core::event::{NoticeAttempted, NoticeKind, NoticeResult};
use countersign_core::ids::NoticeId;
use countersign_core::state::PendingNotice;
use countersign_core::{Command, Refusal, Span, State, Time};
use countersign_notify::{Attempt, Ed25519Key, Keys, Message, Notice, Sender, What, schedule, slack};
use countersign_store::Org;

use crate::auth::Caller;
use crate::channels::Way;
use crate::error::EngineError;
use crate::inbox::Lane;
use crate::ledger::Beside;
use crate::nodes::Work;
use crate::{Engine, OrgHandle, blocking, by_system};

/// How many notices of one organization are on their way at once.
const AT_ONCE: usize = 64;

/// A notice that is due, with what the state knows about it.
struct Due {
    id: NoticeId,
    pending: PendingNotice,
    /// Nobody has decided yet.
    open: bool,
    /// Index of the record whose payload is the profile of whoever is told.
    profile: Option<u64>,
    /// By what earlier messages can be updated.
    messages: Vec<String>,
}

/// How a try went.
struct Tried {
    result: NoticeResult,
    detail: String,
    retry_after: Option<std::time::Duration>,
    reference: Option<String>,
}

impl Tried {
    fn skipped(why: impl Into<String>) -> Tried {
        Tried {
            result: NoticeResult::Skipped,
            detail: why.into(),
            retry_after: None,
            reference: None,
        }
    }
}

impl From<Attempt> for Tried {
    fn from(attempt: Attempt) -> Self {
        let (result, detail, retry_after) = match attempt {
            Attempt::Delivered { status } => (NoticeResult::Delivered, format!("answered {status}"), None),
            Attempt::Retry { reason, retry_after } => (NoticeResult::Retrying, reason.to_string(), retry_after),
            Attempt::Refused { reason } => (NoticeResult::Retrying, reason.to_string(), None),
            Attempt::Rejected { reason } => (NoticeResult::Dead, reason.to_string(), None),
            Attempt::Gone => (
                NoticeResult::Dead,
                "answered 410: the receiver is gone".to_owned(),
                None,
            ),
        };
        Tried {
            result,
            detail,
            retry_after,
            reference: None,
        }
    }
}

impl Engine {
    /// Tells what is due in one organization.
    pub(crate) async fn tell_due(&self, org: &Org, sender: &Sender) -> Result<(), EngineError> {
        let (due, now) = self.notices_due(org).await?;
        let (inner, name, handle) = (self.inner.clone(), org.clone(), self.inner.org(org)?);
        if due.is_empty() || !blocking(move || Ok(inner.does(Work::Callbacks, &name))).await? {
            return Ok(());
        }
        let mut tasks = tokio::task::JoinSet::new();
        for together in gathered(due) {
            let (engine, org, handle, sender) = (self.clone(), org.clone(), handle.clone(), sender.clone());
            tasks.spawn(async move { engine.tell(&org, &handle, &sender, together, now).await });
        }
        while let Some(result) = tasks.join_next().await {
            if let Err(error) = result.map_err(EngineError::internal).and_then(|result| result) {
                tracing::warn!(org = &**org, %error, "a notice could not be tried");
            }
        }
        Ok(())
    }

    /// What is to be told, and now. What cannot be read is looked for again, as what waits is.
    async fn notices_due(&self, org: &Org) -> Result<(Vec<Due>, Time), EngineError> {
        let (handle, now) = (self.inner.org(org)?, self.inner.clock.read().now);
        // How a try ended could not be noted, so none is made.
        if self.inner.signer.is_barred(org) || !handle.has_notices.swap(false, Ordering::Relaxed) {
            return Ok((Vec::new(), now));
        }
        let read = self.look(org, move |state| due(state, now)).await;
        if !matches!(read, Ok((_, false))) {
            handle.has_notices.store(true, Ordering::Relaxed);
        }
        Ok((read?.0, now))
    }

    /// Tells what goes to one place in one message, and notes for each notice how that went.
    async fn tell(
        &self,
        org: &Org,
        handle: &Arc<OrgHandle>,
        sender: &Sender,
        together: Vec<Due>,
        now: Time,
    ) -> Result<(), EngineError> {
        let (timely, late): (Vec<_>, Vec<_>) =
            (together.into_iter()).partition(|due| due.open || ends(due.pending.kind));
        for due in late {
            let tried = Tried::skipped("the request has ended");
            self.note(org, &due, &tried, now).await?;
        }
        if timely.is_empty() {
            return Ok(());
        }
        // What cannot be made now is tried again like what cannot be delivered, and ends with the dead letters.
        let tried = self.attempt_to_tell(org, handle, sender, &timely, now).await;
        let tried = tried.unwrap_or_else(|error| Tried {
            result: NoticeResult::Retrying,
            detail: error.to_string(),
            retry_after: None,
            reference: None,
        });
        for due in timely {
            self.note(org, &due, &tried, now).await?;
        }
        Ok(())
    }

    async fn note(&self, org: &Org, due: &Due, tried: &Tried, now: Time) -> Result<(), EngineError> {
        let attempt = due.pending.attempts + 1;
        let pause = match tried.result {
            NoticeResult::Retrying if attempt < schedule::ATTEMPTS => {
                schedule::after(attempt, u64::from_be_bytes(crate::random::bytes()), tried.retry_after)
            }
            NoticeResult::Retrying
            | NoticeResult::Delivered
            | NoticeResult::Dead
            | NoticeResult::Resent
            | NoticeResult::Skipped => None,
        };
        let exhausted = tried.result == NoticeResult::Retrying && pause.is_none();
        let noted = NoticeAttempted {
            attempt,
            detail: tried.detail.clone(),
            next: pause.map(|pause| now + Span(i64::try_from(pause.as_micros()).unwrap_or(i64::MAX))),
            notice: due.id,
            reference: tried.reference.clone(),
            result: if exhausted { NoticeResult::Dead } else { tried.result },
        };
        let envelope = by_system(Command::NoteNotice(Box::new(noted)));
        self.perform(Lane::Write, org, envelope, Beside::default())
            .await
            .map(drop)
    }

    async fn attempt_to_tell(
        &self,
        org: &Org,
        handle: &Arc<OrgHandle>,
        sender: &Sender,
        together: &[Due],
        now: Time,
    ) -> Result<Tried, EngineError> {
        let Some(first) = together.first() else {
            return Ok(Tried::skipped("there is nothing to tell"));
        };
        let way = self.open_way(org, &first.pending.channel).await?;
        let to = self.address_of(org, first.profile).await?;
        let mut notices = Vec::new();
        let mut approve = None;
        for due in together {
            let answer = self.approval_of_action(org, due.pending.action_id).await?;
            approve = due.open.then(|| approve_value(&answer)).flatten();
            let mut notice = self.notice(&due.id.to_string(), what(due.pending.kind), &answer);
            if due.open && !ends(due.pending.kind) && matches!(way, Way::Email { .. }) && to.is_some() {
                // Without one the person decides with a key; that the ledger does not grow now keeps nobody from knowing.
                notice.decide = self.link_for(org, due.id, &due.pending).await.unwrap_or_default();
            }
            notices.push(notice);
        }
        if let (Way::Email { .. }, None) = (&way, &to) {
            let user = first.pending.user.as_deref().unwrap_or_default();
            return Ok(Tried::skipped(format!("`{user}` has no e-mail address")));
        }
        let telling = Telling {
            to: to.as_deref(),
            notices: &notices,
            approve: approve.as_deref(),
            messages: &first.messages,
            now,
        };
        Ok(telling.by(&way, sender, &handle.keys.callback).await)
    }

    async fn open_way(&self, org: &Org, channel: &str) -> Result<Way, EngineError> {
        let (inner, org, channel) = (self.inner.clone(), org.clone(), channel.to_owned());
        blocking(move || inner.way(&org, &channel)).await
    }

    /// The e-mail address that a profile holds.
    pub(crate) async fn address_of(&self, org: &Org, profile: Option<u64>) -> Result<Option<String>, EngineError> {
        let Some(seq) = profile else { return Ok(None) };
        let profile = self.profile(org, seq).await?;
        Ok(profile.get("email").and_then(|email| email.as_str()).map(str::to_owned))
    }

    /// What people are told about a request as it stands.
    pub(crate) fn notice(&self, id: &str, what: What, answer: &ApprovalAnswer) -> Notice {
        let distinct = |words: Vec<String>| {
            let mut seen = Vec::new();
            words.into_iter().for_each(|word| {
                if !seen.contains(&word) {
                    seen.push(word);
                }
            });
            seen
        };
        let names = answer.slots.iter().flat_map(|slot| slot.names.iter().cloned());
        let rules = answer.slots.iter().map(|slot| slot.source.clone());
        Notice {
            id: id.to_owned(),
            what,
            approval: answer.id.clone(),
            sentence: answer.sentence(),
            agent_says: said(answer),
            asked: distinct(names.collect()),
            rules: distinct(rules.collect()),
            said: (answer.votes.iter())
                .filter(|vote| vote.counted && matches!(vote.verb.as_str(), "approve" | "reject"))
                .map(|vote| format!("{}: {}", vote.user, vote.verb))
                .collect(),
            deadline: Some(answer.deadline.clone()),
            outcome: matches!(what, What::Resolved | What::GlassBroken).then(|| match &answer.why {
                Some(why) => format!("{}: {why}", answer.state),
                None => answer.state.clone(),
            }),
            decide: None,
            link: approval_url(&self.inner.settings.base_url, &answer.id),
        }
    }

    /// Sends a notice that means nothing over a channel, at once and once: by mail to whoever asks. Answers whether it
    /// was taken, and what was said.
    pub async fn test_channel(&self, caller: &Caller, name: &str) -> Result<(bool, String), EngineError> {
        let (inner, org, channel) = (self.inner.clone(), caller.org.clone(), name.to_owned());
        let person = caller.actor.id.clone();
        let known = self.look(&caller.org, move |state| {
            let profile = state.users().get(&person).and_then(|user| user.profile);
            state.channels().contains_key(&channel).then_some(profile)
        });
        let profile = known.await?.ok_or_else(|| Refusal::missing("channel", name))?;
        let handle = inner.org(&org)?;
        let way = self.open_way(&org, name).await?;
        let sender = Sender::new().map_err(EngineError::internal)?;
        let now = self.inner.clock.read().now;
        let id = format!("ntc_{}", countersign_core::digest::hex(&crate::random::bytes::<16>()));
        let notice = Notice {
            id,
            what: What::Test,
            approval: "test".into(),
            sentence: format!("`{}` tries out channel `{name}` of `{org}`", caller.actor.id),
            agent_says: None,
            asked: Vec::new(),
            rules: Vec::new(),
            said: Vec::new(),
            deadline: None,
            outcome: None,
            decide: None,
            link: self.inner.settings.base_url.clone(),
        };
        let to = self.address_of(&org, profile).await?;
        if let (Way::Email { .. }, None) = (&way, &to) {
            let detail = format!("`{}` has no e-mail address to send to", caller.actor.id);
            return Err(Refusal::conflict("no_address", detail)
                .hint("give it with `PUT /v1/users/{id}`, or test with the key of a person who has one")
                .into());
        }
        let telling = Telling {
            to: to.as_deref(),
            notices: &[notice],
            approve: None,
            messages: &[],
            now,
        };
        let tried = telling.by(&way, &sender, &handle.keys.callback).await;
        Ok((tried.result == NoticeResult::Delivered, tried.detail))
    }
}

/// What is told in one message.
struct Telling<'a> {
    /// E-mail address of whoever is told.
    to: Option<&'a str>,
    /// What is told; the first of them where a channel takes one at a time.
    notices: &'a [Notice],
    /// What a button to approve carries.
    approve: Option<&'a str>,
    /// By what earlier messages can be updated.
    messages: &'a [String],
    now: Time,
}

impl Telling<'_> {
    /// Tries once, over a channel. `seed` is that of the key which signs webhooks for those who hold no secret.
    async fn by(&self, way: &Way, sender: &Sender, seed: &[u8; 32]) -> Tried {
        let Some(notice) = self.notices.first() else {
            return Tried::skipped("there is nothing to tell");
        };
        let at_s = self.now.unix_seconds();
        match way {
            Way::Email { server, from } => match self.to {
                Some(to) => sender.mail(server, from, to, self.notices).await.into(),
                None => Tried::skipped("nobody is named"),
            },
            Way::Slack { way, signing_secret } => {
                // Without the secret nothing that comes back can be believed, so there is no button to press.
                let approve = self.approve.filter(|_| signing_secret.is_some());
                let message = slack::message(notice, approve);
                match way {
                    slack::Way::Bot { .. } if notice.what == What::Resolved => {
                        self.update_all(way, sender, &message).await
                    }
                    slack::Way::Bot { .. } | slack::Way::Incoming(_) => {
                        let posted = sender.slack(way, &message, None, at_s).await;
                        Tried {
                            reference: posted.reference,
                            ..posted.attempt.into()
                        }
                    }
                }
            }
            Way::Webhook { target, secret } => {
                let at = self.now.to_string();
                let body = serde_json::json!({ "type": "notice", "timestamp": at, "data": { "notice": notice } });
                let ed25519 = Ed25519Key::from_seed(seed);
                let keys = Keys {
                    secrets: std::slice::from_ref(secret),
                    ed25519: Some(&ed25519),
                };
                match Message::new(notice.id.as_str(), at_s, body.to_string()) {
                    Ok(message) => sender.deliver(target, &message, &keys).await.into(),
                    Err(error) => Tried::skipped(error.to_string()),
                }
            }
        }
    }

    /// Puts a message in place of each that was posted before. To do that again changes nothing.
    async fn update_all(&self, way: &slack::Way, sender: &Sender, message: &serde_json::Value) -> Tried {
        let mut tried = Tried::skipped("no message was posted that could be updated");
        for reference in self.messages {
            let posted = sender
                .slack(way, message, Some(reference), self.now.unix_seconds())
                .await;
            tried = posted.attempt.into();
            if tried.result != NoticeResult::Delivered {
                return tried;
            }
        }
        tried
    }
}

/// What is due, and whether anything waits.
fn due(state: &State, now: Time) -> (Vec<Due>, bool) {
    // A closed organization notes nothing any more, so nothing is told for it either.
    let alive = || {
        let notices = state.notices().iter();
        notices.filter(|(_, pending)| !pending.dead && !state.is_closed())
    };
    let due = alive().filter(|(_, pending)| pending.next <= now).take(AT_ONCE);
    let due = due.map(|(id, pending)| Due {
        id: *id,
        open: state.approvals().contains_key(&pending.approval),
        profile: (pending.user.as_ref())
            .and_then(|user| state.users().get(user))
            .and_then(|user| user.profile),
        messages: state.messages_about(pending.approval, &pending.channel).to_vec(),
        pending: pending.clone(),
    });
    (due.collect(), alive().next().is_some())
}

/// What waited for the end of quiet hours is told to a person in one message; everything else has its own.
fn gathered(due: Vec<Due>) -> Vec<Vec<Due>> {
    let mut together: BTreeMap<(String, String), Vec<Due>> = BTreeMap::new();
    let mut alone = Vec::new();
    for due in due {
        match &due.pending.user {
            Some(user) if due.pending.held => {
                let place = (due.pending.channel.clone(), user.clone());
                together.entry(place).or_default().push(due);
            }
            _ => alone.push(vec![due]),
        }
    }
    alone.extend(together.into_values());
    alone
}

/// Whether it is told although nobody is to decide any more.
fn ends(kind: NoticeKind) -> bool {
    matches!(kind, NoticeKind::Resolved | NoticeKind::GlassBroken)
}

fn what(kind: NoticeKind) -> What {
    match kind {
        NoticeKind::Opened => What::Opened,
        NoticeKind::StepStarted => What::StepStarted,
        NoticeKind::Reminded => What::Reminded,
        NoticeKind::Escalated => What::Escalated,
        NoticeKind::Resolved => What::Resolved,
        NoticeKind::GlassBroken => What::GlassBroken,
    }
}

/// What a button to approve carries: what a vote has to echo.
pub(crate) fn approve_value(answer: &ApprovalAnswer) -> Option<String> {
    let snapshot = answer.snapshot.as_ref()?;
    Some(format!("{} {} {snapshot}", answer.id, answer.action_digest))
}

/// What the agent says for itself: the reason in its evidence, the latest first.
fn said(answer: &ApprovalAnswer) -> Option<String> {
    let given = answer.stored.get("evidence");
    let reasons = answer.answers.iter().rev().chain(given);
    let mut reasons = reasons.filter_map(|evidence| evidence.get("reason")?.as_str());
    reasons.next().map(str::to_owned)
}

#[cfg(test)]
mod tests;
