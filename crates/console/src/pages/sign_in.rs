//! Signing in and out.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query};
use axum::http::header::{HOST, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use axum::routing::{get, post};
use countersign_api::operations::DoneAnswer;
use countersign_api::sessions::SessionAnswer;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::Console;
use crate::assets;
use crate::messages;
use crate::page::{Page, Trouble, see_other, show_as};
use crate::said::{Html, said};
use crate::visit::{COOKIE_NAME, Posted, Stranger};

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/sign-in", get(form).post(sign_in))
        .route("/sign-in/{link}", get(by_link).post(use_link))
        .route("/sign-out", post(sign_out))
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    assets: &'static assets::Paths,
    told: Option<&'static str>,
    failure: Option<Html>,
    insecure: bool,
    to: String,
    user: String,
    organization: String,
    needs_organization: bool,
    by_key: bool,
}

#[derive(Deserialize, Default)]
struct Asked {
    to: Option<String>,
    done: Option<String>,
    organization: Option<String>,
}

async fn form(Query(asked): Query<Asked>, headers: HeaderMap) -> Page {
    show_as(
        200,
        &SignIn {
            assets: assets::paths(),
            told: asked.done.as_deref().and_then(messages::done),
            failure: None,
            insecure: is_insecure(&headers),
            to: asked.to.unwrap_or_default(),
            user: String::new(),
            needs_organization: asked.organization.is_some(),
            organization: asked.organization.unwrap_or_default(),
            by_key: false,
        },
    )
}

async fn sign_in(headers: HeaderMap, stranger: Stranger) -> Page {
    let fields = &stranger.fields;
    let mut body = Map::new();
    for name in ["organization", "user", "password", "key"] {
        // A password is what was typed, spaces and all.
        let text = fields.text(name);
        if !text.is_empty() {
            body.insert(name.to_owned(), json!(text));
        }
    }
    let to = local(fields.text("to"));
    match open(&stranger, &body).await {
        Ok(session) => Ok(signed_in(&session, to)),
        Err(trouble) => {
            let problem = trouble.to_answer()?;
            let page = SignIn {
                assets: assets::paths(),
                told: None,
                insecure: is_insecure(&headers),
                to: to.to_owned(),
                user: fields.text("user").to_owned(),
                organization: fields.text("organization").to_owned(),
                needs_organization: problem.code == "organization_required" || !fields.text("organization").is_empty(),
                by_key: body.contains_key("key"),
                failure: Some(said(&sentence(&problem.detail))),
            };
            show_as(problem.status, &page)
        }
    }
}

async fn open(stranger: &Stranger, body: &Map<String, Value>) -> Result<SessionAnswer, Trouble> {
    stranger.post("/v1/sessions", body).await
}

#[derive(Template)]
#[template(path = "invitation.html")]
struct Invited {
    assets: &'static assets::Paths,
    failure: Option<Html>,
    insecure: bool,
}

/// The page of an invitation. To look at it uses nothing up: mail programs and chats follow links by themselves.
async fn by_link(headers: HeaderMap) -> Page {
    show_as(
        200,
        &Invited {
            assets: assets::paths(),
            failure: None,
            insecure: is_insecure(&headers),
        },
    )
}

async fn use_link(Path(link): Path<String>, headers: HeaderMap, stranger: Stranger) -> Page {
    let body = Map::from_iter([("invitation".to_owned(), json!(link))]);
    match open(&stranger, &body).await {
        Ok(session) => Ok(signed_in(&session, "/settings/password")),
        Err(trouble) => {
            let problem = trouble.to_answer()?;
            let page = Invited {
                assets: assets::paths(),
                failure: Some(said(&sentence(&problem.detail))),
                insecure: is_insecure(&headers),
            };
            show_as(problem.status, &page)
        }
    }
}

fn signed_in(session: &SessionAnswer, to: &str) -> Response {
    let mut response = see_other(to);
    set_cookie(&mut response, &session.session, "");
    response
}

async fn sign_out(Posted { visit, .. }: Posted) -> Page {
    let _: DoneAnswer = visit.delete("/v1/sessions").await?;
    let mut response = see_other("/sign-in?done=signed_out");
    set_cookie(&mut response, "", "; Max-Age=0");
    Ok(response)
}

/// The session's cookie: sent to this host alone, over what a browser takes for secure, and never readable by a script.
fn set_cookie(response: &mut Response, session: &str, more: &str) {
    let cookie = format!("{COOKIE_NAME}={session}; Path=/; Secure; HttpOnly; SameSite=Lax{more}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
}

/// Where to go after signing in: a path of ours, whatever a link said.
fn local(to: &str) -> &str {
    let fine =
        to.starts_with('/') && !to.starts_with("//") && !to.contains(['\\', '\n', '\r']) && !to.starts_with("/sign-");
    if fine { to } else { "/" }
}

/// Whether a browser keeps no session for the address that it came to.
fn is_insecure(headers: &HeaderMap) -> bool {
    let secure = headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
    let host = headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    // Pages that came over TLS carry a header that says so; what is left is this machine by its name.
    !secure && name != "localhost" && headers.get("sec-fetch-site").is_none() && !host.is_empty()
}

/// A line of the API as a sentence.
fn sentence(detail: &str) -> String {
    let mut chars = detail.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_signing_in_one_stays_here() {
        for fine in ["/", "/inbox?all=1", "/approvals/apr_1#approve"] {
            assert_eq!(local(fine), fine);
        }
        for elsewhere in [
            "",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/sign-out",
            "inbox",
        ] {
            assert_eq!(local(elsewhere), "/", "{elsewhere}");
        }
    }
}
