//! What a snapshot says of actions: policies and examples as data, run by the bundle's own tests.

mod bundle;

use std::collections::BTreeMap;

use countersign_policy::{Action, Context, Value};

use bundle::load;

/// Loads the documents with the tests, and every test gets what it expects.
#[track_caller]
fn holds(documents: &[&str], tests: &str) {
    let tests = format!("tests:\n{tests}");
    let all: Vec<&str> = documents.iter().copied().chain([tests.as_str()]).collect();
    let snapshot = load(&all);
    let results = snapshot.run_tests();
    assert!(!results.is_empty());
    let failed: Vec<_> = results.iter().filter(|result| !result.passed()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

const REFUNDS: &str = "agent: a
permissions:
- { action: refund, allowed: true, max_amount: 100 EUR, over_max: deny }
- { action: pay, allowed: true, max_amount: 100, requires_review: true, approvers: [cfo] }
- { action: note, allowed: true, where: \"has(args.to) && args.to.endsWith('@x.de')\" }
- { action: delete, allowed: false }
- { tool: 'crm/*', allowed: true }
escalate_when: ['has(confidence) && confidence < 0.7']
audit: { alert_on: [delete_attempt] }
";

#[test]
fn nothing_is_granted_to_agents_that_are_not_active() {
    let gate = "name: g\nrules: [{ decision: allow }]";
    holds(
        &[gate],
        "- { agent: a, action: x, expect: allow }
- { agent: a, action: x, standing: unregistered, expect: deny, reason: unregistered }
- { agent: a, action: x, standing: quarantined, expect: deny, reason: quarantined }",
    );
}

#[test]
fn bounds_are_checked_in_their_currency_or_deny() {
    holds(
        &[REFUNDS],
        "- { agent: a, action: refund, amount: 100, currency: EUR, expect: allow }
- { agent: a, action: refund, amount: 100.01, currency: EUR, expect: deny, reason: over_max }
- { agent: a, action: refund, amount: 1, currency: USD, expect: deny, reason: currency_mismatch }
- { agent: a, action: refund, amount: 1, expect: deny, reason: currency_mismatch }
- { agent: a, action: refund, expect: deny, reason: bound_missing }
- { agent: a, action: refund, amount: -1, currency: EUR, expect: deny, reason: negative_amount }
- { agent: a, action: pay, amount: 1, expect: require_approval, approvers_any: [cfo] }
- { agent: a, action: pay, amount: 101, expect: require_approval, reason: over_max }",
    );
}

#[test]
fn conditions_grant_escalate_or_deny_when_they_cannot_be_evaluated() {
    holds(
        &[REFUNDS],
        "- { agent: a, action: note, args: { to: 'b@x.de' }, expect: allow }
- { agent: a, action: note, args: { to: 'b@x.de' }, confidence: 0.5, expect: require_approval, reason: escalated }
- { agent: a, action: note, args: { to: 'b@y.de' }, expect: deny, reason: no_rule_allows }
- { agent: a, action: note, args: { to: [b] }, expect: deny, reason: condition_error }
- { agent: a, action: note, expect: deny, reason: no_rule_allows }",
    );
}

#[test]
fn a_denied_action_is_denied_as_a_tool_too() {
    holds(
        &[REFUNDS],
        "- { agent: a, tool: crm/read_it, expect: allow }
- { agent: a, tool: crm/delete, expect: deny, reason: rule, alert: delete_attempt }
- { agent: a, tool: crm/delete, action: tidy, expect: deny, reason: rule }
- { agent: a, tool: delete, action: tidy, expect: deny, reason: rule }
- { agent: a, action: delete-record, expect: deny, reason: no_rule_allows, alert: delete_attempt }",
    );
}

#[test]
fn a_mandate_is_a_ceiling() {
    let gate = "name: g\nrules:\n- { condition: \"action == 'x'\", decision: allow }\n\
                - { condition: \"action == 'y'\", decision: require_approval }\n\
                - { condition: \"action == 'z'\", decision: allow, beyond_mandate: true }\n\
                - { condition: \"action == 'note'\", decision: allow, constraints: { max_rows: 5 } }";
    let lenient = "agent: c\nescalate_when: [out_of_scope]\npermissions: [{ action: no, allowed: false }]";
    holds(
        &[
            gate,
            "agent: a\npermissions: [{ action: note, allowed: true }]",
            lenient,
        ],
        "- { agent: b, action: x, expect: allow }
- { agent: b, action: y, expect: require_approval }
- { agent: a, action: x, expect: deny, reason: no_rule_allows }
- { agent: a, action: y, expect: deny, reason: no_rule_allows }
- { agent: a, action: z, expect: allow }
- { agent: a, action: note, expect: allow_with_constraints, constraints: { max_rows: 5 } }
- { agent: a, action: note, args: { rows: 6 }, expect: deny, reason: constraint_violated }
- { agent: c, action: x, expect: require_approval, reason: out_of_scope }
- { agent: c, action: no, expect: deny, reason: rule }",
    );
}

#[test]
fn constraints_intersect_and_deny_where_nothing_is_left() {
    let one =
        "name: one\nrules: [{ decision: allow, constraints: { max_cost: 50.00, timeout: 5m, domains: [a.de, b.de] } }]";
    let two =
        "name: two\nrules: [{ decision: allow, constraints: { max_cost: 20, timeout: 600s, domains: [b.de, c.de] } }]";
    let apart = "name: apart\non: [{ action: far }]\nrules: [{ decision: allow, constraints: { domains: [d.de] } }]";
    holds(
        &[one, two, apart],
        "- { agent: b, action: x, expect: allow_with_constraints,
    constraints: { max_cost: 20, timeout: 5m, domains: [b.de] } }
- { agent: b, action: x, estimated_cost: 20.01, expect: deny, reason: constraint_violated }
- { agent: b, action: x, estimated_cost: 1, currency: EUR, expect: deny, reason: constraint_violated }
- { agent: b, action: x, args: { to: 'Bo <bo@B.de>' }, expect: allow_with_constraints }
- { agent: b, action: x, args: { to: ['bo@b.de', 'eve@c.de'] }, expect: deny, reason: constraint_violated }
- { agent: b, action: x, args: { url: 'https://b.de@evil.com/' }, expect: deny, reason: constraint_violated }
- { agent: b, action: x, args: { to: \"eve@c.de\\nbo@b.de\" }, expect: deny, reason: constraint_violated }
- { agent: b, action: x, args: { to: '<eve@c.de> <bo@b.de>' }, expect: deny, reason: constraint_violated }
- { agent: b, action: x, args: { to: { a: 1 } }, expect: deny, reason: constraint_violated }
- { agent: b, action: far, expect: deny, reason: constraints_conflict }",
    );
}

#[test]
fn data_access_grants_operations_on_its_resources_and_restricts_the_rest() {
    let mandate = "agent: a\npermissions: [{ action: purge, allowed: true }]\ndata_access:\n\
                   - { resource: docs, scope: all, access: read_only }\n\
                   - { resource: mine, scope: owned_by_current_user, access: read_write }";
    let tools = "tools: [{ tool: store, access: read }, { tool: wipe, access: write }]";
    holds(
        &[mandate, tools],
        "- { agent: a, action: list, resource: { type: docs }, expect: allow }
- { agent: a, action: list, access: write, resource: { type: docs }, expect: deny, reason: access }
- { agent: a, action: update, resource: { type: docs }, expect: deny, reason: access }
- { agent: a, action: purge, access: read, resource: { type: docs }, expect: deny, reason: access }
- { agent: a, action: purge, resource: { type: mine, owner: u }, principal: u, expect: allow }
- { agent: a, action: purge, resource: { type: mine, owner: u }, expect: deny, reason: scope }
- { agent: a, action: purge, resource: { type: mine }, principal: u, expect: deny, reason: scope }
- { agent: a, action: purge, resource: { type: other }, expect: deny, reason: resource_not_listed }
- { agent: a, action: purge, expect: allow }
- { agent: a, action: read, expect: deny, reason: no_rule_allows }
- { agent: a, tool: store, action: read, resource: { type: docs }, expect: allow }
- { agent: a, tool: s/read, resource: { type: docs }, expect: allow }
- { agent: a, tool: wire, action: read, resource: { type: docs }, expect: deny, reason: no_rule_allows }
- { agent: a, tool: wipe, action: read, resource: { type: docs }, expect: deny, reason: access }",
    );
}

#[test]
fn names_that_only_look_like_known_ones_are_denied() {
    let gate = "name: g\nrules: [{ decision: allow }]";
    let other = "name: h\non: [{ action: delete_record }, { tool: aws-cli }]\nrules: [{ decision: deny }]";
    holds(
        &[gate, other],
        "- { agent: b, action: Delete_Record, expect: deny, reason: lookalike }
- { agent: b, action: 'delete record', expect: deny, reason: lookalike }
- { agent: b, action: delete-record, expect: deny, reason: lookalike }
- { agent: b, action: \"d\\u0435lete_record\", expect: deny, reason: lookalike }
- { agent: b, action: \"delete\\u200b_record\", expect: deny, reason: lookalike }
- { agent: b, tool: AWS-CLI, action: run, expect: deny, reason: lookalike }
- { agent: b, action: delete_records, expect: allow }",
    );
}

#[test]
fn remedies_offer_apply_or_give_way() {
    let gate = "name: g\nrules:\n\
- { condition: 'has(args.force) && args.force == true', decision: remediate, remedy: { remove: [/args/force], set: { /args/dry_run: true }, apply: true } }\n\
- { condition: \"action == 'two'\", decision: remediate, remedy: { set: { /env: staging } } }\n\
- { condition: \"action == 'bad'\", decision: remediate, remedy: { set: { /args/deep/er: 1 } } }\n\
- { condition: \"action == 'deny' && has(args.dry_run)\", decision: deny }\n\
- { condition: \"action == 'ask' && has(args.dry_run)\", decision: require_approval }\n\
- { condition: \"action != 'ungranted'\", decision: allow, constraints: { max_rows: 9 } }";
    holds(
        &[gate],
        "- { agent: b, action: x, args: { force: true }, expect: remediate, constraints: { max_rows: 9 } }
- { agent: b, action: x, args: { force: true }, accept_remedy: true, expect: allow_with_constraints }
- { agent: b, action: x, args: { dry_run: true }, expect: allow_with_constraints }
- { agent: b, action: deny, args: { force: true }, expect: deny, reason: rule }
- { agent: b, action: ask, args: { force: true }, expect: require_approval }
- { agent: b, action: two, args: { force: true }, expect: require_approval, reason: remedies_differ }
- { agent: b, action: two, env: staging, expect: allow_with_constraints }
- { agent: b, action: two, accept_remedy: true, expect: remediate }
- { agent: b, action: bad, args: { deep: 5 }, expect: deny, reason: remedy_failed }
- { agent: b, action: ungranted, args: { force: true }, expect: deny, reason: no_rule_allows }",
    );
}

#[test]
fn the_catalogue_and_the_switches_of_the_organization_hold() {
    let tools = "tools:\n  wipe: { tier: execute, class: data, schema: { required: [id], properties: { id: { type: integer, maximum: 9 } } } }\n  look: { tier: observe, access: read }";
    let strict = "organization: o\nrequire: [mandate, tools]\ncurrency: EUR\n";
    let gate = "name: g\non: [{ class: data }]\nrules: [{ decision: require_approval, approvers: [x], quorum: 2 }]";
    let mandate = "agent: a\ntier: prepare\npermissions: [{ tool: '*', allowed: true }]\nenvironments: [test]";
    let able = "agent: c\ntier: execute\npermissions: [{ tool: '*', allowed: true }]";
    holds(
        &[tools, strict, gate, mandate, able],
        "- { agent: a, tool: wipe, args: { id: 1 }, env: test, expect: deny, reason: tier }
- { agent: a, tool: look, env: test, expect: allow }
- { agent: a, tool: look, env: prod, expect: deny, reason: environment }
- { agent: a, tool: look, expect: deny, reason: environment }
- { agent: a, tool: other, env: test, expect: deny, reason: unknown_tool }
- { agent: b, tool: look, expect: deny, reason: no_mandate }
- { agent: c, tool: wipe, args: { id: 1 }, expect: require_approval, approvers_any: [x] }
- { agent: c, tool: wipe, args: { id: 10 }, expect: deny, reason: schema }
- { agent: c, tool: wipe, args: { id: 1.5 }, expect: deny, reason: schema }
- { agent: c, tool: wipe, expect: deny, reason: schema }",
    );
}

#[test]
fn rules_of_a_gate_that_must_agree_deny_where_they_say_different_things() {
    let gate = |kind: &str| {
        format!(
            "name: credit
owner: team:risk
on_conflict: {kind}
rules:
- {{ name: known, condition: \"has(args.known)\", decision: allow }}
- {{ name: small, condition: \"has(amount) && amount < 100\", decision: allow_with_constraints, constraints: {{ max_calls: 3 }} }}
- {{ name: foreign, condition: \"has(env) && env == 'abroad'\", decision: require_approval, approvers: [a] }}
"
        )
    };
    let tests = "- { agent: bot, action: pay, args: { known: true }, amount: 5, expect: allow_with_constraints }
- { agent: bot, action: pay, amount: 500, env: abroad, expect: require_approval }
- { agent: bot, action: pay, amount: 500, expect: deny, reason: no_rule_allows }
";
    let disagree = |expect: &str| {
        format!(
            "{tests}- {{ agent: bot, action: pay, args: {{ known: true }}, amount: 5, env: abroad, expect: {expect} }}\n"
        )
    };
    holds(&[&gate("strictest")], &disagree("require_approval"));
    holds(&[&gate("deny")], &disagree("deny, reason: rules_conflict"));

    let snapshot = load(&[&gate("deny")]);
    let agent = Value::Map(BTreeMap::from([("id".to_owned(), Value::from("bot"))]));
    let action = Action {
        args: Value::Map(BTreeMap::from([("known".to_owned(), Value::Bool(true))])),
        env: Some("abroad".into()),
        ..Action::of("pay")
    };
    let verdict = snapshot.evaluate(&action, &Context::bare("bot", &agent));
    assert_eq!(verdict.alerts, ["rules_conflict"]);
    let first = verdict
        .reasons
        .first()
        .map(|reason| (&*reason.document, &*reason.rule, &*reason.message));
    let told = "rules disagree: `known` says `allow`, `foreign` says `require_approval`; `team:risk` answers for them";
    assert_eq!(first, Some(("credit", "on_conflict", told)));
}
