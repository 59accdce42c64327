//! The web console: server-rendered pages over the API.
//!
//! A page is made from answers of the API, asked for in this process with the credential of whoever looks at it. So nothing
//! is possible here that the API does not allow, and whatever is possible here, a program can do. The crate knows the API's
//! types and nothing below them: no ledger, no engine, no store.
//!
//! The way of a request: `visit` finds out who looks, `pages/<page>.rs` asks the API and fills `templates/<page>.html`, and
//! `page` sends it with the headers that every page has. Words of others go through `said`. The script is for live
//! updates and keys alone: every page works without it.

mod api;
mod assets;
mod chart;
mod form;
mod idle;
mod page;
mod pages;
mod said;
mod visit;
mod when;

pub mod messages;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn;
use tower::{ServiceExt as _, service_fn};

use crate::api::Api;

/// What every page needs.
pub(crate) struct Console {
    pub api: Api,
    pub idle: idle::Idle,
}

/// The console's pages beside the API. Calls go to `api` at once, whatever the console has; so does what is no page.
pub fn router(api: Router) -> Router {
    let console = Arc::new(Console {
        api: Api::new(api.clone()),
        idle: idle::Idle::default(),
    });
    let pages = pages::router()
        .merge(assets::router())
        .with_state(console)
        .fallback_service(api.clone());
    // Kept before any route takes a request, so around the routes and not on them.
    let pages = Router::new().fallback_service(pages).layer(from_fn(api::arrived));
    Router::new().fallback_service(service_fn(move |request: Request| {
        let is_call = request.uri().path().starts_with("/v1/");
        let router = if is_call { api.clone() } else { pages.clone() };
        router.oneshot(request)
    }))
}
