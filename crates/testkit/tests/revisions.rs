//! Laws of revisions over random histories: what is permitted is what a quorum approved, by its digest; where only
//! reviewers changed it, it is never more than was asked; and every revision follows from what was there.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::event::{ApprovalState, Verb};
use countersign_core::ids::ActionId;
use countersign_core::policy::{Action, Decimal, Value};
use countersign_core::replay::Outcome;
use countersign_core::{Event, Span};
use countersign_testkit::World;
use proptest::prelude::*;

const PEOPLE: [&str; 4] = ["ada", "ben", "cleo", "dora"];
const ADDRESSES: [&str; 4] = ["a", "b", "c", "d"];
/// The request that takes one, two people, and where an edit takes a second one.
const ACTIONS: [(&str, usize, bool); 3] = [("one", 1, false), ("two", 2, false), ("second", 1, true)];

const ACME: &str = "
organization: acme
routes:
  one: { steps: [{ to: [team:desk] }], editable: [/amount, /args/to] }
  two: { steps: [{ to: [team:desk], quorum: 2 }], editable: [/amount, /args/to] }
  second: { steps: [{ to: [team:desk] }], editable: [/amount, /args/to], edit_requires_second: true }
";
const GATE: &str = "
name: gate
rules:
- { condition: \"action == 'one'\", decision: require_approval, approvers: [one] }
- { condition: \"action == 'two'\", decision: require_approval, approvers: [two] }
- { condition: \"action == 'second'\", decision: require_approval, approvers: [second] }
- { condition: \"has(amount) && amount == 13\", decision: deny }
";

/// Never in the way; what they read has to be derived again as well.
const LIMITS: &str = "
limits:
- { name: day, count: 1000, sum: 100000 USD, within: 1d }
- { name: same-amount, per: amount, count: 1, within: 1h, at_cap: alert }
";

#[derive(Clone, Debug)]
enum Deed {
    Edit(usize, i64, u8),
    Revise(i64, u8),
    Vote(usize),
    Pass(u32),
}

fn deed(revising: bool) -> impl Strategy<Value = Deed> {
    let edit = (0..PEOPLE.len(), -2_i64..22, 0_u8..16).prop_map(|(who, amount, to)| Deed::Edit(who, amount, to));
    let revise = (1_i64..40, 1_u8..16).prop_map(|(amount, to)| Deed::Revise(amount, to));
    prop_oneof![
        6 => edit,
        if revising { 2 } else { 0 } => revise,
        6 => (0..PEOPLE.len()).prop_map(Deed::Vote),
        1 => (1_u32..10).prop_map(Deed::Pass),
    ]
}

fn addresses(mask: u8) -> Value {
    let chosen = (0..).zip(ADDRESSES).filter(|(bit, _)| mask & (1 << bit) != 0);
    Value::List(chosen.map(|(_, address)| Value::from(address)).collect())
}

fn world() -> World {
    let mut world = World::new();
    for person in PEOPLE {
        world.user(person, &["reviewer"], &["desk"], &[]);
    }
    world.agent("bot", "user:alex");
    world.policy(&[("acme.yaml", ACME), ("gate.yaml", GATE), ("limits.yaml", LIMITS)]);
    world
}

fn to(action: &Action) -> BTreeSet<&str> {
    let Some(Value::List(items)) = action.args.get("to") else {
        return BTreeSet::new();
    };
    items.iter().filter_map(Value::as_str).collect()
}

/// Carries a deed out; what is refused is refused.
fn carry_out(world: &mut World, action: ActionId, deed: &Deed) {
    match deed {
        Deed::Edit(who, amount, mask) => {
            let places = BTreeMap::from([
                ("/amount".to_owned(), Some(Value::Number(Decimal::from(*amount)))),
                ("/args/to".to_owned(), Some(addresses(*mask))),
            ]);
            let _ = world.edit(PEOPLE[*who], action, &places);
        }
        Deed::Revise(amount, mask) => {
            let args = Value::Map(BTreeMap::from([("to".to_owned(), addresses(*mask))]));
            let fields = [
                ("amount".to_owned(), Value::from(amount.to_string())),
                ("args".to_owned(), args),
            ];
            let _ = world.revise(action, &fields.into());
        }
        Deed::Vote(who) => {
            let _ = world.vote(PEOPLE[*who], action, Verb::Approve, None);
        }
        Deed::Pass(minutes) => world.pass(Span::minutes(i64::from(*minutes))),
    }
}

fn check(kind: usize, deeds: &[Deed], revising: bool) -> Result<bool, TestCaseError> {
    let (name, quorum, seconded) = ACTIONS[kind];
    let mut world = world();
    let body = format!(r#"{{"action":"{name}","amount":"20","args":{{"to":["a","b","c","d"]}}}}"#);
    let action = world.submit("bot", &body).unwrap().decision.action_id;
    for deed in deeds {
        carry_out(&mut world, action, deed);
    }
    let view = world.view(action);
    prop_assert_eq!(world.refolded().hash(), world.state.hash());
    for derived in world.derived() {
        prop_assert_eq!(
            &derived.outcome,
            &Outcome::Agrees,
            "record {}: {}",
            derived.index,
            derived.kind
        );
    }
    let approval = view.approval.as_ref().unwrap();
    let Some((_, resolved)) = approval
        .resolved
        .as_ref()
        .filter(|(_, end)| end.state == ApprovalState::Approved)
    else {
        prop_assert!(view.permit.is_none());
        prop_assert!(world.redeem(action).is_err());
        return Ok(false);
    };
    prop_assert!(resolved.permit.is_some());
    // The digest is that of what is kept of the last revision, and a quorum of distinct people approved exactly that.
    let stands = world.as_it_stands(&view);
    let votes = world.records.iter().filter_map(|record| match &record.event {
        Event::ApprovalVoted(vote) if vote.counted && vote.digest == view.digest() => Some(vote),
        _other => None,
    });
    let voters: Vec<&str> = votes.map(|vote| vote.user.as_str()).collect();
    let distinct: BTreeSet<&str> = voters.iter().copied().collect();
    prop_assert_eq!(voters.len(), distinct.len());
    prop_assert!(distinct.len() >= quorum, "{:?}", distinct);
    let editor = view.revised().and_then(|revised| revised.event.edited_by.as_deref());
    if let Some(editor) = editor.filter(|_| seconded) {
        prop_assert!(distinct.iter().any(|voter| *voter != editor));
    }
    let amount = stands.amount.unwrap();
    prop_assert_ne!(
        amount,
        Decimal::from(13),
        "what policy denies is not made by a revision"
    );
    if !revising {
        prop_assert!(Decimal::ZERO < amount && amount <= Decimal::from(20));
        prop_assert!(!to(&stands).is_empty());
        prop_assert!(to(&stands).is_subset(&ADDRESSES.into()));
    }
    // Nothing else runs, and this once.
    for revision in &view.revisions {
        if revision.event.previous != view.digest() {
            prop_assert!(world.redeem_for(action, revision.event.previous).is_err());
        }
    }
    prop_assert!(world.redeem(action).is_ok());
    prop_assert!(world.redeem(action).is_err());
    Ok(!view.revisions.is_empty())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn what_reviewers_make_of_an_action_is_never_more_than_was_asked_and_has_its_quorum(
        kind in 0..ACTIONS.len(), deeds in prop::collection::vec(deed(false), 1..12),
    ) {
        check(kind, &deeds, false)?;
    }

    #[test]
    fn whatever_is_edited_and_revised_only_what_a_quorum_approved_by_its_digest_runs(
        kind in 0..ACTIONS.len(), deeds in prop::collection::vec(deed(true), 1..16),
    ) {
        check(kind, &deeds, true)?;
    }
}

#[test]
fn edits_and_revisions_both_end_in_a_permit_for_what_they_made() {
    let edited = [Deed::Edit(0, 7, 0b0110)];
    assert!(check(0, &edited, false).unwrap());
    let revised = [
        Deed::Vote(0),
        Deed::Revise(30, 0b0011),
        Deed::Vote(1),
        Deed::Edit(2, 21, 0b0001),
        Deed::Vote(0),
    ];
    assert!(check(1, &revised, true).unwrap());
    let seconded = [Deed::Edit(3, 5, 0b1000), Deed::Vote(3), Deed::Vote(2)];
    assert!(check(2, &seconded, false).unwrap());
}
