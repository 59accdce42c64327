//! Routes that want to know surely who approves: what nobody signed grants nothing there, however the request came to them.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use std::collections::BTreeMap;

use countersign_core::event::Verb;
use countersign_core::ids::ActionId;
use countersign_core::policy::{Decimal, Value};
use countersign_testkit::World;

const ACME: &str = "
organization: acme
teams: [desk]
routes:
  easy: { steps: [{ to: [team:desk], quorum: 2 }], editable: [/amount] }
  sure: { steps: [{ to: [team:desk], quorum: 2 }], editable: [/amount], assurance: webauthn }
";
/// Much money, and odd sums, go the sure way.
const GATE: &str = "
name: gate
rules:
- { condition: \"has(amount) && amount < 500 && amount != 13\", decision: require_approval, approvers: [easy] }
- { condition: \"has(amount) && (amount >= 500 || amount == 13)\", decision: require_approval, approvers: [sure] }
";

fn world() -> World {
    let mut world = World::new();
    for person in ["ada", "ben", "cleo"] {
        world.user(person, &["reviewer"], &["desk"], &[]);
    }
    world.agent("bot", "user:alex");
    world.policy(&[("acme.yaml", ACME), ("gate.yaml", GATE)]);
    world
}

fn asked(world: &mut World, amount: &str) -> ActionId {
    let body = format!("{{\"action\": \"pay\", \"amount\": \"{amount}\"}}");
    world.submit("bot", &body).unwrap().decision.action_id
}

fn approve(world: &mut World, user: &str, action: ActionId) -> Result<(), &'static str> {
    world
        .vote(user, action, Verb::Approve, None)
        .map_err(|refusal| refusal.code)
}

fn granted(world: &World, action: ActionId) -> bool {
    world.view(action).permit.is_some()
}

#[test]
fn a_sure_route_takes_signed_approvals_alone_and_lets_anybody_reject() {
    let mut world = world();
    let action = asked(&mut world, "900");
    assert_eq!(approve(&mut world, "ada", action), Err("assurance_required"));
    world.signing = true;
    approve(&mut world, "ada", action).unwrap();
    approve(&mut world, "ben", action).unwrap();
    assert!(granted(&world, action));
    let other = asked(&mut world, "900");
    world.signing = false;
    world.vote("ada", other, Verb::Reject, Some("not now")).unwrap();
}

#[test]
fn an_agent_that_asks_for_more_after_an_easy_approval_has_to_have_all_approvals_signed() {
    let mut world = world();
    let action = asked(&mut world, "400");
    approve(&mut world, "ada", action).unwrap();
    let more = BTreeMap::from([("amount".to_owned(), Value::from("900"))]);
    world.revise(action, &more).unwrap();
    world.signing = true;
    approve(&mut world, "ben", action).unwrap();
    assert!(
        !granted(&world, action),
        "what ada approved unsigned is no approval any more"
    );
    approve(&mut world, "ada", action).unwrap();
    assert!(granted(&world, action));
}

#[test]
fn an_edit_that_leads_to_a_sure_route_has_to_be_signed_itself_and_keeps_no_unsigned_vote() {
    let mut world = world();
    let action = asked(&mut world, "400");
    approve(&mut world, "ada", action).unwrap();
    let odd = BTreeMap::from([("/amount".to_owned(), Some(Value::Number(Decimal::from(13))))]);
    assert_eq!(
        world.edit("ben", action, &odd).map_err(|refusal| refusal.code),
        Err("assurance_required")
    );
    world.signing = true;
    world.edit("ben", action, &odd).unwrap();
    assert!(!granted(&world, action));
    approve(&mut world, "cleo", action).unwrap();
    assert!(granted(&world, action), "{:#?}", world.view(action).approval);
}

#[test]
fn a_policy_that_wants_it_surely_by_now_takes_no_easy_approval() {
    let mut world = world();
    let action = asked(&mut world, "400");
    approve(&mut world, "ada", action).unwrap();
    let raised = ACME.replace("editable: [/amount] }", "editable: [/amount], assurance: mfa }");
    world.policy(&[("acme.yaml", &raised), ("gate.yaml", GATE)]);
    let outcome = approve(&mut world, "ben", action);
    assert!(!granted(&world, action), "{outcome:?}");
}
