//! Credentials of tools: who keeps them, and that one leaves only for a permit that was used, once.
//!
//! The values lie with the secrets and are never seen here. What stands above policy is looked at anew, and so is policy where
//! another one is live: time has passed since the permit was used.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::permit::policy_changing;
use super::{Ctx, Handled, OpenAction, State};
use crate::command::ReleaseCredential;
use crate::event::{CredentialReleased, CredentialRemoved, CredentialStored};
use crate::ids::ActionId;
use crate::refusal::{Category, Refusal};
use crate::time::Time;

/// How many an organization may have.
const CREDENTIALS_AT_MOST: usize = 256;

/// A credential, without its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCredential {
    /// Agents for whose actions it is given out; without any, every agent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<String>,
    /// Operations that it is for; without any, every one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<String>,
    /// When it was last given out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<Time>,
    /// Which of the sealed values is its value.
    pub secret: String,
    /// Tools that it is for.
    pub tools: Vec<String>,
    /// Since when it has this value.
    pub since: Time,
    /// How many values it has had.
    pub version: u64,
}

impl ToolCredential {
    /// Whether it is for this action.
    fn fits(&self, action: &OpenAction) -> bool {
        let free_or = |patterns: &[String], name: &str| patterns.is_empty() || any(patterns, name);
        any(&self.tools, &action.tool)
            && free_or(&self.operations, &action.operation)
            && free_or(&self.agents, &action.agent)
    }
}

/// Whether a name is one of these, or begins like one that ends in `*`.
fn any(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => pattern == name,
    })
}

impl State {
    /// Credentials of tools, by name.
    pub fn credentials(&self) -> &BTreeMap<String, ToolCredential> {
        &self.credentials
    }

    pub(super) fn store_credential(&self, mut stored: CredentialStored) -> Result<Handled, Refusal> {
        let before = self.credentials.get(&stored.credential);
        if before.is_none() && self.credentials.len() >= CREDENTIALS_AT_MOST {
            let detail = format!("an organization has {CREDENTIALS_AT_MOST} credentials at most");
            return Err(Refusal::conflict("too_many_credentials", detail).hint("remove one that is not used"));
        }
        let patterns = [&stored.tools, &stored.operations, &stored.agents];
        let misplaced = |pattern: &&String| pattern.strip_suffix('*').unwrap_or(pattern).contains('*');
        if let Some(pattern) = patterns.into_iter().flatten().find(misplaced) {
            let detail = format!("`{pattern}` cannot be matched: `*` stands only at the end");
            return Err(Refusal::invalid("invalid_pattern", detail).hint("cut it after the common beginning"));
        }
        if stored.tools.is_empty() {
            let detail = format!("`{}` is for no tool", stored.credential);
            return Err(Refusal::invalid("invalid_pattern", detail).hint("name the tools that it is for"));
        }
        stored.version = before.map_or(0, |before| before.version) + 1;
        Handled::one(stored)
    }

    pub(super) fn remove_credential(&self, credential: String) -> Result<Handled, Refusal> {
        if !self.credentials.contains_key(&credential) {
            return Err(Refusal::missing("credential", credential));
        }
        Handled::one(CredentialRemoved { credential })
    }

    pub(super) fn release_credential(&self, ask: ReleaseCredential, ctx: &Ctx<'_>) -> Result<Handled, Refusal> {
        let action_id = ActionId::from(ask.permit);
        let gone = |detail: String| {
            Refusal::new(Category::Gone, "permit_expired", detail)
                .hint("ask for a new decision and use its permit at once")
        };
        let over = || gone(format!("`{}` has expired", ask.permit));
        let action = self.actions.get(&action_id).ok_or_else(over)?;
        if ask.agent.as_ref().is_some_and(|agent| *agent != action.agent) {
            return Err(Refusal::missing("permit", ask.permit));
        }
        let permit = action.permit.as_ref().ok_or_else(over)?;
        if !action.redeemed {
            let detail = format!("`{}` was not redeemed", ask.permit);
            return Err(
                Refusal::conflict("not_redeemed", detail).hint("redeem the permit first, for what is about to run")
            );
        }
        if action.released {
            let detail = format!("a credential was given out for `{}` before", ask.permit);
            return Err(Refusal::conflict("already_released", detail).hint("ask for a new decision"));
        }
        if action.outcome {
            let detail = format!("the outcome of `{action_id}` is known: nothing is about to run");
            return Err(Refusal::conflict("outcome_known", detail).hint("ask for a new decision"));
        }
        if permit.expires <= ctx.now {
            return Err(gone(format!("`{}` ended at {}", ask.permit, permit.expires)));
        }
        self.policy_is_at_hand(ctx)?;
        self.still_stands(action, permit, ctx)?;
        if self.is_under_another(action) {
            if ask.action.is_none() {
                return Err(policy_changing());
            }
            self.still_granted(ask.permit, ask.action.as_deref(), action, ctx)?;
        }
        let (name, credential) = self.credential_for(action, ask.credential.as_deref())?;
        Handled::one(CredentialReleased {
            action_id,
            agent: action.agent.clone(),
            credential: name.clone(),
            permit: ask.permit,
            secret: credential.secret.clone(),
            version: credential.version,
        })
    }

    /// The credential of this name that is for the action, or the only one that is.
    fn credential_for(&self, action: &OpenAction, name: Option<&str>) -> Result<(&String, &ToolCredential), Refusal> {
        if let Some(name) = name {
            let found = self.credentials.get_key_value(name);
            let (name, credential) = found.ok_or_else(|| Refusal::missing("credential", name))?;
            if !credential.fits(action) {
                let (tool, agent) = (&action.tool, &action.agent);
                let detail = format!("credential `{name}` is not for tool `{tool}` of agent `{agent}`");
                return Err(Refusal::forbidden("credential_not_for_this", detail)
                    .hint("an admin says which tools, operations and agents a credential is for"));
            }
            return Ok((name, credential));
        }
        let mut fitting = self
            .credentials
            .iter()
            .filter(|(_, credential)| credential.fits(action));
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => {
                let detail = format!(
                    "no credential is for tool `{}` of agent `{}`",
                    action.tool, action.agent
                );
                Err(Refusal::conflict("no_credential", detail).hint("an admin stores one that is for it"))
            }
            (Some((one, _)), Some((other, _))) => {
                let detail = format!("`{one}` and `{other}` are for tool `{}`", action.tool);
                Err(Refusal::conflict("several_credentials", detail).hint("name the one that is wanted"))
            }
        }
    }

    pub(super) fn credential_stored(&mut self, now: Time, e: &CredentialStored) {
        let credential = ToolCredential {
            agents: e.agents.clone(),
            operations: e.operations.clone(),
            released: None,
            secret: e.secret.clone(),
            since: now,
            tools: e.tools.clone(),
            version: e.version,
        };
        self.credentials.insert(e.credential.clone(), credential);
    }

    pub(super) fn credential_released(&mut self, now: Time, e: &CredentialReleased) {
        if let Some(action) = self.actions.get_mut(&e.action_id) {
            action.released = true;
        }
        if let Some(credential) = self.credentials.get_mut(&e.credential) {
            credential.released = Some(now);
        }
    }
}
