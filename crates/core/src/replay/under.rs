//! A recorded decision as another policy would have made it: the same action, the same facts, the same evaluator.
//!
//! What stands above policy and what may only tighten its answer (kill switches, pauses, budgets, what an agent has
//! earned) is not looked at again: it depends on everything that happened before, and would have been other things.

use countersign_policy::{Hidden, Snapshot, Verdict};

use super::{Gap, restore};
use crate::event::DecisionMade;
use crate::record::{Payload, Record};
use crate::redact::{is_mark, is_marked};
use crate::state::judge;

/// What a snapshot says of a recorded action.
pub enum Under {
    /// This.
    Says(Box<Verdict>),
    /// What it would read is not all there.
    NotDerivable(Vec<Gap>),
}

/// What `snapshot` says of the action of a record. `currency` is the organization's.
pub fn under(
    snapshot: &Snapshot,
    record: &Record,
    decision: &DecisionMade,
    payload: Option<&Payload>,
    currency: &str,
) -> Under {
    let restored = restore::restore(record, decision, payload);
    let mut gaps = restored.gaps;
    let hidden = Hidden::new(is_mark, is_marked);
    let action = &restored.received.action;
    let verdict = judge(snapshot, action, decision, currency, record.ts, &hidden);
    gaps.extend(hidden.read().into_iter().map(|field| Gap {
        field,
        why: "it would be read, and redaction had replaced it".to_owned(),
    }));
    gaps.sort();
    gaps.dedup();
    if gaps.is_empty() {
        Under::Says(Box::new(verdict))
    } else {
        Under::NotDerivable(gaps)
    }
}
