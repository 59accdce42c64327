//! Calls that were seen elsewhere, what of them is governed, and how governance fails.

use countersign_api::observed::{
    CALLS_AT_MOST, CoverageAnswer, CoveredAnswer, DayAnswer, FailureModeAnswer, GovernanceAnswer, ObservedAnswer,
    ObservedBody, ObservedCallBody, SourceAnswer,
};
use countersign_core::command::{Observe, ObservedCall};
use countersign_core::policy::Snapshot;
use countersign_core::state::{Coverage, Covered, day_text};
use countersign_core::{State, Time};
use countersign_engine::Caller;

use super::handlers;
use crate::problem::Problem;
use crate::reply::{Answer, json};
use crate::way::Asked;

/// Pairs of agent and tool that an answer lists.
const LISTED: usize = 1000;

handlers! {
    "observe" => Caller observe,
    "coverage" => Caller coverage,
    "governance_health" => Caller governance_health,
}

fn call(body: ObservedCallBody) -> Result<ObservedCall, Problem> {
    let at: Time =
        (body.at.0.parse()).map_err(|_| Problem::invalid("invalid_value", format!("`{}` is no instant", body.at.0)))?;
    Ok(ObservedCall {
        agent: body.agent.0.into(),
        at,
        count: body.count.map_or(1, |count| count.0),
        id: body.id.0,
        tool: body.tool.0.into(),
    })
}

async fn observe(asked: Asked<Caller>) -> Answer {
    let body: ObservedBody = asked.body()?;
    if body.calls.len() > CALLS_AT_MOST {
        let detail = format!("`calls` has at most {CALLS_AT_MOST} items");
        return Err(Problem::invalid("invalid_value", detail));
    }
    let calls: Result<Vec<ObservedCall>, Problem> = body.calls.into_iter().map(call).collect();
    let source = body.source.0;
    let ask = Observe {
        calls: calls?,
        source: source.as_str().into(),
    };
    let (last, replayed) = asked.app.engine.observe(&asked.request(), ask).await?;
    Ok(json(&ObservedAnswer { source, last })?.replayed(replayed))
}

async fn coverage(asked: Asked<Caller>) -> Answer {
    let engine = &asked.app.engine;
    let (live, now) = (engine.live_policy(&asked.caller).await?, engine.now());
    let look = engine.look(&asked.caller.org, move |state| {
        on_the_wire(state.coverage(now), state, live.as_deref())
    });
    json(&look.await?)
}

fn on_the_wire(coverage: Coverage, state: &State, live: Option<&Snapshot>) -> CoverageAnswer {
    let sum = |of: fn(&Covered) -> u64| coverage.pairs.iter().map(of).fold(0, u64::saturating_add);
    let observed = sum(|pair| pair.observed);
    let covered = sum(|pair| pair.governed.min(pair.observed));
    let never = |pair: &&Covered| pair.governed == 0 && pair.observed > 0;
    let mut pairs: Vec<&Covered> = coverage.pairs.iter().collect();
    pairs.sort_by(|a, b| {
        let more = b.outside().cmp(&a.outside());
        more.then_with(|| (&a.agent, &a.tool).cmp(&(&b.agent, &b.tool)))
    });
    let pair = |pair: &&Covered| CoveredAnswer {
        agent: pair.agent.to_string(),
        standing: match state.agents().get(&pair.agent) {
            Some(agent) if !agent.quarantined => "registered".to_owned(),
            Some(_) | None => "quarantined".to_owned(),
        },
        tool: pair.tool.to_string(),
        named_by_policy: live.is_some_and(|live| live.names_tool(&pair.tool)),
        governed: pair.governed,
        observed: pair.observed,
        outside: pair.outside(),
        earlier: pair.earlier,
        last_observed: pair.last_observed.map(day_text),
    };
    CoverageAnswer {
        since: coverage.since.map(day_text),
        covered_per_mille: (u128::from(covered) * 1000)
            .checked_div(u128::from(observed))
            .and_then(|share| u64::try_from(share).ok()),
        never_governed: coverage.pairs.iter().filter(never).count(),
        sources: (coverage.sources.iter())
            .map(|(name, source)| SourceAnswer {
                source: name.to_string(),
                last: source.last,
                at: source.at.to_string(),
            })
            .collect(),
        more: pairs.len().saturating_sub(LISTED),
        pairs: pairs.iter().take(LISTED).map(pair).collect(),
        days: (coverage.days.iter())
            .map(|(day, of_day)| DayAnswer {
                day: day_text(*day),
                governed: of_day.governed,
                observed: of_day.observed,
            })
            .collect(),
        others: coverage.others,
    }
}

async fn governance_health(asked: Asked<Caller>) -> Answer {
    let modes = asked.app.engine.governance_health(&asked.request()).await?;
    let modes = modes.into_iter().map(|found| FailureModeAnswer {
        mode: found.mode.to_owned(),
        detector: found.detector.to_owned(),
        found: found.found,
        examples: found.examples,
        blind: found.blind.map(str::to_owned),
    });
    json(&GovernanceAnswer { modes: modes.collect() })
}
