//! What reading a bundle proves of its rules holds for every action: findings against brute force.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bundle;

use std::collections::BTreeMap;

use countersign_policy::{Action, Context, Decimal, Problem, Snapshot, Value, Verdict};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};

use bundle::load;

fn verdict(snapshot: &Snapshot, agent: &str, action: &Action) -> Verdict {
    let facts = Value::Map(BTreeMap::from([("id".to_owned(), Value::from(agent))]));
    snapshot.evaluate(action, &Context::bare(agent, &facts))
}

/// Every action over a few values of each part: some thousands.
fn actions() -> Vec<Action> {
    let number = |n: i64| Value::Number(Decimal::from(n));
    let mut all = Vec::new();
    let amounts = [None, Some(-1), Some(1), Some(2), Some(3), Some(4)];
    let texts = [
        None,
        Some(Value::from("ab")),
        Some(Value::from("b")),
        Some(number(3)),
        Some(Value::Null),
    ];
    let numbers = [
        None,
        Some(number(1)),
        Some(number(2)),
        Some(number(3)),
        Some(Value::from("2")),
        Some(Value::Bool(true)),
    ];
    for operation in ["x", "xy", "y"] {
        for tool in [None, Some("t"), Some("s/x"), Some("u")] {
            for env in [None, Some("prod"), Some("test"), Some("dev")] {
                for (at, amount) in amounts.iter().enumerate() {
                    for (turn, text) in texts.iter().enumerate() {
                        // A part of the product: each number with each text, and with each amount.
                        let n = &numbers[(at + turn) % numbers.len()];
                        let m = &numbers[(2 * at + turn + 1) % numbers.len()];
                        let args = [("s", text), ("n", n), ("m", m)];
                        let args = args
                            .into_iter()
                            .filter_map(|(key, value)| Some((key.to_owned(), value.clone()?)));
                        all.push(Action {
                            tool: tool.map(str::to_owned),
                            env: env.map(str::to_owned),
                            amount: amount.map(Decimal::from),
                            args: Value::Map(args.collect()),
                            ..Action::of(operation)
                        });
                    }
                }
            }
        }
    }
    // Neighbours differ in one part: every fourth of them is enough.
    all.into_iter().step_by(4).collect()
}

fn atom() -> impl Strategy<Value = String> {
    let order = || prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="]);
    let small = || 0..5i32;
    prop_oneof![
        (order(), small()).prop_map(|(order, n)| format!("has(amount) && amount {order} {n}")),
        (order(), small()).prop_map(|(order, n)| format!("has(args.n) && args.n {order} {n}")),
        (order(), small()).prop_map(|(order, n)| format!("has(args.m) && {n} {order} args.m")),
        Just("has(args.n)".to_owned()),
        Just("has(args.n) && args.n in [1, 3]".to_owned()),
        Just("has(args.n) && args.n + 1 > 3".to_owned()),
        Just("has(args.n) && args.n + 1 < 2".to_owned()),
        Just("has(args.m) && args.m == true".to_owned()),
        Just("has(args.s) && args.s != null".to_owned()),
        prop::sample::select(vec!["prod", "test"]).prop_map(|env| format!("env == '{env}'")),
        prop::sample::select(vec!["prod", "test"]).prop_map(|env| format!("has(env) && env != '{env}'")),
        Just("has(env) && env in ['prod', 'test']".to_owned()),
        prop::sample::select(vec!["x", "y", "z"]).prop_map(|it| format!("action == '{it}'")),
        Just("action.startsWith('x')".to_owned()),
        Just("action.endsWith('y')".to_owned()),
        Just("has(args.s) && args.s.startsWith('a')".to_owned()),
        Just("has(args.s) && args.s.contains('ab')".to_owned()),
        Just("has(args.s) && args.s.size() > 1".to_owned()),
        Just("has(args.s) && args.s in ['b', 'c']".to_owned()),
        prop::sample::select(vec!["money", "mail"]).prop_map(|it| format!("has(tool.class) && tool.class == '{it}'")),
        Just("has(tool.id) && tool.id == 't'".to_owned()),
        prop::sample::select(vec!["read", "write"]).prop_map(|it| format!("access == '{it}'")),
    ]
}

fn condition() -> impl Strategy<Value = String> {
    atom().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            4 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) && ({b})")),
            2 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) || ({b})")),
            1 => inner.clone().prop_map(|a| format!("!({a})")),
            1 => (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("({a}) ? ({b}) : ({c})")),
        ]
    })
}

fn rule() -> impl Strategy<Value = String> {
    let decision = prop_oneof![
        3 => Just("decision: allow"),
        2 => Just("decision: require_approval"),
        3 => Just("decision: deny"),
        1 => Just("decision: allow, constraints: { allowed_currencies: [EUR] }"),
        1 => Just("decision: allow, constraints: { allowed_currencies: [USD] }"),
    ];
    (prop::option::weighted(0.9, condition()), decision).prop_map(|(condition, decision)| match condition {
        Some(condition) => format!("- {{ condition: \"{condition}\", {decision} }}\n"),
        None => format!("- {{ {decision} }}\n"),
    })
}

fn gate() -> impl Strategy<Value = (String, Vec<String>)> {
    let on = prop_oneof![
        2 => Just(String::new()),
        1 => Just("on: [{ action: x }]\n".to_owned()),
        1 => Just("on: [{ action: 'x*', env: prod }]\n".to_owned()),
        1 => Just("on: [{ tool: t }, { tool: 's/*', agent: a }]\n".to_owned()),
        1 => Just("on: [{ class: money }]\n".to_owned()),
    ];
    (on, prop::collection::vec(rule(), 1..4))
}

fn mandate() -> impl Strategy<Value = Vec<String>> {
    let permission = (
        prop::sample::select(vec!["action: x", "action: 'x*'", "tool: t", "action: y, tool: 's/*'"]),
        prop::option::of(condition()),
        prop::sample::select(vec![
            "allowed: true",
            "allowed: true, requires_review: true",
            "allowed: false",
        ]),
    );
    let permission = permission.prop_map(|(about, condition, allowed)| match condition {
        Some(condition) => format!("- {{ {about}, where: \"{condition}\", {allowed} }}\n"),
        None => format!("- {{ {about}, {allowed} }}\n"),
    });
    prop::collection::vec(permission, 1..4)
}

const TOOLS: &str = "tools:\n  t: { class: money, access: write }\n  s/x: { class: other, access: read }\n";

fn files(gates: &[(String, Vec<String>)], permissions: &[String]) -> Vec<String> {
    let mut files = vec![TOOLS.to_owned()];
    let gates = gates.iter().enumerate();
    files.extend(gates.map(|(at, (on, rules))| format!("name: g{at}\n{on}rules:\n{}", rules.concat())));
    let environments = "environments: [prod, test]\n";
    files.push(format!(
        "agent: a\n{environments}permissions:\n{}",
        permissions.concat()
    ));
    files
}

/// What the findings say, held against every action for an agent with a mandate and one without.
fn hold_against_all(files: &[String], actions: &[Action]) -> Result<Vec<Problem>, TestCaseError> {
    let snapshot = load(files);
    let findings = snapshot.lint();
    for finding in &findings {
        // Of names nothing follows for actions.
        if finding.code == "unknown_class" {
            continue;
        }
        let at: usize = finding.file.trim_end_matches(".yaml").parse().unwrap();
        let line = usize::try_from(finding.line).unwrap();
        let document = files[at]
            .lines()
            .find_map(|it| it.strip_prefix("name: ").or(it.strip_prefix("agent: ")));
        let document = document.unwrap_or_default().to_owned();
        let without = without(files, at, line);
        for (agent, action) in actions.iter().flat_map(|action| [("a", action), ("b", action)]) {
            let verdict = verdict(&snapshot, agent, action);
            let mut own = verdict.reasons.iter();
            let mut own = own
                .by_ref()
                .filter(|it| it.document == document && it.line == finding.line);
            let shown = format!("{finding:#?}\n{}", files[at]);
            match finding.code {
                "unreachable" => prop_assert!(own.next().is_none(), "{shown}"),
                "never_true" => prop_assert!(own.all(|it| it.code == "condition_error"), "{shown}"),
                "always_denied" | "never_together" => {
                    let speaks = own.any(|it| it.code == "rule");
                    prop_assert!(
                        !speaks || verdict.decision == countersign_policy::Decision::Deny,
                        "{shown}"
                    );
                }
                "shadowed" => {
                    let other = self::verdict(&without, agent, action);
                    prop_assert_eq!(verdict.decision, other.decision, "{}", shown);
                    prop_assert_eq!(&verdict.constraints, &other.constraints, "{}", shown);
                }
                "never_false" => {
                    let facts = Value::Map(BTreeMap::from([("id".to_owned(), Value::from(agent))]));
                    let traces = snapshot.explain(action, &Context::bare(agent, &facts));
                    let mut own = traces
                        .iter()
                        .filter(|it| it.document == document && it.line == finding.line);
                    prop_assert!(own.all(|it| it.matched || !it.selected), "{shown}");
                }
                _ => prop_assert!(false, "what is to be said of it? {shown}"),
            }
        }
    }
    Ok(findings)
}

/// The same bundle without the rule in a line.
fn without(files: &[String], at: usize, line: usize) -> Snapshot {
    let mut files = files.to_vec();
    let kept: Vec<&str> = (files[at].lines().enumerate())
        .filter(|(number, _)| number + 1 != line)
        .map(|(_, text)| text)
        .collect();
    files[at] = match kept.last() {
        Some(last) if last.starts_with('-') => kept.join("\n"),
        // A gate without rules does not load: one that never speaks says as little.
        _ => format!("{}\n- {{ condition: 'false', decision: deny }}\n", kept.join("\n")).replace(
            "permissions:\n- { condition: 'false', decision: deny }",
            "permissions: []",
        ),
    };
    load(&files)
}

#[test]
fn what_a_finding_says_of_a_rule_holds_for_every_action() {
    let config = ProptestConfig {
        cases: 300,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(20_261_127),
        ..ProptestConfig::default()
    };
    let actions = actions();
    let counted = std::cell::RefCell::new(BTreeMap::<&str, usize>::new());
    let bundles = (prop::collection::vec(gate(), 1..4), mandate());
    TestRunner::new(config)
        .run(&bundles, |(gates, permissions)| {
            for finding in hold_against_all(&files(&gates, &permissions), &actions)? {
                *counted.borrow_mut().entry(finding.code).or_default() += 1;
            }
            Ok(())
        })
        .unwrap();
    // A law about nothing would hold as well.
    let counted = counted.into_inner();
    for code in [
        "always_denied",
        "never_false",
        "never_together",
        "never_true",
        "shadowed",
        "unreachable",
    ] {
        assert!(
            counted.get(code).is_some_and(|count| *count >= 3),
            "{code}: {counted:?}"
        );
    }
}
