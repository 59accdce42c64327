//! Actions: decide, look, report, explain.

use std::collections::BTreeMap;
use std::time::Duration;

use countersign_api::approvals::{BatchAnswer, BatchItem, OutcomeRequestBody, OutcomeWord, TOKEN_KINDS_AT_MOST};
use countersign_api::audit::{DryRunAnswer, ExplainAnswer, otherwise, trace};
use countersign_core::event::OutcomeStatus;
use countersign_core::ids::ActionId;
use countersign_core::policy::Value;
use countersign_engine::{Caller, OutcomeReport};

use super::handlers;
use crate::body;
use crate::problem::Problem;
use crate::query::{None_, Wait, id, seconds};
use crate::reply::{Answer, json};
use crate::way::Asked;

handlers! {
    "decide" => Caller decide,
    "dry_run" => Caller dry_run,
    "explain_dry_run" => Caller explain_dry_run,
    "decide_batch" => Caller decide_batch,
    "action" => Caller action,
    "report_outcome" => Caller report_outcome,
    "explain" => Caller explain,
}

async fn decide(asked: Asked<Caller>) -> Answer {
    let (answer, replayed) = asked.app.engine.decide(&asked.request()).await?;
    Ok(json(&answer)?.replayed(replayed))
}

async fn dry_run(asked: Asked<Caller>) -> Answer {
    json(&asked.app.engine.dry_run(&asked.caller, asked.bytes()).await?)
}

async fn explain_dry_run(asked: Asked<Caller>) -> Answer {
    let (action, explained) = asked.app.engine.explain_preview(&asked.caller, asked.bytes()).await?;
    json(&DryRunAnswer {
        action,
        unsearched: explained.otherwise.is_none(),
        otherwise: explained.otherwise.iter().flatten().map(otherwise).collect(),
        rules: explained.rules.into_iter().map(trace).collect(),
    })
}

async fn decide_batch(asked: Asked<Caller>) -> Answer {
    let (answers, replayed) = asked.app.engine.decide_batch(&asked.request()).await?;
    let item = |answer| match answer {
        Ok(action) => BatchItem {
            action: Some(action),
            problem: None,
        },
        Err(error) => BatchItem {
            action: None,
            problem: Some(Problem::from(error).document("")),
        },
    };
    let results = answers.into_iter().map(item).collect();
    Ok(json(&BatchAnswer { results })?.replayed(replayed))
}

async fn action(asked: Asked<Caller>) -> Answer {
    let wait = seconds(asked.query::<Wait>()?.wait.as_deref())?;
    let id: ActionId = id("action", asked.param())?;
    json(
        &asked
            .app
            .engine
            .action(&asked.caller, id, Duration::from_secs(wait))
            .await?,
    )
}

async fn report_outcome(asked: Asked<Caller>) -> Answer {
    let _: None_ = asked.query()?;
    let id: ActionId = id("action", asked.param())?;
    let body::Parsed { typed, mut members } = body::parse::<OutcomeRequestBody>(asked.bytes())?;
    if typed.tokens.len() > TOKEN_KINDS_AT_MOST {
        let detail = format!("`tokens` names at most {TOKEN_KINDS_AT_MOST} kinds");
        return Err(Problem::invalid("invalid_value", detail));
    }
    let mut details = BTreeMap::new();
    for name in ["output", "error"] {
        if let Some(value) = members.remove(name) {
            details.insert(name.to_owned(), value);
        }
    }
    let report = OutcomeReport {
        cause: typed.cause,
        status: match typed.status {
            OutcomeWord::Succeeded => OutcomeStatus::Succeeded,
            OutcomeWord::Failed => OutcomeStatus::Failed,
        },
        cost: typed.cost.map(|cost| (cost.amount.0, cost.currency.0)),
        duration_ms: typed.duration_ms.map(|duration| duration.0),
        tokens: typed
            .tokens
            .into_iter()
            .map(|(kind, count)| (kind.0, count.0))
            .collect(),
        filtered: typed.filtered,
        details: (!details.is_empty()).then_some(Value::Map(details)),
    };
    let (answer, replayed) = asked.app.engine.report_outcome(&asked.request(), id, report).await?;
    Ok(json(&answer)?.replayed(replayed))
}

async fn explain(asked: Asked<Caller>) -> Answer {
    let id: ActionId = id("action", asked.param())?;
    let explained = asked.app.engine.explain(&asked.caller, id).await?;
    json(&ExplainAnswer {
        id: id.to_string(),
        unsearched: explained.otherwise.is_none(),
        otherwise: explained.otherwise.iter().flatten().map(otherwise).collect(),
        rules: explained.rules.into_iter().map(trace).collect(),
    })
}
