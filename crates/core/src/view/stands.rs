//! What holds for an action as it stands: as it was decided, or as it was changed to last.

use std::collections::BTreeMap;

use countersign_policy::verdict::ConstraintValue;
use countersign_policy::{Outputs, Reason};

use super::ActionView;

impl ActionView {
    /// The limits that travel with a grant of the action as it stands.
    pub fn limits(&self) -> &BTreeMap<String, ConstraintValue> {
        self.revised()
            .map_or(&self.decision.constraints, |revised| &revised.event.constraints)
    }

    /// What the result of the action as it stands may let out.
    pub fn outputs(&self) -> &Outputs {
        self.revised()
            .map_or(&self.decision.outputs, |revised| &revised.event.outputs)
    }

    /// Why the action as it stands was decided as it was.
    pub fn reasons(&self) -> &[Reason] {
        self.revised()
            .map_or(&self.decision.reasons, |revised| &revised.event.reasons)
    }

    /// The money that the action as it stands moves, with its currency.
    pub fn amount(&self) -> (Option<&str>, Option<&str>) {
        let (amount, currency) = match self.revised() {
            Some(revised) => (&revised.event.amount, &revised.event.currency),
            None => (&self.decision.amount, &self.decision.currency),
        };
        (amount.as_deref(), currency.as_deref())
    }
}
