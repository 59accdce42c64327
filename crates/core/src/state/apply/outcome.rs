//! Storing that a permit was used, and what happened after.

use crate::digest::Digest;
use crate::event::{OutcomeReported, PermitRedeemed};
use crate::record::Record;
use crate::state::{Due, GRACE, OpenAction, State};

impl State {
    pub(super) fn redeemed(&mut self, record: &Record, e: &PermitRedeemed) {
        self.counted_by_use(e);
        self.tried_by(e.action_id, &e.trials);
        if let Some(action) = self.actions.get(&e.action_id).filter(|action| !action.outcome) {
            let (agent, tool) = (action.agent.clone(), action.tool.clone());
            self.ran_here(&agent, &tool, record.ts);
        }
        let Some(action) = self.actions.get_mut(&e.action_id) else {
            return;
        };
        action.redeemed = true;
        action.outcome_due = Some(e.outcome_due);
        if let Some(permit) = &action.permit {
            self.due.remove(&(permit.expires, Due::Lapse(e.action_id)));
            self.holding.remove(&(permit.expires, e.action_id));
        }
        if action.outcome {
            self.leave_later(e.action_id, record.ts + GRACE);
        } else {
            self.due.insert((e.outcome_due, Due::Outcome(e.action_id)));
            self.leave_later(e.action_id, e.outcome_due + GRACE);
        }
    }

    pub(super) fn reported(&mut self, record: &Record, e: &OutcomeReported) {
        self.settled(e);
        self.fell_short(record.ts, e);
        self.counted_after_all(e);
        if let Some(week) = e.week {
            self.took_part(week);
        }
        if let Some(row) = &e.in_a_row {
            self.failed_in_a_row(record.ts, row);
        }
        // A permit that is checked offline leaves no other trace of having been used.
        if let Some(action) = self.actions.get(&e.action_id).filter(|action| !action.redeemed) {
            let (agent, tool) = (action.agent.clone(), action.tool.clone());
            self.ran_here(&agent, &tool, record.ts);
        }
        match self.actions.get_mut(&e.action_id) {
            Some(action) => {
                action.outcome = true;
                let (due, redeemed) = (action.outcome_due, action.redeemed);
                if let Some(due) = due {
                    self.due.remove(&(due, Due::Outcome(e.action_id)));
                }
                // An unused permit stays until its time; a used one is over.
                if redeemed {
                    self.leave_later(e.action_id, record.ts + GRACE);
                }
            }
            // The action had left; what stays for a moment is that its outcome is known.
            None => {
                let tombstone = OpenAction {
                    acts_in: None,
                    agent: "".into(),
                    approval: None,
                    attempt: None,
                    callback: None,
                    classes: Vec::new(),
                    constraints: Default::default(),
                    counted: Vec::new(),
                    counts_later: Vec::new(),
                    delegation: Vec::new(),
                    digest: Digest([0; 32]),
                    held: false,
                    identity: String::new(),
                    leaves: record.ts + GRACE,
                    outcome_due: None,
                    outcome: true,
                    outputs: Default::default(),
                    permit: None,
                    positions: Vec::new(),
                    reads: Vec::new(),
                    redeemed: true,
                    redacted: false,
                    refused: 0,
                    practice: false,
                    released: false,
                    requester: None,
                    reserved: Vec::new(),
                    run: None,
                    seq: record.seq,
                    spends: None,
                    slots: Vec::new(),
                    tracks: Vec::new(),
                    snapshot: None,
                    operation: "".into(),
                    team: None,
                    tool: "".into(),
                    tool_is_namesake: false,
                    uncounted: false,
                };
                self.leaving.insert((tombstone.leaves, e.action_id));
                self.actions.insert(e.action_id, tombstone);
            }
        }
    }
}
