//! Whose an account or an address is: what a person is known by outside is one person's alone.

use countersign_core::Refusal;
use countersign_store::Org;

use crate::error::EngineError;
use crate::registry::NewUser;
use crate::{Engine, blocking};

/// Whether two addresses are one mailbox. Hosts do not tell capitals apart, and hardly any host does so before the `@`.
fn is_same(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

impl Engine {
    /// People in whose profiles a field is such a text, with their roles.
    pub(crate) async fn people_whose(
        &self,
        org: &Org,
        field: &'static str,
        is_such: impl Fn(&str) -> bool + Send + 'static,
    ) -> Result<Vec<(String, Vec<String>)>, EngineError> {
        let people = self.look(org, |state| {
            let people = state.users().iter();
            people
                .filter_map(|(id, user)| Some((id.clone(), user.profile?, user.roles.clone())))
                .collect::<Vec<_>>()
        });
        let (people, inner, name) = (people.await?, self.inner.clone(), org.clone());
        blocking(move || {
            let mut found = Vec::new();
            for (id, profile, roles) in people {
                let profile = inner.json_payload(&name, profile)?;
                let known = profile.get(field).and_then(serde_json::Value::as_str);
                if known.is_some_and(&is_such) {
                    found.push((id, roles));
                }
            }
            Ok(found)
        })
        .await
    }

    async fn people_at(&self, org: &Org, address: &str) -> Result<Vec<(String, Vec<String>)>, EngineError> {
        let address = address.to_owned();
        self.people_whose(org, "email", move |known| is_same(known, &address))
            .await
    }

    /// Whether an address is free for a person. Whoever reads the mail of two people could otherwise be two people.
    pub(crate) async fn check_address(&self, org: &Org, user: &NewUser) -> Result<(), EngineError> {
        let Some(address) = &user.email else { return Ok(()) };
        let found = self.people_at(org, address).await?;
        match found.iter().find(|(id, _)| *id != user.id) {
            Some((other, _)) => {
                let detail = format!("`{other}` has this e-mail address already");
                Err(Refusal::conflict("email_taken", detail)
                    .hint("take it from that person's profile first")
                    .into())
            }
            None => Ok(()),
        }
    }

    /// Whether the address in a person's profile is nobody else's.
    pub(crate) async fn has_own_address(&self, org: &Org, user: &str) -> Result<bool, EngineError> {
        let name = user.to_owned();
        let profile = self
            .look(org, move |state| state.users().get(&name).and_then(|user| user.profile))
            .await?;
        let Some(address) = self.address_of(org, profile).await? else {
            return Ok(false);
        };
        let found = self.people_at(org, &address).await?;
        Ok(matches!(found.as_slice(), [(only, _)] if only == user))
    }
}
