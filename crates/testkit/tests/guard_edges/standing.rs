//! Rows of failures, pauses, leases of gateways.

use countersign_core::event::{OutcomeStatus, Scope};
use countersign_core::record::ActorKind;
use countersign_core::state::NewLease;
use countersign_core::{Answer, Command, Event, Span, Time};
use countersign_testkit::{World, by};

use crate::{DAY, GATE, MICROSECOND, TEN, budgeted, run, run_as};

/// How many failures in a row the next decision about it reads.
fn failures(world: &mut World, action: &str) -> u32 {
    let asked = world.submit("bot", &format!(r#"{{"action":"{action}"}}"#)).unwrap();
    asked.decision.facts.failures
}

fn fail(world: &mut World, action: &str) {
    run_as(world, "bot", action, OutcomeStatus::Failed);
}

#[test]
fn a_success_ends_a_row_of_failures_and_says_nothing_where_there_is_none() {
    let mut world = budgeted(DAY.replace("10.00", "1000000.00").as_str());
    world.policy(&[("gate.yaml", GATE)]);
    let rows = |world: &World| {
        let rows = world.records.iter().filter_map(|record| match &record.event {
            Event::OutcomeReported(e) => Some(e.in_a_row.as_ref().map(|row| row.failures)),
            _other => None,
        });
        rows.collect::<Vec<_>>()
    };
    run(&mut world, "bot", "pay");
    fail(&mut world, "pay");
    fail(&mut world, "pay");
    run(&mut world, "bot", "pay");
    run(&mut world, "bot", "pay");
    assert_eq!(rows(&world), [None, Some(1), Some(2), Some(0), None]);
}

#[test]
fn of_256_rows_of_failures_the_one_that_is_the_longest_ago_makes_room_for_another() {
    let mut world = budgeted(DAY);
    world.policy(&[("gate.yaml", GATE)]);
    for number in 0..256 {
        fail(&mut world, &format!("op-{number}"));
    }
    assert_eq!(failures(&mut world, "op-0"), 1);
    // One that is known takes nobody's place, and is not the longest ago any more.
    fail(&mut world, "op-0");
    assert_eq!((failures(&mut world, "op-0"), failures(&mut world, "op-1")), (2, 1));
    fail(&mut world, "op-256");
    let left = ["op-0", "op-1", "op-2", "op-255", "op-256"].map(|action| failures(&mut world, action));
    assert_eq!(left, [2, 0, 1, 1, 1]);
}

#[test]
fn an_agent_that_is_paused_is_told_by_what() {
    let paused_by = |files: &[(&str, &str)]| {
        let mut world = World::new();
        world.agent("bot", "team:ops");
        world.policy(files);
        for _ in 0..2 {
            drop(world.submit("bot", TEN));
        }
        let paused = world.records.iter().find_map(|record| match &record.event {
            Event::AgentPaused(e) => Some(e.why.clone()),
            _other => None,
        });
        paused.unwrap()
    };
    let budget = "budgets:\n  - { name: day, per: day, limit: 10.00 USD, at_cap: pause }\n";
    assert_eq!(paused_by(&[("gate.yaml", GATE), ("budgets.yaml", budget)]), "budget");
    let limit = "limits:\n  - { name: rate, count: 1, within: 1h, at_cap: pause }\n";
    assert_eq!(paused_by(&[("gate.yaml", GATE), ("limits.yaml", limit)]), "limit");
}

#[test]
fn each_gateway_of_a_holder_has_a_lease_of_its_own_that_is_renewed_when_half_of_it_is_over() {
    let mut world = World::new();
    let take = |world: &mut World, gateway: &str| -> Time {
        let ask = NewLease {
            gateway: gateway.to_owned(),
            guards: Vec::new(),
            seconds: 30,
        };
        let (answer, _) = world.give(by(ActorKind::User, "alex"), Command::TakeLease(Box::new(ask)));
        assert!(matches!(answer, Answer::Done));
        world.state.lease("alex", gateway).unwrap().until
    };
    let until = take(&mut world, "edge-1");
    take(&mut world, "edge-2");
    assert_eq!(world.state.leases().count(), 2);
    let granted = world.state.lease("alex", "edge-1").unwrap().since;
    let half = Span((until - granted).0 / 2);
    world.now = until - half - MICROSECOND;
    assert_eq!(take(&mut world, "edge-1"), until);
    world.now = until - half;
    assert_ne!(take(&mut world, "edge-1"), until);
}

#[test]
fn a_gateway_is_told_what_fails_open_of_what_it_guards() {
    let mut world = World::new();
    let tools = "tools:
  wiki/read: { class: knowledge, risk: R0, access: read, reversible: true, fail_open: 60s }
  news/read: { class: public, risk: R0, access: read, reversible: true, fail_open: 30s }
";
    world.policy(&[("gate.yaml", GATE), ("tools.yaml", tools)]);
    let mut number = 0;
    let mut told = |guards: Vec<Scope>| -> Vec<String> {
        number += 1;
        let gateway = format!("edge-{number}");
        let ask = NewLease {
            gateway: gateway.clone(),
            guards,
            seconds: 30,
        };
        world.give(by(ActorKind::User, "alex"), Command::TakeLease(Box::new(ask)));
        let lease = world.state.lease("alex", &gateway).unwrap();
        lease.fail_open.iter().map(|open| open.tool.clone()).collect()
    };
    let (wiki, news) = (|| Scope::Tool("wiki/read".into()), || Scope::Class("public".into()));
    assert_eq!(told(vec![wiki()]), ["wiki/read"]);
    assert_eq!(told(vec![news()]), ["news/read"]);
    assert_eq!(told(vec![Scope::Agent("bot".into()), wiki()]), ["wiki/read"]);
    for everything in [
        vec![],
        vec![Scope::Organization, wiki()],
        vec![Scope::Agent("bot".into())],
    ] {
        assert_eq!(told(everything).len(), 2);
    }
}
