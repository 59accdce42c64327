//! Disagreements of random agents: derived again from their records, and counted again by the second model.

use countersign_core::Event;
use countersign_core::event::Verb;
use countersign_core::ids::ActionId;
use countersign_core::policy::{Decision, Value as Part};
use countersign_core::replay::Outcome;
use countersign_core::{Actor, Command, Span};
use countersign_testkit::World;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::oracle::{Tampering, judged, lines, place};

const RULES: &str = "disagreements:
  - { name: a, subject: args.order, for: refund, against: hold, within: 10m }
  - { name: b, subject: args.order, for: ship, against: stop, within: 10m, resolve: priority, order: [one, 'team:ops'] }
  - { name: c, subject: args.order, for: wipe, against: keep, within: 10m, resolve: quorum, agree: 2 }
  - { name: d, subject: args.order, for: [raise, big_raise], against: lower, within: 10m, resolve: escalate, approvers: [leads] }
";
/// The same gate under rules that look at other things of the same actions.
const OTHERS: &str = "disagreements:
  - { name: a, subject: args.order, for: hold, against: refund, within: 10m }
  - { name: d, subject: args.order, for: [raise, big_raise], against: [lower, wipe], within: 10m, resolve: quorum, agree: 2 }
  - { name: e, subject: args.order, for: [big_raise, ship], against: keep, within: 10m, resolve: escalate, approvers: [leads] }
";
const GATE: &str = "name: gate
rules:
  - { condition: \"!action.startsWith('big_')\", decision: allow }
  - { condition: \"action.startsWith('big_')\", decision: require_approval, approvers: [leads] }
";
const AGENTS: [&str; 3] = ["one", "two", "three"];
const OPERATIONS: [&str; 9] = [
    "refund",
    "hold",
    "ship",
    "stop",
    "wipe",
    "keep",
    "raise",
    "big_raise",
    "lower",
];

#[derive(Clone, Debug)]
enum Step {
    Ask(usize, usize, u8),
    Use(prop::sample::Index),
    Decide(prop::sample::Index, bool),
    Revise(prop::sample::Index, u8),
    Pass(i64),
    Pause(usize, bool),
    Policy(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..AGENTS.len(), 0..OPERATIONS.len(), 0_u8..2).prop_map(|(who, what, order)| Step::Ask(who, what, order)),
        2 => any::<prop::sample::Index>().prop_map(Step::Use),
        2 => (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(which, yes)| Step::Decide(which, yes)),
        1 => (any::<prop::sample::Index>(), 0_u8..2).prop_map(|(which, order)| Step::Revise(which, order)),
        1 => (1_i64..700).prop_map(Step::Pass),
        1 => (0..AGENTS.len(), any::<bool>()).prop_map(|(who, on)| Step::Pause(who, on)),
        1 => any::<bool>().prop_map(Step::Policy),
    ]
}

fn world() -> World {
    let mut world = World::new();
    world.user("dana", &["reviewer"], &["leads"], &[]);
    for agent in AGENTS {
        world.agent(agent, "team:ops");
    }
    world.policy(&[("gate.yaml", GATE), ("rules.yaml", RULES)]);
    world
}

fn ask(world: &mut World, agent: &str, operation: &str, order: u8) -> ActionId {
    let body = format!(r#"{{"action":"{operation}","args":{{"order":{order}}}}}"#);
    world.submit(agent, &body).unwrap().decision.action_id
}

fn play(steps: &[Step]) -> World {
    let (mut world, mut asked) = (world(), Vec::new());
    for step in steps {
        // What is refused is a record, or nothing at all; both are fine.
        match step {
            Step::Ask(who, what, order) => {
                let body = format!(r#"{{"action":"{}","args":{{"order":{order}}}}}"#, OPERATIONS[*what]);
                asked.extend(world.submit(AGENTS[*who], &body).map(|view| view.decision.action_id));
            }
            Step::Pause(who, on) => {
                let agent = AGENTS[*who].into();
                let command = if *on {
                    Command::PauseAgent(agent, None)
                } else {
                    Command::ResumeAgent(agent, None)
                };
                drop(world.give(Actor::system(), command));
            }
            Step::Policy(others) => {
                let rules = if *others { OTHERS } else { RULES };
                world.policy(&[("gate.yaml", GATE), ("rules.yaml", rules)]);
            }
            Step::Pass(seconds) => world.pass(Span::seconds(*seconds)),
            Step::Use(which) if !asked.is_empty() => drop(world.redeem(*which.get(&asked))),
            Step::Decide(which, yes) if !asked.is_empty() => {
                let id = *which.get(&asked);
                if world.view(id).approval.is_some() {
                    let verb = if *yes { Verb::Approve } else { Verb::Reject };
                    drop(world.vote("dana", id, verb, Some("so")));
                }
            }
            Step::Revise(which, order) if !asked.is_empty() => {
                let id = *which.get(&asked);
                if world.view(id).approval.is_some() {
                    let args = Part::Map([("order".to_owned(), Part::Number((*order).into()))].into());
                    drop(world.revise(id, &[("args".to_owned(), args)].into()));
                }
            }
            Step::Use(_) | Step::Decide(..) | Step::Revise(..) => {}
        }
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_became_of_disagreements_is_derived_again_and_counted_alike(steps in prop::collection::vec(step(), 5..60)) {
        let world = play(&steps);
        prop_assert_eq!(world.refolded().hash(), world.state.hash());
        for one in world.derived() {
            prop_assert!(one.outcome == Outcome::Agrees, "{one:#?}");
        }
        let (holds, said) = judged(&lines(&world));
        prop_assert!(holds, "{said}");
    }
}

#[test]
fn of_two_that_want_opposite_things_at_once_only_one_runs_whoever_comes_first() {
    for [first, second] in [["refund", "hold"], ["hold", "refund"]] {
        let mut world = world();
        let (a, b) = (ask(&mut world, "one", first, 7), ask(&mut world, "two", second, 7));
        let ran = [world.redeem(a).is_ok(), world.redeem(b).is_ok()];
        assert_eq!(ran, [first == "hold", second == "hold"], "{first} {second}");
    }
}

#[test]
fn a_decision_that_hides_a_disagreement_is_found_by_replay() {
    let mut world = world();
    ask(&mut world, "one", "hold", 7);
    ask(&mut world, "two", "refund", 7);
    assert!(world.derived().iter().all(|one| one.outcome == Outcome::Agrees));
    let at = world
        .records
        .iter()
        .rposition(|record| matches!(record.event, Event::DecisionMade(_)));
    let mut records = world.records.clone();
    let Event::DecisionMade(made) = &mut records[at.unwrap()].event else {
        unreachable!()
    };
    assert_eq!(made.decision, Decision::Deny);
    made.facts.positions[0].opposed_by = None;
    made.facts.positions[0].against = 0;
    let derived = world.derived_from(&records, |seq| world.payload(seq).cloned());
    let last = derived.last().unwrap();
    assert!(matches!(&last.outcome, Outcome::Differs { .. }), "{last:#?}");
}

const TAMPERINGS: [Tampering; 4] = [
    (
        "a decision says that nobody wants the opposite",
        |r| {
            let at = place(r, "decision.made", 1);
            r[at]["data"]["facts"]["positions"][0]
                .as_object_mut()
                .unwrap()
                .remove("opposed_by");
        },
        "whether somebody wants the opposite",
    ),
    (
        "a decision counts fewer than there are",
        |r| {
            let at = place(r, "decision.made", 1);
            r[at]["data"]["facts"]["positions"][0]["against"] = json!(0);
        },
        "want something else than it says",
    ),
    (
        "a word is left out that a decision was held against",
        |r| {
            let at = place(r, "decision.made", 0);
            r[at]["data"].as_object_mut().unwrap().remove("positions");
        },
        "something else than what was looked at",
    ),
    (
        "a decision blames an action of its own side",
        |r| {
            let at = place(r, "decision.made", 1);
            r[at]["data"]["facts"]["positions"][0]["opposed_by"] = r[at]["data"]["action_id"].clone();
        },
        "wants no opposite",
    ),
];

#[test]
fn the_second_model_finds_each_of_these_tamperings_with_disagreements() {
    let mut world = world();
    ask(&mut world, "one", "hold", 7);
    ask(&mut world, "two", "refund", 7);
    let whole: Vec<Value> = lines(&world)
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let text = |records: &[Value]| records.iter().map(Value::to_string).collect::<Vec<_>>();
    let (holds, said) = judged(&text(&whole));
    assert!(holds, "{said}");
    for (what, tamper, fault) in TAMPERINGS {
        let mut records = whole.clone();
        tamper(&mut records);
        let (holds, said) = judged(&text(&records));
        assert!(!holds && said.contains(fault), "{what}: `{fault}` is not in {said}");
    }
}
