//! What goes back: the answer of a handler or a problem, with the headers that every answer has.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, RETRY_AFTER,
    STRICT_TRANSPORT_SECURITY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::problem::Problem;

const JSON: &str = "application/json";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
/// What a browser may do with an answer that is not a page: nothing.
const NO_PAGE: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The answer of a handler.
pub(crate) struct Reply {
    pub status: u16,
    pub content: &'static str,
    pub body: Vec<u8>,
    /// What comes in place of `body`, as it comes about.
    pub stream: Option<Body>,
    pub replayed: bool,
    pub policy: Option<HeaderValue>,
    /// It never changes: whoever got it may keep it.
    pub lasts: bool,
}

impl Reply {
    pub(crate) fn bytes(content: &'static str, body: Vec<u8>) -> Reply {
        Reply {
            status: 200,
            content,
            body,
            stream: None,
            replayed: false,
            policy: None,
            lasts: false,
        }
    }

    pub(crate) fn created(mut self) -> Reply {
        self.status = 201;
        self
    }

    pub(crate) fn replayed(mut self, replayed: bool) -> Reply {
        self.replayed = replayed;
        self
    }
}

/// What a handler comes to.
pub(crate) type Answer = Result<Reply, Problem>;

/// A JSON answer.
pub(crate) fn json(value: &impl Serialize) -> Answer {
    let mut body = Vec::with_capacity(1024);
    serde_json::to_writer(&mut body, value).map_err(Problem::internal)?;
    Ok(Reply::bytes(JSON, body))
}

/// Ids of requests: a prefix of this process and a counter.
pub(crate) struct RequestIds {
    process: u64,
    next: AtomicU64,
}

impl Default for RequestIds {
    fn default() -> Self {
        RequestIds {
            process: RandomState::new().hash_one("request ids"),
            next: AtomicU64::new(1),
        }
    }
}

impl RequestIds {
    pub(crate) fn next(&self) -> String {
        format!(
            "req_{:016x}{:08x}",
            self.process,
            self.next.fetch_add(1, Ordering::Relaxed)
        )
    }
}

/// The HTTP response of an answer.
pub(crate) fn response(answer: Answer, request_id: &str, https: bool) -> Response<Body> {
    let mut response = match answer {
        Ok(reply) => of_reply(reply),
        Err(problem) => of_problem(&problem, request_id),
    };
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    headers
        .entry(CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(NO_PAGE));
    if https {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    response
}

fn of_reply(reply: Reply) -> Response<Body> {
    let mut response = Response::new(reply.stream.unwrap_or_else(|| Body::from(reply.body)));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(reply.content));
    if reply.status == 401 {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if reply.lasts {
        // Not for caches on the way: who may read it is asked each time.
        headers.insert(
            CACHE_CONTROL,
            HeaderValue::from_static("private, max-age=31536000, immutable"),
        );
    }
    if reply.replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    if let Some(policy) = reply.policy {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn of_problem(problem: &Problem, request_id: &str) -> Response<Body> {
    let body = serde_json::to_vec(&problem.document(request_id)).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if problem.status == 401 {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(seconds) = problem.retry_after_s {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Adds the methods that a path does take.
pub(crate) fn with_allow(mut response: Response<Body>, methods: &str) -> Response<Body> {
    if let Ok(methods) = HeaderValue::from_str(methods) {
        response.headers_mut().insert(ALLOW, methods);
    }
    response
}
