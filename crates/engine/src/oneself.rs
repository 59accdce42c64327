//! What a person sees and changes of themselves.

use countersign_core::command::OwnProfile;
use countersign_core::state::User;
use countersign_core::{ActorKind, Command, Refusal};
use serde_json::Value;

use crate::Engine;
use crate::auth::Caller;
use crate::error::EngineError;
use crate::inbox::Lane;
use crate::intake::Request;
use crate::ledger::Beside;

impl Engine {
    /// Who asks, with what is kept of them beside the ledger.
    pub async fn own_profile(&self, caller: &Caller) -> Result<(String, User, Value), EngineError> {
        if caller.actor.kind != ActorKind::User {
            let why = "only a person has a profile of their own";
            return Err(Refusal::forbidden("not_a_person", why).into());
        }
        let id = caller.actor.id.clone();
        let known = self.look(&caller.org, move |state| state.users().get(&id).cloned());
        let user = known.await?;
        let user = user.ok_or_else(|| Refusal::missing("user", &caller.actor.id))?;
        let profile = match user.profile {
            Some(seq) => self.profile(&caller.org, seq).await?,
            None => Value::Null,
        };
        Ok((caller.actor.id.clone(), user, profile))
    }

    /// Changes the zone of whoever asks, or the name; roles, teams, duties and addresses are for an admin.
    pub async fn change_own_profile(
        &self,
        request: &Request<'_>,
        name: Option<String>,
        zone: Option<String>,
    ) -> Result<(), EngineError> {
        let org = &request.caller.org;
        let (user, known, kept) = self.own_profile(request.caller).await?;
        let text = |field: &str| kept.get(field).and_then(Value::as_str);
        let profile = match &name {
            None => None,
            Some(name) => {
                let fields = [
                    ("name", Some(name.as_str())),
                    ("email", text("email")),
                    ("slack_id", text("slack_id")),
                ];
                self.sealed_profile(org, &user, &fields)?
            }
        };
        let own = OwnProfile {
            user,
            zone,
            profile,
            made_from: known.profile,
        };
        let envelope = request.envelope(Command::ChangeOwnProfile(Box::new(own)));
        self.perform(Lane::Write, org, envelope, Beside::default())
            .await
            .map(drop)
    }
}
