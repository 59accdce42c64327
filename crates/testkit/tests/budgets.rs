//! Budgets against an independent recomputation: what every record says is left is added up again from the records alone.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use std::collections::BTreeMap;

use countersign_core::event::{OutcomeStatus, Reservation, Verb};
use countersign_core::ids::ActionId;
use countersign_core::policy::Decimal;
use countersign_core::replay::Outcome;
use countersign_core::{Event, Record, Span, Time};
use countersign_testkit::World;

const GATE: &str = "
name: gate
rules:
  - { condition: \"action != 'pay'\", decision: allow }
  - { condition: \"action == 'pay'\", decision: require_approval, approvers: [leads] }
";
const BUDGETS: &str = "
budgets:
  - { name: task, per: task, limit: 6.00 USD }
  - { name: day, per: day, limit: 10.00 USD, zone: Europe/Berlin }
  - { name: week, per: week, of: organization, limit: 25.00 USD }
";

/// What one action holds: since when it may be gone, what of, and whether its permit was used.
struct Hold {
    expires: Time,
    reserved: Vec<Reservation>,
    redeemed: bool,
}

/// The accounts, added up from records.
#[derive(Default)]
struct Sums {
    spent: BTreeMap<(String, Time), Decimal>,
    holds: BTreeMap<ActionId, Hold>,
    ended: BTreeMap<ActionId, u32>,
    reserved: u32,
}

impl Sums {
    fn used(&self, account: &str, from: Time) -> Decimal {
        let held = self.holds.values().flat_map(|hold| &hold.reserved);
        let held = held.filter(|held| held.account == account && held.from == from);
        let held: Decimal = held.map(|held| held.amount.parse::<Decimal>().unwrap()).sum();
        held + self.spent.get(&(account.to_owned(), from)).copied().unwrap_or_default()
    }

    fn reserve(&mut self, id: ActionId, expires: Time, reserved: &[Reservation]) {
        for held in reserved.iter().filter(|held| !held.account.ends_with("/action")) {
            let used = self.used(&held.account, held.from) + held.amount.parse::<Decimal>().unwrap();
            let left = held.limit.parse::<Decimal>().unwrap() - used;
            assert_eq!(left, held.left.parse().unwrap(), "{}", held.account);
            assert!(
                left >= Decimal::ZERO || held.amount == "0.00",
                "{} is overspent",
                held.account
            );
        }
        if !reserved.is_empty() {
            self.reserved += 1;
            let reserved = reserved.to_vec();
            let hold = Hold {
                expires,
                reserved,
                redeemed: false,
            };
            assert!(self.holds.insert(id, hold).is_none());
        }
    }

    fn end(&mut self, id: ActionId) {
        if self.holds.remove(&id).is_some() {
            *self.ended.entry(id).or_default() += 1;
        }
    }

    fn add(&mut self, record: &Record) {
        let over = self
            .holds
            .iter()
            .filter(|(_, hold)| !hold.redeemed && hold.expires <= record.ts);
        let over: Vec<ActionId> = over.map(|(id, _)| *id).collect();
        over.into_iter().for_each(|id| self.end(id));
        match &record.event {
            Event::DecisionMade(e) => {
                if let Some(permit) = &e.permit {
                    self.reserve(e.action_id, permit.expires, &e.reserved);
                }
            }
            Event::ApprovalResolved(e) => match &e.permit {
                Some(permit) => self.reserve(e.action_id, permit.expires, &e.reserved),
                None => self.end(e.action_id),
            },
            Event::PermitRedeemed(e) => {
                self.holds.get_mut(&e.action_id).unwrap().redeemed = true;
            }
            Event::OutcomeReported(e) => {
                self.end(e.action_id);
                for settled in &e.settled {
                    let spent = self.spent.entry((settled.account.clone(), settled.from)).or_default();
                    *spent += settled.amount.parse::<Decimal>().unwrap();
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

fn history(seed: u64) -> World {
    let mut random = Random(seed);
    let mut world = World::new();
    world.user("dana", &["reviewer"], &["leads"], &[]);
    world.agent("bot", "team:ops");
    world.agent("other", "team:ops");
    world.policy(&[("gate.yaml", GATE), ("budgets.yaml", BUDGETS)]);
    let mut actions = Vec::new();
    for _ in 0..80 {
        match random.below(9) {
            0..=3 => {
                let agent = if random.below(3) == 0 { "other" } else { "bot" };
                let action = if random.below(4) == 0 { "pay" } else { "read" };
                let cents = random.below(400);
                let run = random.below(4);
                let cost = format!("{}.{:02}", cents / 100, cents % 100);
                let body = format!(r#"{{"action":"{action}","run":"r{run}","estimated_cost":"{cost}"}}"#);
                actions.extend(world.submit(agent, &body).ok().map(|view| view.decision.action_id));
            }
            step => {
                let place = random.below(actions.len().max(1) as u64) as usize;
                let Some(action) = actions.get(place).copied() else {
                    continue;
                };
                // What is refused changes nothing, and that is looked at as well.
                let _ = match step {
                    4 => world.redeem(action),
                    5 => world.report(
                        action,
                        OutcomeStatus::Succeeded,
                        Some(&format!("{}.5", random.below(4))),
                    ),
                    6 => world.report(action, OutcomeStatus::Failed, None),
                    7 if world.view(action).approval.is_some() => world.vote("dana", action, Verb::Approve, None),
                    _ => {
                        let spans = [Span::minutes(1), Span::minutes(6), Span::hours(5), Span::hours(25)];
                        world.pass(spans[random.below(4) as usize]);
                        Ok(())
                    }
                };
            }
        }
    }
    world
}

#[test]
fn what_every_record_says_is_left_is_what_the_records_come_to_and_every_reservation_ends_once() {
    let mut reserved = 0;
    for seed in 0..150 {
        let mut world = history(seed);
        let mut sums = Sums::default();
        for record in &world.records {
            sums.add(record);
        }
        for (name, account) in world.state.accounts() {
            assert_eq!(
                account.spent + account.reserved,
                sums.used(name, account.from),
                "seed {seed}: {name}"
            );
        }
        assert_eq!(world.refolded().hash(), world.state.hash(), "seed {seed}");
        // Once nothing is left to wait for, nothing is held.
        let known = world.records.len();
        world.pass(Span::hours(49));
        world
            .submit("bot", r#"{"action":"read","estimated_cost":"0"}"#)
            .unwrap();
        world.pass(Span::minutes(6));
        world.submit("nobody", r#"{"action":"read"}"#).unwrap();
        for record in &world.records[known..] {
            sums.add(record);
        }
        assert!(sums.holds.is_empty(), "seed {seed}");
        assert!(sums.ended.values().all(|times| *times == 1), "seed {seed}");
        assert_eq!(u32::try_from(sums.ended.len()).unwrap(), sums.reserved, "seed {seed}");
        assert!(
            world.state.accounts().all(|(_, account)| account.reserved.is_zero()),
            "seed {seed}"
        );
        reserved += sums.reserved;
    }
    assert!(reserved > 1000, "only {reserved} reservations");
}

#[test]
fn decisions_with_budgets_are_derived_again_and_a_changed_account_is_found() {
    let (mut reads, mut reservations) = (0, 0);
    for seed in 0..40 {
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
            Event::DecisionMade(made) if !made.facts.budgets.is_empty() => {
                made.facts.budgets[0].left = "7.77".to_owned();
                true
            }
            _ => false,
        });
        let reserved = differs(&|event| match event {
            Event::DecisionMade(made) if !made.reserved.is_empty() => {
                made.reserved[0].amount = "0.07".to_owned();
                true
            }
            _ => false,
        });
        reads += u32::from(read.is_some());
        reservations += u32::from(reserved.is_some());
    }
    assert!(reads >= 40 && reservations >= 30, "{reads}, {reservations}");
}

#[test]
fn a_loop_of_a_thousand_decisions_gets_exactly_as_many_permits_as_the_budget_pays_for() {
    let mut world = World::new();
    world.agent("bot", "team:ops");
    let budget = "budgets: [{ name: day, per: day, limit: 50 USD }]";
    world.policy(&[("gate.yaml", GATE), ("budgets.yaml", budget)]);
    let body = |place| format!(r#"{{"action":"read","args":{{"n":{place}}},"estimated_cost":"1"}}"#);
    let mut permits = 0;
    for place in 0..1000 {
        if world.submit("bot", &body(place)).unwrap().permit.is_some() {
            permits += 1;
        }
    }
    assert_eq!(permits, 50);
}
