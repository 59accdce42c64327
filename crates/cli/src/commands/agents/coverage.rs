//! What of the calls that were seen elsewhere is governed, and how governance fails, as a person reads it.

use std::path::Path;

use countersign_client::api::observed::{CoverageAnswer, GovernanceAnswer, ObservedAnswer};
use serde_json::{Value, json};

use crate::connect::{About, Connection, Session};
use crate::console::{Console, table};
use crate::failure::{Failure, Result};

/// Pairs of agent and tool that are shown.
const SHOWN: usize = 50;

pub(super) async fn show(connection: &Connection, console: &Console) -> Result<()> {
    let read = async |session: &Session| Ok(session.client.get::<CoverageAnswer>("/v1/coverage").await?);
    let coverage = connection.with(About::Organization, read).await?;
    console.answer(&json!(coverage), in_words(&coverage));
    Ok(())
}

fn in_words(coverage: &CoverageAnswer) -> String {
    let Some(since) = &coverage.since else {
        return "no source has told anything yet; `POST /v1/observed` takes what was seen elsewhere".to_owned();
    };
    let rows: Vec<Vec<String>> = (coverage.pairs.iter().take(SHOWN))
        .map(|pair| {
            vec![
                pair.agent.clone(),
                pair.standing.clone(),
                pair.tool.clone(),
                if pair.named_by_policy { "yes" } else { "no" }.to_owned(),
                pair.governed.to_string(),
                pair.observed.to_string(),
                pair.outside.to_string(),
            ]
        })
        .collect();
    let columns = [
        "AGENT",
        "STANDING",
        "TOOL",
        "IN POLICY",
        "GOVERNED",
        "OBSERVED",
        "OUTSIDE",
    ];
    let mut text = table(&columns, &rows).trim_end().to_owned();
    let more = coverage.pairs.len().saturating_sub(SHOWN) + coverage.more;
    if more > 0 {
        text = format!("{text}\nand {more} more");
    }
    let share = match coverage.covered_per_mille {
        Some(share) => format!("{}.{} % of what was seen is governed", share / 10, share % 10),
        None => "nothing was seen since then".to_owned(),
    };
    format!("{text}\n\nsince {since}: {share}, {} never", coverage.never_governed)
}

pub(super) async fn observe(connection: &Connection, file: &Path, console: &Console) -> Result<()> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("`{}` cannot be read: {error}", file.display())))?;
    let body: Value = serde_json::from_str(&text)
        .map_err(|error| Failure::usage(format!("`{}` is not JSON: {error}", file.display())))?;
    let call = async |session: &Session| Ok(session.client.post::<ObservedAnswer>("/v1/observed", &body).await?);
    let taken = connection.with(About::Organization, call).await?;
    let text = format!("{} is known up to {}", taken.source, taken.last);
    console.answer(&json!(taken), text);
    Ok(())
}

pub(super) async fn health(connection: &Connection, console: &Console) -> Result<()> {
    let path = "/v1/health/governance";
    let read = async |session: &Session| Ok(session.client.get::<GovernanceAnswer>(path).await?);
    let health = connection.with(About::Organization, read).await?;
    let rows: Vec<Vec<String>> = (health.modes.iter())
        .map(|mode| {
            let seen = match (&mode.blind, mode.examples.first()) {
                (_, Some(first)) => first.clone(),
                (Some(blind), None) => format!("not looked: {blind}"),
                (None, None) => String::new(),
            };
            vec![mode.mode.clone(), mode.found.to_string(), mode.detector.clone(), seen]
        })
        .collect();
    console.answer(
        &json!(health),
        table(&["FAILURE", "FOUND", "WHAT IS LOOKED FOR", "SUCH AS"], &rows),
    );
    Ok(())
}
