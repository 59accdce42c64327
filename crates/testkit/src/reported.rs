//! What agents report of a [`World`]'s actions.

use std::collections::BTreeMap;

use countersign_core::command::ReportOutcome;
use countersign_core::event::{Cause, Filtered, OutcomeStatus};
use countersign_core::ids::ActionId;
use countersign_core::record::ActorKind;
use countersign_core::{Command, Refusal};

use crate::{World, by, outcome_of};

impl World {
    /// Reports what happened.
    pub fn report(&mut self, action: ActionId, status: OutcomeStatus, cost: Option<&str>) -> Result<(), Refusal> {
        self.report_tokens(action, status, cost, BTreeMap::new())
    }

    /// The same with the tokens that it took, by kind.
    pub fn report_tokens(
        &mut self,
        action: ActionId,
        status: OutcomeStatus,
        cost: Option<&str>,
        tokens: BTreeMap<String, u64>,
    ) -> Result<(), Refusal> {
        self.report_because(action, status, None, cost, tokens)
    }

    /// The same with why it came to nothing good.
    pub fn report_because(
        &mut self,
        action: ActionId,
        status: OutcomeStatus,
        cause: Option<Cause>,
        cost: Option<&str>,
        tokens: BTreeMap<String, u64>,
    ) -> Result<(), Refusal> {
        let cost = cost.map(|cost| (cost.parse().expect("a decimal"), "USD".to_owned()));
        self.report_with(action, status, |report| {
            (report.cause, report.cost, report.tokens) = (cause, cost, tokens);
        })
    }

    /// Reports how an action ended, with what was done about its result.
    pub fn report_filtered(
        &mut self,
        action: ActionId,
        status: OutcomeStatus,
        filtered: Filtered,
    ) -> Result<(), Refusal> {
        self.report_with(action, status, |report| report.filtered = Some(filtered))
    }

    fn report_with(
        &mut self,
        action: ActionId,
        status: OutcomeStatus,
        more: impl FnOnce(&mut ReportOutcome),
    ) -> Result<(), Refusal> {
        let view = self.view(action);
        let agent = view.decision.agent.clone();
        let mut report = ReportOutcome {
            filtered: None,
            action_id: action,
            agent: Some(agent.clone()),
            cause: None,
            status,
            cost: None,
            duration_ms: None,
            tokens: BTreeMap::new(),
            stored: None,
            redact: BTreeMap::new(),
            view: Some(Box::new(view)),
        };
        more(&mut report);
        outcome_of(
            self.give(by(ActorKind::Agent, &agent), Command::ReportOutcome(Box::new(report)))
                .0,
        )
    }
}
