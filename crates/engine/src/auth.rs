//! Who calls: an API key finds its organization and proves its holder.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use countersign_core::Time;
use countersign_core::digest::Digest;
use countersign_core::key::ApiKey;
use countersign_core::record::{Actor, ActorKind};
use countersign_core::state::SIGN_IN;
use countersign_store::Org;
use serde::{Deserialize, Serialize};

use crate::Engine;
use crate::error::EngineError;

/// What is stored of a key, sealed.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredKey {
    pub hash: Digest,
    pub kind: ActorKind,
    pub subject: String,
    pub scopes: Vec<String>,
    pub expires: Option<Time>,
}

/// A key as the one who may see it once.
#[derive(Debug)]
pub struct NewKey {
    /// What it is known by.
    pub kid: String,
    /// The text to use.
    pub text: String,
}

/// An authenticated credential: the only way to an organization's scope.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The organization.
    pub org: Org,
    /// Who, and how we know.
    pub actor: Actor,
    /// The key.
    pub kid: Option<Arc<str>>,
    /// What it may be used for.
    pub scopes: Arc<[String]>,
    /// Permission roles, for a person.
    pub roles: Arc<[String]>,
}

impl Caller {
    /// The operator at the machine.
    pub fn operator(org: Org) -> Caller {
        Caller {
            org,
            actor: Actor {
                auth: "local".into(),
                id: "operator".into(),
                kind: ActorKind::Operator,
                verified: true,
            },
            kid: None,
            scopes: Arc::new([]),
            roles: Arc::new(["admin".to_owned()]),
        }
    }

    /// The agent, if this is an agent's key.
    pub fn agent(&self) -> Option<Arc<str>> {
        (self.actor.kind == ActorKind::Agent).then(|| self.actor.id.as_str().into())
    }

    /// Whether a key of scope `act_for:<pattern>` may act for this agent.
    pub fn may_act_for(&self, agent: &str) -> bool {
        self.scopes
            .iter()
            .filter_map(|scope| scope.strip_prefix("act_for:"))
            .any(|pattern| match pattern.strip_suffix('*') {
                Some(prefix) => agent.starts_with(prefix),
                None => agent == pattern,
            })
    }

    /// How its person signed in, where it is a session.
    pub fn session(&self) -> Option<&str> {
        let how = self.scopes.first()?.strip_prefix("session:")?;
        (self.actor.kind == ActorKind::User).then_some(how)
    }

    /// Whether the key was issued for this.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|held| held == scope)
    }
}

/// The text of a credential, as a request brings it.
pub struct Credential<'a>(pub &'a str);

/// Credentials that were looked up, by kid.
#[derive(Default)]
pub(crate) struct Cache {
    known: RwLock<HashMap<String, Arc<Known>>>,
    /// Goes up whenever something is forgotten, so that a look-up from before it is not kept.
    forgotten: AtomicU64,
}

struct Known {
    hash: Digest,
    expires: Option<Time>,
    caller: Caller,
}

impl Cache {
    fn get(&self, kid: &str) -> Option<Arc<Known>> {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(kid)
            .cloned()
    }

    fn put(&self, kid: String, known: Arc<Known>, as_of: u64) {
        let mut map = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if self.forgotten.load(Ordering::SeqCst) != as_of {
            return;
        }
        if map.len() > 100_000 {
            map.clear();
        }
        map.insert(kid, known);
    }

    pub fn forget(&self, kid: &str) {
        self.change(|known| drop(known.remove(kid)));
    }

    pub fn forget_org(&self, org: &str) {
        self.change(|known| known.retain(|_, known| &*known.caller.org != org));
    }

    pub fn clear(&self) {
        self.change(HashMap::clear);
    }

    fn change(&self, change: impl FnOnce(&mut HashMap<String, Arc<Known>>)) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        change(&mut known);
    }
}

impl Engine {
    /// Who brings this credential. Whether the key still holds is checked once more with every command, in the ledger.
    pub async fn authenticate(&self, credential: Credential<'_>) -> Result<Caller, EngineError> {
        let refused = || {
            self.inner.metrics.unauthenticated.fetch_add(1, Ordering::Relaxed);
            EngineError::Unauthenticated("the API key is not good".into())
        };
        let key = ApiKey::parse(credential.0).ok_or_else(refused)?;
        let known = match self.inner.auth.get(&key.kid) {
            Some(known) => known,
            None => self.look_up(&key.kid).await?.ok_or_else(refused)?,
        };
        let expired = known.expires.is_some_and(|end| end <= self.inner.clock.read().now);
        // Both are hashes of 256-bit secrets: what their comparison gives away about timing helps nobody.
        if known.hash != key.hash() || expired {
            return Err(refused());
        }
        Ok(known.caller.clone())
    }

    /// Whether a caller's credential holds still.
    pub async fn still_holds(&self, caller: &Caller) -> Result<bool, EngineError> {
        let Some(kid) = caller.kid.clone() else {
            return Ok(true);
        };
        let now = self.inner.clock.read().now;
        let holds = self.look(&caller.org, move |state| {
            let key = state.keys().get(&kid);
            key.is_some_and(|key| !key.revoked && key.expires.is_none_or(|end| end > now)) && !state.is_closed()
        });
        holds.await
    }

    async fn look_up(&self, kid: &str) -> Result<Option<Arc<Known>>, EngineError> {
        let as_of = self.inner.auth.forgotten.load(Ordering::SeqCst);
        let Some((org, stored)) = self.stored_key(kid).await? else {
            return Ok(None);
        };
        // An invitation is good for a session and for nothing else.
        if stored.scopes.iter().any(|scope| scope == SIGN_IN) {
            return Ok(None);
        }
        let (id, subject, kind) = (kid.to_owned(), stored.subject.clone(), stored.kind);
        // An admin who wants to pull a switch must not wait behind what the switch is to stop.
        let roles = self.look_in(crate::Lane::Urgent, &org, move |state| {
            let good = state.keys().get(id.as_str()).is_some_and(|key| !key.revoked) && !state.is_closed();
            let roles = match kind {
                ActorKind::User => state.users().get(&subject).map(|user| user.roles.clone()),
                ActorKind::Agent | ActorKind::Operator | ActorKind::System => Some(Vec::new()),
            };
            roles.filter(|_| good)
        });
        let Some(roles) = roles.await? else { return Ok(None) };
        let caller = Caller {
            org,
            actor: Actor {
                auth: format!("key:{kid}"),
                id: stored.subject,
                kind: stored.kind,
                verified: true,
            },
            kid: Some(kid.into()),
            scopes: stored.scopes.into(),
            roles: roles.into(),
        };
        let known = Arc::new(Known {
            hash: stored.hash,
            expires: stored.expires,
            caller,
        });
        self.inner.auth.put(kid.to_owned(), known.clone(), as_of);
        Ok(Some(known))
    }
}
