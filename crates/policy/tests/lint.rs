//! Findings of reading: what cannot be meant is told, with the words that it is about, and what can be meant is not.

mod bundle;

use std::fs;
use std::path::{Path, PathBuf};

use countersign_policy::{Problem, Snapshot};

use bundle::load;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn lint(documents: &[&str]) -> Vec<(Problem, String)> {
    let snapshot = load(documents);
    let text = |problem: &Problem| {
        let at: usize = problem.file.trim_end_matches(".yaml").parse().unwrap_or_default();
        documents[at].get(problem.span.clone()).unwrap_or_default().to_owned()
    };
    let found = snapshot.lint();
    found
        .into_iter()
        .map(|problem| (text(&problem), problem))
        .map(|(text, problem)| (problem, text))
        .collect()
}

/// Code and underlined text of all findings.
fn codes(documents: &[&str]) -> Vec<(&'static str, String)> {
    lint(documents)
        .into_iter()
        .map(|(problem, text)| (problem.code, text))
        .collect()
}

fn found(code: &'static str, text: &str) -> Vec<(&'static str, String)> {
    vec![(code, text.to_owned())]
}

fn gate(rules: &str) -> String {
    format!("name: g\nrules:\n{rules}")
}

#[test]
fn bounds_that_leave_no_number_are_found_and_bounds_that_touch_are_not() {
    let rule = |condition: &str| gate(&format!("- {{ condition: \"{condition}\", decision: deny }}\n"));
    let apart = rule("has(amount) && amount > 100 && amount < 50");
    assert_eq!(codes(&[&apart]), found("unreachable", "amount < 50"));
    let (problem, _) = lint(&[&apart]).remove(0);
    assert_eq!(problem.message, "`amount > 100` and `amount < 50` can never both hold");
    assert_eq!(codes(&[&rule("has(amount) && amount >= 50 && amount <= 50")]), []);
    assert_eq!(codes(&[&rule("has(amount) && amount > 50 && amount <= 50")]).len(), 1);
    assert_eq!(codes(&[&rule("has(amount) && amount == 50 && amount in [20, 50]")]), []);
}

#[test]
fn texts_that_exclude_each_other_are_found() {
    let rule = |condition: &str| gate(&format!("- {{ condition: \"{condition}\", decision: deny }}\n"));
    assert_eq!(
        codes(&[&rule("env == 'a' && env == 'b'")]),
        found("never_true", "env == 'b'")
    );
    let begins = "action.startsWith('delete') && action in ['create', 'update']";
    assert_eq!(
        codes(&[&rule(begins)]),
        found("unreachable", "action in ['create', 'update']")
    );
    assert_eq!(
        codes(&[&rule("access == 'wirte'")]),
        found("unreachable", "access == 'wirte'")
    );
    assert_eq!(
        codes(&[&rule("action.startsWith('delete') && action.endsWith('_all')")]),
        []
    );
}

#[test]
fn a_condition_that_tells_nothing_apart_is_found() {
    let rule = |condition: &str| gate(&format!("- {{ condition: \"{condition}\", decision: deny }}\n"));
    let both = "action != 'create' || action != 'update'";
    assert_eq!(codes(&[&rule(both)]), found("never_false", both));
    assert_eq!(codes(&[&rule("action != 'create' && action != 'update'")]), []);
    assert_eq!(codes(&[&rule("true")]), []);
}

#[test]
fn a_condition_that_contradicts_what_the_gate_is_about_is_found() {
    let text = "name: g\non: [{ action: shell }, { action: run }]\nrules:\n- { condition: \"action == 'query'\", decision: deny }\n";
    let (problem, text) = lint(&[text]).remove(0);
    assert_eq!((problem.code, text.as_str()), ("unreachable", "action == 'query'"));
    assert_eq!(
        problem.message,
        "`action == 'query'` never holds for what the rule is about"
    );
}

#[test]
fn a_rule_that_a_denial_always_outdoes_is_found_and_one_that_it_sometimes_outdoes_is_not() {
    let allow = "- { name: small, condition: \"has(amount) && amount < 10\", decision: allow }\n";
    let under = |bound: u32| {
        let deny = format!("- {{ name: never, condition: \"has(amount) && amount < {bound}\", decision: deny }}\n");
        gate(&format!("{allow}{deny}"))
    };
    let (problem, _) = lint(&[&under(20)]).remove(0);
    assert_eq!(problem.code, "shadowed");
    assert_eq!(
        problem.message,
        "`g#small` has no effect: wherever it applies, `g#never` is stricter"
    );
    assert!(problem.help.is_some_and(|help| help.contains("0.yaml, line 4")));
    assert_eq!(codes(&[&under(5)]), []);
}

#[test]
fn a_mandate_that_allows_what_a_gate_always_denies_is_found() {
    let mandate =
        "agent: a\npermissions:\n- { action: drop_table, allowed: true }\n- { action: read_table, allowed: true }\n";
    let gate = "name: no-drops\non: [{ action: 'drop_*' }]\nrules:\n- { decision: deny }\n";
    let found = lint(&[mandate, gate]);
    let (problem, _) = &found[0];
    assert_eq!((found.len(), problem.code), (1, "always_denied"));
    assert_eq!(
        problem.message,
        "what `a#permissions[0]` allows, `no-drops#rules[0]` always denies"
    );
    let sometimes = gate.replace("{ decision", "{ condition: \"env == 'production'\", decision");
    assert_eq!(codes(&[mandate, &sometimes]), []);
}

#[test]
fn a_permission_outside_of_the_mandates_own_bounds_is_found() {
    let tools = "tools:\n  db/drop: { class: data, tier: execute }\n  db/wipe: { class: data, clearance: 5 }\n";
    let mandate = "agent: a\ntier: observe\nenvironments: [test]\npermissions:\n\
                   - { tool: db/drop, allowed: true }\n\
                   - { tool: db/wipe, allowed: true }\n\
                   - { action: deploy, where: \"env == 'production'\", allowed: true }\n";
    let found = lint(&[tools, mandate]);
    let messages: Vec<&str> = found.iter().map(|(problem, _)| problem.message.as_str()).collect();
    let wanted = [
        "the tool `db/drop` needs tier `execute`, and the agent has `observe`: it is always denied",
        "the tool `db/wipe` needs clearance 5, and the agent has 0: it is always denied",
        "`a#permissions[2]` holds in none of the mandate's environments",
    ];
    assert_eq!(messages, wanted);
}

#[test]
fn constraints_of_which_one_names_no_currency_are_apart_only_where_they_are_in_every_currency() {
    let rules = |one: &str, other: &str| {
        gate(&format!(
            "- {{ name: one, condition: \"action == 'pay'\", decision: allow, constraints: {{ {one} }} }}\n\
             - {{ name: other, decision: allow, constraints: {{ {other} }} }}\n"
        ))
    };
    let apart = |documents: &[&str]| codes(documents).iter().any(|found| found.0 == "never_together");
    let euros = rules("max_amount: 100", "max_amount: 100 EUR");
    assert!(!apart(&[&euros]), "the ledger may be in euros");
    let organization = "organization: acme\ndefault_route: { to: [leads], sla: 15m }\nteams: [leads]\ncurrency: USD\n";
    assert!(apart(&[&euros, organization]), "it counts in dollars");
    assert!(apart(&[&rules("max_amount: 100 USD", "max_amount: 100 EUR")]));
}

#[test]
fn constraints_that_leave_nothing_between_them_are_found_where_the_rules_always_meet() {
    let rules = |condition: &str| {
        gate(&format!(
            "- {{ name: euros, {condition}decision: allow, constraints: {{ allowed_currencies: [EUR] }} }}\n\
             - {{ name: dollars, decision: allow, constraints: {{ allowed_currencies: [USD, GBP] }} }}\n"
        ))
    };
    let found = codes(&[&rules("condition: \"action == 'pay'\", ")]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, "never_together");
    let common = rules("").replace("[EUR]", "[EUR, GBP]");
    assert_eq!(codes(&[&common]), []);
}

#[test]
fn names_that_nothing_has_are_found_with_the_one_that_was_meant() {
    let tools = "tools:\n  crm/refund: { class: money_movement, access: write }\n";
    let organization = "organization: o\ncurrency: EUR\nteams: [support]\nrequire: [mandate]\n";
    let mandate = "agent: bot\nowner: team:suport\npermissions:\n- { tool: crm/refnd, allowed: true }\n";
    let gate = "name: g\non: [{ agent: bott }]\nrules:\n\
                - { condition: \"has(tool.class) && tool.class == 'money_movment'\", decision: deny }\n";
    let found = lint(&[tools, organization, mandate, gate]);
    let seen: Vec<(&str, &str, &str)> = (found.iter())
        .map(|(problem, text)| (problem.code, text.as_str(), problem.help.as_deref().unwrap_or_default()))
        .collect();
    let wanted = [
        ("unknown_team", "team:suport", "did you mean `support`?"),
        ("unknown_tool", "crm/refnd", "did you mean `crm/refund`?"),
        ("unknown_agent", "bott", "did you mean `bot`?"),
        (
            "unreachable",
            "tool.class == 'money_movment'",
            "change one of them, or remove the rule",
        ),
        ("unknown_class", "money_movment", "did you mean `money_movement`?"),
    ];
    assert_eq!(seen, wanted);
}

#[test]
fn a_bound_is_in_a_currency_or_the_organization_says_which_is_its_own() {
    let mandate = "agent: a\npermissions:\n- { action: pay, allowed: true, max_amount: 500 }\n";
    assert_eq!(codes(&[mandate]), found("no_currency", "max_amount"));
    assert_eq!(codes(&[mandate, "organization: o\ncurrency: EUR\n"]), []);
    assert_eq!(codes(&[&mandate.replace("500", "500 EUR")]), []);
}

#[test]
fn a_bundle_that_takes_too_long_is_looked_at_in_part_and_says_so() {
    let rules: String = (0..1600)
        .map(|at| format!("- {{ condition: \"action == 'a{at}' || action == 'b{at}'\", decision: allow }}\n"))
        .collect();
    let start = std::time::Instant::now();
    assert_eq!(codes(&[&gate(&rules)]), found("looked_at_in_part", "g"));
    assert!(start.elapsed().as_secs() < 60);
}

#[test]
fn every_finding_says_why_it_matters() {
    let (problem, _) = lint(&[&gate(
        "- { condition: \"action == 'a' && action == 'b'\", decision: deny }\n",
    )])
    .remove(0);
    assert_eq!(
        problem.why(),
        "the rule never speaks; somebody relies on a rule that is not there"
    );
}

fn folders(root: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(root) else { return };
    for path in entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir())
    {
        // The starter packs are folders of documents themselves.
        if path.ends_with("policies") && path.parent() != Some(&Path::new(ROOT).join("examples")) {
            found.push(path);
        } else {
            folders(&path, found);
        }
    }
}

#[test]
fn no_example_says_what_cannot_be_meant() {
    let mut all = Vec::new();
    folders(&Path::new(ROOT).join("examples"), &mut all);
    assert!(all.len() > 5, "the examples are not where they were: {all:?}");
    for folder in all {
        let names = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let files: Vec<(String, Vec<u8>)> = names
            .filter_map(|entry| Some(entry.ok()?.path()))
            .map(|path| (path.display().to_string(), fs::read(&path).unwrap_or_default()))
            .collect();
        let (snapshot, _) = Snapshot::load(&files).unwrap_or_else(|problems| panic!("{problems:#?}"));
        assert_eq!(snapshot.lint(), [], "{}", folder.display());
    }
}
