//! What content from outside does to a decision: it makes it stricter, or leaves it.

mod bundle;

use std::collections::BTreeMap;

use countersign_policy::{Action, Context, Decision, Snapshot, Value};

use bundle::{load, read};

const RULES: [&str; 5] = [
    "",
    "rules: [{ decision: allow }]",
    "rules: [{ decision: allow_with_constraints, constraints: { timeout: 5s } }]",
    "rules: [{ decision: require_approval }]",
    "rules: [{ decision: deny }]",
];
const TOOLS: &str = "tools: { mail: { class: usual, risk: R1, when_tainted: { class: raised, risk: R3 } } }";

fn decide(snapshot: &Snapshot, read: &[String]) -> countersign_policy::Verdict {
    let agent = Value::Map(BTreeMap::from([("id".to_owned(), Value::from("a"))]));
    let action = Action {
        tool: Some("mail".into()),
        ..Action::of("mail")
    };
    let ctx = Context {
        reads: read,
        ..Context::bare("a", &agent)
    };
    snapshot.evaluate(&action, &ctx)
}

#[test]
fn what_was_read_never_makes_an_answer_looser_whatever_is_said_of_either_class() {
    let outside = ["outside".to_owned()];
    let mut stricter = 0;
    for usual in RULES {
        for raised in RULES {
            let mut files = vec![TOOLS.to_owned()];
            for (class, rules) in [("usual", usual), ("raised", raised)] {
                if !rules.is_empty() {
                    files.push(format!("name: {class}\non: [{{ class: {class} }}]\n{rules}\n"));
                }
            }
            let snapshot = load(&files);
            let (before, after) = (decide(&snapshot, &[]), decide(&snapshot, &outside));
            assert!(
                after.decision >= before.decision,
                "{usual} and {raised}: {:?} {:?}",
                before.decision,
                after.decision
            );
            // Each of the two is held against the rules of its own class, and nothing grants a class without any.
            let alone = |rules: &str| match rules {
                "" => Decision::Deny,
                _ => {
                    let gate = format!("name: all\n{rules}\n");
                    decide(&load(&[gate]), &[]).decision
                }
            };
            assert_eq!(after.decision, alone(usual).max(alone(raised)), "{usual} and {raised}");
            stricter += u32::from(after.decision > before.decision);
        }
    }
    assert_eq!(stricter, 9, "the answers that a raised class makes stricter");
}

#[test]
fn a_risk_that_is_raised_is_what_conditions_see_beside_the_usual_one() {
    let gate = "name: gate\nrules:\n- { decision: allow }\n\
                - { condition: \"has(tool) && has(tool.risk) && tool.risk == 'R3'\", decision: deny }\n";
    let snapshot = load(&[TOOLS, gate]);
    assert_eq!(decide(&snapshot, &[]).decision, Decision::Allow);
    assert_eq!(decide(&snapshot, &["outside".to_owned()]).decision, Decision::Deny);
    assert_eq!(
        decide(&snapshot, &["customer_data".to_owned()]).decision,
        Decision::Allow
    );
}

#[test]
fn a_raise_that_raises_nothing_is_refused_at_load() {
    for raise in ["{ risk: R0 }", "{ risk: R1 }", "{}", "{ class: x, tier: execute }"] {
        let tools = format!("tools: {{ mail: {{ risk: R1, when_tainted: {raise} }} }}\n");
        assert!(read(&[tools]).is_err(), "{raise}");
    }
    let label = "tools: { web: { reads: [Not-A-Label] } }\n";
    assert!(read(&[label]).is_err());
}
