//! A page on its way out: what stands around it, the headers that it has, and what is shown when it cannot be had.

use askama::Template;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use countersign_api::problem::Problem;

use crate::assets;
use crate::messages::{self, NAVIGATION};
use crate::visit::Visit;

/// Nothing from elsewhere, no inline script or style, no frames.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What stands around a page.
pub(crate) struct Chrome {
    pub user: String,
    pub organization: String,
    pub token: String,
    pub nav: Vec<Entry>,
    /// What the page before has done.
    pub done: Option<&'static str>,
    pub assets: &'static assets::Paths,
}

/// An entry of the navigation.
pub(crate) struct Entry {
    pub href: &'static str,
    pub label: &'static str,
    /// Pressed after `g`.
    pub key: char,
    pub here: bool,
}

impl Chrome {
    pub(crate) fn of(visit: &Visit) -> Chrome {
        let (path, query) = visit.at.split_once('?').unwrap_or((&visit.at, ""));
        let entry = |known: &messages::Place| Entry {
            href: known.href,
            label: known.label,
            key: known.key,
            here: path.starts_with(known.href) || known.with.iter().any(|other| path.starts_with(other)),
        };
        let done = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "done");
        Chrome {
            user: visit.who.id.clone(),
            organization: visit.who.organization.clone(),
            token: visit.token(),
            nav: (NAVIGATION.iter().filter(|known| visit.may(known.call)))
                .map(entry)
                .collect(),
            done: done.and_then(|(_, code)| messages::done(&code)),
            assets: assets::paths(),
        }
    }
}

/// Why there is no page.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The API says why.
    Problem(Box<Problem>),
    /// Nobody is signed in; where to do so.
    SignIn(String),
    /// A form that no page of ours sent.
    Forged,
    /// A form that is too large.
    TooLarge,
    /// There is no such page.
    Missing,
    /// What only the log may know.
    Internal(String),
}

impl Trouble {
    pub(crate) fn internal(why: impl std::fmt::Display) -> Trouble {
        Trouble::Internal(why.to_string())
    }

    /// The problem that the API answered with.
    pub(crate) fn into_answer(self) -> Result<Box<Problem>, Trouble> {
        match self {
            Trouble::Problem(problem) if problem.status < 500 => Ok(problem),
            other => Err(other),
        }
    }

    /// The problem, where it is one that a form can say beside itself; everything else is a page of its own.
    pub(crate) fn into_say(self) -> Result<Box<Problem>, Trouble> {
        match self {
            Trouble::Problem(problem) if problem.status < 500 && problem.status != 401 => Ok(problem),
            other => Err(other),
        }
    }
}

#[derive(Template)]
#[template(path = "trouble.html")]
struct TroublePage<'a> {
    assets: &'static assets::Paths,
    title: &'a str,
    detail: &'a str,
    hint: Option<&'a str>,
    request_id: Option<&'a str>,
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let page = |status: u16, title: &str, detail: &str, hint: Option<&str>, request_id: Option<&str>| {
            let page = TroublePage {
                assets: assets::paths(),
                title,
                detail,
                hint,
                request_id,
            };
            show_as(status, &page).unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
        };
        match self {
            Trouble::SignIn(to) => see_other(&to),
            Trouble::Problem(problem) => page(
                problem.status,
                &problem.title,
                &problem.detail,
                problem.hint.as_deref(),
                Some(&problem.request_id),
            ),
            Trouble::Forged => page(403, messages::FORGED, messages::FORGED_DETAIL, None, None),
            Trouble::TooLarge => page(413, messages::TOO_LARGE, messages::TOO_LARGE_DETAIL, None, None),
            Trouble::Missing => page(404, messages::MISSING, messages::MISSING_DETAIL, None, None),
            Trouble::Internal(why) => {
                tracing::error!(why, "a page failed");
                page(500, messages::FAILED, messages::FAILED_DETAIL, None, None)
            }
        }
    }
}

/// What a page comes to.
pub(crate) type Page = Result<Response, Trouble>;

/// A page.
pub(crate) fn show(page: &impl Template) -> Page {
    show_as(200, page)
}

/// A page with another status.
pub(crate) fn show_as(status: u16, page: &impl Template) -> Page {
    let html = page.render().map_err(Trouble::internal)?;
    let mut response = Response::new(html.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    guard(&mut response);
    Ok(response)
}

/// Another page, after something was done.
pub(crate) fn see_other(to: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    // A path of ours, so it is a header; what is none goes to the first page.
    let to = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(LOCATION, to);
    guard(&mut response);
    response
}

/// The headers that every page has.
pub(crate) fn guard(response: &mut Response) {
    let headers = response.headers_mut();
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    for name in ["cross-origin-opener-policy", "cross-origin-resource-policy"] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static("same-origin"));
    }
}
