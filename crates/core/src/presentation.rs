//! What a person is shown of a request: one hash over it, which the record of the reading and the vote both keep.
//!
//! Everything that goes into it is in records and payloads, so that it can be made again: the action as it is kept, what
//! policy said of it, and what the agent has answered. Who has voted meanwhile, and whose turn it is, do not. It is
//! salted with the salt of the decision's payload. When that payload is erased, the hash gives nothing away.

use serde_json::{Value, json};

use crate::digest::Digest;
use crate::view::{ActionView, ApprovalView};

/// The hash of what a reader is served: `stored` is the action, `answers` are the agent's, in the order of the ledger.
/// `None` for what has no canonical form.
pub fn presentation_digest(
    salt: &[u8; 32],
    view: &ActionView,
    approval: &ApprovalView,
    stored: &Value,
    answers: &[Value],
) -> Option<Digest> {
    let decision = &view.decision;
    let shown = json!({
        "action_digest": view.digest(),
        "agent": decision.agent,
        "answers": answers,
        "approval": approval.opened.approval,
        "constraints": view.limits(),
        "decision": decision.decision,
        "reasons": view.reasons(),
        "snapshot": view.decided_under(),
        "stored": stored,
    });
    let text = countersign_tlog::canonical_json(&shown).ok()?;
    Some(Digest::tagged("countersign-presentation-v1", &[salt, &text]))
}
