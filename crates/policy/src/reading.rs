//! What an author can ask of a snapshot before anybody decides by it.

use crate::action::Action;
use crate::evaluate::counter::{self, Counterfactual};
use crate::evaluate::coverage::{self, Tried};
use crate::facts::Context;
use crate::lint;
use crate::problem::Problem;
use crate::snapshot::Snapshot;

impl Snapshot {
    /// The smallest changes of an action that lead to another answer, the loosest answer first. Each was evaluated.
    ///
    /// Holds values of the action as it was received: redact before storing or showing them.
    pub fn counterfactuals(&self, action: &Action, ctx: &Context<'_>) -> Vec<Counterfactual> {
        counter::counterfactuals(self, action, ctx)
    }

    /// Every rule, and which of its sides the bundle's tests try; by file and line.
    pub fn coverage(&self) -> Vec<Tried> {
        coverage::coverage(self)
    }

    /// What the bundle says that cannot be meant, such as rules that never speak: warnings, by file and place. It takes far
    /// longer than loading does, and is for whoever writes the documents.
    pub fn lint(&self) -> Vec<Problem> {
        lint::lint(self)
    }
}
