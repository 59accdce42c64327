//! Simulated worlds: as many seeds as `COUNTERSIGN_SEEDS` says, or the one of `COUNTERSIGN_SEED`.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]
#![expect(clippy::print_stdout, reason = "a run says what it had")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use countersign_core::event::{ApprovalState, Event};
use countersign_core::{Actor, Record, Span};
use countersign_testkit::history::{self, ACKNOWLEDGED, Line, ONCE, Operation, READS, REAL_TIME, REFUSED, ROOTS, Saw};
use countersign_testkit::simulation::accounts::Accounts;
use countersign_testkit::simulation::{Dice, Sabotage, Setting, Summary, World, play, run};
use countersign_tlog::Hash;

/// How many seeds a run has when nobody says otherwise.
const SEEDS: u64 = 2000;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is not a number: `{text}`")),
    )
}

/// Runs seeds on as many threads as there are cores, and stops at the first that fails.
fn run_seeds(seeds: std::ops::Range<u64>) -> Vec<Summary> {
    let (next, failed) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    let (summaries, failures) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while !failed.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    match run(seed) {
                        Ok(summary) => summaries.lock().unwrap().push(summary),
                        Err(failure) => {
                            failed.store(true, Ordering::Relaxed);
                            failures.lock().unwrap().push(failure);
                        }
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    if let Some(failure) = failures.iter().min_by_key(|failure| failure.seed) {
        if number("COUNTERSIGN_SEED").is_some() {
            println!("{}", failure.log.join("\n"));
        }
        panic!("{failure}");
    }
    summaries.into_inner().unwrap()
}

#[test]
fn every_invariant_holds_in_every_world() {
    let seeds = match number("COUNTERSIGN_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("COUNTERSIGN_SEEDS").unwrap_or(SEEDS),
    };
    let started = std::time::Instant::now();
    let summaries = run_seeds(seeds);
    let sum = |of: fn(&Summary) -> u64| summaries.iter().map(of).sum::<u64>();
    println!(
        "{} worlds: {} steps, {} records, {} answers, {} permits used, {} reservations, {} escalations, {} chains, {} erasures, {} notices told, {} losses noticed; {:.1} s",
        summaries.len(),
        sum(|s| s.steps),
        sum(|s| s.records),
        sum(|s| s.answers),
        sum(|s| s.redeemed),
        sum(|s| s.reservations),
        sum(|s| s.escalations),
        sum(|s| s.chains),
        sum(|s| s.erasures),
        sum(|s| s.told),
        sum(|s| u64::from(s.lost)),
        started.elapsed().as_secs_f64(),
    );
}

#[test]
fn a_seed_makes_the_same_world_twice() {
    for seed in [1, 2, 3, 4] {
        assert_eq!(run(seed), run(seed));
    }
}

/// How many worlds find each deliberate fault at the latest.
const FOUND_WITHIN: u64 = 60;

/// The first world that finds what is wrong on purpose, and what it says of it.
fn found(sabotage: Sabotage) -> Option<(u64, String)> {
    (0..FOUND_WITHIN).find_map(|seed| {
        let mut dice = Dice::new(seed);
        let mut setting = Setting::of(&mut dice);
        setting.lying_disk = false;
        setting.sabotage = Some(sabotage);
        let mut world = World::new(setting, dice).unwrap();
        let why = play(&mut world).err()?;
        Some((seed, why))
    })
}

#[test]
fn every_fault_that_is_there_on_purpose_is_found() {
    for sabotage in Sabotage::ALL {
        match found(sabotage) {
            Some((seed, why)) => println!("{sabotage:?} is found by seed {seed}: {why}"),
            None => panic!("{sabotage:?} is not found by {FOUND_WITHIN} worlds"),
        }
    }
}

/// A calm world of one owner, played to its end.
fn calm(change: impl FnOnce(&mut Setting)) -> (World, Result<(), String>) {
    let mut setting = Setting {
        orgs: vec!["acme".into()],
        nodes: 1,
        shared: false,
        lying_disk: false,
        clocks_jump: false,
        deaths: false,
        faults_per_mille: 0,
        network_per_mille: 0,
        steps: 600,
        sabotage: None,
    };
    change(&mut setting);
    let mut world = World::new(setting, Dice::new(7)).unwrap();
    let played = play(&mut world);
    (world, played)
}

/// What clients of a calm world saw, and its ledger; `change` is told as if it had been so.
fn with(change: impl FnOnce(&mut Vec<Operation>, &mut Vec<Line>)) -> Vec<&'static str> {
    let (world, played) = calm(|_| {});
    assert_eq!(played, Ok(()));
    let (mut history, mut ledger) = (world.history[0].clone(), world.trails[0].lines.clone());
    assert_eq!(history::check(&history, &ledger), Vec::new());
    change(&mut history, &mut ledger);
    history::check(&history, &ledger)
        .iter()
        .map(|breach| breach.rule)
        .collect()
}

fn acknowledged(history: &[Operation]) -> Vec<(usize, usize)> {
    let index = |operation: &Operation| match operation.saw {
        Saw::Appended { index, .. } => usize::try_from(index).ok(),
        Saw::Happened | Saw::Refused | Saw::Unknown | Saw::Read { .. } => None,
    };
    history
        .iter()
        .enumerate()
        .filter_map(|(place, operation)| Some((place, index(operation)?)))
        .collect()
}

#[test]
fn a_store_that_forgets_an_acknowledged_batch_is_caught() {
    let mut setting = calm(|_| {}).0.setting;
    setting.deaths = true;
    let caught = (0..20).any(|seed| {
        let mut world = World::new(setting.clone(), Dice::new(seed)).unwrap();
        world.store.lie(true);
        play(&mut world).is_err_and(|why| why.contains("invariant 7"))
    });
    assert!(caught);
}

#[test]
fn an_acknowledged_record_that_is_missing_is_caught() {
    let rules = with(|history, ledger| drop(ledger.drain(acknowledged(history)[3].1..)));
    assert!(rules.contains(&ACKNOWLEDGED), "{rules:?}");
}

#[test]
fn a_batch_that_is_applied_twice_is_caught() {
    let rules = with(|history, ledger| {
        let again = ledger[acknowledged(history)[3].1].clone();
        ledger.push(again);
    });
    assert!(rules.contains(&ONCE), "{rules:?}");
}

#[test]
fn an_effect_of_what_was_refused_is_caught() {
    let rules = with(|history, _| {
        let place = acknowledged(history)[3].0;
        history[place].saw = Saw::Refused;
    });
    assert!(rules.contains(&REFUSED), "{rules:?}");
}

#[test]
fn an_order_against_real_time_is_caught() {
    let rules = with(|history, _| {
        // The last was acknowledged before anything else was sent.
        let place = acknowledged(history).last().unwrap().0;
        (history[place].began, history[place].ended) = (0, Some(0));
    });
    assert!(rules.contains(&REAL_TIME), "{rules:?}");
}

#[test]
fn a_read_that_misses_what_was_acknowledged_is_caught() {
    let rules = with(|history, _| {
        let last = history.iter().filter_map(|operation| operation.ended).max();
        history.push(Operation {
            began: last.unwrap() + 1,
            ended: last.map(|last| last + 2),
            key: None,
            name: "read".into(),
            saw: Saw::Read {
                size: 3,
                root: Some(Hash([0; 32])),
            },
        });
    });
    assert!(rules.contains(&READS) && rules.contains(&ROOTS), "{rules:?}");
}

/// What the rules say of a record that would come next: an earlier one of some kind, changed.
fn next(kind: &str, change: impl FnOnce(&mut Record)) -> String {
    next_of(|record| record.event.kind() == kind, change)
}

/// The same, with an earlier one that fits.
fn next_of(fits: impl Fn(&Record) -> bool, change: impl FnOnce(&mut Record)) -> String {
    let (world, played) = calm(|_| {});
    assert_eq!(played, Ok(()));
    let trail = &world.trails[0];
    let found = trail.records.iter().find(|record| fits(record));
    let mut record = found.expect("such a record came about").clone();
    record.seq = trail.size();
    record.ts = trail.state.last_ts() + Span(1);
    record.idem = None;
    change(&mut record);
    trail.hold(&record).unwrap_err()
}

#[test]
fn a_permit_that_is_redeemed_again_is_caught() {
    let why = next("permit.redeemed", |_| {});
    assert!(why.contains("invariant 2:"), "{why}");
}

#[test]
fn a_reservation_that_leaves_more_than_there_is_is_caught() {
    let (world, played) = calm(|_| {});
    assert_eq!(played, Ok(()));
    let held = |event: &mut Event| match event {
        Event::DecisionMade(e) => e
            .reserved
            .first_mut()
            .filter(|held| !held.account.ends_with("/action"))
            .cloned(),
        _other => None,
    };
    let mut records = world.trails[0].records.clone();
    let place = records.iter_mut().position(|record| held(&mut record.event).is_some());
    let place = place.expect("something was reserved");
    let added_up = |records: &[Record]| {
        let mut accounts = Accounts::default();
        records.iter().try_for_each(|record| accounts.take(record))
    };
    assert_eq!(added_up(&records), Ok(()));
    if let Event::DecisionMade(e) = &mut records[place].event {
        e.reserved[0].left = "13.99".into();
    }
    let why = added_up(&records).unwrap_err();
    assert!(why.contains("the record says 13.99"), "{why}");
}

#[test]
fn what_is_done_for_nobody_by_an_agent_that_has_to_be_called_is_caught() {
    let permitted = |record: &Record| matches!(&record.event, Event::DecisionMade(e) if e.permit.is_some());
    let why = next_of(permitted, |record| {
        if let Event::DecisionMade(e) = &mut record.event {
            e.agent = "helper".into();
        }
    });
    assert!(why.contains("invariant 28:"), "{why}");
}

#[test]
fn an_approval_without_a_vote_is_caught() {
    let why = next("approval.resolved", |record| {
        record.actor = Actor::system();
        if let Event::ApprovalResolved(e) = &mut record.event {
            e.state = ApprovalState::Approved;
        }
    });
    assert!(why.contains("invariant 4:"), "{why}");
}

#[test]
fn a_gap_and_a_time_that_goes_back_are_caught() {
    let why = next("key.issued", |record| record.seq += 1);
    assert!(why.contains("invariant 12:"), "{why}");
    let why = next("key.issued", |record| record.ts = record.ts - Span(1));
    assert!(why.contains("invariant 25:"), "{why}");
}

#[test]
fn a_decision_that_cites_what_is_not_live_is_caught() {
    let why = next("decision.made", |record| record.snapshot = Some("sha256:00".into()));
    assert!(why.contains("invariant 19:"), "{why}");
}

#[test]
fn an_outcome_of_what_was_never_permitted_is_caught() {
    let why = next("outcome.reported", |record| {
        if let Event::OutcomeReported(e) = &mut record.event {
            e.action_id = countersign_core::ids::ActionId(1);
            e.status = countersign_core::event::OutcomeStatus::Succeeded;
        }
    });
    assert!(why.contains("invariant 1:"), "{why}");
}
