//! Making another policy live: at once, or after people have agreed, where the policy that is live wants that.

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_policy::PolicyChanges;
use serde::{Deserialize, Serialize};

use super::matching::Place;
use super::{Ctx, Due, Handled, State, Waiver};
use crate::command::Sealed;
use crate::event::{
    Canary, DeclinedBecause, SnapshotActivated, SnapshotDeclined, SnapshotJudged, SnapshotProposed, SnapshotWaived,
};
use crate::ids::ProposalId;
use crate::record::{Actor, Draft};
use crate::refusal::{Category, Refusal};
use crate::time::{Span, Time};

/// A snapshot that somebody wants live, and to which others have to agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// People who agreed.
    pub approved: BTreeSet<String>,
    /// Names of those who may agree.
    pub approvers: Vec<String>,
    /// Who wants it.
    pub by: String,
    /// It is to decide for a share, and not to become live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// The snapshot.
    pub hash: Arc<str>,
    /// What a vote names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ProposalId>,
    /// How many have to agree.
    pub quorum: u32,
    /// Until when.
    pub until: Time,
}

/// Nobody can agree to what nobody has said why it is wanted.
pub(super) fn reason_required() -> Refusal {
    Refusal::invalid(
        "reason_required",
        "people have to agree to this, and want to know why it is wanted",
    )
    .hint("give a `rationale`: a sentence that says why")
}

/// Whoever takes a snapshot back, or makes one live by pointing at it, means the one that was there when they looked.
pub(super) fn still_there(seen: Option<&Arc<str>>, there: Option<&Arc<str>>) -> Result<(), Refusal> {
    let Some(seen) = seen.filter(|seen| there != Some(*seen)) else {
        return Ok(());
    };
    let detail = match there {
        Some(there) => format!("`{there}` has taken the place of `{seen}`"),
        None => format!("`{seen}` is not there any more"),
    };
    Err(Refusal::conflict("another_snapshot", detail)
        .hint("look at where it stands with `GET /v1/policies:candidate`, and decide again"))
}

impl State {
    /// The snapshot that waits for people to agree.
    pub fn proposal(&self) -> Option<&Proposal> {
        self.proposal.as_ref()
    }

    pub(super) fn activate_snapshot(
        &self,
        hash: Arc<str>,
        rationale: Option<Sealed>,
        actor: &Actor,
        ctx: &mut Ctx<'_>,
    ) -> Result<Handled, Refusal> {
        if !self.snapshots.contains_key(&hash) {
            return Err(Refusal::missing("snapshot", hash));
        }
        if self.live.as_ref() == Some(&hash) {
            return Handled::done(Vec::new());
        }
        // Away from a policy that cannot be read there is one way: back to the one before it.
        let rules = match self.change_rules(ctx) {
            Err(_unreadable) if self.live_before.last() == Some(&hash) => None,
            known => known?,
        };
        let Some(rules) = rules.filter(|rules| self.could_agree(rules, &actor.id)) else {
            // Whatever was proposed was meant to follow what was live until now.
            let mut events = self.declined(DeclinedBecause::Superseded);
            let over = self.candidate_over(&hash);
            events.push(self.activated_by(hash, Vec::new()).with_payload(rationale));
            events.extend(over);
            return Handled::done(events);
        };
        let same = |known: &&Proposal| known.hash == hash && known.canary.is_none();
        if let Some(known) = self.proposal.as_ref().filter(same) {
            // Who asks once more is told what waits.
            if known.by == actor.id {
                return Handled::done(Vec::new());
            }
            let detail = format!(
                "`{}` wants it live, and people have until {} to agree",
                known.by, known.until
            );
            return Err(Refusal::conflict("already_proposed", detail)
                .hint("an approver agrees with `POST /v1/policies/{hash}/votes`"));
        }
        if rationale.is_none() {
            return Err(reason_required());
        }
        let proposed = SnapshotProposed {
            approvers: rules.approvers.clone(),
            by: actor.id.clone(),
            canary: None,
            hash: hash.clone(),
            proposal: Some(ProposalId(ctx.ids.next(ctx.now))),
            quorum: rules.quorum,
            until: ctx.now + Span(rules.within),
        };
        let mut events = self.declined(DeclinedBecause::Superseded);
        events.push(Draft::observed(proposed).with_payload(rationale).citing(Some(hash)));
        Handled::done(events)
    }

    /// Somebody lets a snapshot become live though so many of its tests fail and so many of its rules have none.
    pub(super) fn waive_tests(
        &self,
        hash: Arc<str>,
        (failing, untried): (u64, u64),
        reason: Sealed,
        actor: &Actor,
    ) -> Result<Handled, Refusal> {
        if !self.snapshots.contains_key(&hash) {
            return Err(Refusal::missing("snapshot", hash));
        }
        let waived = SnapshotWaived {
            by: actor.id.clone(),
            failing,
            hash: hash.clone(),
            untried,
        };
        let draft = Draft::observed(waived).with_payload(Some(reason));
        Handled::done(vec![draft.citing(Some(hash))])
    }

    pub(super) fn waived(&mut self, e: &SnapshotWaived) {
        if let Some(stored) = self.snapshots.get_mut(&e.hash) {
            stored.waived = Some(Waiver {
                by: e.by.clone(),
                failing: e.failing,
                untried: e.untried,
            });
        }
    }

    /// What going back takes back. What decides for a share was put there last, and is what somebody in need wants to be
    /// rid of.
    pub fn goes_back_from(&self) -> Option<&Arc<str>> {
        let canary = self.candidate().filter(|candidate| candidate.canary.is_some());
        canary.map(|candidate| &candidate.hash).or(self.live.as_ref())
    }

    pub(super) fn roll_back(
        &self,
        from: Option<Arc<str>>,
        rationale: Option<Sealed>,
        actor: &Actor,
        ctx: &mut Ctx<'_>,
    ) -> Result<Handled, Refusal> {
        still_there(from.as_ref(), self.goes_back_from())?;
        if self.candidate().is_some_and(|candidate| candidate.canary.is_some()) {
            return self.withdraw_candidate(rationale);
        }
        match self.live_before.last() {
            Some(previous) => self.activate_snapshot(previous.clone(), rationale, actor, ctx),
            None => Err(Refusal::conflict(
                "nothing_to_roll_back",
                "no other snapshot was live before this one",
            )),
        }
    }

    /// Somebody agrees, or does not. The last who has to agree makes it live.
    pub(super) fn judge_snapshot(
        &self,
        hash: &Arc<str>,
        named: Option<ProposalId>,
        agrees: bool,
        comment: Option<Sealed>,
        actor: &Actor,
        ctx: &Ctx<'_>,
    ) -> Result<Handled, Refusal> {
        let Some(proposal) = self.proposal.as_ref().filter(|proposal| proposal.hash == *hash) else {
            return Err(
                Refusal::conflict("not_proposed", format!("nobody wants `{hash}` live, or that has ended"))
                    .hint("`GET /v1/policies` lists the snapshots, and the one that waits"),
            );
        };
        if proposal.id != named {
            let detail = format!(
                "what `{}` wants of `{hash}` now is not what this vote names",
                proposal.by
            );
            return Err(Refusal::conflict("another_proposal", detail)
                .hint("look at what waits with `GET /v1/policies`, and name its `id` as `proposal`"));
        }
        if proposal.by == actor.id {
            let detail = format!("`{}` wants it live and cannot agree to it", actor.id);
            return Err(Refusal::forbidden("self_approval", detail).hint("ask somebody else who may decide"));
        }
        let able = self.approvers_of(&proposal.approvers, &proposal.by);
        if !able.contains(&actor.id) {
            let detail = format!("`{}` is not among the people who may decide this", actor.id);
            return Err(Refusal::forbidden("not_eligible", detail));
        }
        if proposal.until <= ctx.now {
            return Err(Refusal::new(Category::Gone, "expired", "the time to agree is over"));
        }
        if proposal.approved.contains(&actor.id) && agrees {
            return Err(Refusal::conflict("already_voted", format!("`{}` has voted", actor.id)));
        }
        if !agrees && comment.is_none() {
            return Err(Refusal::invalid(
                "reason_required",
                "a rejection needs a comment that says why",
            ));
        }
        let judged = SnapshotJudged {
            agrees,
            by: actor.id.clone(),
            hash: hash.clone(),
            proposal: proposal.id,
        };
        let mut events = vec![Draft::observed(judged).with_payload(comment).citing(Some(hash.clone()))];
        if !agrees {
            events.extend(self.declined(DeclinedBecause::Rejected));
            return Handled::done(events);
        }
        // Whoever may not decide any more does not count any more.
        let mut approved: BTreeSet<&String> = proposal.approved.iter().filter(|user| able.contains(*user)).collect();
        approved.insert(&actor.id);
        if approved.len() >= proposal.quorum as usize {
            let approved_by = approved.into_iter().cloned().collect();
            let over = self.candidate_over(hash);
            match proposal.canary {
                None => {
                    events.push(self.activated_by(hash.clone(), approved_by));
                    events.extend(over);
                }
                Some(_) => {
                    // The same one goes on with another share.
                    events.extend(over.filter(|_| self.candidate().is_some_and(|known| known.hash != *hash)));
                    events.push(self.candidate_started(hash, proposal.canary, &proposal.by, approved_by));
                }
            }
        }
        Handled::done(events)
    }

    /// The time to agree is over.
    pub(super) fn proposal_over(&self) -> Vec<Draft> {
        self.declined(DeclinedBecause::Expired)
    }

    /// What was proposed is not to be agreed to any more: something else is.
    pub(super) fn superseded(&self) -> Vec<Draft> {
        self.declined(DeclinedBecause::Superseded)
    }

    fn declined(&self, why: DeclinedBecause) -> Vec<Draft> {
        let declined = self.proposal.iter().map(|proposal| SnapshotDeclined {
            hash: proposal.hash.clone(),
            why,
        });
        declined.map(Draft::observed).collect()
    }

    fn activated_by(&self, hash: Arc<str>, approved_by: Vec<String>) -> Draft {
        let activated = SnapshotActivated {
            approved_by,
            hash: hash.clone(),
            previous: self.live.clone(),
            rollback: (self.snapshots.get(&hash)).is_some_and(|stored| stored.activated.is_some()),
        };
        Draft::observed(activated).citing(Some(hash))
    }

    /// By which rules another policy becomes live. Where what is live cannot be read, nobody knows whether it has some.
    pub(super) fn change_rules<'a>(&self, ctx: &Ctx<'a>) -> Result<Option<&'a PolicyChanges>, Refusal> {
        if self.live.is_some() && ctx.live.is_none() {
            let detail = "the live policy, which says who has to agree to another one, cannot be read";
            return Err(Refusal::new(Category::Unavailable, "policy_unavailable", detail).hint(
                "upload its documents again, or go back to the one before it with `POST /v1/policies:rollback`",
            ));
        }
        Ok(ctx.live.and_then(|live| live.organization()?.policy_changes()))
    }

    /// Whether enough others could agree, and at least two: before that, nobody has to be asked.
    pub(super) fn could_agree(&self, rules: &PolicyChanges, author: &str) -> bool {
        self.approvers_of(&rules.approvers, author).len() >= (rules.quorum as usize).max(2)
    }

    fn approvers_of(&self, names: &[String], author: &str) -> Place {
        let people = names.iter().flat_map(|name| self.people_named(name));
        people.filter(|user| user != author).collect()
    }

    /// Stores that somebody wants it live.
    pub(super) fn proposed(&mut self, e: &SnapshotProposed) {
        self.due.insert((e.until, Due::Proposal));
        self.proposal = Some(Proposal {
            approved: BTreeSet::new(),
            approvers: e.approvers.clone(),
            by: e.by.clone(),
            canary: e.canary,
            hash: e.hash.clone(),
            id: e.proposal,
            quorum: e.quorum,
            until: e.until,
        });
    }

    /// Stores that somebody agreed.
    pub(super) fn judged(&mut self, e: &SnapshotJudged) {
        if let Some(proposal) = self
            .proposal
            .as_mut()
            .filter(|proposal| e.agrees && proposal.hash == e.hash && proposal.id == e.proposal)
        {
            proposal.approved.insert(e.by.clone());
        }
    }

    /// Stores that nothing waits any more.
    pub(super) fn decided_on_proposal(&mut self, hash: &Arc<str>) {
        if let Some(proposal) = self.proposal.take_if(|proposal| proposal.hash == *hash) {
            self.due.remove(&(proposal.until, Due::Proposal));
        }
    }

    pub(super) fn activated(&mut self, now: Time, hash: &Arc<str>) {
        self.decided_on_proposal(hash);
        if let Some(previous) = self.live.replace(hash.clone())
            && previous != *hash
        {
            self.live_before.retain(|known| known != hash);
            self.live_before.push(previous);
        }
        if let Some(stored) = self.snapshots.get_mut(hash) {
            stored.activated = Some(now);
        }
    }
}
