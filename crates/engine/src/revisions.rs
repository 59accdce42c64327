//! Revisions: what a reviewer makes of an action, and what the agent wants in its place.

use std::collections::BTreeMap;

use countersign_api::ApprovalAnswer;
use countersign_core::action::receive;
use countersign_core::command::{Edit, Revise};
use countersign_core::digest::{SALT_BYTES, read_hex};
use countersign_core::ids::ApprovalId;
use countersign_core::narrow::with_changes;
use countersign_core::policy::{Action, Value};
use countersign_core::stored::{stored_action, stored_salt};
use countersign_core::{ActionView, Command, Refusal};
use countersign_store::Org;

use crate::auth::Caller;
use crate::error::EngineError;
use crate::inbox::Lane;
use crate::intake::Request;
use crate::ledger::Beside;
use crate::{Engine, blocking};

/// What an edit makes of which places; `None` takes a member away.
pub type Places = BTreeMap<String, Option<Value>>;

impl Engine {
    /// What these values make of the action as it stands. `None` where that is not all there any more.
    pub(crate) async fn edit_of(
        &self,
        caller: &Caller,
        view: &ActionView,
        places: Option<Places>,
    ) -> Result<Option<Box<Edit>>, EngineError> {
        let places = places.filter(|places| !places.is_empty()).ok_or_else(|| {
            Refusal::invalid("edit_required", "an edit says what is to change")
                .hint("say in `set` which places get which values, such as {\"/amount\": \"300\"}")
        })?;
        let org = &caller.org;
        let Some((action, salt)) = self.form_of(org, view).await? else {
            return Ok(None);
        };
        let edited = with_changes(&action, &places)?;
        let handle = self.inner.org(org)?;
        let submit = self.submit_for(&handle, caller, view.decision.agent.clone(), edited);
        Ok(Some(Box::new(Edit {
            submit,
            salt,
            completed: lacked(view),
        })))
    }

    /// The stored form of the action as it stands, with the salt of its digest.
    async fn form_of(&self, org: &Org, view: &ActionView) -> Result<Option<(Action, [u8; SALT_BYTES])>, EngineError> {
        let recorded = view.decision.salt.as_deref().and_then(read_hex);
        let (inner, org, seq) = (self.inner.clone(), org.clone(), view.form());
        blocking(move || {
            let payload = inner.payload(&org, seq)?;
            Ok(payload.and_then(|payload| {
                let salt = stored_salt(&payload.body).or(recorded)?;
                Some((stored_action(&payload.body)?, salt))
            }))
        })
        .await
    }

    /// The agent wants something else than what waits for people.
    pub async fn revise_approval(
        &self,
        request: &Request<'_>,
        id: ApprovalId,
        action: Value,
    ) -> Result<(ApprovalAnswer, bool), EngineError> {
        let caller = request.caller;
        let view = self.view_of_approval(&caller.org, id).await?;
        let acting = self.acting_on(caller, id, &view)?;
        let received = receive(action)?;
        let handle = self.inner.org(&caller.org)?;
        let named = received.agent.as_deref().is_some_and(|named| *named != *acting);
        if named || received.callback_url.is_some() || received.accept_remedy {
            let detail = "a revision has no other agent, no `callback_url` and no `accept_remedy`";
            return Err(Refusal::conflict("another_action", detail)
                .hint("those stay as they were; leave them out")
                .into());
        }
        let revise = Revise {
            approval: id,
            submit: self.submit_for(&handle, caller, acting, received.action),
            before: self.stored_form(&caller.org, view.form(), false).await?.map(Box::new),
            completed: lacked(&view),
        };
        let envelope = request.envelope(Command::Revise(Box::new(revise)));
        let done = self
            .perform(Lane::Write, &caller.org, envelope, Beside::default())
            .await?;
        let answer = self.approval_of_action(&caller.org, view.decision.action_id).await;
        Ok((answer.map_err(EngineError::recorded)?, done.replayed.is_some()))
    }
}

/// Parts of evidence that a request lacked at first.
fn lacked(view: &ActionView) -> Vec<String> {
    let approval = view.approval.iter();
    approval.flat_map(|approval| approval.opened.missing.clone()).collect()
}
