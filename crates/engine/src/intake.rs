//! From a request's bytes to a command: parsed once, redacted once, hashed once, before the sequencer sees it.

use std::sync::Arc;

use countersign_core::action::{Received, receive};
use countersign_core::command::{Sealed, Submit};
use countersign_core::digest::{Digest, DigestKey, action_digest};
use countersign_core::policy::{Action, Snapshot, Value, json};
use countersign_core::record::{Actor, Half, Idempotency};
use countersign_core::redact::Kinds;
use countersign_core::retention::{DEFAULT_CLASS, Subject, agent_subject};
use countersign_core::stored::{about, attempt, store_action, store_value};
use countersign_core::{Command, Envelope, Refusal};
use countersign_notify::Target;
use countersign_store::Org;

use crate::auth::Caller;
use crate::error::EngineError;
use crate::{Engine, Inner, OrgHandle};

/// The largest body of a request, bytes.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// What every request that changes something brings.
pub struct Request<'a> {
    /// Who calls.
    pub caller: &'a Caller,
    /// Method and path, the scope of the idempotency key.
    pub route: &'a str,
    /// The `Idempotency-Key`, if there is one.
    pub idempotency_key: Option<&'a str>,
    /// The body, as it came.
    pub body: &'a [u8],
}

impl Request<'_> {
    /// The envelope of a command of this request.
    pub(crate) fn envelope(&self, command: Command) -> Envelope {
        Envelope {
            actor: self.caller.actor.clone(),
            kid: self.caller.kid.clone(),
            idem: self.idempotency(0),
            command,
        }
    }

    /// The idempotency of the `item`-th command of this request.
    pub(crate) fn idempotency(&self, item: u64) -> Option<Idempotency> {
        let key = self.idempotency_key?;
        let who = self.caller.kid.as_deref().unwrap_or(&self.caller.actor.id);
        let scope = [
            who.as_bytes(),
            b"\0",
            self.route.as_bytes(),
            b"\0",
            key.as_bytes(),
            &item.to_be_bytes(),
        ]
        .concat();
        let key = Digest::tagged("countersign-idempotency-v1", &[&scope]);
        Some(Idempotency {
            body: half(Digest::of(self.body)),
            key: half(key),
        })
    }
}

/// What stands in the record of a request's body: a value that nobody can make without the digest key. From a plain hash
/// what is redacted, or a password in the body, could be guessed.
pub(crate) fn without_the_body(key: &DigestKey, idem: Idempotency) -> Idempotency {
    let body = Digest::tagged("countersign-body-v1", &[key.bytes(), &idem.body.0]);
    Idempotency {
        body: half(body),
        ..idem
    }
}

fn half(digest: Digest) -> Half {
    let mut half = [0; 16];
    half.copy_from_slice(&digest.0[..16]);
    Half(half)
}

/// Parses a body as JSON within the limits of the API.
pub fn parse_body(body: &[u8]) -> Result<Value, Refusal> {
    json::parse(body, &json::Limits::default()).map_err(|error| {
        let refusal = Refusal::invalid("invalid_json", format!("the body is not JSON that we take: {error}"));
        refusal.hint("numbers have to be exact in a double; write money as a string such as \"12.50\"")
    })
}

impl Engine {
    /// Makes the command that decides an action, and what its record's actor is.
    pub(crate) fn submission(
        &self,
        handle: &OrgHandle,
        caller: &Caller,
        received: Received,
    ) -> Result<(Submit, Actor), EngineError> {
        let Received {
            action,
            agent,
            callback_url,
            accept_remedy,
        } = received;
        let (agent, actor) = self.acting_agent(caller, agent)?;
        let callback_url = callback_url.map(|url| self.callback_target(&url)).transpose()?;
        let person = (caller.actor.kind == countersign_core::ActorKind::User).then(|| caller.actor.id.clone());
        let mut submit = self.submit_for(handle, caller, agent, action);
        submit.verified = actor.verified;
        submit.person = person;
        submit.callback_url = callback_url;
        submit.accept_remedy = accept_remedy;
        Ok((submit, actor))
    }

    /// An action as its agent would ask for it by its own key.
    pub(crate) fn submit_for(
        &self,
        handle: &OrgHandle,
        caller: &Caller,
        agent: Arc<str>,
        action: countersign_core::policy::Action,
    ) -> Submit {
        let deciding = handle.deciding(&agent, action.run.as_deref());
        self.inner.submit_under(deciding, handle, &caller.org, agent, action)
    }

    /// Whose action it is. The agent is who the credential says it is; only a gateway's key names another.
    pub(crate) fn acting_agent(
        &self,
        caller: &Caller,
        named: Option<String>,
    ) -> Result<(Arc<str>, Actor), EngineError> {
        let own = caller.agent();
        match (own, named) {
            (Some(own), None) => Ok((own, caller.actor.clone())),
            (Some(own), Some(named)) if *own == *named => Ok((own, caller.actor.clone())),
            (_, Some(named)) if caller.may_act_for(&named) => {
                self.check_id("agent", &named)?;
                let actor = Actor {
                    auth: caller.actor.auth.clone(),
                    id: named.clone(),
                    kind: countersign_core::ActorKind::Agent,
                    verified: false,
                };
                Ok((named.as_str().into(), actor))
            }
            (_, Some(named)) => Err(
                Refusal::forbidden("not_your_agent", format!("this key cannot act for `{named}`"))
                    .hint("leave `agent` out; only a key with scope `act_for:…` names it")
                    .into(),
            ),
            (None, None) => Err(
                Refusal::forbidden("not_an_agent", "this key belongs to a person, not to an agent")
                    .hint("use an agent's key, or a key with scope `act_for:…` and name the `agent`")
                    .into(),
            ),
        }
    }

    /// Ids of agents, people, teams: `[a-z0-9][a-z0-9_.:/-]{0,127}`, and nothing that must not be kept.
    pub(crate) fn check_id(&self, what: &str, id: &str) -> Result<(), Refusal> {
        let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.:/-".contains(&b);
        let starts = id
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if !starts || id.len() > 128 || !id.bytes().all(fine) {
            let shown: String = id.chars().take(64).collect();
            return Err(
                Refusal::invalid("invalid_id", format!("`{shown}` is not an id of {what}"))
                    .hint("ids are 1 to 128 of a-z, 0-9, `_`, `.`, `:`, `/`, `-`, and begin with a letter or digit"),
            );
        }
        if !self.inner.redactor.redact_text(id, &Kinds::default()).found.is_empty() {
            return Err(Refusal::invalid(
                "invalid_id",
                format!("the id of {what} looks like personal or secret data"),
            ));
        }
        Ok(())
    }

    /// What redaction looks for in what belongs to an agent's actions.
    pub(crate) fn kinds(&self, handle: &OrgHandle, agent: &str) -> Kinds {
        Kinds::of(handle.live().as_deref(), agent)
    }

    /// The normalized address of a callback, if callbacks may go there and it holds nothing that must not be kept.
    pub(crate) fn callback_target(&self, url: &str) -> Result<String, Refusal> {
        let refused = |why: String| {
            Refusal::invalid(
                "callback_refused",
                format!("callbacks cannot go to this address: {why}"),
            )
            .hint("use https and a public host, or start the server with --allow-callbacks-to HOST:PORT")
        };
        let target = Target::parse(url, &self.inner.settings.callbacks).map_err(|error| refused(error.to_string()))?;
        if !self.inner.redactor.redact_text(url, &Kinds::all()).found.is_empty() {
            return Err(refused(
                "it holds personal or secret data, and addresses are kept".into(),
            ));
        }
        Ok(target.as_str().to_owned())
    }

    /// The stored form of a person's words, as the payload `{"text": …}`.
    pub(crate) fn words(&self, text: Option<&str>) -> Option<Sealed> {
        self.words_about(text, &Kinds::default())
    }

    /// The stored form of a person's words about an agent's action.
    pub(crate) fn words_about(&self, text: Option<&str>, kinds: &Kinds) -> Option<Sealed> {
        let text = text.map(str::trim).filter(|text| !text.is_empty())?;
        let value = Value::Map([("text".to_owned(), Value::from(text))].into());
        Some(self.store_foreign(&value, kinds).0)
    }

    /// The stored form of any foreign value, with what redaction replaced.
    pub(crate) fn store_foreign(
        &self,
        value: &Value,
        kinds: &Kinds,
    ) -> (Sealed, std::collections::BTreeMap<String, u32>) {
        store_value(
            value,
            &self.inner.redactor,
            kinds,
            self.inner.salts.next(),
            DEFAULT_CLASS,
        )
    }
}

/// Whom an action is about: the person for whom the agent acts, else the owner of what it touches, else the agent.
fn subject_of(key: &DigestKey, agent: &str, action: &Action) -> Subject {
    let owner = (action.resource.as_ref()).and_then(|resource| resource.owner.as_deref());
    match action.principal.as_deref().or(owner) {
        Some(name) => key.subject(name),
        None => key.subject(&agent_subject(agent)),
    }
}

/// Makes an action from a request's body.
pub(crate) fn received(body: &[u8]) -> Result<Received, Refusal> {
    receive(parse_body(body)?)
}

impl Inner {
    /// An action as its agent would ask for it, under a policy that is given: people are practised with under the live one.
    pub(crate) fn submit_under(
        &self,
        deciding: Option<Arc<Snapshot>>,
        handle: &OrgHandle,
        org: &Org,
        agent: Arc<str>,
        action: countersign_core::policy::Action,
    ) -> Submit {
        let mandate = deciding.as_ref().and_then(|deciding| deciding.mandate(&agent));
        let kinds = Kinds::of(deciding.as_deref(), &agent);
        let class = mandate.and_then(|mandate| mandate.retention()).unwrap_or(DEFAULT_CLASS);
        let digest = action_digest(&handle.keys.digest, org, &agent, &action, None);
        let salt = self.salts.next();
        let stored = store_action(&action, &digest, &self.redactor, &kinds, salt, class);
        let subject = subject_of(&handle.keys.digest, &agent, &action);
        let step = (action.step.as_deref()).map(|step| handle.keys.digest.step(&agent, action.run.as_deref(), step));
        let attempt = attempt(&stored.shown, step);
        Submit {
            verified: true,
            person: None,
            kinds,
            agent,
            action,
            digest,
            stored: about(stored.sealed, subject),
            redact: stored.redact,
            shown: stored.shown,
            attempt,
            callback_url: None,
            accept_remedy: false,
            practice: false,
        }
    }
}
