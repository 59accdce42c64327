//! What a policy that is not live would have said of the actions in a ledger: every recorded decision is held against it,
//! on the facts in its record, by the evaluator that decides.
//!
//! Policy alone is asked. What stands above it (kill switches, pauses, chains that are not proven) and what may only tighten
//! its answer (budgets, limits, what an agent has earned, disagreements) is taken to say what it said: where it had
//! tightened the answer, the answer stays as strict as it was. What an evaluation would read and was not kept makes an
//! action not derivable, and it is counted as that and as nothing else.

mod refold;
mod report;

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_policy::verdict::PermitUse;
use countersign_policy::{Action, Decision, Demand, Hidden, Reason, Snapshot, Verdict};

pub use self::refold::{Refold, TakenAs};
pub use self::report::{Asking, Change, Group, LISTED, NAMES, Report, Unknown};

use crate::event::{DecisionMade, Event};
use crate::record::{Payload, Record};
use crate::redact::{Kinds, Redactor, is_mark, is_marked};
use crate::replay::{Gap, kept_action};
use crate::state::on_recorded_facts;

/// What the candidate is held against.
#[derive(Clone, Copy)]
pub enum Against<'s> {
    /// What was decided then, under whatever was live.
    Recorded,
    /// What this snapshot says of the same action.
    Snapshot(&'s Snapshot),
}

/// Where the snapshots come from that decisions cite.
pub trait Cited {
    /// The snapshot of this hash (`sha256:…`), compiled; `None` if it cannot be had.
    fn snapshot(&self, hash: &Arc<str>) -> Option<Arc<Snapshot>>;
}

/// Holds recorded decisions against a candidate, one after the other. It keeps nothing of those that it has seen.
pub struct Simulation<'s> {
    candidate: &'s Snapshot,
    against: Against<'s>,
    cited: &'s dyn Cited,
    /// The organization's, for amounts that name none.
    currency: &'s str,
    /// Cited snapshots that were needed.
    known: BTreeMap<Arc<str>, Option<Arc<Snapshot>>>,
    /// For what is listed: a mandate may want replaced by now what it did not then.
    redactor: Redactor,
}

/// What a recorded decision comes to.
pub enum Simulated {
    /// The same, in the same terms. `erred`: the candidate denies it, because a condition cannot be evaluated.
    Same {
        /// A condition of the candidate cannot be evaluated.
        erred: bool,
    },
    /// It never came to policy, and would not.
    AbovePolicy,
    /// Something else.
    Changed(Box<Changed>),
    /// What the candidate, or what it is held against, would read is not all there.
    NotDerivable(Vec<Gap>),
}

/// A recorded decision of which the candidate says something else.
pub struct Changed {
    /// The action, as far as it was kept.
    pub action: Action,
    /// What is decided without the candidate.
    pub from: Decision,
    /// What would be decided with it. The same as `from` where only the terms are others: who is asked, within which limits.
    pub to: Decision,
    /// The reason that makes the difference: of the candidate where it is stricter, of what it is held against where not.
    pub reason: Option<Reason>,
    /// Who is asked without the candidate.
    pub asked: Vec<Demand>,
    /// Who would be asked.
    pub asks: Vec<Demand>,
    /// A condition of the candidate cannot be evaluated.
    pub erred: bool,
}

impl<'s> Simulation<'s> {
    /// Of `candidate`, held against `against`. `currency` is the organization's.
    pub fn new(candidate: &'s Snapshot, against: Against<'s>, cited: &'s dyn Cited, currency: &'s str) -> Self {
        Simulation {
            candidate,
            against,
            cited,
            currency,
            known: BTreeMap::new(),
            redactor: Redactor::standard(),
        }
    }

    /// Counts what becomes of a record. What is no decision counts for nothing, and neither does practice, since no agent
    /// wanted it.
    pub fn record(&mut self, record: &Record, payload: Option<&Payload>, report: &mut Report) {
        let Event::DecisionMade(decision) = &record.event else {
            return;
        };
        if decision.practice.is_some() {
            return;
        }
        let simulated = self.decision(record, decision, payload);
        report.count(record, decision, simulated, &|text| {
            let kinds = Kinds::of(Some(self.candidate), &decision.agent);
            self.redactor.redact_text(text, &kinds).text
        });
    }

    /// What becomes of a decision. The payload is the record's: whoever hands it over has made sure of that.
    pub fn decision(&mut self, record: &Record, decision: &DecisionMade, payload: Option<&Payload>) -> Simulated {
        if is_above_policy(decision) {
            return Simulated::AbovePolicy;
        }
        let kept = payload.ok_or_else(|| Gap::new("payload", "it is not there: left out, or erased"));
        let (action, mut gaps) = match kept.and_then(kept_action) {
            Ok(kept) => kept,
            Err(gap) => return Simulated::NotDerivable(vec![gap]),
        };
        // Where redaction found nothing, nothing has to be watched.
        let hidden = (!record.redact.is_empty()).then(|| Hidden::new(is_mark, is_marked));
        let (currency, at) = (self.currency, record.ts);
        let held = on_recorded_facts(&action, decision, currency, at, hidden.as_ref(), |says| {
            self.hold(record, decision, says)
        });
        gaps.extend(hidden.iter().flat_map(Hidden::read).map(|field| Gap {
            field,
            why: "it would be read, and redaction had replaced it".to_owned(),
        }));
        match held {
            Ok(held) if gaps.is_empty() => held.settle(action),
            Ok(_) => not_derivable(gaps),
            Err(gap) => {
                gaps.push(gap);
                not_derivable(gaps)
            }
        }
    }

    /// Asks as many snapshots as it takes.
    fn hold(
        &mut self,
        record: &Record,
        decision: &DecisionMade,
        says: &dyn Fn(&Snapshot) -> Verdict,
    ) -> Result<Held, Gap> {
        let after = says(self.candidate);
        let recorded = decision.decision;
        let without = record.snapshot.is_none() || decision.facts.policy_unavailable;
        let same = |snapshot: &Snapshot| record.snapshot.as_deref() == Some(snapshot.hash_text());
        let as_recorded = match self.against {
            Against::Recorded => true,
            Against::Snapshot(against) => same(against) && !without,
        };
        if as_recorded && says_as_recorded(&after, decision) {
            return Ok(Held::same(recorded, after));
        }
        let lost = || Gap::new("snapshot", "the one that decided cannot be had");
        // What policy said then shows whether something else had tightened it.
        let then = match self.against {
            Against::Snapshot(against) if as_recorded => Some(says(against)),
            Against::Recorded | Against::Snapshot(_) if without => None,
            Against::Recorded | Against::Snapshot(_) => {
                Some(says(&*self.cited(record.snapshot.as_ref()).ok_or_else(lost)?))
            }
        };
        let tightened = then.as_ref().is_some_and(|then| recorded > then.decision);
        let lift = |decision: Decision| if tightened { decision.max(recorded) } else { decision };
        let before = match self.against {
            Against::Snapshot(against) if !as_recorded => Some(says(against)),
            Against::Recorded | Against::Snapshot(_) => then,
        };
        let from = match &before {
            Some(before) if !as_recorded => lift(before.decision),
            Some(_) | None => recorded,
        };
        Ok(Held {
            from,
            to: lift(after.decision),
            first: decision.reasons.first().cloned(),
            before,
            after,
        })
    }

    /// The snapshot that decided.
    fn cited(&mut self, hash: Option<&Arc<str>>) -> Option<Arc<Snapshot>> {
        let hash = hash?;
        if let Some(known) = self.known.get(hash) {
            return known.clone();
        }
        let snapshot = self.cited.snapshot(hash);
        self.known.insert(hash.clone(), snapshot.clone());
        snapshot
    }
}

/// What two policies say of one action.
struct Held {
    from: Decision,
    to: Decision,
    /// The first reason of the record.
    first: Option<Reason>,
    before: Option<Verdict>,
    after: Verdict,
}

impl Held {
    fn same(decision: Decision, after: Verdict) -> Held {
        Held {
            from: decision,
            to: decision,
            first: None,
            before: None,
            after,
        }
    }

    fn settle(self, action: Action) -> Simulated {
        let Held {
            from,
            to,
            first,
            before,
            after,
        } = self;
        let erred = after.reasons.iter().any(|reason| reason.code == "condition_error");
        let terms = from != Decision::Deny && before.as_ref().is_some_and(|before| other_terms(before, &after));
        if from == to && !terms {
            return Simulated::Same { erred };
        }
        let (asked, spoke) = match before {
            Some(before) => (before.demands, before.reasons.into_iter().next()),
            None => (Vec::new(), first),
        };
        let speaks = after.reasons.into_iter().next();
        Simulated::Changed(Box::new(Changed {
            action,
            from,
            to,
            reason: if to < from { spoke } else { speaks },
            asked,
            asks: after.demands,
            erred,
        }))
    }
}

/// Whether a verdict is in every respect what a record says that was decided, as far as a record says it.
fn says_as_recorded(after: &Verdict, decision: &DecisionMade) -> bool {
    let offline = |r#use: PermitUse| r#use == PermitUse::Offline;
    let recorded = decision.permit.as_ref().is_some_and(|permit| offline(permit.r#use));
    after.decision == decision.decision
        && match after.decision {
            Decision::Allow | Decision::AllowWithConstraints => {
                after.remedy.is_none()
                    && decision.remedy.is_none()
                    && after.constraints == decision.constraints
                    && after.outputs == decision.outputs
                    && offline(after.permit_use) == recorded
            }
            Decision::Deny => true,
            // The record of a decision does not say who is asked, nor all of an alternative.
            Decision::RequireApproval | Decision::Remediate => false,
        }
}

/// Whether two verdicts differ in what is asked of whom, or in what a grant allows.
fn other_terms(before: &Verdict, after: &Verdict) -> bool {
    let asks = |demands: &[Demand]| -> Vec<_> {
        // The name of the rule that asks makes no difference.
        let mut asks: Vec<_> = (demands.iter())
            .map(|demand| (demand.names.clone(), demand.quorum, demand.editable.clone()))
            .collect();
        asks.sort();
        asks
    };
    let remedy =
        |verdict: &Verdict| (verdict.remedy.as_ref()).map(|remedy| (remedy.alternative.clone(), remedy.applied));
    before.constraints != after.constraints
        || before.outputs != after.outputs
        || asks(&before.demands) != asks(&after.demands)
        || before.missing_evidence != after.missing_evidence
        || before.permit_use != after.permit_use
        || remedy(before) != remedy(after)
}

fn not_derivable(mut gaps: Vec<Gap>) -> Simulated {
    gaps.sort();
    gaps.dedup();
    Simulated::NotDerivable(gaps)
}

/// Whether something above policy decided: it speaks alone, without a document and by a name of its own.
fn is_above_policy(decision: &DecisionMade) -> bool {
    let [reason] = decision.reasons.as_slice() else {
        return false;
    };
    reason.document.is_empty() && !reason.rule.is_empty() && reason.rule != "no_policy"
}
