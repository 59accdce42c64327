//! Policy evaluation alone, beside Cedar and regorus, on the same rules: five rules a tool, 10, 100 and 1,000 in all.
//!
//! Each round turns a request of this process into what the engine reads, asks, and takes the decision out; parsing of
//! JSON and HTTP is left out for all three. Cedar knows no approval: there it is a permit by a policy whose name says so.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Instant;

use cedar_policy::{
    Authorizer, Decision as CedarDecision, Effect, Entities, EntityUid, Policy, PolicyId, PolicySet, Request,
    RestrictedExpression,
};
use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::vm::RegoVM;

#[path = "../ours.rs"]
mod ours;

use ours::{Answer, Ask, RULES, asks, ours};

/// Nanoseconds a decision: the median of nine runs, after one to warm up.
fn time(asks: &[(Ask, Answer)], mut decide: impl FnMut(&Ask) -> Answer) -> f64 {
    for (ask, wanted) in asks {
        assert_eq!(decide(ask), *wanted, "{} {} {}", ask.tool, ask.cents, ask.path);
    }
    let begin = Instant::now();
    for (ask, _) in asks {
        black_box(decide(ask));
    }
    // About 60 ms a run.
    let rounds = (60_000_000 / begin.elapsed().as_nanos().max(1)).clamp(1, 100_000) as usize;
    let mut runs: Vec<f64> = (0..10)
        .map(|_| {
            let begin = Instant::now();
            for _ in 0..rounds {
                for (ask, _) in asks {
                    black_box(decide(black_box(ask)));
                }
            }
            begin.elapsed().as_nanos() as f64 / (rounds * asks.len()) as f64
        })
        .skip(1)
        .collect();
    runs.sort_by(f64::total_cmp);
    runs[runs.len() / 2]
}

fn cedar(tools: usize) -> impl FnMut(&Ask) -> Answer {
    let begin = Instant::now();
    let mut policies = PolicySet::new();
    for tool in 0..tools {
        for (name, answer, _, condition, _) in RULES {
            let effect = if answer == Answer::Deny { "forbid" } else { "permit" };
            let text =
                format!("{effect}(principal, action == Action::\"tool-{tool:03}\", resource) when {{ {condition} }};");
            let id = PolicyId::new(format!("{answer:?}-{name}-{tool:03}"));
            policies
                .add(Policy::parse(Some(id), text).expect("a Cedar policy"))
                .expect("one of its name");
        }
    }
    println!(
        "loaded {} {} {}",
        "cedar",
        tools * RULES.len(),
        begin.elapsed().as_micros()
    );
    let (authorizer, entities) = (Authorizer::new(), Entities::empty());
    let uid = |text: String| EntityUid::from_str(&text).expect("an entity");
    let (agent, resource) = (uid("Agent::\"bot\"".into()), uid("Resource::\"any\"".into()));
    // Building a name by parsing is slow in Cedar; a careful caller does it once.
    let actions: BTreeMap<String, EntityUid> = (0..tools)
        .map(|n| format!("tool-{n:03}"))
        .map(|tool| (tool.clone(), uid(format!("Action::\"{tool}\""))))
        .collect();
    move |ask| {
        let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
        let context = cedar_policy::Context::from_pairs([
            ("env".to_owned(), text(ask.env)),
            ("amount".to_owned(), RestrictedExpression::new_long(ask.cents)),
            ("team".to_owned(), text(ask.team)),
            ("path".to_owned(), text(&ask.path)),
        ])
        .expect("a context");
        let request = Request::new(
            agent.clone(),
            actions[&ask.tool].clone(),
            resource.clone(),
            context,
            None,
        )
        .expect("a request");
        let answer = authorizer.is_authorized(&request, &policies, &entities);
        match answer.decision() {
            CedarDecision::Deny => Answer::Deny,
            CedarDecision::Allow => {
                let approval = answer.diagnostics().reason().any(|id| {
                    let id: &str = id.as_ref();
                    id.starts_with("Approval")
                });
                debug_assert!(
                    policies
                        .policies()
                        .all(|policy| policy.effect() != Effect::Forbid || !approval)
                );
                if approval { Answer::Approval } else { Answer::Allow }
            }
        }
    }
}

fn rego(tools: usize) -> impl FnMut(&Ask) -> Answer {
    let mut text = "package gate\n\nelsewhere(i) if not i.env in {\"production\", \"staging\"}\nelsewhere(i) if i.amount > 1000000\n".to_owned();
    for tool in 0..tools {
        for (name, answer, _, _, condition) in RULES {
            let set = format!("{answer:?}").to_lowercase();
            text.push_str(&format!(
                "{set} contains \"{name}-{tool:03}\" if {{ input.tool == \"tool-{tool:03}\"; {condition} }}\n"
            ));
        }
    }
    text.push_str(concat!(
        "default decision := \"deny\"\n",
        "decision := \"deny\" if count(deny) > 0\n",
        "else := \"approval\" if count(approval) > 0\n",
        "else := \"allow\" if count(allow) > 0\n",
    ));
    let begin = Instant::now();
    let mut engine = regorus::Engine::new();
    engine.add_policy("gate.rego".to_owned(), text).expect("a Rego policy");
    let entry = "data.gate.decision";
    let compiled = engine.compile_with_entrypoint(&entry.into()).expect("it compiles");
    let program = Compiler::compile_from_policy(&compiled, &[entry]).expect("it compiles for the virtual machine");
    let mut machine = RegoVM::new();
    machine.load_program(Arc::clone(&program));
    println!(
        "loaded {} {} {}",
        "regorus",
        tools * RULES.len(),
        begin.elapsed().as_micros()
    );
    let approval = regorus::Value::from("approval");
    let allow = regorus::Value::from("allow");
    move |ask| {
        let input: BTreeMap<regorus::Value, regorus::Value> = [
            ("tool", regorus::Value::from(ask.tool.as_str())),
            ("env", regorus::Value::from(ask.env)),
            ("amount", regorus::Value::from(ask.cents)),
            ("team", regorus::Value::from(ask.team)),
            ("path", regorus::Value::from(ask.path.as_str())),
        ]
        .into_iter()
        .map(|(key, value)| (regorus::Value::from(key), value))
        .collect();
        machine.set_input(regorus::Value::from(input));
        let answer = machine.execute().expect("an answer");
        if answer == allow {
            Answer::Allow
        } else if answer == approval {
            Answer::Approval
        } else {
            Answer::Deny
        }
    }
}

fn main() {
    for rules in [10, 100, 1000] {
        let tools = rules / RULES.len();
        let asks = asks(tools);
        let (compiled, ours) = ours(tools);
        println!("loaded countersign {rules} {}", compiled.as_micros());
        for (name, nanoseconds) in [
            ("countersign", time(&asks, ours)),
            ("cedar", time(&asks, cedar(tools))),
            ("regorus", time(&asks, rego(tools))),
        ] {
            println!("decided {name} {rules} {nanoseconds:.0}");
        }
    }
}
