//! Simulated worlds: as many seeds as `COUNTERSIGN_SEEDS` says, or the one of `COUNTERSIGN_SEED`.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use countersign_testkit::simulation::{Summary, run};

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
        "{} worlds: {} steps, {} records, {} answers, {} permits used, {} losses noticed; {:.1} s",
        summaries.len(),
        sum(|s| s.steps),
        sum(|s| s.records),
        sum(|s| s.answers),
        sum(|s| s.redeemed),
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
