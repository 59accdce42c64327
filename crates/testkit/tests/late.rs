//! Votes on requests that have ended leave so many records, however many come at once.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use countersign_core::Span;
use countersign_core::event::Verb;
use countersign_core::ids::ActionId;
use countersign_testkit::World;

const GATE: &str = "name: gate\nrules:\n  - { decision: require_approval, approvers: [leads] }\n";

/// A request that ended, in a world with ten reviewers.
fn ended() -> (World, ActionId, Vec<String>) {
    let mut world = World::new();
    let users: Vec<String> = (0..10).map(|n| format!("user-{n}")).collect();
    for user in &users {
        world.user(user, &["reviewer"], &["leads"], &[]);
    }
    world.agent("bot", "team:ops");
    world.policy(&[("gate.yaml", GATE)]);
    let id = world.submit("bot", r#"{"action":"pay"}"#).unwrap().decision.action_id;
    world.vote("user-0", id, Verb::Approve, None).unwrap();
    (world, id, users)
}

#[test]
fn one_person_is_recorded_three_times_and_all_of_them_twenty_times() {
    let (mut world, id, users) = ended();
    let before = world.records.len();
    for _ in 0..5 {
        assert_eq!(
            world.vote("user-0", id, Verb::Reject, Some("no")).unwrap_err().code,
            "approval_closed"
        );
    }
    assert_eq!(world.records.len() - before, 3);
    for user in &users {
        for _ in 0..5 {
            assert_eq!(
                world.vote(user, id, Verb::Reject, Some("no")).unwrap_err().code,
                "approval_closed"
            );
        }
    }
    assert_eq!(world.records.len() - before, 20);
    // Nor later: the ledger knows them still.
    world.pass(Span::days(1));
    let before = world.records.len();
    assert!(world.vote("user-9", id, Verb::Reject, Some("no")).is_err());
    assert_eq!(world.records.len(), before);
    assert_eq!(world.refolded().hash(), world.state.hash());
}

#[test]
fn those_that_were_on_their_way_at_once_are_no_more() {
    let (mut world, id, _) = ended();
    // Whoever votes has read the request before any of the others was recorded.
    let view = world.view(id);
    let approval = view.approval.as_ref().unwrap().opened.clone();
    let snapshot = view.decided_under().map(|hash| hash.to_string()).unwrap_or_default();
    let before = world.records.len();
    for _ in 0..100 {
        let late = world.vote_for(
            "user-1",
            approval.approval,
            Verb::Reject,
            Some("no"),
            approval.digest,
            snapshot.clone(),
            view.clone(),
        );
        assert_eq!(late.unwrap_err().code, "approval_closed");
    }
    assert_eq!(world.records.len() - before, 20);
    assert_eq!(world.refolded().hash(), world.state.hash());
}
