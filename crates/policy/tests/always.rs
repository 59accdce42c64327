//! What is always denied: each way to it, and the law that an evaluation then never says anything else.
#![expect(clippy::unwrap_used, reason = "a test")]

mod bundle;

use std::collections::BTreeMap;

use countersign_policy::{Action, Context, Decimal, Decision, Resource, Snapshot, Value};
use proptest::prelude::*;

use bundle::load;

fn named(tool: &str, env: Option<&str>) -> Action {
    Action {
        tool: Some(tool.to_owned()),
        env: env.map(str::to_owned),
        ..Action::of(tool.rsplit('/').next().unwrap())
    }
}

fn decision(snapshot: &Snapshot, action: &Action, accept_remedy: bool, reads: &[String]) -> Decision {
    let agent = Value::Map(BTreeMap::from([("id".to_owned(), Value::from("a"))]));
    let verdict = snapshot.evaluate(
        action,
        &Context {
            reads,
            accept_remedy,
            ..Context::bare("a", &agent)
        },
    );
    verdict.decision
}

/// Whether `fs/drop` is always denied to agent `a` in `env` by these documents.
fn hopeless(documents: &[&str], env: Option<&str>) -> bool {
    let files: Vec<String> = documents.iter().map(|text| (*text).to_owned()).collect();
    load(&files).always_denies("a", &named("fs/drop", env))
}

const ALL: &str = "agent: a\npermissions: [{ tool: 'fs/*', allowed: true }]\n";

#[test]
fn what_no_argument_changes_is_always_denied() {
    let outside = "agent: a\npermissions: [{ tool: fs/read, allowed: true }]\n";
    assert!(hopeless(&[outside], None), "nothing grants it");
    assert!(hopeless(
        &["name: g\nrules: [{ condition: \"has(env)\", decision: deny }]\n"],
        None
    ));
    let forbidden = "agent: a\npermissions: [{ tool: 'fs/*', allowed: true }, { action: drop, allowed: false }]\n";
    assert!(hopeless(&[forbidden], None), "the mandate forbids it");
    let denied = "name: g\non: [{ tool: fs/drop }]\nrules: [{ decision: deny }]\n";
    assert!(hopeless(&[ALL, denied], None), "a gate denies it");
    let tier = "agent: a\ntier: observe\npermissions: [{ tool: 'fs/*', allowed: true }]\n";
    let catalogue = "tools: [{ tool: fs/drop, tier: execute, class: wipes, clearance: 3 }]\n";
    assert!(
        hopeless(&[tier, catalogue], None),
        "the tool needs more than the agent has"
    );
    assert!(hopeless(&[ALL, catalogue], None), "the agent is not cleared");
    let by_class = "name: g\non: [{ class: wipes }]\nrules: [{ decision: deny }]\n";
    let plain = "tools: [{ tool: fs/drop, class: wipes }]\n";
    assert!(hopeless(&[ALL, plain, by_class], None), "a gate denies its class");
    let within = "agent: a\nenvironments: [test]\npermissions: [{ tool: 'fs/*', allowed: true }]\n";
    assert!(hopeless(&[within], Some("prod")) && hopeless(&[within], None));
    assert!(!hopeless(&[within], Some("test")));
    assert!(hopeless(&["organization: o\nrequire: [mandate]\n"], None));
    assert!(hopeless(&[ALL, "organization: o\nrequire: [tools]\n"], None));
}

#[test]
fn what_an_argument_or_a_person_may_change_is_not() {
    assert!(!hopeless(&[ALL], None));
    let sometimes = "name: g\nrules: [{ condition: \"args.path == '/'\", decision: deny }]\n";
    assert!(!hopeless(&[ALL, sometimes], None), "a condition may not hold");
    let about = "name: g\non: [{ resource: orders }]\nrules: [{ decision: deny }]\n";
    assert!(!hopeless(&[ALL, about], None), "it may be about something else");
    let asked = "agent: a\npermissions: [{ tool: fs/read, allowed: true }]\nescalate_when: [out_of_scope]\n";
    assert!(!hopeless(&[asked], None), "a person may say yes");
    let outside = "agent: a\npermissions: [{ tool: fs/read, allowed: true }]\n";
    let beyond = "name: g\nrules: [{ condition: \"env == 'test'\", decision: allow, beyond_mandate: true }]\n";
    assert!(
        !hopeless(&[outside, beyond], None),
        "a gate may grant beyond the mandate"
    );
    let instead = "name: g\nrules: [{ condition: 'true', decision: remediate, remedy: { set: { /args/dry_run: true }, apply: true } }]\n";
    assert!(!hopeless(&[outside, instead], None), "it may be made another action");
}

fn permission() -> impl Strategy<Value = String> {
    let about = prop_oneof![
        Just("tool: fs/drop"),
        Just("tool: fs/read"),
        Just("tool: 'fs/*'"),
        Just("action: drop"),
        Just("action: read"),
    ];
    let more = prop_oneof![Just(""), Just(", where: \"has(args.x) && args.x == 1\"")];
    (about, any::<bool>(), more)
        .prop_map(|(about, allowed, more)| format!("  - {{ {about}, allowed: {allowed}{more} }}\n"))
}

fn mandate() -> impl Strategy<Value = Option<String>> {
    let more = prop_oneof![
        4 => Just(""),
        1 => Just("environments: [prod]\n"),
        1 => Just("escalate_when: [out_of_scope]\n"),
        1 => Just("tier: observe\n"),
        1 => Just("clearance: 2\n"),
    ];
    let text = (prop::collection::vec(permission(), 1..4), more)
        .prop_map(|(permissions, more)| format!("agent: a\n{more}permissions:\n{}", permissions.concat()));
    prop::option::weighted(0.8, text)
}

fn gate() -> impl Strategy<Value = String> {
    let on = prop_oneof![
        Just(""),
        Just("on: [{ tool: fs/drop }]\n"),
        Just("on: [{ tool: 'fs/*', env: prod }, { resource: orders }]\n"),
        Just("on: [{ agent: a, action: drop, resource: orders }]\n"),
        Just("on: [{ class: wipes }]\n"),
    ];
    let condition = prop_oneof![
        Just(""),
        Just("condition: \"has(args.x) && args.x == 1\", "),
        Just("condition: \"access == 'write'\", "),
    ];
    let decision = prop_oneof![
        2 => Just("decision: deny"),
        1 => Just("decision: allow"),
        1 => Just("decision: allow, beyond_mandate: true"),
        1 => Just("decision: require_approval"),
        1 => Just("decision: remediate, remedy: { set: { /args/x: 2 }, apply: true }"),
        1 => Just("decision: remediate, remedy: { set: { /tool: fs/read, /action: read }, apply: true }"),
    ];
    (on, condition, decision)
        .prop_map(|(on, condition, decision)| format!("{on}rules: [{{ {condition}{decision} }}]\n"))
}

fn more() -> impl Strategy<Value = Vec<String>> {
    let catalogue = prop_oneof![
        3 => Just(None),
        1 => Just(Some("tools: [{ tool: fs/drop, class: wipes, tier: execute, clearance: 2 }]\n")),
        1 => Just(Some("tools: [{ tool: fs/drop, risk: R1, when_tainted: { class: wipes, risk: R3 } }]\n")),
    ];
    let organization = prop_oneof![
        3 => Just(None),
        1 => Just(Some("organization: o\nrequire: [mandate]\n")),
        1 => Just(Some("organization: o\nrequire: [tools]\n")),
    ];
    (catalogue, organization).prop_map(|both| [both.0, both.1].into_iter().flatten().map(str::to_owned).collect())
}

/// What the law holds for: every combination of what names alone do not say.
fn actions(tool: &str, env: Option<&str>) -> Vec<Action> {
    let args = [None, Some(1), Some(2)];
    let kinds = [None, Some("orders"), Some("mail")];
    let mut actions = Vec::new();
    for (x, kind) in args.into_iter().flat_map(|x| kinds.map(|kind| (x, kind))) {
        let mut action = named(tool, env);
        if let Some(x) = x {
            let args = BTreeMap::from([("x".to_owned(), Value::Number(Decimal::from(x)))]);
            action.args = Value::Map(args);
        }
        action.resource = kind.map(|kind| Resource {
            kind: Some(kind.to_owned()),
            ..Resource::default()
        });
        actions.push(action);
    }
    actions
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_always_denied_is_never_evaluated_to_anything_else(
        mandate in mandate(),
        gates in prop::collection::vec(gate(), 0..3),
        more in more(),
        env in prop_oneof![Just(None), Just(Some("prod")), Just(Some("test"))],
    ) {
        let mut files: Vec<String> = mandate.into_iter().chain(more).collect();
        files.extend(gates.iter().enumerate().map(|(at, gate)| format!("name: g{at}\n{gate}")));
        let snapshot = load(&files);
        for tool in ["fs/drop", "fs/read", "fs/DROP"] {
            if !snapshot.always_denies("a", &named(tool, env)) {
                continue;
            }
            for action in actions(tool, env) {
                for (accepts, reads) in [(true, vec![]), (false, vec!["outside".to_owned()])] {
                    prop_assert_eq!(decision(&snapshot, &action, accepts, &reads), Decision::Deny, "{} {:?}", tool, files);
                }
            }
        }
    }
}
