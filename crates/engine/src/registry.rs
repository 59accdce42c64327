//! Agents, people, keys, kill switches, alerts, receivers of callbacks.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_core::command::Sealed;
use countersign_core::event::{AgentRegistered, Event, KeyIssued, Scope, UserAdded};
use countersign_core::ids::{AlertId, DeliveryId, ReceiverId};
use countersign_core::key::ApiKey;
use countersign_core::policy::Value;
use countersign_core::record::ActorKind;
use countersign_core::redact::Kinds;
use countersign_core::state::Kill;
use countersign_core::{Command, Refusal, Span, Time};
use countersign_store::SealedSecret;

use crate::auth::{Caller, NewKey, StoredKey};
use crate::error::EngineError;
use crate::inbox::Lane;
use crate::intake::Request;
use crate::ledger::Beside;
use crate::{Engine, blocking};

/// What a key may be used for. Agents' keys decide, report and redeem for themselves without naming a scope.
pub const SCOPES: [&str; 3] = ["redeem", "outcome", "credential"];

/// A person to add or to change.
pub struct NewUser {
    /// Id.
    pub id: String,
    /// Name and address: personal, so they are kept beside the ledger.
    pub name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Id of the person's Slack account.
    pub slack_id: Option<String>,
    /// What the person may do in Countersign.
    pub roles: Vec<String>,
    /// Whom the person reports to.
    pub manager: Option<String>,
    /// The person's time zone, IANA.
    pub zone: Option<String>,
    /// The person's teams.
    pub teams: Vec<String>,
    /// What the person answers for.
    pub duties: Vec<String>,
}

/// What was registered, and the key that is shown once.
pub struct Registered {
    /// The key; `None` in a repetition.
    pub key: Option<NewKey>,
    /// The answer repeats an earlier one.
    pub replayed: bool,
}

impl Engine {
    /// Registers an agent and issues its key.
    pub async fn register_agent(
        &self,
        request: &Request<'_>,
        agent: AgentRegistered,
    ) -> Result<Registered, EngineError> {
        self.check_agent(&agent)?;
        let (key, issued, secret) = self.new_key(request.caller, ActorKind::Agent, &agent.agent, &[], None)?;
        let command = Command::RegisterAgent(Box::new(agent), Some(Box::new(issued)));
        self.register(request, command, Some((key, secret))).await
    }

    /// Changes the particulars of a registered agent.
    pub async fn change_agent(&self, request: &Request<'_>, agent: AgentRegistered) -> Result<(), EngineError> {
        self.check_agent(&agent)?;
        self.register(request, Command::RegisterAgent(Box::new(agent), None), None)
            .await
            .map(drop)
    }

    fn check_agent(&self, agent: &AgentRegistered) -> Result<(), Refusal> {
        self.check_id("an agent", &agent.agent)?;
        self.check_id("an owner", &agent.owner)?;
        if let Some(team) = &agent.team {
            self.check_id("a team", team)?;
        }
        for (name, text) in &agent.labels {
            let fine = !name.is_empty()
                && name.len() <= 64
                && name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            if !fine || text.len() > 256 || agent.labels.len() > 32 {
                return Err(Refusal::invalid(
                    "invalid_label",
                    "labels have names of a-z, 0-9, `_` and texts up to 256 bytes, 32 at most",
                ));
            }
            if !self
                .inner
                .redactor
                .redact_text(text, &Default::default())
                .found
                .is_empty()
            {
                return Err(Refusal::invalid(
                    "invalid_label",
                    format!("label `{name}` looks like personal or secret data"),
                ));
            }
        }
        Ok(())
    }

    /// Adds a person and issues a key for them.
    pub async fn add_user(&self, request: &Request<'_>, user: NewUser) -> Result<Registered, EngineError> {
        self.check_slack_id(&request.caller.org, &user).await?;
        self.check_address(&request.caller.org, &user).await?;
        let (added, profile) = self.user(&request.caller.org, user)?;
        let (key, issued, secret) = self.new_key(request.caller, ActorKind::User, &added.user, &[], None)?;
        let command = Command::PutUser(Box::new(added), profile, Some(Box::new(issued)));
        self.register(request, command, Some((key, secret))).await
    }

    /// Changes a person's rights.
    pub async fn change_user(&self, request: &Request<'_>, user: NewUser) -> Result<(), EngineError> {
        let (id, caller) = (user.id.clone(), request.caller);
        let known = self
            .look(&caller.org, move |state| state.users().contains_key(&id))
            .await?;
        if !known {
            return Err(Refusal::missing("user", &user.id).into());
        }
        self.check_slack_id(&caller.org, &user).await?;
        self.check_address(&caller.org, &user).await?;
        let (added, profile) = self.user(&request.caller.org, user)?;
        self.register(request, Command::PutUser(Box::new(added), profile, None), None)
            .await
            .map(drop)
    }

    fn user(&self, org: &Arc<str>, user: NewUser) -> Result<(UserAdded, Option<Sealed>), EngineError> {
        self.check_id("a person", &user.id)?;
        for name in user.teams.iter().chain(&user.duties) {
            self.check_id("a team or duty", name)?;
        }
        let fields = [
            ("name", user.name.as_deref()),
            ("email", user.email.as_deref()),
            ("slack_id", user.slack_id.as_deref()),
        ];
        let profile = self.sealed_profile(org, &user.id, &fields)?;
        let sorted = |mut names: Vec<String>| {
            names.sort();
            names.dedup();
            names
        };
        let added = UserAdded {
            duties: sorted(user.duties),
            manager: user.manager,
            roles: sorted(user.roles),
            teams: sorted(user.teams),
            user: user.id,
            zone: user.zone,
        };
        Ok((added, profile))
    }

    /// What is kept of a person beside the ledger; nothing where there is nothing.
    pub(crate) fn sealed_profile(
        &self,
        org: &Arc<str>,
        user: &str,
        fields: &[(&str, Option<&str>)],
    ) -> Result<Option<Sealed>, EngineError> {
        let known = fields.iter().filter_map(|(name, text)| Some((name, (*text)?)));
        let profile: BTreeMap<_, _> = known
            .map(|(name, text)| ((*name).to_owned(), Value::from(text)))
            .collect();
        let subject = self.inner.org(org)?.keys.digest.subject(user);
        Ok((!profile.is_empty()).then(|| {
            let stored = self.store_foreign(&Value::Map(profile), &Kinds::default()).0;
            countersign_core::stored::about(stored, subject)
        }))
    }

    /// Removes a person; the person's keys end with it.
    pub async fn remove_user(&self, request: &Request<'_>, user: String) -> Result<(), EngineError> {
        let envelope = request.envelope(Command::RemoveUser(user));
        self.perform(Lane::Urgent, &request.caller.org, envelope, Beside::default())
            .await
            .map(drop)
    }

    /// Issues another key.
    pub async fn issue_key(
        &self,
        request: &Request<'_>,
        kind: ActorKind,
        subject: &str,
        scopes: &[String],
        days: Option<u32>,
    ) -> Result<Registered, EngineError> {
        let pattern = |scope: &str| {
            scope.strip_prefix("act_for:").is_some_and(|pattern| {
                let bare = pattern.strip_suffix('*').unwrap_or(pattern);
                bare.is_empty() && pattern == "*" || self.check_id("an agent", bare).is_ok()
            })
        };
        if let Some(scope) = scopes
            .iter()
            .find(|scope| !SCOPES.contains(&scope.as_str()) && !pattern(scope))
        {
            return Err(Refusal::invalid("unknown_scope", format!("`{scope}` is not a scope"))
                .hint(format!(
                    "scopes are {} and `act_for:<agent>` or `act_for:<prefix>*`",
                    SCOPES.join(", ")
                ))
                .into());
        }
        let (key, issued, secret) = self.new_key(request.caller, kind, subject, scopes, days)?;
        self.register(request, Command::IssueKey(Box::new(issued)), Some((key, secret)))
            .await
    }

    /// Revokes a key.
    pub async fn revoke_key(&self, request: &Request<'_>, kid: String) -> Result<(), EngineError> {
        let envelope = request.envelope(Command::RevokeKey(kid));
        self.perform(Lane::Urgent, &request.caller.org, envelope, Beside::default())
            .await
            .map(drop)
    }

    async fn register(
        &self,
        request: &Request<'_>,
        command: Command,
        key: Option<(NewKey, SealedSecret)>,
    ) -> Result<Registered, EngineError> {
        let (key, secret) = key.unzip();
        let beside = Beside {
            secrets: secret.into_iter().collect(),
            ..Beside::default()
        };
        let done = self
            .perform(Lane::Write, &request.caller.org, request.envelope(command), beside)
            .await?;
        let replayed = done.replayed.is_some();
        Ok(Registered {
            key: key.filter(|_| !replayed),
            replayed,
        })
    }

    /// A fresh key: its text, its record, its sealed hash.
    pub(crate) fn new_key(
        &self,
        caller: &Caller,
        kind: ActorKind,
        subject: &str,
        scopes: &[String],
        days: Option<u32>,
    ) -> Result<(NewKey, KeyIssued, SealedSecret), EngineError> {
        let days = days.or(self.inner.settings.key_days);
        let expires = days.map(|days| self.inner.clock.read().now + Span::hours(24 * i64::from(days)));
        self.key_until(&caller.org, kind, subject, scopes, expires)
    }

    /// A fresh key that ends at a stated time.
    pub(crate) fn key_until(
        &self,
        org: &Arc<str>,
        kind: ActorKind,
        subject: &str,
        scopes: &[String],
        expires: Option<Time>,
    ) -> Result<(NewKey, KeyIssued, SealedSecret), EngineError> {
        let word = match kind {
            ActorKind::Agent => "agent",
            ActorKind::User | ActorKind::Operator | ActorKind::System => "user",
        };
        let key = ApiKey::from_random(word, &crate::random::bytes::<40>());
        let hash = key.hash();
        let stored = StoredKey {
            hash,
            kind,
            subject: subject.to_owned(),
            scopes: scopes.to_vec(),
            expires,
        };
        let stored = serde_json::to_vec(&stored).map_err(EngineError::internal)?;
        let secret = self.inner.vault.seal(org, "api_key", &key.kid, &stored);
        let issued = KeyIssued {
            expires,
            fingerprint: hash.to_string().chars().take(16).collect(),
            kid: key.kid.clone(),
            kind,
            scopes: scopes.to_vec(),
            subject: subject.to_owned(),
        };
        Ok((
            NewKey {
                kid: key.kid.clone(),
                text: key.reveal(),
            },
            issued,
            secret,
        ))
    }

    /// Engages a kill switch.
    /// Answers the switch as it is engaged, or was when this same request engaged it; and whether it was a repetition.
    pub async fn kill(
        &self,
        request: &Request<'_>,
        scope: Scope,
        reason: Option<&str>,
    ) -> Result<(Kill, bool), EngineError> {
        self.check_scope(&scope)?;
        let command = Command::Kill {
            scope: scope.clone(),
            reason: self.words(reason),
        };
        let envelope = request.envelope(command);
        let done = self
            .perform(Lane::Urgent, &request.caller.org, envelope, Beside::default())
            .await?;
        let wanted = scope.clone();
        let org = &request.caller.org;
        let engaged = self.look(org, move |state| {
            state.kills().find(|kill| kill.scope == wanted).cloned()
        });
        let engaged = engaged.await.map_err(EngineError::recorded)?;
        // A repetition is told what its record says: the switch may have been released since, also by somebody who was
        // faster than the first answer.
        if let Some(kill) = engaged.filter(|_| done.replayed.is_none()) {
            return Ok((kill, false));
        }
        let seq = done.entries.first().map(|entry| entry.record.seq).or(done.replayed);
        let seq = seq.ok_or_else(|| Refusal::conflict("not_killed", "the kill switch was released meanwhile"))?;
        let (inner, name) = (self.inner.clone(), org.clone());
        let record = blocking(move || inner.record(&name, seq))
            .await
            .map_err(EngineError::recorded)?;
        let kill = Kill {
            by: record.actor.id.clone(),
            since: record.ts,
            scope,
            release_requested_by: None,
        };
        Ok((kill, done.replayed.is_some()))
    }

    pub(crate) fn check_scope(&self, scope: &Scope) -> Result<(), Refusal> {
        match scope {
            Scope::Agent(name) | Scope::Class(name) | Scope::Run(name) | Scope::Team(name) | Scope::Tool(name)
                if name.is_empty() || name.len() > 128 =>
            {
                Err(Refusal::invalid("invalid_id", "the name has 1 to 128 bytes"))
            }
            Scope::Agent(_)
            | Scope::Class(_)
            | Scope::Organization
            | Scope::Run(_)
            | Scope::Team(_)
            | Scope::Tool(_) => Ok(()),
        }
    }

    /// Releases a kill switch, or asks for it where two people are needed. `true` if it is released.
    pub async fn release(
        &self,
        request: &Request<'_>,
        scope: Scope,
        reason: &str,
    ) -> Result<(bool, bool), EngineError> {
        let Some(reason) = self.words(Some(reason)) else {
            return Err(Refusal::invalid("reason_required", "releasing a kill switch needs a reason").into());
        };
        let envelope = request.envelope(Command::Release {
            scope: scope.clone(),
            reason: Some(reason),
        });
        let done = self
            .perform(Lane::Write, &request.caller.org, envelope, Beside::default())
            .await?;
        let released = self.look(&request.caller.org, move |state| {
            !state.kills().any(|kill| kill.scope == scope)
        });
        let released = released.await.map_err(EngineError::recorded)?;
        Ok((released, done.replayed.is_some()))
    }

    /// Takes note of an alert. Answers whether that repeats an earlier answer.
    pub async fn acknowledge(&self, request: &Request<'_>, alert: AlertId) -> Result<bool, EngineError> {
        let envelope = request.envelope(Command::AcknowledgeAlert(alert));
        self.perform(Lane::Write, &request.caller.org, envelope, Beside::default())
            .await
            .map(|done| done.replayed.is_some())
    }

    /// Registers a receiver of callbacks and answers its id and secret, which is shown once.
    pub async fn register_receiver(
        &self,
        request: &Request<'_>,
        url: &str,
    ) -> Result<(ReceiverId, Option<String>), EngineError> {
        let url = self.callback_target(url)?;
        let secret = countersign_notify::Secret::from_bytes(crate::random::bytes::<32>());
        // The id is made by the core, so the secret lies under the address, which is as unique.
        let sealed = self
            .inner
            .vault
            .seal(&request.caller.org, "webhook", &url, secret.reveal().as_bytes());
        let beside = Beside {
            secrets: vec![sealed],
            ..Beside::default()
        };
        let envelope = request.envelope(Command::RegisterReceiver { url: url.clone() });
        let done = self.perform(Lane::Write, &request.caller.org, envelope, beside).await?;
        match (done.entries.first().map(|entry| &entry.record.event), done.replayed) {
            (Some(Event::CallbackRegistered(e)), _) => Ok((e.receiver, Some(secret.reveal().to_string()))),
            (_, Some(_)) => {
                let known = self.look(&request.caller.org, move |state| {
                    state
                        .receivers()
                        .iter()
                        .find(|(_, known)| **known == url)
                        .map(|(id, _)| *id)
                });
                let id = known
                    .await?
                    .ok_or_else(|| Refusal::missing("receiver", "at this address"))?;
                Ok((id, None))
            }
            _other => Err(EngineError::internal("a registration left no record")),
        }
    }

    /// Removes a receiver of callbacks.
    pub async fn remove_receiver(&self, request: &Request<'_>, id: ReceiverId) -> Result<(), EngineError> {
        let envelope = request.envelope(Command::RemoveReceiver(id, "requested"));
        self.perform(Lane::Write, &request.caller.org, envelope, Beside::default())
            .await
            .map(drop)
    }

    /// Sends a callback again.
    pub async fn resend(&self, request: &Request<'_>, id: DeliveryId) -> Result<bool, EngineError> {
        let envelope = request.envelope(Command::Resend(id));
        let done = self
            .perform(Lane::Write, &request.caller.org, envelope, Beside::default())
            .await?;
        self.inner.effects_wanted.notify_one();
        Ok(done.replayed.is_some())
    }

    /// A person's profile, from beside the ledger.
    pub async fn profile(&self, org: &Arc<str>, seq: u64) -> Result<serde_json::Value, EngineError> {
        let (inner, org) = (self.inner.clone(), org.clone());
        crate::blocking(move || inner.json_payload(&org, seq)).await
    }
}
