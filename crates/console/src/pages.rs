//! The pages, one file each. Each says its own paths.

mod action;
mod agent;
mod agents;
mod approval;
mod audit;
mod budgets;
mod callbacks;
mod channels;
mod documents;
mod export;
mod failure;
mod inbox;
mod keys;
mod kill;
mod kpis;
mod live;
mod once;
mod overview;
mod people;
mod playground;
mod policies;
mod policy;
mod policy_change;
mod policy_edit;
mod policy_simulate;
mod record;
mod reviewers;
mod rota;
mod run;
mod runs;
mod schedules;
mod settings;
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
        .merge(kpis::routes())
        .merge(live::routes())
        .merge(run::routes())
        .merge(runs::routes())
        .merge(playground::routes())
        .merge(policies::routes())
        .merge(policy::routes())
        .merge(policy_change::routes())
        .merge(policy_edit::routes())
        .merge(policy_simulate::routes())
        .merge(schedules::routes())
        .merge(action::routes())
        .merge(audit::routes())
        .merge(export::routes())
        .merge(callbacks::routes())
        .merge(channels::routes())
        .merge(keys::routes())
        .merge(overview::routes())
        .merge(people::routes())
        .merge(record::routes())
        .merge(reviewers::routes())
        .merge(settings::routes())
        .merge(sign_in::routes())
        .merge(tools::routes())
}
