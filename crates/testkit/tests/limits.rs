//! Limits against an independent recomputation: what every record says that counts is counted again from the records alone.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::event::{Counted, OutcomeStatus, Status, Verb, WindowRead};
use countersign_core::ids::ActionId;
use countersign_core::policy::Decimal;
use countersign_core::replay::Outcome;
use countersign_core::{Event, Record, Span, State, Time};
use countersign_testkit::World;

const GATE: &str = "
name: gate
rules:
  - { condition: \"action != 'pay'\", decision: allow }
  - { condition: \"action == 'pay'\", decision: require_approval, approvers: [leads] }
";
const LIMITS: &str = "
limits:
  - { name: burst, count: 4, within: 2m }
  - { name: customer, per: args.customer, count: 6, sum: 20.00 USD, within: 1h }
  - { name: all, per: organization, sum: 60.00 USD, within: 1d }
  - { name: told, count: 3, within: 10m, at_cap: alert }
";

type Whose = (String, String);

/// What counts, as the records say it, without any of the code that keeps windows.
#[derive(Default)]
struct Counts {
    entries: Vec<(ActionId, Counted)>,
    permits: BTreeMap<ActionId, Time>,
    used: BTreeSet<ActionId>,
    /// What ran although its permit had ended: nobody could stop that, so it may fill a window beyond its limit.
    late: BTreeSet<ActionId>,
    checked: u32,
    moved: u32,
    freed: u32,
}

impl Counts {
    fn holds(&self, (limit, window): &Whose, span: Span, now: Time, late: bool) -> (u32, Decimal) {
        let within = self
            .entries
            .iter()
            .filter(|(id, _)| late || !self.late.contains(id))
            .map(|(_, counted)| counted)
            .filter(|counted| *counted.limit == **limit && *counted.window == **window && counted.from + span > now);
        within.fold((0, Decimal::ZERO), |(count, sum), counted| {
            let amount = counted.amount.as_deref().unwrap_or("0");
            (count + 1, sum + amount.parse::<Decimal>().unwrap())
        })
    }

    fn check(&mut self, read: &WindowRead, span: Span, now: Time) {
        let whose = (read.limit.to_string(), read.window.to_string());
        let (count, sum) = self.holds(&whose, span, now, true);
        assert_eq!(read.counted, count, "{whose:?} at {now}");
        if let Some(told) = &read.sum {
            assert_eq!(told.parse::<Decimal>().unwrap(), sum, "{whose:?} at {now}");
        }
        self.checked += 1;
    }

    fn count(&mut self, id: ActionId, counted: &[Counted]) {
        for one in counted {
            self.entries.push((id, one.clone()));
            let whose = (one.limit.to_string(), one.window.to_string());
            let (count, sum) = self.holds(&whose, one.until - one.from, one.from, false);
            let (most, most_sum) = match &*one.limit {
                "burst" => (4, 1_000_000),
                "customer" => (6, 20),
                "all" => (u32::MAX, 60),
                _ => continue,
            };
            assert!(
                count <= most && sum <= Decimal::from(most_sum),
                "{whose:?} holds {count}, {sum}"
            );
        }
    }

    fn free(&mut self, id: ActionId) {
        let before = self.entries.len();
        self.entries.retain(|(of, _)| *of != id);
        self.freed += u32::from(self.entries.len() < before);
    }

    fn add(&mut self, record: &Record, spans: &BTreeMap<&str, Span>) {
        let over = self
            .permits
            .iter()
            .filter(|(id, expires)| **expires <= record.ts && !self.used.contains(id));
        let over: Vec<ActionId> = over.map(|(id, _)| *id).collect();
        for id in over {
            self.permits.remove(&id);
            self.free(id);
        }
        match &record.event {
            Event::DecisionMade(e) => {
                for read in &e.facts.windows {
                    self.check(read, spans[&*read.limit], record.ts);
                }
                self.count(e.action_id, &e.counted);
                if let Some(permit) = &e.permit {
                    self.permits.insert(e.action_id, permit.expires);
                }
            }
            Event::ApprovalResolved(e) => match &e.permit {
                Some(permit) => {
                    self.count(e.action_id, &e.counted);
                    self.permits.insert(e.action_id, permit.expires);
                }
                None => self.free(e.action_id),
            },
            Event::PermitRedeemed(e) => {
                self.used.insert(e.action_id);
                self.moved += u32::from(!e.counted.is_empty());
                self.free(e.action_id);
                self.count(e.action_id, &e.counted);
            }
            Event::OutcomeReported(e) => {
                self.permits.remove(&e.action_id);
                for counted in &e.counted {
                    self.late.insert(e.action_id);
                    self.entries.push((e.action_id, counted.clone()));
                }
            }
            _ => {}
        }
    }
}

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

fn world() -> World {
    let mut world = World::new();
    world.user("dana", &["reviewer"], &["leads"], &[]);
    world.agent("bot", "team:ops");
    world.agent("other", "team:ops");
    world.policy(&[("gate.yaml", GATE), ("limits.yaml", LIMITS)]);
    world
}

fn history(seed: u64) -> World {
    let mut random = Random(seed);
    let mut world = world();
    let mut actions = Vec::new();
    for _ in 0..100 {
        match random.below(9) {
            0..=3 => {
                let agent = if random.below(3) == 0 { "other" } else { "bot" };
                let action = if random.below(4) == 0 { "pay" } else { "read" };
                let (cents, customer) = (random.below(700), random.below(3));
                let amount = format!("{}.{:02}", cents / 100, cents % 100);
                let body =
                    format!(r#"{{"action":"{action}","args":{{"customer":"c{customer}"}},"amount":"{amount}"}}"#);
                actions.extend(world.submit(agent, &body).ok().map(|view| view.decision.action_id));
            }
            step => {
                let newest = random.below(actions.len().clamp(1, 8) as u64) as usize;
                let Some(action) = actions.iter().rev().nth(newest).copied() else {
                    continue;
                };
                // What is refused changes nothing, and that is looked at as well.
                let _ = match step {
                    4 => world.redeem(action),
                    5 => world.report(action, OutcomeStatus::Succeeded, None),
                    6 => world.report(action, OutcomeStatus::Failed, None),
                    7 if world.view(action).approval.is_some() => world.vote("dana", action, Verb::Approve, None),
                    _ => {
                        let spans = [20, 60, 310, 1800, 50_000].map(Span::seconds);
                        world.pass(spans[random.below(5) as usize]);
                        Ok(())
                    }
                };
            }
        }
    }
    world
}

#[test]
fn what_every_record_says_that_counts_is_what_the_records_come_to_and_no_window_holds_more_than_it_may() {
    let spans = BTreeMap::from([
        ("all", Span::days(1)),
        ("burst", Span::minutes(2)),
        ("customer", Span::hours(1)),
        ("told", Span::minutes(10)),
    ]);
    let (mut checked, mut refused, mut moved, mut freed) = (0, 0, 0, 0);
    for seed in 0..150 {
        let mut world = history(seed);
        let mut counts = Counts::default();
        for record in &world.records {
            counts.add(record, &spans);
            if let Event::DecisionMade(e) = &record.event {
                let over = |code: &str| e.reasons.iter().any(|reason| reason.code == code);
                refused += u32::from(e.status == Status::Refused && (over("rate") || over("velocity")));
            }
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
        assert_eq!(world.state.windows().len(), 0, "seed {seed}");
        checked += counts.checked;
        (moved, freed) = (moved + counts.moved, freed + counts.freed);
    }
    assert!(
        checked > 10_000 && refused > 300 && moved > 300 && freed > 300,
        "{checked}, {refused}, {moved}, {freed}"
    );
}

#[test]
fn decisions_with_limits_are_derived_again_and_a_changed_count_is_found() {
    let (mut reads, mut counts) = (0, 0);
    for seed in 0..30 {
        let world = history(seed);
        for one in world.derived() {
            assert_eq!(one.outcome, Outcome::Agrees, "seed {seed}: {one:?}");
        }
        let differs = |change: &dyn Fn(&mut Event) -> bool| {
            let mut records = world.records.clone();
            let changed = records.iter_mut().position(|record| change(&mut record.event))? as u64;
            let derived = world.derived_from(&records, |seq| world.payload(seq).cloned());
            let one = derived.into_iter().find(|one| one.index == changed).unwrap();
            assert!(matches!(one.outcome, Outcome::Differs { .. }), "seed {seed}: {one:?}");
            Some(())
        };
        let read = differs(&|event| match event {
            Event::DecisionMade(made) if !made.facts.windows.is_empty() => {
                made.facts.windows[0].counted += 1;
                true
            }
            _ => false,
        });
        let counted = differs(&|event| match event {
            Event::DecisionMade(made) if !made.counted.is_empty() => made.counted.pop().is_some(),
            _ => false,
        });
        reads += u32::from(read.is_some());
        counts += u32::from(counted.is_some());
    }
    assert!(reads >= 30 && counts >= 25, "{reads}, {counts}");
}

#[test]
fn a_loop_of_a_thousand_decisions_gets_exactly_as_many_permits_as_the_limit_allows() {
    let mut world = World::new();
    world.agent("bot", "team:ops");
    let limit = "limits: [{ name: hour, count: 50, within: 1h }]";
    world.policy(&[("gate.yaml", GATE), ("limits.yaml", limit)]);
    let body = |place| format!(r#"{{"action":"read","args":{{"n":{place}}}}}"#);
    let permits = (0..1000).filter(|place| world.submit("bot", &body(*place)).unwrap().permit.is_some());
    assert_eq!(permits.count(), 50);
}

#[test]
fn the_window_is_half_open_to_the_microsecond() {
    let mut world = World::new();
    world.agent("bot", "team:ops");
    let limit = "limits: [{ name: hour, count: 1, within: 1h }]";
    world.policy(&[("gate.yaml", GATE), ("limits.yaml", limit)]);
    let first = world.submit("bot", r#"{"action":"read"}"#).unwrap();
    world.redeem(first.decision.action_id).unwrap();
    let counted = world.records.iter().rev().find_map(|record| match &record.event {
        Event::PermitRedeemed(e) => Some(e.counted[0].clone()),
        _ => None,
    });
    let counted = counted.unwrap();
    assert_eq!(counted.until, counted.from + Span::hours(1));
    let at = |world: &mut World, time: Time| {
        world.pass(time - world.now);
        let view = world.submit("bot", r#"{"action":"write"}"#).unwrap();
        (view.permit.is_some(), view.decided_at)
    };
    let (granted, when) = at(&mut world, counted.until - Span(1));
    assert!(!granted && when < counted.until, "{when}");
    let (granted, when) = at(&mut world, counted.until);
    assert!(granted && when >= counted.until, "{when}");
}

#[test]
fn an_agent_that_varies_what_tells_windows_apart_opens_no_more_of_them_than_it_may() {
    let mut world = World::new();
    world.agent("bot", "team:ops");
    world.agent("other", "team:ops");
    let limit = "limits: [{ name: customer, per: args.customer, count: 2, within: 1d }]";
    world.policy(&[("gate.yaml", GATE), ("limits.yaml", limit)]);
    let body = |customer: u32| format!(r#"{{"action":"read","args":{{"customer":{customer}}}}}"#);
    for customer in 0..10_000 {
        let view = world.submit("bot", &body(customer)).unwrap();
        assert!(view.permit.is_some());
        world.redeem(view.decision.action_id).unwrap();
        if customer % 100 == 0 {
            // What is over leaves, so that only windows are left.
            world.pass(Span::seconds(1));
        }
    }
    assert_eq!(world.state.windows().len(), 10_000);
    let permits = (10_000..10_100).filter(|customer| world.submit("bot", &body(*customer)).unwrap().permit.is_some());
    assert_eq!(permits.count(), 2, "what it does beyond that shares one window");
    assert_eq!(world.state.windows().len(), 10_001);
    // Windows that are open go on as before, and another agent is not concerned.
    assert!(world.submit("bot", &body(7)).unwrap().permit.is_some());
    assert!(world.submit("bot", &body(7)).unwrap().permit.is_none());
    assert!(world.submit("other", &body(10_000)).unwrap().permit.is_some());
}

#[test]
fn a_window_that_many_actions_fill_stays_small_and_never_holds_less_than_there_was() {
    let mut world = World::new();
    world.agent("bot", "team:ops");
    let limit = "limits: [{ name: hour, count: 1000000, within: 1h }]";
    world.policy(&[("gate.yaml", GATE), ("limits.yaml", limit)]);
    let mut times = Vec::new();
    for place in 0..2500_u32 {
        let view = world.submit("bot", r#"{"action":"read"}"#).unwrap();
        let read = &view.decision.facts.windows[0];
        let exact = times
            .iter()
            .filter(|time| **time + Span::hours(1) > view.decided_at)
            .count();
        // One step is a thousandth of the window; what it holds of it beyond that is what leaves with its last action.
        let longer = Span::seconds(3604);
        let longest = times.iter().filter(|time| **time + longer > view.decided_at).count();
        let counted = read.counted as usize;
        assert!(
            (exact..=longest).contains(&counted),
            "{place}: {exact}, {counted}, {longest}"
        );
        world.redeem(view.decision.action_id).unwrap();
        times.push(world.now);
        world.pass(Span(900_000));
    }
    let bytes = serde_json::to_vec(world.state.windows()).unwrap().len();
    assert!(bytes < 300_000, "{bytes} bytes");
}
