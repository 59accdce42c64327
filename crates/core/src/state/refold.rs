//! What would have become of what a ledger records under another policy: each step of a
//! [`Refold`](crate::simulate::Refold), by the code that takes it when it happens.

use std::sync::Arc;

use countersign_policy::Hidden;

use super::revise::Changed;
use super::{Ctx, OpenAction, State};
use crate::command::{Redeem, ReportOutcome, Submit};
use crate::event::ApprovalState;
use crate::ids::{ActionId, ApprovalId, PermitId};
use crate::record::Draft;
use crate::refusal::Refusal;

impl State {
    /// From now on this snapshot decides.
    pub(crate) fn govern_by(&mut self, hash: Arc<str>) {
        self.live = Some(hash);
    }

    /// Decides on an action as things stand here. `hidden` watches where the action is not all there.
    pub(crate) fn decide_here(
        &self,
        submit: Submit,
        hidden: Option<&Hidden>,
        ctx: &mut Ctx<'_>,
    ) -> Result<Vec<Draft>, Refusal> {
        let mut known = self.known(&submit, ctx.now);
        known.facts.accept_remedy = submit.accept_remedy;
        self.decide_on(submit, known, hidden, ctx).map(|handled| handled.events)
    }

    /// Those who have to approve have approved.
    pub(crate) fn approve_here(&self, id: ApprovalId, ctx: &mut Ctx<'_>) -> Vec<Draft> {
        let approval = self.approvals.get(&id);
        let asked = approval.and_then(|approval| Some((approval, self.actions.get(&approval.action_id)?)));
        let Some((approval, action)) = asked else {
            return Vec::new();
        };
        self.grant(id, None, approval, action, ctx)
    }

    /// A request goes on about another action, if it is one that is asked here and policy lets it; otherwise it stays as it was.
    pub(crate) fn revise_here(&self, change: Changed<'_>, ctx: &mut Ctx<'_>) -> Vec<Draft> {
        let submit = change.submit;
        let revised = self.revision(change, ctx);
        revised.map_or_else(|_| Vec::new(), |revision| self.records_of(&revision, submit, ctx))
    }

    /// A request ends without a permit, or the permit that came of it does, if it is one that is asked or was given here.
    pub(crate) fn end_here(
        &self,
        (action, approval): (ActionId, ApprovalId),
        state: ApprovalState,
        ctx: &mut Ctx<'_>,
    ) -> Vec<Draft> {
        let given = |action: &OpenAction| action.approval == Some(approval) && action.permit.is_some();
        let stands = self.approvals.contains_key(&approval) || self.actions.get(&action).is_some_and(given);
        if !stands {
            return Vec::new();
        }
        let why = "as it is recorded".to_owned();
        self.resolve(action, approval, state, state.as_str(), why, ctx)
    }

    /// The permit of an action is used, if it has one that may be.
    pub(crate) fn use_here(&self, id: ActionId, ctx: &mut Ctx<'_>) -> Vec<Draft> {
        let Some(action) = self.actions.get(&id) else {
            return Vec::new();
        };
        let redeem = Redeem {
            permit: PermitId::from(id),
            digest: action.digest,
            agent: None,
            action: None,
        };
        let used = self.redeem(redeem, ctx);
        used.map(|handled| handled.events).unwrap_or_default()
    }

    /// An outcome comes in, if it is one of something that could run.
    pub(crate) fn report_here(&self, report: ReportOutcome, ctx: &mut Ctx<'_>) -> Vec<Draft> {
        let reported = self.report_outcome(report, ctx);
        reported.map(|handled| handled.events).unwrap_or_default()
    }
}
