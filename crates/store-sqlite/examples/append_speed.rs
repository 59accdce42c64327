//! How fast batches become durable: `cargo run --release -p countersign-store-sqlite --example append_speed [FOLDER] [SECONDS]`.
//!
//! Every record is a 700-byte leaf with a 400-byte payload and one subject, of one organization. Prints, for each batch
//! size, records a second and the latency of a commit; then what a search index of the same records costs.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::float_arithmetic,
    reason = "a measurement, not the product"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use countersign_core::digest::Digest;
use countersign_core::time::Time;
use countersign_store::{Append, Head, NewRecord, OrganizationRow, Query, SearchRow, Store, StoredPayload};
use countersign_store_sqlite::SqliteStore;

fn record(seq: u64) -> NewRecord {
    let payload = StoredPayload {
        class: "standard".into(),
        key: "1/2026".into(),
        sealed: vec![b'p'; 472],
    };
    let number = Digest::of(&seq.to_be_bytes());
    let leaf = vec![b'l'; 700];
    // As in UUIDv7: time, then randomness.
    let subject = (u128::from(seq) << 64) | u128::from_be_bytes(number.0[..16].try_into().unwrap()) >> 64;
    NewRecord {
        leaf_hash: NewRecord::hash_of(&leaf),
        leaf,
        payload: Some(payload),
        seq,
        subjects: vec![subject],
    }
}

fn batch(base: u64, count: u64) -> Append {
    let org = OrganizationRow {
        created: Time(0),
        name: "acme".into(),
        origin: "bench/t/acme".into(),
    };
    Append {
        head: Head {
            checkpoint: "c".repeat(250),
            edge: vec![0; 640],
            size: base + count,
            ts: Time(i64::try_from(base).unwrap()),
        },
        org: org.name.clone(),
        create: (base == 0).then_some(org),
        base,
        records: (base..base + count).map(record).collect(),
        secrets: Vec::new(),
        snapshots: Vec::new(),
        state: None,
        destroy: Vec::new(),
        prune: None,
    }
}

fn measure(folder: &Path, count: u64, time: Duration) -> u64 {
    let _ = std::fs::remove_dir_all(folder);
    let begun = Instant::now();
    let store = SqliteStore::open(folder).unwrap();
    println!("opened a new folder in {:.0} ms", begun.elapsed().as_secs_f64() * 1e3);
    let (mut latencies, mut base, mut spent) = (Vec::new(), 0, Duration::ZERO);
    while spent < time {
        let batch = [batch(base, count)];
        let begun = Instant::now();
        store.append(&batch).unwrap();
        let took = begun.elapsed();
        spent += took;
        latencies.push(took);
        base += count;
    }
    latencies.sort();
    let at = |share: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index below the length"
        )]
        let place = (latencies.len() as f64 * share) as usize;
        latencies[place.min(latencies.len() - 1)].as_secs_f64() * 1e3
    };
    println!(
        "{count:>5} a batch: {:>7.0} records/s; commit p50 {:.2} ms, p90 {:.2}, p99 {:.2}, p99.9 {:.2}, max {:.2} ({} commits)",
        base as f64 / spent.as_secs_f64(),
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999),
        at(1.0),
        latencies.len(),
    );
    base
}

fn main() {
    let mut args = std::env::args().skip(1);
    let folder = args
        .next()
        .map_or_else(|| std::env::temp_dir().join("countersign-append-speed"), Into::into);
    let seconds = args.next().map_or(5, |text| text.parse().unwrap());
    let mut size = 0;
    for count in [1, 16, 64, 256] {
        size = measure(&folder, count, Duration::from_secs(seconds));
    }
    let store = SqliteStore::open(&folder).unwrap();
    let size = size.min(200_000);
    let rows: Vec<SearchRow> = (0..size)
        .map(|seq| SearchRow {
            action: Some(format!("tool.operation_{}", seq % 40)),
            agent: Some(format!("agent-{}", seq % 97)),
            decision: Some(if seq % 1_000 == 0 { "deny" } else { "allow" }.into()),
            kind: "decision.made".into(),
            seq,
            ts: Time(i64::try_from(seq).unwrap()),
        })
        .collect();
    let begun = Instant::now();
    for part in rows.chunks(256) {
        store.index("acme", part).unwrap();
    }
    println!(
        "search index: {:.0} lines/s in parts of 256",
        size as f64 / begun.elapsed().as_secs_f64()
    );
    let text = |text: &str| Some(text.to_owned());
    for (what, query) in [
        ("the newest 100", Query::default()),
        (
            "100 of an agent",
            Query {
                agent: text("agent-5"),
                ..Query::default()
            },
        ),
        (
            "100 of an agent that were denied",
            Query {
                agent: text("agent-5"),
                decision: text("deny"),
                ..Query::default()
            },
        ),
        (
            "in a time range",
            Query {
                from: Some(Time(1_000)),
                to: Some(Time(2_000)),
                ..Query::default()
            },
        ),
    ] {
        let begun = Instant::now();
        let found = store.search("acme", &Query { limit: 100, ..query }).unwrap().len();
        println!(
            "search {what}: {found} lines in {:.2} ms",
            begun.elapsed().as_secs_f64() * 1e3
        );
    }
    let begun = Instant::now();
    let count = store.leaf_hashes("acme", 0, u64::MAX).unwrap().len();
    println!("{count} leaf hashes in {:.1} ms", begun.elapsed().as_secs_f64() * 1e3);
    drop(store);
    std::fs::remove_dir_all(&folder).unwrap();
}
