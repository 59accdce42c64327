//! Fuzzing of everything that outsiders send, as a plain test: good inputs, changed over and over, the same on every run.
//!
//! `COUNTERSIGN_FUZZ_CASES` says how many cases each target gets (2,000 when left out), `COUNTERSIGN_FUZZ_SEED` which.
//! An input that a target takes joins the inputs that are changed, so the cases get deeper than one change.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails loudly and says what it did"
)]

mod mutate;
mod seeds;
mod targets;
mod texts;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook};
use std::time::{Duration, Instant};

use mutate::{Numbers, mutate};

/// No input may take longer, on a busy machine and with everything that a target checks besides.
const LONGEST: Duration = Duration::from_secs(5);
/// Most inputs that are kept to be changed.
const POOL: usize = 400;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// Runs a target, which says whether it took the input, on its seeds and on changed ones.
fn fuzz(name: &str, seeds: Vec<Vec<u8>>, target: fn(&[u8]) -> bool) {
    let (cases, seed) = (
        setting("COUNTERSIGN_FUZZ_CASES", 2000),
        setting("COUNTERSIGN_FUZZ_SEED", 1),
    );
    for input in &seeds {
        assert!(
            run(name, seed, 0, target, input),
            "{name}: a seed is refused:\n{}",
            String::from_utf8_lossy(input)
        );
    }
    let mut numbers = Numbers::new(seed);
    let (mut pool, mut taken) = (seeds.clone(), 0_u64);
    for case in 1..=cases {
        let other = &seeds[numbers.below(seeds.len())];
        let input = mutate(&pool[numbers.below(pool.len())], other, &mut numbers);
        if !run(name, seed, case, target, &input) {
            continue;
        }
        taken += 1;
        if pool.len() < POOL {
            pool.push(input);
        } else {
            // Seeds stay; of the others one makes room.
            let at = seeds.len() + numbers.below(POOL.saturating_sub(seeds.len()));
            if let Some(place) = pool.get_mut(at) {
                *place = input;
            }
        }
    }
    println!("{name}: {cases} cases of seed {seed}, {taken} of them taken");
}

fn run(name: &str, seed: u64, case: u64, target: fn(&[u8]) -> bool, input: &[u8]) -> bool {
    let started = Instant::now();
    let shown = |input: &[u8]| format!("{name}: seed={seed} case={case}, input:\n{}", input.escape_ascii());
    match catch_unwind(AssertUnwindSafe(|| target(input))) {
        Ok(taken) => {
            assert!(
                started.elapsed() < LONGEST,
                "{} took {:?}",
                shown(input),
                started.elapsed()
            );
            taken
        }
        Err(panic) => {
            let small = shrink(target, input);
            println!("{}\n\nmade smaller:\n{}", shown(input), small.escape_ascii());
            // Once more, so that the message is of the smaller one.
            target(&small);
            resume_unwind(panic)
        }
    }
}

/// A smaller input that still breaks a law, found by leaving out parts for a few seconds.
fn shrink(target: fn(&[u8]) -> bool, input: &[u8]) -> Vec<u8> {
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let (started, mut input) = (Instant::now(), input.to_vec());
    let mut width = input.len() / 2;
    while width > 0 && started.elapsed() < LONGEST {
        let mut at = 0;
        while at < input.len() && started.elapsed() < LONGEST {
            let mut less = input.clone();
            less.drain(at..(at + width).min(less.len()));
            if catch_unwind(AssertUnwindSafe(|| target(&less))).is_err() {
                input = less;
            } else {
                at += width;
            }
        }
        width /= 2;
    }
    set_hook(hook);
    input
}

#[test]
fn policy_documents() {
    fuzz("policy", seeds::policies(), targets::policy);
}

#[test]
fn conditions() {
    fuzz("condition", seeds::conditions(), targets::condition);
}

#[test]
fn texts_in_other_languages() {
    fuzz("texts", seeds::texts(), texts::texts);
}

#[test]
fn json() {
    fuzz("json", seeds::json(), targets::json);
}

#[test]
fn action_bodies() {
    fuzz("action", seeds::actions(), targets::action);
}

#[test]
fn records() {
    fuzz("record", seeds::records(), targets::record);
}

#[test]
fn ledgers() {
    fuzz("ledger", seeds::ledgers(), targets::ledger);
}

#[test]
fn checkpoints() {
    fuzz("checkpoint", seeds::checkpoints(), targets::checkpoint);
}

#[test]
fn verifying_keys() {
    fuzz("vkey", seeds::vkeys(), targets::vkey);
}

#[test]
fn proof_files() {
    fuzz("proof", seeds::proofs(), targets::proof);
}

#[test]
fn bundles() {
    fuzz("bundle", seeds::bundles(), targets::bundle);
}

#[test]
fn api_keys() {
    fuzz("api key", seeds::api_keys(), targets::api_key);
}

#[test]
fn permits() {
    fuzz("permit", seeds::permits().to_vec(), targets::permit);
}
