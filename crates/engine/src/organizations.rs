//! Organizations: each with a ledger, keys and people of its own.

use std::sync::Arc;

use countersign_core::event::{LedgerOpened, UserAdded};
use countersign_core::money::is_currency;
use countersign_core::record::ActorKind;
use countersign_core::{Command, Refusal};
use countersign_store::{Org, OrganizationRow};
use tokio::sync::oneshot;

use crate::auth::{Caller, NewKey};
use crate::epoch::LogKeys;
use crate::error::EngineError;
use crate::inbox::Lane;
use crate::ledger::{Beside, KEY_NAMES, Keys, Ledger};
use crate::sequencer::Job;
use crate::{Engine, blocking, by_system, random};

/// An organization to create.
#[derive(Clone, Debug)]
pub struct NewOrganization {
    /// Its name: an id.
    pub name: String,
    /// Name of this instance, the first part of the log's origin. `None` = `countersign-` and 8 digits of the key.
    pub instance: Option<String>,
    /// ISO 4217.
    pub currency: String,
    /// IANA time zone.
    pub zone: String,
    /// Id of its first person, an admin.
    pub admin: String,
}

/// What is needed to begin.
#[derive(Debug)]
pub struct Opened {
    /// Its name.
    pub organization: String,
    /// The first admin's key, shown once.
    pub admin_key: NewKey,
    /// The log's verifying key, to be kept by whoever wants to verify later.
    pub vkey: String,
    /// The log's origin.
    pub origin: String,
}

impl Engine {
    /// Creates an organization: its keys, its ledger, its first admin.
    pub async fn create_organization(&self, new: NewOrganization) -> Result<Opened, EngineError> {
        self.check_id("an organization", &new.name)?;
        self.check_id("a person", &new.admin)?;
        if !is_currency(&new.currency) {
            let detail = format!("`{}` is not an ISO 4217 code such as `USD`", new.currency);
            return Err(Refusal::invalid("invalid_currency", detail).into());
        }
        let org: Org = new.name.as_str().into();
        let inner = self.inner.clone();
        let taken = blocking(move || Ok(inner.store.organizations()?)).await?;
        if taken.iter().any(|row| row.name == org) {
            return Err(Refusal::conflict("already_exists", format!("organization `{org}` exists")).into());
        }
        let seeds: [[u8; 32]; 4] = std::array::from_fn(|_| random::bytes());
        let instance = new.instance.unwrap_or_else(|| {
            let public = ed25519_public(&seeds[2]);
            format!("countersign-{}", countersign_core::digest::hex(&public[..4]))
        });
        let origin = format!("{instance}/t/{:032x}/audit/1", random_id());
        let keys = Arc::new(Keys::from_seeds(&origin, &seeds)?);
        let vkey = keys.log.verifying_key().to_string();
        let (schemas, schema_files) = crate::audit::schema_set();
        let opened = LedgerOpened {
            counts: true,
            currency: new.currency,
            epoch: 1,
            organization: new.name.clone(),
            permit_kid: keys.permit.kid().to_owned(),
            permit_public: countersign_core::digest::hex(&keys.permit.public()),
            schemas,
            vkey: vkey.clone(),
            zone: new.zone,
        };
        let secrets = KEY_NAMES
            .iter()
            .zip(&seeds)
            .map(|(name, seed)| self.inner.vault.seal(&org, "key", name, seed));
        let row = OrganizationRow {
            created: self.inner.clock.read().now,
            name: org.clone(),
            origin: origin.clone(),
        };
        let beside = Beside {
            secrets: secrets.collect(),
            snapshots: vec![schema_files],
            create: Some(row),
            ..Beside::default()
        };
        let ledger = Ledger::empty(
            org.clone(),
            origin.as_str().into(),
            keys.clone(),
            self.inner.redactor.clone(),
            self.inner.payload_keys(),
            self.inner.settings.readers,
        )?;
        let handle = self.inner.add_org(&org, &origin, keys);
        handle.set_log_keys(LogKeys {
            origin: origin.clone(),
            vkey: vkey.clone(),
            earlier: Vec::new(),
        });
        self.inner.signer.begin(&org);
        let (reply, answer) = oneshot::channel();
        let envelope = by_system(Command::Open(Box::new(opened)));
        let job = Job::Create {
            ledger: Box::new(ledger),
            envelope,
            beside,
            reply,
        };
        let created = match self.inner.inbox.put(Lane::Write, job) {
            Ok(()) => answer
                .await
                .map_err(|_| EngineError::unavailable("stopping", "the server is stopping"))?,
            Err(error) => Err(error),
        };
        if let Err(error) = created {
            self.inner.forget_org(&org);
            return Err(error);
        }
        let admin_key = self.add_admin(&org, &new.admin).await?;
        self.begin_at_own_reader(&org).await?;
        Ok(Opened {
            organization: new.name,
            admin_key,
            vkey,
            origin,
        })
    }

    /// Gives an organization an admin, or an existing person a fresh admin key: what an operator at the machine may do
    /// when every key is lost.
    pub async fn add_admin(&self, org: &Org, user: &str) -> Result<NewKey, EngineError> {
        let operator = Caller::operator(org.clone());
        let (key, issued, secret) = self.new_key(&operator, ActorKind::User, user, &[], None)?;
        let id = user.to_owned();
        let known = self.look(org, move |state| state.users().get(&id).cloned()).await?;
        let beside = Beside {
            secrets: vec![secret],
            ..Beside::default()
        };
        let admin = |mut roles: Vec<String>| {
            roles.push("admin".into());
            roles.sort();
            roles.dedup();
            roles
        };
        let (exists, added) = match known {
            Some(user_) => (
                true,
                UserAdded {
                    duties: user_.duties,
                    manager: user_.manager,
                    roles: admin(user_.roles),
                    teams: user_.teams,
                    user: user.to_owned(),
                    zone: user_.zone,
                },
            ),
            None => (
                false,
                UserAdded {
                    duties: Vec::new(),
                    manager: None,
                    roles: admin(Vec::new()),
                    teams: Vec::new(),
                    user: user.to_owned(),
                    zone: None,
                },
            ),
        };
        let envelope = |command| countersign_core::Envelope {
            actor: operator.actor.clone(),
            kid: None,
            idem: None,
            command,
        };
        if exists {
            let put = envelope(Command::PutUser(Box::new(added), None, None));
            self.perform(Lane::Write, org, put, Beside::default()).await?;
            self.perform(Lane::Write, org, envelope(Command::IssueKey(Box::new(issued))), beside)
                .await?;
        } else {
            let put = envelope(Command::PutUser(Box::new(added), None, Some(Box::new(issued))));
            self.perform(Lane::Write, org, put, beside).await?;
        }
        Ok(key)
    }

    /// All organizations.
    pub async fn organizations(&self) -> Result<Vec<OrganizationRow>, EngineError> {
        let inner = self.inner.clone();
        blocking(move || Ok(inner.store.organizations()?)).await
    }

    /// Closes an organization: nothing is decided, voted or redeemed any more. Its ledger stays and can be exported.
    pub async fn close_organization(&self, org: &Org) -> Result<(), EngineError> {
        let operator = Caller::operator(org.clone());
        let envelope = countersign_core::Envelope {
            actor: operator.actor,
            kid: None,
            idem: None,
            command: Command::Close,
        };
        self.perform(Lane::Urgent, org, envelope, Beside::default())
            .await
            .map(drop)
    }

    /// Removes a closed organization with its ledger.
    pub async fn remove_organization(&self, org: &Org) -> Result<(), EngineError> {
        let closed = self.look(org, |state| state.is_closed()).await?;
        if !closed {
            return Err(
                Refusal::conflict("organization_open", format!("organization `{org}` is not closed"))
                    .hint("close it first; export its ledger before you remove it")
                    .into(),
            );
        }
        self.inner.inbox.put(Lane::Urgent, Job::Forget { org: org.clone() })?;
        self.inner.forget_org(org);
        let (inner, name) = (self.inner.clone(), org.clone());
        blocking(move || inner.store.remove_organization(&name).map_err(EngineError::internal)).await
    }

    /// Loads every organization once, so that timers that were due meanwhile fire; quiet ones are let go again.
    pub(crate) fn wake_organizations(&self) -> Result<(), EngineError> {
        for row in self.inner.store.organizations()? {
            self.inner.org(&row.name)?;
            self.inner.index_wanted.raise(&row.name, &[]);
            crate::lock(&self.inner.wake).insert(row.name);
        }
        Ok(())
    }

    /// The public keys of an organization: log, permits, callbacks.
    pub fn keys(&self, org: &Org) -> Result<Arc<Keys>, EngineError> {
        Ok(self.inner.org(org)?.keys.clone())
    }

    /// The origin of an organization's log.
    pub fn origin(&self, org: &Org) -> Result<Arc<str>, EngineError> {
        Ok(self.inner.org(org)?.origin.clone())
    }
}

fn ed25519_public(seed: &[u8; 32]) -> [u8; 32] {
    countersign_core::token::PermitKey::from_seed(seed).public()
}

fn random_id() -> u128 {
    u128::from_be_bytes(random::bytes())
}
