//! Agents that act for one another, in the ledger: what is recorded of a chain is enough to decide again.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use countersign_core::Event;
use countersign_core::policy::Decision;
use countersign_core::replay::Outcome;
use countersign_testkit::World;

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
