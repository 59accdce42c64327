//! An action as its records tell it: the fold that answers and long-polls are rendered from.

mod stands;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::digest::Digest;
use crate::event::{
    ApprovalOpened, ApprovalResolved, ApprovalRevised, ApprovalState, ApprovalStepStarted, ApprovalVoted, DecisionMade,
    Event, GlassBroken, OutcomeReported, Permit, Status, Verb,
};
use crate::{record::Record, time::Time};

/// A vote in a view.
#[derive(Clone, Debug)]
pub struct CastVote {
    /// When.
    pub at: Time,
    /// Index of its record; its payload is the comment.
    pub seq: u64,
    /// The vote.
    pub vote: ApprovalVoted,
    /// It is for what the request was about before, and does not stand for what it is about now.
    pub outdated: bool,
}

/// What happened on a route of a request.
#[derive(Clone, Debug)]
pub struct StepTaken {
    /// When.
    pub at: Time,
    /// Index of its record.
    pub seq: u64,
    /// Which track.
    pub track: u32,
    /// Which step.
    pub step: u32,
    /// What.
    pub what: StepFact,
}

/// What can happen to a step.
#[derive(Clone, Debug)]
pub enum StepFact {
    /// Its people are asked.
    Started(Box<ApprovalStepStarted>),
    /// They are reminded; its time is over then.
    Reminded(Time),
    /// They have approved.
    Passed,
    /// It was the last one, and let that time pass; it is waited until the deadline.
    Held(Time),
}

/// A request in a view.
#[derive(Clone, Debug)]
pub struct ApprovalView {
    /// As it was opened; who has to decide and on what, as it stands now.
    pub opened: ApprovalOpened,
    /// When.
    pub opened_at: Time,
    /// Where it stands.
    pub state: ApprovalState,
    /// What evidence is still missing.
    pub missing: Vec<String>,
    /// When an answer is expected.
    pub sla_due: Time,
    /// It passed that time.
    pub overdue: bool,
    /// Votes, in the order of the ledger.
    pub votes: Vec<CastVote>,
    /// Indices of the records whose payload is later evidence, or an answer to a question.
    pub answers: Vec<u64>,
    /// What happened on its routes, in the order of the ledger.
    pub steps: Vec<StepTaken>,
    /// The question that the agent did not answer yet: index of its vote, and until when it is waited for.
    pub question: Option<(u64, Time)>,
    /// Who is on it, and until when.
    pub claim: Option<(String, Time)>,
    /// That somebody let it through: when, the index of the record, what it says.
    pub broken: Option<(Time, u64, GlassBroken)>,
    /// How it ended, with the time.
    pub resolved: Option<(Time, ApprovalResolved)>,
}

/// A change of what a request is about.
#[derive(Clone, Debug)]
pub struct Revised {
    /// Index of its record; its payload is the stored form of the action.
    pub seq: u64,
    /// When.
    pub at: Time,
    /// The snapshot that policy was asked under.
    pub snapshot: Option<Arc<str>>,
    /// What it says.
    pub event: ApprovalRevised,
    /// Nothing of the action was replaced before it was kept.
    pub complete: bool,
}

/// An action, its decision and what came of it.
#[derive(Clone, Debug)]
pub struct ActionView {
    /// Index of the decision's record; its payload is the stored form of the action.
    pub seq: u64,
    /// When it was decided.
    pub decided_at: Time,
    /// The decision.
    pub decision: DecisionMade,
    /// The snapshot that it cites.
    pub snapshot: Option<Arc<str>>,
    /// What redaction replaced.
    pub redact: BTreeMap<String, u32>,
    /// What the caller needs, now.
    pub status: Status,
    /// Why it is refused.
    pub reason_code: Option<String>,
    /// The permit, with the index and time of the record that issued it.
    pub permit: Option<(u64, Time, Permit)>,
    /// When the permit was used.
    pub redeemed_at: Option<Time>,
    /// The request for a human decision.
    pub approval: Option<ApprovalView>,
    /// What it was changed to while people decided, the last one last.
    pub revisions: Vec<Revised>,
    /// What happened after.
    pub outcome: Option<(u64, Time, OutcomeReported)>,
}

impl ActionView {
    /// Folds the records of one action, in the order of the ledger. `None` if there is no decision among them.
    pub fn fold<'a>(records: impl IntoIterator<Item = &'a Record>) -> Option<ActionView> {
        let mut records = records.into_iter();
        let mut view = records.find_map(|record| match &record.event {
            Event::DecisionMade(decision) => Some(ActionView::decided(record, decision)),
            _ => None,
        })?;
        for record in records {
            view.apply(record);
        }
        Some(view)
    }

    fn decided(record: &Record, decision: &DecisionMade) -> ActionView {
        ActionView {
            seq: record.seq,
            decided_at: record.ts,
            decision: decision.clone(),
            snapshot: record.snapshot.clone(),
            redact: record.redact.clone(),
            status: decision.status,
            reason_code: decision.reason_code.clone(),
            permit: decision.permit.clone().map(|permit| (record.seq, record.ts, permit)),
            redeemed_at: None,
            approval: None,
            revisions: Vec::new(),
            outcome: None,
        }
    }

    /// What it was changed to last, if it was.
    pub fn revised(&self) -> Option<&Revised> {
        self.revisions.last()
    }

    /// Index of the record whose payload is the stored form of the action as it stands.
    pub fn form(&self) -> u64 {
        self.revised().map_or(self.seq, |revised| revised.seq)
    }

    /// The digest of the action as it stands.
    pub fn digest(&self) -> Digest {
        self.revised()
            .map_or(self.decision.digest, |revised| revised.event.digest)
    }

    /// The digest of what may run: of the alternative, where policy put one in its place.
    pub fn runs(&self) -> Digest {
        let applied = self.decision.remedy.as_ref().filter(|remedy| remedy.applied);
        applied.map_or_else(|| self.digest(), |remedy| remedy.digest)
    }

    /// The snapshot under which the action as it stands was decided.
    pub fn decided_under(&self) -> Option<&Arc<str>> {
        match self.revised() {
            Some(revised) => revised.snapshot.as_ref(),
            None => self.snapshot.as_ref(),
        }
    }

    fn apply(&mut self, record: &Record) {
        match &record.event {
            Event::ApprovalRevised(revised) => {
                self.revisions.push(Revised {
                    seq: record.seq,
                    at: record.ts,
                    snapshot: record.snapshot.clone(),
                    event: (**revised).clone(),
                    complete: record.redact.is_empty(),
                });
                if let Some(approval) = &mut self.approval {
                    approval.revise(revised);
                }
            }
            Event::ApprovalOpened(opened) => {
                self.approval = Some(ApprovalView {
                    opened: (**opened).clone(),
                    opened_at: record.ts,
                    state: opened.state,
                    missing: opened.missing.clone(),
                    sla_due: opened.sla_due,
                    overdue: false,
                    votes: Vec::new(),
                    answers: Vec::new(),
                    steps: Vec::new(),
                    question: None,
                    claim: None,
                    broken: None,
                    resolved: None,
                });
            }
            Event::PermitRedeemed(_) => {
                self.redeemed_at = Some(record.ts);
                if let Some(approval) = &mut self.approval {
                    approval.state = ApprovalState::Consumed;
                }
            }
            Event::OutcomeReported(outcome) => self.outcome = Some((record.seq, record.ts, (**outcome).clone())),
            Event::ApprovalResolved(resolved) => {
                self.status = resolved.status;
                self.reason_code = resolved.reason_code.clone();
                self.permit = resolved.permit.clone().map(|permit| (record.seq, record.ts, permit));
                if let Some(approval) = &mut self.approval {
                    approval.state = resolved.state;
                    approval.resolved = Some((record.ts, (**resolved).clone()));
                }
            }
            _other => self.apply_to_approval(record),
        }
    }

    fn apply_to_approval(&mut self, record: &Record) {
        let Some(approval) = &mut self.approval else { return };
        match &record.event {
            Event::ApprovalAnswered(answered) => {
                approval.state = answered.state;
                approval.missing = answered.missing.clone();
                approval.sla_due = answered.sla_due;
                approval.answers.push(record.seq);
                approval.question = None;
            }
            Event::ApprovalStepStarted(e) => {
                approval.step(record, e.track, e.step, StepFact::Started(e.clone()));
                approval.settle();
            }
            Event::ApprovalReminded(e) => approval.step(record, e.track, e.step, StepFact::Reminded(e.due)),
            Event::ApprovalStepPassed(e) => approval.step(record, e.track, e.step, StepFact::Passed),
            Event::ApprovalHeld(e) => {
                let step = approval.current_step(e.track);
                approval.step(record, e.track, step, StepFact::Held(e.missed));
                approval.settle();
            }
            Event::ApprovalResumed(_) => {
                approval.question = None;
                approval.settle();
            }
            Event::ApprovalVoted(vote) => {
                if let Some(due) = vote.clarify_due {
                    approval.question = Some((record.seq, due));
                    approval.settle();
                }
                if vote.counted {
                    match vote.verb {
                        Verb::Claim => approval.claim = vote.claimed_until.map(|until| (vote.user.clone(), until)),
                        Verb::Release => approval.claim = None,
                        Verb::Approve
                        | Verb::Reject
                        | Verb::Abstain
                        | Verb::Comment
                        | Verb::Clarify
                        | Verb::Edit
                        | Verb::HandOver => {}
                    }
                }
                approval.votes.push(CastVote {
                    at: record.ts,
                    seq: record.seq,
                    vote: (**vote).clone(),
                    outdated: false,
                });
            }
            Event::ApprovalOverdue(_) => approval.overdue = true,
            Event::GlassBroken(e) => approval.broken = Some((record.ts, record.seq, (**e).clone())),
            // Whatever else names the action (alerts, callbacks, refused permits) does not change where it stands.
            _other => {}
        }
    }
}

impl ApprovalView {
    /// Who has to decide on the action as it stands. Routes that join come after those that were there.
    fn revise(&mut self, e: &ApprovalRevised) {
        self.opened.digest = e.digest;
        self.opened.excluded.clone_from(&e.excluded);
        self.opened.slots.clone_from(&e.slots);
        self.opened.valid_for_s = e.valid_for_s;
        e.join(&mut self.opened.tracks);
        self.opened.unresolved.extend(e.unresolved.iter().cloned());
        if !e.keeps_votes {
            let says = |cast: &&mut CastVote| {
                cast.vote.counted && matches!(cast.vote.verb, Verb::Approve | Verb::Reject | Verb::Edit)
            };
            let said = self.votes.iter_mut().filter(says);
            said.for_each(|cast| cast.outdated = true);
        }
        if e.edited_by.is_none() {
            self.question = None;
            self.settle();
        }
    }

    fn step(&mut self, record: &Record, track: u32, step: u32, what: StepFact) {
        self.steps.push(StepTaken {
            at: record.ts,
            seq: record.seq,
            track,
            step,
            what,
        });
    }

    /// The step of a track that was asked last.
    pub fn current_step(&self, track: u32) -> u32 {
        let steps = self.steps.iter().rev().filter(|taken| taken.track == track);
        let mut started = steps.filter(|taken| matches!(taken.what, StepFact::Started(_)));
        started.next().map_or(0, |taken| taken.step)
    }

    /// Where an open request stands, by what was asked and what let its time pass.
    fn settle(&mut self) {
        let last_of_track = |track: u32| self.steps.iter().rev().find(|taken| taken.track == track);
        let held = (0..).take(self.opened.tracks.len());
        let mut held = held
            .filter_map(last_of_track)
            .filter(|taken| matches!(taken.what, StepFact::Held(_)));
        self.state = if self.question.is_some() {
            ApprovalState::Clarifying
        } else if held.next().is_some() {
            ApprovalState::Held
        } else {
            ApprovalState::Pending
        };
    }
}

/// What records of a run are looked up by: a run is named by its agents as they like.
pub fn run_subject(run: &str) -> u128 {
    let Digest(bytes) = Digest::tagged("countersign-run-v1", &[run.as_bytes()]);
    bytes
        .iter()
        .take(16)
        .fold(0, |subject, byte| subject << 8 | u128::from(*byte))
}

/// The subjects that a record is about: what one looks it up by besides its index.
pub fn subjects(event: &Event) -> Vec<u128> {
    match event {
        Event::DecisionMade(e) => {
            let approval = e.approval.map(|approval| approval.0);
            let run = e.run.as_deref().map(run_subject);
            [e.action_id.0].into_iter().chain(approval).chain(run).collect()
        }
        Event::RunEnded(e) => vec![run_subject(&e.run.to_string())],
        Event::RunInput(e) => vec![run_subject(&e.run)],
        Event::RunNoted(e) => vec![run_subject(&e.run)],
        Event::RunStarted(e) => vec![run_subject(&e.run.to_string())],
        Event::ApprovalOpened(e) => vec![e.action_id.0],
        Event::ApprovalAnswered(e) => vec![e.action_id.0],
        Event::ApprovalHeld(e) => vec![e.action_id.0],
        Event::ApprovalLinked(e) => vec![e.action_id.0],
        Event::ApprovalOverdue(e) => vec![e.action_id.0],
        Event::ApprovalReminded(e) => vec![e.action_id.0],
        Event::ApprovalResumed(e) => vec![e.action_id.0],
        Event::ApprovalRevised(e) => vec![e.action_id.0],
        Event::ApprovalStepPassed(e) => vec![e.action_id.0],
        Event::ApprovalStepStarted(e) => vec![e.action_id.0],
        Event::ApprovalResolved(e) => vec![e.action_id.0],
        Event::ApprovalViewed(e) => vec![e.action_id.0],
        Event::ApprovalVoted(e) => vec![e.action_id.0],
        Event::GlassBroken(e) => vec![e.action_id.0],
        Event::PracticeEnded(e) => vec![e.action_id.0],
        Event::PracticeStarted(e) => vec![e.action_id.0],
        Event::ReviewClosed(e) => vec![e.action_id.0, e.review.0],
        Event::ReviewOpened(e) => (e.week.iter().map(|week| week.subject()))
            .chain([e.action_id.0, e.review.0])
            .collect(),
        Event::ReviewOverdue(e) => vec![e.action_id.0, e.review.0],
        Event::SampleDrawn(e) => vec![e.action_id.0, e.week.subject()],
        Event::SampleRevealed(e) => vec![e.week.subject()],
        Event::PermitRedeemed(e) => vec![e.action_id.0],
        Event::PermitRefused(e) => vec![e.action_id.0],
        Event::CredentialReleased(e) => vec![e.action_id.0],
        Event::OutcomeReported(e) => vec![e.action_id.0],
        Event::OutputFiltered(e) => vec![e.action_id.0],
        Event::CircuitClosed(e) => e.action_id.into_iter().map(|id| id.0).collect(),
        Event::CircuitOpened(e) => vec![e.action_id.0],
        Event::CallbackDue(e) => vec![e.action_id.0, e.delivery.0],
        Event::CallbackAttempted(e) => vec![e.delivery.0],
        Event::NoticeDue(e) => vec![e.action_id.0, e.notice.0],
        Event::NoticeAttempted(e) => vec![e.notice.0],
        Event::AlertRaised(e) => vec![e.alert.0],
        Event::AlertAcknowledged(e) => vec![e.alert.0],
        Event::AbsenceRecorded(e) => vec![e.absence.0],
        Event::AbsenceWithdrawn(e) => vec![e.absence.0],
        Event::OverrideRecorded(e) => vec![e.r#override.0],
        Event::OverrideWithdrawn(e) => vec![e.r#override.0],
        Event::HoldPlaced(e) => vec![e.hold.0],
        Event::HoldReleaseRequested(e) => vec![e.hold.0],
        Event::HoldReleased(e) => vec![e.hold.0],
        Event::SubjectErased(e) => vec![u128::from_be_bytes(e.subject.0)],
        Event::SubjectErasureConfirmed(e) => vec![u128::from_be_bytes(e.subject.0)],
        Event::SubjectRestricted(e) => vec![u128::from_be_bytes(e.subject.0)],
        Event::AgentActivated(_)
        | Event::AgentDescribed(_)
        | Event::AgentPaused(_)
        | Event::AgentRegistered(_)
        | Event::AgentResumed(_)
        | Event::AgentReviewOverdue(_)
        | Event::AutonomyChanged(_)
        | Event::AgentSighted(_)
        | Event::BudgetReached(_)
        | Event::CallbackRegistered(_)
        | Event::CallbackRemoved(_)
        | Event::CallsObserved(_)
        | Event::CandidateEnded(_)
        | Event::CandidateStarted(_)
        | Event::ChannelRegistered(_)
        | Event::ChannelRemoved(_)
        | Event::ClockConfirmed(_)
        | Event::ClockJumped(_)
        | Event::CredentialRemoved(_)
        | Event::CredentialStored(_)
        | Event::EpochOpened(_)
        | Event::GlassRestored(_)
        | Event::GlassSuspended(_)
        | Event::AuthenticatorAdded(_)
        | Event::AuthenticatorRemoved(_)
        | Event::KeyIssued(_)
        | Event::KeyRevoked(_)
        | Event::KeyRotated(_)
        | Event::KillEngaged(_)
        | Event::KillReleased(_)
        | Event::KillReleaseRequested(_)
        | Event::LeaseEnded(_)
        | Event::LeaseGranted(_)
        | Event::LedgerOpened(_)
        | Event::MinReaderRaised(_)
        | Event::LedgerPruned(_)
        | Event::OrganizationClosed(_)
        | Event::PayloadsDestroyed(_)
        | Event::RefusalsRepeated(_)
        | Event::RequestNoted(_)
        | Event::ReviewerRestored(_)
        | Event::PracticeDue(_)
        | Event::ReviewerSuspended(_)
        | Event::SnapshotActivated(_)
        | Event::SnapshotDeclined(_)
        | Event::SnapshotJudged(_)
        | Event::SnapshotProposed(_)
        | Event::SnapshotUploaded(_)
        | Event::SnapshotWaived(_)
        | Event::StateSealed(_)
        | Event::ToolApproved(_)
        | Event::ToolChanged(_)
        | Event::ToolRegistered(_)
        | Event::UserAdded(_)
        | Event::UserRemoved(_) => Vec::new(),
    }
}
