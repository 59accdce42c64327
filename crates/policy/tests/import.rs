//! Policies of others mean here what they mean there, as far as they are converted, and the rest is listed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use countersign_policy::import::{Foreign, Imported, import, recognized};
use countersign_policy::{Action, Context, Decimal, Decision, Snapshot, Value};
use proptest::prelude::*;

fn decide(imported: &Imported, action: &Action) -> Decision {
    let files: Vec<(String, Vec<u8>)> = (imported.gate.iter())
        .map(|gate| ("g.yaml".to_owned(), gate.clone().into_bytes()))
        .collect();
    let (snapshot, _) = Snapshot::load(&files).unwrap_or_else(|problems| panic!("{problems:#?}\n{:?}", imported.gate));
    let agent = Value::Map(BTreeMap::from([("id".to_owned(), Value::from("a"))]));
    let verdict = snapshot.evaluate(action, &Context::bare("a", &agent));
    verdict.decision
}

fn labelled(operation: &str, labels: &[(&str, &str)]) -> Action {
    let labels = labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), Value::from(*value)));
    Action {
        labels: Some(Value::Map(labels.collect())),
        ..Action::of(operation)
    }
}

const CORDUM: &str = r#"
default_decision: deny
rules:
  - id: internal
    match: { topics: [job.default], labels: { _internal: "true" } }
    decision: allow
    reason: Probes of our own.
  - id: external
    match: { topics: [job.default] }
    decision: require_approval
  - id: pay
    match: { topics: ["job.pay.*"] }
    decision: allow_with_constraints
    constraints: { budgets: { max_runtime_ms: 30000 } }
  - id: risky
    match: { topics: [job.other], risk_tags: [high] }
    decision: deny
output_rules:
  - id: secrets
    match: { topics: ["job.*"], scanners: [secret] }
    decision: quarantine
"#;

#[test]
fn a_safety_policy_of_cordum_decides_as_before() {
    assert_eq!(recognized("safety.yaml", CORDUM), Some(Foreign::Cordum));
    let imported = import(Foreign::Cordum, "safety", "safety.yaml", CORDUM).unwrap();
    let internal = labelled("job.default", &[("_internal", "true")]);
    assert_eq!(decide(&imported, &internal), Decision::Allow);
    assert_eq!(decide(&imported, &Action::of("job.default")), Decision::RequireApproval);
    assert_eq!(
        decide(&imported, &Action::of("job.pay.now")),
        Decision::AllowWithConstraints
    );
    assert_eq!(decide(&imported, &Action::of("job.unknown")), Decision::Deny);
    let left: Vec<(&str, u32, bool)> = imported
        .left
        .iter()
        .map(|it| (it.what.as_str(), it.line, it.loosens))
        .collect();
    assert_eq!(left, [("risky", 15, true), ("output_rules", 19, true)]);
    assert!(imported.loosens());
}

const AGT: &str = r#"
version: "1.0"
name: research
rules:
  - { name: record, condition: { field: message_count, operator: gte, value: 0 }, action: audit, priority: 1 }
  - name: no-shell
    condition: { field: code, operator: contains, value: "os.system(" }
    action: deny
    priority: 100
    message: shell-out is blocked
  - { name: pattern, condition: { field: message, operator: matches, value: "(?i)drop table" }, action: deny, priority: 90 }
  - { name: search, condition: { field: tool_name, operator: in, value: [web_search, read_file] }, action: allow, priority: 50 }
  - { name: the-rest, condition: { field: tool_name, operator: ne, value: nothing }, action: deny, priority: 10 }
defaults: { action: allow, max_tokens: 4096 }
"#;

#[test]
fn a_policy_of_the_toolkit_decides_as_before() {
    assert_eq!(recognized("policy.yaml", AGT), Some(Foreign::Agt));
    let imported = import(Foreign::Agt, "research", "policy.yaml", AGT).unwrap();
    let with = |operation: &str, code: &str| Action {
        args: Value::Map(BTreeMap::from([("code".to_owned(), Value::from(code))])),
        ..Action::of(operation)
    };
    assert_eq!(decide(&imported, &with("web_search", "print(1)")), Decision::Allow);
    assert_eq!(decide(&imported, &with("web_search", "os.system('x')")), Decision::Deny);
    assert_eq!(decide(&imported, &with("shell", "print(1)")), Decision::Deny);
    let left: Vec<(&str, bool)> = imported.left.iter().map(|it| (it.what.as_str(), it.loosens)).collect();
    assert_eq!(
        left,
        [("record", false), ("pattern", true), ("defaults.max_tokens", true)]
    );
}

const TABLE: &str = "name,action,env,amount,approvers,decision,message\n\
    small,refund,-,<= 100,,allow,\n\
    large,refund,production,100..1000,lead|finance,require approval,\"large, so somebody looks\"\n\
    ,refund,,> 1000,,deny,too large\n\
    ,read|list,!secret,,,allow,\n\
    wrong,refund,,many,,deny,\n";

#[test]
fn a_decision_table_decides_by_its_first_row_that_matches() {
    let imported = import(Foreign::Table, "refunds", "refunds.csv", TABLE).unwrap();
    let refund = |amount: i64, env: Option<&str>| Action {
        amount: Some(Decimal::from(amount)),
        env: env.map(str::to_owned),
        ..Action::of("refund")
    };
    assert_eq!(decide(&imported, &refund(100, Some("production"))), Decision::Allow);
    assert_eq!(
        decide(&imported, &refund(101, Some("production"))),
        Decision::RequireApproval
    );
    assert_eq!(decide(&imported, &refund(101, Some("test"))), Decision::Deny);
    assert_eq!(decide(&imported, &refund(1001, None)), Decision::Deny);
    let reads = |env: &str| Action {
        env: Some(env.to_owned()),
        ..Action::of("list")
    };
    assert_eq!(decide(&imported, &reads("test")), Decision::Allow);
    assert_eq!(decide(&imported, &reads("secret")), Decision::Deny);
    let left: Vec<(&str, u32)> = imported.left.iter().map(|it| (it.why.as_str(), it.line)).collect();
    assert_eq!(left, [("`many` is no number", 6)]);
    for (text, why) in [
        ("", "the table is empty"),
        ("action\nx\n", "no column is called `decision`"),
        (
            "decision,message\nallow,\"x\n",
            "the quote that begins in line 2 does not end",
        ),
        ("decision,a b\nallow,x\n", "no column can be called `a b`"),
    ] {
        assert_eq!(import(Foreign::Table, "t", "t.csv", text), Err(why.to_owned()));
    }
}

#[test]
fn a_cell_that_excludes_several_values_excludes_each_and_signs_within_a_cell_are_refused() {
    let text = "action,env,decision\nread,!production|staging,allow\n";
    let imported = import(Foreign::Table, "t", "t.csv", text).unwrap();
    let reads = |env: &str| Action {
        env: Some(env.to_owned()),
        ..Action::of("read")
    };
    assert_eq!(decide(&imported, &reads("production")), Decision::Deny);
    assert_eq!(decide(&imported, &reads("staging")), Decision::Deny);
    assert_eq!(decide(&imported, &reads("test")), Decision::Allow);
    for cell in ["test|!production", "!production|!staging", "!a|", "a|>5"] {
        let text = format!("action,env,decision\nread,{cell},deny\n");
        let imported = import(Foreign::Table, "t", "t.csv", &text).unwrap();
        assert!(imported.loosens(), "{cell}: {imported:#?}");
    }
}

#[test]
fn what_a_rule_of_the_toolkit_says_and_is_not_known_is_listed_as_loosening() {
    let rule = |more: &str, condition: &str| {
        format!(
            "rules:\n  - {{ name: r, condition: {{ field: tool_name, operator: eq, value: x{condition} }}, action: deny{more} }}\n\
             defaults: {{ action: allow }}\n"
        )
    };
    let why = |text: &str| {
        let imported = import(Foreign::Agt, "p", "p.yaml", text).unwrap();
        let told = imported.left.iter().map(|it| format!("{} {}", it.what, it.why));
        (told.collect::<Vec<_>>().join("; "), imported.loosens())
    };
    assert_eq!(why(&rule(", priority: 100", "")), (String::new(), false));
    for (text, told) in [
        (
            rule(", priority: 100.0", ""),
            "r its priority `100.0` is no whole number",
        ),
        (rule(", priority: high", ""), "r its priority `high` is no whole number"),
        (
            rule(", enabled: false", ""),
            "r what `enabled` says of the rule is not known",
        ),
        (
            rule("", ", negate: true"),
            "r what `negate` says of the condition is not known",
        ),
        (
            rule("", "") + "scope: [a]\n",
            "scope what it says of the rules is not known",
        ),
    ] {
        assert_eq!(why(&text), (told.to_owned(), true), "{text}");
    }
}

#[test]
fn texts_with_quotes_and_line_ends_stay_texts() {
    let text = "action,args.x,decision\nrun,\"it's \\ \"\"so\"\"\",allow\n";
    let imported = import(Foreign::Table, "t", "t.csv", text).unwrap();
    let action = |x: &str| Action {
        args: Value::Map(BTreeMap::from([("x".to_owned(), Value::from(x))])),
        ..Action::of("run")
    };
    assert_eq!(decide(&imported, &action("it's \\ \"so\"")), Decision::Allow);
    assert_eq!(decide(&imported, &action("so")), Decision::Deny);
}

/// A cell of a table and what it takes.
#[derive(Clone, Copy, Debug)]
enum Cell {
    Any,
    Is(i64),
    Not(i64),
    Above(i64),
    Below(i64),
}

impl Cell {
    fn text(self) -> String {
        match self {
            Cell::Any => "-".to_owned(),
            Cell::Is(n) => n.to_string(),
            Cell::Not(n) => format!("!{n}"),
            Cell::Above(n) => format!("> {n}"),
            Cell::Below(n) => format!("<= {n}"),
        }
    }

    fn takes(self, value: Option<i64>) -> bool {
        match (self, value) {
            (Cell::Any, _) => true,
            (_, None) => false,
            (Cell::Is(n), Some(value)) => value == n,
            (Cell::Not(n), Some(value)) => value != n,
            (Cell::Above(n), Some(value)) => value > n,
            (Cell::Below(n), Some(value)) => value <= n,
        }
    }
}

fn cell() -> impl Strategy<Value = Cell> {
    prop_oneof![
        Just(Cell::Any),
        (0..4i64).prop_map(Cell::Is),
        (0..4i64).prop_map(Cell::Not),
        (0..4i64).prop_map(Cell::Above),
        (0..4i64).prop_map(Cell::Below),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_strictest_of_what_is_converted_is_the_first_of_what_was_written(
        rows in prop::collection::vec((cell(), cell(), 0..4usize), 1..7),
    ) {
        let decisions = [
            ("allow", "", Decision::Allow),
            ("require_approval", "ann", Decision::RequireApproval),
            ("require_approval", "ben", Decision::RequireApproval),
            ("deny", "", Decision::Deny),
        ];
        let mut text = "args.x,amount,decision,approvers\n".to_owned();
        for (x, amount, at) in &rows {
            let (decision, approvers, _) = decisions[*at];
            text += &format!("{},{},{decision},{approvers}\n", x.text(), amount.text());
        }
        let imported = import(Foreign::Table, "t", "t.csv", &text).unwrap();
        prop_assert!(!imported.loosens(), "{imported:#?}");
        for x in [None, Some(0), Some(1), Some(2), Some(3)] {
            for amount in [None, Some(0), Some(1), Some(3), Some(5)] {
                let args = x.map(|x| ("x".to_owned(), Value::Number(Decimal::from(x))));
                let action = Action {
                    amount: amount.map(Decimal::from),
                    args: Value::Map(args.into_iter().collect()),
                    ..Action::of("run")
                };
                let first = rows.iter().find(|(a, b, _)| a.takes(x) && b.takes(amount));
                let wanted = first.map_or(Decision::Deny, |(.., at)| decisions[*at].2);
                prop_assert_eq!(decide(&imported, &action), wanted, "{} {:?} {:?}\n{:?}", text, x, amount, imported.gate);
            }
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[a-z\"',\\-!|<>=.:{}\\[\\]\n 0-9é*]{0,160}") {
        for kind in [Foreign::Table, Foreign::Agt, Foreign::Cordum] {
            let _ = import(kind, "t", "t", &text);
        }
        let _ = recognized("t.yaml", &text);
    }
}
