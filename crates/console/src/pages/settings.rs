//! What concerns whoever looks: who they are here, how they sign in, and where they are signed in.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use countersign_api::operations::DoneAnswer;
use countersign_api::registry::PersonAnswer;
use countersign_api::sessions::{AuthenticatorsAnswer, PasskeyAnswer, SessionsAnswer};
use serde_json::{Map, json};

use super::failure::Failure;
use crate::Console;
use crate::api::Quoted;
use crate::messages;
use crate::page::{Chrome, Page, Trouble, see_other, show_as};
use crate::said::{Html, said};
use crate::visit::{Posted, Visit};
use crate::when::{self, When};

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/settings", get(me))
        .route("/settings/profile", post(change_profile))
        .route("/settings/password", get(password).post(set_password))
        .route("/settings/passkeys", post(add_passkey))
        .route("/settings/passkeys/{id}/remove", post(remove_passkey))
        .route("/settings/sessions/{kid}/end", post(end))
}

/// The parts of the settings that whoever looks may see.
pub(super) struct Parts {
    pub entries: Vec<(&'static str, &'static str, bool)>,
}

/// The parts, of which one is shown.
pub(super) fn parts(visit: &Visit, here: &str) -> Parts {
    const ALL: [(&str, &str, &str); 4] = [
        ("/settings", "You", "whoami"),
        ("/settings/people", "People", "users"),
        ("/settings/keys", "Keys", "keys"),
        ("/settings/reviewers", "Reviewers", "glass"),
    ];
    let may = ALL.iter().filter(|(_, _, call)| visit.may(call));
    Parts {
        entries: may.map(|(href, label, _)| (*href, *label, *href == here)).collect(),
    }
}

#[derive(Template)]
#[template(path = "settings.html")]
struct Me {
    chrome: Chrome,
    parts: Parts,
    id: Html,
    organization: Html,
    typed: Typed,
    zones: Vec<String>,
    roles: Vec<&'static str>,
    has_password: bool,
    passkeys: Vec<Passkey>,
    making: Making,
    sessions: Vec<Session>,
    failure: Option<Failure>,
}

/// What somebody is called and where, as it is or as it was typed.
struct Typed {
    name: String,
    zone: String,
}

struct Passkey {
    id: String,
    name: Html,
}

/// What a browser makes a passkey by.
struct Making {
    site: String,
    challenge: String,
    user: String,
    /// Ids of those that are there, so that no device has two.
    credentials: String,
    asks_current: bool,
}

struct Session {
    kid: String,
    how: &'static str,
    expires: When,
    own: bool,
}

async fn me(visit: Visit) -> Page {
    me_page(&visit, None).await
}

async fn me_page(visit: &Visit, failure: Option<Failure>) -> Page {
    let own: PersonAnswer = visit.get("/v1/whoami/profile").await?;
    let typed = Typed {
        name: own.name.unwrap_or_default(),
        zone: own.user.zone.unwrap_or_else(|| "UTC".to_owned()),
    };
    typed_page(visit, typed, failure).await
}

async fn typed_page(visit: &Visit, typed: Typed, failure: Option<Failure>) -> Page {
    let has: AuthenticatorsAnswer = visit.get("/v1/authenticators").await?;
    let open: SessionsAnswer = visit.get("/v1/sessions").await?;
    let session = |session: &countersign_api::sessions::OwnSession| Session {
        kid: session.kid.clone(),
        how: messages::signed_in(&session.how),
        expires: visit.zone.until(&session.expires),
        own: session.own,
    };
    let credentials: Vec<&str> = has.passkeys.iter().map(|known| known.credential.as_str()).collect();
    let status = if failure.is_some() { 422 } else { 200 };
    let page = Me {
        chrome: visit.chrome(),
        parts: parts(visit, "/settings"),
        id: said(&visit.who.id),
        organization: said(&visit.who.organization),
        typed,
        zones: when::zones(),
        roles: visit.who.roles.iter().map(|role| messages::role(role)).collect(),
        has_password: has.password,
        making: Making {
            credentials: credentials.join(" "),
            site: has.site.clone(),
            challenge: has.challenge.clone(),
            user: visit.who.id.clone(),
            asks_current: has.password,
        },
        passkeys: (has.passkeys.iter())
            .map(|known| Passkey {
                id: known.id.clone(),
                name: said(&known.name),
            })
            .collect(),
        sessions: open.sessions.iter().map(session).collect(),
        failure,
    };
    show_as(status, &page)
}

async fn change_profile(Posted { visit, fields }: Posted) -> Page {
    let typed = Typed {
        name: fields.given("name").unwrap_or_default().to_owned(),
        zone: fields.given("zone").unwrap_or_default().to_owned(),
    };
    let own: PersonAnswer = visit.get("/v1/whoami/profile").await?;
    let mut body = Map::from_iter([("zone".to_owned(), json!(typed.zone))]);
    // A name that stays as it is is no change: what lies beside the ledger stays where it is.
    if own.name.unwrap_or_default() != typed.name {
        body.insert("name".to_owned(), json!(typed.name));
    }
    let changed: Result<PersonAnswer, Trouble> = visit.put("/v1/whoami/profile", &body).await;
    match changed {
        Ok(_) => Ok(see_other("/settings?done=change_profile")),
        Err(trouble) => typed_page(&visit, typed, Some(Failure::of(trouble)?)).await,
    }
}

async fn add_passkey(Posted { visit, fields }: Posted) -> Page {
    let mut body = Map::new();
    for name in ["name", "authenticator_data", "client_data", "current"] {
        // A password is what was typed, spaces and all.
        let text = fields.text(name);
        if !text.is_empty() {
            body.insert(name.to_owned(), json!(text));
        }
    }
    let added: Result<PasskeyAnswer, Trouble> = visit.post("/v1/authenticators", &body).await;
    match added {
        Ok(_) => Ok(see_other("/settings?done=add_passkey")),
        Err(trouble) => me_page(&visit, Some(Failure::of(trouble)?)).await,
    }
}

async fn remove_passkey(Path(id): Path<String>, Posted { visit, fields }: Posted) -> Page {
    let path = format!("/v1/authenticators/{}/remove", Quoted(&id));
    let current = fields.text("current");
    let body = match current {
        "" => json!({}),
        current => json!({ "current": current }),
    };
    let removed: Result<DoneAnswer, Trouble> = visit.post(&path, &body).await;
    match removed {
        Ok(_) => Ok(see_other("/settings?done=remove_passkey")),
        Err(trouble) => me_page(&visit, Some(Failure::of(trouble)?)).await,
    }
}

async fn end(Path(kid): Path<String>, Posted { visit, .. }: Posted) -> Page {
    let _: DoneAnswer = visit.delete(&format!("/v1/sessions/{}", Quoted(&kid))).await?;
    Ok(see_other("/settings?done=end_session"))
}

#[derive(Template)]
#[template(path = "password.html")]
struct Password {
    chrome: Chrome,
    user: String,
    /// One is there.
    asks_current: bool,
    failure: Option<Failure>,
}

async fn password(visit: Visit) -> Page {
    password_page(&visit, None).await
}

async fn password_page(visit: &Visit, failure: Option<Failure>) -> Page {
    let has: AuthenticatorsAnswer = visit.get("/v1/authenticators").await?;
    let status = if failure.is_some() { 422 } else { 200 };
    let page = Password {
        chrome: visit.chrome(),
        user: visit.who.id.clone(),
        asks_current: has.password,
        failure,
    };
    show_as(status, &page)
}

async fn set_password(Posted { visit, fields }: Posted) -> Page {
    // A password is what was typed, spaces and all.
    let (new, current) = (fields.text("password"), fields.text("current"));
    if new != fields.text("again") {
        return password_page(&visit, Some(Failure::ours(messages::NOT_THE_SAME))).await;
    }
    let mut body = Map::from_iter([("password".to_owned(), json!(new))]);
    if !current.is_empty() {
        body.insert("current".to_owned(), json!(current));
    }
    let set: Result<DoneAnswer, _> = visit.put("/v1/authenticators/password", &body).await;
    match set {
        Ok(_) => Ok(see_other("/settings?done=password")),
        Err(trouble) => password_page(&visit, Some(Failure::of(trouble)?)).await,
    }
}
