//! What happened after: checked against the grant, recorded once.

use std::sync::Arc;

use countersign_policy::output::Treatment;
use countersign_policy::{Outputs, constraint};

use super::autonomy::Acted;
use super::budget::Reported;
use super::{Ctx, Handled, OpenAction, State};
use crate::command::ReportOutcome;
use crate::event::{Event, Filtered, OutcomeReported, OutcomeStatus, OutputFiltered, Status, in_words};
use crate::ids::ActionId;
use crate::record::{Draft, Provenance};
use crate::redact::Kinds;
use crate::refusal::Refusal;

impl State {
    pub(super) fn report_outcome(&self, report: ReportOutcome, ctx: &mut Ctx<'_>) -> Result<Handled, Refusal> {
        let id = report.action_id;
        let open = self.actions.get(&id);
        let reported = || Refusal::conflict("outcome_known", format!("the outcome of `{id}` is known"));
        if open.is_some_and(|action| action.outcome) {
            return Err(reported());
        }
        let view = report.view.as_deref();
        let (agent, acts_in, approval, granted, redeemed, constraints, outputs, budgets) = match (open, view) {
            (Some(action), _) => (
                &action.agent,
                action.acts_in.as_ref(),
                action.approval,
                action.permit.is_some(),
                action.redeemed,
                &action.constraints,
                &action.outputs,
                (&*action.reserved, action.held),
            ),
            (None, Some(view)) => {
                if view.outcome.is_some() {
                    return Err(reported());
                }
                let decision = &view.decision;
                let granted = view.status == Status::Permitted;
                (
                    &decision.agent,
                    decision.acts_in.as_ref(),
                    decision.approval,
                    granted,
                    view.redeemed_at.is_some(),
                    &decision.constraints,
                    view.outputs(),
                    (&*decision.reserved, false),
                )
            }
            (None, None) => return Err(Refusal::missing("action", id)),
        };
        if report.agent.as_ref().is_some_and(|by| by != agent) {
            return Err(Refusal::missing("action", id));
        }
        if !granted && !redeemed {
            return Err(
                Refusal::conflict("not_permitted", format!("`{id}` was never permitted"))
                    .hint("an outcome belongs to a permitted action; report an incident by other means"),
            );
        }
        if approval.is_some() && !redeemed {
            return Err(
                Refusal::conflict("not_redeemed", format!("the permit of `{id}` was not redeemed"))
                    .hint("redeem the permit before the action runs, then report its outcome"),
            );
        }
        let cost = report.cost.as_ref().map(|(amount, _)| *amount);
        let violations: Vec<String> = constraint::check_outcome(constraints, cost, report.duration_ms)
            .into_iter()
            .map(|violation| ctx.redactor.redact_text(&violation, &Kinds::default()).text)
            .collect();
        let mut events = Vec::new();
        if let Some(filtered) = filtered(&report, outputs) {
            events.extend(self.let_out(id, agent, filtered, outputs, ctx));
        }
        if !violations.is_empty() {
            let summary = format!("`{id}` went beyond what was granted: {}", violations.join("; "));
            events.extend(self.alert("constraint_violated", summary, Some(agent), Some(id), ctx));
        }
        if report.status == OutcomeStatus::Unknown {
            let summary = format!("nobody reported an outcome of `{id}` in time");
            events.extend(self.alert("outcome_unknown", summary, Some(agent), Some(id), ctx));
        }
        let total = report.tokens.get("total").copied();
        let all = || {
            report
                .tokens
                .values()
                .fold(0, |sum: u64, count| sum.saturating_add(*count))
        };
        let reported = Reported {
            id,
            agent,
            reserved: budgets.0,
            held: budgets.1,
            cost: report.cost.as_ref().map(|(amount, code)| (*amount, code.clone())),
            tokens: total.or_else(|| (!report.tokens.is_empty()).then(all)),
        };
        let (settled, told) = self.settle(&reported, ctx);
        events.extend(told);
        let acted = Acted {
            id,
            agent,
            acts_in,
            redeemed,
        };
        let well = report.status == OutcomeStatus::Succeeded && violations.is_empty();
        let week = self.takes_part(acts_in, well, ctx);
        let learned = self.learn(&acted, report.status, !violations.is_empty(), ctx);
        let stated = (report.cost.as_ref()).map(|(amount, code)| (amount.to_string(), code.clone()));
        // Digits that are something that must not be kept are no cost that anybody needs.
        let kept =
            |(amount, _): &(String, String)| ctx.redactor.redact_text(amount, &Kinds::default()).found.is_empty();
        let (cost, currency) = stated.filter(kept).unzip();
        let attempt = match (open, view) {
            (Some(action), _) => action.attempt.as_ref(),
            (None, view) => view.and_then(|view| view.decision.attempt.as_ref()),
        };
        let (mut counted, mut circuits) = (Vec::new(), Vec::new());
        // What is about to leave the state is not known any more when the outcome is stored.
        let stays = |action: &&OpenAction| action.leaves > ctx.now || action.outcome_due.is_some();
        if let Some(action) = open.filter(stays) {
            counted = self.count_after_all(action, ctx.now);
            let spent = report.cost.as_ref().filter(|_| cost.is_some());
            if let Err(why) = self.count_cost(action, spent, &mut counted, ctx) {
                events.extend(self.alert("cost_not_counted", why, Some(agent), Some(id), ctx));
            }
            let (failed, changed) = self.after_outcome(id, action, report.status, ctx);
            counted.extend(failed);
            circuits = changed;
        }
        let outcome = OutcomeReported {
            action_id: id,
            cause: report.cause,
            cost,
            counted,
            currency,
            duration_ms: report.duration_ms,
            fell_short: if report.status == OutcomeStatus::Failed || !violations.is_empty() {
                self.classes_of(id)
            } else {
                Vec::new()
            },
            in_a_row: attempt.and_then(|attempt| self.row_after(agent, attempt, report.status)),
            settled,
            status: report.status,
            tokens: report.tokens,
            violations,
            week,
        };
        let mut draft = Draft::observed(outcome).with_payload(report.stored);
        draft.prov = Provenance::Reported;
        draft.redact = report.redact;
        events.insert(0, draft);
        events.extend(circuits);
        let looked_at = learned
            .iter()
            .any(|draft| matches!(draft.event, Event::ReviewOpened(_)));
        events.extend(learned);
        if let Some(cause) = report.cause {
            events.extend(self.route(cause, &acted, well, looked_at, ctx));
        }
        Handled::done(events)
    }

    /// The record of what was done about a result; what passed and is to be known, and what was kept back, a person should hear.
    fn let_out(
        &self,
        id: ActionId,
        agent: &Arc<str>,
        filtered: Filtered,
        outputs: &Outputs,
        ctx: &mut Ctx<'_>,
    ) -> Vec<Draft> {
        let mut heard = Vec::new();
        if !filtered.flagged.is_empty() {
            heard.push(format!("held {}", in_words(&filtered.flagged)));
        }
        if filtered.whole {
            heard.push("was withheld".to_owned());
        }
        let rules = filtered.rules(outputs);
        let summary = format!("the result of `{id}` {} ({})", heard.join(" and "), rules.join(", "));
        let mut draft = Draft::observed(OutputFiltered {
            action_id: id,
            agent: agent.clone(),
            filtered,
            rules,
        });
        draft.prov = Provenance::Reported;
        let mut events = vec![draft];
        if !heard.is_empty() {
            events.extend(self.alert("output_filtered", summary, Some(agent), Some(id), ctx));
        }
        events
    }
}

/// What was done about the result by the rules of its action: what whoever reports has done, or what was replaced in what is
/// kept of it.
fn filtered(report: &ReportOutcome, outputs: &Outputs) -> Option<Filtered> {
    let kept = || {
        let counts = report.redact.iter().filter(|(kind, _)| {
            let handled = outputs.kinds.get(*kind);
            handled.is_some_and(|handled| handled.treatment > Treatment::Flag)
        });
        Filtered {
            redacted: counts.map(|(kind, count)| (kind.clone(), *count)).collect(),
            ..Filtered::default()
        }
    };
    let filtered = report.filtered.clone().unwrap_or_else(kept).by(outputs);
    (!filtered.is_empty()).then_some(filtered)
}
