//! Both verifiers take a bundle whose first records are known by their hashes only, and see what was changed in it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop")]

mod sample;
mod twin;

use countersign_tlog::{bundle, leaf_hash};
use sample::{Bundle, Log, Numbers, SIZE};
use twin::{Case, compare, vkey};

/// The bundle without the bytes of its first `count` records, and without what speaks of them.
fn pruned(base: &Bundle, log: &Log, count: usize) -> Bundle {
    let mut files = base.clone();
    let left = Log {
        leaves: log.leaves[count..].to_vec(),
    };
    files.insert("entries".to_owned(), left.entries());
    files.insert("records.jsonl".to_owned(), left.lines());
    let hashes = log.leaves[..count]
        .iter()
        .map(|leaf| leaf_hash(leaf).to_base64() + "\n");
    files.insert("pruned.hashes".to_owned(), hashes.collect::<String>().into());
    files.insert("first.leaf".to_owned(), log.leaves[0].clone());
    let index = |name: &str| name.strip_prefix("proofs/")?.split('.').next()?.parse::<usize>().ok();
    files.retain(|name, _| index(name).is_none_or(|index| index == 0 || index >= count));
    let disclosures = String::from_utf8(files["disclosures.jsonl"].clone()).unwrap();
    let left = disclosures.lines().filter(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["index"].as_u64().unwrap() >= count as u64
    });
    files.insert(
        "disclosures.jsonl".to_owned(),
        left.map(|line| format!("{line}\n")).collect::<String>().into(),
    );
    files
}

#[test]
fn both_accept_a_pruned_bundle_and_say_what_they_did_not_see() {
    let (base, log) = sample::bundle("");
    let mut cases = Vec::new();
    for count in 1..=log.leaves.len() {
        let files = pruned(&base, &log, count);
        for older in [0, 1, count as u64, SIZE] {
            let name = format!("{count} pruned, pinned at {older}");
            cases.push(Case::new(name, files.clone(), true).older(log.checkpoint(older)));
        }
        let report = bundle::verify(&vkey(), &files, None).unwrap();
        assert_eq!(report.size, SIZE);
        let wanted = format!("what the first {count} records say");
        assert!(
            report.not_covered.iter().any(|line| line.starts_with(&wanted)),
            "{report:?}"
        );
    }
    compare("pruned", &base, &cases);
}

#[test]
fn both_refuse_a_pruned_bundle_that_was_tampered_with() {
    let (base, log) = sample::bundle("");
    let files = pruned(&base, &log, 12);
    let mut cases = Vec::new();
    let mut changed = |name: &str, change: &dyn Fn(&mut Bundle)| {
        let mut files = files.clone();
        change(&mut files);
        cases.push(Case::new(name, files, false));
    };
    for name in ["pruned.hashes", "first.leaf"] {
        changed(&format!("without {name}"), &|files| drop(files.remove(name)));
        changed(&format!("empty {name}"), &|files| files.get_mut(name).unwrap().clear());
    }
    changed("a hash more", &|files| {
        let hashes = files.get_mut("pruned.hashes").unwrap();
        hashes.extend_from_slice((leaf_hash(b"x").to_base64() + "\n").as_bytes());
    });
    changed("a hash less", &|files| {
        let hashes = files.get_mut("pruned.hashes").unwrap();
        hashes.truncate(hashes.len() - 45);
    });
    changed("no newline at the end", &|files| {
        assert!(files.get_mut("pruned.hashes").unwrap().pop().is_some())
    });
    changed("two hashes swapped", &|files| {
        let hashes = files.get_mut("pruned.hashes").unwrap();
        let (first, second) = (hashes[45..90].to_vec(), hashes[90..135].to_vec());
        hashes[45..90].copy_from_slice(&second);
        hashes[90..135].copy_from_slice(&first);
    });
    changed("another first record", &|files| {
        files.insert("first.leaf".to_owned(), log.leaves[1].clone());
    });
    changed("a record with its bytes and its hash", &|files| {
        let left = Log {
            leaves: log.leaves[11..].to_vec(),
        };
        files.insert("entries".to_owned(), left.entries());
        files.insert("records.jsonl".to_owned(), left.lines());
    });
    changed("a disclosure of a record without bytes", &|files| {
        files.insert("disclosures.jsonl".to_owned(), base["disclosures.jsonl"].clone());
    });
    let (_, other) = sample::bundle("quietly changed");
    cases.push(
        Case::new("pinned to another history", files.clone(), false)
            .older(other.checkpoint(8))
            .says("history was rewritten"),
    );
    let mut numbers = Numbers(3);
    for _ in 0..100 {
        let name = ["pruned.hashes", "first.leaf"][numbers.below(2)];
        let mut files = files.clone();
        let bytes = files.get_mut(name).unwrap();
        let at = numbers.below(bytes.len());
        bytes[at] ^= u8::try_from(1 + numbers.below(255)).unwrap();
        cases.push(Case::new(format!("`{name}` byte {at}"), files, false));
    }
    compare("pruned and tampered", &base, &cases);
}
