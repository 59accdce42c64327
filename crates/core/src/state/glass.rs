//! Breaking the glass: a person whom the organization named lets an action through that waits for others.
//!
//! It takes the place of the others' votes and of nothing else: what a kill switch, a pause, a denying rule or a budget
//! stops stays stopped. Somebody else looks at it afterwards; when that finds a fault, or does not happen in time, the right is gone.

use std::collections::{BTreeMap, BTreeSet};

use countersign_policy::{BreakGlass as Rules, Decision};
use serde::{Deserialize, Serialize};

use super::disagree::Settled;
use super::matching::Place;
use super::people::may_vote;
use super::post_review::OpenReview;
use super::stop::Target;
use super::{Agent, Ctx, Handled, OpenAction, OpenApproval, State};
use crate::command::BreakGlass;
use crate::event::{
    AlertRaised, ApprovalResolved, ApprovalState, Counted, GlassBroken, GlassRestored, GlassSuspended, Permit,
    Position, Reservation, ReviewKind, ReviewOpened, Status, SuspendedFor, Verb,
};
use crate::ids::{AlertId, PermitId, ReviewId};
use crate::record::{Actor, ActorKind, Draft};
use crate::refusal::{Category, Refusal};
use crate::time::{Span, Time};

/// Who broke the glass, and who may not any more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Glass {
    /// Until when each use counts, by person. A person who is removed and comes back has used it all the same.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub used: BTreeMap<String, Vec<Time>>,
    /// Who may not any more.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub suspended: BTreeMap<String, Suspended>,
}

/// Why somebody may not break the glass any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspended {
    /// The look that came to nothing good.
    pub review: ReviewId,
    /// Since when.
    pub since: Time,
    /// Why.
    pub why: SuspendedFor,
}

impl Glass {
    pub(super) fn is_empty(&self) -> bool {
        self.used.is_empty() && self.suspended.is_empty()
    }

    /// How often a person's uses count at `now`.
    pub fn uses(&self, user: &str, now: Time) -> usize {
        let used = self.used.get(user).into_iter().flatten();
        used.filter(|until| **until > now).count()
    }

    pub(super) fn broken(&mut self, now: Time, e: &GlassBroken) {
        let used = self.used.entry(e.user.clone()).or_default();
        used.retain(|until| *until > now);
        used.push(e.counts_until);
    }

    pub(super) fn suspended(&mut self, now: Time, e: &GlassSuspended) {
        let suspended = Suspended {
            review: e.review,
            since: now,
            why: e.why,
        };
        self.suspended.insert(e.user.clone(), suspended);
    }

    pub(super) fn restored(&mut self, e: &GlassRestored) {
        self.suspended.remove(&e.user);
    }
}

impl State {
    /// Who broke the glass, and who may not any more.
    pub fn glass(&self) -> &Glass {
        &self.glass
    }

    /// People who may break the glass by these rules, suspended or not.
    pub fn glass_breakers(&self, rules: &Rules) -> BTreeSet<String> {
        rules.who.iter().flat_map(|name| self.people_named(name)).collect()
    }

    pub(super) fn break_glass(&self, ask: BreakGlass, actor: &Actor, ctx: &mut Ctx<'_>) -> Result<Handled, Refusal> {
        if actor.kind != ActorKind::User {
            return Err(Refusal::forbidden("not_a_person", "only a person breaks the glass"));
        }
        let Some(rules) = ctx.live.and_then(|live| live.organization()?.break_glass()) else {
            let detail = "the live policy says nothing of who may break the glass";
            return Err(Refusal::conflict("no_break_glass", detail)
                .hint("say so with `break_glass:` in the organization's document"));
        };
        let rules = rules.clone();
        let Some(approval) = self.approvals.get(&ask.approval) else {
            return Err(Refusal::missing("open approval", ask.approval));
        };
        let Some(action) = self.actions.get(&approval.action_id) else {
            return Err(Refusal::missing("open approval", ask.approval));
        };
        self.may_break(&actor.id, &rules, approval, ctx)?;
        self.may_run(&ask, action, approval, ctx)?;
        if self.practices.contains_key(&ask.approval) {
            let said = Some((actor.id.as_str(), Verb::Approve));
            let because = format!("`{}` broke the glass for `{}`", actor.id, ask.incident);
            return Handled::done(self.practice_over(ask.approval, said, ApprovalState::Cancelled, &because, ctx));
        }
        let (excluded, reviewers) = self.lookers(&actor.id, &rules, approval);
        if reviewers.is_empty() {
            let detail = format!(
                "nobody of `{}` is left who could look at it afterwards",
                rules.review.join("`, `")
            );
            return Err(Refusal::conflict("no_reviewer", detail)
                .hint("add people who do not report to you to those who review what was let through"));
        }
        let stored = ask.action.as_deref().filter(|_| self.is_under_another(action));
        let by = Settled::ByOne;
        let positions = self.may_be_approved(action, stored, by, ctx).map_err(|why| {
            Refusal::conflict("disagreement", why).hint("nobody gets past what the policy says of disagreements")
        })?;
        let reserved = self.reserve_approved(action, stored, ctx).map_err(|why| {
            Refusal::conflict("over_budget", why)
                .hint("nobody gets past a budget: raise it, or wait for its next window")
        })?;
        let counted = self.count_approved(action, stored, ctx).map_err(|why| {
            Refusal::conflict("over_limit", why).hint("nobody gets past a limit: raise it, or wait until there is room")
        })?;
        let told = self.tell_reached(&reserved, approval.action_id, ctx);
        let takes = (reserved, counted, positions);
        let mut events = self.let_through(ask, actor, &rules, excluded, takes, (approval, action), ctx);
        events.extend(told);
        Handled::done(events)
    }

    /// Whether this person may, now, with this request.
    fn may_break(&self, user: &str, rules: &Rules, approval: &OpenApproval, ctx: &Ctx<'_>) -> Result<(), Refusal> {
        if !self.glass_breakers(rules).contains(user) {
            let detail = format!("`{user}` is not among the people who may break the glass");
            return Err(Refusal::forbidden("not_eligible", detail));
        }
        if approval.excluded.iter().any(|out| out.user == user) {
            let detail = format!("`{user}` asked for this action or answers for the agent");
            return Err(Refusal::forbidden("self_approval", detail).hint("ask somebody else who may break the glass"));
        }
        if let Some(suspended) = self.glass.suspended.get(user) {
            let detail = format!("`{user}` may not since {}: {}", suspended.since, suspended.why.as_str());
            return Err(Refusal::forbidden("right_suspended", detail).hint("ask an admin to restore the right"));
        }
        let uses = self.glass.uses(user, ctx.now);
        if uses >= rules.times as usize {
            let detail = format!("`{user}` broke the glass {uses} times, and may {} times", rules.times);
            return Err(Refusal::new(Category::Throttled, "quota_used", detail)
                .hint("ask somebody else who may break the glass"));
        }
        Ok(())
    }

    /// Whether nothing but the votes of people is missing.
    fn may_run(
        &self,
        ask: &BreakGlass,
        action: &OpenAction,
        approval: &OpenApproval,
        ctx: &Ctx<'_>,
    ) -> Result<(), Refusal> {
        if approval.deadline <= ctx.now {
            let detail = format!("`{}` has expired", ask.approval);
            return Err(Refusal::new(Category::Gone, "expired", detail));
        }
        if approval.evidence_due.is_some() {
            let detail = "the agent has to complete the evidence first";
            return Err(Refusal::conflict("needs_evidence", detail));
        }
        let target = Target::of(action);
        let stopped = self.stopped_by(&target).is_some();
        if stopped || self.voided(action.seq, &target) {
            let detail = "a kill switch stops this action, and nobody gets past it";
            return Err(
                Refusal::conflict("killed", detail).hint("release the kill switch, and have the agent ask anew")
            );
        }
        let registered = |agent| self.agents.get(agent).is_some_and(|agent: &Agent| !agent.quarantined);
        let known = action.agents().all(registered);
        let halted = self.halted_for(action, ctx.live);
        if !known || halted.is_some() {
            let why = halted.map_or_else(|| "nobody registered the agent".to_owned(), |(.., why)| why);
            return Err(Refusal::conflict("agent_inactive", why).hint("mend that first, and break the glass then"));
        }
        if !self.is_under_another(action) {
            return Ok(());
        }
        let refuse = |why: String| Err(Refusal::conflict("policy_changed", why).hint("have the agent ask anew"));
        match self.reevaluate(ask.action.as_deref(), approval.action_id, ctx) {
            Err(why) => refuse(why),
            Ok(verdict) => match verdict.decision {
                Decision::Allow | Decision::AllowWithConstraints | Decision::RequireApproval => Ok(()),
                Decision::Remediate | Decision::Deny => refuse(format!(
                    "the policy that is live now says {}",
                    verdict.decision.as_str()
                )),
            },
        }
    }

    /// Who may not look at it afterwards, and who is left of those who look.
    fn lookers(&self, user: &str, rules: &Rules, approval: &OpenApproval) -> (BTreeSet<String>, Place) {
        let mut excluded = self.reports_of(user);
        excluded.insert(user.to_owned());
        let asked = approval.excluded.iter().filter(|out| out.reason == "requester");
        excluded.extend(asked.map(|out| out.user.clone()));
        let mut reviewers: Place = rules.review.iter().flat_map(|name| self.people_named(name)).collect();
        reviewers.retain(|reviewer| !excluded.contains(reviewer));
        (excluded, reviewers)
    }

    /// Everybody who reports to somebody, over however many managers.
    fn reports_of(&self, user: &str) -> BTreeSet<String> {
        let mut reports = BTreeSet::new();
        let mut managers = vec![user.to_owned()];
        while let Some(manager) = managers.pop() {
            for (id, known) in &self.users {
                if known.manager.as_ref() == Some(&manager) && id != user && reports.insert(id.clone()) {
                    managers.push(id.clone());
                }
            }
        }
        reports
    }

    #[expect(clippy::too_many_arguments, reason = "each is one part of what is let through")]
    fn let_through(
        &self,
        ask: BreakGlass,
        actor: &Actor,
        rules: &Rules,
        excluded: BTreeSet<String>,
        (reserved, counted, positions): (Vec<Reservation>, Vec<Counted>, Vec<Position>),
        (approval, action): (&OpenApproval, &OpenAction),
        ctx: &mut Ctx<'_>,
    ) -> Vec<Draft> {
        let action_id = approval.action_id;
        let review = ReviewId(ctx.ids.next(ctx.now));
        let broken = GlassBroken {
            action_id,
            approval: ask.approval,
            counts_until: ctx.now + Span(rules.within),
            incident: ask.incident.clone(),
            review,
            user: actor.id.clone(),
        };
        let resolved = ApprovalResolved {
            action_id,
            approval: ask.approval,
            break_glass: true,
            counted,
            decided: Vec::new(),
            fallback: None,
            permit: Some(Permit {
                audience: action.tool.to_string(),
                expires: ctx.now + Span(rules.permit),
                id: PermitId::from(action_id),
                r#use: countersign_policy::verdict::PermitUse::Redeem,
            }),
            positions,
            reason_code: None,
            reserved,
            state: ApprovalState::Approved,
            status: Status::Permitted,
            why: format!("`{}` broke the glass for `{}`", actor.id, ask.incident),
        };
        let operation = action.acts_in.as_ref().map(|acts_in| acts_in.operation.clone());
        let opened = ReviewOpened {
            action_id,
            agent: action.agent.clone(),
            broken_by: Some(actor.id.clone()),
            due: ctx.now + Span(rules.review_within),
            excluded: excluded.into_iter().collect(),
            kind: ReviewKind::BreakGlass,
            names: rules.review.clone(),
            operation: operation.unwrap_or_else(|| action.operation.to_string()),
            review,
            succeeded: false,
            week: None,
        };
        // Each time is worth an alert of its own, however soon after the last one.
        let alert = AlertRaised {
            action_id: Some(action_id),
            agent: Some(action.agent.clone()),
            alert: AlertId(ctx.ids.next(ctx.now)),
            name: "glass_broken".into(),
            summary: format!("`{}` let `{}` through for `{}`", actor.id, ask.approval, ask.incident),
        };
        let snapshot = action.snapshot.clone();
        let mut events = vec![
            Draft::observed(broken)
                .with_payload(Some(ask.reason))
                .citing(snapshot.clone()),
            Draft::observed(resolved).citing(snapshot),
        ];
        events.extend(self.callback_due(action_id, action.callback.as_ref(), ctx));
        events.push(Draft::observed(opened));
        events.push(Draft::observed(alert));
        events
    }

    /// Whom it concerns that the glass was broken: who answers for the agent, the admins, and those who look at it.
    pub(super) fn concerned(&self, e: &GlassBroken, names: &[String]) -> Place {
        let agent = self
            .actions
            .get(&e.action_id)
            .and_then(|action| self.agents.get(&action.agent));
        let owner = agent.map(|agent| agent.owner.as_str()).unwrap_or_default();
        let person = owner.strip_prefix("user:").unwrap_or(owner);
        let mut people = self.admins();
        people.extend(self.people_named(owner));
        people.extend(names.iter().flat_map(|name| self.people_named(name)));
        people.extend(self.users.contains_key(person).then(|| person.to_owned()));
        people
    }

    /// Whether a person may judge what another one let through. Nobody stands in for those who are named.
    pub(super) fn may_look(&self, review: &OpenReview, user: &str) -> Result<(), Refusal> {
        if review.excluded.iter().any(|out| out == user) {
            let detail = format!("`{user}` let it through, asked for it, or reports to whoever did");
            return Err(Refusal::forbidden("self_approval", detail).hint("ask somebody else of those who review it"));
        }
        let named = review.names.iter().any(|name| self.people_named(name).contains(user));
        if !named || !self.users.get(user).is_some_and(may_vote) {
            let detail = format!("`{user}` is not of `{}`, who review this", review.names.join("`, `"));
            return Err(Refusal::forbidden("not_eligible", detail));
        }
        Ok(())
    }

    /// The record that takes the right away, unless it is gone.
    pub(super) fn suspend_breaker(&self, id: ReviewId, review: &OpenReview, why: SuspendedFor) -> Option<Draft> {
        let user = review.broken_by.clone()?;
        let again = self.glass.suspended.contains_key(&user);
        (!again).then(|| Draft::observed(GlassSuspended { review: id, user, why }))
    }

    pub(super) fn restore_glass(
        &self,
        user: String,
        reason: crate::command::Sealed,
        actor: &Actor,
    ) -> Result<Handled, Refusal> {
        if !self.glass.suspended.contains_key(&user) {
            return Err(Refusal::missing("suspended right of", user));
        }
        if actor.kind == ActorKind::User && actor.id == user {
            let detail = format!("`{user}` does not restore the own right");
            return Err(Refusal::forbidden("self_approval", detail).hint("ask another admin"));
        }
        let by = actor.id.clone();
        Handled::done(vec![
            Draft::observed(GlassRestored { by, user }).with_payload(Some(reason)),
        ])
    }
}
