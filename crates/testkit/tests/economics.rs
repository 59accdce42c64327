//! What people decided, by class of tools, counted until something goes wrong.
#![expect(clippy::unwrap_used, reason = "tests")]

use countersign_core::Span;
use countersign_core::event::{OutcomeStatus, Verb};
use countersign_core::state::{Tally, could_be_loosened};
use countersign_testkit::World;

const GATE: &str = "name: gate\nrules:\n  - { decision: require_approval, approvers: ['user:dana'] }\n";
const TOOLS: &str = "tools: [{ tool: pay, class: money }]\n";

fn world() -> World {
    let mut world = World::new();
    world.user("dana", &["reviewer"], &[], &[]);
    world.agent("bot", "team:ops");
    world.policy(&[("gate.yaml", GATE), ("tools.yaml", TOOLS)]);
    world
}

fn decide(world: &mut World, verb: Verb) -> countersign_core::ids::ActionId {
    let id = world
        .submit("bot", r#"{"action":"pay","tool":"pay"}"#)
        .unwrap()
        .decision
        .action_id;
    world.vote("dana", id, verb, Some("so")).unwrap();
    id
}

fn money(world: &World) -> Tally {
    *world.state.tallies().get("money").unwrap()
}

#[test]
fn a_class_of_which_people_stop_hardly_anything_could_be_loosened_until_something_fails() {
    let mut world = world();
    decide(&mut world, Verb::Reject);
    for _ in 0..298 {
        decide(&mut world, Verb::Approve);
    }
    assert!(!could_be_loosened(&money(&world)), "299 decisions are too few");
    let id = decide(&mut world, Verb::Approve);
    assert_eq!((money(&world).decided, money(&world).approved), (300, 299));
    assert!(could_be_loosened(&money(&world)));
    world.redeem(id).unwrap();
    world.report(id, OutcomeStatus::Failed, None).unwrap();
    let failed = money(&world);
    assert_eq!((failed.decided, failed.approved), (0, 0));
    assert_eq!(failed.since, world.records.last().unwrap().ts.max(failed.since));
    decide(&mut world, Verb::Approve);
    assert_eq!(money(&world).decided, 1);
    assert_eq!(world.refolded().hash(), world.state.hash());
}

#[test]
fn five_rejections_of_a_thousand_are_few_and_six_are_not() {
    let tally = |approved| Tally {
        approved,
        decided: 1000,
        last: countersign_testkit::BEGIN,
        since: countersign_testkit::BEGIN,
    };
    assert!(could_be_loosened(&tally(995)));
    assert!(!could_be_loosened(&tally(994)));
}

#[test]
fn votes_of_seven_days_ago_are_let_go_of_whoever_votes_next() {
    let mut world = world();
    world.user("erin", &["reviewer"], &[], &[]);
    decide(&mut world, Verb::Approve);
    world.pass(Span::days(7));
    let gate = GATE.replace("dana", "erin");
    world.policy(&[("gate.yaml", &gate), ("tools.yaml", TOOLS)]);
    let id = world
        .submit("bot", r#"{"action":"pay","tool":"pay"}"#)
        .unwrap()
        .decision
        .action_id;
    let kept = |world: &World| serde_json::to_value(world.state.reviewers()).unwrap()["votes"].clone();
    assert!(kept(&world)["dana"].is_array());
    world.vote("erin", id, Verb::Approve, None).unwrap();
    assert!(
        kept(&world)["dana"].is_null() && kept(&world)["erin"].is_array(),
        "{}",
        kept(&world)
    );
}
