//! What would have to be different is true: applied, it gives the answer that it names.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bundle;

use std::collections::BTreeMap;

use countersign_policy::condition::Fuel;
use countersign_policy::{Action, Context, Decimal, Decision, Hidden, Snapshot, Value};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};

use bundle::load;

/// Runs `work` with what an agent called `a` brings along.
fn with<T>(work: impl FnOnce(&Context<'_>) -> T) -> T {
    let agent = Value::Map(BTreeMap::from([("id".to_owned(), Value::from("a"))]));
    work(&Context::bare("a", &agent))
}

fn sentences(documents: &[&str], action: &Action) -> Vec<String> {
    let documents: Vec<String> = documents.iter().map(|text| (*text).to_owned()).collect();
    with(|ctx| {
        load(&documents)
            .counterfactuals(action, ctx)
            .iter()
            .map(|it| it.sentence())
            .collect()
    })
}

fn pay(amount: i64, env: &str) -> Action {
    Action {
        amount: Some(Decimal::from(amount)),
        env: Some(env.to_owned()),
        ..Action::of("pay")
    }
}

fn stored(snapshot: &Snapshot, action: &Action, fuel: &mut Fuel) -> Vec<String> {
    let is_marked = |text: &str| text.contains("[redacted");
    let hidden = Hidden::new(
        |value| matches!(value, Value::String(text) if text.contains("[redacted")),
        is_marked,
    );
    let found = with(|ctx| snapshot.counterfactuals_stored(action, ctx, &hidden, fuel));
    found.iter().map(|it| it.sentence()).collect()
}

#[test]
fn nothing_is_said_that_hangs_on_a_value_that_was_not_kept() {
    let gate = "name: g\nrules:\n\
        - { condition: has(amount), decision: allow }\n\
        - { condition: \"has(amount) && has(args.card) && amount > 1000 && !args.card.startsWith('4')\", decision: deny }\n";
    let snapshot = load(&[gate.to_owned()]);
    let action = |amount: i64, card: &str| Action {
        args: Value::Map(BTreeMap::from([("card".to_owned(), Value::from(card))])),
        ..pay(amount, "test")
    };
    let told = |action: &Action| stored(&snapshot, action, &mut Fuel::search());
    let denied = "deny, if `/amount` were 1000.01 instead of 100";
    assert!(told(&action(100, "5")).iter().any(|it| it == denied));
    // The value was 4111…, with which the greater amount is not denied by that rule.
    assert!(!told(&action(100, "[redacted]")).iter().any(|it| it == denied));
    // What the answer itself hangs on is not known either.
    assert!(!told(&action(2000, "5")).is_empty());
    assert_eq!(told(&action(2000, "[redacted]")), Vec::<String>::new());
}

#[test]
fn a_search_ends_with_its_fuel() {
    let gate = "name: g\nrules:\n\
        - { condition: \"has(amount) && has(args.list) && amount <= 500 && args.list.all(x, args.list.all(y, x + y >= 0))\", decision: allow }\n";
    let snapshot = load(&[gate.to_owned()]);
    let list = Value::List(vec![Value::Number(Decimal::ONE); 60]);
    let action = Action {
        args: Value::Map(BTreeMap::from([("list".to_owned(), list)])),
        ..pay(750, "test")
    };
    let mut fuel = Fuel::search();
    assert!(!stored(&snapshot, &action, &mut fuel).is_empty());
    let spent = Fuel::search().left() - fuel.left();
    assert!(spent > 1000 && fuel.left() > 0, "{spent}");
    for units in [0, 1] {
        let mut little = Fuel::new(units);
        assert_eq!(stored(&snapshot, &action, &mut little), Vec::<String>::new());
        assert_eq!(little.left(), 0, "and no more than one evaluation began");
    }
}

#[test]
fn the_nearest_amount_and_the_other_environment_are_found() {
    let gate = "name: g\nrules:\n\
        - { condition: \"has(amount) && amount > 500 && env == 'production'\", decision: deny }\n\
        - { condition: \"has(amount) && amount > 100 && amount <= 500 && env == 'production'\", decision: require_approval }\n\
        - { condition: \"env in ['staging', 'production']\", decision: allow }\n";
    let found = sentences(&[gate], &pay(750, "production"));
    let wanted = [
        "allow, if `/amount` were 100 instead of 750",
        "require_approval, if `/amount` were 500 instead of 750",
    ];
    assert_eq!(found, wanted);
    let test = sentences(&[gate], &pay(750, "test"));
    assert_eq!(test, ["allow, if `/env` were \"staging\" instead of \"test\""]);
}

#[test]
fn the_bound_of_a_mandate_and_its_environments_are_tried_together() {
    let mandate = "agent: a\nenvironments: [staging]\npermissions:\n- { action: pay, allowed: true, max_amount: 500, over_max: deny }\n";
    let found = sentences(&[mandate], &pay(750, "production"));
    let wanted = ["allow, if `/amount` were 500 instead of 750 and `/env` were \"staging\" instead of \"production\""];
    assert_eq!(found, wanted);
}

#[test]
fn what_an_allowance_rests_on_is_told_as_well() {
    let gate = "name: g\nrules:\n\
        - { decision: allow }\n\
        - { condition: \"has(args.force) && args.force == true\", decision: deny }\n";
    let found = sentences(&[gate], &Action::of("x"));
    assert_eq!(found, ["deny, if `/args/force` were true"]);
}

#[test]
fn what_nobody_states_is_not_offered() {
    let gate = "name: g\nrules:\n- { condition: \"has(agent.team) && agent.team == 'x'\", decision: allow }\n";
    assert_eq!(sentences(&[gate], &Action::of("x")), Vec::<String>::new());
}

fn condition() -> impl Strategy<Value = String> {
    let order = prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="]);
    let atom = prop_oneof![
        (order.clone(), 0..6i32).prop_map(|(order, n)| format!("(has(amount) && amount {order} {n})")),
        (order, 0..6i32).prop_map(|(order, n)| format!("(has(args.n) && args.n {order} {n}.5)")),
        prop::sample::select(vec!["prod", "test"]).prop_map(|env| format!("(has(env) && env == '{env}')")),
        Just("(has(labels.team) && labels.team in ['x', 'y'])".to_owned()),
        Just("(has(args.to) && args.to.endsWith('@a'))".to_owned()),
        Just("(has(args.force) && args.force)".to_owned()),
        Just("(has(resource.owner) && resource.owner == 'ann')".to_owned()),
        Just("(has(args.deep.x) && args.deep.x == 1)".to_owned()),
    ];
    atom.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            inner.prop_map(|a| format!("!{a}")),
        ]
    })
}

fn rules() -> impl Strategy<Value = String> {
    let decision = prop::sample::select(vec!["allow", "allow", "require_approval", "deny"]);
    let rule = (condition(), decision)
        .prop_map(|(condition, decision)| format!("- {{ condition: \"{condition}\", decision: {decision} }}\n"));
    prop::collection::vec(rule, 1..5).prop_map(|rules| rules.concat())
}

fn action() -> impl Strategy<Value = (Option<i64>, Option<&'static str>, Option<i64>, Option<&'static str>)> {
    (
        prop::option::of(0..7i64),
        prop::option::of(prop::sample::select(vec!["prod", "test", "dev"])),
        prop::option::of(0..7i64),
        prop::option::of(prop::sample::select(vec!["b@a", "b@c"])),
    )
}

#[test]
fn applied_each_gives_the_answer_that_it_names_and_no_part_of_it_does() {
    let config = ProptestConfig {
        cases: 400,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(20_261_127),
        ..ProptestConfig::default()
    };
    let counted = std::cell::Cell::new((0, 0));
    TestRunner::new(config)
        .run(&(rules(), action()), |(rules, (amount, env, n, to))| {
            let snapshot = load(&[format!("name: g\nrules:\n{rules}")]);
            let number = |n: i64| Value::Number(Decimal::from(n));
            let args = [("n", n.map(number)), ("to", to.map(Value::from))];
            let args = args
                .into_iter()
                .filter_map(|(key, value)| Some((key.to_owned(), value?)));
            let action = Action {
                amount: amount.map(Decimal::from),
                env: env.map(str::to_owned),
                args: Value::Map(args.collect()),
                ..Action::of("x")
            };
            with(|ctx| {
                let before = snapshot.evaluate(&action, ctx).decision;
                let decide = |found: &countersign_policy::Counterfactual| {
                    snapshot.evaluate(&found.apply(&action).unwrap(), ctx).decision
                };
                for found in snapshot.counterfactuals(&action, ctx) {
                    prop_assert_ne!(found.decision, before);
                    prop_assert_eq!(decide(&found), found.decision, "{} {}", found.sentence(), rules);
                    let (one, several) = counted.get();
                    counted.set((one + 1, several + usize::from(found.changes.len() > 1)));
                    for at in 0..found.changes.len() {
                        let mut part = found.clone();
                        part.changes.remove(at);
                        prop_assert!(decide(&part) != found.decision, "{} {}", found.sentence(), rules);
                    }
                }
                Ok(())
            })
        })
        .unwrap();
    let (one, several) = counted.get();
    assert!(one > 200 && several > 5, "{one} {several}");
    assert!(Decision::Allow < Decision::Deny);
}
