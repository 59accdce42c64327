//! Requests for a human decision: opening, evidence, votes, withdrawal. Nothing here approves but people's votes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_policy::{Decision, DefaultRoute, Demand, Snapshot, Verdict};

use super::decide::OPEN_APPROVALS_PER_AGENT;
use super::people::can_fill;
use super::{Ctx, Handled, OpenApproval, State};
use crate::command::{Sealed, Submit, Vote};
use crate::event::{
    ApprovalAnswered, ApprovalOpened, ApprovalResolved, ApprovalState, ApprovalVoted, Excluded, Permit, Slot, Status,
    Verb,
};
use crate::ids::{ActionId, ApprovalId, PermitId};
use crate::record::{Actor, Draft, Provenance};
use crate::refusal::{Category, Refusal};
use crate::time::Span;

/// When an answer of people is expected.
pub(super) const SLA: Span = Span::minutes(15);
/// When a request expires undecided.
pub(super) const DEADLINE: Span = Span::minutes(60);
/// How long an approval may be used.
pub(super) const VALID_FOR: Span = Span::minutes(15);
/// How many votes on one request that do not count leave a record.
const UNCOUNTED_PER_REQUEST: u32 = 100;
/// How long the agent has to complete its evidence.
pub(super) const EVIDENCE_SPAN: Span = Span::minutes(15);

impl State {
    /// The request that an action needs, or why nobody can be asked.
    pub(super) fn open_approval(
        &self,
        submit: &Submit,
        demands: &[Demand],
        missing: &[String],
        action_id: ActionId,
        ctx: &mut Ctx<'_>,
    ) -> Result<ApprovalOpened, Refusal> {
        let open = self.approvals_of_agent.get(&submit.agent).copied().unwrap_or_default();
        if open >= OPEN_APPROVALS_PER_AGENT {
            return Err(Refusal::new(
                Category::Throttled,
                "too_many_open",
                format!("`{}` has {open} open requests; people decide them first", submit.agent),
            ));
        }
        let route = default_route(ctx.live);
        let (slots, unresolved) = self.slots(demands, route.map_or(&[], |route| &route.to));
        let mut excluded = Vec::new();
        // Who asked: the person on whose behalf the agent acts, and the person whose credential was used.
        let requesters: BTreeSet<&String> = submit.action.principal.iter().chain(&submit.person).collect();
        for requester in requesters.into_iter().filter(|id| self.users.contains_key(*id)) {
            excluded.push(Excluded {
                reason: "requester".into(),
                user: requester.clone(),
            });
        }
        if !can_fill(&self.places(&slots, &excluded)) {
            return Err(Refusal::conflict("unroutable", "nobody who may decide this is left"));
        }
        // The agent's owner steps back once somebody else could decide.
        let owner = self.agents.get(&submit.agent).map(|agent| {
            let owner = agent.owner.as_str();
            owner.strip_prefix("user:").unwrap_or(owner)
        });
        if let Some(owner) = owner.filter(|id| self.users.contains_key(*id)) {
            let mut without = excluded.clone();
            without.push(Excluded {
                reason: "agent_owner".into(),
                user: owner.to_owned(),
            });
            if can_fill(&self.places(&slots, &without)) {
                excluded = without;
            }
        }
        let sla = route.and_then(|route| route.sla).map_or(SLA, Span);
        let deadline = route.and_then(|route| route.deadline).map_or(DEADLINE, Span);
        let valid_for = route.and_then(|route| route.valid_for).map_or(VALID_FOR, Span);
        Ok(ApprovalOpened {
            action_id,
            agent: submit.agent.clone(),
            approval: ApprovalId(ctx.ids.next(ctx.now)),
            deadline: ctx.now + deadline,
            digest: submit.digest.digest,
            evidence_due: (!missing.is_empty()).then(|| ctx.now + EVIDENCE_SPAN.min(deadline)),
            excluded,
            missing: missing.to_vec(),
            sla_due: ctx.now + sla.min(deadline),
            slots,
            state: if missing.is_empty() {
                ApprovalState::Pending
            } else {
                ApprovalState::NeedsEvidence
            },
            unresolved,
            valid_for_s: valid_for.as_seconds(),
        })
    }

    pub(super) fn answer(
        &self,
        id: ApprovalId,
        agent: &Arc<str>,
        parts: &[String],
        stored: Sealed,
        redact: BTreeMap<String, u32>,
        ctx: &Ctx<'_>,
    ) -> Result<Handled, Refusal> {
        let approval = self.approval_of_agent(id, agent)?;
        if approval.evidence_due.is_none() {
            return Err(Refusal::conflict(
                "evidence_is_complete",
                format!("`{id}` needs no more evidence"),
            ));
        }
        if approval.evidence_due.is_some_and(|due| due <= ctx.now) || approval.deadline <= ctx.now {
            return Err(Refusal::new(
                Category::Gone,
                "expired",
                format!("the time for evidence of `{id}` is over"),
            ));
        }
        let missing: Vec<String> = approval
            .missing
            .iter()
            .filter(|part| !parts.contains(part))
            .cloned()
            .collect();
        let state = if missing.is_empty() {
            ApprovalState::Pending
        } else {
            ApprovalState::NeedsEvidence
        };
        let sla = default_route(ctx.live).and_then(|route| route.sla).map_or(SLA, Span);
        let sla_due = (ctx.now + sla).min(approval.deadline);
        let answered = ApprovalAnswered {
            action_id: approval.action_id,
            approval: id,
            missing,
            sla_due,
            state,
        };
        let mut draft = Draft::observed(answered).with_payload(Some(stored));
        draft.prov = Provenance::Reported;
        draft.redact = redact;
        Handled::done(vec![draft])
    }

    pub(super) fn cancel(
        &self,
        id: ApprovalId,
        agent: Option<&Arc<str>>,
        actor: &Actor,
        ctx: &mut Ctx<'_>,
    ) -> Result<Handled, Refusal> {
        if let Some(agent) = agent {
            self.approval_of_agent(id, agent)?;
        } else if !self.approvals.contains_key(&id) {
            return Err(Refusal::missing("open approval", id));
        }
        let why = format!("withdrawn by {}", actor.id);
        Handled::done(self.end_approval(id, ApprovalState::Cancelled, "cancelled", why, ctx))
    }

    fn approval_of_agent(&self, id: ApprovalId, agent: &Arc<str>) -> Result<&OpenApproval, Refusal> {
        self.approvals
            .get(&id)
            .filter(|approval| {
                self.actions
                    .get(&approval.action_id)
                    .is_some_and(|action| action.agent == *agent)
            })
            .ok_or_else(|| Refusal::missing("open approval", id))
    }

    pub(super) fn vote(&self, vote: Vote, ctx: &mut Ctx<'_>) -> Result<Handled, Refusal> {
        let Some(approval) = self.approvals.get(&vote.approval) else {
            return late_vote(vote);
        };
        let action = self.actions.get(&approval.action_id);
        let cast = |counted: bool, not_counted: Option<&str>| {
            let voted = ApprovalVoted {
                action_id: approval.action_id,
                approval: vote.approval,
                counted,
                digest: vote.digest,
                not_counted: not_counted.map(str::to_owned),
                user: vote.user.clone(),
                verb: vote.verb,
            };
            let snapshot = action.and_then(|action| action.snapshot.clone());
            Draft::observed(voted)
                .with_payload(vote.comment.clone())
                .citing(snapshot)
        };
        if vote.verb == Verb::Comment {
            return Handled::done(vec![cast(false, Some("comment"))]);
        }
        if let Err(refusal) = self.may_count(&vote, approval, ctx) {
            if approval.uncounted >= UNCOUNTED_PER_REQUEST && refusal.code != "expired" {
                // It is told, and leaves no more records: a loop must not fill the disk.
                return Err(refusal);
            }
            let mut events = vec![cast(false, Some(refusal.code))];
            if refusal.code == "expired" {
                events.extend(self.expire(vote.approval, ctx));
            }
            return Handled::refused(events, refusal);
        }
        let mut events = vec![cast(true, None)];
        match vote.verb {
            Verb::Reject => {
                let why = format!("rejected by {}", vote.user);
                events.extend(self.end_approval(vote.approval, ApprovalState::Rejected, "rejected", why, ctx));
            }
            Verb::Approve => {
                if self.is_approved(approval, Some(&vote.user)) {
                    events.extend(self.grant(&vote, approval, ctx));
                }
            }
            Verb::Abstain | Verb::Comment => {}
        }
        Handled::done(events)
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
            let role = if out.reason == "requester" {
                "asked for this action"
            } else {
                "owns the agent"
            };
            let detail = format!("`{}` {role} and cannot decide on it", vote.user);
            return Err(Refusal::forbidden("self_approval", detail).hint("ask somebody else who may decide"));
        }
        if !self
            .places(&approval.slots, &approval.excluded)
            .iter()
            .any(|place| place.contains(&vote.user))
        {
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
        if vote.verb == Verb::Reject && vote.comment.is_none() {
            return Err(Refusal::invalid(
                "reason_required",
                "a rejection needs a comment that says why",
            ));
        }
        if approval.votes.contains_key(&vote.user) {
            return Err(Refusal::conflict("already_voted", format!("`{}` has voted", vote.user)));
        }
        Ok(())
    }

    /// What a complete set of votes comes to: a permit, unless the world changed meanwhile.
    fn grant(&self, vote: &Vote, approval: &OpenApproval, ctx: &mut Ctx<'_>) -> Vec<Draft> {
        let id = approval.action_id;
        let Some(action) = self.actions.get(&id) else {
            return Vec::new();
        };
        if let Some(scope) = self.stopped_by(&action.agent, &action.tool, &action.operation) {
            let why = format!("a kill switch is engaged on {scope}");
            return self.end_approval(vote.approval, ApprovalState::Cancelled, "killed", why, ctx);
        }
        if self.voided(action.seq, &action.agent, &action.tool, &action.operation) {
            let why = "a kill switch was engaged after this request was opened".to_owned();
            return self.end_approval(vote.approval, ApprovalState::Cancelled, "killed", why, ctx);
        }
        if action.snapshot != self.live
            && let Err(why) = self.still_demanded(vote.action.as_deref(), approval, id, ctx)
        {
            return self.end_approval(vote.approval, ApprovalState::Invalidated, "invalidated", why, ctx);
        }
        let permit = Permit {
            audience: action.tool.to_string(),
            expires: ctx.now + super::apply::valid_for(approval),
            id: PermitId::from(id),
            r#use: countersign_policy::verdict::PermitUse::Redeem,
        };
        let resolved = ApprovalResolved {
            action_id: id,
            approval: vote.approval,
            permit: Some(permit),
            reason_code: None,
            state: ApprovalState::Approved,
            status: Status::Permitted,
            why: "everybody who has to approve has approved".into(),
        };
        let mut events = vec![Draft::observed(resolved).citing(action.snapshot.clone())];
        events.extend(self.callback_due(id, action.callback.as_ref(), ctx));
        events
    }

    /// Whether the votes still satisfy policy, now that another snapshot is live. Looser is fine: people were asked.
    fn still_demanded(
        &self,
        stored: Option<&countersign_policy::Action>,
        approval: &OpenApproval,
        id: ActionId,
        ctx: &Ctx<'_>,
    ) -> Result<(), String> {
        let verdict = self.reevaluate(stored, id, ctx)?;
        match verdict.decision {
            Decision::Allow | Decision::AllowWithConstraints => Ok(()),
            Decision::RequireApproval => self.same_demand(&verdict, &approval.slots, ctx),
            Decision::Remediate | Decision::Deny => Err(format!(
                "the policy that is live now says {}",
                verdict.decision.as_str()
            )),
        }
    }

    /// Whether the policy that is live now asks for nobody whom these slots do not ask for.
    pub(super) fn same_demand(&self, verdict: &Verdict, slots: &[Slot], ctx: &Ctx<'_>) -> Result<(), String> {
        let route = default_route(ctx.live);
        let (wanted, _) = self.slots(&verdict.demands, route.map_or(&[], |route| &route.to));
        let known = |slot: &Slot| {
            slots
                .iter()
                .any(|old| old.names == slot.names && old.quorum == slot.quorum)
        };
        if wanted.iter().all(known) {
            Ok(())
        } else {
            Err("the policy that is live now asks for other approvers".into())
        }
    }

    /// Evaluates the stored form of an open action under the live snapshot.
    pub(super) fn reevaluate(
        &self,
        stored: Option<&countersign_policy::Action>,
        id: ActionId,
        ctx: &Ctx<'_>,
    ) -> Result<Verdict, String> {
        let action = self.actions.get(&id).ok_or("the action has left the state")?;
        let stored = stored.ok_or("the policy has changed, and the action's stored form is gone")?;
        let live = ctx.live.ok_or("no policy is live")?;
        if action.redacted {
            return Err(
                "the policy has changed, and parts of the action were not kept, so it cannot be evaluated again".into(),
            );
        }
        let facts = self.agent_facts(&action.agent, &action.identity, Vec::new());
        let verdict = self.evaluate(live, &action.agent, stored, &facts, false, ctx.now, None);
        let granting = matches!(
            verdict.decision,
            Decision::Allow | Decision::AllowWithConstraints | Decision::RequireApproval
        );
        if granting && verdict.constraints != action.constraints {
            return Err("the policy that is live now sets other limits".into());
        }
        Ok(verdict)
    }

    /// The events that expire an undecided request.
    pub(super) fn expire(&self, id: ApprovalId, ctx: &mut Ctx<'_>) -> Vec<Draft> {
        self.end_approval(
            id,
            ApprovalState::Expired,
            "expired",
            "nobody decided in time".into(),
            ctx,
        )
    }
}

/// The route of approvals that name nobody, if the live policy has one.
fn default_route(live: Option<&Snapshot>) -> Option<&DefaultRoute> {
    live?.organization()?.default_route()
}

/// A vote on a request that has ended is recorded and does not count.
fn late_vote(vote: Vote) -> Result<Handled, Refusal> {
    let Some(view) = &vote.view else {
        return Err(Refusal::missing("approval", vote.approval));
    };
    let voted = ApprovalVoted {
        action_id: view.decision.action_id,
        approval: vote.approval,
        counted: false,
        digest: vote.digest,
        not_counted: Some("late".into()),
        user: vote.user,
        verb: vote.verb,
    };
    let draft = Draft::observed(voted)
        .with_payload(vote.comment)
        .citing(view.snapshot.clone());
    let refusal = Refusal::conflict(
        "approval_closed",
        format!("`{}` has ended; the vote does not count", vote.approval),
    );
    Handled::refused(vec![draft], refusal)
}
