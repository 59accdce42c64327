//! What time brings. No timer can approve: the only event here that ends a request ends it without a permit.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::autonomy::Acted;
use super::{Ctx, Due, Handled, NamedDue, REFUSAL_SPAN, State};
use crate::event::{ApprovalOverdue, ApprovalState, Event, OutcomeReported, OutcomeStatus, RefusalsRepeated};
use crate::ids::{ActionId, ApprovalId};
use crate::record::Draft;
use crate::refusal::Refusal;

/// How many due items one tick handles; the next tick follows at once.
const ITEMS_PER_TICK: usize = 2000;

impl State {
    pub(super) fn tick(&self, ctx: &mut Ctx<'_>) -> Result<Handled, Refusal> {
        let mut events = self.tell_turned_away(ctx);
        if self.frozen {
            return Handled::done(events);
        }
        let now = ctx.now;
        // A request ends once, whatever else of it is due.
        let mut ended = BTreeSet::new();
        let mut told_weeks = false;
        let live = ctx.live;
        for (_, due) in self.due.iter().take_while(|(at, _)| *at <= now).take(ITEMS_PER_TICK) {
            ctx.live = self.at_hand_for(self.action_due(due), live, ctx.beside);
            // Once the deadline has passed, whatever else of a request is due ends it.
            let late = |id: &ApprovalId| self.approvals.get(id).is_some_and(|approval| approval.deadline <= now);
            if let Due::Evidence(id) | Due::Sla(id) | Due::Question(id) | Due::Remind(id, _) | Due::Step(id, _) = due
                && late(id)
            {
                if ended.insert(*id) {
                    events.extend(self.expire(*id, ctx));
                }
                continue;
            }
            match *due {
                Due::Deadline(id) if ended.insert(id) => events.extend(self.expire(id, ctx)),
                Due::Evidence(id) if ended.insert(id) => {
                    let why = "the evidence was not completed in time".to_owned();
                    events.extend(self.end_approval(id, ApprovalState::Expired, "expired", why, ctx));
                }
                Due::Deadline(_) | Due::Evidence(_) => {}
                Due::Sla(id) | Due::Question(id) | Due::Remind(id, _) | Due::Step(id, _) if ended.contains(&id) => {}
                Due::Sla(id) => events.extend(self.overdue(id, ctx)),
                Due::Question(id) => events.extend(self.unanswered(id)),
                Due::Remind(id, track) => events.extend(self.remind(id, track)),
                Due::Step(id, track) => {
                    let over = self.step_over(id, track, ctx);
                    let ends = |draft: &Draft| matches!(draft.event, Event::ApprovalResolved(_));
                    if !over.iter().any(ends) || ended.insert(id) {
                        events.extend(over);
                    }
                }
                Due::Lapse(id) => {
                    if let Some(approval) = self.actions.get(&id).and_then(|action| action.approval) {
                        let why = "the approval was not used in time".to_owned();
                        events.extend(self.resolve(id, approval, ApprovalState::Lapsed, "expired", why, ctx));
                    }
                }
                Due::Proposal => events.extend(self.proposal_over()),
                // Weeks whose end nobody noticed are all told at once.
                Due::Sample if std::mem::replace(&mut told_weeks, true) => {}
                Due::Sample => events.extend(self.week_over(ctx)),
                Due::Review(id) => events.extend(self.review_overdue(id, ctx)),
                Due::Outcome(id) => {
                    let settled = self.unreported(id, ctx);
                    let acts_in = self.actions.get(&id).and_then(|action| action.acts_in.as_ref());
                    let week = self.takes_part(acts_in, false, ctx);
                    events.push(Draft::observed(OutcomeReported {
                        fell_short: Vec::new(),
                        in_a_row: None,
                        action_id: id,
                        cause: None,
                        cost: None,
                        counted: Vec::new(),
                        currency: None,
                        duration_ms: None,
                        settled,
                        status: OutcomeStatus::Unknown,
                        tokens: Default::default(),
                        violations: Vec::new(),
                        week,
                    }));
                    let agent = self.actions.get(&id).map(|action| action.agent.clone());
                    if let Some(action) = self.actions.get(&id) {
                        events.extend(self.after_outcome(id, action, OutcomeStatus::Unknown, ctx).1);
                        let acted = Acted::of(id, action);
                        events.extend(self.learn(&acted, OutcomeStatus::Unknown, false, ctx));
                    }
                    let summary = format!("nobody reported an outcome of `{id}` in time");
                    events.extend(self.alert("outcome_unknown", summary, agent.as_ref(), Some(id), ctx));
                }
            }
        }
        ctx.live = live;
        let named: Vec<_> = (self.named_due.iter())
            .take_while(|(at, _)| *at <= now)
            .take(ITEMS_PER_TICK)
            .collect();
        for (_, due) in named {
            match due {
                NamedDue::Lease(name) => events.extend(self.lapse(name, ctx)),
                NamedDue::AgentReview(agent) => events.extend(self.agent_review_overdue(agent, ctx)),
                NamedDue::Run(name) => events.extend(self.run_idle(name)),
            }
        }
        Handled::done(events)
    }

    /// The action that something due is about.
    fn action_due(&self, due: &Due) -> Option<ActionId> {
        match due {
            Due::Evidence(id)
            | Due::Question(id)
            | Due::Remind(id, _)
            | Due::Step(id, _)
            | Due::Sla(id)
            | Due::Deadline(id) => Some(self.approvals.get(id)?.action_id),
            Due::Lapse(id) | Due::Outcome(id) => Some(*id),
            // A look at what has run is due by the policy that is live.
            Due::Review(_) | Due::Proposal | Due::Sample => None,
        }
    }

    fn overdue(&self, id: ApprovalId, ctx: &mut Ctx<'_>) -> Vec<Draft> {
        let Some(approval) = self.approvals.get(&id) else {
            return Vec::new();
        };
        let overdue = ApprovalOverdue {
            action_id: approval.action_id,
            approval: id,
            sla_due: approval.sla_due,
        };
        let agent: Option<&Arc<str>> = self.actions.get(&approval.action_id).map(|action| &action.agent);
        let summary = format!("`{id}` waits for a decision since its target {}", approval.sla_due);
        let alert = self.alert("approval_overdue", summary, agent, Some(approval.action_id), ctx);
        std::iter::once(Draft::observed(overdue)).chain(alert).collect()
    }

    /// Requests that were turned away without a record are told once a minute.
    fn tell_turned_away(&self, ctx: &mut Ctx<'_>) -> Vec<Draft> {
        let now = ctx.now;
        let over: Vec<_> = (ctx.transient.turned_away.iter())
            .filter(|(_, away)| away.since + REFUSAL_SPAN <= now)
            .map(|(digest, _)| *digest)
            .collect();
        let told = over
            .into_iter()
            .filter_map(|digest| Some((digest, ctx.transient.turned_away.remove(&digest)?)));
        told.map(|(digest, away)| {
            Draft::observed(RefusalsRepeated {
                agent: away.agent,
                count: away.count,
                digest,
                since: away.since,
            })
        })
        .collect()
    }
}
