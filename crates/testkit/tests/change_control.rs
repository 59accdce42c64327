//! Another policy becomes live once people have agreed, where the policy that is live wants that.

use std::sync::Arc;

use countersign_core::command::Sealed;
use countersign_core::{Command, Event, Span};
use countersign_testkit::World;

const CONTROL: &str = "organization: acme
teams: [governance]
change_control: { policies: { approvers: [team:governance], quorum: 2, within: 12h } }
";
const GATE: &str = "name: gate\nrules: [{ decision: allow }]\n";
const STRICT: &str = "name: gate\nrules: [{ decision: deny }]\n";

fn world() -> World {
    let mut world = World::new();
    for person in ["ada", "ben", "cleo"] {
        world.user(person, &["reviewer"], &["governance"], &[]);
    }
    world.user("vera", &["viewer"], &["governance"], &[]);
    world.user("paul", &["policy_author"], &[], &[]);
    world.policy(&[("org.yaml", CONTROL), ("gate.yaml", GATE)]);
    world
}

fn activate(world: &mut World, who: &str, hash: &Arc<str>) -> String {
    let command = Command::ActivateSnapshot {
        hash: hash.clone(),
        rationale: Some(words()),
    };
    world.told(who, command)
}

fn judge(world: &mut World, who: &str, hash: &Arc<str>, agrees: bool, comment: bool) -> String {
    let command = Command::JudgeSnapshot {
        hash: hash.clone(),
        proposal: world.state.proposal().and_then(|known| known.id),
        agrees,
        comment: comment.then(words),
    };
    world.told(who, command)
}

fn words() -> Sealed {
    let value = countersign_policy::Value::Map(Default::default());
    let redactor = countersign_core::redact::Redactor::standard();
    countersign_core::stored::store_value(&value, &redactor, &Default::default(), [0; 32], "default").0
}

fn kinds(world: &World, from: usize) -> Vec<&'static str> {
    let new = world.records.iter().skip(from);
    new.map(|record| record.event.kind()).collect()
}

#[test]
fn a_policy_becomes_live_when_the_quorum_of_others_has_agreed() {
    let mut world = world();
    let (old, from) = (world.state.live().cloned(), world.records.len());
    let strict = world.upload(&[("org.yaml", CONTROL), ("gate.yaml", STRICT)]);
    assert_eq!(activate(&mut world, "ada", &strict), "done");
    assert_eq!(world.state.live(), old.as_ref());
    assert_eq!(activate(&mut world, "ben", &strict), "already_proposed");

    assert_eq!(judge(&mut world, "ada", &strict, true, false), "self_approval");
    assert_eq!(judge(&mut world, "vera", &strict, true, false), "not_eligible");
    assert_eq!(judge(&mut world, "paul", &strict, true, false), "not_eligible");
    assert_eq!(judge(&mut world, "ben", &strict, true, false), "done");
    assert_eq!(judge(&mut world, "ben", &strict, true, false), "already_voted");
    assert_eq!(world.state.live(), old.as_ref());
    assert_eq!(judge(&mut world, "cleo", &strict, true, false), "done");
    assert_eq!(world.state.live(), Some(&strict));
    assert!(world.state.proposal().is_none());
    assert_eq!(
        kinds(&world, from),
        [
            "snapshot.uploaded",
            "snapshot.proposed",
            "snapshot.judged",
            "snapshot.judged",
            "snapshot.activated"
        ]
    );
    let last = world.records.last().map(|record| &record.event);
    assert!(matches!(last, Some(Event::SnapshotActivated(e)) if e.approved_by == ["ben", "cleo"] && !e.rollback));
    assert_eq!(judge(&mut world, "ben", &strict, true, false), "not_proposed");
    assert_eq!(world.refolded().hash(), world.state.hash());
}

#[test]
fn who_was_removed_meanwhile_has_not_agreed() {
    let mut world = world();
    let strict = world.upload(&[("gate.yaml", STRICT)]);
    activate(&mut world, "paul", &strict);
    judge(&mut world, "ada", &strict, true, false);
    world.done(Command::RemoveUser("ada".to_owned()));
    assert_eq!(judge(&mut world, "ben", &strict, true, false), "done");
    assert_ne!(world.state.live(), Some(&strict));
    assert_eq!(judge(&mut world, "cleo", &strict, true, false), "done");
    assert_eq!(world.state.live(), Some(&strict));
}

#[test]
fn one_rejection_with_a_reason_leaves_the_old_policy_live() {
    let mut world = world();
    let old = world.state.live().cloned();
    let strict = world.upload(&[("gate.yaml", STRICT)]);
    activate(&mut world, "paul", &strict);
    judge(&mut world, "ada", &strict, true, false);
    assert_eq!(judge(&mut world, "ben", &strict, false, false), "reason_required");
    let from = world.records.len();
    assert_eq!(judge(&mut world, "ben", &strict, false, true), "done");
    assert_eq!(kinds(&world, from), ["snapshot.judged", "snapshot.declined"]);
    assert_eq!(world.state.live(), old.as_ref());
    assert_eq!(judge(&mut world, "cleo", &strict, true, false), "not_proposed");
    // It may be proposed anew, and nobody has agreed to that yet.
    assert_eq!(activate(&mut world, "paul", &strict), "done");
    assert_eq!(judge(&mut world, "cleo", &strict, true, false), "done");
    assert_eq!(world.state.live(), old.as_ref());
}

#[test]
fn a_proposal_ends_at_its_time_and_not_before() {
    let mut world = world();
    let old = world.state.live().cloned();
    let strict = world.upload(&[("gate.yaml", STRICT)]);
    activate(&mut world, "paul", &strict);
    let until = world.state.proposal().map(|proposal| proposal.until);
    world.pass(Span(Span::hours(12).0 - 1_000_000));
    assert!(world.state.proposal().is_some());
    let from = world.records.len();
    world.pass(Span::seconds(2));
    assert!(until.is_some_and(|until| until <= world.now));
    assert_eq!(kinds(&world, from), ["snapshot.declined"]);
    assert_eq!(judge(&mut world, "ada", &strict, true, false), "not_proposed");
    assert_eq!(world.state.live(), old.as_ref());
}

#[test]
fn another_proposal_takes_the_place_of_the_first() {
    let mut world = world();
    let (first, second) = (
        world.upload(&[("gate.yaml", STRICT)]),
        world.upload(&[("gate.yaml", GATE)]),
    );
    activate(&mut world, "paul", &first);
    judge(&mut world, "ada", &first, true, false);
    let from = world.records.len();
    assert_eq!(activate(&mut world, "paul", &second), "done");
    assert_eq!(kinds(&world, from), ["snapshot.declined", "snapshot.proposed"]);
    assert_eq!(judge(&mut world, "ben", &first, true, false), "not_proposed");
    judge(&mut world, "ben", &second, true, false);
    assert_ne!(world.state.live(), Some(&second));
}

#[test]
fn switching_it_off_or_going_back_needs_the_same_people() {
    let mut world = world();
    let before = world.upload(&[("gate.yaml", GATE)]);
    let controlled = world.state.live().cloned();
    assert_eq!(activate(&mut world, "paul", &before), "done");
    assert_eq!(world.state.live(), controlled.as_ref());
    judge(&mut world, "ada", &before, true, false);
    judge(&mut world, "ben", &before, true, false);
    assert_eq!(world.state.live(), Some(&before));
    // Without the rule, one person is enough; with it again, going back is a change as well.
    let strict = world.upload(&[("org.yaml", CONTROL), ("gate.yaml", STRICT)]);
    assert_eq!(activate(&mut world, "paul", &strict), "done");
    assert_eq!(world.state.live(), Some(&strict));
    let back = Command::RollBack {
        from: None,
        rationale: Some(words()),
    };
    assert_eq!(world.told("paul", back), "done");
    assert_eq!(world.state.live(), Some(&strict));
    assert_eq!(world.state.proposal().map(|proposal| &proposal.hash), Some(&before));
}

#[test]
fn nobody_is_asked_before_two_others_could_agree() {
    let mut world = world();
    world.done(Command::RemoveUser("cleo".to_owned()));
    let strict = world.upload(&[("org.yaml", CONTROL), ("gate.yaml", STRICT)]);
    assert_eq!(activate(&mut world, "ada", &strict), "done");
    assert_eq!(world.state.live(), Some(&strict));
    let gate = world.upload(&[("org.yaml", CONTROL), ("gate.yaml", GATE)]);
    assert_eq!(activate(&mut world, "paul", &gate), "done");
    assert_eq!(world.state.live(), Some(&strict));
}

#[test]
fn who_wants_another_policy_says_why_where_others_have_to_agree() {
    let mut world = world();
    let strict = world.upload(&[("gate.yaml", STRICT)]);
    let silent = Command::ActivateSnapshot {
        hash: strict,
        rationale: None,
    };
    assert_eq!(world.told("paul", silent), "reason_required");
    assert!(world.state.proposal().is_none());
}
