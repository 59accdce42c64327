//! Answers over HTTP: JSON, or a stream of events.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, VARY,
    WWW_AUTHENTICATE,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::answer;

/// How often a stream says that it is still there, so that nobody on the way takes it for dead.
const KEPT_ALIVE: Duration = Duration::from_secs(10);

pub(super) fn status(code: u16) -> Response {
    StatusCode::from_u16(code)
        .unwrap_or(StatusCode::BAD_GATEWAY)
        .into_response()
}

/// A message as the whole answer.
pub(super) fn message(code: u16, line: Vec<u8>) -> Response {
    let mut response = status(code);
    *response.body_mut() = Body::from(line);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// An error of the protocol.
pub(super) fn error(code: u16, id: Option<&Value>, number: i32, why: &str) -> Response {
    message(code, answer::error(id.unwrap_or(&Value::Null), number, why))
}

/// Something that is no message.
pub(super) fn json_of(code: u16, value: &Value) -> Response {
    message(code, value.to_string().into_bytes())
}

/// Whoever asks has no good key or token, or a token that is too `narrow`. `metadata` is where it stands what would be good
/// (RFC 9728), `scopes` what a token needs.
pub(super) fn challenge(metadata: &str, scopes: &str, narrow: bool) -> Response {
    let (status, error, why) = match narrow {
        false => (
            401,
            "invalid_token",
            "a good key of an agent is needed, or a token for this resource",
        ),
        true => (403, "insufficient_scope", "the token lacks a scope"),
    };
    let mut response = json_of(status, &json!({ "error": error, "error_description": why }));
    let mut line = format!("Bearer error=\"{error}\", resource_metadata=\"{metadata}\"");
    if !scopes.is_empty() {
        line += &format!(", scope=\"{scopes}\"");
    }
    if let Ok(line) = HeaderValue::from_str(&line) {
        response.headers_mut().insert(WWW_AUTHENTICATE, line);
    }
    response
}

/// An answer that came before the body had arrived: the connection ends with it, and whoever comes back, with a token perhaps,
/// has to know that.
pub(super) fn unread(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The same with the id of a session.
pub(super) fn in_session(mut response: Response, session: Option<&str>) -> Response {
    if let Some(id) = session.and_then(|id| HeaderValue::from_str(id).ok()) {
        response.headers_mut().insert("mcp-session-id", id);
    }
    response
}

/// What a page may send: a browser asks before it does.
pub(super) fn allowed() -> Response {
    let mut response = status(204);
    let headers = response.headers_mut();
    headers.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST, DELETE"),
    );
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(
            "Authorization, Content-Type, Last-Event-ID, MCP-Protocol-Version, Mcp-Method, Mcp-Name, Mcp-Session-Id",
        ),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

/// The same, readable by a page of this origin: its session, too, and where it stands what proves an agent.
pub(super) fn to_page(mut response: Response, origin: HeaderValue) -> Response {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("Mcp-Session-Id, WWW-Authenticate"),
    );
    headers.insert(VARY, HeaderValue::from_static("Origin"));
    response
}

/// Messages as they come. When the client hangs up, nobody takes them any more, and their sender sees that.
pub(super) fn stream(messages: mpsc::Receiver<Vec<u8>>) -> Response {
    let events = futures_util::stream::unfold(messages, async |mut messages| {
        let bytes = match tokio::time::timeout(KEPT_ALIVE, messages.recv()).await {
            Ok(Some(line)) => event(&line),
            Ok(None) => return None,
            Err(_) => b": waiting\n\n".to_vec(),
        };
        Some((Ok::<_, Infallible>(Bytes::from(bytes)), messages))
    });
    let mut response = Body::from_stream(events).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Some proxies hold answers back until they are whole.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

fn event(line: &[u8]) -> Vec<u8> {
    let mut bytes = b"event: message\n".to_vec();
    for part in line.trim_ascii().split(|byte| *byte == b'\n') {
        bytes.extend(b"data: ");
        bytes.extend(part.strip_suffix(b"\r").unwrap_or(part));
        bytes.push(b'\n');
    }
    bytes.push(b'\n');
    bytes
}
