//! Limits as they stand.

use countersign_api::limits::{
    CircuitAnswer, CloseCircuitAnswer, CloseCircuitBody, LimitAnswer, LimitsAnswer, WindowAnswer,
};
use countersign_core::digest::DigestKey;
use countersign_core::policy::{Limit, Measure, Snapshot};
use countersign_core::state::{CircuitStands, LookedFor, WindowStands, amount_text};
use countersign_core::{State, Time};
use countersign_engine::Caller;

use super::handlers;
use crate::problem::Problem;
use crate::query::{Whose, word};
use crate::reply::{Answer, json};
use crate::way::Asked;

/// Windows that the answer about one limit lists at most.
const LISTED: usize = 100;

handlers! {
    "limits" => Caller limits,
    "limit" => Caller limit,
    "close_circuit" => Caller close_circuit,
}

fn window(stands: WindowStands) -> WindowAnswer {
    WindowAnswer {
        whose: stands.whose,
        opened_by: stands.by,
        counted: stands.counted,
        sum: stands.sum,
        room_at: stands.room.map(|room| room.to_string()),
    }
}

fn on_the_wire(
    limit: &Limit,
    state: &State,
    live: &Snapshot,
    now: Time,
    look: &LookedFor<'_>,
    most: usize,
) -> LimitAnswer {
    let stands = state.limit_stands(limit, live, now, look, most);
    let unit = stands.unit.as_deref().unwrap_or_default();
    LimitAnswer {
        id: limit.name().to_string(),
        per: limit.keys().iter().map(|key| key.text().into_owned()).collect(),
        count: limit.count(),
        sum: limit.sum().map(|(sum, _)| amount_text(sum, unit)),
        within_s: limit.within() / 1_000_000,
        counts: limit.measure().as_str().to_owned(),
        open_for_s: match limit.measure() {
            Measure::Failures(open_for) => Some(open_for / 1_000_000),
            Measure::Actions | Measure::Retries | Measure::Repetitions | Measure::Costs | Measure::Depth => None,
        },
        circuits: stands.circuits.into_iter().map(circuit).collect(),
        at_cap: limit.at_cap().as_str().to_owned(),
        windows_in_use: stands.in_use,
        windows: stands.windows.into_iter().map(window).collect(),
        unit: stands.unit,
    }
}

fn circuit(stands: CircuitStands) -> CircuitAnswer {
    CircuitAnswer {
        circuit: stands.whose,
        failures: stands.failures,
        failed_by: stands.by,
        open_since: stands.since.to_string(),
        try_at: stands.until.to_string(),
        trial: stands.trial.map(|trial| trial.to_string()),
    }
}

fn whose(asked: &Asked<Caller>) -> Result<Whose, Problem> {
    let Whose { agent, value } = asked.query()?;
    Ok(Whose {
        agent: word("agent", agent)?,
        value: word("value", value)?,
    })
}

fn looked_for<'a>(whose: &'a Whose, key: &'a DigestKey) -> LookedFor<'a> {
    LookedFor {
        agent: whose.agent.as_deref(),
        value: whose.value.as_deref().map(|value| (value, key)),
    }
}

async fn limits(asked: Asked<Caller>) -> Answer {
    let whose = whose(&asked)?;
    let read = move |state: &State, live: &Snapshot, now: Time, key: &DigestKey| {
        let look = looked_for(&whose, key);
        let some = look.agent.is_some() || look.value.is_some();
        let most = if some { LISTED } else { 1 };
        let one = |limit| on_the_wire(limit, state, live, now, &look, most);
        let all = live.limits().iter().map(one);
        all.filter(|limit| !some || limit.windows_in_use > 0 || !limit.circuits.is_empty())
            .collect::<Vec<_>>()
    };
    let limits = asked.app.engine.limits(&asked.caller, read).await?;
    json(&LimitsAnswer {
        limits: limits.unwrap_or_default(),
    })
}

async fn limit(asked: Asked<Caller>) -> Answer {
    let (name, whose) = (asked.param().to_owned(), whose(&asked)?);
    let read = move |state: &State, live: &Snapshot, now: Time, key: &DigestKey| {
        let limit = live.limit(&name)?;
        Some(on_the_wire(limit, state, live, now, &looked_for(&whose, key), LISTED))
    };
    let found = asked.app.engine.limits(&asked.caller, read).await?.flatten();
    json(&found.ok_or_else(|| Problem::missing("limit", asked.param()))?)
}

async fn close_circuit(asked: Asked<Caller>) -> Answer {
    let body: CloseCircuitBody = asked.body()?;
    let (limit, circuit) = (body.limit.0, body.circuit.0);
    let request = asked.request();
    let closed = asked
        .app
        .engine
        .close_circuit(&request, &limit, &circuit, &body.reason.0);
    let replayed = closed.await?;
    Ok(json(&CloseCircuitAnswer { limit, circuit })?.replayed(replayed))
}
