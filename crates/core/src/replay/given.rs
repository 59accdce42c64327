//! What a record says that its decision was made on, held against the ledger before it.

use countersign_policy::Value;

use super::restore::Restored;
use super::{Difference, Gap, Replay, compare};
use crate::command::Submit;
use crate::digest::salted_action_digest;
use crate::event::{DecisionFacts, DecisionMade, Unproven};
use crate::record::Record;
use crate::redact::{is_mark, is_marked};
use crate::time::Time;

impl Replay<'_> {
    /// Where the record's inputs are not those of the ledger before it: facts, snapshot, identity, digest.
    pub(super) fn given(
        &self,
        record: &Record,
        decision: &DecisionMade,
        restored: &Restored,
        submit: &Submit,
        now: Time,
        gaps: &mut Vec<Gap>,
    ) -> Vec<Difference> {
        let mut differences = Vec::new();
        let mut facts = self.state.facts(submit, now);
        self.chain(decision, restored, submit, &mut facts, gaps);
        facts.accept_remedy = decision.facts.accept_remedy;
        // What the guards read is derived with the decision, and compared with it.
        facts.budgets.clone_from(&decision.facts.budgets);
        facts.circuits.clone_from(&decision.facts.circuits);
        facts.depth.clone_from(&decision.facts.depth);
        facts.windows.clone_from(&decision.facts.windows);
        facts.positions.clone_from(&decision.facts.positions);
        let deciding = self.state.deciding_for(submit);
        facts.policy_unavailable = decision.facts.policy_unavailable && deciding.is_some();
        compare::field("facts", &decision.facts, &facts, &mut differences);
        compare::field("snapshot", &record.snapshot, &deciding, &mut differences);
        if let Some(beside) = &decision.beside {
            let asked = self.state.asked_beside(&submit.agent, submit.shown.run.as_deref());
            compare::field("beside.hash", &Some(&beside.hash), &asked, &mut differences);
        }
        if decision.practice.is_none() {
            compare::field("actor.id", &record.actor.id, &decision.agent, &mut differences);
        }
        self.digests(record, decision, restored, submit, &mut differences, gaps);
        differences
    }

    /// The chain of agents, where all of what the action states of it was kept.
    fn chain(
        &self,
        decision: &DecisionMade,
        restored: &Restored,
        submit: &Submit,
        facts: &mut DecisionFacts,
        gaps: &mut Vec<Gap>,
    ) {
        let recorded = &decision.facts;
        let marked = submit.action.delegation.as_ref().is_some_and(holds_mark);
        if marked {
            gaps.push(Gap::new("delegation", "it was read, and redaction had replaced it"));
        }
        // Earlier versions took what an agent states for what it states, and proved nothing of it.
        let unread = recorded.delegation.is_empty() && recorded.delegation_gap.is_none();
        let free = facts.delegation_gap.is_some_and(|gap| gap.why == Unproven::Unreadable);
        if marked || !restored.whole || (unread && free) {
            facts.delegation.clone_from(&recorded.delegation);
            facts.delegation_gap = recorded.delegation_gap;
            facts.reads.clone_from(&recorded.reads);
        }
    }

    /// Whether the digest is that of the stored action, where all of it was kept.
    pub(super) fn digests(
        &self,
        record: &Record,
        decision: &DecisionMade,
        restored: &Restored,
        submit: &Submit,
        differences: &mut Vec<Difference>,
        gaps: &mut Vec<Gap>,
    ) {
        if !record.redact.is_empty() || record.payload.is_none() {
            return;
        }
        // The salt is that of what the permit is for.
        let (what, recorded, action) = match &decision.remedy {
            Some(remedy) if remedy.applied => ("remedy.digest", remedy.digest, restored.alternative.as_ref()),
            Some(_) | None => ("digest", decision.digest, restored.whole.then_some(&submit.action)),
        };
        match (action, &restored.digest_salt) {
            (Some(action), Some(salt)) => {
                let digest = salted_action_digest(salt, self.state.organization(), &submit.agent, action);
                compare::field(what, &recorded, &digest, differences);
            }
            (Some(_), None) => gaps.push(Gap::new(what, "neither the payload nor the record holds its salt")),
            (None, _) => {}
        }
    }
}

/// Whether a mark stands for something within a value.
fn holds_mark(value: &Value) -> bool {
    match value {
        Value::List(items) => items.iter().any(holds_mark),
        Value::Map(map) => is_mark(value) || map.values().any(holds_mark),
        Value::String(text) => is_marked(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Timestamp(_) | Value::Duration(_) => false,
    }
}
