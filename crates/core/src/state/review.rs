//! Requests for a human decision: opening, evidence and answers, withdrawal, and what another policy makes of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_policy::{Decision, DefaultRoute, Demand, Separation, Snapshot, Verdict};

use super::decide::OPEN_APPROVALS_PER_AGENT;
use super::matching::can_fill;
use super::route::{Asking, Cause};
use super::track::Taken;
use super::{Ctx, Handled, OpenAction, OpenApproval, Requester, State};
use crate::command::{Sealed, Submit};
use crate::event::{ApprovalAnswered, ApprovalOpened, ApprovalState, ApprovalStepStarted, Excluded, Slot, Track};
use crate::ids::{ActionId, ApprovalId};
use crate::record::{Actor, Draft, Provenance};
use crate::refusal::{Category, Refusal};
use crate::time::Span;

/// When an answer of people is expected.
pub(super) const SLA: Span = Span::minutes(15);
/// When a request expires undecided.
pub(super) const DEADLINE: Span = Span::minutes(60);
/// How long an approval may be used.
pub(super) const VALID_FOR: Span = Span::minutes(15);
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
    ) -> Result<(ApprovalOpened, Vec<ApprovalStepStarted>), Refusal> {
        let open = self.approvals_of_agent.get(&submit.agent).copied().unwrap_or_default();
        if open >= OPEN_APPROVALS_PER_AGENT {
            return Err(Refusal::new(
                Category::Throttled,
                "too_many_open",
                format!("`{}` has {open} open requests; people decide them first", submit.agent),
            ));
        }
        let route = default_route(ctx.live);
        let taken = Taken::of(demands, ctx.live);
        let requester = Requester {
            person: submit.person.as_deref(),
            agent: Some(&submit.agent),
        };
        let (slots, unresolved) = self.slots(&taken.plain, route.map_or(&[], |route| &route.to), requester, ctx);
        let excluded = self.excluded(submit, &slots, &taken, requester, ctx)?;
        let default = |of: fn(&DefaultRoute) -> Option<i64>, or: Span| route.and_then(of).map_or(or, Span);
        let deadline = taken
            .deadline
            .unwrap_or_else(|| default(|route| route.deadline, DEADLINE));
        let valid_for = taken
            .valid_for
            .unwrap_or_else(|| default(|route| route.valid_for, VALID_FOR));
        let target = State::target(&taken.tracks, ctx.live, ctx.now)
            .unwrap_or_else(|| ctx.now + default(|route| route.sla, SLA));
        let opened = ApprovalOpened {
            action_id,
            agent: submit.agent.clone(),
            approval: ApprovalId(ctx.ids.next(ctx.now)),
            deadline: ctx.now + deadline,
            digest: submit.digest.digest,
            editable: taken.editable(),
            evidence_due: (!missing.is_empty()).then(|| ctx.now + EVIDENCE_SPAN.min(deadline)),
            excluded,
            missing: missing.to_vec(),
            requester: submit.person.clone(),
            sla_due: target.min(ctx.now + deadline),
            slots,
            state: if missing.is_empty() {
                ApprovalState::Pending
            } else {
                ApprovalState::NeedsEvidence
            },
            tracks: taken.tracks,
            unresolved,
            valid_for_s: valid_for.as_seconds(),
        };
        // Nobody is asked before the evidence is there.
        let asked = if opened.evidence_due.is_some() {
            Vec::new()
        } else {
            let asking = Asking {
                action_id,
                approval: opened.approval,
                deadline: opened.deadline,
                excluded: &opened.excluded,
                requester,
            };
            (0..)
                .zip(&opened.tracks)
                .filter_map(|(index, track)| self.start_step(asking, index, track, 0, Cause::OPENED, ctx))
                .collect()
        };
        Ok((opened, asked))
    }

    /// Who may not decide: who asked, and where separation of duties or good sense wants it, the agent's owner and team.
    pub(super) fn excluded(
        &self,
        submit: &Submit,
        slots: &[Slot],
        taken: &Taken,
        requester: Requester<'_>,
        ctx: &Ctx<'_>,
    ) -> Result<Vec<Excluded>, Refusal> {
        let reachable = |excluded: &[Excluded]| self.could_decide(slots, taken, excluded, requester, ctx);
        let mut excluded: Vec<Excluded> = Vec::new();
        let exclude = |user: &str, reason: &str, excluded: &mut Vec<Excluded>| {
            if self.users.contains_key(user) && !excluded.iter().any(|out| out.user == user) {
                excluded.push(Excluded {
                    reason: reason.to_owned(),
                    user: user.to_owned(),
                });
            }
        };
        // Who asked: the person on whose behalf the agent acts, and the person whose credential was used.
        for requester in submit.person.iter().chain(&submit.action.principal) {
            exclude(requester, "requester", &mut excluded);
        }
        let agent = self.agents.get(&submit.agent);
        let owner = agent.map(|agent| agent.owner.strip_prefix("user:").unwrap_or(&agent.owner));
        if taken.separation.contains(&Separation::AgentOwner)
            && let Some(owner) = owner
        {
            exclude(owner, "agent_owner", &mut excluded);
            // A team that owns the agent is its owner, every one of them.
            for member in self.people_named(owner) {
                exclude(&member, "agent_owner", &mut excluded);
            }
        }
        let team = agent.and_then(|agent| agent.team.as_ref());
        if taken.separation.contains(&Separation::SameTeam)
            && let Some(team) = team
        {
            for (id, _) in self.users.iter().filter(|(_, user)| user.teams.contains(team)) {
                exclude(id, "same_team", &mut excluded);
            }
        }
        if !reachable(&excluded) {
            return Err(Refusal::conflict("unroutable", "nobody who may decide this is left"));
        }
        // The agent's owner steps back once somebody else could decide.
        if let Some(owner) = owner {
            let mut without = excluded.clone();
            exclude(owner, "agent_owner", &mut without);
            if reachable(&without) {
                excluded = without;
            }
        }
        Ok(excluded)
    }

    /// Whether all of these could be filled.
    pub(super) fn could_decide(
        &self,
        slots: &[Slot],
        taken: &Taken,
        excluded: &[Excluded],
        requester: Requester<'_>,
        ctx: &Ctx<'_>,
    ) -> bool {
        can_fill(&self.places(slots, excluded)) && self.tracks_reach(&taken.tracks, excluded, requester, ctx)
    }

    pub(super) fn answer(
        &self,
        id: ApprovalId,
        agent: &Arc<str>,
        parts: &[String],
        stored: Sealed,
        redact: BTreeMap<String, u32>,
        ctx: &mut Ctx<'_>,
    ) -> Result<Handled, Refusal> {
        let approval = self.approval_of_agent(id, agent)?;
        if approval.evidence_due.is_none() && approval.question.is_none() {
            return Err(Refusal::conflict(
                "evidence_is_complete",
                format!("`{id}` needs no more evidence, and nobody asked anything"),
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
        let mut after = approval.clone();
        after.missing = missing;
        after.question = None;
        let (mut asked, mut unroutable) = (Vec::new(), false);
        if approval.evidence_due.is_some() {
            if after.missing.is_empty() {
                after.evidence_due = None;
                asked = self.start_tracks(id, approval, ctx);
                if asked.len() < approval.tracks.len() {
                    unroutable = true;
                }
            }
            let tracks: Vec<Track> = approval.tracks.iter().map(|track| track.rules.clone()).collect();
            let default = || default_route(ctx.live).and_then(|route| route.sla).map_or(SLA, Span);
            let target = State::target(&tracks, ctx.live, ctx.now).unwrap_or_else(|| ctx.now + default());
            after.sla_due = target.min(approval.deadline);
        }
        let answered = ApprovalAnswered {
            action_id: approval.action_id,
            approval: id,
            state: after.state(),
            missing: after.missing,
            sla_due: after.sla_due,
        };
        let mut draft = Draft::observed(answered).with_payload(Some(stored));
        draft.prov = Provenance::Reported;
        draft.redact = redact;
        if unroutable {
            // Whom it would have gone to when it was opened is not there any more.
            let why = "nobody who may decide this is left".to_owned();
            asked = self.end_approval(id, ApprovalState::Invalidated, "unroutable", why, ctx);
        }
        asked.insert(0, draft);
        Handled::done(asked)
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

    pub(super) fn approval_of_agent(&self, id: ApprovalId, agent: &Arc<str>) -> Result<&OpenApproval, Refusal> {
        self.approvals
            .get(&id)
            // What a person made in the agent's name is not the agent's.
            .filter(|_| !self.practices.contains_key(&id))
            .filter(|approval| {
                self.actions
                    .get(&approval.action_id)
                    .is_some_and(|action| action.agent == *agent)
            })
            .ok_or_else(|| Refusal::missing("open approval", id))
    }

    /// Whether the votes still satisfy policy, now that another snapshot is live. Looser is fine: people were asked.
    pub(super) fn still_demanded(
        &self,
        stored: Option<&countersign_policy::Action>,
        approval: &OpenApproval,
        id: ActionId,
        ctx: &Ctx<'_>,
    ) -> Result<(), String> {
        let verdict = self.reevaluate(stored, id, ctx)?;
        match verdict.decision {
            Decision::Allow | Decision::AllowWithConstraints => Ok(()),
            Decision::RequireApproval => {
                let tracks: Vec<Track> = approval.tracks.iter().map(|track| track.rules.clone()).collect();
                self.same_demand(&verdict, id, &approval.slots, &tracks, ctx)
            }
            Decision::Remediate | Decision::Deny => Err(format!(
                "the policy that is live now says {}",
                verdict.decision.as_str()
            )),
        }
    }

    /// Whether the policy that is live now asks for nobody whom these slots do not ask for.
    pub(super) fn same_demand(
        &self,
        verdict: &Verdict,
        id: ActionId,
        slots: &[Slot],
        tracks: &[Track],
        ctx: &Ctx<'_>,
    ) -> Result<(), String> {
        if self.asks_for(&verdict.demands, self.requester_of(id), slots, tracks, ctx) {
            Ok(())
        } else {
            Err("the policy that is live now asks for other approvers".into())
        }
    }

    /// Whether these slots and routes ask for everybody who is demanded.
    pub(super) fn asks_for(
        &self,
        demands: &[Demand],
        requester: Requester<'_>,
        slots: &[Slot],
        tracks: &[Track],
        ctx: &Ctx<'_>,
    ) -> bool {
        let route = default_route(ctx.live);
        let taken = Taken::of(demands, ctx.live);
        let to = route.map_or(&[][..], |route| &route.to);
        // Who is asked by the same names is asked by nobody else, whoever they mean at this hour.
        let named = |demand: &&Demand| {
            let mut slots = slots.iter();
            !demand.names.is_empty() && slots.any(|old| old.names == demand.names && old.quorum == demand.quorum)
        };
        let others: Vec<Demand> = taken.plain.iter().filter(|demand| !named(demand)).cloned().collect();
        let (wanted, _) = self.slots(&others, to, requester, ctx);
        let known = |slot: &Slot| {
            slots
                .iter()
                .any(|old| old.names == slot.names && old.quorum == slot.quorum)
        };
        // A route that asks the same people in other spans of time asks for nobody else.
        let walked = |wanted: &Track| tracks.iter().any(|track| track.stands_for(wanted));
        // Who was kept from deciding by no rule may have decided.
        let kept_apart = |who: &Separation| {
            *who == Separation::Requester || tracks.iter().any(|track| track.separation.contains(who))
        };
        wanted.iter().all(known) && taken.tracks.iter().all(walked) && taken.separation.iter().all(kept_apart)
    }

    /// Whose request an open action is.
    pub(super) fn requester_of(&self, id: ActionId) -> Requester<'_> {
        self.actions.get(&id).map(OpenAction::asked_by).unwrap_or_default()
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
        let facts = self.facts_of_open(action, Vec::new(), &[]);
        let verdict = self.evaluate(live, &action.agent, stored, &facts, false, ctx.now, None);
        let granting = matches!(
            verdict.decision,
            Decision::Allow | Decision::AllowWithConstraints | Decision::RequireApproval
        );
        if granting && verdict.constraints != action.constraints {
            return Err("the policy that is live now sets other limits".into());
        }
        if granting && verdict.outputs != action.outputs {
            return Err("the policy that is live now lets other things out of results".into());
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

impl OpenAction {
    /// Whose request it is.
    pub(super) fn asked_by(&self) -> Requester<'_> {
        Requester {
            person: self.requester.as_deref(),
            agent: Some(&self.agent),
        }
    }
}

/// The route of approvals that name nobody, if the live policy has one.
pub(super) fn default_route(live: Option<&Snapshot>) -> Option<&DefaultRoute> {
    live?.organization()?.default_route()
}
