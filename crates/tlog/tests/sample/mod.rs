//! A small export bundle with every kind of file, and a generator of numbers that is the same on every run.
#![expect(clippy::unwrap_used, reason = "a test may stop")]
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part of this")]

use std::collections::BTreeMap;

use countersign_tlog::{
    Checkpoint, Edge, Hash, ProofFile, SigningKey, canonical_json, consistency_proof, file_set_hash, inclusion_proof,
    leaf_hash, tagged, tree::perfect_subtree,
};
use serde_json::{Value, json};

pub type Bundle = BTreeMap<String, Vec<u8>>;

pub const ORIGIN: &str = "countersign.example/t/0190a000/audit/1";
pub const SIZE: u64 = 23;
pub const OLD: u64 = 13;

/// Splitmix64.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }
}

pub fn key() -> SigningKey {
    SigningKey::from_seed(ORIGIN, &[7; 32]).unwrap()
}

/// A log over leaves in memory.
pub struct Log {
    pub leaves: Vec<Vec<u8>>,
}

impl Log {
    pub fn subtree(&self, level: u8, index: u64) -> Option<Hash> {
        let (start, end) = (
            usize::try_from(index << level).ok()?,
            usize::try_from((index + 1) << level).ok()?,
        );
        let hashes: Vec<_> = self
            .leaves
            .get(start..end)?
            .iter()
            .map(|leaf| leaf_hash(leaf))
            .collect();
        perfect_subtree(&hashes)
    }

    pub fn root(&self, size: u64) -> Hash {
        let mut edge = Edge::new();
        self.leaves[..usize::try_from(size).unwrap()]
            .iter()
            .for_each(|leaf| edge.push(leaf_hash(leaf)));
        edge.root()
    }

    pub fn checkpoint(&self, size: u64) -> String {
        Checkpoint {
            origin: ORIGIN.to_owned(),
            size,
            root: self.root(size),
        }
        .sign(&key())
        .unwrap()
    }

    pub fn proof(&self, index: u64, size: u64) -> String {
        let hashes = inclusion_proof(index, size, &|level, index| self.subtree(level, index)).unwrap();
        ProofFile {
            index,
            hashes,
            checkpoint: self.checkpoint(size),
            extra: None,
        }
        .to_text()
    }

    pub fn consistency(&self, old: u64, new: u64) -> String {
        let hashes = consistency_proof(old, new, &|level, index| self.subtree(level, index)).unwrap();
        hashes.into_iter().map(|hash| hash.to_base64() + "\n").collect()
    }

    pub fn entries(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.leaves
            .iter()
            .for_each(|leaf| countersign_tlog::bundle::entries_frame(leaf, &mut out).unwrap());
        out
    }

    pub fn lines(&self) -> Vec<u8> {
        self.leaves
            .iter()
            .flat_map(|leaf| [leaf.as_slice(), b"\n"].concat())
            .collect()
    }
}

/// What is disclosed of records 4, 9 and 14.
pub fn disclosed() -> Vec<(u64, &'static str, [u8; 32], Value)> {
    let odd = json!({"b": [1.5, 1e21, 1e-7, -0.25, true, null], "\u{20ac}": "\r\n\u{1f}\u{7f}\u{2028}", "\u{1f600}": {}, "": 0});
    vec![
        (4, "data.subject", [4; 32], json!("Łucja Müller")),
        (9, "payload", [9; 32], odd),
        (14, "data.parts.1", [14; 32], json!(333_333_333.333_333_3)),
    ]
}

fn commit(salt: &[u8; 32], value: &Value) -> Value {
    json!({"$commit": tagged("countersign-commit-v1", &[salt, &canonical_json(value).unwrap()]).to_string()})
}

/// Writes a bundle; `twist` goes into record 5, to tell one history from another.
pub fn bundle(twist: &str) -> (Bundle, Log) {
    let mut files = Bundle::new();
    let schemas = ["decision.made", "log.opened", "vote.cast"];
    for (index, name) in schemas.iter().enumerate() {
        let text = format!("{{\n  \"title\": \"{name}\", \"maximum\": {index}.5e3\n}}\n");
        files.insert(format!("schemas/{name}.json"), text.into_bytes());
    }
    let schemas = file_set_hash(files.values().map(Vec::as_slice)).to_string();

    let policies = [["mandates: []\n", "gates: 1\n"], ["mandates: [a]\n", "gates: 2\n"]];
    let mut snapshots = Vec::new();
    for set in policies {
        let hash = file_set_hash(set.map(str::as_bytes));
        files.insert(format!("snapshots/{hash}/mandates.yaml"), set[0].into());
        files.insert(format!("snapshots/{hash}/gates-1.yaml"), set[1].into());
        snapshots.push(format!("sha256:{hash}"));
    }

    let secrets = disclosed();
    let mut log = Log { leaves: Vec::new() };
    for seq in 0..SIZE {
        let mut record = json!({
            "actor": {"id": format!("agt_{}", seq % 3), "kind": "agent", "verified": true},
            "data": {"note": format!("reis \u{1f30d} \"{seq}\"\n"), "amount": "500.01", "delta": -(i64::try_from(seq).unwrap())},
            "log": ORIGIN, "prov": "observed", "seq": seq, "ts": format!("2026-11-21T01:06:{seq:02}.000123Z"),
            "type": "decision.made", "v": 1,
        });
        match seq {
            0 => record["data"] = json!({"schemas": schemas}),
            4 => record["data"]["subject"] = commit(&secrets[0].2, &secrets[0].3),
            5 => record["data"]["twist"] = json!(twist),
            9 => record["payload"] = commit(&secrets[1].2, &secrets[1].3),
            14 => record["data"]["parts"] = json!([{}, commit(&secrets[2].2, &secrets[2].3)]),
            _ => {}
        }
        if seq > 2 {
            record["snapshot"] = json!(snapshots[usize::from(seq > 10)]);
        }
        log.leaves.push(canonical_json(&record).unwrap());
    }

    let text = |text: &str| text.as_bytes().to_vec();
    files.insert("checkpoint".to_owned(), log.checkpoint(SIZE).into());
    files.insert("entries".to_owned(), log.entries());
    files.insert("records.jsonl".to_owned(), log.lines());
    files.insert("checkpoint.old".to_owned(), log.checkpoint(OLD).into());
    files.insert("consistency.txt".to_owned(), log.consistency(OLD, SIZE).into());
    for (index, size) in [(0, SIZE), (7, 17), (22, SIZE)] {
        files.insert(format!("proofs/{index}.tlog-proof"), log.proof(index, size).into());
        files.insert(
            format!("proofs/{index}.leaf"),
            log.leaves[usize::try_from(index).unwrap()].clone(),
        );
    }
    let lines = secrets.iter().map(|(index, path, salt, value)| {
        let line = json!({"index": index, "path": path, "salt": Hash(*salt).to_string(), "value": value});
        [canonical_json(&line).unwrap(), text("\n")].concat()
    });
    files.insert("disclosures.jsonl".to_owned(), lines.collect::<Vec<_>>().concat());
    files.insert("verify.py".to_owned(), text(countersign_tlog::VERIFY_PY));
    files.insert("README.md".to_owned(), text("# How to verify\n"));
    (files, log)
}
