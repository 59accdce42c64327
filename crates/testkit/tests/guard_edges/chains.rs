//! Chains of agents: how long they may be, and which calls prove something.

use countersign_core::event::{OutcomeStatus, Scope};
use countersign_core::ids::ActionId;
use countersign_core::record::ActorKind;
use countersign_core::{Answer, Command};
use countersign_policy::Decision;
use countersign_testkit::{World, by};

use crate::MICROSECOND;

const TRIAGE: &str = "
agent: triage
delegation: { may_call: [refunds] }
permissions: [{ action: read, allowed: true }]
";

const REFUNDS: &str = "
agent: refunds
permissions: [{ action: read, allowed: true }]
";

/// A world in which `triage` has called `refunds`, and the link that says so.
fn called() -> (World, ActionId, String) {
    let mut world = World::new();
    for admin in ["alex", "blake"] {
        world.user(admin, &["admin"], &[], &[]);
    }
    world.agent("triage", "team:support");
    world.agent("refunds", "team:billing");
    world.policy(&[("triage.yaml", TRIAGE), ("refunds.yaml", REFUNDS)]);
    let call = world.submit("triage", r#"{"tool":"agent/refunds"}"#).unwrap();
    let id = call.decision.action_id;
    (world, id, format!(r#"{{"agent":"triage","action":"{id}"}}"#))
}

fn read_for(world: &mut World, links: &[String]) -> (Decision, String) {
    let body = format!(r#"{{"action":"read","delegation":[{}]}}"#, links.join(","));
    let decided = world.submit("refunds", &body).unwrap().decision;
    (decided.decision, decided.reasons[0].message.clone())
}

#[test]
fn a_chain_of_eight_is_looked_at_link_by_link_and_one_of_nine_is_not() {
    let (mut world, _, link) = called();
    assert_eq!(read_for(&mut world, std::slice::from_ref(&link)).0, Decision::Allow);
    // The second link is no call that `refunds` made.
    let (decision, eight) = read_for(&mut world, &vec![link.clone(); 8]);
    assert_eq!(decision, Decision::Deny);
    let (decision, nine) = read_for(&mut world, &vec![link; 9]);
    assert_eq!(decision, Decision::Deny);
    assert!(eight.ends_with("the action calls another agent"), "{eight}");
    assert!(nine.ends_with("a chain has at most 8 links"), "{nine}");
}

#[test]
fn a_call_that_was_stopped_or_is_over_proves_nothing() {
    let (mut world, call, link) = called();
    world.redeem(call).unwrap();
    assert_eq!(read_for(&mut world, std::slice::from_ref(&link)).0, Decision::Allow);
    world.report(call, OutcomeStatus::Succeeded, None).unwrap();
    assert_eq!(read_for(&mut world, std::slice::from_ref(&link)).0, Decision::Deny);

    let (mut world, call, link) = called();
    world.redeem(call).unwrap();
    let scope = || Scope::Agent("triage".into());
    world.done(Command::Kill {
        scope: scope(),
        reason: None,
    });
    for admin in ["alex", "blake"] {
        let release = Command::Release {
            scope: scope(),
            reason: None,
        };
        assert!(matches!(
            world.give(by(ActorKind::User, admin), release).0,
            Answer::Done
        ));
    }
    let (decision, why) = read_for(&mut world, &[link]);
    assert_eq!(decision, Decision::Deny);
    assert!(
        why.ends_with("the call is over, was not permitted, or was stopped"),
        "{why}"
    );

    // A permit proves the call until it ends, used or not.
    let (mut world, call, link) = called();
    let expires = world.view(call).decision.permit.unwrap().expires;
    world.now = expires - MICROSECOND;
    assert_eq!(read_for(&mut world, std::slice::from_ref(&link)).0, Decision::Allow);
    world.now = expires;
    assert_eq!(read_for(&mut world, &[link]).0, Decision::Deny);
}
