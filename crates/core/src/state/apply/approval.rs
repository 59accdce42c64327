//! Storing what a record says about an open request.

use crate::event::{
    ApprovalAnswered, ApprovalLinked, ApprovalOpened, ApprovalRevised, ApprovalViewed, ApprovalVoted, Verb,
};
use crate::ids::ApprovalId;
use crate::record::Record;
use crate::state::link::LINKS_PER_PERSON;
use crate::state::request::{Claim, Handed, OpenApproval, Question};
use crate::state::vote::CLAIM_SPAN;
use crate::state::{OpenLink, OpenTrack, State};
use crate::time::Time;

impl State {
    pub(super) fn opened(&mut self, now: Time, e: &ApprovalOpened) {
        let approval = OpenApproval {
            action_id: e.action_id,
            author: None,
            claim: None,
            deadline: e.deadline,
            editable: e.editable.clone(),
            edits: 0,
            escalated: false,
            evidence_due: e.evidence_due,
            excluded: e.excluded.clone(),
            first_viewed: Default::default(),
            handed: Default::default(),
            links: Vec::new(),
            missing: e.missing.clone(),
            opened: self.counts.then_some(now),
            overdue: false,
            question: None,
            questions: 0,
            revisions: 0,
            second: Default::default(),
            sla_due: e.sla_due,
            slots: e.slots.clone(),
            tracks: e.tracks.iter().cloned().map(OpenTrack::new).collect(),
            uncounted: 0,
            valid_for_s: e.valid_for_s,
            viewed: Default::default(),
            votes: Default::default(),
        };
        if let Some(action) = self.actions.get_mut(&e.action_id) {
            action.requester = e.requester.clone();
            action.slots = e.slots.clone();
            action.tracks = e.tracks.clone();
        }
        if self.actions.get(&e.action_id).is_none_or(|action| !action.practice) {
            *self.approvals_of_agent.entry(e.agent.clone()).or_default() += 1;
        }
        self.arm(e.approval, &approval);
        self.approvals.insert(e.approval, approval);
    }

    /// Changes an open request; its timers follow.
    pub(super) fn change(&mut self, id: ApprovalId, with: impl FnOnce(&mut OpenApproval)) {
        if let Some(mut approval) = self.approvals.remove(&id) {
            self.disarm(id, &approval);
            with(&mut approval);
            self.arm(id, &approval);
            self.approvals.insert(id, approval);
        }
    }

    pub(super) fn change_track(&mut self, id: ApprovalId, index: u32, with: impl FnOnce(&mut OpenTrack)) {
        self.change(id, |approval| {
            if let Some(track) = approval.tracks.get_mut(index as usize) {
                with(track);
            }
        });
    }

    pub(super) fn answered(&mut self, now: Time, e: &ApprovalAnswered) {
        self.change(e.approval, |approval| {
            approval.missing = e.missing.clone();
            approval.sla_due = e.sla_due;
            if e.missing.is_empty() {
                approval.evidence_due = None;
            }
            // What was shown before is not all that there is now.
            approval.viewed.clear();
            approval.end_question(now);
        });
    }

    pub(super) fn revised(&mut self, record: &Record, e: &ApprovalRevised) {
        self.counted_by_revision(e);
        self.revises_positions(record, e);
        if let Some(action) = self.actions.get_mut(&e.action_id) {
            action.revise(e, record.snapshot.clone(), !record.redact.is_empty());
        }
        self.change(e.approval, |approval| approval.revise(record.ts, e));
    }

    /// Stores that a link works.
    pub(super) fn linked(&mut self, e: &ApprovalLinked) {
        self.change(e.approval, |approval| {
            let of_person = |open: &OpenLink| open.user == e.user;
            if approval.links.iter().filter(|open| of_person(open)).count() >= LINKS_PER_PERSON
                && let Some(oldest) = approval.links.iter().position(of_person)
            {
                approval.links.remove(oldest);
            }
            approval.links.push(OpenLink {
                channel: e.channel.clone(),
                link: e.link,
                until: e.until,
                user: e.user.clone(),
            });
        });
    }

    pub(super) fn viewed(&mut self, now: Time, e: &ApprovalViewed) {
        self.change(e.approval, |approval| {
            approval.viewed.insert(e.user.clone(), e.presentation);
            approval.first_viewed.entry(e.user.clone()).or_insert(now);
        });
    }

    pub(super) fn voted(&mut self, now: Time, e: &ApprovalVoted) {
        self.late.cast(now, e);
        if let Some(action) = self.actions.get(&e.action_id) {
            self.reviewers.voted(now, &action.agent, e);
        }
        self.change(e.approval, |approval| {
            if !e.counted {
                approval.uncounted = approval.uncounted.saturating_add(1);
                return;
            }
            match e.verb {
                Verb::Approve | Verb::Reject | Verb::Edit => {
                    // Whoever has decided needs no link any more: each works once.
                    approval.links.retain(|link| link.user != e.user);
                    let says = if e.verb == Verb::Reject {
                        Verb::Reject
                    } else {
                        Verb::Approve
                    };
                    approval.votes.insert(e.user.clone(), says);
                    approval.second.extend(e.second.then(|| e.user.clone()));
                    // Whoever was on it has decided.
                    approval.claim = approval.claim.take().filter(|claim| claim.by != e.user);
                }
                Verb::Clarify => {
                    approval.questions = approval.questions.saturating_add(1);
                    approval.question = e.clarify_due.map(|due| Question {
                        by: e.user.clone(),
                        due,
                        since: now,
                    });
                }
                Verb::HandOver => {
                    if let Some(to) = &e.to {
                        let handed = Handed {
                            by: e.user.clone(),
                            names: e.handed_as.clone(),
                        };
                        approval.handed.insert(to.clone(), handed);
                    }
                }
                Verb::Claim => {
                    let held = |claim: &Claim| claim.by == e.user && now < claim.until + CLAIM_SPAN;
                    let renewed = approval.claim.as_ref().is_some_and(held);
                    approval.claim = e.claimed_until.map(|until| Claim {
                        by: e.user.clone(),
                        renewed,
                        until,
                    });
                }
                Verb::Release => {
                    // That somebody had it is known for a while: who has let go does not take it again at once.
                    if let Some(claim) = approval.claim.as_mut().filter(|claim| claim.by == e.user) {
                        claim.until = claim.until.min(now);
                    }
                    approval.uncounted = approval.uncounted.saturating_add(1);
                }
                Verb::Abstain | Verb::Comment => approval.uncounted = approval.uncounted.saturating_add(1),
            }
        });
    }
}
