//! Budgets: windows that are over, accounts that are forgotten, what stays used.

use countersign_core::event::{OutcomeStatus, Verb};
use countersign_core::{Command, Event, Record, Span, State, Time};
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

#[test]
fn a_decision_says_what_was_left_before_it_and_what_is_left_after_it() {
    let mut world = budgeted(DAY);
    let four = TEN.replace("10.00", "4.00");
    let told = |world: &mut World| {
        let decided = world.submit("bot", &four).unwrap().decision;
        let read = &decided.facts.budgets[0];
        (read.left.clone(), read.takes.clone(), decided.reserved[0].left.clone())
    };
    let sums = |left: &str, after: &str| (left.to_owned(), "4.00".to_owned(), after.to_owned());
    assert_eq!(told(&mut world), sums("10.00", "6.00"));
    assert_eq!(told(&mut world), sums("6.00", "2.00"));
}

#[test]
fn people_who_were_not_asked_about_a_full_budget_have_not_agreed_to_go_beyond_it() {
    let mut world = World::new();
    world.user("dana", &["reviewer"], &[], &[]);
    world.agent("bot", "team:ops");
    let gate = "name: gate\nrules:\n  - { decision: require_approval, approvers: [dana] }\n";
    let budget = "budgets:\n  - { name: day, per: day, limit: 10.00 USD, at_cap: ask, approvers: [dana] }\n";
    world.policy(&[("gate.yaml", gate), ("budgets.yaml", budget)]);
    let six = TEN.replace("10.00", "6.00");
    let asked: Vec<_> = (0..2)
        .map(|_| world.submit("bot", &six).unwrap().decision.action_id)
        .collect();
    let permitted = |world: &mut World, id| {
        drop(world.vote("dana", id, Verb::Approve, None));
        world.view(id).decision.permit.is_some() || world.redeem(id).is_ok()
    };
    assert!(permitted(&mut world, asked[0]));
    assert!(!permitted(&mut world, asked[1]), "there is no room for it any more");
    // About this one they are asked as there is none.
    let beyond = world.submit("bot", &six).unwrap().decision.action_id;
    assert!(permitted(&mut world, beyond));
}

#[test]
fn a_forecast_is_told_from_a_tenth_of_the_window_on_and_from_the_first_cent_above_six_fifths_of_what_is_projected() {
    let told_at = |after: Span, used: &str| {
        let mut world =
            budgeted("budgets:\n  - { name: day, per: day, projected: 10.00 USD, zone: UTC, alert_at: [99] }\n");
        let midnight = Time(world.now.0 - world.now.0 % Span::days(1).0);
        world.now = midnight + Span::days(1) + after;
        let body = TEN.replace("10.00", used);
        world.submit("bot", &body).unwrap();
        let mut told = world.records.iter().filter_map(|record| match &record.event {
            Event::BudgetReached(e) => Some(e.forecast.clone()),
            _other => None,
        });
        told.next().flatten()
    };
    let noon = Span::hours(12);
    assert_eq!(told_at(noon, "6.00"), None, "12.00 are 120 % of 10.00");
    assert_eq!(told_at(noon, "6.01").as_deref(), Some("12.02"));
    let tenth = Span::minutes(144);
    assert_eq!(told_at(tenth, "2.00").as_deref(), Some("20.00"));
    assert_eq!(told_at(Span(tenth.0 - 1_000_000), "2.00"), None);
}

#[test]
fn what_cost_a_cent_more_than_was_reserved_is_told_and_what_cost_just_that_is_not() {
    let reported = |cost: &str| {
        let mut world = budgeted(DAY);
        let id = world.submit("bot", TEN).unwrap().decision.action_id;
        world.redeem(id).unwrap();
        world.report(id, OutcomeStatus::Succeeded, Some(cost)).unwrap();
        let settled = world.records.iter().find_map(|record| match &record.event {
            Event::OutcomeReported(e) => Some(e.settled[0].clone()),
            _other => None,
        });
        let settled = settled.unwrap();
        (settled.amount, settled.over, world.alerted("budget_overrun"))
    };
    assert_eq!(reported("10.00"), ("10.00".to_owned(), None, false));
    assert_eq!(reported("10.01"), ("10.01".to_owned(), Some("0.01".to_owned()), true));
}

#[test]
fn who_spends_a_cent_more_than_a_budget_holds_is_paused_where_it_pauses_and_once() {
    let pauses = |at_cap: &str, cost: &str, paused: bool| {
        let mut world = budgeted(&DAY.replace("zone: UTC", &format!("zone: UTC, at_cap: {at_cap}")));
        let four = TEN.replace("10.00", "4.00");
        let id = world.submit("bot", &four).unwrap().decision.action_id;
        world.redeem(id).unwrap();
        if paused {
            world.done(Command::PauseAgent("bot".into(), None));
        }
        world.report(id, OutcomeStatus::Succeeded, Some(cost)).unwrap();
        let paused = |record: &&Record| matches!(record.event, Event::AgentPaused(_));
        world.records.iter().filter(paused).count()
    };
    assert_eq!(pauses("pause", "10.00", false), 0, "just what the budget holds");
    assert_eq!(pauses("pause", "10.01", false), 1);
    assert_eq!(pauses("deny", "10.01", false), 0);
    assert_eq!(pauses("pause", "10.01", true), 1, "by hand, and not once more");
}
