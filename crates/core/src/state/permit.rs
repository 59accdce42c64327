//! Redeeming a permit: everything is checked again, then it is used, once.

use countersign_policy::{Action, Decision};

use super::stop::Target;
use super::{Ctx, Handled, OUTCOME_SPAN, OpenAction, OpenPermit, State};
use crate::command::Redeem;
use crate::event::{ApprovalState, PermitRedeemed, PermitRefused};
use crate::ids::{ActionId, PermitId};
use crate::record::Draft;
use crate::refusal::{Category, Refusal};

/// How often one permit is refused before its refusals leave no more records.
const REFUSALS_PER_PERMIT: u32 = 10;

/// The caller looked at the policy a moment before it changed; with the stored form it can be told.
pub(super) fn policy_changing() -> Refusal {
    Refusal::new(Category::Unavailable, "policy_changing", "the policy is being changed").hint("try again")
}

impl State {
    pub(super) fn redeem(&self, redeem: Redeem, ctx: &mut Ctx<'_>) -> Result<Handled, Refusal> {
        let action_id = ActionId::from(redeem.permit);
        let gone = || {
            Refusal::new(
                Category::Gone,
                "permit_expired",
                format!("`{}` has expired", redeem.permit),
            )
        };
        // A permit whose signature holds and that the state no longer knows is over.
        let Some(action) = self.actions.get(&action_id) else {
            return Err(gone());
        };
        if redeem.agent.as_ref().is_some_and(|agent| *agent != action.agent) {
            return Err(Refusal::missing("permit", redeem.permit));
        }
        if action.redeemed {
            return Err(Refusal::conflict(
                "already_redeemed",
                format!("`{}` was used before", redeem.permit),
            ));
        }
        let Some(permit) = &action.permit else {
            return Err(gone());
        };
        if action.outcome {
            let detail = format!("the outcome of `{action_id}` is known: nothing is about to run");
            return Err(Refusal::conflict("outcome_known", detail).hint("ask for a new decision"));
        }
        self.policy_is_at_hand(ctx)?;
        if self.is_under_another(action) && redeem.action.is_none() {
            return Err(policy_changing());
        }
        if action.refused >= REFUSALS_PER_PERMIT {
            let detail = format!("`{}` was shown and refused {REFUSALS_PER_PERMIT} times", redeem.permit);
            return Err(Refusal::new(Category::Throttled, "repeated_refusal", detail).hint("ask for a new decision"));
        }
        let redeemable = self.redeemable(&redeem, action, permit, ctx);
        let with_limits = |again| {
            let positions = self.prevails(action, redeem.action.as_deref(), ctx)?;
            Ok((
                again,
                positions,
                self.recount(action, ctx)?,
                self.tries(action_id, action, ctx)?,
            ))
        };
        let (reevaluated, positions, counted, trials) = match redeemable.and_then(with_limits) {
            Ok(redeemable) => redeemable,
            Err(refusal) => {
                let refused = PermitRefused {
                    action_id,
                    permit: redeem.permit,
                    reason: refusal.code.to_owned(),
                };
                let mut events = vec![Draft::observed(refused)];
                if let (Some(approval), "policy_changed") = (action.approval, refusal.code) {
                    let why = refusal.detail.clone();
                    let state = ApprovalState::Invalidated;
                    events.extend(self.resolve(action_id, approval, state, "invalidated", why, ctx));
                }
                return Handled::refused(events, refusal);
            }
        };
        Handled::one(PermitRedeemed {
            action_id,
            approval: action.approval,
            counted,
            digest: redeem.digest,
            operation: Some(action.operation.clone()),
            outcome_due: ctx.now + OUTCOME_SPAN,
            permit: redeem.permit,
            positions,
            reevaluated: reevaluated.then(|| self.deciding_of(action).cloned()).flatten(),
            tool: Some(action.tool.clone()),
            trials,
        })
    }

    /// Whether the permit may be used now. `true` if that took a fresh evaluation.
    fn redeemable(
        &self,
        redeem: &Redeem,
        action: &OpenAction,
        permit: &OpenPermit,
        ctx: &Ctx<'_>,
    ) -> Result<bool, Refusal> {
        if permit.expires <= ctx.now {
            let code = if action.approval.is_some() {
                "approval_lapsed"
            } else {
                "permit_expired"
            };
            return Err(Refusal::new(
                Category::Gone,
                code,
                format!("`{}` ended at {}", redeem.permit, permit.expires),
            ));
        }
        if redeem.digest != action.digest {
            return Err(
                Refusal::conflict("digest_mismatch", "what is about to run is not what was decided")
                    .hint("ask for a decision on the action that is about to run"),
            );
        }
        let holds_nothing = action.reserved.is_empty() && action.counted.is_empty();
        if !holds_nothing && !action.held {
            let detail = format!("what `{}` had reserved is settled", redeem.permit);
            return Err(Refusal::conflict("reservation_ended", detail).hint("ask for a new decision"));
        }
        self.still_stands(action, permit, ctx)?;
        if !self.is_under_another(action) {
            return Ok(false);
        }
        self.still_granted(redeem.permit, redeem.action.as_deref(), action, ctx)?;
        Ok(true)
    }

    /// Whether the live policy can be had. Without it nobody knows what stands against an action: it waits, and loses nothing.
    pub(super) fn policy_is_at_hand(&self, ctx: &Ctx<'_>) -> Result<(), Refusal> {
        if self.live.is_none() || ctx.live.is_some() {
            return Ok(());
        }
        let detail = "the live policy cannot be had";
        Err(Refusal::new(Category::Unavailable, "policy_unavailable", detail).hint("try again when it can be read"))
    }

    /// Whether nothing has happened since the permit was issued that stops its action.
    pub(super) fn still_stands(&self, action: &OpenAction, permit: &OpenPermit, ctx: &Ctx<'_>) -> Result<(), Refusal> {
        let target = Target::of(action);
        if self.stopped_by(&target).is_some() || self.voided(permit.issued, &target) {
            return Err(Refusal::conflict(
                "killed",
                "a kill switch was engaged after this permit was issued",
            ));
        }
        let mut agents = action.agents();
        if let Some(agent) = agents.find(|agent| self.is_inactive(agent, ctx.live)) {
            return Err(Refusal::conflict(
                "agent_inactive",
                format!("agent `{agent}` is not active"),
            ));
        }
        if self.changed_since(&action.tool, &action.operation, permit.issued) {
            let detail = format!("tool `{}` has changed after this permit was issued", action.tool);
            return Err(Refusal::conflict("tool_changed", detail).hint("ask for a new decision"));
        }
        self.prevails(action, None, ctx).map(drop)
    }

    /// Whether the policy that is live now still grants what another snapshot granted.
    pub(super) fn still_granted(
        &self,
        permit: PermitId,
        stored: Option<&Action>,
        action: &OpenAction,
        ctx: &Ctx<'_>,
    ) -> Result<(), Refusal> {
        let action_id = ActionId::from(permit);
        let refuse = |why: String| Err(Refusal::conflict("policy_changed", why).hint("ask for a new decision"));
        match self.reevaluate(stored, action_id, ctx) {
            Err(why) => refuse(why),
            Ok(verdict) => match verdict.decision {
                Decision::Allow | Decision::AllowWithConstraints => Ok(()),
                Decision::RequireApproval if action.approval.is_some() => self
                    .same_demand(&verdict, action_id, &action.slots, &action.tracks, ctx)
                    .or_else(refuse),
                Decision::RequireApproval | Decision::Remediate | Decision::Deny => refuse(format!(
                    "the policy that is live now says {}",
                    verdict.decision.as_str()
                )),
            },
        }
    }
}
