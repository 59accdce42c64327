//! Verification of an export of many records: `records COUNT` in memory, `records COUNT FOLDER` writes it for `verify.py`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use countersign_tlog::bundle::{entries_frame, verify};
use countersign_tlog::{Checkpoint, Edge, SigningKey, VERIFY_PY, file_set_hash, leaf_hash};

const ORIGIN: &str = "bench.example/t/0/audit/1";
const SCHEMA: &str = "{\"title\":\"decision.made\"}\n";

/// A record like those that a decision leaves, about 900 bytes.
fn leaf(seq: u64) -> Vec<u8> {
    let head = r#"{"actor":{"auth":"key:k3ZQ9xWp","id":"customer_support","kind":"agent","verified":true},"data":"#;
    let data = if seq == 0 {
        format!(r#"{{"schemas":"{}"}}"#, file_set_hash([SCHEMA.as_bytes()]))
    } else {
        format!(
            concat!(
                r#"{{"action":"update","action_id":"act_{seq:032x}","agent":"customer_support","decision":"allow","#,
                r#""digest":"{digest}","facts":{{"agent":{{"identity":"verified","owner":"team:support"}},"standing":"active"}},"#,
                r#""permit":{{"audience":"tool-07","expires":"2026-11-21T01:11:14.000123Z","id":"prm_{seq:032x}","use":"redeem"}},"#,
                r#""reasons":[{{"code":"rule","column":3,"decision":"allow","document":"gate-07","line":5,"message":"allows it","rule":"1"}}],"#,
                r#""salt":"b17e7d8ac141ab364602c1110d0e51c5","status":"permitted"}}"#,
            ),
            seq = seq,
            digest = leaf_hash(&seq.to_be_bytes()),
        )
    };
    format!(
        concat!(
            r#"{}{},"log":"{}","payload":{{"$commit":"f3a1b3db8185d9d8a1cf2320204b99cd31da022809f714b57c28eec974653667","class":"default","size":212}},"#,
            r#""prov":"reported","seq":{},"ts":"2026-11-21T01:06:14.000123Z","type":"decision.made","v":1}}"#,
        ),
        head, data, ORIGIN, seq
    )
    .into_bytes()
}

fn main() {
    let mut args = std::env::args().skip(1);
    let count: u64 = args
        .next()
        .and_then(|text| text.parse().ok())
        .expect("usage: records COUNT [FOLDER]");
    let (mut edge, mut entries, mut lines) = (Edge::new(), Vec::new(), Vec::new());
    for seq in 0..count {
        let leaf = leaf(seq);
        edge.push(leaf_hash(&leaf));
        entries_frame(&leaf, &mut entries).expect("a leaf of ordinary size");
        lines.extend_from_slice(&leaf);
        lines.push(b'\n');
    }
    let key = SigningKey::from_seed(ORIGIN, &[7; 32]).expect("a key");
    let checkpoint = Checkpoint {
        origin: ORIGIN.to_owned(),
        size: count,
        root: edge.root(),
    }
    .sign(&key)
    .expect("signed");
    let vkey = key.verifying_key().to_string();
    println!("bytes {}", entries.len());
    println!("vkey {vkey}");
    let mut files = BTreeMap::from([("checkpoint".to_owned(), checkpoint.into_bytes())]);
    files.insert("entries".to_owned(), entries);
    files.insert("records.jsonl".to_owned(), lines);
    files.insert("schemas/decision.made.json".to_owned(), SCHEMA.as_bytes().to_vec());
    if let Some(folder) = args.next() {
        files.insert("verify.py".to_owned(), VERIFY_PY.as_bytes().to_vec());
        files.insert("README.md".to_owned(), b"# written by bench/\n".to_vec());
        for (name, bytes) in &files {
            let path = Path::new(&folder).join(name);
            std::fs::create_dir_all(path.parent().expect("it has a folder")).expect("a folder");
            std::fs::write(path, bytes).expect("written");
        }
        return;
    }
    let begin = Instant::now();
    let report = verify(&vkey, &files, None).unwrap_or_else(|error| panic!("{error}"));
    println!("verified {} {}", report.size, begin.elapsed().as_millis());
}
