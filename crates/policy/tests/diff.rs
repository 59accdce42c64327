//! What is different between two snapshots, in words.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod bundle;

use countersign_policy::diff::{Difference, Direction, Part, differences};

use bundle::load;

fn between(old: &[&str], new: &[&str]) -> Vec<Difference> {
    differences(&load(old), &load(new))
}

fn told(differences: &[Difference]) -> Vec<(&str, Direction)> {
    differences
        .iter()
        .map(|one| (one.sentence.as_str(), one.direction))
        .collect()
}

const MANDATE: &str = "agent: customer_support
permissions:
- { action: refund, allowed: true, max_amount: 500, approvers: [leads] }
- { action: read, allowed: true }
- { action: wipe, allowed: false }
";
const GATE: &str = "name: safety
on: [{ action: deploy }]
rules:
- { name: prod, condition: \"has(env) && env == 'production'\", decision: require_approval, approvers: [ops], quorum: 2 }
- { condition: \"has(env) && env == 'staging'\", decision: allow }
";

#[test]
fn a_bound_that_was_raised_is_told_with_both_numbers_and_who_may() {
    let found = between(&[MANDATE], &[&MANDATE.replace("500", "750.00")]);
    let sentence = "`refund` by `customer_support` up to 750.00 instead of 500";
    assert_eq!(told(&found), [(sentence, Direction::Looser)]);
    assert_eq!(found[0].before, "customer_support#permissions[0]");
    assert_eq!(found[0].after, "customer_support#permissions[0]");
    assert_eq!((found[0].part, found[0].outside), (Part::Mandate, false));
    let back = between(&[&MANDATE.replace("500", "750.00")], &[MANDATE]);
    assert_eq!(back[0].direction, Direction::Stricter);
}

#[test]
fn what_says_the_same_in_other_words_is_no_difference() {
    let (name, rest) = GATE.split_once('\n').unwrap();
    let turned = format!("# a remark\n{rest}{name}\n").replace("require_approval", "REQUIRE-APPROVAL");
    assert_eq!(between(&[GATE, MANDATE], &[MANDATE, &turned]), []);
    assert_eq!(between(&[MANDATE], &[&MANDATE.replace("500", "500.00")]), []);
}

#[test]
fn permissions_that_come_go_and_turn_are_each_told_once() {
    let new = MANDATE
        .replace("- { action: read, allowed: true }\n", "")
        .replace("wipe, allowed: false", "wipe, allowed: true")
        + "- { action: send, tool: \"mail/*\", allowed: true }\n";
    let found = between(&[MANDATE], &[&new]);
    assert_eq!(
        told(&found),
        [
            (
                "`wipe` by `customer_support` is allowed instead of denied",
                Direction::Looser
            ),
            (
                "`read` by `customer_support` is not allowed any more by this permission",
                Direction::Stricter
            ),
            (
                "`send` with `mail/*` by `customer_support` is allowed now: action send; tool mail/*; allowed true",
                Direction::Looser
            ),
        ]
    );
}

#[test]
fn a_rule_of_a_gate_is_told_by_its_name_or_its_place() {
    let new = GATE
        .replace("quorum: 2", "quorum: 1")
        .replace("decision: allow }", "decision: deny }");
    let found = between(&[GATE], &[&new]);
    assert_eq!(
        told(&found),
        [
            (
                "gate `safety`, rule `prod` has 1 for `quorum` instead of 2",
                Direction::Looser
            ),
            (
                "gate `safety`, rule `rules[1]` denies, and allowed before",
                Direction::Stricter
            ),
        ]
    );
    assert_eq!(
        (found[1].before.as_str(), found[1].after.as_str()),
        ("safety#rules[1]", "safety#rules[1]")
    );
}

#[test]
fn a_rule_that_moved_is_no_difference_and_one_that_is_gone_is() {
    let first = "- { condition: \"has(amount) && amount > 5\", decision: deny }\n";
    let moved = GATE.replace("rules:\n", &format!("rules:\n{first}"));
    let found = between(&[GATE], &[&moved]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].direction, Direction::Stricter);
    assert_eq!(
        (found[0].before.as_str(), found[0].after.as_str()),
        ("", "safety#rules[0]")
    );
    let found = between(&[&moved], &[GATE]);
    assert_eq!(found[0].direction, Direction::Looser);
    assert_eq!(
        (found[0].before.as_str(), found[0].after.as_str()),
        ("safety#rules[0]", "")
    );
}

#[test]
fn what_a_simulation_does_not_look_at_says_so() {
    let budgets = "budgets:\n- { name: day, agent: a, per: day, limit: 5 USD }\n";
    let found = between(&[MANDATE, budgets], &[MANDATE, &budgets.replace("5 USD", "9 USD")]);
    assert_eq!(
        told(&found),
        [("budget `day` has 9 USD for `limit` instead of 5 USD", Direction::Looser)]
    );
    assert!(found[0].outside);
    let organization = "organization: acme\ndefault_route: { to: [leads], sla: 15m }\nteams: [leads]\n";
    let strict = organization.to_owned() + "require: [mandate]\n";
    let found = between(&[MANDATE, organization], &[MANDATE, &strict]);
    assert!(found.iter().all(|one| one.outside && one.part == Part::Organization));
    assert_eq!(found.len(), 1);
}

#[test]
fn what_was_settled_when_actions_were_recorded_is_not_looked_at() {
    let outside = |old: &[&str], new: &[&str]| -> Vec<bool> {
        let found = between(old, new);
        assert!(!found.is_empty());
        found.iter().map(|one| one.outside).collect()
    };
    let tools = |more: &str| format!("tools:\n  web/fetch: {{ risk: R1{more} }}\n");
    assert_eq!(outside(&[&tools("")], &[&tools(", reads: [outside]")]), [true]);
    assert_eq!(outside(&[&tools("")], &[&tools("").replace("R1", "R3")]), [false]);
    assert_eq!(outside(&[MANDATE], &[MANDATE, &tools(", reads: [outside]")]), [true]);
    assert_eq!(outside(&[MANDATE], &[MANDATE, &tools("")]), [false]);
    let redacts = MANDATE.to_owned() + "audit: { redact: [email] }\n";
    assert_eq!(outside(&[MANDATE], &[&redacts]), [true]);
    assert_eq!(
        outside(&[&redacts], &[&redacts.replace("[email]", "[email, phone]")]),
        [true]
    );
    let limited = MANDATE.to_owned() + "limits: { rate: 60/1m }\n";
    assert_eq!(outside(&[GATE], &[GATE, &limited]), [true]);
    assert_eq!(outside(&[GATE, &limited], &[GATE]), [true]);
    assert_eq!(outside(&[GATE], &[GATE, MANDATE]), [false]);
}

#[test]
fn to_say_what_holds_unsaid_is_neither_looser_nor_stricter() {
    let gate = GATE.replace("quorum: 2", "quorum: 2, beyond_mandate: false");
    let found = between(&[GATE], &[&gate]);
    assert_eq!(
        found.iter().map(|one| one.direction).collect::<Vec<_>>(),
        [Direction::Depends]
    );
    let mandate = MANDATE.replace("approvers: [leads]", "approvers: [leads], requires_review: false");
    let found = between(&[MANDATE], &[&mandate]);
    assert_eq!(
        found.iter().map(|one| one.direction).collect::<Vec<_>>(),
        [Direction::Depends]
    );
}

#[test]
fn documents_that_come_and_go_are_told() {
    let found = between(&[MANDATE], &[GATE]);
    assert!(
        found
            .iter()
            .any(|one| one.sentence == "agent `customer_support` has no mandate any more")
    );
    assert!(found.iter().any(|one| one.sentence == "gate `safety` is new"));
    assert!(
        found
            .iter()
            .any(|one| one.after == "safety#prod" && one.direction == Direction::Stricter)
    );
}

#[test]
fn an_output_rule_that_is_dropped_or_lets_more_out_is_told() {
    let rules = "outputs:\n- { name: cards, redact: [card], max_bytes: 10 }\n";
    let found = between(&[rules], &["outputs:\n- { name: cards, max_bytes: 20 }\n"]);
    assert_eq!(
        told(&found),
        [
            (
                "output rule `cards` has 20 for `max_bytes` instead of 10",
                Direction::Looser
            ),
            (
                "output rule `cards` says nothing of `redact` any more, which was card",
                Direction::Looser
            ),
        ]
    );
    assert!(found.iter().all(|one| one.part == Part::Outputs && !one.outside));
}
