//! What fails silently elsewhere works here, is refused when it loads, or denies with its reason. One test for each.

use std::collections::BTreeMap;

use countersign_policy::{Action, Context, Decimal, Decision, Problem, Snapshot, Value, Verdict, json};

fn gate(condition: &str, decision: &str) -> Vec<(String, Vec<u8>)> {
    let rule = format!("- {{ condition: \"{condition}\", decision: {decision} }}\n- {{ decision: allow }}\n");
    vec![("g.yaml".to_owned(), format!("name: g\nrules:\n{rule}").into_bytes())]
}

fn verdict(condition: &str, decision: &str, action: &Action) -> Verdict {
    let (snapshot, _) = Snapshot::load(&gate(condition, decision)).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let agent = Value::Map(BTreeMap::from([("id".to_owned(), Value::from("a"))]));
    snapshot.evaluate(action, &Context::bare("a", &agent))
}

fn denied(condition: &str, action: &Action) -> bool {
    verdict(condition, "deny", action).decision == Decision::Deny
}

/// The first reason of what is denied though the rule would only ask a person.
fn broken(condition: &str, action: &Action) -> String {
    let verdict = verdict(condition, "require_approval", action);
    assert_eq!(verdict.decision, Decision::Deny, "{condition}");
    let reason = verdict
        .reasons
        .first()
        .map(|reason| (reason.code.clone(), reason.message.clone()));
    let (code, message) = reason.unwrap_or_default();
    assert_eq!(code, "condition_error", "{message}");
    message
}

fn refused(condition: &str) -> Problem {
    match Snapshot::load(&gate(condition, "deny")) {
        Ok(_) => panic!("it loads: {condition}"),
        Err(mut problems) => problems.remove(0),
    }
}

fn args(text: &str) -> Action {
    let value = json::parse(text.as_bytes(), &json::Limits::default()).unwrap_or_else(|error| panic!("{error}"));
    Action {
        args: value,
        ..Action::of("x")
    }
}

#[test]
fn a_negation_negates_all_that_it_stands_before() {
    let forced = args(r#"{"force": true, "n": 1}"#);
    let plain = args(r#"{"force": false, "n": 1}"#);
    let not = "has(args.force) && !args.force";
    assert!(!denied(not, &forced) && denied(not, &plain));
    let both = "has(args.force) && has(args.n) && !(args.force && args.n == 1)";
    assert!(!denied(both, &forced) && denied(both, &plain));
    // Where it would bind more tightly than it looks, it is refused.
    let problem = refused("has(args.n) && !args.n == 1");
    assert_eq!(problem.code, "wrong_type", "{problem:#?}");
}

#[test]
fn parentheses_group() {
    let action = args(r#"{"a": true, "b": false, "c": false}"#);
    let has = "has(args.a) && has(args.b) && has(args.c)";
    assert!(denied(&format!("{has} && (args.a || args.b && args.c)"), &action));
    assert!(!denied(&format!("{has} && ((args.a || args.b) && args.c)"), &action));
    assert_eq!(refused("(1 == 1").code, "syntax");
}

#[test]
fn a_truth_value_is_no_text_and_a_text_no_truth_value() {
    let truth = args(r#"{"force": true}"#);
    let text = args(r#"{"force": "true"}"#);
    assert!(denied("has(args.force) && args.force == true", &truth));
    assert!(!denied("has(args.force) && args.force == false", &truth));
    assert!(broken("has(args.force) && args.force == true", &text).contains("is a string, not a bool"));
    assert!(broken("has(args.force) && args.force == 'true'", &truth).contains("is a bool, not a string"));
    assert_eq!(
        refused("has(principal) && principal.verified == 'true'").code,
        "wrong_type"
    );
}

#[test]
fn a_negative_number_is_below_zero() {
    let below = args(r#"{"n": -5}"#);
    assert!(denied("has(args.n) && args.n < -4.5", &below) && !denied("has(args.n) && args.n < -5", &below));
    assert!(denied("has(args.n) && args.n == -5", &below) && denied("has(args.n) && -args.n == 5", &below));
    let money = Action {
        amount: Some(Decimal::from(-1)),
        ..Action::of("x")
    };
    let verdict = verdict("has(amount) && amount > 500", "deny", &money);
    assert_eq!(
        verdict.reasons.first().map(|reason| reason.code.as_str()),
        Some("negative_amount")
    );
}

#[test]
fn a_nested_argument_is_compared_where_it_is() {
    let condition = "has(args.order.total) && args.order.total > 500";
    assert!(denied(condition, &args(r#"{"order": {"total": 501}}"#)));
    assert!(!denied(condition, &args(r#"{"order": {"total": 500}}"#)));
    assert!(!denied(condition, &args(r#"{"order": {}, "total": 501}"#)));
    assert!(broken(condition, &args(r#"{"order": "501"}"#)).contains("`args.order` is a string, not a map"));
}

#[test]
fn a_list_where_a_number_is_expected_denies() {
    let condition = "has(args.n) && args.n > 5";
    assert!(broken(condition, &args(r#"{"n": [6]}"#)).contains("`args.n` is a list, not a number"));
    assert!(broken(condition, &args(r#"{"n": {"n": 6}}"#)).contains("is a map, not a number"));
    assert!(broken(condition, &args(r#"{"n": "6"}"#)).contains("is a string, not a number"));
    assert!(broken(condition, &args(r#"{"n": null}"#)).contains("is null, not a number"));
}

#[test]
fn a_misspelled_operator_does_not_load() {
    for condition in [
        "has(amount) and amount > 5",
        "has(amount) & amount > 5",
        "has(amount) && amount => 5",
        "has(amount) && amount = 5",
        "has(amount) && amount gt 5",
        "has(amount) && amount <> 5",
        "not has(amount)",
        "has(args.to) && args.to =~ 'x'",
        "has(args.to) && args.to startsWith 'x'",
        "has(args.to) && args.to.startswith('x')",
        "env is 'production'",
    ] {
        let problem = refused(condition);
        assert!(
            matches!(problem.code, "syntax" | "unknown_function" | "unknown_name"),
            "{condition}: {problem:#?}"
        );
    }
}

#[test]
fn a_missing_field_does_not_load_unguarded_or_denies() {
    assert_eq!(refused("amount > 500").code, "may_be_absent");
    assert_eq!(refused("has(agent.tema) && agent.tema == 'x'").code, "unknown_field");
    assert!(broken("args.n > 5", &Action::of("x")).contains("`args.n` is absent"));
    // `env` against a text is let through, as published policies write it so.
    assert!(broken("env == 'production'", &Action::of("x")).contains("`env` is absent"));
}

#[test]
fn what_is_no_number_is_no_number_anywhere() {
    for text in [
        r#"{"n": NaN}"#,
        r#"{"n": Infinity}"#,
        r#"{"n": -Infinity}"#,
        r#"{"n": 1e999}"#,
    ] {
        assert!(
            json::parse(text.as_bytes(), &json::Limits::default()).is_err(),
            "{text}"
        );
    }
    assert!(broken("has(args.n) && args.n > 5", &args(r#"{"n": "NaN"}"#)).contains("is a string, not a number"));
    assert!(
        broken(
            "has(args.n) && has(args.m) && args.n / args.m > 1",
            &args(r#"{"n": 0, "m": 0}"#)
        )
        .contains("zero")
    );
    let test = b"tests:\n- { agent: a, action: x, args: { n: .nan }, expect: deny }\n".to_vec();
    let mut files = gate("true", "allow");
    files.push(("t.yaml".to_owned(), test));
    let problem = Snapshot::load(&files).err().map(|problems| problems[0].code);
    assert_eq!(problem, Some("invalid_value"));
    assert!(matches!(refused("has(amount) && amount > nan").code, "unknown_name"));
}
