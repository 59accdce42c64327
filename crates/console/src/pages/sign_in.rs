//! Signing in and out.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::header::{HOST, SET_COOKIE, USER_AGENT};
use axum::http::{Extensions, HeaderMap, HeaderValue, Method};
use axum::response::Response;
use axum::routing::{get, post};
use countersign_api::operations::DoneAnswer;
use countersign_api::sessions::{BegunAnswer, SessionAnswer, WaysAnswer};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::Console;
use crate::api::{Api, Ask, Origin, Quoted};
use crate::assets;
use crate::messages;
use crate::page::{Page, Trouble, see_other, show_as};
use crate::said::{Html, said};
use crate::visit::{COOKIE_NAME, Posted, Stranger, cookie};

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/sign-in", get(form).post(sign_in))
        .route("/sign-in/oidc", get(begin_oidc))
        .route("/sign-in/oidc/answer", get(finish_oidc))
        .route("/sign-in/{invitation}", get(show_invitation).post(use_invitation))
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
    to_quoted: String,
    user: String,
    organization: String,
    needs_organization: bool,
    by_key: bool,
    /// The identity provider's name, where there is one.
    oidc: Option<String>,
}

#[derive(Deserialize, Default)]
struct Asked {
    to: Option<String>,
    done: Option<String>,
    organization: Option<String>,
}

async fn form(console: State<Arc<Console>>, Query(asked): Query<Asked>, headers: HeaderMap) -> Page {
    if let Some(named) = by_name(&headers, "/sign-in", &asked) {
        return Ok(see_other(&named));
    }
    let oidc = provider(&console.api, &Origin::default()).await;
    show_as(
        200,
        &SignIn {
            assets: assets::paths(),
            told: asked.done.as_deref().and_then(messages::done),
            failure: None,
            insecure: is_insecure(&headers),
            to_quoted: Quoted(asked.to.as_deref().unwrap_or_default()).to_string(),
            to: asked.to.unwrap_or_default(),
            user: String::new(),
            needs_organization: asked.organization.is_some(),
            organization: asked.organization.unwrap_or_default(),
            by_key: false,
            oidc,
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
            let problem = trouble.into_answer()?;
            let page = SignIn {
                assets: assets::paths(),
                told: None,
                insecure: is_insecure(&headers),
                to: to.to_owned(),
                to_quoted: Quoted(to).to_string(),
                user: fields.text("user").to_owned(),
                organization: fields.text("organization").to_owned(),
                needs_organization: problem.code == "organization_required" || !fields.text("organization").is_empty(),
                by_key: body.contains_key("key"),
                oidc: provider(&stranger.console.api, &stranger.origin).await,
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
async fn show_invitation(headers: HeaderMap) -> Page {
    show_as(
        200,
        &Invited {
            assets: assets::paths(),
            failure: None,
            insecure: is_insecure(&headers),
        },
    )
}

async fn use_invitation(Path(invitation): Path<String>, headers: HeaderMap, stranger: Stranger) -> Page {
    let body = Map::from_iter([("invitation".to_owned(), json!(invitation))]);
    match open(&stranger, &body).await {
        Ok(session) => Ok(signed_in(&session, "/settings/password")),
        Err(trouble) => {
            let problem = trouble.into_answer()?;
            let page = Invited {
                assets: assets::paths(),
                failure: Some(said(&sentence(&problem.detail))),
                insecure: is_insecure(&headers),
            };
            show_as(problem.status, &page)
        }
    }
}

/// The identity provider's name, where there is one.
async fn provider(api: &Api, origin: &Origin) -> Option<String> {
    let ask = Ask {
        method: Method::GET,
        path: "/v1/sessions/ways",
        key: None,
        body: None,
        origin,
    };
    api.ask::<WaysAnswer>(ask).await.ok()?.oidc
}

/// What is kept between going to the identity provider and coming back, in a cookie that lasts ten minutes.
const PENDING: &str = "__Host-countersign-oidc";

/// A link and no form: what a form leads to has to be a page of ours.
async fn begin_oidc(
    console: State<Arc<Console>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    extensions: Extensions,
) -> Page {
    let stranger = Stranger::of(&console, &headers, &extensions);
    let begun: BegunAnswer = stranger.post("/v1/sessions:oidc", &json!({})).await?;
    let to = local(asked.to.as_deref().unwrap_or_default()).to_owned();
    let parts = [begun.state, begun.nonce, begun.verifier, to];
    let kept = parts.map(|part| Quoted(&part).to_string()).join("/");
    let mut response = see_other(&begun.url);
    put_cookie(&mut response, PENDING, &kept, "; Max-Age=600");
    Ok(response)
}

#[derive(Deserialize)]
struct Brought {
    state: Option<String>,
    code: Option<String>,
}

/// The provider sends people back by another site's redirect, so the cookie of before says whose sign-in it is.
async fn finish_oidc(
    console: State<Arc<Console>>,
    Query(brought): Query<Brought>,
    headers: HeaderMap,
    extensions: Extensions,
) -> Page {
    let again = || Ok(see_other("/sign-in?done=oidc_failed"));
    let kept = cookie(&headers, PENDING).unwrap_or_default();
    let mut parts = kept.split('/').map(|part| {
        let query = format!("p={part}");
        let mut read = url::form_urlencoded::parse(query.as_bytes());
        read.next().map(|(_, text)| text.into_owned()).unwrap_or_default()
    });
    let mut part = || parts.next().unwrap_or_default();
    let (state, nonce, verifier, to) = (part(), part(), part(), part());
    let (Some(said), Some(code)) = (brought.state, brought.code) else {
        return again();
    };
    if state.is_empty() || said != state {
        return again();
    }
    let stranger = Stranger::of(&console, &headers, &extensions);
    let body = Map::from_iter([(
        "oidc".to_owned(),
        json!({"code": code, "nonce": nonce, "verifier": verifier}),
    )]);
    match open(&stranger, &body).await {
        Ok(session) => {
            let mut response = signed_in(&session, local(&to));
            put_cookie(&mut response, PENDING, "", "; Max-Age=0");
            Ok(response)
        }
        Err(trouble) => {
            trouble.into_answer()?;
            again()
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

fn set_cookie(response: &mut Response, session: &str, more: &str) {
    put_cookie(response, COOKIE_NAME, session, more);
}

/// A cookie that is sent to this host alone, over what a browser takes for secure, and that no script reads.
fn put_cookie(response: &mut Response, name: &str, text: &str, more: &str) {
    let cookie = format!("{name}={text}; Path=/; Secure; HttpOnly; SameSite=Lax{more}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
}

/// The same page under this machine's name, where it was asked for by its number: sessions and passkeys are kept for names.
fn by_name(headers: &HeaderMap, path: &str, asked: &Asked) -> Option<String> {
    let host = headers.get(HOST)?.to_str().ok()?;
    let port = host.strip_prefix("127.0.0.1").or_else(|| host.strip_prefix("[::1]"))?;
    let to = asked
        .to
        .as_deref()
        .map(|to| format!("?to={}", Quoted(to)))
        .unwrap_or_default();
    (port.is_empty() || port.starts_with(':')).then(|| format!("http://localhost{port}{path}{to}"))
}

/// Where to go after signing in: a path of ours, whatever a link said.
fn local(to: &str) -> &str {
    // Browsers leave tabs and line ends out of an address, and take `\\` for `/`.
    let plain = !to.chars().any(|c| c.is_control() || c == '\\');
    let fine = plain && to.starts_with('/') && !to.starts_with("//") && !to.starts_with("/sign-");
    if fine { to } else { "/" }
}

/// Whether a browser keeps no session for the address that it came to: to those, and to no others, it says where a request
/// comes from (Fetch Metadata).
fn is_insecure(headers: &HeaderMap) -> bool {
    headers.contains_key(USER_AGENT) && !headers.contains_key("sec-fetch-site")
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
        for fine in ["/", "/inbox?of=all", "/approvals/apr_1#approve"] {
            assert_eq!(local(fine), fine);
        }
        for elsewhere in [
            "",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "/sign-out",
            "inbox",
        ] {
            assert_eq!(local(elsewhere), "/", "{elsewhere}");
        }
    }
}
