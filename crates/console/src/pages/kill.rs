//! Kill switches: what is stopped now, stopping something, and letting it go again.

use std::collections::BTreeSet;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::routing::{get, post};
use countersign_api::inventory::ToolsAnswer;
use countersign_api::operations::{KillAnswer, KillsAnswer, ReleaseAnswer};
use countersign_api::registry::AgentsAnswer;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use crate::Console;
use crate::form::Fields;
use crate::messages;
use crate::page::{Chrome, Page, see_other, show_as};
use crate::said::{Html, said};
use crate::visit::{Posted, Visit};
use crate::when::When;

/// Names that the form offers.
const OFFERED_AT_MOST: usize = 300;
/// Kill switches of one page, that of everything first.
const SHOWN_AT_MOST: usize = 80;

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/kill", get(stops).post(engage))
        .route("/kill/release", post(release))
}

#[derive(Template)]
#[template(path = "kill.html")]
struct Stops {
    chrome: Chrome,
    rows: Vec<Row>,
    total: usize,
    may_engage: bool,
    may_release: bool,
    scopes: Vec<(&'static str, &'static str)>,
    /// What is about to be stopped, or was refused.
    asked: Asked,
    offered: BTreeSet<String>,
    failure: Option<Failure>,
}

struct Row {
    what: Html,
    scope: String,
    name: String,
    by: Html,
    since: When,
    /// Who wants it released, where two have to.
    asked_by: Option<Html>,
    asked_by_me: bool,
}

#[derive(Default, Deserialize)]
struct Asked {
    #[serde(default)]
    scope: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    reason: String,
}

async fn stops(visit: Visit, Query(asked): Query<Asked>) -> Page {
    page(&visit, asked, None).await
}

async fn page(visit: &Visit, asked: Asked, failure: Option<Failure>) -> Page {
    let mut kills: KillsAnswer = visit.get("/v1/kill").await?;
    kills.kills.sort_by_key(|kill| kill.scope != "organization");
    let may_engage = visit.may("kill");
    let offered = if may_engage {
        offered(visit).await?
    } else {
        BTreeSet::new()
    };
    let status = if failure.is_some() { 422 } else { 200 };
    let page = Stops {
        chrome: visit.chrome(),
        total: kills.kills.len(),
        rows: (kills.kills.iter().take(SHOWN_AT_MOST))
            .map(|kill| row(visit, kill))
            .collect(),
        may_engage,
        may_release: visit.may("release_kill"),
        scopes: messages::SCOPES.to_vec(),
        asked,
        offered,
        failure,
    };
    show_as(status, &page)
}

/// Names that are known, so that nobody has to type them in a hurry.
async fn offered(visit: &Visit) -> Result<BTreeSet<String>, crate::page::Trouble> {
    let agents: Option<AgentsAnswer> = visit.find("/v1/agents").await?;
    let tools: Option<ToolsAnswer> = visit.find("/v1/tools").await?;
    let agents = agents.map(|known| known.agents).unwrap_or_default();
    let tools = tools.map(|known| known.tools).unwrap_or_default();
    let teams = agents.iter().filter_map(|agent| agent.team.clone());
    let names = (agents.iter().map(|agent| agent.id.clone()))
        .chain(teams)
        .chain(tools.into_iter().map(|tool| tool.tool));
    Ok(names
        .collect::<BTreeSet<_>>()
        .into_iter()
        .take(OFFERED_AT_MOST)
        .collect())
}

fn row(visit: &Visit, kill: &KillAnswer) -> Row {
    let asked_by = kill.release_requested_by.as_deref();
    Row {
        what: said(&messages::scope(&kill.scope, kill.name.as_deref())),
        scope: kill.scope.clone(),
        name: kill.name.clone().unwrap_or_default(),
        by: said(&kill.by),
        since: visit.zone.when(&kill.since),
        asked_by: asked_by.map(said),
        asked_by_me: asked_by == Some(&visit.who.id),
    }
}

/// What a form names; everything has no name.
fn body(fields: &Fields) -> Map<String, Value> {
    let scope = fields.text("scope");
    let mut body = Map::from_iter([("scope".to_owned(), json!(scope))]);
    let named = fields.given("name").filter(|_| scope != "organization");
    for (member, text) in [("name", named), ("reason", fields.given("reason"))] {
        if let Some(text) = text {
            body.insert(member.to_owned(), json!(text));
        }
    }
    body
}

fn again(fields: &Fields) -> Asked {
    let text = |name: &str| fields.text(name).to_owned();
    Asked {
        scope: text("scope"),
        name: text("name"),
        reason: text("reason"),
    }
}

async fn engage(Posted { visit, fields }: Posted) -> Page {
    if fields.given("reason").is_none() {
        return page(&visit, again(&fields), Some(Failure::no_reason())).await;
    }
    if fields.given("sure").is_none() {
        return page(&visit, again(&fields), Some(Failure::unsure())).await;
    }
    match visit.post::<KillAnswer>("/v1/kill", &body(&fields)).await {
        Ok(_) => Ok(see_other("/kill?done=killed")),
        Err(trouble) => page(&visit, again(&fields), Some(Failure::of(trouble)?)).await,
    }
}

async fn release(Posted { visit, fields }: Posted) -> Page {
    if fields.given("reason").is_none() {
        return page(&visit, Asked::default(), Some(Failure::no_reason())).await;
    }
    match visit.post::<ReleaseAnswer>("/v1/kill/release", &body(&fields)).await {
        Ok(answer) if answer.released => Ok(see_other("/kill?done=released")),
        Ok(_) => Ok(see_other("/kill?done=release_asked")),
        Err(trouble) => page(&visit, Asked::default(), Some(Failure::of(trouble)?)).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_stopped_without_a_name_whatever_stands_in_the_field() {
        let named = |form: &[u8]| Value::Object(body(&Fields::parse(form)));
        assert_eq!(
            named(b"scope=organization&name=bot&reason=loop"),
            json!({"scope": "organization", "reason": "loop"})
        );
        assert_eq!(
            named(b"scope=agent&name=+team%2Fbot+&reason=loop"),
            json!({"scope": "agent", "name": "team/bot", "reason": "loop"})
        );
    }
}
