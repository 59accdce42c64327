//! Bodies of requests: JSON, within limits, read once.

use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use countersign_core::policy::Value;
use countersign_engine::{MAX_BODY_BYTES, parse_body};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Bytes;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// How long a body may take to arrive.
const READ_TIME: Duration = Duration::from_secs(10);

/// Whether the headers announce a body of this media type.
pub(crate) fn check_type(headers: &HeaderMap, wanted: &str) -> Result<(), Problem> {
    let kind = headers
        .get(CONTENT_TYPE)
        .map(|kind| kind.as_bytes())
        .unwrap_or_default();
    let media = kind.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
    if media.eq_ignore_ascii_case(wanted.as_bytes()) {
        return Ok(());
    }
    let detail = match wanted {
        "application/json" => "the body has to be JSON",
        _ => "the body has to be a form",
    };
    Err(Problem::new(415, "unsupported_media_type", detail).hint(format!("send `Content-Type: {wanted}`")))
}

/// Reads a body, but never more than the limit of it.
pub(crate) async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > MAX_BODY_BYTES as u64) {
        return Err(too_large());
    }
    match tokio::time::timeout(READ_TIME, Limited::new(body, MAX_BODY_BYTES).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Problem::new(400, "broken_body", "the body broke off")),
        Err(_) => Err(Problem::new(
            408,
            "request_timeout",
            "the body did not arrive within 10 seconds",
        )),
    }
}

fn too_large() -> Problem {
    let detail = format!("the body is over the limit of {MAX_BODY_BYTES} bytes");
    Problem::new(413, "too_large", detail).hint("send references instead of contents, or split a batch")
}

/// A body as one of the API's types. `members` are the strict values of its members, for what is not typed.
pub(crate) struct Parsed<T> {
    pub typed: T,
    pub members: std::collections::BTreeMap<String, Value>,
}

/// Parses a body: strictly as JSON first, so that no two readers understand it differently, then as `T`.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<Parsed<T>, Problem> {
    let Value::Map(members) = parse_body(bytes)? else {
        return Err(Problem::invalid("wrong_type", "the body has to be a JSON object"));
    };
    if let Some((name, _)) = members.iter().find(|(_, value)| **value == Value::Null) {
        return Err(
            Problem::invalid("wrong_type", format!("`{}` is null", clip(name, 64))).hint("leave it out instead")
        );
    }
    let typed = serde_json::from_slice(bytes).map_err(|error| {
        let message = error.to_string();
        let code = match message.split_whitespace().next() {
            Some("unknown") if message.starts_with("unknown field") => "unknown_field",
            Some("missing") => "missing_field",
            Some("invalid") if message.starts_with("invalid type") => "wrong_type",
            _ => "invalid_value",
        };
        Problem::invalid(code, clip(&message, 300))
    })?;
    Ok(Parsed { typed, members })
}

/// The beginning of a text that came from outside.
pub(crate) fn clip(text: &str, most: usize) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(most)
        .collect()
}
