//! The pages, one file each. Each says its own paths.

mod approval;
mod inbox;
mod live;
mod sign_in;

use std::sync::Arc;

use axum::Router;

use crate::Console;

pub(crate) fn router() -> Router<Arc<Console>> {
    Router::new()
        .merge(approval::routes())
        .merge(inbox::routes())
        .merge(live::routes())
        .merge(sign_in::routes())
}
