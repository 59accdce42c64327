//! Output rules: what the result of an action may let out, and how rules add up.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod bundle;

use std::collections::BTreeMap;

use countersign_policy::output::{Handled, MostBytes, Outputs, Treatment, Withheld};
use countersign_policy::{Action, Context, Decision, Member, Snapshot, Standing, Value, Verdict};
use proptest::prelude::*;

use bundle::{load, refused};

const OPEN: &str = "name: open\nrules:\n- { decision: allow }\n";

fn verdict(snapshot: &Snapshot, action: &Action) -> Verdict {
    let agent = Value::Map(BTreeMap::from([("id".to_owned(), Value::from("a"))]));
    snapshot.evaluate(action, &Context::bare("a", &agent))
}

fn words(documents: &[&str], action: &Action) -> String {
    verdict(&load(documents), action).outputs.words()
}

fn with_args(name: &str, args: &[(&str, Value)]) -> Action {
    let args = args.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    Action {
        args: Value::Map(args.collect()),
        ..Action::of(name)
    }
}

#[test]
fn a_rule_is_about_what_it_selects_and_holds_where_its_condition_does() {
    let rules = "outputs:
- { name: cards, on: { action: read }, redact: [card, iban] }
- { name: big, condition: \"has(args.all) && args.all == true\", max_bytes: 100, flag: email }
- { name: dumps, on: [{ action: 'dump*' }], withhold: all }
";
    assert_eq!(words(&[OPEN, rules], &Action::of("read")), "redact card, iban");
    assert_eq!(words(&[OPEN, rules], &Action::of("dump_table")), "withhold all");
    assert_eq!(words(&[OPEN, rules], &Action::of("write")), "");
    let all = with_args("read", &[("all", Value::Bool(true))]);
    assert_eq!(
        words(&[OPEN, rules], &all),
        "flag email; redact card, iban; withhold beyond 100 bytes"
    );
}

#[test]
fn of_several_rules_the_stricter_wins_and_is_named() {
    let rules = [
        "outputs:\n- { name: b, redact: [card], max_bytes: 500 }\n",
        "outputs:\n- { name: c, withhold: [card], max_bytes: 50 }\n",
        "outputs:\n- { name: a, flag: [card], redact: [email] }\n",
    ];
    let outputs = verdict(&load(&[OPEN, rules[0], rules[1], rules[2]]), &Action::of("x")).outputs;
    assert_eq!(outputs.words(), "redact email; withhold card; withhold beyond 50 bytes");
    assert_eq!(outputs.kinds["card"].rule, "outputs#c");
    assert_eq!(outputs.max_bytes.unwrap().rule, "outputs#c");
    let other = verdict(&load(&[rules[2], rules[1], OPEN, rules[0]]), &Action::of("x")).outputs;
    assert_eq!(other.kinds, outputs.kinds);
}

#[test]
fn a_rule_that_cannot_be_evaluated_keeps_the_result_back_and_says_why() {
    let rules = "outputs:\n- { name: broken, condition: \"has(args.n) && args.n > 3\", flag: [card] }\n";
    let snapshot = load(&[OPEN, rules]);
    let verdict = verdict(&snapshot, &with_args("x", &[("n", Value::from("three"))]));
    // What may run runs: that its result is of no use is told by the result.
    assert_eq!(verdict.decision, Decision::Allow);
    let withheld = verdict.outputs.withheld.unwrap();
    assert_eq!(withheld.rule, "outputs#broken");
    assert!(withheld.why.contains("cannot be evaluated"), "{}", withheld.why);
}

#[test]
fn what_is_denied_has_no_result() {
    let gate = "name: open\nrules:\n- { decision: deny }\n";
    let rules = "outputs:\n- { name: cards, redact: [card] }\n";
    assert!(verdict(&load(&[gate, rules]), &Action::of("x")).outputs.is_empty());
}

#[test]
fn what_any_agent_of_a_chain_may_not_let_out_is_not_let_out() {
    let mandates = [
        "agent: a\ndelegation: { may_be_called_by: [boss] }\npermissions: [{ action: read, allowed: true }]\n",
        "agent: boss\ndelegation: { may_call: [a] }\npermissions: [{ action: read, allowed: true }]\n",
        "outputs:\n- { name: of-boss, on: { agent: boss }, redact: [card] }\n",
    ];
    let snapshot = load(&mandates);
    let named = |id: &str| Value::Map(BTreeMap::from([("id".to_owned(), Value::from(id))]));
    let (own, boss) = (named("a"), named("boss"));
    let chain = [Member {
        id: "boss",
        agent: &boss,
        standing: Standing::Active,
    }];
    let read = Action::of("read");
    let alone = snapshot.evaluate(&read, &Context::bare("a", &own));
    assert_eq!(
        (alone.decision, alone.outputs.words()),
        (Decision::Allow, String::new())
    );
    let called = snapshot.evaluate(
        &read,
        &Context {
            chain: &chain,
            ..Context::bare("a", &own)
        },
    );
    assert_eq!(called.decision, Decision::Allow, "{:?}", called.reasons);
    assert_eq!(called.outputs.words(), "redact card");
}

#[test]
fn what_a_rule_must_not_say_is_refused_at_its_line() {
    let one = |rest: &str| refused(&[format!("outputs:\n- {{ {rest} }}\n")]);
    assert_eq!(one("redact: [card]"), [("missing_field", 2)]);
    assert_eq!(one("name: o"), [("missing_field", 2)]);
    assert_eq!(one("name: o, redact: [cards]"), [("unknown_value", 2)]);
    assert_eq!(one("name: o, redact: []"), [("empty", 2)]);
    assert_eq!(one("name: o, redact: [card], flag: [card]"), [("contradiction", 2)]);
    assert_eq!(one("name: o, withhold: all, max_bytes: 5"), [("no_effect", 2)]);
    assert_eq!(one("name: o, max_bytes: 0"), [("wrong_type", 2)]);
    assert_eq!(one("name: o, on: [], flag: [card]"), [("empty_selector", 2)]);
    let twice = "outputs:\n- { name: o, flag: [card] }\n- { name: o, flag: [ssn] }\n";
    assert_eq!(refused(&[twice]), [("duplicate_document", 3)]);
}

#[test]
fn a_rule_that_can_never_hold_is_found_and_so_is_a_tool_that_nobody_lists() {
    let rules = "outputs:
- { name: never, condition: \"action == 'read' && action == 'write'\", flag: [card] }
- { name: unlisted, on: [{ tool: crm/raed }], flag: [card] }
";
    let snapshot = load(&["tools:\n  crm/read: { risk: R0 }\n", rules]);
    let codes: Vec<&str> = snapshot.lint().iter().map(|problem| problem.code).collect();
    assert!(
        codes.contains(&"unreachable") || codes.contains(&"never_true"),
        "{codes:?}"
    );
    assert!(codes.contains(&"unknown_tool"), "{codes:?}");
}

#[test]
fn a_test_can_say_all_that_a_result_may_let_out() {
    let rules = "outputs:\n- { name: cards, redact: [card], max_bytes: 10 }\n";
    let tests = |expected: &str| {
        let text = format!("tests:\n- {{ name: t, agent: a, action: x, expect: allow, outputs: {{ {expected} }} }}\n");
        load(&[OPEN, rules, text.as_str()]).run_tests()[0].failures.clone()
    };
    assert_eq!(tests("redact: card, max_bytes: 10"), Vec::<String>::new());
    let wrong = tests("flag: [card]");
    assert_eq!(
        wrong,
        ["expected outputs [flag card], got [redact card; withhold beyond 10 bytes]"]
    );
}

#[test]
fn why_says_what_a_rule_asks_for() {
    let rules = "outputs:\n- { name: cards, on: { action: read }, redact: [card] }\n";
    let snapshot = load(&[OPEN, rules]);
    let agent = Value::Map(BTreeMap::new());
    let told = |action: &str| {
        let traces = snapshot.explain(&Action::of(action), &Context::bare("a", &agent));
        let of = traces.into_iter().find(|trace| trace.document == "outputs").unwrap();
        (of.matched, of.why)
    };
    let holds = "it always applies; of the result: redact card".to_owned();
    assert_eq!(told("read"), (true, holds));
    assert_eq!(
        told("write"),
        (false, "no entry of `on` matches: on[0] by `action`".to_owned())
    );
}

fn treatments() -> impl Strategy<Value = Treatment> {
    prop_oneof![
        Just(Treatment::Flag),
        Just(Treatment::Redact),
        Just(Treatment::Withhold)
    ]
}

fn asked() -> impl Strategy<Value = Outputs> {
    let rule = || "[a-c]";
    let handled = (treatments(), rule()).prop_map(|(treatment, rule)| Handled { rule, treatment });
    let kinds = proptest::collection::btree_map("card|ssn|email", handled, 0..3);
    let most = (1_u32..4, rule()).prop_map(|(bytes, rule)| MostBytes { bytes, rule });
    let withheld = (rule(), "[x-z]").prop_map(|(rule, why)| Withheld { rule, why });
    let parts = (kinds, proptest::option::of(most), proptest::option::of(withheld));
    parts.prop_map(|(kinds, max_bytes, withheld)| Outputs {
        kinds,
        max_bytes,
        withheld,
    })
}

fn both(one: &Outputs, other: &Outputs) -> Outputs {
    let mut both = one.clone();
    both.merge(other);
    both
}

proptest! {
    #[test]
    fn in_whatever_order_rules_come_the_same_comes_of_them(a in asked(), b in asked(), c in asked()) {
        prop_assert_eq!(both(&a, &b), both(&b, &a));
        prop_assert_eq!(both(&both(&a, &b), &c), both(&a, &both(&b, &c)));
        prop_assert_eq!(both(&a, &a), a.clone());
    }

    #[test]
    fn another_rule_never_loosens(a in asked(), b in asked()) {
        let sum = both(&a, &b);
        for (kind, handled) in a.kinds {
            prop_assert!(sum.kinds[&kind].treatment >= handled.treatment);
        }
        let bytes = |most: &Option<MostBytes>| most.as_ref().map_or(u32::MAX, |most| most.bytes);
        prop_assert!(bytes(&sum.max_bytes) <= bytes(&a.max_bytes));
        prop_assert!(sum.withheld.is_some() || a.withheld.is_none());
    }
}
