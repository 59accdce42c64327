//! Parameters of requests: path and query.

use std::str::FromStr;

use axum::extract::Query;
use axum::http::Uri;
use countersign_api::bounded::MAX_WHOLE;
use countersign_core::Time;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::body::clip;
use crate::problem::Problem;

/// No parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct None_ {}

/// `?wait=`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wait {
    pub wait: Option<String>,
}

/// `?at=`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct At {
    pub at: Option<String>,
}

/// `?limit=`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limit {
    pub limit: Option<usize>,
}

/// `?days=`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Days {
    pub days: Option<usize>,
}

/// `?week=`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfWeek {
    pub week: Option<String>,
}

/// `?glance=`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Glance {
    #[serde(default)]
    pub glance: bool,
}

/// `?mine=&team=&cursor=&limit=`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfQueue {
    #[serde(default)]
    pub mine: bool,
    #[serde(default)]
    pub team: bool,
    pub cursor: Option<String>,
    pub limit: Option<usize>,
}

/// `?agent=&value=`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Whose {
    pub agent: Option<String>,
    pub value: Option<String>,
}

/// `?organization=`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Organization {
    pub organization: Option<String>,
}

/// `?remove=`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Remove {
    #[serde(default)]
    pub remove: bool,
}

/// `?from=&to=`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Span {
    pub from: u64,
    pub to: u64,
}

/// `?purpose=`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Purpose {
    pub purpose: Option<String>,
}

/// `?witnessed=`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Witnessed {
    #[serde(default)]
    pub witnessed: bool,
}

/// `?from=&limit=`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    #[serde(default)]
    pub from: u64,
    pub limit: Option<usize>,
}

/// Parameters of a search.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Search {
    pub agent: Option<String>,
    pub action: Option<String>,
    pub decision: Option<String>,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub from: Option<String>,
    pub to: Option<String>,
    pub cursor: Option<u64>,
    pub limit: Option<usize>,
    pub min_seq: Option<u64>,
}

/// Parameters of an export.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Extract {
    pub format: Option<String>,
    pub agent: Option<String>,
    pub action: Option<String>,
    pub decision: Option<String>,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub from: Option<String>,
    pub to: Option<String>,
}

pub(crate) fn invalid(detail: impl Into<String>) -> Problem {
    Problem::invalid("invalid_parameter", detail)
}

/// The query of a request.
pub(crate) fn parse<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    // An empty query is the same as none.
    let parsed = Query::<T>::try_from_uri(uri);
    parsed.map(|Query(query)| query).map_err(|error| {
        let mut why: &dyn std::error::Error = &error;
        while let Some(source) = why.source() {
            why = source;
        }
        invalid(format!("the query: {}", clip(&why.to_string(), 200)))
    })
}

/// The fields of a form, which is written as a query is.
pub(crate) fn form<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(body).unwrap_or_default();
    let uri: Result<Uri, _> = format!("/?{text}").parse();
    parse(&uri.map_err(|_| invalid("the body is not the fields of a form"))?)
}

/// The length of a wait such as `30s`.
pub(crate) fn seconds(text: Option<&str>) -> Result<u64, Problem> {
    let Some(text) = text else { return Ok(0) };
    let digits = text
        .strip_suffix('s')
        .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    let seconds = digits
        .and_then(|digits| digits.parse().ok())
        .filter(|seconds| *seconds <= 60);
    seconds.ok_or_else(|| invalid("`wait` is a number of seconds up to `60s`"))
}

/// An instant.
pub(crate) fn time(name: &str, text: Option<&str>) -> Result<Option<Time>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let time = Time::from_str(text).map_err(|error| invalid(format!("`{name}`: {}", clip(&error.to_string(), 200))))?;
    Ok(Some(time))
}

/// A number within its bounds.
pub(crate) fn within(name: &str, number: Option<usize>, or: usize, most: usize) -> Result<usize, Problem> {
    match number {
        None => Ok(or),
        Some(number) if (1..=most).contains(&number) => Ok(number),
        Some(_) => Err(invalid(format!("`{name}` is from 1 to {most}"))),
    }
}

/// A number that every reader of JSON sees as the same.
pub(crate) fn whole(name: &str, number: u64) -> Result<u64, Problem> {
    if number > MAX_WHOLE {
        return Err(invalid(format!("`{name}` is at most {MAX_WHOLE}")));
    }
    Ok(number)
}

/// A word to search for.
pub(crate) fn word(name: &str, text: Option<String>) -> Result<Option<String>, Problem> {
    match &text {
        Some(text) if text.is_empty() || text.chars().count() > 512 => {
            Err(invalid(format!("`{name}` has 1 to 512 characters")))
        }
        Some(_) | None => Ok(text),
    }
}

/// An id in a path. Text that is not one names nothing.
pub(crate) fn id<T: FromStr>(what: &str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::missing(what, &clip(text, 128)))
}
