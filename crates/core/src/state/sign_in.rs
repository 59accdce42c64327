//! What people sign in with, and the sessions that come of it.
//!
//! A session is a key of a person that ends by itself and has the scope `session:<how>`; an invitation is one with the scope
//! `sign_in` that is good for nothing but one session. Both are gone from the state once they are over.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Handled, Key, State};
use crate::event::{AuthenticatorAdded, AuthenticatorRemoved, KeyIssued, KeyRevoked, Passkey};
use crate::record::{ActorKind, Draft};
use crate::{Refusal, Time};

/// What a password is known by among a person's authenticators.
pub const PASSWORD: &str = "password";
/// The scope of a key that is good for one session and nothing else.
pub const SIGN_IN: &str = "sign_in";
/// How many authenticators a person has at most.
const AUTHENTICATORS_AT_MOST: usize = 16;

impl Key {
    /// How its holder signed in, where this is a session.
    pub fn session(&self) -> Option<&str> {
        let how = self.scopes.first()?.strip_prefix("session:")?;
        (self.kind == ActorKind::User).then_some(how)
    }

    /// Whether it is good for one session and nothing else.
    pub fn is_invitation(&self) -> bool {
        self.kind == ActorKind::User && self.scopes.iter().any(|scope| scope == SIGN_IN)
    }

    /// Whether it lasts no longer than somebody's visit.
    pub(super) fn is_passing(&self) -> bool {
        self.session().is_some() || self.is_invitation()
    }
}

impl State {
    /// What a person signs in with, by what each is known by; `None` is a password.
    pub fn authenticators_of(&self, user: &str) -> impl Iterator<Item = (&str, Option<&Passkey>)> {
        let known = self.authenticators.get(user).into_iter().flatten();
        known.map(|(id, passkey)| (id.as_str(), passkey.as_ref()))
    }

    /// Whether anybody has something to sign in with.
    pub fn has_authenticators(&self) -> bool {
        !self.authenticators.is_empty()
    }

    pub(super) fn add_authenticator(
        &self,
        added: AuthenticatorAdded,
        kid: Option<&str>,
        now: Time,
    ) -> Result<Handled, Refusal> {
        if !self.users.contains_key(&added.user) {
            return Err(Refusal::missing("user", &added.user));
        }
        if self.authenticators_of(&added.user).count() >= AUTHENTICATORS_AT_MOST {
            let why = format!("a person has at most {AUTHENTICATORS_AT_MOST} authenticators");
            return Err(Refusal::conflict("too_many", why).hint("remove one that is not used any more"));
        }
        let taken = |passkey: &Passkey| {
            let mut all = self.authenticators.values().flat_map(BTreeMap::values).flatten();
            all.any(|other| other.credential == passkey.credential)
        };
        if added.passkey.as_ref().is_some_and(taken) {
            return Err(Refusal::conflict("already_registered", "this passkey is registered"));
        }
        // Whoever knew an old password may be signed in with it still.
        let ends = if added.passkey.is_none() {
            self.passing_of(&added.user, kid, |_| true, now)
        } else {
            Vec::new()
        };
        let mut events = vec![Draft::observed(added)];
        events.extend(ends);
        Handled::done(events)
    }

    pub(super) fn remove_authenticator(
        &self,
        removed: AuthenticatorRemoved,
        kid: Option<&str>,
        now: Time,
    ) -> Result<Handled, Refusal> {
        if !self
            .authenticators_of(&removed.user)
            .any(|(id, _)| id == removed.authenticator)
        {
            return Err(Refusal::missing("authenticator", &removed.authenticator));
        }
        let ends = self.passing_of(&removed.user, kid, |_| true, now);
        let mut events = vec![Draft::observed(removed)];
        events.extend(ends);
        Handled::done(events)
    }

    /// The end of a person's sessions and invitations of some kind, but for one.
    pub(super) fn passing_of(
        &self,
        user: &str,
        but: Option<&str>,
        kind: impl Fn(&Key) -> bool,
        now: Time,
    ) -> Vec<Draft> {
        let theirs = |(kid, key): &(&Arc<str>, &Key)| {
            let passing = key.kind == ActorKind::User && key.subject == user && key.is_passing() && key.works(now);
            passing && kind(key) && Some(&***kid) != but
        };
        let revoked = |(kid, _): (&Arc<str>, &Key)| {
            Draft::observed(KeyRevoked {
                ends_links: false,
                kid: kid.to_string(),
            })
        };
        self.keys.iter().filter(theirs).map(revoked).collect()
    }

    pub(super) fn authenticator_added(&mut self, e: &AuthenticatorAdded) {
        let theirs = self.authenticators.entry(e.user.clone()).or_default();
        theirs.insert(e.authenticator.clone(), e.passkey.clone());
    }

    pub(super) fn authenticator_removed(&mut self, e: &AuthenticatorRemoved) {
        if let Some(theirs) = self.authenticators.get_mut(&e.user) {
            theirs.remove(&e.authenticator);
            if theirs.is_empty() {
                self.authenticators.remove(&e.user);
            }
        }
    }

    /// A key as its record says, and those that were passing and are over are forgotten.
    pub(super) fn key_issued(&mut self, e: &KeyIssued, now: Time) {
        self.keys.retain(|_, key| !key.is_passing() || key.works(now));
        let key = Key {
            expires: e.expires,
            kind: e.kind,
            revoked: false,
            scopes: e.scopes.clone(),
            subject: e.subject.clone(),
        };
        self.keys.insert(e.kid.as_str().into(), key);
    }
}
