//! A request for a human decision that has not ended, as the state holds it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::OpenAction;
use super::track::OpenTrack;
use crate::digest::Digest;
use crate::event::{ApprovalRevised, ApprovalState, Editable, Excluded, Slot, Verb, is_zero};
use crate::ids::ActionId;
use crate::time::{Span, Time};

/// How many questions an agent is asked about a request that takes no route, and how long it has for each.
const QUESTIONS: u32 = 3;
const QUESTION_SPAN: Span = Span::minutes(15);

/// A request for a human decision that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenApproval {
    /// The action.
    pub action_id: ActionId,
    /// Who is on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// When it expires undecided.
    pub deadline: Time,
    /// Who narrowed it last, where somebody else has to approve that as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// What whoever decides may narrow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub editable: Option<Editable>,
    /// How often reviewers narrowed it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub edits: u32,
    /// Somebody else was asked, as the people before did not answer or could not be reached; where the state counts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub escalated: bool,
    /// Until when evidence has to be complete; `None` when people are asked.
    pub evidence_due: Option<Time>,
    /// Who may not vote.
    pub excluded: Vec<Excluded>,
    /// When people were shown it first, by person.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub first_viewed: BTreeMap<String, Time>,
    /// Who has whose place, by the colleague.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub handed: BTreeMap<String, Handed>,
    /// Links by which people may decide.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<super::OpenLink>,
    /// What evidence is missing.
    pub missing: Vec<String>,
    /// When it was opened; where the state counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened: Option<Time>,
    /// It passed its target.
    pub overdue: bool,
    /// What the agent was asked and did not answer yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<Question>,
    /// How many questions the agent was asked.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub questions: u32,
    /// How often it was about another action before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub revisions: u32,
    /// Those whose approval takes one more person.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub second: BTreeSet<String>,
    /// When an answer is expected.
    pub sla_due: Time,
    /// Who has to approve, besides the people of routes.
    pub slots: Vec<Slot>,
    /// Routes that it takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tracks: Vec<OpenTrack>,
    /// Votes that did not count, so far.
    pub uncounted: u32,
    /// How long an approval may be used.
    pub valid_for_s: i64,
    /// What people were shown last, by person; those who saw it before the agent's last answer are not among them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub viewed: BTreeMap<String, Digest>,
    /// Votes that count, by person.
    pub votes: BTreeMap<String, Verb>,
}

/// A place that changed hands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handed {
    /// Whose it was.
    pub by: String,
    /// The names to which both answer: only a place of one of them changed hands.
    pub names: Vec<String>,
}

/// Who is on a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Who.
    pub by: String,
    /// It was claimed once more while it held, or a moment later.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub renewed: bool,
    /// Until when nobody else decides.
    pub until: Time,
}

/// A question that the agent did not answer yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Who asks.
    pub by: String,
    /// Until when it is waited for the answer.
    pub due: Time,
    /// When it was asked.
    pub since: Time,
}

impl OpenApproval {
    /// Where it stands.
    pub fn state(&self) -> ApprovalState {
        if self.evidence_due.is_some() {
            ApprovalState::NeedsEvidence
        } else if self.question.is_some() {
            ApprovalState::Clarifying
        } else if self.tracks.iter().any(|track| track.held) {
            ApprovalState::Held
        } else {
            ApprovalState::Pending
        }
    }

    /// How many questions the agent may be asked, and how long it has for one: the least that a route allows.
    pub(super) fn questions_allowed(&self) -> (u32, Span) {
        let rounds = self.tracks.iter().map(|track| track.rules.clarify_rounds).min();
        let span = self
            .tracks
            .iter()
            .map(|track| Span::seconds(track.rules.clarify_s))
            .min();
        (rounds.unwrap_or(QUESTIONS), span.unwrap_or(QUESTION_SPAN))
    }

    /// How often the agent changed what it wants.
    pub(super) fn revisions_of_agent(&self) -> u32 {
        self.revisions.saturating_sub(self.edits)
    }

    /// It is about another action now. What was said of the one before is over, unless the record says that it stands.
    pub(super) fn revise(&mut self, now: Time, e: &ApprovalRevised) {
        self.revisions = self.revisions.saturating_add(1);
        self.author = e.edited_by.clone().filter(|_| e.second);
        self.excluded.clone_from(&e.excluded);
        self.slots.clone_from(&e.slots);
        self.valid_for_s = e.valid_for_s;
        self.viewed.clear();
        self.first_viewed.clear();
        if e.edited_by.is_some() {
            self.edits = self.edits.saturating_add(1);
        } else {
            // Who was asked something has said something else.
            self.end_question(now);
        }
        if !e.keeps_votes {
            self.votes.clear();
            self.second.clear();
            let deadline = self.deadline;
            self.tracks
                .iter_mut()
                .for_each(|track| track.begin_again(now, deadline));
        }
        for (place, track) in (0..).zip(&mut self.tracks) {
            e.raise(place, &mut track.rules);
        }
        self.tracks.extend(e.tracks.iter().cloned().map(OpenTrack::new));
    }

    /// Ends the question; the clocks that it stopped go on with what was left.
    pub(super) fn end_question(&mut self, now: Time) {
        let Some(question) = self.question.take() else { return };
        let stood = now - question.since;
        for track in self.tracks.iter_mut().filter(|track| track.rules.clarify_pauses) {
            track.due = track.due.map(|due| (due + stood).min(self.deadline));
            track.remind = track.remind.map(|remind| (remind + stood).min(self.deadline));
        }
    }
}

impl OpenAction {
    /// It is another action now, granted within other limits.
    pub(super) fn revise(&mut self, e: &ApprovalRevised, snapshot: Option<Arc<str>>, redacted: bool) {
        self.classes.clone_from(&e.classes);
        self.constraints.clone_from(&e.constraints);
        self.outputs.clone_from(&e.outputs);
        if !self.practice {
            self.counted.clone_from(&e.counted);
            self.counts_later.clone_from(&e.counts_later);
            self.positions.clone_from(&e.positions);
        }
        self.digest = e.digest;
        self.redacted = redacted;
        self.slots.clone_from(&e.slots);
        self.snapshot = snapshot;
        self.spends.clone_from(&e.spends);
        e.join(&mut self.tracks);
    }
}
