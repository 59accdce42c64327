//! Budgets: windows that are over, accounts that are forgotten, what stays used.

use countersign_core::event::OutcomeStatus;
use countersign_core::{Span, State, Time};
use countersign_policy::Decision;
use countersign_testkit::World;

use crate::{DAY, MICROSECOND, TEN, budgeted};

fn buys(world: &mut World, body: &str) -> Decision {
    world.submit("bot", body).unwrap().decision.decision
}

/// A world in which `bot` has used up its day, and the end of that day.
fn used_up() -> (World, Time) {
    let mut world = budgeted(DAY);
    let id = world.submit("bot", TEN).unwrap().decision.action_id;
    world.redeem(id).unwrap();
    world.report(id, OutcomeStatus::Succeeded, None).unwrap();
    let (_, account) = world.state.accounts().next().unwrap();
    let midnight = account.until;
    (world, midnight)
}

#[test]
fn a_window_is_over_at_its_microsecond() {
    let (mut world, midnight) = used_up();
    world.now = midnight - MICROSECOND;
    assert_eq!(buys(&mut world, TEN), Decision::Deny);
    // No record has come since.
    let (mut world, midnight) = used_up();
    world.now = midnight;
    assert_eq!(buys(&mut world, TEN), Decision::Allow);
    let accounts: Vec<Time> = world.state.accounts().map(|(_, account)| account.from).collect();
    assert_eq!(accounts, [midnight]);
}

#[test]
fn an_account_of_a_window_that_is_over_is_forgotten_whoever_acts_next() {
    let (mut world, midnight) = used_up();
    world.agent("other", "team:ops");
    let accounts = |world: &World| {
        world
            .state
            .accounts()
            .map(|(name, _)| name.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(accounts(&world), ["day/day/USD/agent:bot"]);
    world.now = midnight;
    world.submit("other", TEN).unwrap();
    assert_eq!(accounts(&world), ["day/day/USD/agent:other"]);
}

#[test]
fn the_budget_of_a_task_holds_for_its_third_action_as_for_its_second() {
    let mut world = budgeted("budgets:\n  - { name: task, per: task, limit: 10.00 USD }\n");
    let body = r#"{"action":"buy","estimated_cost":"4.00","currency":"USD","run":"r1"}"#;
    assert_eq!(buys(&mut world, body), Decision::Allow);
    assert_eq!(buys(&mut world, body), Decision::Allow);
    assert_eq!(buys(&mut world, body), Decision::Deny);
    assert_eq!(buys(&mut world, &body.replace("r1", "r2")), Decision::Allow);
}

#[test]
fn what_was_used_stays_used_after_the_state_was_stored_and_read_again() {
    let mut world = budgeted(DAY);
    let used = world.submit("bot", TEN).unwrap().decision;
    world.redeem(used.action_id).unwrap();
    world.state = State::from_bytes(&world.state.to_bytes()).unwrap();
    world.now = used.permit.unwrap().expires + Span::minutes(5);
    assert_eq!(buys(&mut world, TEN), Decision::Deny);
    // The permit that nobody uses gives back what it held, all the same.
    let mut world = budgeted(DAY);
    let unused = world.submit("bot", TEN).unwrap().decision;
    world.state = State::from_bytes(&world.state.to_bytes()).unwrap();
    let expires = unused.permit.unwrap().expires;
    world.now = expires - MICROSECOND;
    assert_eq!(buys(&mut world, TEN), Decision::Deny);
    world.now = expires;
    assert_eq!(buys(&mut world, TEN), Decision::Allow);
}
