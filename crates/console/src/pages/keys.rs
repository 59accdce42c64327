//! Keys of agents and people: which there are, another one, an end to one.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query};
use axum::routing::get;
use countersign_api::operations::DoneAnswer;
use countersign_api::registry::{IssuedKey, KeyAnswer, KeysAnswer};
use serde::Deserialize;
use serde_json::{Map, json};

use super::failure::Failure;
use super::once::{Secret, once};
use super::settings::{Parts, parts};
use crate::Console;
use crate::api::Quoted;
use crate::form::Fields;
use crate::messages;
use crate::page::{Chrome, Page, Trouble, see_other, show, show_as};
use crate::said::{Html, said};
use crate::visit::{Posted, Visit};
use crate::when::When;

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/settings/keys", get(keys).post(issue))
        .route("/settings/keys/revoke/{kid}", get(about_to_revoke).post(revoke))
}

/// Keys that one page lists at most.
const LISTED_AT_MOST: usize = 200;

#[derive(Template)]
#[template(path = "keys.html")]
struct Keys {
    chrome: Chrome,
    parts: Parts,
    may_issue: bool,
    may_for_people: bool,
    /// Only keys whose holder or kid contains this.
    search: String,
    rows: Vec<Row>,
    /// How many more there are.
    more: usize,
    form: Form,
    failure: Option<Failure>,
}

/// What stands in the fields.
#[derive(Default)]
struct Form {
    agent: String,
    user: String,
    scopes: String,
    days: String,
}

struct Row {
    kid: String,
    holder: Html,
    kind: &'static str,
    scopes: Html,
    expires: Option<When>,
    may_revoke: bool,
}

#[derive(Deserialize, Default)]
struct Asked {
    q: Option<String>,
}

async fn keys(visit: Visit, Query(asked): Query<Asked>) -> Page {
    page(&visit, asked.q.unwrap_or_default(), Form::default(), None).await
}

async fn page(visit: &Visit, search: String, form: Form, failure: Option<Failure>) -> Page {
    let known: KeysAnswer = visit.get("/v1/keys").await?;
    let is_admin = visit.may("add_user");
    let wanted = search.trim();
    let shown = |key: &&KeyAnswer| !key.revoked && (key.subject.contains(wanted) || key.kid.contains(wanted));
    let row = |key: &KeyAnswer| Row {
        kid: key.kid.clone(),
        holder: said(&key.subject),
        kind: if key.kind == "agent" { "agent" } else { "person" },
        scopes: said(&key.scopes.join(", ")),
        expires: key.expires.as_deref().map(|end| visit.zone.when(end)),
        may_revoke: visit.may("revoke_key") && (key.kind == "agent" || is_admin || key.subject == visit.who.id),
    };
    let all = known.keys.iter().filter(shown).count();
    let status = if failure.is_some() { 422 } else { 200 };
    let page = Keys {
        chrome: visit.chrome(),
        parts: parts(visit, "/settings/keys"),
        may_issue: visit.may("issue_key"),
        may_for_people: is_admin,
        rows: known.keys.iter().filter(shown).take(LISTED_AT_MOST).map(row).collect(),
        more: all.saturating_sub(LISTED_AT_MOST),
        search,
        form,
        failure,
    };
    show_as(status, &page)
}

async fn issue(Posted { visit, fields }: Posted) -> Page {
    let text = |name: &str| fields.text(name).trim().to_owned();
    let form = Form {
        agent: text("agent"),
        user: text("user"),
        scopes: text("scopes"),
        days: text("days"),
    };
    let body = match wanted(&fields) {
        Ok(body) => body,
        Err(why) => return page(&visit, String::new(), form, Some(Failure::ours(why))).await,
    };
    let issued: Result<IssuedKey, Trouble> = visit.post("/v1/keys", &body).await;
    match issued {
        Ok(issued) => {
            let key = issued.key.map(|key| Secret {
                name: messages::API_KEY,
                text: said(&key),
            });
            let holder = if form.agent.is_empty() { &form.user } else { &form.agent };
            let texts = (messages::KEY_ISSUED, messages::KEY_NOTE, "/settings/keys");
            once(&visit, texts, said(holder), key.into_iter().collect(), None)
        }
        Err(trouble) => page(&visit, String::new(), form, Some(Failure::of(trouble)?)).await,
    }
}

/// What the API takes, of what was typed.
fn wanted(fields: &Fields) -> Result<Map<String, serde_json::Value>, &'static str> {
    let mut body = Map::new();
    match (fields.given("agent"), fields.given("user")) {
        (Some(agent), None) => body.insert("agent".to_owned(), json!(agent)),
        (None, Some(user)) => body.insert("user".to_owned(), json!(user)),
        (Some(_), Some(_)) | (None, None) => return Err(messages::NO_TARGET),
    };
    add_terms(&mut body, fields);
    Ok(body)
}

/// What a key is to be for, and how long, of what was typed.
pub(super) fn add_terms(body: &mut Map<String, serde_json::Value>, fields: &Fields) {
    let scopes: Vec<&str> = (fields.text("scopes").split([',', ' ', '\n']))
        .filter(|scope| !scope.is_empty())
        .collect();
    if !scopes.is_empty() {
        body.insert("scopes".to_owned(), json!(scopes));
    }
    if let Some(days) = fields.given("days") {
        // What is no number goes to the API as it is, which says what it wants.
        let days = days.parse::<u64>().map_or_else(|_| json!(days), |days| json!(days));
        body.insert("expires_days".to_owned(), days);
    }
}

#[derive(Template)]
#[template(path = "revoke.html")]
struct Revoke {
    chrome: Chrome,
    kid: String,
    holder: Html,
    kind: &'static str,
    expires: Option<When>,
}

async fn about_to_revoke(visit: Visit, Path(kid): Path<String>) -> Page {
    let known: KeysAnswer = visit.get("/v1/keys").await?;
    let key = known.keys.iter().find(|key| key.kid == kid && !key.revoked);
    let key = key.ok_or(Trouble::Missing)?;
    show(&Revoke {
        chrome: visit.chrome(),
        kid: key.kid.clone(),
        holder: said(&key.subject),
        kind: if key.kind == "agent" { "agent" } else { "person" },
        expires: key.expires.as_deref().map(|end| visit.zone.when(end)),
    })
}

async fn revoke(Path(kid): Path<String>, Posted { visit, .. }: Posted) -> Page {
    let _: DoneAnswer = visit.delete(&format!("/v1/keys/{}", Quoted(&kid))).await?;
    Ok(see_other("/settings/keys?done=revoke_key"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_for_one_holder_with_scopes_and_days_as_they_were_typed() {
        let sent = |text: &str| wanted(&Fields::parse(text.as_bytes()));
        assert_eq!(
            serde_json::Value::Object(sent("agent=bot&user=&scopes=redeem%2C+act_for%3A*&days=30").unwrap_or_default()),
            json!({ "agent": "bot", "scopes": ["redeem", "act_for:*"], "expires_days": 30 })
        );
        assert!(sent("agent=&user=").is_err() && sent("agent=a&user=b").is_err());
        let odd = sent("user=dana&days=soon").unwrap_or_default();
        assert_eq!(odd.get("expires_days"), Some(&json!("soon")));
    }
}
