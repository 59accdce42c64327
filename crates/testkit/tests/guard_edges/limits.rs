//! Limits: whose window an action falls into, and what is said where there is no room.

use countersign_core::Event;
use countersign_core::event::{OutcomeStatus, Verb};
use countersign_policy::Decision;
use countersign_testkit::World;

use crate::GATE;

/// What the limits read for an action of `agent`: the names of windows, and the first reason.
fn read_windows(world: &mut World, agent: &str, body: &str) -> (Vec<String>, String, Decision) {
    let decided = world.submit(agent, body).unwrap().decision;
    let windows = decided
        .facts
        .windows
        .iter()
        .map(|read| read.window.to_string())
        .collect();
    (windows, decided.reasons[0].message.clone(), decided.decision)
}

fn limited(limits: &str) -> World {
    let mut world = World::new();
    world.agent("bot", "team:ops");
    let limits = format!("limits:\n{limits}");
    world.policy(&[("gate.yaml", GATE), ("limits.yaml", &limits)]);
    world
}

#[test]
fn a_window_is_named_by_whose_it_is_and_by_a_digest_of_what_an_action_says_or_what_is_long() {
    let mut world = limited(
        "  - { name: own, count: 9, within: 1h }
  - { name: customers, per: [agent, args.customer], count: 9, within: 1h }
  - { name: plain, per: args.customer, count: 9, within: 1h }
  - { name: all, per: organization, count: 9, within: 1h }
",
    );
    let pay = r#"{"action":"pay","args":{"customer":"ann.smith"}}"#;
    let windows = |world: &mut World, agent: &str, body: &str| {
        let mut windows = read_windows(world, agent, body).0;
        windows.sort();
        windows
    };
    let first = windows(&mut world, "bot", pay);
    let [own, customers, plain, all] = first.as_slice() else {
        panic!("{first:?}");
    };
    assert_eq!((own.as_str(), all.as_str()), ("agent:bot", "organization"));
    assert!(
        customers.starts_with("agent:bot,key:") && !customers.contains("ann"),
        "{customers}"
    );
    assert!(plain.starts_with("key:"), "{plain}");
    assert_eq!(windows(&mut world, "bot", pay), first, "the same is the same again");
    let other = windows(&mut world, "bot", &pay.replace("ann.smith", "bob.smith"));
    assert_ne!((&other[1], &other[2]), (customers, plain));

    let (fits, long) = ("a".repeat(64), "b".repeat(65));
    for agent in [&fits, &long] {
        world.agent(agent, "team:ops");
    }
    assert!(windows(&mut world, &fits, pay).contains(&format!("agent:{fits}")));
    let of_long = windows(&mut world, &long, pay);
    assert!(!of_long.iter().any(|window| window.contains(&long)), "{of_long:?}");
}

#[test]
fn what_a_run_has_cost_is_at_its_end_when_it_is_reached() {
    let mut world = limited("  - { name: cost-of-a-run, per: run, cost: 5.00 USD }\n");
    let body = r#"{"action":"think","run":"r1"}"#;
    let spend = |world: &mut World, cost: &str| {
        let id = world.submit("bot", body).unwrap().decision.action_id;
        world.redeem(id).unwrap();
        world.report(id, OutcomeStatus::Succeeded, Some(cost)).unwrap();
    };
    spend(&mut world, "4.99");
    assert_eq!(read_windows(&mut world, "bot", body).2, Decision::Allow);
    spend(&mut world, "0.01");
    let (_, why, decision) = read_windows(&mut world, "bot", body);
    assert_eq!(decision, Decision::Deny);
    assert!(why.contains("5.00 of 5.00 USD were spent"), "{why}");
}

#[test]
fn a_repetition_is_told_with_what_it_repeats_and_what_became_of_that() {
    let mut world = limited("  - { name: orders, same: [args.order], within: 1d }\n");
    world.user("dana", &["reviewer"], &[], &[]);
    let body = r#"{"action":"order","amount":"7.50","currency":"USD","args":{"order":"o1"}}"#;
    let first = world.submit("bot", body).unwrap().decision.action_id;
    world.redeem(first).unwrap();
    world.report(first, OutcomeStatus::Succeeded, None).unwrap();
    let (_, why, decision) = read_windows(&mut world, "bot", body);
    assert_eq!(decision, Decision::RequireApproval);
    let told = format!("the same `args.order` as in `{first}` over 7.50 USD, which `bot` asked for at ");
    assert!(why.starts_with(&told), "{why}");
    assert!(why.ends_with(" and which was permitted"), "{why}");
    assert_eq!(
        read_windows(&mut world, "bot", &body.replace("o1", "o2")).2,
        Decision::Allow
    );
}

#[test]
fn of_what_people_were_asked_about_it_is_told_what_they_said() {
    let gate = "name: gate\nrules:\n  - { decision: require_approval, approvers: [dana] }\n";
    let orders = "limits:\n  - { name: orders, same: [args.order], within: 1d }\n";
    let mut world = World::new();
    world.agent("bot", "team:ops");
    world.user("dana", &["reviewer"], &[], &[]);
    world.policy(&[("gate.yaml", gate), ("limits.yaml", orders)]);
    let body = r#"{"action":"order","args":{"order":"o1"}}"#;
    let first = world.submit("bot", body).unwrap().decision.action_id;
    let (_, why, _) = read_windows(&mut world, "bot", body);
    assert!(why.ends_with(" and which was pending"), "{why}");
    world.vote("dana", first, Verb::Approve, None).unwrap();
    let (_, why, _) = read_windows(&mut world, "bot", body);
    assert!(why.ends_with(" and which was approved"), "{why}");
}

#[test]
fn a_limit_that_is_full_says_of_what_within_what_for_whom_and_until_when() {
    let mut world = limited(
        "  - { name: rate, action: note, per: args.customer, count: 1, within: 90m }
  - { name: sum, action: pay, sum: 10.00 USD, within: 1d }
  - { name: both, action: ship, count: 5, sum: 10.00 USD, within: 1h }
",
    );
    let note = r#"{"action":"note","args":{"customer":"ann"}}"#;
    world.submit("bot", note).unwrap();
    let why = read_windows(&mut world, "bot", note).1;
    assert!(
        why.starts_with("within 90m 1 of 1, for this `args.customer`; there is room again at "),
        "{why}"
    );
    let pay = |amount: &str| format!(r#"{{"action":"pay","amount":"{amount}","currency":"USD"}}"#);
    assert_eq!(read_windows(&mut world, "bot", &pay("10.00")).2, Decision::Allow);
    let why = read_windows(&mut world, "bot", &pay("0.01")).1;
    assert!(
        why.starts_with("within 1d sum 10.00 of 10.00 USD, and this takes 0.01; there is room again at "),
        "{why}"
    );
    // What would never fit gets no time to wait for.
    let why = read_windows(&mut world, "bot", &pay("10.01")).1;
    assert_eq!(why, "within 1d sum 10.00 of 10.00 USD, and this takes 10.01");
    let why = read_windows(&mut world, "bot", &pay("11").replace("pay", "ship")).1;
    assert_eq!(why, "within 1h 0 of 5, sum 0.00 of 10.00 USD, and this takes 11.00");
}

#[test]
fn an_agent_that_has_opened_ten_thousand_windows_of_a_limit_shares_one_among_all_others() {
    let mut world = limited("  - { name: once, per: args.customer, count: 1, within: 1d }\n");
    world.agent("other", "team:ops");
    let pay = |customer: u32| format!(r#"{{"action":"pay","args":{{"customer":"customer {customer}"}}}}"#);
    for customer in 0..10_000 {
        let id = world.submit("bot", &pay(customer)).unwrap().decision.action_id;
        world.redeem(id).unwrap();
        world.report(id, OutcomeStatus::Succeeded, None).unwrap();
    }
    let (window, _, decision) = read_windows(&mut world, "bot", &pay(10_000));
    assert_eq!((window[0].as_str(), decision), ("rest:bot", Decision::Allow));
    // The one is full, and what was open before is what it was.
    let (window, _, decision) = read_windows(&mut world, "bot", &pay(10_001));
    assert_eq!((window[0].as_str(), decision), ("rest:bot", Decision::Deny));
    let (window, _, _) = read_windows(&mut world, "bot", &pay(7));
    assert!(window[0].starts_with("key:"), "{window:?}");
    let (window, _, decision) = read_windows(&mut world, "other", &pay(10_001));
    assert!(window[0].starts_with("key:"), "{window:?}");
    assert_eq!(decision, Decision::Allow);
}

#[test]
fn an_alert_names_the_limit_that_has_no_room() {
    let mut world = limited("  - { name: rate, count: 1, within: 1h, at_cap: alert }\n");
    for _ in 0..2 {
        world.submit("bot", r#"{"action":"note"}"#).unwrap();
    }
    let told = world.records.iter().find_map(|record| match &record.event {
        Event::AlertRaised(e) => Some((e.name.as_str(), e.summary.as_str())),
        _other => None,
    });
    let (name, summary) = told.unwrap();
    assert_eq!(name, "limit_reached");
    assert!(summary.contains("limit `rate`: within 1h 1 of 1"), "{summary}");
}
