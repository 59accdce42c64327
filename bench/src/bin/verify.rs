//! Verification of an export of a million records, as an auditor does it. Writes the bundle's files in memory.

use std::collections::BTreeMap;
use std::time::Instant;

use countersign_tlog::{Checkpoint, Edge, SigningKey, bundle, file_set_hash, leaf_hash};

fn main() {
    let count: u64 = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(1_000_000);
    let origin = "bench/t/0/audit/1";
    let key = SigningKey::from_seed(origin, &[7; 32]).expect("a key");
    let schema = b"{}\n".to_vec();
    let schemas = file_set_hash([schema.as_slice()]);
    let (mut edge, mut entries, mut lines) = (Edge::new(), Vec::new(), Vec::new());
    for seq in 0..count {
        let data = if seq == 0 { format!(r#"{{"schemas":"{schemas}"}}"#) } else { format!(r#"{{"note":"{}"}}"#, "x".repeat(430)) };
        let leaf = format!(
            r#"{{"actor":{{"auth":"key:abcdefgh","id":"bot","kind":"agent","verified":true}},"data":{data},"log":"{origin}","prov":"observed","seq":{seq},"ts":"2026-01-05T09:00:00.000000Z","type":"bench.record","v":1}}"#
        );
        edge.push(leaf_hash(leaf.as_bytes()));
        bundle::entries_frame(leaf.as_bytes(), &mut entries).expect("a record");
        lines.extend_from_slice(leaf.as_bytes());
        lines.push(b'\n');
    }
    let checkpoint = Checkpoint { origin: origin.into(), size: count, root: edge.root() }.sign(&key).expect("a checkpoint");
    let bytes = entries.len();
    let files: BTreeMap<String, Vec<u8>> = BTreeMap::from([
        ("checkpoint".into(), checkpoint.into_bytes()),
        ("entries".into(), entries),
        ("records.jsonl".into(), lines),
        ("schemas/bench.record.json".into(), schema),
    ]);
    let started = Instant::now();
    let report = bundle::verify(&key.verifying_key().to_string(), &files, None).expect("the bundle holds");
    let took = started.elapsed();
    println!("{} records of {} bytes verified in {:.2} s", report.size, bytes as u64 / count, took.as_secs_f64());
}
