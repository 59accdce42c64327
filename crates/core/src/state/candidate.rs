//! A policy that is tried beside the one that is live: in the shadow, where it decides nothing, or for a share of agents or
//! runs. What either says of an action is recorded with the decision, so that both are counted from the records, and a
//! candidate that goes too far is taken back by the decision that shows it.

mod tried;

use std::sync::Arc;

use countersign_policy::{Action, Decision, Snapshot};
use serde::{Deserialize, Serialize};

use self::tried::CONDITION_ERROR;
pub use self::tried::{Counts, Tried};
use super::change::{reason_required, still_there};
use super::decide::Beside;
use super::{Ctx, Handled, OpenAction, Ruling, State};
use crate::command::{Command, Sealed, Submit, TryCandidate};
use crate::digest::Digest;
use crate::event::{
    Canary, CandidateEnd, CandidateEnded, CandidateStarted, DecisionFacts, DecisionMade, Event, LeftBand, Rate,
    SaidBeside, ShareOf, SnapshotProposed,
};
use crate::ids::{ActionId, ApprovalId, ProposalId};
use crate::record::{Actor, Draft, Record};
use crate::refusal::Refusal;
use crate::time::{Span, Time};

/// A snapshot that is tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Who wanted it.
    pub by: String,
    /// For whom it decides; `None` in the shadow.
    pub canary: Option<Canary>,
    /// The snapshot.
    pub hash: Arc<str>,
    /// Since when.
    pub since: Time,
    /// What it and the live policy said of the same actions.
    pub tried: Tried,
}

/// Whether a canary decides an action of this agent and run. The same agent or run is picked each time, and a larger share
/// picks all that a smaller one did.
pub fn picks(canary: &Canary, hash: &str, agent: &str, run: Option<&str>) -> bool {
    let (kind, subject) = match (canary.of, run) {
        (ShareOf::Runs, Some(run)) => ("run", run),
        (ShareOf::Runs, None) | (ShareOf::Agents, _) => ("agent", agent),
    };
    let parts = [hash.as_bytes(), b"\0", kind.as_bytes(), b"\0", subject.as_bytes()].concat();
    let Digest(bytes) = Digest::tagged("countersign-canary-v1", &[&parts]);
    let mut first = [0; 8];
    first.copy_from_slice(&bytes[..8]);
    u64::from_be_bytes(first) % 1000 < u64::from(canary.permille)
}

/// Which snapshots a command is carried out under.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Governing {
    /// The one that decides.
    pub deciding: Option<Arc<str>>,
    /// The one that is asked beside it.
    pub beside: Option<Arc<str>>,
}

impl State {
    /// The snapshot that is tried.
    pub fn candidate(&self) -> Option<&Candidate> {
        self.candidate.as_ref()
    }

    /// The snapshot that decides actions of an agent and run: the live one, or a candidate that decides for them.
    pub fn deciding(&self, agent: &str, run: Option<&str>) -> Option<&Arc<str>> {
        match &self.candidate {
            Some(candidate)
                if candidate
                    .canary
                    .is_some_and(|canary| picks(&canary, &candidate.hash, agent, run)) =>
            {
                Some(&candidate.hash)
            }
            Some(_) | None => self.live.as_ref(),
        }
    }

    /// The snapshot that is asked beside the one that decides.
    pub fn asked_beside(&self, agent: &str, run: Option<&str>) -> Option<&Arc<str>> {
        let candidate = self.candidate.as_ref()?;
        match &candidate.canary {
            None => Some(&candidate.hash),
            Some(canary) if picks(canary, &candidate.hash, agent, run) => self.live.as_ref(),
            Some(_) => None,
        }
    }

    /// The same of an action that is asked for: people are practised with under the live policy.
    pub(crate) fn deciding_for(&self, submit: &Submit) -> Option<&Arc<str>> {
        if submit.practice {
            return self.live.as_ref();
        }
        self.deciding(&submit.agent, submit.shown.run.as_deref())
    }

    /// The same of an action that was asked for before.
    pub(super) fn deciding_of(&self, action: &OpenAction) -> Option<&Arc<str>> {
        if action.practice {
            return self.live.as_ref();
        }
        self.deciding(&action.agent, action.run.as_deref())
    }

    /// The policy under which is carried out what is due of an action. One that cannot be had is on its way out, and the live
    /// one stands in: people are waited for.
    pub(super) fn at_hand_for<'a>(
        &self,
        action: Option<ActionId>,
        live: Option<&'a Snapshot>,
        candidate: Option<&'a Snapshot>,
    ) -> Option<&'a Snapshot> {
        let about = action.and_then(|action| self.actions.get(&action));
        let deciding = about.and_then(|action| self.deciding_of(action));
        let decides = |candidate: &&Snapshot| deciding.is_some_and(|hash| **hash == *candidate.hash_text());
        candidate.filter(decides).or(live)
    }

    /// Whether another policy decides about an action now than the one that its records cite.
    pub(super) fn is_under_another(&self, action: &OpenAction) -> bool {
        action.snapshot.as_ref() != self.deciding_of(action)
    }

    /// Which snapshots a command is carried out under: about an action that of its agent and run, about everything else the live
    /// one.
    pub fn governing(&self, command: &Command) -> Governing {
        if self.candidate.is_none() {
            return Governing {
                deciding: self.live.clone(),
                beside: None,
            };
        }
        if let Command::Submit(submit) = command {
            return Governing {
                deciding: self.deciding_for(submit).cloned(),
                beside: self.asked_beside(&submit.agent, submit.shown.run.as_deref()).cloned(),
            };
        }
        if matches!(command, Command::Tick) {
            // What is due of an action is carried out under the policy that decides about it.
            let canary = self.candidate.as_ref().filter(|candidate| candidate.canary.is_some());
            return Governing {
                deciding: self.live.clone(),
                beside: canary.map(|candidate| candidate.hash.clone()),
            };
        }
        let about = self.action_of(command).and_then(|id| self.actions.get(&id));
        Governing {
            deciding: about
                .map_or(self.live.as_ref(), |action| self.deciding_of(action))
                .cloned(),
            beside: None,
        }
    }

    /// The action that a command is about.
    fn action_of(&self, command: &Command) -> Option<ActionId> {
        let of_request = |approval: ApprovalId| Some(self.approvals.get(&approval)?.action_id);
        match command {
            Command::Vote(vote) => of_request(vote.approval),
            Command::View(viewing) => of_request(viewing.approval),
            Command::Link(link) => of_request(link.approval),
            Command::BreakGlass(ask) => of_request(ask.approval),
            Command::Answer { approval, .. } | Command::Cancel { approval, .. } => of_request(*approval),
            Command::Revise(ask) => of_request(ask.approval),
            Command::Redeem(redeem) => Some(ActionId::from(redeem.permit)),
            Command::ReleaseCredential(ask) => Some(ActionId::from(ask.permit)),
            Command::ReportOutcome(report) => Some(report.action_id),
            _other => None,
        }
    }

    /// Asks the policy that is asked beside the one that decided, on the same action and facts, and with everything that
    /// stands above it or tightens it: what would have become of the action. What comes of it is recorded and changes nothing.
    pub(super) fn ask_beside(
        &self,
        submit: &Submit,
        facts: &DecisionFacts,
        ruling: &Ruling,
        ctx: &Ctx<'_>,
    ) -> Option<SaidBeside> {
        let beside = ctx.beside.filter(|_| !facts.policy_unavailable)?;
        let given = Beside {
            digest_key: ctx.digest_key,
            live: Some(beside),
            now: ctx.now,
            redactor: ctx.redactor,
            revises: None,
        };
        let says = self.rule(submit, facts, None, &given);
        if !ruling.by_policy && !says.by_policy {
            // What stops an action under both tells nothing of either.
            return None;
        }
        let decided = ruling.decision;
        let first = says.reasons.first().filter(|_| says.decision != decided);
        Some(SaidBeside {
            decided,
            erred: says.decision == Decision::Deny && says.reasons.iter().any(|reason| reason.code == CONDITION_ERROR),
            hash: beside.hash_text().into(),
            rule: first.map(|reason| match reason.document.is_empty() {
                true => reason.code.clone(),
                false => format!("{}#{}", reason.document, reason.rule),
            }),
            says: says.decision,
        })
    }

    /// What an agent has read by the live catalogue it has read under a candidate as well: the live policy goes by that later.
    pub(super) fn read_by_live_too(
        &self,
        reads: &mut Vec<String>,
        said: Option<&SaidBeside>,
        runs: &Action,
        ctx: &Ctx<'_>,
    ) {
        let by_candidate = |said: &&SaidBeside| self.live.as_ref() == Some(&said.hash);
        let Some(live) = ctx.beside.filter(|_| said.filter(by_candidate).is_some()) else {
            return;
        };
        reads.extend(live.reads(runs));
        reads.sort();
        reads.dedup();
    }

    /// A candidate decides for some, by limits of its own.
    pub(super) fn has_canary(&self) -> bool {
        (self.candidate.as_ref()).is_some_and(|candidate| candidate.canary.is_some())
    }

    /// Tries a snapshot beside the live one, or asks those who have to agree before it may decide anything.
    pub(super) fn try_candidate(
        &self,
        ask: TryCandidate,
        actor: &Actor,
        ctx: &mut Ctx<'_>,
    ) -> Result<Handled, Refusal> {
        let TryCandidate {
            hash,
            canary,
            rationale,
        } = ask;
        if !self.snapshots.contains_key(&hash) {
            return Err(Refusal::missing("snapshot", hash));
        }
        if self.live.as_ref() == Some(&hash) {
            return Err(
                Refusal::conflict("already_live", "this snapshot is live, and decides everything")
                    .hint("try another one beside it"),
            );
        }
        if self.live.is_none() {
            return Err(
                Refusal::conflict("no_policy", "no policy is live beside which it could be tried")
                    .hint("make one live first"),
            );
        }
        if let Some(known) = self.candidate.as_ref() {
            if known.hash != hash {
                let detail = format!("`{}` is being tried", known.hash);
                return Err(Refusal::conflict("candidate_running", detail).hint("withdraw or promote it first"));
            }
            if known.canary == canary {
                return Handled::done(Vec::new());
            }
        }
        let rules = match canary {
            Some(_) => self.change_rules(ctx)?,
            // In the shadow it decides nothing.
            None => None,
        };
        let rules = rules.filter(|rules| self.could_agree(rules, &actor.id));
        let Some(rules) = rules else {
            let started = self.candidate_started(&hash, canary, &actor.id, Vec::new());
            return Handled::done(vec![started.with_payload(rationale)]);
        };
        if self
            .proposal
            .as_ref()
            .is_some_and(|known| known.hash == hash && known.canary == canary)
        {
            // Who asks once more is told what waits.
            return Handled::done(Vec::new());
        }
        if rationale.is_none() {
            return Err(reason_required());
        }
        let proposed = SnapshotProposed {
            approvers: rules.approvers.clone(),
            by: actor.id.clone(),
            canary,
            hash: hash.clone(),
            proposal: Some(ProposalId(ctx.ids.next(ctx.now))),
            quorum: rules.quorum,
            until: ctx.now + Span(rules.within),
        };
        let mut events = self.superseded();
        events.push(Draft::observed(proposed).with_payload(rationale).citing(Some(hash)));
        Handled::done(events)
    }

    pub(super) fn candidate_started(
        &self,
        hash: &Arc<str>,
        canary: Option<Canary>,
        by: &str,
        approved_by: Vec<String>,
    ) -> Draft {
        let started = CandidateStarted {
            approved_by,
            by: by.to_owned(),
            canary,
            hash: hash.clone(),
        };
        Draft::observed(started).citing(Some(hash.clone()))
    }

    /// Takes a candidate back.
    pub(super) fn withdraw_candidate(&self, reason: Option<Sealed>) -> Result<Handled, Refusal> {
        match &self.candidate {
            Some(candidate) => {
                let ended = ended(&candidate.hash, CandidateEnd::Withdrawn, None);
                Handled::done(vec![ended.with_payload(reason)])
            }
            None => Err(nothing_tried()),
        }
    }

    /// Makes the candidate live, or asks those who have to agree.
    pub(super) fn promote_candidate(
        &self,
        seen: Option<Arc<str>>,
        rationale: Option<Sealed>,
        actor: &Actor,
        ctx: &mut Ctx<'_>,
    ) -> Result<Handled, Refusal> {
        let there = self.candidate.as_ref().map(|candidate| &candidate.hash);
        still_there(seen.as_ref(), there)?;
        match &self.candidate {
            Some(candidate) => self.activate_snapshot(candidate.hash.clone(), rationale, actor, ctx),
            None => Err(nothing_tried()),
        }
    }

    /// What becomes of a candidate when a snapshot becomes live, or another one is tried.
    pub(super) fn candidate_over(&self, hash: &Arc<str>) -> Option<Draft> {
        let candidate = self.candidate.as_ref()?;
        let why = if candidate.hash == *hash {
            CandidateEnd::Promoted
        } else {
            CandidateEnd::Superseded
        };
        Some(ended(&candidate.hash, why, None))
    }

    /// Takes a canary back whose decisions are too far from what the live policy says of the same actions.
    pub(super) fn watch_candidate(&self, events: &mut Vec<Draft>, ctx: &mut Ctx<'_>) {
        let Some(candidate) = &self.candidate else { return };
        let Some(canary) = &candidate.canary else { return };
        let counted = events.iter().find_map(|draft| match &draft.event {
            Event::DecisionMade(decision) => candidate.counting(decision, draft.snapshot.as_ref()),
            _other => None,
        });
        let lost = events.iter().find_map(|draft| match &draft.event {
            Event::DecisionMade(decision) if draft.snapshot.as_ref() == Some(&candidate.hash) => {
                // Whatever it would decide is denied.
                let lost = decision.facts.policy_unavailable.then_some("it cannot be had");
                // Nothing would show how far it goes.
                lost.or_else(|| {
                    ctx.beside
                        .is_none()
                        .then_some("the live policy cannot be had beside it")
                })
            }
            _other => None,
        });
        if let Some(why) = lost {
            events.push(ended(&candidate.hash, CandidateEnd::Halted, None));
            let summary = format!("policy {} was taken back: {why}", candidate.hash);
            events.extend(self.alert("candidate_halted", summary, None, None, ctx));
            return;
        }
        let Some(left) = counted.and_then(|tried| tried.left(&canary.bands)) else {
            return;
        };
        events.push(ended(&candidate.hash, CandidateEnd::Halted, Some(left)));
        let what = match left.rate {
            Rate::Asked => "asks people about",
            Rate::Denied => "denies",
            Rate::Erred => "cannot evaluate its conditions for",
        };
        let summary = format!(
            "policy {} was taken back: of {} actions it {what} {}, and the live policy {}",
            candidate.hash, left.decisions, left.candidate, left.live
        );
        events.extend(self.alert("candidate_halted", summary, None, None, ctx));
    }

    /// Stores that a snapshot is tried.
    pub(super) fn start_candidate(&mut self, now: Time, e: &CandidateStarted) {
        if !e.approved_by.is_empty() {
            self.decided_on_proposal(&e.hash);
        }
        self.candidate = Some(Candidate {
            by: e.by.clone(),
            canary: e.canary,
            hash: e.hash.clone(),
            since: now,
            tried: Tried::default(),
        });
    }

    /// Stores that it is not tried any more.
    pub(super) fn end_candidate(&mut self, e: &CandidateEnded) {
        self.candidate.take_if(|candidate| candidate.hash == e.hash);
    }

    /// Counts what both policies said.
    pub(super) fn count_candidate(&mut self, record: &Record, e: &DecisionMade) {
        if let Some(candidate) = &mut self.candidate
            && let Some(tried) = candidate.counting(e, record.snapshot.as_ref())
        {
            candidate.tried = tried;
        }
    }
}

impl Candidate {
    /// What is counted once a decision is, if both policies said something of it.
    fn counting(&self, decision: &DecisionMade, cited: Option<&Arc<str>>) -> Option<Tried> {
        // No agent wanted a practice.
        let beside = decision.beside.as_ref().filter(|_| decision.practice.is_none())?;
        let by_candidate = cited == Some(&self.hash);
        if !by_candidate && beside.hash != self.hash {
            return None;
        }
        let mut tried = self.tried.clone();
        tried.count(decision, beside, by_candidate);
        Some(tried)
    }
}

fn ended(hash: &Arc<str>, why: CandidateEnd, left: Option<LeftBand>) -> Draft {
    let ended = CandidateEnded {
        hash: hash.clone(),
        left,
        why,
    };
    Draft::observed(ended).citing(Some(hash.clone()))
}

fn nothing_tried() -> Refusal {
    Refusal::conflict("no_candidate", "no policy is being tried")
        .hint("`countersign policy shadow` and `countersign policy canary` try one")
}
