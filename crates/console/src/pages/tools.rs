//! Tools: those that changed and wait for a person, and all that are known, with what is known of each.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::routing::get;
use countersign_api::inventory::{RegisterAnswer, RegisterEntry, ToolAnswer, ToolsAnswer};
use serde::Deserialize;
use serde_json::json;

use super::failure::Failure;
use crate::Console;
use crate::api::Quoted;
use crate::messages;
use crate::page::{Chrome, Page, see_other, show_as};
use crate::said::{Html, said};
use crate::visit::{Posted, Visit};
use crate::when::When;

/// Rows of one page; a search narrows what is more.
const SHOWN_AT_MOST: usize = 150;
/// Changed tools of one page.
const CHANGED_AT_MOST: usize = 30;

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/tools", get(tools).post(approve))
}

#[derive(Template)]
#[template(path = "tools.html")]
struct Tools {
    chrome: Chrome,
    q: String,
    changed: Vec<Changed>,
    more_changed: usize,
    columns: Vec<&'static str>,
    rows: Vec<Row>,
    found: usize,
    total: usize,
    may_approve: bool,
    may_kill: bool,
    failure: Option<Failure>,
}

/// A tool that looks otherwise than before.
struct Changed {
    raw: String,
    name: Html,
    schema: String,
    description: Option<String>,
    since: When,
    quoted: String,
}

struct Row {
    name: Html,
    quoted: String,
    state: &'static str,
    tone: &'static str,
    cells: Vec<Html>,
}

#[derive(Default, Deserialize)]
struct Asked {
    #[serde(default)]
    q: String,
}

async fn tools(visit: Visit, Query(asked): Query<Asked>) -> Page {
    page(&visit, asked, None).await
}

async fn page(visit: &Visit, asked: Asked, failure: Option<Failure>) -> Page {
    let registered: ToolsAnswer = visit.get("/v1/tools").await?;
    let register: RegisterAnswer = visit.get("/v1/registers/tools").await?;
    let by_name: BTreeMap<&str, &ToolAnswer> = (registered.tools.iter())
        .map(|tool| (tool.tool.as_str(), tool))
        .collect();
    let changed: Vec<_> = registered.tools.iter().filter(|tool| tool.changed).collect();
    let found: Vec<_> = (register.entries.iter())
        .filter(|entry| is_looked_for(&asked.q, entry))
        .collect();
    let columns: Vec<&str> = register
        .columns
        .iter()
        .map(String::as_str)
        .filter(|name| has(&found, name))
        .collect();
    let status = if failure.is_some() { 422 } else { 200 };
    let page = Tools {
        chrome: visit.chrome(),
        more_changed: changed.len().saturating_sub(CHANGED_AT_MOST),
        changed: (changed.iter().take(CHANGED_AT_MOST))
            .map(|tool| changed_shown(visit, tool))
            .collect(),
        rows: (found.iter().take(SHOWN_AT_MOST))
            .map(|entry| row(entry, by_name.get(entry.name.as_str()).copied(), &columns))
            .collect(),
        columns: columns.iter().map(|name| messages::column(name)).collect(),
        found: found.len(),
        total: register.entries.len(),
        may_approve: visit.may("approve_tool"),
        may_kill: visit.may("kill"),
        q: asked.q,
        failure,
    };
    show_as(status, &page)
}

/// Whether anything is said in a column; the state of a tool has one of its own.
fn has(entries: &[&RegisterEntry], column: &str) -> bool {
    let said = |entry: &&RegisterEntry| entry.about.get(column).is_some_and(|said| !said.is_empty());
    column != "state" && entries.iter().any(said)
}

fn is_looked_for(q: &str, entry: &RegisterEntry) -> bool {
    let words = q.trim().to_lowercase();
    let has = |text: &str| text.to_lowercase().contains(&words);
    words.is_empty() || has(&entry.name) || entry.about.values().flatten().any(|said| has(said))
}

fn changed_shown(visit: &Visit, tool: &ToolAnswer) -> Changed {
    Changed {
        raw: tool.tool.clone(),
        name: said(&tool.tool),
        schema: tool.schema.clone(),
        description: tool.description.clone(),
        since: visit.zone.when(&tool.since),
        quoted: Quoted(&tool.tool).to_string(),
    }
}

fn row(entry: &RegisterEntry, registered: Option<&ToolAnswer>, columns: &[&str]) -> Row {
    let state = match registered {
        Some(tool) if tool.changed => "changed",
        Some(_) => "registered",
        None => "unregistered",
    };
    let cell = |column: &&str| said(&entry.about.get(*column).map(|said| said.join(", ")).unwrap_or_default());
    Row {
        name: said(&entry.name),
        quoted: Quoted(&entry.name).to_string(),
        state: messages::tool(state),
        tone: messages::tone(state),
        cells: columns.iter().map(cell).collect(),
    }
}

async fn approve(Posted { visit, fields }: Posted) -> Page {
    if fields.given("sure").is_none() {
        return page(&visit, Asked::default(), Some(Failure::unsure())).await;
    }
    let body = json!({"tool": fields.text("tool"), "schema": fields.text("schema")});
    match visit.post::<ToolAnswer>("/v1/tools/approve", &body).await {
        Ok(_) => Ok(see_other("/tools?done=tool_approved")),
        Err(trouble) => page(&visit, Asked::default(), Some(Failure::of(trouble)?)).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_looks_at_the_name_and_at_what_is_known() {
        let entry = RegisterEntry {
            name: "card/refund".to_owned(),
            about: BTreeMap::from([("class".to_owned(), vec!["Money".to_owned()])]),
        };
        assert!(is_looked_for("", &entry) && is_looked_for("REFUND ", &entry) && is_looked_for("money", &entry));
        assert!(!is_looked_for("notes", &entry));
    }
}
