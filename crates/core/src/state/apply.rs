//! Storing what a record says. Nothing is decided here.

mod approval;
mod outcome;

use std::sync::Arc;

use super::people;
use super::{
    Agent, Due, GRACE, HandedOn, IDEMPOTENCY_SPAN, Kill, OpenAction, OpenAlert, OpenApproval, OpenPermit,
    PendingDelivery, REFUSAL_SPAN, RefusalWindow, Remembered, State, StoredSnapshot, User,
};
use crate::digest::hex;
use crate::event::{
    AlertRaised, ApprovalResolved, CallbackAttempted, Counted, DecisionMade, Delivery, Event, Permit, Status,
};
use crate::ids::ActionId;
use crate::record::{ActorKind, Record};
use crate::retention::DEFAULT_CLASS;
use crate::time::{Span, Time};

impl State {
    /// Folds one record in. Records come in the order of the ledger, each exactly once.
    pub fn apply(&mut self, record: &Record) {
        self.leave(record.ts);
        self.next_seq = record.seq + 1;
        self.last_ts = record.ts;
        if let Some(idem) = record.idem {
            let entry = Remembered {
                at: record.ts,
                body: idem.body,
                seq: record.seq,
            };
            self.idempotency.insert(hex(&idem.key.0), entry);
            self.forget_keys.push_back((record.ts + IDEMPOTENCY_SPAN, idem.key));
        }
        if let Some(payload) = record.payload.as_ref().filter(|payload| payload.class != DEFAULT_CLASS)
            && !self.classes.contains(payload.class.as_str())
        {
            self.classes.insert(payload.class.as_str().into());
        }
        self.follow_runs(record);
        if !self.practices.is_empty() {
            self.follow_practice(record);
        }
        self.measure(record);
        match &record.event {
            Event::AgentPaused(e) => {
                if let Some(agent) = self.agents.get_mut(&e.agent) {
                    agent.paused = Some(e.why.clone());
                }
            }
            Event::AgentResumed(e) => {
                if let Some(agent) = self.agents.get_mut(&e.agent) {
                    agent.paused = None;
                }
            }
            Event::AutonomyChanged(e) => self.stand(e),
            Event::ReviewClosed(e) => self.looked_at(e),
            Event::ReviewOpened(e) => self.looked_for(e),
            Event::ReviewOverdue(e) => self.overlooked(e),
            Event::ReviewerRestored(e) => self.reviewer_restored(e),
            Event::ReviewerSuspended(e) => self.reviewer_suspended(record.ts, e),
            Event::AbsenceRecorded(e) => self.rota.absent(e),
            Event::AbsenceWithdrawn(e) => self.rota.back(e.absence),
            Event::AgentRegistered(e) => {
                let agent = self.agents.entry(e.agent.as_str().into());
                let agent = agent.or_insert_with(|| Agent::first_known(record.ts));
                agent.labels = e.labels.clone();
                agent.owner = e.owner.clone();
                agent.quarantined = false;
                agent.source = None;
                agent.team = e.team.clone();
            }
            Event::AgentSighted(e) => {
                let mut agent = Agent::first_known(record.ts);
                agent.source.clone_from(&e.source);
                self.agents.insert(e.agent.as_str().into(), agent);
            }
            Event::AgentActivated(e) => {
                if let Some(agent) = self.agents.get_mut(&e.agent) {
                    agent.activated = Some(record.ts);
                }
            }
            Event::AgentDescribed(e) => self.described(e),
            Event::AgentReviewOverdue(e) => self.not_looked_at(e),
            Event::LeaseEnded(e) => self.lease_ended(e),
            Event::LeaseGranted(e) => self.leased(record.ts, e),
            Event::ToolApproved(e) => self.tool_approved(e),
            Event::ToolChanged(e) => self.tool_changed(record, e),
            Event::ToolRegistered(e) => self.tool_registered(record.ts, e),
            Event::AlertAcknowledged(e) => {
                self.alerts.remove(&e.alert);
            }
            Event::AlertRaised(e) => self.raise(record.ts, e),
            Event::ApprovalAnswered(e) => self.answered(record.ts, e),
            Event::ApprovalOpened(e) => self.opened(record.ts, e),
            Event::ApprovalLinked(e) => self.linked(e),
            Event::ApprovalHeld(e) => self.change_track(e.approval, e.track, |track| {
                track.held = true;
                track.stand_still();
            }),
            Event::ApprovalOverdue(e) => self.change(e.approval, |approval| approval.overdue = true),
            Event::ApprovalReminded(e) => self.change_track(e.approval, e.track, |track| track.remind = None),
            Event::ApprovalResumed(e) => self.change(e.approval, |approval| approval.end_question(record.ts)),
            Event::ApprovalRevised(e) => self.revised(record, e),
            Event::ApprovalStepPassed(e) => self.change_track(e.approval, e.track, |track| {
                track.passed = true;
                track.stand_still();
            }),
            Event::ApprovalStepStarted(e) => self.change_track(e.approval, e.track, |track| track.started(e)),
            Event::ApprovalResolved(e) => self.resolved(record, e),
            Event::ApprovalViewed(e) => self.viewed(record.ts, e),
            Event::ApprovalVoted(e) => self.voted(record.ts, e),
            Event::BudgetReached(e) => self.told_reached(e),
            Event::CallbackAttempted(e) => self.attempted(e, record.ts),
            Event::CallbackDue(e) => {
                let pending = PendingDelivery {
                    action_id: e.action_id,
                    attempts: 0,
                    dead: false,
                    detail: String::new(),
                    next: record.ts,
                    receiver: e.receiver,
                    url: e.url.clone(),
                };
                self.deliveries.insert(e.delivery, pending);
            }
            Event::CallbackRegistered(e) => {
                self.receivers.insert(e.receiver, e.url.clone());
            }
            Event::CallbackRemoved(e) => {
                self.receivers.remove(&e.receiver);
            }
            Event::CallsObserved(e) => self.calls_observed(record.ts, e),
            Event::ChannelRegistered(e) => self.channel_registered(e),
            Event::ChannelRemoved(e) => self.channel_removed(e),
            Event::CredentialReleased(e) => self.credential_released(record.ts, e),
            Event::CredentialRemoved(e) => {
                self.credentials.remove(&e.credential);
            }
            Event::CredentialStored(e) => self.credential_stored(record.ts, e),
            Event::NoticeAttempted(e) => self.notice_attempted(e, record.ts),
            Event::NoticeDue(e) => self.notice_due(e, record.ts),
            Event::CircuitClosed(e) => self.circuit_closed(e),
            Event::CircuitOpened(e) => self.circuit_opened(record.ts, e),
            Event::ClockConfirmed(_) => self.frozen = false,
            Event::ClockJumped(_) => self.frozen = true,
            Event::DecisionMade(e) => {
                self.decided(record, e);
                self.count_candidate(record, e);
                self.count_decision(record.ts, e);
            }
            Event::EpochOpened(e) => self.epochs.push((**e).clone()),
            Event::KeyRotated(e) => self.rotations.push((**e).clone()),
            Event::GlassBroken(e) => self.glass.broken(record.ts, e),
            Event::GlassRestored(e) => self.glass.restored(e),
            Event::GlassSuspended(e) => self.glass.suspended(record.ts, e),
            Event::HoldPlaced(e) => self.placed(record.ts, e),
            Event::HoldReleaseRequested(e) => {
                if let Some(hold) = self.holds.get_mut(&e.hold) {
                    hold.release = Some((e.by.clone(), e.ready));
                }
            }
            Event::HoldReleased(e) => {
                self.holds.remove(&e.hold);
            }
            Event::AuthenticatorAdded(e) => self.authenticator_added(e),
            Event::AuthenticatorRemoved(e) => self.authenticator_removed(e),
            Event::KeyIssued(e) => self.key_issued(e, record.ts),
            Event::KeyRevoked(e) => {
                if let Some(key) = self.keys.get_mut(e.kid.as_str()) {
                    key.revoked = true;
                    let person = key.subject.clone();
                    if e.ends_links {
                        self.end_links_of(&person);
                    }
                }
            }
            Event::KillEngaged(e) => {
                let name = e.scope.to_string();
                let kill = Kill {
                    by: record.actor.id.clone(),
                    since: record.ts,
                    scope: e.scope.clone(),
                    release_requested_by: None,
                };
                self.last_kill.insert(name.clone(), record.seq);
                self.kills.insert(name, kill);
            }
            Event::KillReleaseRequested(e) => {
                if let Some(kill) = self.kills.get_mut(&e.scope.to_string()) {
                    kill.release_requested_by = Some(e.by.clone());
                }
            }
            Event::KillReleased(e) => {
                self.kills.remove(&e.scope.to_string());
            }
            Event::LedgerOpened(e) => {
                self.counts = e.counts;
                self.organization = e.organization.clone();
                self.currency = e.currency.clone();
                self.zone = e.zone.clone();
            }
            Event::LedgerPruned(e) => self.pruned = e.to,
            Event::MinReaderRaised(e) => self.min_reader = Some(e.reader),
            Event::OrganizationClosed(_) => self.closed = true,
            Event::OutcomeReported(e) => self.reported(record, e),
            Event::OverrideRecorded(e) => self.rota.put_on(e),
            Event::OverrideWithdrawn(e) => self.rota.taken_off(e.r#override),
            Event::PayloadsDestroyed(_) => {}
            Event::PermitRedeemed(e) => {
                self.used(e, record.ts);
                self.adds_positions(record, e.action_id, &e.positions);
                self.redeemed(record, e);
            }
            Event::PermitRefused(e) => {
                if let Some(action) = self.actions.get_mut(&e.action_id) {
                    action.refused = action.refused.saturating_add(1);
                }
            }
            Event::PracticeDue(e) => self.practice_due(record.ts, e),
            Event::PracticeEnded(e) => {
                self.practice_ended(record.ts, e);
                self.drill_ended(record.ts, e);
            }
            Event::PracticeStarted(e) => self.practice_started(record.ts, e),
            Event::OutputFiltered(_) | Event::RefusalsRepeated(_) | Event::RequestNoted(_) => {}
            Event::RunEnded(_) | Event::RunInput(_) | Event::RunNoted(_) | Event::RunStarted(_) => {}
            Event::SampleDrawn(e) => self.drawn(e),
            Event::SampleRevealed(e) => self.revealed(e),
            Event::CandidateEnded(e) => self.end_candidate(e),
            Event::CandidateStarted(e) => self.start_candidate(record.ts, e),
            Event::SnapshotActivated(e) => self.activated(record.ts, &e.hash),
            Event::SnapshotDeclined(e) => self.decided_on_proposal(&e.hash),
            Event::SnapshotJudged(e) => self.judged(e),
            Event::SnapshotProposed(e) => self.proposed(e),
            Event::SnapshotUploaded(e) => {
                let stored = StoredSnapshot {
                    activated: None,
                    documents: e.documents,
                    uploaded: record.ts,
                    waived: None,
                };
                self.snapshots.entry(e.hash.clone()).or_insert(stored);
            }
            Event::SnapshotWaived(e) => self.waived(e),
            Event::StateSealed(e) => {
                self.sealed = e.at;
                self.counts |= e.counts;
            }
            Event::SubjectErased(e) => {
                self.restricted.remove(&e.subject);
            }
            Event::SubjectErasureConfirmed(e) => {
                if let Some(restriction) = self.restricted.get_mut(&e.subject) {
                    restriction.confirmed = true;
                }
            }
            Event::SubjectRestricted(e) => self.restricted_by(record.seq, e),
            Event::UserAdded(e) => {
                let profile = if record.payload.is_some() {
                    Some(record.seq)
                } else {
                    self.users.get(&e.user).and_then(|user| user.profile)
                };
                let user = User {
                    duties: e.duties.clone(),
                    manager: e.manager.clone(),
                    profile,
                    roles: e.roles.clone(),
                    suspended: self.reviewers.suspended.contains_key(&e.user),
                    teams: e.teams.clone(),
                    zone: e.zone.clone(),
                };
                let before = self.users.get(&e.user).map(|before| before.profile);
                // With the profile goes the address; and whoever gets a right back gets no old link back.
                if before.is_some_and(|before| before != user.profile) || !people::may_vote(&user) {
                    self.end_links_of(&e.user);
                }
                self.users.insert(e.user.clone(), user);
            }
            Event::UserRemoved(e) => {
                self.users.remove(&e.user);
                self.authenticators.remove(&e.user);
                self.drilled.remove(&e.user);
                self.end_links_of(&e.user);
                for key in self.keys.values_mut() {
                    if key.kind == ActorKind::User && key.subject == e.user {
                        key.revoked = true;
                    }
                }
            }
        }
    }

    fn decided(&mut self, record: &Record, e: &DecisionMade) {
        self.takes_positions(record, e);
        if e.status == Status::Refused {
            self.count_refusal(record.ts, e);
            return;
        }
        let permit = e.permit.as_ref().map(|permit| open_permit(record.seq, permit));
        let leaves = match &e.permit {
            Some(permit) => permit.expires + GRACE,
            // A pending action leaves when its approval has ended.
            None => Time(i64::MAX),
        };
        let (digest, tool) = match &e.remedy {
            Some(remedy) if remedy.applied => (remedy.digest, remedy.tool.as_str()),
            Some(_) | None => (e.digest, e.tool.as_deref().unwrap_or(&e.action)),
        };
        let tool: Arc<str> = tool.into();
        let operation = match &e.remedy {
            Some(remedy) if remedy.applied => remedy.action.as_str(),
            Some(_) | None => e.action.as_str(),
        };
        let operation: Arc<str> = operation.into();
        let tool_is_namesake = tool == operation && names_tool(e);
        // Nobody did what a practice is about: it counts nowhere.
        let is_practice = e.practice.is_some();
        let counts = |counted: &[Counted]| if is_practice { Vec::new() } else { counted.to_vec() };
        let action = OpenAction {
            acts_in: e.acts_in.clone(),
            agent: e.agent.clone(),
            approval: e.approval,
            attempt: e.attempt.clone(),
            callback: e.callback.clone(),
            classes: e.classes.clone(),
            constraints: e.constraints.clone(),
            counted: counts(&e.counted),
            counts_later: counts(&e.counts_later),
            delegation: HandedOn::chain(&e.facts),
            digest,
            held: false,
            identity: e.facts.agent.get("identity").cloned().unwrap_or_default(),
            leaves,
            outcome_due: None,
            outcome: false,
            outputs: e.outputs.clone(),
            permit,
            positions: if is_practice { Vec::new() } else { e.positions.clone() },
            practice: is_practice,
            reads: e.reads.clone(),
            redeemed: false,
            redacted: !record.redact.is_empty(),
            refused: 0,
            released: false,
            requester: None,
            reserved: Vec::new(),
            run: e.run.as_deref().map(Arc::from),
            seq: record.seq,
            spends: e.spends.clone(),
            slots: Vec::new(),
            tracks: Vec::new(),
            snapshot: record.snapshot.clone(),
            operation,
            team: e.team.as_deref().map(Arc::from),
            tool,
            tool_is_namesake,
            uncounted: false,
        };
        self.actions.insert(e.action_id, action);
        if !is_practice {
            self.counted_by(e);
            self.tried_by(e.action_id, &e.trials);
            self.lies_at(e);
        }
        if let Some(permit) = &e.permit {
            self.leaving.insert((leaves, e.action_id));
            self.reserve(e.action_id, &e.reserved, permit.expires);
        }
    }

    fn count_refusal(&mut self, now: Time, e: &DecisionMade) {
        let code = e.reason_code.clone().unwrap_or_default();
        let name = e.digest.to_string();
        match self.refusals.get_mut(&name) {
            Some(window) if window.code == code => window.count = window.count.saturating_add(1),
            Some(window) => {
                window.code = code;
                window.count = 1;
            }
            None => {
                self.refusals.insert(
                    name,
                    RefusalWindow {
                        code,
                        count: 1,
                        start: now,
                    },
                );
                self.forget_refusals.push_back((now + REFUSAL_SPAN, e.digest));
            }
        }
    }

    fn resolved(&mut self, record: &Record, e: &ApprovalResolved) {
        self.people_decided(record.ts, e);
        self.count_answer(record.ts, e);
        if let Some(approval) = self.approvals.remove(&e.approval) {
            self.disarm(e.approval, &approval);
            self.release_place(e.action_id);
        }
        self.give_back(e.action_id);
        self.counted_by_end(e);
        self.withdraws_positions(e);
        self.adds_positions(record, e.action_id, &e.positions);
        let Some(action) = self.actions.get_mut(&e.action_id) else {
            return;
        };
        if let Some(permit) = &action.permit {
            self.due.remove(&(permit.expires, Due::Lapse(e.action_id)));
        }
        action.permit = e.permit.as_ref().map(|permit| open_permit(record.seq, permit));
        match &e.permit {
            Some(permit) => {
                self.due.insert((permit.expires, Due::Lapse(e.action_id)));
                self.reserve(e.action_id, &e.reserved, permit.expires);
            }
            None => self.leave_later(e.action_id, record.ts + GRACE),
        }
    }

    fn release_place(&mut self, id: ActionId) {
        if let Some(action) = self.actions.get(&id).filter(|action| !action.practice)
            && let Some(count) = self.approvals_of_agent.get_mut(&action.agent)
        {
            *count = count.saturating_sub(1);
        }
    }

    fn leave_later(&mut self, id: ActionId, at: Time) {
        if let Some(action) = self.actions.get_mut(&id) {
            self.leaving.remove(&(action.leaves, id));
            action.leaves = at;
            self.leaving.insert((at, id));
        }
    }

    fn raise(&mut self, now: Time, e: &AlertRaised) {
        let alert = OpenAlert {
            action_id: e.action_id,
            agent: e.agent.clone(),
            name: e.name.clone(),
            raised: now,
            summary: e.summary.clone(),
        };
        self.alerts.insert(e.alert, alert);
    }

    fn attempted(&mut self, e: &CallbackAttempted, now: Time) {
        match e.result {
            Delivery::Delivered => {
                self.deliveries.remove(&e.delivery);
            }
            Delivery::Retrying | Delivery::Dead | Delivery::Resent => {
                if let Some(pending) = self.deliveries.get_mut(&e.delivery) {
                    pending.attempts = e.attempt;
                    pending.dead = e.result == Delivery::Dead;
                    pending.detail = e.detail.clone();
                    pending.next = e.next.unwrap_or(now);
                }
            }
        }
    }
}

/// Whether what may run names a tool. Of an alternative the record has the tool or, where it names none, the operation.
fn names_tool(e: &DecisionMade) -> bool {
    match e.remedy.as_ref().filter(|remedy| remedy.applied) {
        Some(remedy) => {
            let sets_tool = remedy.changed.iter().any(|pointer| pointer == "/tool");
            remedy.tool != remedy.action || sets_tool || e.tool.is_some()
        }
        None => e.tool.is_some(),
    }
}

fn open_permit(seq: u64, permit: &Permit) -> OpenPermit {
    OpenPermit {
        audience: permit.audience.as_str().into(),
        expires: permit.expires,
        issued: seq,
        r#use: permit.r#use,
    }
}

/// How long an approval may be used.
pub(super) fn valid_for(approval: &OpenApproval) -> Span {
    Span::seconds(approval.valid_for_s)
}
