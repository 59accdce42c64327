//! How fast a policy that is not live is tried on recorded decisions: makes a ledger of as many decisions as the argument says
//! (100,000 when left out), then holds each, from its canonical bytes and its payload, against another policy.
//!
//! `cargo run --release --package countersign-core --example simulate_speed -- 100000`
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::float_arithmetic,
    reason = "a measurement fails loudly and says what it measured"
)]

mod ledger;

use std::sync::Arc;
use std::time::Instant;

use countersign_core::Record;
use countersign_core::policy::Snapshot;
use countersign_core::replay::Policies as _;
use countersign_core::simulate::{Against, Cited, Report, Simulation};
use ledger::{Files, Ledger, policy, processor_s};

impl Cited for Files {
    fn snapshot(&self, hash: &Arc<str>) -> Option<Arc<Snapshot>> {
        let (snapshot, _) = Snapshot::load(&self.files(hash).ok()?).ok()?;
        Some(Arc::new(snapshot))
    }
}

fn main() {
    let count: usize = std::env::args().nth(1).map_or(100_000, |text| text.parse().unwrap());
    let files = policy();
    let mut ledger = Ledger::under(&files);
    for number in 0..count {
        ledger.decide(number);
    }
    // A tenth of the rules have another bound.
    let bound = |(place, (name, bytes)): (usize, &(String, Vec<u8>))| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        let text = if place % 10 == 0 {
            text.replace("300", "350")
        } else {
            text
        };
        (name.clone(), text.into_bytes())
    };
    let candidate: Vec<_> = files.iter().enumerate().map(bound).collect();
    let (candidate, _) = Snapshot::load(&candidate).unwrap();
    let (live, _) = Snapshot::load(&files).unwrap();
    let cited = Files(files);

    let begin_s = processor_s();
    for (leaf, _) in &ledger.kept {
        std::hint::black_box(Record::decode(leaf).unwrap());
    }
    let decoding_s = processor_s() - begin_s;

    for (what, against) in [("live", Against::Snapshot(&live)), ("recorded", Against::Recorded)] {
        let (began, begin_s) = (Instant::now(), processor_s());
        let mut simulation = Simulation::new(&candidate, against, &cited, "USD");
        let mut report = Report::default();
        for (leaf, payload) in &ledger.kept {
            let (record, _) = Record::decode(leaf).unwrap();
            simulation.record(&record, payload.as_ref(), &mut report);
        }
        let (took, took_s) = (began.elapsed(), processor_s() - begin_s);
        assert_eq!((report.decisions, report.not_derivable), (count as u64, 0));
        assert!(report.changed.loosened > 0 && report.changed.tightened == 0);
        println!(
            "against what is {what}: {count} decisions tried in {:.2} s ({took_s:.2} s of processor time, {decoding_s:.2} s of it for \
             decoding records): {:.0} a second of processor time; {} changed",
            took.as_secs_f64(),
            count as f64 / took_s,
            report.changed.all()
        );
    }
}
