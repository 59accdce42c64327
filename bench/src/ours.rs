//! The rules of the comparison, what is asked of them, and Countersign's side of it. A test of `crates/policy` builds this as
//! well and looks at the answers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use countersign_policy::{Action, Context, Decimal, Decision, Snapshot, Value};

/// What is asked, as a caller has it.
pub struct Ask {
    pub tool: String,
    pub env: &'static str,
    pub cents: i64,
    pub team: &'static str,
    pub path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Allow,
    Approval,
    Deny,
}

pub fn asks(tools: usize) -> Vec<(Ask, Answer)> {
    (0..60)
        .map(|n| {
            let (cents, path, answer) = match n % 20 {
                7 => (150_000, "/srv/a", Answer::Approval),
                13 => (12_000, "/etc/passwd", Answer::Deny),
                _ => (12_050, "/srv/data/report", Answer::Allow),
            };
            let tool = format!("tool-{:03}", (n * 7) % tools);
            (
                Ask {
                    tool,
                    env: "production",
                    cents,
                    team: "support",
                    path: format!("{path}-{n}"),
                },
                answer,
            )
        })
        .collect()
}

/// The rules of one tool: name, decision, condition in our language, in Cedar's, in Rego.
pub const RULES: [(&str, Answer, &str, &str, &str); 5] = [
    (
        "amount",
        Answer::Allow,
        "has(amount) && amount <= 500 && has(env) && env == 'production'",
        "context has amount && context.amount <= 50000 && context has env && context.env == \"production\"",
        "input.amount <= 50000; input.env == \"production\"",
    ),
    (
        "team",
        Answer::Allow,
        "has(labels) && has(labels.team) && labels.team in ['support', 'sales', 'finance']",
        "context has team && [\"support\", \"sales\", \"finance\"].contains(context.team)",
        "input.team in {\"support\", \"sales\", \"finance\"}",
    ),
    (
        "large",
        Answer::Approval,
        "has(amount) && amount > 1000",
        "context has amount && context.amount > 100000",
        "input.amount > 100000",
    ),
    (
        "path",
        Answer::Deny,
        "has(args.path) && args.path.startsWith('/etc/')",
        "context has path && context.path like \"/etc/*\"",
        "startswith(input.path, \"/etc/\")",
    ),
    (
        "elsewhere",
        Answer::Deny,
        "has(env) && !(env in ['production', 'staging']) || has(amount) && amount > 10000",
        "context has env && !([\"production\", \"staging\"].contains(context.env)) || context has amount && context.amount > 1000000",
        "elsewhere(input)",
    ),
];

/// Countersign, compiled for so many tools, and how long compiling took.
pub fn ours(tools: usize) -> (Duration, impl FnMut(&Ask) -> Answer) {
    let files: Vec<(String, Vec<u8>)> = (0..tools)
        .map(|tool| {
            let mut text = format!("name: gate-{tool:03}\non: [{{ tool: tool-{tool:03} }}]\nrules:\n");
            for (_, answer, condition, _, _) in RULES {
                let decision = match answer {
                    Answer::Allow => "allow",
                    Answer::Approval => "require_approval",
                    Answer::Deny => "deny",
                };
                text.push_str(&format!("- condition: \"{condition}\"\n  decision: {decision}\n"));
            }
            (format!("{tool:03}.yaml"), text.into_bytes())
        })
        .collect();
    let begin = Instant::now();
    let (snapshot, _) = Snapshot::load(&files).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let took = begin.elapsed();
    (took, move |ask| {
        let map = |key: &str, text: &str| Value::Map(BTreeMap::from([(key.to_owned(), Value::from(text))]));
        let action = Action {
            tool: Some(ask.tool.clone()),
            args: map("path", &ask.path),
            env: Some(ask.env.to_owned()),
            amount: Some(Decimal::new(ask.cents, 2)),
            labels: Some(map("team", ask.team)),
            ..Action::of("update")
        };
        let (agent, pii) = (map("id", "bot"), Value::List(Vec::new()));
        let verdict = snapshot.evaluate(
            &action,
            &Context {
                pii: &pii,
                now: 1_767_603_600_000_000,
                ..Context::bare("bot", &agent)
            },
        );
        match verdict.decision {
            Decision::Allow => Answer::Allow,
            Decision::RequireApproval => Answer::Approval,
            _ => Answer::Deny,
        }
    })
}
