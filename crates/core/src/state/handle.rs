//! Answering a command with events.

use std::sync::Arc;

use super::{Ctx, State};
use crate::command::{Command, Envelope};
use crate::event::{Event, LedgerOpened, OrganizationClosed, RequestNoted, StateSealed};
use crate::ids::ActionId;
use crate::record::Draft;
use crate::refusal::{Category, Refusal};

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The events say it.
    Done,
    /// The same request was carried out before; this is the index of its first record.
    Replayed(u64),
    /// It was not carried out. Events that come with it say so in the ledger.
    Refused(Refusal),
}

/// What a command comes to.
pub struct Handled {
    /// What happened, in order.
    pub events: Vec<Draft>,
    /// How it ended.
    pub answer: Answer,
}

impl Handled {
    /// It happened.
    pub(super) fn done(events: Vec<Draft>) -> Result<Handled, Refusal> {
        Ok(Handled {
            events,
            answer: Answer::Done,
        })
    }

    /// One thing happened.
    pub(super) fn one(event: impl Into<Event>) -> Result<Handled, Refusal> {
        Handled::done(vec![Draft::observed(event)])
    }

    /// It was not carried out, and the ledger says so.
    pub(super) fn refused(events: Vec<Draft>, refusal: Refusal) -> Result<Handled, Refusal> {
        Ok(Handled {
            events,
            answer: Answer::Refused(refusal),
        })
    }
}

impl State {
    /// What `envelope` comes to in this state at `ctx.now`. The state does not change until the events, once durable
    /// records, are applied.
    pub fn handle(&self, envelope: Envelope, ctx: &mut Ctx<'_>) -> Handled {
        match self.admitted(&envelope, ctx) {
            Ok(Some(seq)) => {
                return Handled {
                    events: Vec::new(),
                    answer: Answer::Replayed(seq),
                };
            }
            Ok(None) => {}
            Err(refusal) => {
                return Handled {
                    events: Vec::new(),
                    answer: Answer::Refused(refusal),
                };
            }
        }
        let (actor, kid) = (envelope.actor, envelope.kid);
        let (keyed, name) = (envelope.idem.is_some(), envelope.command.name());
        let handled = match envelope.command {
            Command::Open(opened) => self.open(*opened),
            Command::Submit(submit) => self.decide(*submit, ctx),
            Command::View(viewing) => self.view_request(*viewing),
            Command::Vote(vote) => self.vote(*vote, ctx),
            Command::Link(link) => self.send_link(*link, ctx),
            Command::Practise(ask) => self.practise(*ask, &actor, ctx),
            Command::PractiseDue(ask) => self.practise_due(*ask, &actor, ctx),
            Command::BreakGlass(ask) => self.break_glass(*ask, &actor, ctx),
            Command::RestoreGlass { user, reason } => self.restore_glass(user, reason, &actor),
            Command::RestoreReviewer(user, reason) => self.restore_reviewer(user, reason, &actor),
            Command::Answer {
                approval,
                agent,
                parts,
                stored,
                redact,
            } => self.answer(approval, &agent, &parts, stored, redact, ctx),
            Command::Revise(ask) => self.revise(*ask, ctx),
            Command::Cancel { approval, agent } => self.cancel(approval, agent.as_ref(), &actor, ctx),
            Command::Redeem(redeem) => self.redeem(*redeem, ctx),
            Command::ReportOutcome(report) => self.report_outcome(*report, ctx),
            Command::SetMode(ask) => self.set_mode(*ask, &actor, ctx),
            Command::CloseReview(ask) => self.close_review(*ask, ctx),
            Command::CloseCircuit(ask, why) => self.close_circuit(*ask, why),
            Command::PauseAgent(agent, why) => self.pause_agent(agent, why),
            Command::ResumeAgent(agent, why) => self.resume_agent(agent, why),
            Command::RegisterAgent(agent, key) => self.register_agent(*agent, key, ctx),
            Command::PutUser(user, profile, key) => self.put_user(*user, profile, key),
            Command::ChangeOwnProfile(own) => self.change_own_profile(*own),
            Command::RemoveUser(user) => self.remove_user(user, &actor),
            Command::IssueKey(key) => self.issue_key(*key),
            Command::AddAuthenticator(added) => self.add_authenticator(*added, kid.as_deref(), ctx.now),
            Command::RemoveAuthenticator(removed) => self.remove_authenticator(removed, kid.as_deref(), ctx.now),
            Command::RevokeKey(kid) => self.revoke_key(kid, ctx.now),
            Command::UploadSnapshot(snapshot) => self.upload_snapshot(*snapshot),
            Command::ActivateSnapshot { hash, rationale } => self.activate_snapshot(hash, rationale, &actor, ctx),
            Command::JudgeSnapshot {
                hash,
                proposal,
                agrees,
                comment,
            } => self.judge_snapshot(&hash, proposal, agrees, comment, &actor, ctx),
            Command::WaiveTests {
                failing,
                hash,
                reason,
                untried,
            } => self.waive_tests(hash, (failing, untried), reason, &actor),
            Command::TryCandidate(ask) => self.try_candidate(*ask, &actor, ctx),
            Command::WithdrawCandidate(reason) => self.withdraw_candidate(reason),
            Command::PromoteCandidate(seen, rationale) => self.promote_candidate(seen, rationale, &actor, ctx),
            Command::RollBack { from, rationale } => self.roll_back(from, rationale, &actor, ctx),
            Command::Kill { scope, reason } => self.kill(scope, reason, ctx),
            Command::Release { scope, reason } => self.release(scope, reason, &actor, ctx.live),
            Command::TakeLease(ask) => self.take_lease(*ask, &actor, ctx),
            Command::GiveBackLease(gateway) => self.end_lease(gateway, &actor),
            Command::DescribeAgent(described) => self.describe_agent(*described, ctx),
            Command::ActivateAgent(agent) => self.activate_agent(agent, ctx),
            Command::RegisterTool(tool) => self.register_tool(*tool),
            Command::ApproveTool(approved) => self.approve_tool(*approved),
            Command::PlaceHold { scope, reason } => self.place_hold(scope, reason, &actor, ctx),
            Command::ReleaseHold { hold, reason } => self.release_hold(hold, reason, &actor, ctx),
            Command::Restrict(ask) => self.restrict(*ask, &actor, ctx),
            Command::Erase(erase) => self.erase(*erase, ctx),
            Command::Destroy(destroy) => self.destroy(*destroy),
            Command::Prune(prune) => self.prune(*prune),
            Command::RecordAbsence(new) => self.record_absence(*new, &actor, ctx),
            Command::WithdrawAbsence(absence) => self.withdraw_absence(absence, &actor),
            Command::RecordOverride(new) => self.record_override(*new, &actor, ctx),
            Command::WithdrawOverride(other) => self.withdraw_override(other, &actor),
            Command::AcknowledgeAlert(alert) => self.acknowledge(alert),
            Command::RegisterReceiver { url } => self.register_receiver(url, ctx),
            Command::RemoveReceiver(receiver, why) => self.remove_receiver(receiver, why),
            Command::NoteDelivery {
                delivery,
                attempt,
                detail,
                result,
                next,
            } => self.note_delivery(delivery, attempt, detail, result, next, ctx),
            Command::Resend(delivery) => self.resend(delivery, ctx),
            Command::RegisterChannel(channel) => self.register_channel(*channel),
            Command::RemoveChannel(channel) => self.remove_channel(channel),
            Command::StoreCredential(stored) => self.store_credential(*stored),
            Command::RemoveCredential(credential) => self.remove_credential(credential),
            Command::ReleaseCredential(ask) => self.release_credential(*ask, ctx),
            Command::NoteNotice(noted) => self.note_notice(*noted, ctx),
            Command::ResendNotice(notice) => self.resend_notice(notice, ctx),
            Command::Observe(ask) => self.observe(*ask, ctx),
            Command::StartRun(new) => self.start_run(*new, &actor, ctx),
            Command::EndRun(ask) => self.end_run(*ask),
            Command::GiveInput(ask) => self.give_input(*ask),
            Command::NoteRun(ask) => self.note_run(*ask),
            Command::Tick => self.tick(ctx),
            Command::NoteClockJump { shows } => self.note_clock_jump(shows),
            Command::ConfirmClock { by } => self.confirm_clock(by),
            Command::OpenEpoch(epoch, why) => self.open_epoch(*epoch, why),
            Command::RaiseMinReader(reader) => self.raise_min_reader(reader),
            Command::RotateLogKey(rotated) => self.rotate_log_key(*rotated),
            Command::Seal => Handled::one(StateSealed {
                at: self.next_seq,
                counts: !self.counts,
                hash: self.hash(),
            }),
            Command::Close => Handled::one(OrganizationClosed {
                organization: self.organization.clone(),
            }),
        };
        match handled {
            Ok(mut handled) => {
                self.watch_candidate(&mut handled.events, ctx);
                self.alert_on(&mut handled.events, ctx);
                self.notify_on(&mut handled.events, ctx);
                // A key is remembered by a record alone. Without one, a late copy of this request would act on whatever
                // the state is by then.
                if keyed && handled.events.is_empty() && handled.answer == Answer::Done {
                    let command = name.to_owned();
                    handled.events.push(Draft::observed(RequestNoted { command }));
                }
                handled
            }
            Err(refusal) => Handled {
                events: Vec::new(),
                answer: Answer::Refused(refusal),
            },
        }
    }

    /// Adds the alerts that the mandate of the agent concerned asks for.
    fn alert_on(&self, events: &mut Vec<Draft>, ctx: &mut Ctx<'_>) {
        let Some(live) = ctx.live else { return };
        let mut alerts = Vec::new();
        for draft in events.iter() {
            let about = self.about(&draft.event);
            let wanted = about
                .as_ref()
                .and_then(|(agent, _)| live.mandate(agent))
                .is_some_and(|mandate| mandate.alert_events().iter().any(|event| event == draft.event.kind()));
            if let Some((agent, action_id)) = about.filter(|_| wanted) {
                let summary = format!("`{}` of `{agent}`", draft.event.kind());
                alerts.extend(self.alert(draft.event.kind(), summary, Some(&agent), action_id, ctx));
            }
        }
        events.extend(alerts);
    }

    /// The agent and the action that an event is about.
    fn about(&self, event: &Event) -> Option<(Arc<str>, Option<ActionId>)> {
        let of_action = |id: ActionId| self.actions.get(&id).map(|action| (action.agent.clone(), Some(id)));
        match event {
            Event::DecisionMade(e) => Some((e.agent.clone(), Some(e.action_id))),
            Event::ApprovalOpened(e) => Some((e.agent.clone(), Some(e.action_id))),
            Event::RefusalsRepeated(e) => Some((e.agent.clone(), None)),
            Event::AgentActivated(e) => Some((e.agent.clone(), None)),
            Event::AgentDescribed(e) => Some((e.agent.clone(), None)),
            Event::AgentPaused(e) => Some((e.agent.clone(), None)),
            Event::AgentReviewOverdue(e) => Some((e.agent.clone(), None)),
            Event::AgentRegistered(e) => Some((e.agent.as_str().into(), None)),
            Event::AgentResumed(e) => Some((e.agent.clone(), None)),
            Event::AutonomyChanged(e) => Some((e.agent.clone(), None)),
            Event::ReviewClosed(e) => of_action(e.action_id),
            Event::ReviewOpened(e) => Some((e.agent.clone(), Some(e.action_id))),
            Event::ReviewOverdue(e) => of_action(e.action_id),
            Event::SampleDrawn(e) => Some((e.agent.clone(), Some(e.action_id))),
            Event::AgentSighted(e) => Some((e.agent.as_str().into(), None)),
            Event::ApprovalAnswered(e) => of_action(e.action_id),
            Event::ApprovalHeld(e) => of_action(e.action_id),
            Event::ApprovalLinked(e) => of_action(e.action_id),
            Event::ApprovalOverdue(e) => of_action(e.action_id),
            Event::ApprovalReminded(e) => of_action(e.action_id),
            Event::ApprovalResumed(e) => of_action(e.action_id),
            Event::ApprovalRevised(e) => of_action(e.action_id),
            Event::ApprovalStepPassed(e) => of_action(e.action_id),
            Event::ApprovalStepStarted(e) => of_action(e.action_id),
            Event::ApprovalResolved(e) => of_action(e.action_id),
            Event::ApprovalViewed(e) => of_action(e.action_id),
            Event::ApprovalVoted(e) => of_action(e.action_id),
            Event::GlassBroken(e) => of_action(e.action_id),
            Event::PracticeEnded(e) => of_action(e.action_id),
            Event::PracticeStarted(e) => of_action(e.action_id),
            Event::CallbackDue(e) => of_action(e.action_id),
            Event::CircuitClosed(e) => e.action_id.and_then(of_action),
            Event::CircuitOpened(e) => Some((e.agent.clone(), Some(e.action_id))),
            Event::PermitRedeemed(e) => of_action(e.action_id),
            Event::CredentialReleased(e) => of_action(e.action_id),
            Event::PermitRefused(e) => of_action(e.action_id),
            Event::OutcomeReported(e) => of_action(e.action_id),
            Event::OutputFiltered(e) => Some((e.agent.clone(), Some(e.action_id))),
            Event::CallbackAttempted(e) => self
                .deliveries
                .get(&e.delivery)
                .and_then(|delivery| of_action(delivery.action_id)),
            Event::NoticeDue(e) => of_action(e.action_id),
            Event::NoticeAttempted(e) => (self.notices.get(&e.notice)).and_then(|notice| of_action(notice.action_id)),
            Event::AbsenceRecorded(_)
            | Event::AbsenceWithdrawn(_)
            | Event::AlertAcknowledged(_)
            | Event::AlertRaised(_)
            | Event::BudgetReached(_)
            | Event::CallbackRegistered(_)
            | Event::CallsObserved(_)
            | Event::CandidateEnded(_)
            | Event::CandidateStarted(_)
            | Event::CallbackRemoved(_)
            | Event::ChannelRegistered(_)
            | Event::ChannelRemoved(_)
            | Event::ClockConfirmed(_)
            | Event::ClockJumped(_)
            | Event::CredentialRemoved(_)
            | Event::CredentialStored(_)
            | Event::EpochOpened(_)
            | Event::GlassRestored(_)
            | Event::GlassSuspended(_)
            | Event::HoldPlaced(_)
            | Event::HoldReleaseRequested(_)
            | Event::HoldReleased(_)
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
            | Event::LedgerPruned(_)
            | Event::MinReaderRaised(_)
            | Event::OrganizationClosed(_)
            | Event::OverrideRecorded(_)
            | Event::OverrideWithdrawn(_)
            | Event::PayloadsDestroyed(_)
            | Event::PracticeDue(_)
            | Event::RequestNoted(_)
            | Event::ReviewerRestored(_)
            | Event::ReviewerSuspended(_)
            | Event::RunEnded(_)
            | Event::RunInput(_)
            | Event::RunNoted(_)
            | Event::RunStarted(_)
            | Event::SampleRevealed(_)
            | Event::SnapshotActivated(_)
            | Event::SnapshotDeclined(_)
            | Event::SnapshotJudged(_)
            | Event::SnapshotProposed(_)
            | Event::SnapshotUploaded(_)
            | Event::SnapshotWaived(_)
            | Event::StateSealed(_)
            | Event::SubjectErased(_)
            | Event::SubjectErasureConfirmed(_)
            | Event::SubjectRestricted(_)
            | Event::ToolApproved(_)
            | Event::ToolChanged(_)
            | Event::ToolRegistered(_)
            | Event::UserAdded(_)
            | Event::UserRemoved(_) => None,
        }
    }

    /// Whether the command may be looked at: the ledger is open, the credential holds, and it is not a repetition.
    fn admitted(&self, envelope: &Envelope, ctx: &Ctx<'_>) -> Result<Option<u64>, Refusal> {
        if self.closed {
            return Err(Refusal::forbidden(
                "organization_closed",
                format!("organization `{}` is closed", self.organization),
            ));
        }
        if let Some(kid) = &envelope.kid {
            self.check_key(kid, ctx)?;
        }
        let Some(idem) = envelope.idem else { return Ok(None) };
        match self.idempotency.get(&crate::digest::hex(&idem.key.0)) {
            Some(known) if known.body == idem.body => Ok(Some(known.seq)),
            Some(_) => Err(Refusal::invalid(
                "idempotency_key_reused",
                "this idempotency key was used with another body within the last 24 hours",
            )
            .hint("use a fresh key for a new request; repeat a request with the same bytes")),
            None => Ok(None),
        }
    }

    /// Whether a key is good at `ctx.now`.
    fn check_key(&self, kid: &Arc<str>, ctx: &Ctx<'_>) -> Result<(), Refusal> {
        let refuse = |why: &str| {
            Err(
                Refusal::new(Category::Forbidden, "unauthenticated", format!("key `{kid}` {why}"))
                    .hint("ask an admin for a new key"),
            )
        };
        match self.keys.get(kid) {
            None => refuse("is not known"),
            Some(key) if key.revoked => refuse("was revoked"),
            Some(key) if key.expires.is_some_and(|end| end <= ctx.now) => refuse("has expired"),
            Some(_) => Ok(()),
        }
    }

    fn open(&self, opened: LedgerOpened) -> Result<Handled, Refusal> {
        if self.next_seq > 0 {
            return Err(Refusal::conflict(
                "already_open",
                format!("the ledger of `{}` is open", self.organization),
            ));
        }
        Handled::one(opened)
    }
}
