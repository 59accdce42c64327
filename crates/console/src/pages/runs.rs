//! Runs: those that were started, newest first.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::routing::get;
use countersign_api::runs::{RunItem, RunsAnswer};
use serde::Deserialize;

use crate::Console;
use crate::api::Quoted;
use crate::messages;
use crate::page::{Chrome, Page, show};
use crate::said::{Html, said};
use crate::visit::Visit;
use crate::when::When;

const SHOWN: usize = 50;

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/runs", get(runs))
}

#[derive(Template)]
#[template(path = "runs.html")]
struct Runs {
    chrome: Chrome,
    asked: Asked,
    triggers: Vec<(&'static str, &'static str)>,
    rows: Vec<RunRow>,
    /// Where the older ones are.
    older: Option<String>,
    first: bool,
}

/// A run in a list.
pub(super) struct RunRow {
    pub href: String,
    pub name: Html,
    pub state: &'static str,
    pub tone: &'static str,
    pub agents: Html,
    pub trigger: &'static str,
    pub by: Html,
    pub started: When,
    pub part_of: Option<String>,
}

/// What is looked for; what is empty does not matter.
#[derive(Default, Deserialize)]
struct Asked {
    #[serde(default)]
    agent: String,
    #[serde(default)]
    trigger: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    cursor: String,
}

impl Asked {
    /// The query of this page that asks the same.
    fn own(&self) -> String {
        let pairs = [
            ("agent", &self.agent),
            ("trigger", &self.trigger),
            ("state", &self.state),
        ];
        let pairs = pairs.iter().filter(|(_, text)| !text.trim().is_empty());
        let told: Vec<String> = pairs
            .map(|(name, text)| format!("{name}={}", Quoted(text.trim())))
            .collect();
        told.join("&")
    }

    /// The query of the API.
    fn of_api(&self) -> String {
        let mut query = format!("limit={SHOWN}");
        for (name, text) in [
            ("agent", &self.agent),
            ("trigger", &self.trigger),
            ("cursor", &self.cursor),
        ] {
            if !text.trim().is_empty() {
                query += &format!("&{name}={}", Quoted(text.trim()));
            }
        }
        match self.state.as_str() {
            "open" => query += "&open=true",
            "ended" => query += "&open=false",
            _ => {}
        }
        query
    }
}

pub(super) fn run_row(visit: &Visit, run: &RunItem) -> RunRow {
    let open = run.state == "open";
    RunRow {
        href: href(&run.run),
        name: said(&short(&run.run)),
        state: if open { messages::OPEN } else { messages::ENDED },
        tone: if open { "good" } else { "quiet" },
        agents: said(&run.agents.join(", ")),
        trigger: messages::trigger(&run.trigger),
        by: said(&run.started_by),
        started: visit.zone.when(&run.started_at),
        part_of: run.parent.as_deref().map(href),
    }
}

pub(super) fn href(run: &str) -> String {
    format!("/runs/{}", Quoted(run))
}

/// The end of an id tells runs apart; its beginning is when it began.
pub(super) fn short(run: &str) -> String {
    match run.strip_prefix("run_") {
        Some(hex) if hex.len() == 32 && hex.is_ascii() => format!("run …{}", hex.get(24..).unwrap_or(hex)),
        _ => run.to_owned(),
    }
}

async fn runs(visit: Visit, Query(asked): Query<Asked>) -> Page {
    let found: RunsAnswer = visit.get(&format!("/v1/runs?{}", asked.of_api())).await?;
    let older = |cursor: &String| format!("/runs?{}&cursor={}", asked.own(), Quoted(cursor)).replace("?&", "?");
    show(&Runs {
        chrome: visit.chrome(),
        triggers: messages::TRIGGERS.to_vec(),
        older: found.next_cursor.as_ref().map(older),
        rows: found.runs.iter().map(|run| run_row(&visit, run)).collect(),
        first: asked.cursor.is_empty(),
        asked,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_go_to_the_api_and_nothing_in_them_ends_a_value() {
        let asked = Asked {
            agent: "a&open=true".to_owned(),
            trigger: " ".to_owned(),
            state: "ended".to_owned(),
            cursor: "41".to_owned(),
        };
        assert_eq!(asked.of_api(), "limit=50&agent=a%26open%3Dtrue&cursor=41&open=false");
        assert_eq!(asked.own(), "agent=a%26open%3Dtrue&state=ended");
    }

    #[test]
    fn a_name_that_an_agent_made_up_is_shown_whole() {
        assert_eq!(short("run_01a21afe005770018ec8e5ddd971e256"), "run …d971e256");
        assert_eq!(short("nightly/7"), "nightly/7");
    }
}
