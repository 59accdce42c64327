//! Credentials of tools in a [`World`].

use countersign_core::command::ReleaseCredential;
use countersign_core::event::CredentialStored;
use countersign_core::ids::{ActionId, PermitId};
use countersign_core::record::ActorKind;
use countersign_core::{Command, Refusal};

use crate::{World, by, outcome_of};

impl World {
    /// Stores a credential, as the admin.
    pub fn store_credential(
        &mut self,
        name: &str,
        tools: &[&str],
        operations: &[&str],
        agents: &[&str],
    ) -> Result<(), Refusal> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let stored = CredentialStored {
            agents: owned(agents),
            credential: name.to_owned(),
            operations: owned(operations),
            secret: format!("secret {}", self.records.len()),
            tools: owned(tools),
            version: 0,
        };
        let who = by(ActorKind::User, "alex");
        outcome_of(self.give(who, Command::StoreCredential(Box::new(stored))).0)
    }

    /// Asks for the credential of an action, as a gateway that may for every agent.
    pub fn release_credential(&mut self, action: ActionId, credential: Option<&str>) -> Result<(), Refusal> {
        let view = self.view(action);
        let ask = ReleaseCredential {
            permit: PermitId::from(action),
            action: self.stored_form(&view).map(Box::new),
            agent: None,
            credential: credential.map(str::to_owned),
        };
        let who = by(ActorKind::User, "gateway");
        outcome_of(self.give(who, Command::ReleaseCredential(Box::new(ask))).0)
    }
}
