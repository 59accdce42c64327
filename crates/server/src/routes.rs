//! Handlers, by resource. Each is found by the id of its call.

mod access;
mod actions;
mod agents;
mod alerts;
mod approvals;
mod audit;
mod autonomy;
mod budgets;
mod callbacks;
mod channels;
mod credentials;
mod economics;
pub(crate) mod events;
pub(crate) mod export;
mod glass;
mod inventory;
mod keys;
mod kill;
pub(crate) mod kpis;
mod limits;
mod links;
mod log;
mod observed;
mod organizations;
mod overview;
mod permits;
mod policies;
mod practice;
mod public;
mod retention;
mod reviewers;
mod runs;
mod samples;
mod schedules;
mod sessions;
mod tried;
mod users;

use countersign_engine::Caller;

use crate::authorize::{Operator, Visitor};
use crate::way::{Answering, Asked};

/// What answers a call, by who may make it.
#[derive(Clone, Copy)]
pub(crate) enum Handler {
    Caller(fn(Asked<Caller>) -> Answering),
    Visitor(fn(Asked<Visitor>) -> Answering),
    Operator(fn(Asked<Operator>) -> Answering),
}

/// A resource's handlers: `id of the call => kind of caller, function`.
macro_rules! handlers {
    ($($id:literal => $who:ident $handle:path,)*) => {
        pub(super) const HANDLERS: &[(&str, super::Handler)] =
            &[$(($id, super::Handler::$who(|asked| Box::pin($handle(asked)))),)*];
    };
}
use handlers;

const ALL: &[&[(&str, Handler)]] = &[
    access::HANDLERS,
    actions::HANDLERS,
    agents::HANDLERS,
    alerts::HANDLERS,
    approvals::HANDLERS,
    audit::HANDLERS,
    autonomy::HANDLERS,
    budgets::HANDLERS,
    callbacks::HANDLERS,
    channels::HANDLERS,
    credentials::HANDLERS,
    economics::HANDLERS,
    events::HANDLERS,
    export::HANDLERS,
    glass::HANDLERS,
    inventory::HANDLERS,
    keys::HANDLERS,
    kill::HANDLERS,
    kpis::HANDLERS,
    limits::HANDLERS,
    links::HANDLERS,
    log::HANDLERS,
    observed::HANDLERS,
    organizations::HANDLERS,
    overview::HANDLERS,
    permits::HANDLERS,
    policies::HANDLERS,
    practice::HANDLERS,
    public::HANDLERS,
    retention::HANDLERS,
    reviewers::HANDLERS,
    runs::HANDLERS,
    samples::HANDLERS,
    schedules::HANDLERS,
    sessions::HANDLERS,
    tried::HANDLERS,
    users::HANDLERS,
];

/// The handler of a call.
pub(crate) fn handler(id: &str) -> Option<Handler> {
    ALL.iter()
        .flat_map(|handlers| handlers.iter())
        .find(|(call, _)| *call == id)
        .map(|(_, handler)| *handler)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use countersign_api::CALLS;
    use countersign_api::calls::Permission;

    use super::*;

    #[test]
    fn each_call_has_one_handler_and_each_handler_a_call() {
        let calls: Vec<&str> = CALLS.iter().map(|call| call.id).collect();
        let handlers: Vec<&str> = ALL
            .iter()
            .flat_map(|handlers| handlers.iter())
            .map(|(id, _)| *id)
            .collect();
        assert_eq!(BTreeSet::from_iter(calls.iter()), BTreeSet::from_iter(handlers.iter()));
        assert_eq!(calls.len(), handlers.len());
    }

    #[test]
    fn a_handler_gets_the_kind_of_caller_that_its_call_lets_in() {
        for call in CALLS.iter() {
            let fits = matches!(
                (handler(call.id).expect("each call has a handler"), call.permission),
                (
                    Handler::Visitor(_),
                    Permission::Anyone | Permission::Slack | Permission::Link
                ) | (Handler::Operator(_), Permission::LocalOperator)
                    | (
                        Handler::Caller(_),
                        Permission::Holder | Permission::Voter | Permission::Those { .. }
                    )
            );
            assert!(fits, "{}", call.id);
        }
    }
}
