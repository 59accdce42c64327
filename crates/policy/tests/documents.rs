//! What loads, what does not, and that every complaint points at the text that it is about.

mod bundle;

use countersign_policy::{Problem, Severity, Snapshot, TwoPerson};

use bundle::read;

fn errors(document: &str) -> Vec<(&'static str, String, Problem)> {
    let problems = match read(&[document]) {
        Ok((_, problems)) => problems,
        Err(problems) => problems,
    };
    let errors = problems
        .into_iter()
        .filter(|problem| problem.severity == Severity::Error);
    errors
        .map(|p| (p.code, document.get(p.span.clone()).unwrap_or("?").to_owned(), p))
        .collect()
}

/// The document has exactly this error, and it underlines this text.
#[track_caller]
fn refused(document: &str, code: &str, underlined: &str) -> Problem {
    let found = errors(document);
    let summary: Vec<_> = found
        .iter()
        .map(|(code, text, p)| (*code, text.as_str(), p.message.as_str()))
        .collect();
    assert_eq!(found.len(), 1, "{summary:?}");
    let (found_code, text, problem) = found.into_iter().next().expect("there is one");
    assert_eq!((found_code, text.as_str()), (code, underlined), "{}", problem.message);
    problem
}

const GATE: &str = "name: g\nrules:\n- decision: DENY\n";

#[test]
fn yaml_that_says_a_thing_twice_or_indirectly_is_refused() {
    refused("name: g\nname: h\nrules: [{ decision: deny }]", "duplicate_key", "name");
    refused("name: &a g\nrules: [{ decision: deny }]", "anchor", "&a g");
    refused("name: !!str g\nrules: [{ decision: deny }]", "tag", "!!str g");
    refused("name: g\nrules: [{ ? [a] : b }]", "complex_key", "[a]");
    let two = refused(
        "name: g\nrules: [{ decision: deny }]\n---\nname: h\n",
        "several_documents",
        "---",
    );
    assert_eq!((two.line, two.column), (3, 1));
    assert_eq!(errors("name: [").first().map(|(code, ..)| *code), Some("invalid_yaml"));
    assert_eq!(
        errors("# nothing\n").first().map(|(code, ..)| *code),
        Some("empty_document")
    );
}

#[test]
fn yaml_is_bounded() {
    let deep = format!("name: {}{}", "[".repeat(40), "]".repeat(40));
    assert_eq!(errors(&deep).first().map(|(code, ..)| *code), Some("too_deep"));
    let many = format!("name: [{}]", "a,".repeat(60_000));
    assert_eq!(errors(&many).first().map(|(code, ..)| *code), Some("too_large"));
    let long = format!("name: {}", "a".repeat(2_000_000));
    assert_eq!(errors(&long).first().map(|(code, ..)| *code), Some("too_large"));
    let (_, problems) = (
        0,
        Snapshot::load(&[("x".to_owned(), vec![b'a', 0xff])])
            .err()
            .expect("not text"),
    );
    assert_eq!(problems.first().map(|problem| problem.code), Some("invalid_text"));
}

#[test]
fn a_misspelt_field_is_underlined_and_the_right_one_suggested() {
    let problem = refused("agent: a\npermisions: []\n", "unknown_field", "permisions");
    assert_eq!((problem.line, problem.column), (2, 1));
    assert_eq!(problem.help.as_deref(), Some("did you mean `permissions`?"));
    refused(
        "agent: a\npermissions:\n- { action: x, alowed: true, allowed: true }\n",
        "unknown_field",
        "alowed",
    );
    refused(
        "name: g\nrules:\n- decison: allow\n  decision: deny\n",
        "unknown_field",
        "decison",
    );
    refused(
        "name: g\non: [{ tol: x, tool: y }]\nrules: [{ decision: deny }]",
        "unknown_field",
        "tol",
    );
}

#[test]
fn places_are_right_behind_letters_of_more_than_one_byte() {
    let problem = refused("agent: a\npurpose: „größer“ ✓\nownr: b\n", "unknown_field", "ownr");
    assert_eq!((problem.line, problem.column), (3, 1));
    let problem = refused(
        "name: g\nrules: [{ message: 'ü€', decision: dney }]",
        "unknown_value",
        "dney",
    );
    assert_eq!(problem.column, 36);
}

#[test]
fn wrong_types_are_refused_not_converted() {
    refused(
        "agent: a\npermissions:\n- action: x\n  allowed: 'yes'\n",
        "wrong_type",
        "'yes'",
    );
    refused(
        "agent: a\npermissions:\n- action: x\n  allowed: on\n",
        "wrong_type",
        "on",
    );
    refused("agent: a\npermissions: { action: x }\n", "wrong_type", "{ action: x }");
    refused("agent: [a]\n", "wrong_type", "[a]");
    refused(
        "name: g\nrules:\n- { decision: allow, condition: ~ }\n",
        "wrong_type",
        "~",
    );
    refused(
        "agent: a\npermissions: [{ action: x, allowed: true, max_amount: -1 }]",
        "wrong_type",
        "-1",
    );
}

#[test]
fn ids_are_plain_and_told_apart_by_more_than_a_dash() {
    refused("agent: Support\n", "invalid_id", "Support");
    refused("agent: -support\n", "invalid_id", "-support");
    let problems = read(&["agent: my-agent\n", "agent: my_agent\n"])
        .err()
        .expect("refused");
    assert_eq!(problems.iter().map(|p| p.code).collect::<Vec<_>>(), ["similar_id"]);
    let problems = read(&[GATE, GATE]).err().expect("refused");
    assert_eq!(
        problems.iter().map(|p| p.code).collect::<Vec<_>>(),
        ["duplicate_document"]
    );
    assert!(read(&["agent: a\n", "agent: a\nowner: b\n"]).is_err());
    assert!(read(&["tools: [{ tool: x }]", "tools: { x: { access: read } }"]).is_err());
}

#[test]
fn only_what_harms_nobody_fails_open_and_not_for_long() {
    let tool = |risk: &str, span: &str| format!("tools: [{{ tool: x, risk: {risk}, fail_open: {span} }}]");
    for (risk, span) in [("R0", "1s"), ("R0", "300s"), ("R1", "1s"), ("R1", "60s")] {
        assert!(read(&[&tool(risk, span)]).is_ok(), "{risk} for {span}");
    }
    for (risk, span) in [("R0", "301s"), ("R1", "61s"), ("R2", "1s"), ("R3", "1s"), ("R4", "1s")] {
        refused(&tool(risk, span), "fail_open", span);
    }
    refused("tools: [{ tool: x, fail_open: 1s }]", "fail_open", "1s");
}

#[test]
fn what_is_not_enforced_is_not_accepted() {
    let problem = refused("agent: a\nautonomy: post_action\n", "not_supported", "autonomy");
    assert_eq!(problem.message, "this version does not enforce `autonomy`");
    refused("organization: o\nrequire: [mandate, risk]\n", "not_supported", "risk");
    refused(
        "tools: [{ tool: x, schema: { pattern: 'a+' } }]",
        "not_supported",
        "pattern",
    );
}

#[test]
fn what_would_have_no_effect_is_refused() {
    refused(
        "name: g\nrules: [{ decision: allow, approvers: [a] }]",
        "no_effect",
        "[a]",
    );
    refused(
        "name: g\nrules: [{ decision: deny, constraints: { max_rows: 1 } }]",
        "no_effect",
        "{ max_rows: 1 }",
    );
    refused(
        "name: g\nrules: [{ decision: allow, evidence_required: true }]",
        "no_effect",
        "true",
    );
    refused("agent: a\nhandoff_required: true\n", "no_effect", "true");
    refused(
        "agent: a\npermissions: [{ action: x, allowed: true, approvers: [b] }]",
        "no_effect",
        "[b]",
    );
    refused(
        "agent: a\npermissions: [{ action: x, allowed: false, max_amount: 5 }]",
        "no_effect",
        "5",
    );
    refused("agent: a\naudit: { log_all_actions: false }\n", "audit_off", "false");
}

#[test]
fn constraints_are_a_closed_registry() {
    let with = |text: &str| format!("name: g\nrules: [{{ decision: allow, constraints: {{ {text} }} }}]");
    let problem = refused(&with("max_costs: 5"), "unknown_constraint", "max_costs");
    assert_eq!(problem.help.as_deref(), Some("did you mean `max_cost`?"));
    refused(&with("timeout: 300"), "wrong_type", "300");
    refused(&with("read_only: false"), "no_effect", "false");
    refused(&with("domains: []"), "invalid_value", "[]");
    assert!(read(&[&with("timeout: 5m, max_cost: '50.00 EUR', tools: [a, b], max_calls: 3")]).is_ok());
}

#[test]
fn findings_in_conditions_point_into_the_file() {
    let problem = refused(
        "name: g\nrules:\n- condition: \"agent.tema == 'x'\"\n  decision: deny\n",
        "unknown_field",
        "agent.tema",
    );
    assert_eq!((problem.line, problem.column), (3, 15));
    let folded = "name: g\nrules:\n- condition: >-\n    agent.tema\n    == 'x'\n  decision: deny\n";
    assert_eq!(errors(folded).len(), 1);
}

#[test]
fn alerts_name_attempts_or_events_of_the_ledger() {
    assert!(read(&["agent: a\naudit: { alert_on: [delete_attempt, outcome.reported] }\n"]).is_ok());
    refused(
        "agent: a\naudit: { alert_on: outcome.reportd }\n",
        "unknown_event",
        "outcome.reportd",
    );
    refused(
        "agent: a\naudit: { alert_on: delete_attempts }\n",
        "unknown_event",
        "delete_attempts",
    );
}

#[test]
fn names_that_nobody_defines_are_a_warning_that_goes_away_when_they_are() {
    let gate = "name: g\nrules: [{ decision: require_approval, approvers: [securty-team] }]";
    let (_, problems) = read(&[gate]).unwrap_or_else(|p| panic!("{p:#?}"));
    assert_eq!(problems.iter().map(|p| p.code).collect::<Vec<_>>(), ["unresolved_name"]);
    let (_, problems) = read(&[gate, "organization: o\nteams: [security-team]\n"]).unwrap_or_else(|p| panic!("{p:#?}"));
    assert_eq!(
        problems.first().and_then(|p| p.help.as_deref()),
        Some("did you mean `security-team`?")
    );
    let (_, problems) = read(&[gate, "organization: o\nduties: [securty-team]\n"]).unwrap_or_else(|p| panic!("{p:#?}"));
    assert!(problems.is_empty());
    refused("organization: o\nteams: [a]\nduties: [a]\n", "ambiguous_name", "a");
}

#[test]
fn a_grant_beyond_mandates_or_on_reported_values_alone_is_a_warning() {
    let gate = "name: g\nrules: [{ condition: has(amount) && amount < 5, decision: allow, beyond_mandate: true }]";
    let (_, problems) = read(&[gate]).unwrap_or_else(|p| panic!("{p:#?}"));
    assert_eq!(
        problems.iter().map(|p| p.code).collect::<Vec<_>>(),
        ["reported_only", "beyond_mandate"]
    );
}

#[test]
fn the_organization_says_who_decides_by_default_and_in_what_time() {
    let text = "organization: acme\nname: Acme\ncurrency: EUR\nzone: Europe/Berlin\nrequire: [mandate, tools]\n\
                default_route: { to: [ops], sla: 15m, deadline: 60m, valid_for: 15m }\ntwo_person: always\n\
                teams: [ops]\n";
    let (snapshot, _) = read(&[text]).unwrap_or_else(|p| panic!("{p:#?}"));
    let organization = snapshot.organization().expect("it is there");
    let route = organization.default_route().expect("it is there");
    assert_eq!((organization.id(), organization.currency()), ("acme", Some("EUR")));
    assert_eq!(organization.two_person(), TwoPerson::Always);
    let minute = 60_000_000;
    assert_eq!(
        (route.sla, route.deadline, route.valid_for),
        (Some(15 * minute), Some(60 * minute), Some(15 * minute))
    );
    refused(
        "organization: o\ndefault_route: { to: [a], sla: 2h, deadline: 1h }\n",
        "contradiction",
        "2h",
    );
    refused(
        "organization: o\ndefault_route: { to: [a], valid_for: 25h }\n",
        "invalid_value",
        "25h",
    );
}

#[test]
fn the_full_mandate_of_the_manual_loads() {
    let text = "agent: support-refunds\nowner: team:support\npurpose: Answer billing tickets and issue small refunds.\n\
tier: execute\nenvironments: [staging, production]\npermissions:\n  - action: issue_refund\n    allowed: true\n    \
max_amount: 500\n    where: \"has(args.order_age_days) && args.order_age_days <= 30\"\n    \
constraints: { allowed_currencies: [EUR, USD] }\n  - action: send_email\n    allowed: true\n    \
where: \"has(args.to) && args.to.endsWith('@example.com')\"\n  - action: delete_record\n    allowed: false\n\
data_access:\n  - { resource: customer_data, scope: owned_by_current_user, access: read_write }\n  \
- { resource: internal_notes, scope: none, access: none }\n\
limits: { per_task_cost: 5.00, per_day_cost: 50.00, rate: 60/1m }\n\
escalate_when:\n  - has(confidence) && confidence < 0.7\n  - failures(3)\n  - out_of_scope\n\
delegation: { may_call: [kb-search], may_be_called_by: [triage] }\n\
audit: { retention: 7_years, redact: [card, ssn], alert_on: [delete_attempt] }\n";
    let (snapshot, _) = read(&[text]).unwrap_or_else(|p| panic!("{p:#?}"));
    let mandate = snapshot.mandate("support-refunds").expect("it is there");
    assert_eq!(mandate.owner(), Some("team:support"));
    assert_eq!(mandate.redact(), ["card", "ssn"]);
    assert_eq!(mandate.retention(), Some("7_years"));
}

#[test]
fn a_trigger_that_could_never_fire_or_says_nothing_does_not_load() {
    refused("agent: a\nescalate_when: [failures(0)]\n", "wrong_arguments", "0");
    refused("agent: a\nescalate_when: [failures(1.5)]\n", "wrong_arguments", "1.5");
    refused("agent: a\nescalate_when: ['failures(101)']\n", "wrong_arguments", "101");
    refused(
        "agent: a\nescalate_when: [{ high_stakes: { risk_from: R5 } }]\n",
        "unknown_value",
        "R5",
    );
    let misspelt = errors("agent: a\nescalate_when: [{ highstakes: {} }]\n");
    let codes: Vec<_> = misspelt.iter().map(|(code, ..)| *code).collect();
    assert_eq!(codes, ["missing_field", "unknown_field"], "{misspelt:?}");
    assert!(
        read(&["agent: a\nescalate_when: [failures(1), failures(100), conflicts, sources_missing, high_stakes]\n"])
            .is_ok()
    );
}

#[test]
fn the_hash_is_over_the_exact_bytes_only() {
    let hash = |documents: &[&str]| {
        read(documents)
            .unwrap_or_else(|p| panic!("{p:#?}"))
            .0
            .hash_text()
            .to_owned()
    };
    let (a, b) = ("agent: a\n", GATE);
    assert_eq!(hash(&[a, b]), hash(&[b, a]));
    assert_ne!(hash(&[a, b]), hash(&["agent: a\n\n", b]));
    // SHA-256 of SHA-256("agent: a\n").
    assert_eq!(
        hash(&[a]),
        "sha256:b70f1ae78eb54de9881f60ec15db3e1c459e1aa7f6f96da1a5c152a3411de213"
    );
}

#[test]
fn a_mode_for_a_class_that_no_tool_has_or_with_what_says_nothing_in_it_is_refused() {
    let modes = |modes: &str| format!("organization: o\nautonomy:\n  modes:\n    - {modes}\n");
    refused(
        &modes("{ class: money, mode: pre_action }"),
        "unknown_class",
        "{ class: money, mode: pre_action }",
    );
    refused(&modes("{ mode: post_action, sample: 5% }"), "contradiction", "5%");
    refused(&modes("{ mode: pre_action, within: 1h }"), "contradiction", "1h");
    refused(&modes("{ mode: now_and_then }"), "unknown_value", "now_and_then");
    let stated = modes("{ class: money, mode: periodic_batch, sample: 7.5%, within: 2d }");
    let tools = "tools:\n  - { tool: pay, class: money }\n";
    let snapshot = bundle::load(&[stated.as_str(), tools]);
    let rules = snapshot.organization().and_then(|organization| organization.autonomy());
    let rules = rules.expect("it has rules of autonomy");
    let found = rules
        .stated("bot", "pay", &["money".to_owned()])
        .expect("a mode is said");
    assert_eq!((found.sample, found.within), (Some(750), Some(2 * 86_400_000_000)));
    assert!(rules.stated("bot", "note", &[]).is_none());
}
