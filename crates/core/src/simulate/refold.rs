//! What would have become of everything that a ledger records, had another policy been live from its first decision on: what
//! is spent, counted and tried goes on from what that policy itself let through.
//!
//! A world beside the recorded one is folded from the same records. Each decision is made again in it, by the code that
//! decides; what follows from decisions (permits, reservations, what counts in windows, circuits) follows there from its own.
//! What people, agents and the clock did is taken from the records, as far as it fits. What nobody did then has to be taken
//! as something, and each time is counted ([`TakenAs`]).

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr as _;
use std::sync::Arc;

use countersign_policy::{Decimal, Decision, Hidden, Snapshot};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Changed, Report, Simulated, is_above_policy, not_derivable};
use crate::command::ReportOutcome;
use crate::digest::DigestKey;
use crate::event::{ApprovalResolved, ApprovalRevised, ApprovalState, DecisionMade, Event, OutcomeReported, Status};
use crate::ids::{ActionId, ApprovalId};
use crate::record::{Draft, Payload, Record};
use crate::redact::{Kinds, Redactor, is_mark, is_marked};
use crate::replay::{Gap, Ids, read, restore, revised_submit_of, submit_of};
use crate::state::revise::Changed as Wanted;
use crate::state::{Ctx, State, Transient};

/// Why agents are paused that found no room: it follows from decisions, and is not taken from the records.
const NO_ROOM: [&str; 2] = ["budget", "limit"];

/// What nobody did then, and what it is taken as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TakenAs {
    /// Ran without being asked about, and people would be asked: taken as approved and used at once.
    pub approved: u64,
    /// Was refused, and would be let through: taken as used at once, without an outcome.
    pub ran: u64,
    /// Was refused, and people would be asked: taken as not approved.
    pub not_approved: u64,
    /// Of which nobody can say what would be decided: taken as it was.
    pub as_it_was: u64,
}

/// A ledger that is folded as it would have become.
pub struct Refold<'s> {
    candidate: &'s Snapshot,
    hash: Arc<str>,
    redactor: Redactor,
    /// Names of windows and subjects are made with it: all of them are, so that the same ones have the same name.
    key: DigestKey,
    state: State,
    /// Actions that are taken as they were.
    as_it_was: BTreeSet<ActionId>,
    /// Actions that ran, or may have, and would not have been let through.
    never_ran: BTreeSet<ActionId>,
    /// Parts of evidence that open requests lacked at first.
    lacked: BTreeMap<ApprovalId, Vec<String>>,
    taken: TakenAs,
}

impl<'s> Refold<'s> {
    /// Before the first record.
    pub fn new(candidate: &'s Snapshot) -> Self {
        Refold {
            candidate,
            hash: candidate.hash_text().into(),
            redactor: Redactor::standard(),
            key: DigestKey::new([0; 32]),
            state: State::default(),
            as_it_was: BTreeSet::new(),
            never_ran: BTreeSet::new(),
            lacked: BTreeMap::new(),
            taken: TakenAs::default(),
        }
    }

    /// What had to be taken as something so far.
    pub fn taken(&self) -> TakenAs {
        self.taken
    }

    /// What was spent, counted and tried there.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The next record of the ledger, in order, with its payload: whoever hands it over has made sure that it is the record's.
    /// With a report, what becomes of a decision is counted there.
    pub fn record(&mut self, record: &Record, payload: Option<&Payload>, report: Option<&mut Report>) {
        match &record.event {
            Event::DecisionMade(decision) => {
                let simulated = self.decision(record, decision, payload);
                // No agent wanted a practice.
                let Some(report) = report.filter(|_| decision.practice.is_none()) else {
                    return;
                };
                report.count(record, decision, simulated, &|text| {
                    let kinds = Kinds::of(Some(self.candidate), &decision.agent);
                    self.redactor.redact_text(text, &kinds).text
                });
            }
            Event::ApprovalOpened(e) if self.follows(e.action_id) => {}
            Event::ApprovalRevised(e) if self.follows(e.action_id) => self.revised(record, e, payload),
            Event::ApprovalResolved(e) if self.follows(e.action_id) => self.resolved(record, e),
            Event::PermitRedeemed(e) if self.follows(e.action_id) => {
                self.take(record, |state, ctx| state.use_here(e.action_id, ctx));
            }
            Event::PermitRefused(e) if self.follows(e.action_id) => {}
            Event::OutcomeReported(e) if self.follows(e.action_id) => self.came_of_it(record, e),
            Event::AgentPaused(e) if NO_ROOM.contains(&&*e.why) => {}
            // By a person: no trial did.
            Event::CircuitClosed(e) if e.action_id.is_none() => self.apply(record.clone()),
            Event::BudgetReached(_)
            | Event::CircuitClosed(_)
            | Event::CircuitOpened(_)
            | Event::CandidateEnded(_)
            | Event::CandidateStarted(_)
            | Event::SnapshotActivated(_) => {}
            _other => self.apply(record.clone()),
        }
    }

    /// What becomes of an action follows from what is decided here.
    fn follows(&self, id: ActionId) -> bool {
        !self.as_it_was.contains(&id)
    }

    fn apply(&mut self, mut record: Record) {
        record.seq = self.state.next_seq();
        self.state.apply(&record);
        if self.state.live() != Some(&self.hash) {
            self.state.govern_by(self.hash.clone());
        }
    }

    fn ctx<'a>(&'a self, record: &Record, ids: &'a mut Ids, transient: &'a mut Transient) -> Ctx<'a> {
        Ctx {
            now: record.ts,
            ids,
            live: Some(self.candidate),
            beside: None,
            digest_key: &self.key,
            redactor: &self.redactor,
            transient,
        }
    }

    /// Takes a step, at the time of a record, and stores what comes of it.
    fn take(&mut self, record: &Record, step: impl FnOnce(&State, &mut Ctx<'_>) -> Vec<Draft>) {
        let (mut ids, mut transient) = (Ids(Vec::new()), Transient::default());
        let drafts = step(&self.state, &mut self.ctx(record, &mut ids, &mut transient));
        self.store(record, drafts);
    }

    fn store(&mut self, like: &Record, drafts: Vec<Draft>) {
        for draft in drafts.into_iter().filter(|draft| is_followed(&draft.event)) {
            if let Event::ApprovalOpened(e) = &draft.event
                && !e.missing.is_empty()
            {
                self.lacked.insert(e.approval, e.missing.clone());
            }
            self.apply(Record {
                seq: 0,
                ts: like.ts,
                actor: like.actor.clone(),
                event: draft.event,
                idem: None,
                payload: draft.payload.map(|sealed| sealed.1.clone()),
                prov: draft.prov,
                redact: draft.redact,
                snapshot: draft.snapshot,
            });
        }
    }

    fn decision(&mut self, record: &Record, decision: &DecisionMade, payload: Option<&Payload>) -> Simulated {
        let restored = restore(record, decision, payload);
        if decision.practice.is_some() || !restored.gaps.is_empty() {
            return self.as_it_was(record, decision, restored.gaps);
        }
        // Where redaction found nothing, nothing has to be watched.
        let hidden = (!record.redact.is_empty()).then(|| Hidden::new(is_mark, is_marked));
        let submit = submit_of(&self.state, record, decision, &restored, Some(self.candidate));
        let action = submit.action.clone();
        let asked = decision.approval.unwrap_or(ApprovalId(decision.action_id.0));
        let (mut ids, mut transient) = (Ids(vec![asked.0, decision.action_id.0]), Transient::default());
        let mut ctx = self.ctx(record, &mut ids, &mut transient);
        let made = self.state.decide_here(submit, hidden.as_ref(), &mut ctx);
        let gaps: Vec<Gap> = hidden.iter().flat_map(Hidden::read).map(unseen).collect();
        if !gaps.is_empty() {
            return self.as_it_was(record, decision, gaps);
        }
        let drafts = match made {
            Ok(drafts) => drafts,
            // It would have been turned away, and left no record.
            Err(refusal) if refusal.code == "repeated_refusal" => {
                return changed(decision, Decision::Deny, None, action);
            }
            Err(refusal) => {
                let why = format!("it would not have been decided: {}", refusal.code);
                return self.as_it_was(record, decision, vec![Gap::new("state", why)]);
            }
        };
        let made = drafts.iter().find_map(|draft| match &draft.event {
            Event::DecisionMade(made) => Some((**made).clone()),
            _other => None,
        });
        let Some(made) = made else {
            let gap = Gap::new("state", "it would not have been decided");
            return self.as_it_was(record, decision, vec![gap]);
        };
        self.store(record, drafts);
        self.go_on(record, decision, &made);
        if is_above_policy(decision) && is_above_policy(&made) {
            return Simulated::AbovePolicy;
        }
        changed(decision, made.decision, Some(&made), action)
    }

    /// What becomes of it at once, where it went otherwise then.
    fn go_on(&mut self, record: &Record, then: &DecisionMade, here: &DecisionMade) {
        let id = here.action_id;
        if then.status != Status::Refused && here.status == Status::Refused {
            self.never_ran.insert(id);
        }
        match (then.status, here.status) {
            (Status::Permitted, Status::Pending) => {
                self.taken.approved += 1;
                if let Some(approval) = here.approval {
                    self.take(record, |state, ctx| state.approve_here(approval, ctx));
                }
                self.take(record, |state, ctx| state.use_here(id, ctx));
            }
            (Status::Pending | Status::Refused, Status::Permitted) => {
                self.taken.ran += u64::from(then.status == Status::Refused);
                self.take(record, |state, ctx| state.use_here(id, ctx));
            }
            (Status::Refused, Status::Pending) => {
                self.taken.not_approved += 1;
                if let Some(approval) = here.approval {
                    self.take(record, |state, ctx| {
                        state.end_here((id, approval), ApprovalState::Expired, ctx)
                    });
                }
            }
            (Status::Permitted, Status::Permitted)
            | (Status::Pending, Status::Pending)
            | (Status::Permitted | Status::Pending | Status::Refused, Status::Refused) => {}
        }
    }

    /// A reviewer narrowed it, or its agent wants something else. What nobody is asked about here has run as it was first asked.
    fn revised(&mut self, record: &Record, e: &ApprovalRevised, payload: Option<&Payload>) {
        let open = self.state.approvals().get(&e.approval);
        let action = open.and_then(|_| self.state.actions().get(&e.action_id));
        let (Some(action), Ok(restored)) = (action, read(record, payload)) else {
            return;
        };
        let mut submit = revised_submit_of(record, e, action, &restored, Some(self.candidate));
        self.state.as_asked(action, &mut submit);
        let facts = self.state.facts_of_revision(action, &submit);
        let lacked = self.lacked.get(&e.approval).cloned().unwrap_or_default();
        self.take(record, |state, ctx| {
            let change = Wanted {
                id: e.approval,
                submit: &submit,
                edited_by: e.edited_by.as_deref(),
                changed: e.changed.clone(),
                completed: lacked,
                facts,
                hidden: None,
            };
            state.revise_here(change, ctx)
        });
    }

    /// People decided, or it was too late for that. Where nobody is asked here, that makes no difference.
    fn resolved(&mut self, record: &Record, e: &ApprovalResolved) {
        self.lacked.remove(&e.approval);
        self.take(record, |state, ctx| match e.permit {
            Some(_) => state.approve_here(e.approval, ctx),
            None => state.end_here((e.action_id, e.approval), e.state, ctx),
        });
    }

    /// An outcome that comes so late that its action has left is taken as it was, as far as there are such accounts here.
    fn came_of_it(&mut self, record: &Record, e: &OutcomeReported) {
        if self.state.actions().contains_key(&e.action_id) {
            self.take(record, |state, ctx| state.report_here(reported(e), ctx));
        } else if !self.never_ran.contains(&e.action_id) {
            let mut late = e.clone();
            late.settled.retain(|settled| self.state.has_account(&settled.account));
            self.apply(Record {
                event: late.into(),
                ..record.clone()
            });
        }
    }

    fn as_it_was(&mut self, record: &Record, decision: &DecisionMade, gaps: Vec<Gap>) -> Simulated {
        self.taken.as_it_was += u64::from(decision.practice.is_none());
        self.as_it_was.insert(decision.action_id);
        self.apply(record.clone());
        not_derivable(gaps)
    }
}

/// What follows from what is decided here. What agents have earned is taken from the records, and so is everything else.
fn is_followed(event: &Event) -> bool {
    match event {
        Event::AgentPaused(e) => NO_ROOM.contains(&&*e.why),
        Event::AgentSighted(_)
        | Event::ApprovalOpened(_)
        | Event::ApprovalResolved(_)
        | Event::ApprovalRevised(_)
        | Event::ApprovalStepStarted(_)
        | Event::BudgetReached(_)
        | Event::CircuitClosed(_)
        | Event::CircuitOpened(_)
        | Event::DecisionMade(_)
        | Event::OutcomeReported(_)
        | Event::PermitRedeemed(_)
        | Event::PermitRefused(_) => true,
        _other => false,
    }
}

/// What a record says that came of it.
fn reported(e: &OutcomeReported) -> ReportOutcome {
    let cost = e.cost.as_deref().and_then(|text| Decimal::from_str(text).ok());
    ReportOutcome {
        action_id: e.action_id,
        agent: None,
        cause: e.cause,
        status: e.status,
        cost: cost.zip(e.currency.clone()),
        duration_ms: e.duration_ms,
        tokens: e.tokens.clone(),
        stored: None,
        redact: BTreeMap::new(),
        // What a result let out is in a record of its own.
        filtered: None,
        view: None,
    }
}

fn unseen(field: String) -> Gap {
    Gap {
        field,
        why: "it would be read, and redaction had replaced it".to_owned(),
    }
}

/// What is said of a decision that is another one here, or in other terms.
fn changed(
    then: &DecisionMade,
    to: Decision,
    here: Option<&DecisionMade>,
    action: countersign_policy::Action,
) -> Simulated {
    let erred = to == Decision::Deny
        && here.is_some_and(|here| here.reasons.iter().any(|reason| reason.code == "condition_error"));
    let terms = here.is_some_and(|here| here.constraints != then.constraints || here.outputs != then.outputs);
    if to == then.decision && !terms {
        return Simulated::Same { erred };
    }
    let speaks = if to < then.decision { Some(then) } else { here };
    Simulated::Changed(Box::new(Changed {
        action,
        from: then.decision,
        to,
        reason: speaks.and_then(|speaks| speaks.reasons.first().cloned()),
        asked: Vec::new(),
        asks: Vec::new(),
        erred,
    }))
}
