//! What people agree to, take back and make live is what they saw, and a policy that cannot be read opens no way around them.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use std::sync::Arc;

use countersign_core::Command;
use countersign_core::command::TryCandidate;
use countersign_testkit::World;
use countersign_testkit::candidates::canary;

const LIVE: &str = "name: gate
rules:
- { condition: \"action == 'read'\", decision: allow }
- { condition: \"action == 'wipe'\", decision: deny }
";

fn world() -> World {
    let mut world = World::new();
    world.agent("bot-0", "team:ops");
    world.policy(&[("gate.yaml", LIVE)]);
    world
}

/// A world in which the people of governance have to agree to another policy.
fn controlled() -> World {
    let mut world = world();
    for person in ["ada", "ben", "cleo"] {
        world.user(person, &["reviewer"], &["governance"], &[]);
    }
    world.policy(&[("org.yaml", CONTROL_BY_ONE), ("gate.yaml", LIVE)]);
    world
}

const CONTROL_BY_ONE: &str = "organization: acme
teams: [governance]
change_control: { policies: { approvers: [team:governance], within: 12h } }
";

fn sealed() -> Option<countersign_core::command::Sealed> {
    let value = countersign_policy::Value::Map(Default::default());
    let redactor = countersign_core::redact::Redactor::standard();
    Some(countersign_core::stored::store_value(&value, &redactor, &Default::default(), [0; 32], "default").0)
}

#[test]
fn a_vote_for_a_canary_makes_nothing_live_when_something_else_is_wanted_by_then() {
    let mut world = controlled();
    let loose = world.upload(&[
        ("org.yaml", CONTROL_BY_ONE),
        ("gate.yaml", &LIVE.replace("deny", "allow")),
    ]);
    let live = world.state.live().cloned();
    let small = TryCandidate {
        hash: loose.clone(),
        canary: Some(canary(1, 20)),
        rationale: sealed(),
    };
    assert_eq!(world.told("ada", Command::TryCandidate(Box::new(small))), "done");
    let read = world.state.proposal().unwrap().id;
    assert!(read.is_some());
    let everybody = Command::ActivateSnapshot {
        hash: loose.clone(),
        rationale: sealed(),
    };
    assert_eq!(world.told("ada", everybody), "done");
    let vote = |proposal| Command::JudgeSnapshot {
        hash: loose.clone(),
        proposal,
        agrees: true,
        comment: None,
    };
    assert_eq!(world.told("ben", vote(read)), "another_proposal");
    assert_eq!(world.told("ben", vote(None)), "another_proposal");
    assert_eq!((world.state.live(), world.state.candidate()), (live.as_ref(), None));
    let now = world.state.proposal().unwrap().id;
    assert_ne!(now, read);
    assert_eq!(world.told("ben", vote(now)), "done");
    assert_eq!(world.state.live(), Some(&loose));
    world.holds_together();
}

#[test]
fn whoever_goes_back_or_promotes_means_the_policy_that_they_saw() {
    let mut world = world();
    let before = world.state.live().unwrap().clone();
    let one = world.upload(&[("gate.yaml", &LIVE.replace("wipe", "burn"))]);
    let two = world.upload(&[("gate.yaml", &LIVE.replace("wipe", "drop"))]);
    let back = |from: &Arc<str>| Command::RollBack {
        from: Some(from.clone()),
        rationale: None,
    };
    assert_eq!(world.try_candidate(&one, Some(canary(500, 20))), "done");
    // What is live is not what going back would take back while a canary decides.
    assert_eq!(world.told("alex", back(&before)), "another_snapshot");
    assert_eq!(
        world.told("alex", Command::PromoteCandidate(Some(two.clone()), None)),
        "another_snapshot"
    );
    assert_eq!(
        (world.state.live(), world.state.candidate().is_some()),
        (Some(&before), true)
    );
    assert_eq!(
        world.told("alex", Command::PromoteCandidate(Some(one.clone()), None)),
        "done"
    );
    // A colleague had the same thought a moment earlier.
    assert_eq!(world.told("alex", back(&one)), "done");
    assert_eq!(world.told("alex", back(&one)), "another_snapshot");
    assert_eq!(world.state.live(), Some(&before));
    world.holds_together();
}

#[test]
fn a_policy_that_cannot_be_read_lets_nobody_past_the_people_who_have_to_agree() {
    let mut world = controlled();
    let before = world.state.live().unwrap().clone();
    let strict = world.upload(&[
        ("org.yaml", CONTROL_BY_ONE),
        ("gate.yaml", &LIVE.replace("allow", "deny")),
    ]);
    let wanted = |hash: &Arc<str>| Command::ActivateSnapshot {
        hash: hash.clone(),
        rationale: sealed(),
    };
    assert_eq!(world.told("ada", wanted(&strict)), "done");
    let vote = Command::JudgeSnapshot {
        hash: strict.clone(),
        proposal: world.state.proposal().unwrap().id,
        agrees: true,
        comment: None,
    };
    assert_eq!(world.told("ben", vote), "done");
    world.lose_snapshot(&strict);
    let loose = world.upload(&[("gate.yaml", &LIVE.replace("deny", "allow"))]);
    assert_eq!(world.told("ada", wanted(&loose)), "policy_unavailable");
    assert_eq!(
        world.try_candidate(&loose, Some(canary(1000, 20))),
        "policy_unavailable"
    );
    assert_eq!(world.state.live(), Some(&strict));
    // Away from it leads the way back.
    let back = Command::RollBack {
        from: Some(strict),
        rationale: sealed(),
    };
    assert_eq!(world.told("ada", back), "done");
    assert_eq!(world.state.live(), Some(&before));
}
