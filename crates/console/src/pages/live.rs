//! What is new, passed on to the script as it happens.

use std::sync::Arc;

use axum::Router;
use axum::http::Method;
use axum::routing::get;

use crate::Console;
use crate::page::{Page, guard};
use crate::visit::Visit;

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/live", get(live))
}

async fn live(visit: Visit) -> Page {
    let mut response = visit
        .console
        .api
        .respond(visit.as_them(Method::GET, "/v1/events", None))
        .await?;
    guard(&mut response);
    Ok(response)
}
