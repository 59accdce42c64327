//! An action as it is answered: what its records say, with the permit signed anew.
//!
//! A permit carries the salt of the digest of what may run. The salt lies in the payload of the decision and goes with it:
//! whose data was erased can be confirmed by nobody, and no permit can be made of it any more. What decides an action has
//! the salt at hand, so that a plain answer reads nothing.

use countersign_api::ActionAnswer;
use countersign_core::digest::{Digest, SALT_BYTES, hex, read_hex};
use countersign_core::stored::stored_salt;
use countersign_core::token::{Claims, Grant};
use countersign_core::view::ActionView;
use countersign_store::Org;

use crate::error::EngineError;
use crate::ledger::Entry;
use crate::payload::{Kept, Purpose};
use crate::{Engine, Inner, OrgHandle, blocking};

/// What an answer takes from the payload of a decision.
struct FromPayload {
    /// The action.
    action: Option<serde_json::Value>,
    /// The alternative that policy offers.
    alternative: Option<serde_json::Value>,
    /// The salt of the digest of what may run, or the word for why nobody can have it any more. `None` where no permit
    /// asks for it.
    salt: Option<Result<[u8; SALT_BYTES], &'static str>>,
}

impl FromPayload {
    fn only(salt: Option<Result<[u8; SALT_BYTES], &'static str>>) -> FromPayload {
        FromPayload {
            action: None,
            alternative: None,
            salt,
        }
    }
}

impl Engine {
    /// The answer that a command's own records make. `salt` is that of the submitted action's digest: with it at hand,
    /// nothing is read for a plain answer.
    pub(crate) async fn answer_of(
        &self,
        handle: &OrgHandle,
        org: &Org,
        entries: &[Entry],
        salt: [u8; SALT_BYTES],
    ) -> Result<ActionAnswer, EngineError> {
        let view = ActionView::fold(entries.iter().map(|entry| &entry.record))
            .ok_or_else(|| EngineError::internal("a submission left no decision"))?;
        let leaf_hash = entries
            .iter()
            .find(|entry| entry.record.seq == view.seq)
            .map(|entry| entry.leaf_hash);
        let leaf_hash = leaf_hash.unwrap_or(Digest([0; 32]));
        self.render_with(handle, org, &view, leaf_hash, Some(salt)).await
    }

    /// The answer of an action, from its records.
    pub(crate) async fn render(
        &self,
        handle: &OrgHandle,
        org: &Org,
        view: &ActionView,
        leaf_hash: Digest,
    ) -> Result<ActionAnswer, EngineError> {
        let recorded = view.decision.salt.as_deref().and_then(read_hex);
        self.render_with(handle, org, view, leaf_hash, recorded).await
    }

    async fn render_with(
        &self,
        handle: &OrgHandle,
        org: &Org,
        view: &ActionView,
        leaf_hash: Digest,
        salt: Option<[u8; SALT_BYTES]>,
    ) -> Result<ActionAnswer, EngineError> {
        let beside = match (&view.decision.remedy, salt) {
            (None, Some(salt)) if view.revised().is_none() => FromPayload::only(Some(Ok(salt))),
            (None, None) if view.permit.is_none() && view.revised().is_none() => FromPayload::only(None),
            (_, salt) => {
                let (inner, org, seq) = (self.inner.clone(), org.clone(), view.form());
                // Where an alternative was applied, the permit is for that, and so is the salt in the payload.
                let recorded = salt.filter(|_| view.decision.salt.is_some() && view.revised().is_none());
                blocking(move || inner.answer_from(&org, seq, recorded)).await?
            }
        };
        Ok(self.inner.render(handle, view, leaf_hash, beside))
    }
}

impl Inner {
    /// What an answer takes from the payload of a decision. Earlier versions had the salt in the record.
    fn answer_from(&self, org: &str, seq: u64, recorded: Option<[u8; SALT_BYTES]>) -> Result<FromPayload, EngineError> {
        let gone = |why| FromPayload::only(Some(recorded.ok_or(why)));
        Ok(match self.kept(org, seq, Purpose::Work)? {
            Kept::Whole(payload) => {
                let mut members: serde_json::Value = serde_json::from_slice(&payload.body).unwrap_or_default();
                let mut member = |name| members.get_mut(name).map(serde_json::Value::take);
                FromPayload {
                    action: member("action"),
                    alternative: member("alternative"),
                    salt: Some(stored_salt(&payload.body).or(recorded).ok_or("destroyed")),
                }
            }
            Kept::Nothing => gone("destroyed"),
            Kept::Restricted => gone("restricted"),
            Kept::Erased => gone("erased"),
        })
    }

    /// The answer of an action, with its permit signed from the record that issued it.
    fn render(&self, handle: &OrgHandle, view: &ActionView, leaf_hash: Digest, beside: FromPayload) -> ActionAnswer {
        let FromPayload {
            action,
            alternative,
            salt,
        } = beside;
        let permit = view.permit.as_ref().zip(salt).map(|((seq, at, permit), salt)| {
            let decision = &view.decision;
            let salt = hex(&salt?);
            let grant = Grant {
                issuer: &handle.origin,
                agent: &decision.agent,
                digest: view.runs(),
                salt: &salt,
                constraints: view.limits(),
                snapshot: view.decided_under().map(|hash| &**hash),
                issued: (*seq, *at),
            };
            Ok(handle.keys.permit.sign(&Claims::of(permit, &grant)))
        });
        let rendering = countersign_api::convert::Rendering {
            leaf_hash: leaf_hash.to_string(),
            permit,
            revised: action.filter(|_| view.revised().is_some()),
            alternative,
            base_url: &self.settings.base_url,
        };
        countersign_api::convert::action(view, rendering)
    }
}
