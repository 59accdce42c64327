//! What was decided of late, counted by the fold: an overview without reading the ledger.
#![expect(clippy::unwrap_used, reason = "tests")]

use countersign_core::Span;
use countersign_core::event::Verb;
use countersign_core::state::{COUNTED_DAYS, HourCounts};
use countersign_testkit::World;

const GATE: &str = "name: gate\nrules:
  - { condition: \"action == 'pay'\", decision: require_approval, approvers: ['user:dana'] }
  - { condition: \"action == 'drop_table'\", decision: deny }
  - { condition: \"action == 'read'\", decision: allow }
";

fn world() -> World {
    let mut world = World::new();
    world.user("dana", &["reviewer"], &[], &[]);
    world.agent("bot", "team:ops");
    world.policy(&[("gate.yaml", GATE)]);
    world
}

fn ask(world: &mut World, action: &str) -> countersign_core::ids::ActionId {
    let decided = world.submit("bot", &format!(r#"{{"action":"{action}"}}"#));
    decided.unwrap().decision.action_id
}

/// All hours that are kept, added up.
fn sum(world: &World) -> HourCounts {
    let mut sum = HourCounts::default();
    for (_, hour) in world.state.days().hours(countersign_core::Time(0)) {
        sum.allow += hour.allow;
        sum.deny += hour.deny;
        sum.require_approval += hour.require_approval;
        sum.answered_in_time += hour.answered_in_time;
        sum.answered_late += hour.answered_late;
    }
    sum
}

#[test]
fn decisions_are_counted_by_hour_and_rules_by_day_and_a_refold_counts_the_same() {
    let mut world = world();
    for action in ["read", "read", "drop_table", "unknown"] {
        ask(&mut world, action);
    }
    world.pass(Span::hours(2));
    ask(&mut world, "pay");
    let counts = sum(&world);
    assert_eq!((counts.allow, counts.deny, counts.require_approval), (2, 2, 1));
    assert_eq!(world.state.days().hours(countersign_core::Time(0)).count(), 2);
    let rules = world.state.days().rules(countersign_core::Time(0));
    let told: Vec<_> = (rules.iter())
        .map(|rule| (&*rule.document, &*rule.rule, rule.asked, rule.denied))
        .collect();
    assert!(told.contains(&("gate", "rules[0]", 1, 0)), "{told:?}");
    assert!(told.contains(&("gate", "rules[1]", 0, 1)), "{told:?}");
    let denied: Vec<_> = world
        .state
        .days()
        .denials()
        .map(|denial| denial.action.as_str())
        .collect();
    assert_eq!(denied, ["unknown", "drop_table"], "the newest first");
    assert_eq!(world.refolded().hash(), world.state.hash());
}

#[test]
fn an_answer_is_in_time_until_the_sla_and_one_that_nobody_gave_is_late() {
    let mut world = world();
    let soon = ask(&mut world, "pay");
    world.vote("dana", soon, Verb::Approve, None).unwrap();
    assert_eq!((sum(&world).answered_in_time, sum(&world).answered_late), (1, 0));
    ask(&mut world, "pay");
    world.pass(Span::days(8));
    assert!(world.state.approvals().is_empty(), "it expired");
    assert_eq!((sum(&world).answered_in_time, sum(&world).answered_late), (1, 1));
}

#[test]
fn what_is_kept_stays_bounded_whatever_is_asked_for_how_long() {
    let mut world = world();
    for _day in 0..40 {
        for turn in 0..3 {
            ask(&mut world, if turn == 0 { "drop_table" } else { "read" });
            world.pass(Span::hours(8));
        }
    }
    let hours = world.state.days().hours(countersign_core::Time(0)).count();
    let kept = usize::try_from(COUNTED_DAYS).unwrap();
    assert!(hours <= kept * 3 + 1, "{hours}");
    assert!(world.state.days().denials().count() <= 10);
    let rules = world.state.days().rules(countersign_core::Time(0));
    assert!(rules.iter().all(|rule| rule.denied <= kept as u64), "{rules:?}");
}

#[test]
fn rules_of_a_day_are_no_more_than_forty_and_the_busiest_stays() {
    let mut rules = String::from("name: gate\nrules:\n");
    for at in 0..60 {
        rules += &format!("  - {{ condition: \"action == 'a{at}'\", decision: deny }}\n");
    }
    let mut world = world();
    world.policy(&[("gate.yaml", &rules)]);
    for _ in 0..3 {
        ask(&mut world, "a0");
    }
    for at in 1..60 {
        ask(&mut world, &format!("a{at}"));
        world.pass(Span::seconds(10));
        ask(&mut world, "a0");
    }
    let counted = world.state.days().rules(countersign_core::Time(0));
    assert!(counted.len() <= 40, "{}", counted.len());
    let first = counted.first().unwrap();
    assert_eq!((&*first.rule, first.denied), ("rules[0]", 62));
}
