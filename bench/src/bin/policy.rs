//! Policy evaluation alone, on the same rules: Countersign, cedar-policy, regorus.
//!
//! Rules are spread over 20 tools, five of which match: `amount` bounds, a region, a confidence. Every measurement makes
//! the request from its parts, evaluates it and looks at the decision; the median of 30 rounds counts.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::{Duration, Instant};

use countersign_policy::{Action, Context as PolicyContext, Decimal, Decision, Snapshot, Standing, Value};

const TOOLS: usize = 20;

/// One rule, in the words of all three.
struct Rule {
    tool: usize,
    cel: String,
    cedar: String,
    rego: String,
    effect: &'static str,
}

fn rules(count: usize) -> Vec<Rule> {
    (0..count)
        .map(|n| {
            // With ten rules half of them are about the tool that is asked for, so that five match in every case.
            let tool = if count <= TOOLS { if n < 5 { 3 } else { n } } else { n % TOOLS };
            let bound = 1000 + n;
            let (cel, cedar, rego) = match n % 5 {
                0 => (
                    format!("has(amount) && amount <= {bound}"),
                    format!("context has amount && context.amount <= {bound}"),
                    format!("input.amount <= {bound}"),
                ),
                1 => (
                    format!("has(args.region) && args.region == 'eu' && has(amount) && amount < {bound}"),
                    format!("context has region && context.region == \"eu\" && context.amount < {bound}"),
                    format!("input.args.region == \"eu\"; input.amount < {bound}"),
                ),
                2 => (
                    format!("has(env) && env == 'production' && has(amount) && amount > {bound}"),
                    format!("context has env && context.env == \"production\" && context.amount > {bound}"),
                    format!("input.env == \"production\"; input.amount > {bound}"),
                ),
                3 => (
                    format!("has(args.order) && args.order.startsWith('x{n}')"),
                    format!("context has order && context.order like \"x{n}*\""),
                    format!("startswith(input.args.order, \"x{n}\")"),
                ),
                _ => (
                    format!("has(confidence) && confidence < 0.{}", n % 7),
                    format!("context has confidence && context.confidence < {}", n % 7),
                    format!("input.confidence < {}", n % 7),
                ),
            };
            Rule { tool, cel, cedar, rego, effect: if n % 5 < 2 { "allow" } else { "deny" } }
        })
        .collect()
}

fn countersign(rules: &[Rule]) -> Snapshot {
    let mut documents: BTreeMap<usize, String> = BTreeMap::new();
    for rule in rules {
        let document = documents
            .entry(rule.tool)
            .or_insert_with(|| format!("name: gate-{0}\non: [{{ tool: tool-{0} }}]\nrules:\n", rule.tool));
        document.push_str(&format!("  - {{ condition: \"{}\", decision: {} }}\n", rule.cel, rule.effect));
    }
    let files: Vec<_> = documents.into_iter().map(|(n, text)| (format!("{n}.yaml"), text.into_bytes())).collect();
    Snapshot::load(&files).unwrap_or_else(|problems| panic!("{problems:?}")).0
}

fn evaluate(snapshot: &Snapshot, n: u64) -> Decision {
    let text = |text: &str| Value::String(text.to_owned());
    let args = BTreeMap::from([("region".to_owned(), text("eu")), ("order".to_owned(), text(&format!("o{n}")))]);
    let action = Action {
        tool: Some("tool-3".into()),
        action: "run".into(),
        args: Value::Map(args),
        resource: None,
        env: Some("production".into()),
        access: None,
        amount: Some(Decimal::from(n % 900)),
        currency: Some("USD".into()),
        estimated_cost: None,
        confidence: Some(Decimal::ONE),
        evidence: None,
        labels: None,
        principal: None,
        run: None,
        parent: None,
        step: None,
        delegation: None,
        model: None,
        conflicts: None,
    };
    let agent = Value::Map(BTreeMap::from([("id".to_owned(), text("bot"))]));
    let pii = Value::List(Vec::new());
    let verdict = snapshot.evaluate(
        &action,
        &PolicyContext {
            agent_id: "bot",
            standing: Standing::Active,
            agent: &agent,
            principal_verified: false,
            pii: &pii,
            counters: None,
            now: 0,
            currency: "USD",
            accept_remedy: false,
        },
    );
    verdict.decision
}

fn cedar(rules: &[Rule]) -> cedar_policy::PolicySet {
    let text: String = rules
        .iter()
        .map(|rule| {
            let effect = if rule.effect == "allow" { "permit" } else { "forbid" };
            format!(
                "{effect}(principal, action == Action::\"run\", resource == Tool::\"tool-{}\") when {{ {} }};\n",
                rule.tool, rule.cedar
            )
        })
        .collect();
    cedar_policy::PolicySet::from_str(&text).expect("cedar policies")
}

fn evaluate_cedar(policies: &cedar_policy::PolicySet, authorizer: &cedar_policy::Authorizer, n: u64) -> bool {
    use cedar_policy::{Context, Entities, EntityUid, Request, RestrictedExpression as E};
    let uid = |text: &str| EntityUid::from_str(text).expect("a uid");
    let context = Context::from_pairs([
        ("amount".to_owned(), E::new_long((n % 900) as i64)),
        ("region".to_owned(), E::new_string("eu".into())),
        ("order".to_owned(), E::new_string(format!("o{n}"))),
        ("env".to_owned(), E::new_string("production".into())),
        ("confidence".to_owned(), E::new_long(10)),
    ])
    .expect("a context");
    let request =
        Request::new(uid("Agent::\"bot\""), uid("Action::\"run\""), uid("Tool::\"tool-3\""), context, None).expect("a request");
    authorizer.is_authorized(&request, policies, &Entities::empty()).decision() == cedar_policy::Decision::Allow
}

fn rego(rules: &[Rule]) -> regorus::Engine {
    let mut text = "package bench\nimport rego.v1\ndefault allow := false\nallow if { grant; not stop }\n".to_owned();
    for rule in rules {
        let head = if rule.effect == "allow" { "grant" } else { "stop" };
        text.push_str(&format!("{head} if {{ input.tool == \"tool-{}\"; {} }}\n", rule.tool, rule.rego));
    }
    let mut engine = regorus::Engine::new();
    engine.add_policy("bench.rego".into(), text).expect("rego policies");
    engine
}

fn evaluate_rego(engine: &mut regorus::Engine, n: u64) -> bool {
    let input = serde_json::json!({
        "tool": "tool-3", "amount": n % 900, "env": "production", "confidence": 10,
        "args": { "region": "eu", "order": format!("o{n}") },
    });
    engine.set_input(regorus::Value::from_json_str(&input.to_string()).expect("an input"));
    matches!(engine.eval_rule("data.bench.allow".into()), Ok(regorus::Value::Bool(true)))
}

/// Median time of one evaluation over 30 rounds.
fn measure(mut once: impl FnMut(u64) -> bool) -> Duration {
    let mut count = 1_u64;
    loop {
        let started = Instant::now();
        for n in 0..count {
            assert!(once(n), "the rules allow this request");
        }
        if started.elapsed() > Duration::from_millis(10) {
            break;
        }
        count *= 2;
    }
    let mut rounds: Vec<Duration> = (0..30)
        .map(|_| {
            let started = Instant::now();
            for n in 0..count {
                std::hint::black_box(once(n));
            }
            started.elapsed() / u32::try_from(count).expect("a count")
        })
        .collect();
    rounds.sort();
    rounds[15]
}

fn main() {
    println!("| rules | Countersign | cedar-policy | regorus | cedar / ours | regorus / ours |");
    println!("| ---: | ---: | ---: | ---: | ---: | ---: |");
    for count in [10, 100, 1000] {
        let rules = rules(count);
        let (snapshot, policies, authorizer, mut engine) =
            (countersign(&rules), cedar(&rules), cedar_policy::Authorizer::new(), rego(&rules));
        let ours = measure(|n| evaluate(&snapshot, n) == Decision::Allow);
        let cedar = measure(|n| evaluate_cedar(&policies, &authorizer, n));
        let rego = measure(|n| evaluate_rego(&mut engine, n));
        let us = |time: Duration| format!("{:.2} µs", time.as_nanos() as f64 / 1000.0);
        let ratio = |time: Duration| format!("{:.1}", time.as_secs_f64() / ours.as_secs_f64());
        println!("| {count} | {} | {} | {} | {} | {} |", us(ours), us(cedar), us(rego), ratio(cedar), ratio(rego));
    }
}
