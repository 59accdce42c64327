//! What would be decided of an action that nobody asks for: as an agent tries it, or somebody who writes policy.

use std::sync::Arc;

use countersign_api::ActionAnswer;
use countersign_core::command::Submit;
use countersign_core::event::DecisionFacts;
use countersign_core::{ActorKind, Time};
use countersign_policy::{Decision, Snapshot};

use crate::actions::{Explained, alone};
use crate::auth::Caller;
use crate::error::EngineError;
use crate::intake::received;
use crate::{Engine, blocking};

/// Roles that may try what an agent could ask for.
const TRIERS: [&str; 2] = ["admin", "policy_author"];

/// What would be decided, and everything that an explanation of it needs.
struct Previewed {
    /// The answer that the agent would get, without a permit and without an id.
    answer: ActionAnswer,
    submit: Submit,
    facts: DecisionFacts,
    said: Decision,
    deciding: Option<Arc<Snapshot>>,
    at: Time,
}

impl Engine {
    /// What would be decided. Nothing is recorded, reserved or asked.
    pub async fn dry_run(&self, caller: &Caller, body: &[u8]) -> Result<ActionAnswer, EngineError> {
        Ok(self.preview(caller, body).await?.answer)
    }

    /// What would be decided, and what goes into it.
    async fn preview(&self, caller: &Caller, body: &[u8]) -> Result<Previewed, EngineError> {
        let handle = self.inner.org(&caller.org)?;
        let received = received(body)?;
        let tries = caller.roles.iter().any(|role| TRIERS.contains(&role.as_str()));
        let submit = match &received.agent {
            Some(named) if caller.actor.kind != ActorKind::Agent && tries && !caller.may_act_for(named) => {
                self.check_id("agent", named)?;
                let named: Arc<str> = named.as_str().into();
                let accepts = received.accept_remedy;
                let mut submit = self.submit_for(&handle, caller, named, received.action);
                submit.accept_remedy = accepts;
                submit
            }
            _its_own => self.submission(&handle, caller, received)?.0,
        };
        let deciding = handle.deciding(&submit.agent, submit.shown.run.as_deref());
        let at = self.inner.clock.read().now;
        let hash = deciding.as_ref().map(|deciding| deciding.hash_text().to_owned());
        let (inner, digest_key, snapshot) = (self.inner.clone(), handle.keys.digest.clone(), deciding.clone());
        let (submit, facts, ruling) = self
            .look(&caller.org, move |state| {
                let facts = state.facts(&submit, at);
                let ruling = state.preview(&submit, snapshot.as_deref(), &digest_key, &inner.redactor, at);
                (submit, facts, ruling)
            })
            .await?;
        let answer = ActionAnswer {
            id: None,
            agent: submit.agent.to_string(),
            tool: submit.shown.tool.clone(),
            action: submit.shown.action.clone(),
            decision: ruling.decision.as_str().to_owned(),
            status: ruling.status.as_str().to_owned(),
            reason_code: ruling.reason_code.map(str::to_owned),
            reasons: ruling.reasons.iter().map(countersign_api::convert::reason).collect(),
            constraints: countersign_api::convert::constraints(&ruling.constraints),
            outputs: ruling.outputs.clone(),
            snapshot: hash,
            action_digest: submit.digest.digest.to_string(),
            permit: None,
            permit_withheld: None,
            approval: None,
            remedy: None,
            revision: None,
            pii: submit.redact.keys().cloned().collect(),
            delegation: countersign_api::convert::chain(&facts),
            budgets: countersign_api::convert::budgets(ruling.budgets()),
            limits: countersign_api::convert::limits(ruling.windows()),
            reported: ruling.reported,
            beyond_mandate: ruling.beyond_mandate,
            decided_at: None,
            redeemed_at: None,
            outcome: None,
            receipt: None,
        };
        Ok(Previewed {
            answer,
            submit,
            facts,
            said: ruling.decision,
            deciding,
            at,
        })
    }

    /// Every rule that was looked at for it, and what would have to be different for another answer, unless that is being
    /// searched for elsewhere. Without a live policy there is no rule.
    pub async fn explain_preview(
        &self,
        caller: &Caller,
        body: &[u8],
    ) -> Result<(ActionAnswer, Explained), EngineError> {
        let Previewed {
            answer,
            submit,
            facts,
            said,
            deciding,
            at,
        } = self.preview(caller, body).await?;
        let Some(snapshot) = deciding else {
            let nothing = Explained {
                rules: Vec::new(),
                otherwise: Some(Vec::new()),
            };
            return Ok((answer, nothing));
        };
        let (inner, org) = (self.inner.clone(), caller.org.clone());
        blocking(move || {
            let currency = inner.org_currency(&org)?;
            let imagine =
                |searches| countersign_core::state::imagined(&snapshot, &submit, &facts, said, &currency, at, searches);
            let explained = match alone(&inner.alone.searching, || imagine(true)) {
                Some((rules, otherwise)) => Explained {
                    rules,
                    otherwise: Some(otherwise),
                },
                None => Explained {
                    rules: imagine(false).0,
                    otherwise: None,
                },
            };
            Ok((answer, explained))
        })
        .await
    }
}
