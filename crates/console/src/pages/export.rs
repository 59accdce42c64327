//! The record as a file, passed on as the API sends it.

use std::sync::Arc;

use axum::Router;
use axum::extract::Query;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, Method};
use axum::routing::get;
use serde::Deserialize;

use super::audit::{Search, refused};
use crate::Console;
use crate::page::{Page, guard};
use crate::visit::Visit;

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/audit/export", get(export))
}

/// A format that is offered: the API's word, what it is called, its file and its media type.
pub(super) struct Format {
    pub word: &'static str,
    pub name: &'static str,
    file: &'static str,
    media: &'static str,
}

pub(super) const FORMATS: [Format; 3] = [
    Format {
        word: "jsonl",
        name: "JSON lines, exact records",
        file: "records.jsonl",
        media: "application/jsonl",
    },
    Format {
        word: "csv",
        name: "CSV, for spreadsheets",
        file: "records.csv",
        media: "text/csv; charset=utf-8",
    },
    Format {
        word: "ocsf",
        name: "OCSF, for a SIEM",
        file: "events.ocsf.jsonl",
        media: "application/jsonl",
    },
];

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    format: String,
}

/// A download changes nothing, so a link is enough; who may have it is asked by the API.
async fn export(visit: Visit, Query(wanted): Query<Wanted>, Query(search): Query<Search>) -> Page {
    let format = FORMATS.iter().find(|format| format.word == wanted.format);
    let format = format.unwrap_or(&FORMATS[0]);
    let query = match search.query(&visit) {
        Ok(query) => query,
        Err(why) => return refused(&visit, search, why),
    };
    let path = format!("/v1/audit/export?format={}{query}", format.word);
    let api = &visit.console.api;
    let mut response = match api.open(visit.as_them(Method::GET, &path, None)).await {
        Ok(response) => response,
        Err(trouble) => return super::audit::troubled(&visit, search, trouble),
    };
    guard(&mut response);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.media));
    let disposition = format!("attachment; filename=\"{}\"", format.file);
    if let Ok(disposition) = HeaderValue::from_str(&disposition) {
        headers.insert(CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}
