//! The pages, one file each. Each says its own paths.

mod action;
mod approval;
mod audit;
mod callbacks;
mod channels;
mod inbox;
mod keys;
mod live;
mod once;
mod overview;
mod people;
mod record;
mod reviewers;
mod settings;
mod sign_in;

use std::sync::Arc;

use axum::Router;

use crate::Console;

pub(crate) fn router() -> Router<Arc<Console>> {
    Router::new()
        .merge(action::routes())
        .merge(approval::routes())
        .merge(audit::routes())
        .merge(callbacks::routes())
        .merge(channels::routes())
        .merge(inbox::routes())
        .merge(keys::routes())
        .merge(live::routes())
        .merge(overview::routes())
        .merge(people::routes())
        .merge(record::routes())
        .merge(reviewers::routes())
        .merge(settings::routes())
        .merge(sign_in::routes())
}
