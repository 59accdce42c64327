//! Records whose past was pruned: no decision among them is derivable, and what a record holds by itself is still compared.

use countersign_policy::Decision;

use super::restore::restore;
use super::{Derivation, Gap, Replay, settle};
use crate::event::Event;
use crate::record::{Payload, Record};

impl Replay<'_> {
    /// What can be said of a record without the ledger before it: that its digest is that of its stored action, or not.
    pub(super) fn on_its_own(&self, record: &Record, payload: Option<&Payload>) -> Option<Derivation> {
        let (from, to) = (self.pruned.start, self.pruned.end);
        let lost = Gap::new(
            "ledger",
            format!(
                "records {from} to {} were pruned, and it follows from them as well",
                to - 1
            ),
        );
        match &record.event {
            Event::DecisionMade(decision) => {
                let (mut gaps, mut differences) = (vec![lost], Vec::new());
                let restored = restore(record, decision, payload);
                gaps.extend(restored.gaps.iter().cloned());
                let submit = super::submit_of(&self.state, record, decision, &restored, None);
                self.digests(record, decision, &restored, &submit, &mut differences, &mut gaps);
                Some(Derivation {
                    index: record.seq,
                    kind: "decision.made",
                    action_id: decision.action_id,
                    agent: decision.agent.clone(),
                    decision: decision.decision,
                    outcome: settle(gaps, differences, "digest".to_owned()),
                })
            }
            Event::ApprovalOpened(opened) => Some(Derivation {
                index: record.seq,
                kind: "approval.opened",
                action_id: opened.action_id,
                agent: opened.agent.clone(),
                decision: Decision::RequireApproval,
                outcome: settle(vec![lost], Vec::new(), String::new()),
            }),
            Event::ApprovalRevised(revised) => Some(Derivation {
                index: record.seq,
                kind: "approval.revised",
                action_id: revised.action_id,
                agent: "".into(),
                decision: revised.decision,
                outcome: settle(vec![lost], Vec::new(), String::new()),
            }),
            _other => None,
        }
    }
}
