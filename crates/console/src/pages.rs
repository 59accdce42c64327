//! The pages, one file each. Each says its own paths.

mod agent;
mod agents;
mod approval;
mod budgets;
mod failure;
mod inbox;
mod kill;
mod live;
mod run;
mod runs;
mod sign_in;
mod tools;

use std::sync::Arc;

use axum::Router;

use crate::Console;

pub(crate) fn router() -> Router<Arc<Console>> {
    Router::new()
        .merge(agent::routes())
        .merge(agents::routes())
        .merge(approval::routes())
        .merge(budgets::routes())
        .merge(inbox::routes())
        .merge(kill::routes())
        .merge(live::routes())
        .merge(run::routes())
        .merge(runs::routes())
        .merge(sign_in::routes())
        .merge(tools::routes())
}
