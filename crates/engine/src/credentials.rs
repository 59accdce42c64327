//! Credentials of tools: their values lie sealed with the secrets, and one leaves only with the record that says so.

use countersign_core::command::ReleaseCredential;
use countersign_core::digest::hex;
use countersign_core::event::{CredentialReleased, CredentialStored, Event};
use countersign_core::ids::PermitId;
use countersign_core::redact::Kinds;
use countersign_core::{Command, Refusal};
use countersign_store::SealedSecret;
use zeroize::Zeroizing;

use crate::error::EngineError;
use crate::inbox::Lane;
use crate::intake::Request;
use crate::ledger::Beside;
use crate::{Engine, blocking};

/// Kind of the secrets that are credentials of tools.
const CREDENTIAL: &str = "credential";

/// A credential to store.
pub struct NewCredential {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Zeroizing<String>,
    /// Tools that it is for.
    pub tools: Vec<String>,
    /// Operations that it is for; without any, all of its tools.
    pub operations: Vec<String>,
    /// Agents for whose actions it is given out; without any, all.
    pub agents: Vec<String>,
}

/// A credential that was given out.
pub struct ReleasedCredential {
    /// What the record says of it.
    pub release: CredentialReleased,
    /// Its value.
    pub value: Zeroizing<String>,
}

/// What is sealed: the name that the record has for the value, and the value.
fn plain(secret: &str, value: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new([secret.as_bytes(), value.as_bytes()].concat())
}

/// The value of this name in what was sealed; `None` if it is another.
fn value_of(plain: &[u8], secret: &str) -> Option<Zeroizing<String>> {
    let value = std::str::from_utf8(plain.strip_prefix(secret.as_bytes())?).ok()?;
    Some(Zeroizing::new(value.to_owned()))
}

impl Engine {
    /// Stores a credential, or gives one another value. Answers its version, and whether the answer repeats an earlier
    /// one.
    pub async fn store_credential(
        &self,
        request: &Request<'_>,
        new: NewCredential,
    ) -> Result<(u64, bool), EngineError> {
        let org = &request.caller.org;
        for pattern in new.tools.iter().chain(&new.operations).chain(&new.agents) {
            if !self.inner.redactor.redact_text(pattern, &Kinds::all()).found.is_empty() {
                let detail = "a tool, operation or agent that it is for looks like personal or secret data";
                return Err(Refusal::invalid("invalid_pattern", detail).into());
            }
        }
        let secret = hex(&crate::random::bytes::<16>());
        let plain = plain(&secret, &new.value);
        let beside = Beside {
            secrets: vec![self.inner.vault.seal(org, CREDENTIAL, &new.name, &plain)],
            ..Beside::default()
        };
        let command = Command::StoreCredential(Box::new(CredentialStored {
            agents: new.agents,
            credential: new.name.clone(),
            operations: new.operations,
            secret,
            tools: new.tools,
            version: 0,
        }));
        let done = self
            .perform(Lane::Write, org, request.envelope(command), beside)
            .await?;
        let stored = done.entries.iter().find_map(|entry| match &entry.record.event {
            Event::CredentialStored(stored) => Some(stored.version),
            _other => None,
        });
        match stored {
            Some(version) => Ok((version, false)),
            None => {
                let version = self.look(org, move |state| {
                    state.credentials().get(&new.name).map_or(0, |known| known.version)
                });
                Ok((version.await.map_err(EngineError::recorded)?, true))
            }
        }
    }

    /// Removes a credential; its value is destroyed.
    pub async fn remove_credential(&self, request: &Request<'_>, name: &str) -> Result<(), EngineError> {
        let gone = SealedSecret {
            id: name.to_owned(),
            kind: CREDENTIAL,
            sealed: Vec::new(),
        };
        let beside = Beside {
            secrets: vec![gone],
            ..Beside::default()
        };
        let envelope = request.envelope(Command::RemoveCredential(name.to_owned()));
        self.perform(Lane::Urgent, &request.caller.org, envelope, beside)
            .await
            .map(drop)
    }

    /// Gives out the credential of the tool that is about to run, once for a permit that was used.
    ///
    /// The value is opened only when the record is durable. Whoever loses the answer has used it up: there is no second one.
    pub async fn release_credential(
        &self,
        request: &Request<'_>,
        token: &str,
        credential: Option<String>,
    ) -> Result<ReleasedCredential, EngineError> {
        let caller = request.caller;
        let claims = self.permit_of(&caller.org, token)?;
        let permit: PermitId = claims.jti.parse().map_err(EngineError::internal)?;
        let agent = caller
            .agent()
            .filter(|agent| **agent == *claims.sub || !caller.may_act_for(&claims.sub));
        let action = self.to_look_again(&caller.org, &claims, permit).await?;
        let ask = ReleaseCredential {
            permit,
            action: action.map(Box::new),
            agent,
            credential,
        };
        // A repetition gets no second value, so there is nothing to remember it by.
        let request = Request {
            idempotency_key: None,
            ..*request
        };
        let envelope = request.envelope(Command::ReleaseCredential(Box::new(ask)));
        let done = self
            .perform(Lane::Urgent, &caller.org, envelope, Beside::default())
            .await?;
        let release = done.entries.into_iter().find_map(|entry| match entry.record.event {
            Event::CredentialReleased(release) => Some(*release),
            _other => None,
        });
        let release = release.ok_or_else(|| EngineError::internal("a release left no record"))?;
        let (inner, org, name) = (self.inner.clone(), caller.org.clone(), release.credential.clone());
        let secret = release.secret.clone();
        let opened = blocking(move || {
            let Some(sealed) = inner.store.secret(&org, CREDENTIAL, &name)? else {
                return Ok(None);
            };
            let opened = inner.vault.open(&org, CREDENTIAL, &name, &sealed);
            Ok(value_of(&opened.map_err(EngineError::internal)?, &secret))
        });
        match opened.await.map_err(EngineError::recorded)? {
            Some(value) => Ok(ReleasedCredential { release, value }),
            None => {
                let detail = format!("credential `{}` was changed meanwhile", release.credential);
                Err(Refusal::conflict("credential_changed", detail)
                    .hint("ask for a new decision")
                    .into())
            }
        }
    }
}
