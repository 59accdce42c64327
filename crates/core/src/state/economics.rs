//! What review is worth: what people decided by class of tools since something last went wrong there.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{OpenAction, State};
use crate::event::{ApprovalResolved, OutcomeReported};
use crate::ids::ActionId;
use crate::time::Time;

/// So many classes are counted; another one takes the place of the one of which nothing was decided for the longest time.
const CLASSES: usize = 256;
/// So many decisions it takes before a class could be looked at less.
pub const LEAST_DECIDED: u64 = 300;

/// What people decided about one class since something last went wrong there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Requests that people approved.
    pub approved: u64,
    /// Requests that people approved or rejected.
    pub decided: u64,
    /// When they did last.
    pub last: Time,
    /// Since when it is counted: the first decision, or the last failure.
    pub since: Time,
}

/// Whether people stop so little of a class that it could be looked at less: of 300 decisions or more at least 995 of a
/// thousand approve, and nothing of it has failed since. It is a proposal: nothing follows of it.
pub fn could_be_loosened(tally: &Tally) -> bool {
    tally.decided >= LEAST_DECIDED && tally.approved * 1000 >= tally.decided * 995
}

impl OpenAction {
    /// What a decision of people about it is counted for.
    pub(super) fn classes_decided(&self) -> Vec<Arc<str>> {
        match self.approval {
            None => Vec::new(),
            Some(_) if self.classes.is_empty() => vec![self.tool.clone()],
            Some(_) => self.classes.iter().map(|class| class.as_str().into()).collect(),
        }
    }
}

impl State {
    /// What people decided, by class of tools; by tool where the catalogue gives it no class.
    pub fn tallies(&self) -> &BTreeMap<Arc<str>, Tally> {
        &self.tallies
    }

    /// Stores that people decided.
    pub(super) fn people_decided(&mut self, now: Time, e: &ApprovalResolved) {
        for class in &e.decided {
            self.make_room(class);
            let tally = self.tallies.entry(class.clone()).or_insert(Tally {
                approved: 0,
                decided: 0,
                last: now,
                since: now,
            });
            tally.decided += 1;
            tally.approved += u64::from(e.permit.is_some());
            tally.last = now;
        }
    }

    /// Stores that what people let through went wrong.
    pub(super) fn fell_short(&mut self, now: Time, e: &OutcomeReported) {
        for class in &e.fell_short {
            if let Some(tally) = self.tallies.get_mut(class) {
                (tally.approved, tally.decided, tally.since) = (0, 0, now);
            }
        }
    }

    /// What a decision of people about an action is counted for.
    pub(super) fn classes_of(&self, id: ActionId) -> Vec<Arc<str>> {
        self.actions
            .get(&id)
            .map(OpenAction::classes_decided)
            .unwrap_or_default()
    }

    fn make_room(&mut self, class: &Arc<str>) {
        if self.tallies.len() < CLASSES || self.tallies.contains_key(class) {
            return;
        }
        let oldest = self
            .tallies
            .iter()
            .min_by_key(|(_, tally)| tally.last)
            .map(|(class, _)| class.clone());
        if let Some(oldest) = oldest {
            self.tallies.remove(&oldest);
        }
    }
}
