//! Signing in: a person proves who they are and gets a session, a key of theirs that ends by itself.
//!
//! A session is issued, checked and revoked as every key is: it holds on every node, over restarts, and ends everywhere at
//! once. What proves the person is a password (a hash that the instance key seals), a key of theirs, or an invitation that is
//! good once.

use std::net::IpAddr;
use std::sync::Arc;

use countersign_api::convert::page_url;
use countersign_core::event::{AuthenticatorAdded, AuthenticatorRemoved, KeyIssued};
use countersign_core::key::ApiKey;
use countersign_core::record::{Actor, ActorKind};
use countersign_core::state::{PASSWORD, SIGN_IN};
use countersign_core::{Category, Command, Envelope, Refusal, Span, Time};
use countersign_store::{Org, SealedSecret};
use zeroize::Zeroizing;

use crate::auth::{Caller, Credential, NewKey, StoredKey};
use crate::error::EngineError;
use crate::inbox::Lane;
use crate::intake::Request;
use crate::ledger::Beside;
use crate::passwords::{PASSWORD_SECRET, check_password, hash};
use crate::{Engine, blocking};

/// How long a session lasts at most.
const SESSION_HOURS: i64 = 12;
/// How long after signing in somebody without a password may change what they sign in with, minutes.
const FRESH_MINUTES: i64 = 10;
/// How long an invitation waits to be used.
const INVITATION_HOURS: i64 = 24;
/// A session that begins.
pub struct SessionOpened {
    /// The key that it is.
    pub key: NewKey,
    /// The organization.
    pub org: Org,
    /// The person.
    pub user: String,
    /// How the person signed in.
    pub how: &'static str,
    /// When it ends.
    pub expires: Time,
}

/// What is good for one session.
pub struct Invitation {
    /// Its text.
    pub text: String,
    /// The page where it is used.
    pub url: String,
    /// When it ends unused.
    pub expires: Time,
}

fn wrong() -> EngineError {
    EngineError::Unauthenticated("the name or the password is not right".into())
}

impl Engine {
    /// Signs a person in by a password. `from` is where the try comes from: too many of one place about one person wait.
    ///
    /// # Errors
    /// [`EngineError::Unauthenticated`] whatever is not right; `too_many_tries` after a few of them.
    pub async fn sign_in_by_password(
        &self,
        org: Option<&str>,
        user: &str,
        password: &str,
        from: IpAddr,
    ) -> Result<SessionOpened, EngineError> {
        let org = self.org_of_person(org).await?;
        let now = self.inner.clock.read().now;
        self.inner.tries.begin(&org, user, from, now)?;
        if !self.has_password(&org, user, password).await? {
            return Err(wrong());
        }
        self.inner.tries.worked(&org, user, from);
        self.open_session(org, user, "password", None, None).await
    }

    /// Signs a person in by a key of theirs.
    pub async fn sign_in_by_key(&self, key: &str) -> Result<SessionOpened, EngineError> {
        let caller = self.authenticate(Credential(key)).await?;
        let kid = ApiKey::parse(key).map(|key| key.kid).unwrap_or_default();
        let looked = self.look(&caller.org, move |state| {
            let key = state.keys().get(kid.as_str())?;
            Some((key.session().is_some(), key.expires))
        });
        let (is_session, expires) = looked.await?.unwrap_or((true, None));
        if caller.actor.kind != ActorKind::User || is_session {
            let why = "only a person's own key opens a session";
            return Err(Refusal::invalid("wrong_credential", why).into());
        }
        self.open_session(caller.org, &caller.actor.id, "key", expires, caller.kid)
            .await
    }

    /// Signs a person in by an invitation, which is used up by it.
    pub async fn sign_in_by_invitation(&self, text: &str) -> Result<SessionOpened, EngineError> {
        let refused = || EngineError::Unauthenticated("this invitation is not good, or not any more".into());
        let key = ApiKey::parse(text).ok_or_else(refused)?;
        let (org, stored) = self.stored_key(&key.kid).await?.ok_or_else(refused)?;
        let now = self.inner.clock.read().now;
        let over = stored.expires.is_none_or(|end| end <= now);
        if stored.hash != key.hash() || over || !stored.scopes.iter().any(|scope| scope == SIGN_IN) {
            return Err(refused());
        }
        let used = by_person(&stored.subject, "invitation", None, Command::RevokeKey(key.kid));
        match self.perform(Lane::Urgent, &org, used, Beside::default()).await {
            Ok(_) => {}
            Err(EngineError::Refused(_)) => return Err(refused()),
            Err(other) => return Err(other),
        }
        self.open_session(org, &stored.subject, "invitation", None, None).await
    }

    /// Signs in the first admin, whom whoever started the server vouches for: as long as nobody has anything to sign in with.
    pub async fn sign_in_first(&self, org: &Org, user: &str) -> Result<SessionOpened, EngineError> {
        if self.first_to_invite(org).await?.as_deref() != Some(user) {
            let why = "this invitation is not good, or not any more";
            return Err(EngineError::Unauthenticated(why.into()));
        }
        self.open_session(org.clone(), user, "invitation", None, None).await
    }

    /// Signs a person in whom an identity provider vouches for.
    pub async fn sign_in_by_provider(&self, org: Option<&str>, user: &str) -> Result<SessionOpened, EngineError> {
        let org = self.org_of_person(org).await?;
        match self.open_session(org, user, "oidc", None, None).await {
            Err(EngineError::Refused(refusal)) if refusal.category == Category::Missing => {
                let why = "the identity provider knows you, and nobody here has that id";
                Err(EngineError::Unauthenticated(why.into()))
            }
            other => other,
        }
    }

    /// Ends the session that asks for it.
    pub async fn sign_out(&self, request: &Request<'_>) -> Result<(), EngineError> {
        let Some(kid) = request.caller.kid.clone() else {
            return Ok(());
        };
        if request.caller.session().is_none() {
            let why = "this credential is no session";
            return Err(Refusal::invalid("wrong_credential", why).into());
        }
        self.revoke_key(request, kid.to_string()).await
    }

    /// Invites a person to sign in, once.
    pub async fn invite(&self, request: &Request<'_>, user: &str, reset: bool) -> Result<Invitation, EngineError> {
        let org = &request.caller.org;
        if request.caller.actor.kind == ActorKind::User && request.caller.actor.id == user {
            let why = "nobody invites themselves";
            return Err(Refusal::conflict("own_account", why).hint("another admin can").into());
        }
        if reset {
            self.take_away_all(request, user).await?;
        }
        let expires = self.inner.clock.read().now + Span::hours(INVITATION_HOURS);
        let (key, issued, secret) = self.passing_key(org, user, SIGN_IN, expires)?;
        // Repeated, it is another one: what is shown once cannot be shown again.
        let envelope = Envelope {
            idem: None,
            ..request.envelope(Command::IssueKey(Box::new(issued)))
        };
        self.perform(Lane::Write, org, envelope, beside(secret)).await?;
        Ok(Invitation {
            url: page_url(&self.inner.settings.base_url, &format!("/sign-in/{}", key.text)),
            text: key.text,
            expires,
        })
    }

    /// Takes away everything that a person signs in with, each on record.
    async fn take_away_all(&self, request: &Request<'_>, user: &str) -> Result<(), EngineError> {
        let (org, person) = (&request.caller.org, user.to_owned());
        let known = self.look(org, move |state| {
            let all = state.authenticators_of(&person);
            all.map(|(id, _)| id.to_owned()).collect::<Vec<_>>()
        });
        for authenticator in known.await? {
            let removed = AuthenticatorRemoved {
                authenticator,
                user: user.to_owned(),
            };
            let envelope = Envelope {
                idem: None,
                ..request.envelope(Command::RemoveAuthenticator(removed))
            };
            self.perform(Lane::Urgent, org, envelope, Beside::default()).await?;
        }
        Ok(())
    }

    /// Gives whoever asks another password. Every other session of theirs ends.
    pub async fn set_password(
        &self,
        request: &Request<'_>,
        password: &str,
        current: Option<&str>,
        from: IpAddr,
    ) -> Result<(), EngineError> {
        let (org, user) = (request.caller.org.clone(), request.caller.actor.id.clone());
        check_password(password, &[&user, &org])?;
        self.may_change_sign_in(request.caller, current, from).await?;
        let text = Zeroizing::new(password.to_owned());
        let hashed = blocking(move || hash(&text)).await?;
        let secret = self.inner.vault.seal(&org, PASSWORD_SECRET, &user, hashed.as_bytes());
        let added = AuthenticatorAdded {
            authenticator: PASSWORD.into(),
            passkey: None,
            user,
        };
        let envelope = request.envelope(Command::AddAuthenticator(Box::new(added)));
        self.perform(Lane::Urgent, &org, envelope, beside(secret))
            .await
            .map(drop)
    }

    /// Whether whoever asks may change what their person signs in with. A session that was found open must not be enough, nor a
    /// key that was found: who has a password says it; who has none has just signed in, by the identity provider, or, as long
    /// as there is nothing else to sign in with, by an invitation.
    pub(crate) async fn may_change_sign_in(
        &self,
        caller: &Caller,
        current: Option<&str>,
        from: IpAddr,
    ) -> Result<(), EngineError> {
        let (org, user) = (&caller.org, &caller.actor.id);
        let how = caller.session().filter(|how| *how != "key").ok_or_else(|| {
            let why = "a key does not say who holds it";
            Refusal::forbidden("wrong_credential", why)
                .hint("sign in by a password, an invitation or the identity provider")
        })?;
        if self.signs_in_by_password(org, user).await? {
            self.inner.tries.begin(org, user, from, self.inner.clock.read().now)?;
            if !self.has_password(org, user, current.unwrap_or_default()).await? {
                let why = "`current` is not your password";
                return Err(Refusal::invalid("wrong_password", why).into());
            }
            self.inner.tries.worked(org, user, from);
            return Ok(());
        }
        let (id, kid, now) = (user.clone(), caller.kid.clone(), self.inner.clock.read().now);
        let looked = self.look(org, move |state| {
            let ends = kid.and_then(|kid| state.keys().get(&kid)?.expires);
            (ends, state.authenticators_of(&id).next().is_some())
        });
        let (ends, has_others) = looked.await?;
        let fresh = ends.is_some_and(|ends| ends > now + Span::hours(SESSION_HOURS) - Span::minutes(FRESH_MINUTES));
        if !fresh {
            let why = format!("this takes a session of the last {FRESH_MINUTES} minutes");
            return Err(Refusal::forbidden("stale_session", why).hint("sign in again").into());
        }
        if how == "invitation" && has_others {
            let why = "an invitation is for whoever has nothing to sign in with";
            return Err(Refusal::forbidden("has_authenticators", why)
                .hint("have an admin take away first what is lost")
                .into());
        }
        Ok(())
    }

    /// Whether a person has a password.
    pub async fn signs_in_by_password(&self, org: &Org, user: &str) -> Result<bool, EngineError> {
        let user = user.to_owned();
        self.look(org, move |state| {
            state.authenticators_of(&user).any(|(id, _)| id == PASSWORD)
        })
        .await
    }

    /// An admin who could be invited, where nobody of the organization has anything to sign in with yet.
    pub async fn first_to_invite(&self, org: &Org) -> Result<Option<String>, EngineError> {
        let first = |state: &countersign_core::State| {
            let admins = state
                .users()
                .iter()
                .filter(|(_, user)| user.roles.iter().any(|role| role == "admin"));
            admins
                .map(|(id, _)| id.clone())
                .next()
                .filter(|_| !state.has_authenticators())
        };
        self.look(org, first).await
    }

    /// The organization that is named, or the only one.
    async fn org_of_person(&self, org: Option<&str>) -> Result<Org, EngineError> {
        let inner = self.inner.clone();
        let rows = blocking(move || Ok(inner.store.organizations()?)).await?;
        match (org, rows.as_slice()) {
            (Some(name), rows) => {
                let known = rows.iter().find(|row| *row.name == *name);
                known.map(|row| row.name.clone()).ok_or_else(wrong)
            }
            (None, [row]) => Ok(row.name.clone()),
            (None, _) => Err(
                Refusal::invalid("organization_required", "there are several organizations here")
                    .hint("say which one in `organization`")
                    .into(),
            ),
        }
    }

    async fn open_session(
        &self,
        org: Org,
        user: &str,
        how: &'static str,
        not_beyond: Option<Time>,
        kid: Option<Arc<str>>,
    ) -> Result<SessionOpened, EngineError> {
        let most = self.inner.clock.read().now + Span::hours(SESSION_HOURS);
        let expires = not_beyond.map_or(most, |end| end.min(most));
        let (key, issued, secret) = self.passing_key(&org, user, &format!("session:{how}"), expires)?;
        // A key that was revoked since opens none: the ledger looks.
        let envelope = by_person(user, how, kid, Command::IssueKey(Box::new(issued)));
        self.perform(Lane::Urgent, &org, envelope, beside(secret)).await?;
        Ok(SessionOpened {
            key,
            org,
            user: user.to_owned(),
            how,
            expires,
        })
    }

    /// A key of a person for one purpose, which ends at a stated time.
    fn passing_key(
        &self,
        org: &Org,
        user: &str,
        scope: &str,
        expires: Time,
    ) -> Result<(NewKey, KeyIssued, SealedSecret), EngineError> {
        self.key_until(org, ActorKind::User, user, &[scope.to_owned()], Some(expires))
    }

    /// What is stored of a key, whether it is good or not.
    pub(crate) async fn stored_key(&self, kid: &str) -> Result<Option<(Org, StoredKey)>, EngineError> {
        let (inner, id) = (self.inner.clone(), kid.to_owned());
        let found = blocking(move || {
            let Some(org) = inner.store.organization_of_secret("api_key", &id)? else {
                return Ok(None);
            };
            let Some(sealed) = inner.store.secret(&org, "api_key", &id)? else {
                return Ok(None);
            };
            let opened = inner
                .vault
                .open(&org, "api_key", &id, &sealed)
                .map_err(EngineError::internal)?;
            let stored: StoredKey = serde_json::from_slice(&opened).map_err(EngineError::internal)?;
            Ok(Some((org, stored)))
        });
        found.await
    }
}

/// A command of a person who is about to sign in, or has just proven who they are.
fn by_person(user: &str, how: &str, kid: Option<Arc<str>>, command: Command) -> Envelope {
    Envelope {
        actor: Actor {
            auth: how.to_owned(),
            id: user.to_owned(),
            kind: ActorKind::User,
            verified: true,
        },
        kid,
        idem: None,
        command,
    }
}

fn beside(secret: SealedSecret) -> Beside {
    Beside {
        secrets: vec![secret],
        ..Beside::default()
    }
}
