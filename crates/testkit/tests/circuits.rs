//! Circuits, depth and costs over random histories: an independent look at the records, the second model, and every decision
//! derived again.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command as Process;

use countersign_core::event::{OutcomeStatus, Trial, Verb};
use countersign_core::ids::ActionId;
use countersign_core::record::ActorKind;
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
    let mut records = history(3).records;
    let opened = records.iter_mut().find_map(|record| match &mut record.event {
        Event::CircuitOpened(opened) => Some(opened),
        _other => None,
    });
    opened.unwrap().until = Time(i64::MAX / 2);
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
