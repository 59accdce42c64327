//! What became of requests, by the hour in which each was opened: one that is never answered counts as much as one that is.

use serde::{Deserialize, Serialize};

use super::super::{OpenTrack, State};
use super::{Times, add, add_if, bound_of};
use crate::event::{ApprovalResolved, ApprovalState, ApprovalStepStarted, ApprovalVoted, StepReason, Verb};
use crate::ids::ApprovalId;
use crate::time::Time;

/// Requests that were opened within one hour, and what became of them since. What is in none of the ends is still open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Requests {
    /// After how long people approved or rejected.
    #[serde(skip_serializing_if = "Times::is_empty")]
    pub answered: Times,
    /// Approved by the people who were asked.
    #[serde(skip_serializing_if = "super::super::is_zero")]
    pub approved: u64,
    /// Questions that the agent was asked about them.
    #[serde(skip_serializing_if = "super::super::is_zero")]
    pub asked_back: u64,
    /// Let through by one person in place of those who were asked.
    #[serde(skip_serializing_if = "super::super::is_zero")]
    pub broken_glass: u64,
    /// Those of the approved that were narrowed before.
    #[serde(skip_serializing_if = "super::super::is_zero")]
    pub edited: u64,
    /// Those for which somebody else was asked, as the people before did not answer or could not be reached.
    #[serde(skip_serializing_if = "super::super::is_zero")]
    pub escalated: u64,
    /// Ended without an answer.
    #[serde(skip_serializing_if = "super::super::is_zero")]
    pub expired: u64,
    /// All of them.
    #[serde(skip_serializing_if = "super::super::is_zero")]
    pub opened: u64,
    /// Rejected.
    #[serde(skip_serializing_if = "super::super::is_zero")]
    pub rejected: u64,
    /// After how long somebody who was asked looked first.
    #[serde(skip_serializing_if = "Times::is_empty")]
    pub seen: Times,
    /// After how long they ended otherwise than by an answer of people.
    #[serde(skip_serializing_if = "Times::is_empty")]
    pub unanswered: Times,
    /// Ended by something else: withdrawn, stopped, another policy.
    #[serde(skip_serializing_if = "super::super::is_zero")]
    pub withdrawn: u64,
}

fn count(times: &mut Times, opened: Time, now: Time) {
    add(times.entry(bound_of(now - opened)).or_default());
}

impl State {
    pub(super) fn request_seen(&mut self, now: Time, id: ApprovalId) {
        let Some(approval) = self.approvals.get(&id).filter(|open| open.first_viewed.is_empty()) else {
            return;
        };
        if let Some(opened) = approval.opened
            && let Some(requests) = self.measures.opened_in(opened)
        {
            count(&mut requests.seen, opened, now);
        }
    }

    pub(super) fn step_started(&mut self, now: Time, e: &ApprovalStepStarted) {
        let hour = self.measures.hour(now);
        add(&mut hour.steps_asked);
        add_if(&mut hour.steps_missed, e.missed.is_some());
        add_if(
            &mut hour.steps_unreachable,
            e.reason == StepReason::Unreachable || e.fallback,
        );
        let is_for_others = match e.reason {
            StepReason::TimedOut | StepReason::Unreachable => true,
            StepReason::Approved | StepReason::Opened | StepReason::Repeated | StepReason::Revised => false,
        };
        let Some(approval) = self.approvals.get_mut(&e.approval) else {
            return;
        };
        if is_for_others
            && !std::mem::replace(&mut approval.escalated, true)
            && let Some(opened) = approval.opened
            && let Some(requests) = self.measures.opened_in(opened)
        {
            add(&mut requests.escalated);
        }
    }

    pub(super) fn request_asked_back(&mut self, e: &ApprovalVoted) {
        if e.verb == Verb::Clarify
            && e.counted
            && let Some(opened) = self.approvals.get(&e.approval).and_then(|approval| approval.opened)
            && let Some(requests) = self.measures.opened_in(opened)
        {
            add(&mut requests.asked_back);
        }
    }

    /// What ends after it was approved is not open any more, and counts as approved.
    pub(super) fn request_ended(&mut self, now: Time, e: &ApprovalResolved) {
        let Some(approval) = self.approvals.get(&e.approval) else {
            return;
        };
        let is_edited = approval.edits > 0;
        // A step that ends the request by its time has none after it that tells so.
        let over = |track: &&OpenTrack| track.due.is_some_and(|due| due <= now);
        let missed = approval.tracks.iter().filter(over).count() as u64;
        if e.state == ApprovalState::Expired {
            let hour = self.measures.hour(now);
            hour.steps_missed = hour.steps_missed.saturating_add(missed);
        }
        self.measures.decided_on(now, e, is_edited);
        let Some(opened) = approval.opened else { return };
        let Some(requests) = self.measures.opened_in(opened) else {
            return;
        };
        let by_people = match e.state {
            ApprovalState::Approved if e.break_glass => {
                add(&mut requests.broken_glass);
                false
            }
            ApprovalState::Approved => {
                add(&mut requests.approved);
                add_if(&mut requests.edited, is_edited);
                true
            }
            ApprovalState::Rejected => {
                add(&mut requests.rejected);
                true
            }
            ApprovalState::Expired => {
                add(&mut requests.expired);
                false
            }
            ApprovalState::NeedsEvidence
            | ApprovalState::Pending
            | ApprovalState::Clarifying
            | ApprovalState::Held
            | ApprovalState::Cancelled
            | ApprovalState::Invalidated
            | ApprovalState::Lapsed
            | ApprovalState::Consumed => {
                add(&mut requests.withdrawn);
                false
            }
        };
        let times = if by_people {
            &mut requests.answered
        } else {
            &mut requests.unanswered
        };
        count(times, opened, now);
    }
}
