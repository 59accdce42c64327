//! Laws of evaluation: order never matters, a denial never loosens, and nothing that outsiders send makes the loader panic.

mod bundle;

use std::collections::BTreeMap;

use countersign_policy::{Action, Context, Decimal, Decision, Reason, Snapshot, Value, Verdict};
use proptest::prelude::*;

use bundle::load;

fn action(name: &str, env: Option<&str>, amount: Option<i64>) -> Action {
    Action {
        env: env.map(str::to_owned),
        amount: amount.map(Decimal::from),
        ..Action::of(name)
    }
}

fn verdict(snapshot: &Snapshot, action: &Action) -> Verdict {
    let agent = Value::Map(BTreeMap::from([("id".to_owned(), Value::from("a"))]));
    snapshot.evaluate(
        action,
        &Context {
            accept_remedy: true,
            ..Context::bare("a", &agent)
        },
    )
}

/// What callers act on, without places, which move with the rules.
fn essence(verdict: &Verdict) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut demands: Vec<_> = verdict
        .demands
        .iter()
        .map(|demand| (demand.names.clone(), demand.quorum))
        .collect();
    // What no single rule says names rules by their number, which moves as well.
    let message = |r: &Reason| {
        if r.document.is_empty() || r.code == "rules_conflict" {
            String::new()
        } else {
            r.message.clone()
        }
    };
    let mut reasons: Vec<_> = verdict
        .reasons
        .iter()
        .map(|r| (r.decision, r.code.clone(), r.document.clone(), message(r)))
        .collect();
    reasons.sort();
    demands.sort();
    (
        verdict.decision,
        verdict.constraints.clone(),
        demands,
        reasons,
        verdict.reported.clone(),
    )
}

fn rule() -> impl Strategy<Value = String> {
    let condition = prop_oneof![
        Just(String::new()),
        Just("condition: \"action == 'x'\", ".to_owned()),
        Just("condition: \"action != 'x'\", ".to_owned()),
        Just("condition: \"env == 'prod'\", ".to_owned()),
        Just("condition: 'has(amount) && amount > 50', ".to_owned()),
    ];
    let decision = prop_oneof![
        4 => Just("decision: allow".to_owned()),
        3 => (1..4u8, 1..4u8).prop_map(|(cost, time)| {
            format!("decision: allow, constraints: {{ max_cost: {cost}.00, timeout: {time}m }}")
        }),
        2 => prop_oneof![Just("a"), Just("b, c")].prop_map(|n| format!("decision: require_approval, approvers: [{n}]")),
        1 => Just("decision: deny".to_owned()),
        1 => (1..3u8).prop_map(|n| format!("decision: remediate, remedy: {{ set: {{ /amount: {n} }}, apply: true }}")),
    ];
    (condition, decision).prop_map(|(condition, decision)| format!("- {{ {condition}{decision} }}\n"))
}

fn gates() -> impl Strategy<Value = Vec<Vec<String>>> {
    prop::collection::vec(prop::collection::vec(rule(), 1..5), 1..4)
}

fn text(index: usize, rules: &[String]) -> String {
    let conflict = if index % 2 == 1 { "on_conflict: deny\n" } else { "" };
    format!("name: g{index}\n{conflict}rules:\n{}", rules.concat())
}

fn texts(gates: &[Vec<String>]) -> Vec<String> {
    gates.iter().enumerate().map(|(at, rules)| text(at, rules)).collect()
}

fn actions() -> Vec<Action> {
    vec![
        action("x", Some("prod"), None),
        action("x", Some("test"), Some(100)),
        action("y", Some("prod"), Some(2)),
        action("y", None, None),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_rules_never_changes_an_answer(gates in gates(), turn in 0..5usize) {
        let forward = texts(&gates);
        let turned = gates.iter().enumerate().map(|(at, rules)| {
            let mut rules = rules.clone();
            let by = turn % rules.len();
            rules.rotate_left(by);
            rules.reverse();
            text(at, &rules)
        });
        let (a, b) = (load(&forward), load(&turned.rev().collect::<Vec<_>>()));
        for action in actions() {
            prop_assert_eq!(essence(&verdict(&a, &action)), essence(&verdict(&b, &action)));
        }
    }

    #[test]
    fn a_rule_that_denies_never_loosens(
        gates in gates(),
        condition in prop_oneof![Just("true"), Just("action == 'x'"), Just("env == 'prod'")],
    ) {
        let before = texts(&gates);
        let mut after = before.clone();
        after.push(format!("name: extra\nrules:\n- {{ condition: \"{condition}\", decision: deny }}\n"));
        let (a, b) = (load(&before), load(&after));
        for action in actions() {
            let (was, is) = (verdict(&a, &action).decision, verdict(&b, &action).decision);
            prop_assert!(is >= was, "{was:?} {is:?}");
        }
    }

    #[test]
    fn reasons_are_never_empty_and_the_first_is_as_strict_as_the_decision(gates in gates()) {
        let snapshot = load(&texts(&gates));
        for action in actions() {
            let verdict = verdict(&snapshot, &action);
            let first = verdict.reasons.first().map(|reason| reason.decision);
            prop_assert!(first == Some(verdict.decision) || verdict.remedy.is_some());
            prop_assert_eq!(verdict.demands.is_empty(), verdict.decision != Decision::RequireApproval);
        }
    }

    #[test]
    fn explain_agrees_with_the_verdict_on_what_matched(gates in gates()) {
        let snapshot = load(&texts(&gates));
        let agent = Value::Map(BTreeMap::from([("id".to_owned(), Value::from("a"))]));
        for action in actions() {
            let ctx = Context::bare("a", &agent);
            let (verdict, traces) = (snapshot.evaluate(&action, &ctx), snapshot.explain(&action, &ctx));
            prop_assert_eq!(traces.len(), gates.iter().map(Vec::len).sum::<usize>());
            let of_rules = |reason: &&Reason| reason.line > 0 && reason.code != "rules_conflict" && verdict.remedy.is_none();
            for reason in verdict.reasons.iter().filter(of_rules) {
                let place = |trace: &&countersign_policy::Trace| (trace.line, &trace.document) == (reason.line, &reason.document);
                prop_assert!(traces.iter().find(place).is_some_and(|trace| trace.matched));
            }
        }
    }

    #[test]
    fn no_text_makes_the_loader_panic(text in "[a-z\"'{}\\[\\]:,\\-?!&*#|>%@ \n\t0-9é~]{0,200}") {
        let _ = Snapshot::load(&[("x".to_owned(), text.into_bytes())]);
    }

    #[test]
    fn no_damage_to_a_document_makes_the_loader_panic(at in 0..1000usize, byte in any::<u8>(), cut in 0..1000usize) {
        for text in [include_str!("../../../tests/fixtures/published/policies/customer_support.yaml"),
                     include_str!("../../../tests/fixtures/published/policies/prod-safety-gate.yaml")] {
            let mut bytes = text.as_bytes().to_vec();
            let at = at % bytes.len();
            bytes.insert(at, byte);
            bytes.truncate(bytes.len() - cut % bytes.len());
            let _ = Snapshot::load(&[("x".to_owned(), bytes)]);
        }
    }
}
