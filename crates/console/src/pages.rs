//! The pages, one file each. Each says its own paths.

mod approval;
mod documents;
mod inbox;
mod live;
mod playground;
mod policies;
mod policy;
mod policy_change;
mod policy_edit;
mod policy_simulate;
mod rota;
mod schedules;
mod sign_in;

use std::sync::Arc;

use axum::Router;

use crate::Console;

pub(crate) fn router() -> Router<Arc<Console>> {
    Router::new()
        .merge(approval::routes())
        .merge(inbox::routes())
        .merge(live::routes())
        .merge(playground::routes())
        .merge(policies::routes())
        .merge(policy::routes())
        .merge(policy_change::routes())
        .merge(policy_edit::routes())
        .merge(policy_simulate::routes())
        .merge(schedules::routes())
        .merge(sign_in::routes())
}
