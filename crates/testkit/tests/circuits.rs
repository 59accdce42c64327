//! Circuits, depth and costs over random histories: an independent look at the records, the second model, and every decision
//! derived again.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command as Process;

use countersign_core::event::{OutcomeStatus, Trial, Verb};
use countersign_core::ids::ActionId;
use countersign_core::record::ActorKind;
use countersign_core::refusal::Category;
use countersign_core::replay::Outcome;
use countersign_core::{Command, Event, Record, Span, State, Time};
use countersign_testkit::{ORIGIN, World, by};

const GATE: &str = "
name: gate
rules:
  - { condition: \"action != 'pay'\", decision: allow }
  - { condition: \"action == 'pay'\", decision: require_approval, approvers: [leads] }
";
const LIMITS: &str = "
limits:
  - { name: tool-down, failures: 2, within: 10m, open_for: 2m }
  - { name: all-down, per: organization, failures: 3, within: 5m, open_for: 1m }
  - { name: deep, depth: 3 }
  - { name: dear, per: run, cost: 3.00 USD }
";

/// Numbers that look random, from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

fn history(seed: u64) -> World {
    let mut random = Random(seed);
    let mut world = World::new();
    world.user("dana", &["reviewer"], &["leads"], &[]);
    for agent in ["bot", "other"] {
        world.agent(agent, "team:ops");
    }
    world.policy(&[("gate.yaml", GATE), ("limits.yaml", LIMITS)]);
    let run = started(&mut world);
    let mut actions = Vec::new();
    for _ in 0..120 {
        match random.below(10) {
            0..=3 => {
                let agent = if random.below(3) == 0 { "other" } else { "bot" };
                let action = if random.below(4) == 0 { "pay" } else { "read" };
                let (tool, step) = (random.below(2), random.below(20));
                let parent = match random.below(3) {
                    0 => format!(r#","parent":"s{}""#, random.below(20)),
                    _ => String::new(),
                };
                let body =
                    format!(r#"{{"tool":"crm/{tool}","action":"{action}","run":"{run}","step":"s{step}"{parent}}}"#);
                actions.extend(world.submit(agent, &body).ok().map(|view| view.decision.action_id));
            }
            deed => act(&mut world, &mut random, deed, &actions),
        }
    }
    world
}

/// Does something with a recent action, or lets time pass. What is refused changes nothing, and that is looked at as well.
fn act(world: &mut World, random: &mut Random, deed: u64, actions: &[ActionId]) {
    let newest = random.below(actions.len().clamp(1, 6) as u64) as usize;
    let Some(action) = actions.iter().rev().nth(newest).copied() else {
        return;
    };
    let cost = format!("0.{:02}", random.below(100));
    // Mostly what is reported has run: what never used its permit says nothing of a circuit.
    if matches!(deed, 6 | 7) && random.below(8) != 0 {
        let _ = world.redeem(action);
    }
    let _ = match deed {
        4 | 5 => world.redeem(action),
        6 => world.report(action, OutcomeStatus::Succeeded, Some(&cost)),
        7 => world.report(action, OutcomeStatus::Failed, Some(&cost)),
        8 if world.view(action).approval.is_some() => world.vote("dana", action, Verb::Approve, None),
        _ => {
            let spans = [5, 30, 65, 125, 400].map(Span::seconds);
            world.pass(spans[random.below(5) as usize]);
            Ok(())
        }
    };
}

fn started(world: &mut World) -> String {
    let new = countersign_core::command::NewRun {
        agents: vec!["bot".into(), "other".into()],
        idle_s: None,
        parent: None,
        traceparent: None,
        trigger: countersign_core::event::Trigger::Person,
        context: None,
        redact: BTreeMap::new(),
    };
    let (_, records) = world.give(by(ActorKind::Agent, "bot"), Command::StartRun(Box::new(new)));
    let run = records.iter().find_map(|record| match &record.event {
        Event::RunStarted(started) => Some(started.run.to_string()),
        _other => None,
    });
    run.unwrap()
}

/// Circuits as the records tell them, without any of the code that keeps them.
#[derive(Default)]
struct Circuits {
    open: BTreeMap<(String, String), (Time, Option<ActionId>)>,
    permits: BTreeMap<ActionId, Time>,
    used: BTreeSet<ActionId>,
    ended: BTreeMap<ActionId, OutcomeStatus>,
    seen: BTreeMap<&'static str, u32>,
}

impl Circuits {
    fn saw(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn tried(&mut self, id: ActionId, trials: &[Trial], now: Time) {
        for tried in trials {
            let key = (tried.limit.to_string(), tried.circuit.to_string());
            let (until, before) = self.open.get_mut(&key).unwrap();
            assert!(*until <= now, "{key:?} is tried before {until}");
            let goes_on = |before: &ActionId| {
                let usable = self.permits.get(before).is_some_and(|expires| *expires > now);
                !self.ended.contains_key(before) && (self.used.contains(before) || usable)
            };
            assert!(
                before.as_ref().is_none_or(|before| !goes_on(before)),
                "{key:?} is tried twice"
            );
            *before = Some(id);
            self.saw("trial");
        }
    }

    /// Whose circuits an action belongs to: those of this test's policy.
    fn of(agent: &str, tool: &str) -> [(String, String); 2] {
        let own = format!("agent:{agent},tool:{tool}");
        [("tool-down".into(), own), ("all-down".into(), "organization".into())]
    }

    fn lets_through(&mut self, id: ActionId, agent: &str, tool: &str) {
        for key in Circuits::of(agent, tool) {
            let open = self.open.get(&key);
            assert!(
                open.is_none_or(|(_, trial)| *trial == Some(id)),
                "{key:?} lets {id} through"
            );
        }
    }

    fn add(&mut self, record: &Record, tools: &mut BTreeMap<ActionId, (String, String)>) {
        match &record.event {
            Event::DecisionMade(e) => {
                let tool = e.tool.clone().unwrap();
                tools.insert(e.action_id, (e.agent.to_string(), tool.clone()));
                self.tried(e.action_id, &e.trials, record.ts);
                if let Some(permit) = &e.permit {
                    self.permits.insert(e.action_id, permit.expires);
                    self.lets_through(e.action_id, &e.agent, &tool);
                }
                let codes: Vec<&str> = e.reasons.iter().map(|reason| &*reason.code).collect();
                for code in ["breaker_open", "depth", "cost"] {
                    if codes.contains(&code) {
                        self.saw(code);
                    }
                }
            }
            Event::ApprovalResolved(e) => {
                if let Some(permit) = &e.permit {
                    self.permits.insert(e.action_id, permit.expires);
                }
            }
            Event::PermitRedeemed(e) => {
                self.tried(e.action_id, &e.trials, record.ts);
                self.used.insert(e.action_id);
                let (agent, tool) = &tools[&e.action_id];
                self.lets_through(e.action_id, agent, tool);
            }
            Event::PermitRefused(e) if e.reason == "breaker_open" => self.saw("permit"),
            Event::OutcomeReported(e) => {
                self.ended.insert(e.action_id, e.status);
            }
            Event::CircuitOpened(e) => {
                let key = (e.limit.to_string(), e.circuit.to_string());
                let trial = self.open.get(&key).map(|(_, trial)| *trial);
                assert_eq!(trial, e.trial.then_some(Some(e.action_id)), "{key:?}");
                self.open.insert(key, (e.until, None));
                self.saw(if e.trial { "opened again" } else { "opened" });
            }
            Event::CircuitClosed(e) => {
                let (_, trial) = self.open.remove(&(e.limit.to_string(), e.circuit.to_string())).unwrap();
                assert_eq!(trial, e.action_id);
                assert_eq!(self.ended[&e.action_id.unwrap()], OutcomeStatus::Succeeded);
                self.saw("closed");
            }
            _other => {}
        }
    }
}

#[test]
fn nothing_gets_through_an_open_circuit_but_one_trial_at_a_time() {
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in 0..200 {
        let mut world = history(seed);
        let (mut circuits, mut tools) = (Circuits::default(), BTreeMap::new());
        for record in &world.records {
            circuits.add(record, &mut tools);
        }
        for (what, count) in circuits.seen {
            *seen.entry(what).or_default() += count;
        }
        assert_eq!(world.refolded().hash(), world.state.hash(), "seed {seed}");
        // A state that is loaded from a seal goes on as one that was folded from the beginning.
        let mut loaded = State::from_bytes(&world.state.to_bytes()).unwrap();
        let known = world.records.len();
        world.pass(Span::hours(25));
        world.submit("nobody", r#"{"action":"read"}"#).unwrap();
        for record in &world.records[known..] {
            loaded.apply(record);
        }
        assert_eq!(loaded.hash(), world.state.hash(), "seed {seed}");
    }
    let names = [
        "breaker_open",
        "closed",
        "cost",
        "depth",
        "opened",
        "opened again",
        "permit",
        "trial",
    ];
    assert!(
        names.iter().all(|name| seen.get(name).is_some_and(|count| *count > 20)),
        "{seen:?}"
    );
}

#[test]
fn decisions_under_circuits_and_depth_are_derived_again_and_a_changed_circuit_or_level_is_found() {
    let mut changed = [0, 0, 0];
    for seed in 0..30 {
        let world = history(seed);
        for one in world.derived() {
            assert_eq!(one.outcome, Outcome::Agrees, "seed {seed}: {one:?}");
        }
        let differs = |change: &dyn Fn(&mut Event) -> bool| {
            let mut records = world.records.clone();
            let Some(place) = records.iter_mut().position(|record| change(&mut record.event)) else {
                return 0;
            };
            let derived = world.derived_from(&records, |seq| world.payload(seq).cloned());
            let one = derived.into_iter().find(|one| one.index == place as u64).unwrap();
            assert!(matches!(one.outcome, Outcome::Differs { .. }), "seed {seed}: {one:?}");
            1
        };
        changed[0] += differs(&|event| match event {
            Event::DecisionMade(made) => made.facts.circuits.pop().is_some(),
            _other => false,
        });
        changed[1] += differs(&|event| match event {
            Event::DecisionMade(made) => made.trials.pop().is_some(),
            _other => false,
        });
        changed[2] += differs(&|event| match event {
            Event::DecisionMade(made) => made.facts.depth.as_mut().is_some_and(|read| {
                read.level += 1;
                true
            }),
            _other => false,
        });
    }
    assert!(changed.iter().all(|count| *count > 10), "{changed:?}");
}

#[test]
fn the_second_model_agrees_and_finds_a_second_trial() {
    for seed in 0..12 {
        let world = history(seed);
        let (holds, said) = judged(&world.records);
        assert!(holds, "seed {seed}: {said}");
    }
    // A trial that comes before its time.
    let tried = |records: &Vec<Record>| {
        let trials = |record: &Record| matches!(&record.event, Event::DecisionMade(made) if !made.trials.is_empty());
        records.iter().any(trials)
    };
    let mut histories = (0..30).map(|seed| history(seed).records);
    let mut records = histories.find(tried).unwrap();
    for record in &mut records {
        if let Event::CircuitOpened(opened) = &mut record.event {
            opened.until = Time(i64::MAX / 2);
        }
    }
    let (holds, said) = judged(&records);
    assert!(!holds && said.contains("tries a circuit before its time"), "{said}");
}

/// What the second model says of these records.
fn judged(records: &[Record]) -> (bool, String) {
    let lines = records
        .iter()
        .map(|record| String::from_utf8(record.encode(ORIGIN).unwrap()).unwrap());
    let lines: Vec<String> = lines.collect();
    let path = std::env::temp_dir().join(format!("countersign-circuits-{}.jsonl", std::process::id()));
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    let oracle = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/oracle/oracle.py");
    let output = Process::new("python3").arg(oracle).arg(&path).output().unwrap();
    std::fs::remove_file(path).unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// `bot` fails twice with a tool, which opens that circuit for a day.
fn fails_twice(world: &mut World, tool: &str) {
    for _ in 0..2 {
        let id = permitted(world, "bot", tool);
        world.redeem(id).unwrap();
        world.report(id, OutcomeStatus::Failed, None).unwrap();
    }
}

fn permitted(world: &mut World, agent: &str, tool: &str) -> ActionId {
    let view = world.submit(agent, &format!(r#"{{"tool":"{tool}"}}"#)).unwrap();
    assert!(view.permit.is_some(), "{:?}", view.decision.reasons);
    view.decision.action_id
}

fn with_policy(more: &str) -> World {
    let mut world = World::new();
    for agent in ["bot", "other"] {
        world.agent(agent, "team:ops");
    }
    let gate = "name: gate\nrules: [{ decision: allow }]";
    let limit = "limits: [{ name: down, failures: 2, within: 1d, open_for: 1d }]";
    let mut files = vec![("gate.yaml", gate), ("limits.yaml", limit)];
    files.extend((!more.is_empty()).then_some(("more.yaml", more)));
    world.policy(&files);
    world
}

/// Where the live policy cannot be had the permit waits: nothing is recorded, and it is there later.
fn waits_for_policy(world: &mut World, id: ActionId) {
    world.without_policy = true;
    let before = world.records.len();
    for _ in 0..20 {
        let refusal = world.redeem(id).unwrap_err();
        assert_eq!(
            (refusal.category, refusal.code),
            (Category::Unavailable, "policy_unavailable")
        );
    }
    assert_eq!(world.records.len(), before);
    world.without_policy = false;
}

#[test]
fn no_permit_is_used_past_an_open_circuit_while_the_live_policy_cannot_be_had() {
    let mut world = with_policy("");
    let (early, another) = (
        permitted(&mut world, "bot", "crm"),
        permitted(&mut world, "bot", "mail"),
    );
    fails_twice(&mut world, "crm");
    waits_for_policy(&mut world, early);
    assert_eq!(world.redeem(early).unwrap_err().code, "breaker_open");
    waits_for_policy(&mut world, another);
    world.redeem(another).unwrap();
}

#[test]
fn no_permit_is_used_against_another_agent_while_the_live_policy_cannot_be_had() {
    let rule = "disagreements: [{ name: orders, subject: args.order, for: refund, against: hold, within: 1h }]";
    let mut world = with_policy(rule);
    let view = world
        .submit("bot", r#"{"action":"refund","args":{"order":7}}"#)
        .unwrap();
    world
        .submit("other", r#"{"action":"hold","args":{"order":7}}"#)
        .unwrap();
    waits_for_policy(&mut world, view.decision.action_id);
    let refusal = world.redeem(view.decision.action_id).unwrap_err();
    assert_eq!(refusal.code, "disagreement");
}

#[test]
fn a_failure_that_is_reported_while_the_live_policy_cannot_be_had_is_recorded_and_counts_for_no_circuit() {
    let mut world = with_policy("");
    let id = permitted(&mut world, "bot", "crm");
    world.redeem(id).unwrap();
    world.without_policy = true;
    let before = world.records.len();
    world.report(id, OutcomeStatus::Failed, None).unwrap();
    assert_eq!(world.kinds(before), ["outcome.reported"]);
    world.without_policy = false;
    let id = permitted(&mut world, "bot", "crm");
    world.redeem(id).unwrap();
    world.report(id, OutcomeStatus::Failed, None).unwrap();
    assert!(world.state.circuits().is_empty());
    fails_twice(&mut world, "mail");
    assert_eq!(world.state.circuits().all().count(), 1);
}

#[test]
fn an_agent_with_all_the_windows_that_it_may_open_does_not_get_past_a_circuit_that_is_open() {
    let mut world = with_policy("");
    fails_twice(&mut world, "crm");
    let id = permitted(&mut world, "bot", "t0");
    world.redeem(id).unwrap();
    world.report(id, OutcomeStatus::Failed, None).unwrap();
    // The same with every other tool, as its windows would stand in the state.
    let mut state: serde_json::Value = serde_json::from_slice(&world.state.to_bytes()).unwrap();
    let windows = state["windows"]["down"].as_object_mut().unwrap();
    let window = windows["agent:bot,tool:t0"].clone();
    windows.extend((1..10_000).map(|tool| (format!("agent:bot,tool:t{tool}"), window.clone())));
    world.state = State::from_bytes(&serde_json::to_vec(&state).unwrap()).unwrap();
    assert_eq!(world.state.windows().len(), 10_000);
    let view = world.submit("bot", r#"{"tool":"crm"}"#).unwrap();
    assert!(view.permit.is_none());
    let codes: Vec<&str> = view.decision.reasons.iter().map(|reason| &*reason.code).collect();
    assert!(codes.contains(&"breaker_open"), "{codes:?}");
}

#[test]
fn a_step_that_is_called_like_an_action_says_nothing_of_where_that_action_lies() {
    let mut world = World::new();
    for agent in ["bot", "other"] {
        world.agent(agent, "team:ops");
    }
    world.policy(&[
        ("gate.yaml", GATE),
        ("limits.yaml", "limits: [{ name: deep, depth: 2 }]"),
    ]);
    let run = started(&mut world);
    let mut submit = |agent: &str, more: String| {
        let body = format!(r#"{{"action":"read","run":"{run}"{more}}}"#);
        world.submit(agent, &body).unwrap()
    };
    let top = submit("bot", String::new()).decision.action_id;
    let low = submit("bot", format!(r#","parent":"{top}""#)).decision.action_id;
    submit("bot", format!(r#","step":"{low}""#));
    submit("other", format!(r#","step":"{low}""#));
    let below = submit("bot", format!(r#","parent":"{low}""#));
    assert!(below.permit.is_none(), "it was brought up");
    submit("other", format!(r#","step":"{top}","parent":"{top}""#));
    let beside = submit("bot", format!(r#","parent":"{top}""#));
    assert!(beside.permit.is_some(), "it was brought down");
}
