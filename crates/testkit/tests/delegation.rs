//! Agents that act for one another, in the ledger: what is recorded of a chain is enough to decide again.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use countersign_core::event::{OutcomeStatus, Scope};
use countersign_core::ids::ActionId;
use countersign_core::policy::Decision;
use countersign_core::record::ActorKind;
use countersign_core::replay::Outcome;
use countersign_core::{Answer, Command, Event, Span};
use countersign_testkit::{World, by};

const TRIAGE: &str = "
agent: triage
delegation: { may_call: [refunds] }
permissions: [{ action: read, allowed: true }]
";
const REFUNDS: &str = "
agent: refunds
permissions: [{ action: read, allowed: true }, { action: refund, allowed: true }]
";

/// A world in which `triage` has called `refunds`, and the chain that says so.
fn called() -> (World, String) {
    let mut world = World::new();
    world.agent("triage", "team:support");
    world.agent("refunds", "team:billing");
    world.policy(&[("triage.yaml", TRIAGE), ("refunds.yaml", REFUNDS)]);
    let call = world.submit("triage", r#"{"tool":"agent/refunds"}"#).unwrap();
    let chain = format!(
        r#""delegation":[{{"agent":"triage","action":"{}"}}]"#,
        call.decision.action_id
    );
    (world, chain)
}

#[test]
fn a_decision_for_a_chain_is_derived_again_and_a_chain_that_was_left_out_is_noticed() {
    let (mut world, chain) = called();
    for (action, decision) in [("read", Decision::Allow), ("refund", Decision::Deny)] {
        let view = world
            .submit("refunds", &format!(r#"{{"action":"{action}",{chain}}}"#))
            .unwrap();
        assert_eq!(view.decision.decision, decision);
        let link = &view.decision.facts.delegation[0];
        assert_eq!((&*link.id, link.agent["owner"].as_str()), ("triage", "team:support"));
    }
    let unproven = r#"{"action":"read","delegation":["triage"]}"#;
    assert_eq!(
        world.submit("refunds", unproven).unwrap().decision.decision,
        Decision::Deny
    );
    let derived = world.derived();
    assert_eq!(derived.len(), 4);
    for derivation in &derived {
        assert_eq!(derivation.outcome, Outcome::Agrees, "{derivation:?}");
    }
    let mut records = world.records.clone();
    let mut left_out = 0;
    for record in &mut records {
        if let Event::DecisionMade(decision) = &mut record.event {
            left_out += decision.facts.delegation.drain(..).count();
        }
    }
    let differing = world.derived_from(&records, |seq| world.payload(seq).cloned());
    let differing = differing
        .iter()
        .filter(|it| matches!(it.outcome, Outcome::Differs { .. }));
    assert_eq!((left_out, differing.count()), (2, 2));
}

#[test]
fn a_permit_for_a_chain_is_not_used_once_a_new_policy_takes_the_call_away() {
    let (mut world, chain) = called();
    let read = world
        .submit("refunds", &format!(r#"{{"action":"read",{chain}}}"#))
        .unwrap();
    let without = TRIAGE.replace("[refunds]", "[other]");
    world.policy(&[("triage.yaml", &without), ("refunds.yaml", REFUNDS)]);
    assert_eq!(
        world.redeem(read.decision.action_id).unwrap_err().code,
        "policy_changed"
    );
    assert_eq!(world.refolded().hash(), world.state.hash());
}

/// The same with the call and the link that names it, alone.
fn linked() -> (World, ActionId, String) {
    let (mut world, chain) = called();
    world.user("blake", &["admin"], &[], &[]);
    let link = chain
        .strip_prefix(r#""delegation":["#)
        .and_then(|link| link.strip_suffix(']'));
    let call = *world.state.actions().keys().next().unwrap();
    (world, call, link.unwrap().to_owned())
}

fn read_for(world: &mut World, links: &[String]) -> (Decision, String) {
    let body = format!(r#"{{"action":"read","delegation":[{}]}}"#, links.join(","));
    let decided = world.submit("refunds", &body).unwrap().decision;
    (decided.decision, decided.reasons[0].message.clone())
}

#[test]
fn a_chain_of_eight_is_looked_at_link_by_link_and_one_of_nine_is_not() {
    let (mut world, _, link) = linked();
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
    let (mut world, call, link) = linked();
    world.redeem(call).unwrap();
    assert_eq!(read_for(&mut world, std::slice::from_ref(&link)).0, Decision::Allow);
    world.report(call, OutcomeStatus::Succeeded, None).unwrap();
    assert_eq!(read_for(&mut world, std::slice::from_ref(&link)).0, Decision::Deny);

    let (mut world, call, link) = linked();
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
    let (mut world, call, link) = linked();
    let expires = world.view(call).decision.permit.unwrap().expires;
    world.now = expires - Span(1);
    assert_eq!(read_for(&mut world, std::slice::from_ref(&link)).0, Decision::Allow);
    world.now = expires;
    assert_eq!(read_for(&mut world, &[link]).0, Decision::Deny);
}
