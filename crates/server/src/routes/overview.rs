//! What goes on, at a glance.

use std::collections::BTreeMap;

use countersign_api::overview::{
    AgentCounts, DeniedAction, HourAnswer, LedgerStands, OverviewAnswer, SpokenRule, WaitingAnswer, WaitingRequest,
};
use countersign_core::ids::ApprovalId;
use countersign_core::state::{Denial, HourCounts, OpenApproval, RuleCount};
use countersign_core::{Span, State, Time};
use countersign_engine::Caller;

use super::handlers;
use crate::query::{Days, within};
use crate::reply::{Answer, json};
use crate::way::Asked;

handlers! {
    "overview" => Caller overview,
}

/// Rules that one answer names at most.
const RULES: usize = 10;
/// Requests that one answer names at most.
const WAITING: usize = 10;

async fn overview(asked: Asked<Caller>) -> Answer {
    let days: Days = asked.query()?;
    let days = within("days", days.days, 14, 14)?;
    let since = Span::days(i64::try_from(days).unwrap_or(14));
    let engine = &asked.app.engine;
    let now = engine.now();
    let ledger = engine.stands(&asked.caller).await?;
    let ledger = LedgerStands {
        size: ledger.size,
        last: ledger.last.to_string(),
        witnessed: ledger.witnessed,
    };
    let look = engine.look(&asked.caller.org, move |state| of(state, now, now - since, ledger));
    json(&look.await?)
}

fn of(state: &State, now: Time, since: Time, ledger: LedgerStands) -> OverviewAnswer {
    OverviewAnswer {
        now: now.to_string(),
        hours: state.days().hours(since).map(hour).collect(),
        rules: state.days().rules(since).into_iter().take(RULES).map(rule).collect(),
        denials: state
            .days()
            .denials()
            .filter(|denial| denial.at >= since)
            .map(denial)
            .collect(),
        waiting: waiting(state, now),
        agents: agents(state),
        ledger,
    }
}

fn hour((from, counts): (Time, &HourCounts)) -> HourAnswer {
    HourAnswer {
        from: from.to_string(),
        allow: counts.allow,
        allow_with_constraints: counts.allow_with_constraints,
        deny: counts.deny,
        remediate: counts.remediate,
        require_approval: counts.require_approval,
        answered_in_time: counts.answered_in_time,
        answered_late: counts.answered_late,
    }
}

fn rule(counted: RuleCount) -> SpokenRule {
    SpokenRule {
        document: counted.document.to_string(),
        rule: counted.rule.to_string(),
        asked: counted.asked,
        denied: counted.denied,
    }
}

fn denial(denial: &Denial) -> DeniedAction {
    DeniedAction {
        id: denial.action_id.to_string(),
        action: denial.action.clone(),
        agent: denial.agent.to_string(),
        at: denial.at.to_string(),
        document: denial.document.clone(),
        rule: denial.rule.clone(),
    }
}

fn waiting(state: &State, now: Time) -> WaitingAnswer {
    let open = state.approvals();
    let late = open.values().filter(|approval| approval.sla_due < now).count();
    let mut first: Vec<(&ApprovalId, &OpenApproval)> = open.iter().collect();
    let by_time = |(id, approval): &(&ApprovalId, &OpenApproval)| (approval.sla_due, **id);
    if first.len() > WAITING {
        first.select_nth_unstable_by_key(WAITING, by_time);
        first.truncate(WAITING);
    }
    first.sort_by_key(by_time);
    WaitingAnswer {
        open: open.len() as u64,
        late: late as u64,
        first: (first.into_iter())
            .filter_map(|(id, approval)| one_waiting(state, now, *id, approval))
            .collect(),
    }
}

fn one_waiting(state: &State, now: Time, id: ApprovalId, approval: &OpenApproval) -> Option<WaitingRequest> {
    let action = state.actions().get(&approval.action_id)?;
    // An id begins with the millisecond in which it was made (RFC 9562).
    let opened_ms = i64::try_from(id.0 >> 80).unwrap_or_default();
    Some(WaitingRequest {
        id: id.to_string(),
        action: action.operation.to_string(),
        agent: action.agent.to_string(),
        opened: Time(opened_ms.saturating_mul(1000)).to_string(),
        sla_due: approval.sla_due.to_string(),
        deadline: approval.deadline.to_string(),
        late: approval.sla_due < now,
    })
}

fn agents(state: &State) -> AgentCounts {
    let mut counts = AgentCounts {
        active: 0,
        paused: 0,
        quarantined: 0,
        modes: BTreeMap::new(),
    };
    for (name, agent) in state.agents() {
        match (agent.quarantined, &agent.paused) {
            (true, _) => counts.quarantined += 1,
            (false, Some(_)) => counts.paused += 1,
            (false, None) => counts.active += 1,
        }
        for (_, standing) in state.standings(name) {
            *counts.modes.entry(standing.mode.as_str().to_owned()).or_default() += 1;
        }
    }
    counts
}
