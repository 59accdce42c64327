//! What people do with a request: votes, questions, places that change hands. Only votes of people approve.

use std::collections::BTreeSet;

use countersign_policy::Action;

use super::disagree::Settled;
use super::matching::can_fill;
use super::people::may_vote;
use super::stop::Target;
use super::theatre::Judged;
use super::{Ctx, Handed, Handled, OpenAction, OpenApproval, OpenTrack, State};
use crate::command::Vote;
use crate::event::{ApprovalResolved, ApprovalState, ApprovalVoted, Event, Permit, Slot, Status, Verb};
use crate::ids::{ApprovalId, PermitId};
use crate::record::Draft;
use crate::refusal::{Category, Refusal};
use crate::time::Span;

/// How many votes on one request that do not count leave a record.
const UNCOUNTED_PER_REQUEST: u32 = 100;
/// How long whoever is on a request has it alone.
pub(super) const CLAIM_SPAN: Span = Span::minutes(10);

impl State {
    pub(super) fn vote(&self, mut vote: Vote, ctx: &mut Ctx<'_>) -> Result<Handled, Refusal> {
        let Some(approval) = self.approvals.get(&vote.approval) else {
            return self.late_vote(vote);
        };
        self.link_holds(&vote, approval, ctx)?;
        let cheap = matches!(vote.verb, Verb::Comment | Verb::Abstain | Verb::Claim | Verb::Release);
        if cheap && approval.uncounted >= UNCOUNTED_PER_REQUEST {
            let detail = format!("`{}` has {UNCOUNTED_PER_REQUEST} remarks and more", vote.approval);
            return Err(Refusal::new(Category::Throttled, "too_many_remarks", detail).hint("approve, reject or ask"));
        }
        if vote.verb == Verb::Comment {
            let cast = self.cast(&vote, approval, Some("comment"), &Judged::default(), ctx);
            return Handled::done(vec![cast]);
        }
        let counts = self.may_count(&vote, approval, ctx);
        if counts.is_ok() && matches!(vote.verb, Verb::Approve | Verb::Edit) {
            self.policy_is_at_hand(ctx)?;
        }
        let edited = counts.and_then(|()| self.edited(&mut vote, ctx));
        // What the person makes of the action may take a route that the action did not.
        let edited = edited.and_then(|edited| {
            let after = edited.as_ref().map(|(revision, _)| &revision.approval);
            after.map_or(Ok(()), |after| is_assured(&vote, after)).map(|()| edited)
        });
        let revision = match edited {
            Ok(revision) => revision,
            Err(refusal) => return self.uncounted(&vote, approval, refusal, ctx),
        };
        let judged = self.judge(&vote, approval, ctx);
        let mut events = Vec::new();
        let (mut approval, mut action) = (approval, self.actions.get(&approval.action_id));
        if let Some((revision, submit)) = &revision {
            // The vote is for what its person made of the action.
            events = self.records_of(revision, submit, ctx);
            (approval, action) = (&revision.approval, Some(&revision.action));
            vote.digest = revision.action.digest;
        }
        let cited = action.and_then(|action| action.snapshot.clone());
        events.push(self.cast(&vote, approval, None, &judged, ctx).citing(cited));
        events.extend(self.call_out(&vote, approval, &judged, ctx));
        if self.practices.contains_key(&vote.approval) {
            events.extend(self.practised(&vote, approval, &judged, ctx));
            return Handled::done(events);
        }
        match vote.verb {
            Verb::Reject => {
                if self.is_rejected(approval, &self.voters(approval, Verb::Reject, Some(&vote.user))) {
                    let why = format!("rejected by {}", vote.user);
                    events.extend(self.end_approval(vote.approval, ApprovalState::Rejected, "rejected", why, ctx));
                    events.extend(self.learn_rejection(approval.action_id, ctx));
                }
            }
            Verb::Approve | Verb::Edit => events.extend(self.approve(&vote, approval, action, judged.second, ctx)),
            Verb::Clarify => {
                let callback = action.and_then(|action| action.callback.clone());
                events.extend(self.callback_due(approval.action_id, callback.as_ref(), ctx));
            }
            Verb::Abstain | Verb::Comment | Verb::HandOver | Verb::Claim | Verb::Release => {}
        }
        Handled::done(events)
    }

    /// What a vote that does not count leaves behind.
    fn uncounted(
        &self,
        vote: &Vote,
        approval: &OpenApproval,
        refusal: Refusal,
        ctx: &mut Ctx<'_>,
    ) -> Result<Handled, Refusal> {
        if approval.uncounted >= UNCOUNTED_PER_REQUEST && refusal.code != "expired" {
            // It is told, and leaves no more records: a loop must not fill the disk.
            return Err(refusal);
        }
        let mut events = vec![self.cast(vote, approval, Some(refusal.code), &Judged::default(), ctx)];
        if refusal.code == "expired" {
            events.extend(self.expire(vote.approval, ctx));
        }
        Handled::refused(events, refusal)
    }

    /// What comes of one more approval: stages that pass, and the permit once everybody who has to has approved.
    fn approve(
        &self,
        vote: &Vote,
        approval: &OpenApproval,
        action: Option<&OpenAction>,
        second: bool,
        ctx: &mut Ctx<'_>,
    ) -> Vec<Draft> {
        let voters = self.voters(approval, Verb::Approve, Some(&vote.user));
        let mut with = approval.clone();
        with.second.extend(second.then(|| vote.user.clone()));
        let (mut events, after) = self.stages_passed(vote.approval, &with, &voters, ctx);
        let Some(action) = action.filter(|_| self.all_filled(&after, &voters)) else {
            return events;
        };
        let granted = self.grant(vote.approval, vote.action.as_deref(), approval, action, ctx);
        let approved = |draft: &Draft| matches!(&draft.event, Event::ApprovalResolved(e) if e.permit.is_some());
        let learned = granted
            .iter()
            .any(approved)
            .then(|| self.learn_approval(approval.action_id, ctx));
        events.extend(granted);
        events.extend(learned.flatten());
        events
    }

    /// The record of what somebody did with a request; `why_not` if it does not count.
    fn cast(
        &self,
        vote: &Vote,
        approval: &OpenApproval,
        why_not: Option<&str>,
        judged: &Judged,
        ctx: &Ctx<'_>,
    ) -> Draft {
        let counted = why_not.is_none();
        let until =
            |verb: Verb, span: Span| (counted && vote.verb == verb).then(|| (ctx.now + span).min(approval.deadline));
        let voted = ApprovalVoted {
            action_id: approval.action_id,
            approval: vote.approval,
            assertion: vote.assertion.clone(),
            batch: vote.batch,
            channel: vote.via.as_ref().map(|via| via.channel.clone()),
            claimed_until: until(Verb::Claim, CLAIM_SPAN),
            clarify_due: until(Verb::Clarify, approval.questions_allowed().1),
            counted,
            digest: vote.digest,
            dwell_ms: judged.dwell_ms,
            flags: judged.flags.clone(),
            handed_as: (vote.to.as_ref().filter(|_| counted && vote.verb == Verb::HandOver))
                .map(|to| self.shared_names(approval, &vote.user, to, ctx))
                .unwrap_or_default(),
            link: vote.via.as_ref().and_then(|via| via.link),
            not_counted: why_not.map(str::to_owned),
            presentation: vote.presentation,
            second: judged.second,
            self_approved: counted && vote.verb.decision() == Verb::Approve && self.owns(&vote.user, approval),
            // A name that nobody has is no part of a record.
            to: vote.to.clone().filter(|to| self.users.contains_key(to)),
            too_fast: judged.too_fast,
            user: vote.user.clone(),
            verb: vote.verb,
        };
        let snapshot = self
            .actions
            .get(&approval.action_id)
            .and_then(|action| action.snapshot.clone());
        Draft::observed(voted)
            .with_payload(vote.comment.clone())
            .citing(snapshot)
    }

    /// Whether the person answers for the agent that asks.
    fn owns(&self, user: &str, approval: &OpenApproval) -> bool {
        let action = self.actions.get(&approval.action_id);
        let agent = action.and_then(|action| self.agents.get(&action.agent));
        agent.is_some_and(|agent| agent.owner.strip_prefix("user:").unwrap_or(&agent.owner) == user)
    }

    /// Names of the places that `user` has, to which `to` answers as well.
    fn shared_names(&self, approval: &OpenApproval, user: &str, to: &str, ctx: &Ctx<'_>) -> Vec<String> {
        let steps = approval.tracks.iter().flat_map(OpenTrack::current_stage);
        let slots = approval.slots.iter().chain(steps.flat_map(|step| &step.slots));
        let asked = slots.filter(|slot| {
            let places = self.places_of(approval, std::slice::from_ref(slot));
            places.iter().any(|place| place.contains(user))
        });
        let names: BTreeSet<&String> = asked.flat_map(|slot| &slot.names).collect();
        let both = |name: &&&String| {
            let roster = self.roster(name, ctx.live);
            roster.contains(user) && roster.contains(to)
        };
        let able = self.users.get(to).is_some_and(may_vote) && !approval.excluded.iter().any(|out| out.user == to);
        names
            .iter()
            .filter(both)
            .filter(|_| able)
            .map(|name| (*name).clone())
            .collect()
    }

    /// Whether this vote counts: the right thing was seen, by somebody entitled now, in time, for the first time.
    fn may_count(&self, vote: &Vote, approval: &OpenApproval, ctx: &Ctx<'_>) -> Result<(), Refusal> {
        let Some(action) = self.actions.get(&approval.action_id) else {
            return Err(Refusal::conflict(
                "approval_closed",
                format!("`{}` has ended", vote.approval),
            ));
        };
        if vote.digest != action.digest {
            return Err(
                Refusal::conflict("digest_mismatch", "the vote is for another action than this one")
                    .hint("read the request again and vote for the `action_digest` that it shows"),
            );
        }
        if Some(vote.snapshot.as_str()) != action.snapshot.as_deref() {
            return Err(
                Refusal::conflict("snapshot_mismatch", "the vote names another snapshot than this request")
                    .hint("read the request again and vote with the `snapshot` that it shows"),
            );
        }
        if let Some(out) = approval.excluded.iter().find(|out| out.user == vote.user) {
            let role = match out.reason.as_str() {
                "requester" => "asked for this action",
                "same_team" => "is of the agent's team",
                _owner => "owns the agent",
            };
            let detail = format!("`{}` {role} and cannot decide on it", vote.user);
            return Err(Refusal::forbidden("self_approval", detail).hint("ask somebody else who may decide"));
        }
        self.may_still_vote(vote)?;
        if !self.is_asked(approval, &vote.user) {
            let detail = format!("`{}` is not among the people who may decide this", vote.user);
            return Err(Refusal::forbidden("not_eligible", detail));
        }
        if approval.deadline <= ctx.now {
            return Err(Refusal::new(
                Category::Gone,
                "expired",
                format!("`{}` has expired", vote.approval),
            ));
        }
        if approval.evidence_due.is_some() {
            return Err(Refusal::conflict(
                "needs_evidence",
                "the agent has to complete the evidence first",
            ));
        }
        self.was_shown(vote, approval, ctx)?;
        if approval.votes.contains_key(&vote.user) && vote.verb != Verb::Clarify {
            return Err(Refusal::conflict("already_voted", format!("`{}` has voted", vote.user)));
        }
        let claimed = approval
            .claim
            .as_ref()
            .filter(|claim| claim.until > ctx.now && claim.by != vote.user);
        if let Some(claim) = claimed.filter(|claim| self.is_asked(approval, &claim.by)) {
            let detail = format!("`{}` is on it until {}", claim.by, claim.until);
            return Err(Refusal::conflict("claimed", detail).hint("wait, or ask for it to be released"));
        }
        match vote.verb {
            Verb::Reject if vote.comment.is_none() => Err(Refusal::invalid(
                "reason_required",
                "a rejection needs a comment that says why",
            )),
            Verb::Clarify => may_ask(vote, approval),
            Verb::HandOver => self.may_hand_over(vote, approval, ctx),
            Verb::Claim => may_claim(vote, approval, ctx),
            Verb::Approve | Verb::Edit => {
                is_assured(vote, approval)?;
                self.may_approve(vote, ctx)
            }
            Verb::Reject | Verb::Abstain | Verb::Comment | Verb::Release => Ok(()),
        }
    }

    /// A place goes to somebody who answers to one of the names that the place asks: it never leaves the right people.
    fn may_hand_over(&self, vote: &Vote, approval: &OpenApproval, ctx: &Ctx<'_>) -> Result<(), Refusal> {
        let Some(to) = &vote.to else {
            return Err(Refusal::invalid("colleague_required", "nobody is named")
                .hint("say with `to` who shall have the place"));
        };
        if approval.handed.contains_key(&vote.user) {
            let detail = format!(
                "`{}` has the place of somebody else, and a place changes hands once",
                vote.user
            );
            return Err(Refusal::conflict("handed_before", detail).hint("decide, or say why not in a comment"));
        }
        let known = if approval.handed.values().any(|handed| handed.by == *to) {
            Some("has given a place away")
        } else if *to == vote.user || approval.handed.contains_key(to) || approval.votes.contains_key(to) {
            Some("has a place or has voted already")
        } else {
            None
        };
        if let Some(known) = known {
            let detail = format!("`{to}` {known}");
            return Err(Refusal::conflict("not_a_colleague", detail));
        }
        let names = self.shared_names(approval, &vote.user, to, ctx);
        if names.is_empty() {
            let detail = format!("`{to}` does not answer to what `{}` was asked as", vote.user);
            return Err(Refusal::forbidden("not_a_colleague", detail).hint(
                "name somebody of the same team, duty or schedule, who may vote and did not ask for the action",
            ));
        }
        let mut after = approval.clone();
        let by = vote.user.clone();
        after.handed.insert(to.clone(), Handed { by, names });
        let steps = approval.tracks.iter().flat_map(OpenTrack::current_stage);
        let mut asked = std::iter::once(&*approval.slots).chain(steps.map(|step| &*step.slots));
        let lost =
            |slots: &[Slot]| can_fill(&self.places_of(approval, slots)) && !can_fill(&self.places_of(&after, slots));
        if asked.any(lost) {
            let detail = format!("without `{}` there are too few people for the quorum", vote.user);
            return Err(Refusal::conflict("quorum_lost", detail).hint("decide, or leave it to the others"));
        }
        Ok(())
    }

    /// What a complete set of votes comes to: a permit, unless the world changed meanwhile. `form` is the stored form of the
    /// action, which is looked at anew where another policy decides about it now.
    pub(super) fn grant(
        &self,
        asked: ApprovalId,
        form: Option<&Action>,
        approval: &OpenApproval,
        action: &OpenAction,
        ctx: &mut Ctx<'_>,
    ) -> Vec<Draft> {
        let id = approval.action_id;
        let target = Target::of(action);
        if let Some(scope) = self.stopped_by(&target) {
            let why = format!("a kill switch is engaged on {scope}");
            return self.end_approval(asked, ApprovalState::Cancelled, "killed", why, ctx);
        }
        if self.voided(action.seq, &target) {
            let why = "a kill switch was engaged after this request was opened".to_owned();
            return self.end_approval(asked, ApprovalState::Cancelled, "killed", why, ctx);
        }
        if let Some((agent, code, message)) = self.halted_for(action, ctx.live) {
            let why = match code {
                "agent_paused" => format!("agent `{agent}` is paused"),
                _other => message,
            };
            return self.end_approval(asked, ApprovalState::Cancelled, "cancelled", why, ctx);
        }
        if self.is_under_another(action)
            && let Err(why) = self.still_demanded(form, approval, id, ctx)
        {
            return self.end_approval(asked, ApprovalState::Invalidated, "invalidated", why, ctx);
        }
        let stored = form.filter(|_| self.is_under_another(action));
        let positions = match self.may_be_approved(action, stored, Settled::ByThoseAsked, ctx) {
            Ok(positions) => positions,
            Err(why) => {
                return self.end_approval(asked, ApprovalState::Invalidated, "disagreement", why, ctx);
            }
        };
        let reserved = match self.reserve_approved(action, stored, ctx) {
            Ok(reserved) => reserved,
            Err(why) => {
                return self.end_approval(asked, ApprovalState::Invalidated, "invalidated", why, ctx);
            }
        };
        let counted = match self.count_approved(action, stored, ctx) {
            Ok(counted) => counted,
            Err(why) => {
                return self.end_approval(asked, ApprovalState::Invalidated, "invalidated", why, ctx);
            }
        };
        let told = self.tell_reached(&reserved, id, ctx);
        let permit = Permit {
            audience: action.tool.to_string(),
            expires: ctx.now + super::apply::valid_for(approval),
            id: PermitId::from(id),
            r#use: countersign_policy::verdict::PermitUse::Redeem,
        };
        let resolved = ApprovalResolved {
            action_id: id,
            approval: asked,
            break_glass: false,
            counted,
            decided: action.classes_decided(),
            fallback: None,
            permit: Some(permit),
            positions,
            reason_code: None,
            reserved,
            state: ApprovalState::Approved,
            status: Status::Permitted,
            why: "everybody who has to approve has approved".into(),
        };
        let mut events = vec![Draft::observed(resolved).citing(action.snapshot.clone())];
        events.extend(self.callback_due(id, action.callback.as_ref(), ctx));
        events.extend(told);
        events
    }
}

/// A claim is renewed once; then it is the turn of the others, for as long as a claim lasts.
fn may_claim(vote: &Vote, approval: &OpenApproval, ctx: &Ctx<'_>) -> Result<(), Refusal> {
    let own = approval.claim.as_ref().filter(|claim| claim.by == vote.user);
    match own.filter(|claim| claim.renewed && ctx.now < claim.until + CLAIM_SPAN) {
        Some(claim) => {
            let detail = format!(
                "`{}` has had it twice; others may take it until {}",
                vote.user,
                claim.until + CLAIM_SPAN
            );
            Err(Refusal::conflict("claimed_before", detail).hint("decide, or leave it to the others"))
        }
        None => Ok(()),
    }
}

/// To approve on a route that wants to know people surely takes the signature of a passkey. To reject never does.
fn is_assured(vote: &Vote, approval: &OpenApproval) -> Result<(), Refusal> {
    let wanting = approval.tracks.iter().find(|track| !track.rules.assurance.is_low());
    match wanting {
        Some(track) if vote.assertion.is_none() => {
            let detail = format!(
                "route `{}` takes approvals that a passkey has signed",
                track.rules.route
            );
            Err(Refusal::forbidden("assurance_required", detail)
                .hint("approve in the console, with a passkey; rejecting takes none"))
        }
        Some(_) | None => Ok(()),
    }
}

/// A question is one at a time, has words, and comes so many times at most.
fn may_ask(vote: &Vote, approval: &OpenApproval) -> Result<(), Refusal> {
    let (rounds, _) = approval.questions_allowed();
    if vote.comment.is_none() {
        return Err(Refusal::invalid(
            "question_required",
            "a question needs a comment that asks it",
        ));
    }
    if approval.question.is_some() {
        return Err(Refusal::conflict(
            "question_open",
            "the agent has not answered the last question yet",
        ));
    }
    if approval.questions >= rounds {
        let detail = format!("the agent was asked {rounds} times, which is all that the route allows");
        return Err(Refusal::conflict("no_more_questions", detail).hint("decide on what is known"));
    }
    Ok(())
}
