//! The ledger, searched: by agent, operation, decision, type and time, newest first.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::routing::get;
use countersign_api::audit::{AuditAnswer, AuditEntryAnswer};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::export::{FORMATS, Format};
use super::failure::Failure;
use crate::Console;
use crate::messages;
use crate::page::{Chrome, Page, Trouble, show_as};
use crate::said::{Html, said};
use crate::visit::Visit;
use crate::when::When;

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/audit", get(search))
}

/// Records on one page.
const LISTED: usize = 50;

/// What is searched for, as it was typed.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Search {
    agent: String,
    action: String,
    decision: String,
    r#type: String,
    from: String,
    to: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    cursor: String,
}

impl Search {
    /// What the API is asked; or why it cannot be.
    pub(super) fn query(&self, visit: &Visit) -> Result<String, &'static str> {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, text) in [
            ("agent", &self.agent),
            ("action", &self.action),
            ("decision", &self.decision),
            ("type", &self.r#type),
            ("cursor", &self.cursor),
        ] {
            if !text.trim().is_empty() {
                query.append_pair(name, text.trim());
            }
        }
        for (name, text) in [("from", &self.from), ("to", &self.to)] {
            if !text.trim().is_empty() {
                let at = visit.zone.moment(text.trim()).ok_or(messages::NO_MOMENT)?;
                query.append_pair(name, &at);
            }
        }
        let query = query.finish();
        Ok(if query.is_empty() { query } else { format!("&{query}") })
    }
}

#[derive(Template)]
#[template(path = "audit.html")]
struct Audit {
    chrome: Chrome,
    search: Search,
    decisions: Vec<Choice>,
    zone: Html,
    rows: Vec<Row>,
    /// Where the next page is.
    next: Option<String>,
    covered: u64,
    formats: [Format; 3],
    failure: Option<Failure>,
}

struct Choice {
    word: &'static str,
    name: &'static str,
    chosen: bool,
}

struct Row {
    index: u64,
    at: When,
    kind: Html,
    who: Html,
    about: Html,
    decision: Option<Html>,
    tone: &'static str,
    action: Option<String>,
}

async fn search(visit: Visit, Query(search): Query<Search>) -> Page {
    let found: Result<AuditAnswer, Trouble> = match search.query(&visit) {
        Ok(query) => visit.get(&format!("/v1/audit?limit={LISTED}{query}")).await,
        Err(why) => return refused(&visit, search, why),
    };
    match found {
        Ok(found) => page(&visit, search, Some(&found), None),
        Err(trouble) => troubled(&visit, search, trouble),
    }
}

/// The page again, with what is wrong with what was typed.
pub(super) fn refused(visit: &Visit, search: Search, why: &'static str) -> Page {
    page(visit, search, None, Some(Failure::ours(why)))
}

/// The page again, where the API says what is wrong with what was typed, or that it has too much to do.
pub(super) fn troubled(visit: &Visit, search: Search, trouble: Trouble) -> Page {
    match trouble {
        Trouble::Problem(problem) if problem.status == 422 => {
            page(visit, search, None, Some(Failure::of(Trouble::Problem(problem))?))
        }
        other => Err(other),
    }
}

fn page(visit: &Visit, search: Search, found: Option<&AuditAnswer>, failure: Option<Failure>) -> Page {
    let decisions = messages::DECISIONS.iter().map(|word| Choice {
        word,
        name: messages::decision(word),
        chosen: search.decision == *word,
    });
    let next = found.and_then(|found| found.next_cursor.clone()).map(|cursor| Search {
        cursor,
        ..search.clone()
    });
    let next = next.map(|next| format!("/audit?{}", to_query(&next)));
    let status = if failure.is_some() { 422 } else { 200 };
    let entries = found.map(|found| found.entries.as_slice()).unwrap_or_default();
    let page = Audit {
        chrome: visit.chrome(),
        decisions: decisions.collect(),
        zone: said(visit.who.zone.as_deref().unwrap_or("UTC")),
        rows: entries.iter().map(|entry| row(visit, entry)).collect(),
        next,
        covered: found.map_or(0, |found| found.as_of_seq),
        formats: FORMATS,
        search,
        failure,
    };
    show_as(status, &page)
}

fn to_query(search: &Search) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, text) in [
        ("agent", &search.agent),
        ("action", &search.action),
        ("decision", &search.decision),
        ("type", &search.r#type),
        ("from", &search.from),
        ("to", &search.to),
        ("cursor", &search.cursor),
    ] {
        if !text.is_empty() {
            query.append_pair(name, text);
        }
    }
    query.finish()
}

fn row(visit: &Visit, entry: &AuditEntryAnswer) -> Row {
    let record: Value = serde_json::from_str(entry.record.get()).unwrap_or_default();
    let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str);
    let decision = text("/data/decision");
    Row {
        index: entry.receipt.index,
        at: visit.zone.when(text("/ts").unwrap_or_default()),
        kind: said(text("/type").unwrap_or_default()),
        who: said(text("/actor/id").unwrap_or_default()),
        about: said(&about(&record)),
        decision: decision.map(|word| said(messages::decision(word))),
        tone: messages::tone(decision.unwrap_or_default()),
        action: text("/data/action_id").map(str::to_owned),
    }
}

/// What a record is about, in a few names of it.
fn about(record: &Value) -> String {
    let names = [
        "agent", "action", "user", "tool", "approval", "name", "scope", "kid", "summary",
    ];
    let texts = names
        .iter()
        .filter_map(|name| record.pointer(&format!("/data/{name}"))?.as_str());
    texts.take(2).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_told_by_two_names_and_a_page_is_found_again_by_what_was_typed() {
        let record = serde_json::json!({"data": {"action": "pay", "agent": "bot", "kid": "x", "user": 3}});
        assert_eq!(about(&record), "bot, pay");
        let search = Search {
            agent: "a&b".to_owned(),
            cursor: "12".to_owned(),
            ..Search::default()
        };
        assert_eq!(to_query(&search), "agent=a%26b&cursor=12");
    }
}
