//! How fast decisions are derived again: makes a ledger of as many decisions as the argument says (100,000 when left out), then derives
//! each from its canonical bytes and its payload.
//!
//! `cargo run --release --package countersign-core --example replay_speed -- 100000`
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::float_arithmetic,
    reason = "a measurement fails loudly and says what it measured"
)]

mod ledger;

use std::time::Instant;

use countersign_core::Record;
use countersign_core::replay::{Outcome, Replay};
use ledger::{Files, Ledger, policy, processor_s};

fn main() {
    let count: usize = std::env::args().nth(1).map_or(100_000, |text| text.parse().unwrap());
    let files = policy();
    let mut ledger = Ledger::under(&files);
    let (made, begin_s) = (Instant::now(), processor_s());
    for number in 0..count {
        ledger.decide(number);
    }
    let (made, made_s) = (made.elapsed(), processor_s() - begin_s);

    let policies = Files(files);
    let mut replay = Replay::new(&policies);
    let (mut agree, derived, begin_s) = (0_usize, Instant::now(), processor_s());
    for (leaf, payload) in &ledger.kept {
        let (record, _) = Record::decode(leaf).unwrap();
        if let Some(derivation) = replay.record(record, payload.as_ref()) {
            assert_eq!(derivation.outcome, Outcome::Agrees);
            agree += 1;
        }
    }
    let (derived, derived_s) = (derived.elapsed(), processor_s() - begin_s);
    assert_eq!(agree, count);
    println!(
        "{count} decisions over {} records: made in {:.2} s ({made_s:.2} s of processor time), derived again in {:.2} s ({derived_s:.2} s of \
         processor time): {:.0} a second of processor time",
        ledger.kept.len(),
        made.as_secs_f64(),
        derived.as_secs_f64(),
        count as f64 / derived_s
    );
}
