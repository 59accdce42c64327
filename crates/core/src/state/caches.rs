//! Timers and indexes: made from what the state holds, never part of it.

use super::inventory::review_due;
use super::{Due, IDEMPOTENCY_SPAN, NamedDue, OpenAction, OpenApproval, REFUSAL_SPAN, State};
use crate::digest::{Digest, hex, read_hex};
use crate::ids::ApprovalId;
use crate::record::Half;
use crate::time::Time;

impl State {
    /// Lets go of what is over by `now`.
    pub(super) fn leave(&mut self, now: Time) {
        self.rota.leave(now);
        self.leave_unused(now);
        self.leave_budgets(now);
        self.leave_runs(now);
        self.windows.leave(now);
        self.positions.leave(now);
        self.late.leave(now);
        while let Some((at, id)) = self.leaving.first().copied() {
            if at > now {
                break;
            }
            self.leaving.pop_first();
            // Whoever waits for an outcome stays until the timer has told it, however late that is: it leaves then.
            let waits = |action: &OpenAction| action.outcome_due.is_some() && !action.outcome;
            if !self.actions.get(&id).is_some_and(waits) {
                self.actions.remove(&id);
            }
        }
        while let Some((at, key)) = self.forget_keys.front().copied() {
            if at > now {
                break;
            }
            self.forget_keys.pop_front();
            let name = hex(&key.0);
            // The same key may have been used again since.
            if self
                .idempotency
                .get(&name)
                .is_some_and(|entry| entry.at + IDEMPOTENCY_SPAN <= now)
            {
                self.idempotency.remove(&name);
            }
        }
        while let Some((at, digest)) = self.forget_refusals.front().copied() {
            if at > now {
                break;
            }
            self.forget_refusals.pop_front();
            self.refusals.remove(&digest.to_string());
        }
    }

    pub(super) fn arm(&mut self, id: ApprovalId, approval: &OpenApproval) {
        self.due.extend(timers(id, approval));
    }

    pub(super) fn disarm(&mut self, id: ApprovalId, approval: &OpenApproval) {
        for timer in timers(id, approval) {
            self.due.remove(&timer);
        }
    }

    /// Makes timers and indexes from what the state holds.
    pub(super) fn rebuild_caches(&mut self) {
        self.rota.rebuild();
        self.reviewers.rebuild();
        self.rebuild_budgets();
        self.runs.rebuild();
        self.windows.rebuild();
        self.positions.rebuild();
        self.late.rebuild();
        let approvals = std::mem::take(&mut self.approvals);
        self.approvals_of_agent.clear();
        self.due.clear();
        self.leaving.clear();
        for (id, approval) in &approvals {
            self.arm(*id, approval);
            if let Some(action) = self.actions.get(&approval.action_id).filter(|action| !action.practice) {
                *self.approvals_of_agent.entry(action.agent.clone()).or_default() += 1;
            }
        }
        for (id, action) in &self.actions {
            if action.leaves < Time(i64::MAX) {
                self.leaving.insert((action.leaves, *id));
            }
            if let (Some(due), false) = (action.outcome_due, action.outcome) {
                self.due.insert((due, Due::Outcome(*id)));
            }
            let approved = action
                .approval
                .is_some_and(|approval| !approvals.contains_key(&approval));
            if let (Some(permit), true, false) = (&action.permit, approved, action.redeemed) {
                self.due.insert((permit.expires, Due::Lapse(*id)));
            }
        }
        if let Some(proposal) = &self.proposal {
            self.due.insert((proposal.until, Due::Proposal));
        }
        self.reviews_of_agent.clear();
        for review in self.reviews.values() {
            *self.reviews_of_agent.entry(review.agent.clone()).or_default() += 1;
        }
        self.rebuild_samples();
        for (id, review) in self.reviews.iter().filter(|(_, review)| !review.overdue) {
            self.due.insert((review.due, Due::Review(*id)));
        }
        self.approvals = approvals;
        self.named_due = (self.leases.iter())
            .map(|(name, lease)| (lease.until, NamedDue::Lease(name.clone())))
            .chain(
                (self.agents.iter())
                    .filter_map(|(id, agent)| Some((review_due(agent)?, NamedDue::AgentReview(id.clone())))),
            )
            .chain(self.runs.timers())
            .collect();
        let mut keys: Vec<(Time, Half)> = (self.idempotency.iter())
            .filter_map(|(key, entry)| Some((entry.at + IDEMPOTENCY_SPAN, Half(read_hex(key)?))))
            .collect();
        keys.sort();
        self.forget_keys = keys.into();
        let mut refusals: Vec<(Time, Digest)> = (self.refusals.iter())
            .filter_map(|(name, window)| Some((window.start + REFUSAL_SPAN, name.parse().ok()?)))
            .collect();
        refusals.sort();
        self.forget_refusals = refusals.into();
    }
}

/// The timers of an open request. There is always one: the deadline, which never moves.
fn timers(id: ApprovalId, approval: &OpenApproval) -> impl Iterator<Item = (Time, Due)> {
    let evidence = approval.evidence_due.map(|due| (due, Due::Evidence(id)));
    let target = (evidence.is_none() && !approval.overdue).then_some((approval.sla_due, Due::Sla(id)));
    let question = approval
        .question
        .as_ref()
        .map(|question| (question.due, Due::Question(id)));
    let asked = question.is_some();
    let tracks = (0..)
        .zip(&approval.tracks)
        .filter(move |(_, track)| !(asked && track.rules.clarify_pauses));
    let steps = tracks.flat_map(move |(index, track)| {
        let step = track.due.map(|due| (due, Due::Step(id, index)));
        let remind = track.remind.map(|remind| (remind, Due::Remind(id, index)));
        step.into_iter().chain(remind)
    });
    let deadline = (approval.deadline, Due::Deadline(id));
    std::iter::once(deadline)
        .chain(evidence)
        .chain(target)
        .chain(question)
        .chain(steps)
}
