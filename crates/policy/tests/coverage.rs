//! What the tests of a bundle try, and what they can say.

mod bundle;

use countersign_policy::{Branch, Snapshot, Tried};

use bundle::load;

fn untried(snapshot: &Snapshot) -> Vec<(String, Vec<Branch>)> {
    let rules = snapshot.coverage().into_iter().filter(|rule| !rule.untried.is_empty());
    rules
        .map(|rule: Tried| (format!("{}#{}", rule.document, rule.rule), rule.untried))
        .collect()
}

fn failures(snapshot: &Snapshot) -> Vec<String> {
    snapshot
        .run_tests()
        .into_iter()
        .flat_map(|test| test.failures)
        .collect()
}

const MANDATE: &str = "agent: a\npermissions:\n\
    - { action: pay, allowed: true, max_amount: 10, where: \"has(args.to)\" }\n\
    - { action: look, allowed: true }\n\
    data_access:\n- { resource: notes, scope: all, access: read_only }\n";
const GATE: &str = "name: g\non: [{ action: pay }]\nrules:\n- { condition: \"env == 'test'\", decision: require_approval, approvers: [ann, ben] }\n";

#[test]
fn each_side_of_a_rule_counts_once_a_test_tries_it() {
    let none = load(&[MANDATE, GATE, "tests:\n- { agent: b, action: other, expect: deny }\n"]);
    let all = [Branch::Holds, Branch::Fails];
    let wanted = [
        (
            "a#permissions[0]".to_owned(),
            vec![Branch::Holds, Branch::Fails, Branch::AboveMax],
        ),
        ("a#permissions[1]".to_owned(), vec![Branch::Holds]),
        ("a#data_access[0]".to_owned(), all.to_vec()),
        ("g#rules[0]".to_owned(), all.to_vec()),
    ];
    assert_eq!(untried(&none), wanted);
    let tests = "tests:\n\
        - { agent: a, action: pay, env: prod, amount: 11, args: { to: x }, expect: require_approval }\n\
        - { agent: a, action: pay, env: test, amount: 1, expect: deny }\n\
        - { agent: a, action: read, resource: { type: notes }, expect: allow }\n";
    let some = load(&[MANDATE, GATE, tests]);
    assert_eq!(failures(&some), Vec::<String>::new());
    let wanted = [
        ("a#permissions[1]".to_owned(), vec![Branch::Holds]),
        ("a#data_access[0]".to_owned(), vec![Branch::Fails]),
    ];
    assert_eq!(untried(&some), wanted);
}

#[test]
fn a_rule_that_cannot_be_evaluated_is_not_tried_by_that() {
    let gate = "name: g\nrules:\n- { condition: \"has(args.n) && args.n > 3\", decision: allow }\n";
    let tests = "tests:\n- { agent: b, action: x, args: { n: text }, expect: deny, reason: condition_error }\n";
    let snapshot = load(&[gate, tests]);
    assert_eq!(failures(&snapshot), Vec::<String>::new());
    assert_eq!(
        untried(&snapshot),
        [("g#rules[0]".to_owned(), vec![Branch::Holds, Branch::Fails])]
    );
}

#[test]
fn a_test_says_who_is_asked_for_what_reasons_at_what_time_of_whose_team() {
    let gate = "name: g\nrules:\n\
        - { name: night, condition: 'now.getHours() < 6', decision: require_approval, approvers: [ann, ben] }\n\
        - { name: other-team, condition: \"!(has(agent.team) && agent.team == 'x')\", decision: require_approval, approvers: [eve] }\n\
        - { name: cards, condition: \"'card' in pii\", decision: deny }\n\
        - { decision: allow }\n";
    let test = |more: &str| format!("tests:\n- {{ agent: b, action: x, {more} }}\n");
    let passes = |more: &str| failures(&load(&[gate, &test(more)]));
    assert_eq!(
        passes("now: 2026-11-27T12:00:00Z, team: x, expect: allow"),
        Vec::<String>::new()
    );
    let night = "now: 2026-11-27T03:00:00Z, expect: require_approval";
    assert_eq!(
        passes(&format!("{night}, approvers: [eve, ben, ann]")),
        Vec::<String>::new()
    );
    let lacking = passes(&format!("{night}, team: x, approvers: [ann]"));
    assert_eq!(lacking, ["expected approvers ann, got ann, ben"]);
    assert_eq!(
        passes("pii: [card], expect: deny, reasons: [rule]"),
        Vec::<String>::new()
    );
    let lacking = passes("pii: [card], expect: deny, reasons: [rule, no_rule_allows]");
    assert_eq!(
        lacking,
        ["expected reason `no_rule_allows`, got rule, rule, rule, rule"]
    );
}
