//! What an author can ask of a snapshot before anybody decides by it.

use crate::action::Action;
use crate::condition::{Condition, Fuel};
use crate::document::Place;
use crate::evaluate::counter::{self, Counterfactual};
use crate::evaluate::coverage::{self, Tried};
use crate::evaluate::explain::Trace;
use crate::evaluate::tests;
use crate::facts::Context;
use crate::hidden::Hidden;
use crate::lint;
use crate::problem::Problem;
use crate::snapshot::Snapshot;
use crate::value::Value;
use crate::verdict::Decision;

/// Why a test of the bundle gets the answer that it gets.
pub struct ExplainedTest {
    /// The answer.
    pub decision: Decision,
    /// Every rule that was looked at.
    pub rules: Vec<Trace>,
    /// The smallest changes that lead to another answer.
    pub otherwise: Vec<Counterfactual>,
}

impl Snapshot {
    /// Every condition, with where its rule stands.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = (&Condition, &Place)> {
        let rules = self.gates.iter().flat_map(|gate| &gate.rules);
        let mandates = || self.mandates.values();
        let permissions = mandates().flat_map(|mandate| &mandate.permissions);
        let escalations = mandates().flat_map(|mandate| &mandate.escalations);
        let of_rules = rules.filter_map(|rule| Some((rule.condition.as_ref()?, &rule.id.place)));
        let of_permissions = permissions.filter_map(|it| Some((it.condition.as_ref()?, &it.id.place)));
        let of_escalations = escalations.filter_map(|it| Some((it.trigger.condition()?, &it.id.place)));
        let of_outputs = (self.outputs.iter()).filter_map(|it| Some((it.condition.as_ref()?, &it.id.place)));
        of_rules.chain(of_permissions).chain(of_escalations).chain(of_outputs)
    }

    /// Names of calendars that are open, where a condition asks for them.
    pub(crate) fn open_at(&self, now: i64) -> Vec<Value> {
        if !self.asks_calendars {
            return Vec::new();
        }
        let calendars = self.organization.iter().flat_map(|it| it.calendars());
        let open = calendars.filter(|calendar| calendar.is_open(now));
        open.map(|calendar| Value::from(&*calendar.name)).collect()
    }

    /// Explains the test of that name, the first one if there are several.
    pub fn explain_test(&self, name: &str) -> Option<ExplainedTest> {
        let case = self.tests.iter().find(|case| case.name == name)?;
        let stage = tests::stage(self, case);
        let ctx = stage.context(self, case);
        Some(ExplainedTest {
            decision: self.evaluate(&case.action, &ctx).decision,
            rules: self.explain(&case.action, &ctx),
            otherwise: self.counterfactuals(&case.action, &ctx),
        })
    }

    /// The smallest changes of an action that lead to another answer, the loosest answer first. Each was evaluated.
    ///
    /// Holds values of the action as it was received: redact before storing or showing them.
    pub fn counterfactuals(&self, action: &Action, ctx: &Context<'_>) -> Vec<Counterfactual> {
        counter::counterfactuals(self, action, ctx, None, &mut Fuel::search())
    }

    /// The same of a stored form in which marks stand for what was not kept: only answers that hang on none of them. `fuel`
    /// bounds the whole search.
    pub fn counterfactuals_stored(
        &self,
        action: &Action,
        ctx: &Context<'_>,
        hidden: &Hidden,
        fuel: &mut Fuel,
    ) -> Vec<Counterfactual> {
        counter::counterfactuals(self, action, ctx, Some(hidden), fuel)
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
