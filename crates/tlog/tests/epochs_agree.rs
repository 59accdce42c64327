//! The Rust verifier and `verify.py` give the same verdict on logs that go on under another name.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop")]

mod sample;
mod twin;

use countersign_tlog::{Checkpoint, Cosigner, Edge, Note, SigningKey, bundle, canonical_json, leaf_hash};
use sample::{Bundle, Log, ORIGIN, key};
use serde_json::{Value, json};
use twin::{Case, compare, vkey};

/// What the ledger keeps of the first epoch, and what was signed for.
const KEPT: usize = 15;
const SIGNED: usize = 20;
/// Where the third epoch begins; nothing was lost then.
const THIRD: usize = 19;

fn origin(epoch: u64) -> String {
    ORIGIN.replace("audit/1", &format!("audit/{epoch}"))
}

fn named(epoch: u64) -> SigningKey {
    SigningKey::from_seed(&origin(epoch), &key().seed()).unwrap()
}

fn end(epoch: u64, leaves: &[Vec<u8>]) -> Value {
    let mut edge = Edge::new();
    leaves.iter().for_each(|leaf| edge.push(leaf_hash(leaf)));
    json!({"log": origin(epoch), "root": edge.root().to_string(), "size": leaves.len()})
}

/// A record under the name of an epoch.
fn record(epoch: u64, seq: usize, twist: &str) -> Value {
    json!({
        "actor": {"id": "agt_1", "kind": "agent", "verified": true}, "data": {"note": format!("{seq}{twist}")},
        "log": origin(epoch), "prov": "observed", "seq": seq, "ts": format!("2026-11-21T01:06:{seq:02}.000123Z"),
        "type": "outcome.reported", "v": 1,
    })
}

fn opening(epoch: u64, before: u64, leaves: &[Vec<u8>], mark: Option<Value>) -> Value {
    let mut record = record(epoch, leaves.len(), "");
    record["type"] = json!("epoch.opened");
    record["data"] = json!({
        "epoch": epoch, "log": origin(epoch), "previous": end(before, leaves),
        "vkey": named(epoch).verifying_key().to_string(),
    });
    if let Some(mark) = mark {
        record["data"]["mark"] = mark;
    }
    record
}

/// A log of three epochs, and the first as it was before its end was lost.
struct Story {
    leaves: Vec<Vec<u8>>,
    lost: Vec<Vec<u8>>,
}

fn story() -> Story {
    let (_, log) = sample::bundle("");
    let mut lost = log.leaves;
    lost.truncate(SIGNED);
    let mut leaves = lost[..KEPT].to_vec();
    let push = |leaves: &mut Vec<Vec<u8>>, record: Value| leaves.push(canonical_json(&record).unwrap());
    let second = opening(2, 1, &leaves, Some(end(1, &lost)));
    push(&mut leaves, second);
    while leaves.len() < THIRD {
        let next = record(2, leaves.len(), "");
        push(&mut leaves, next);
    }
    let third = opening(3, 2, &leaves, None);
    push(&mut leaves, third);
    while leaves.len() < 24 {
        let next = record(3, leaves.len(), "");
        push(&mut leaves, next);
    }
    Story { leaves, lost }
}

fn checkpoint(epoch: u64, leaves: &[Vec<u8>]) -> String {
    let mut edge = Edge::new();
    leaves.iter().for_each(|leaf| edge.push(leaf_hash(leaf)));
    let checkpoint = Checkpoint {
        origin: origin(epoch),
        size: leaves.len() as u64,
        root: edge.root(),
    };
    checkpoint.sign(&named(epoch)).unwrap()
}

/// A bundle of these leaves, signed in an epoch.
fn bundle_of(epoch: u64, leaves: &[Vec<u8>]) -> Bundle {
    let (mut files, _) = sample::bundle("");
    files.retain(|name, _| !name.starts_with("proofs/") && !name.ends_with(".old") && !name.ends_with(".txt"));
    files.remove("disclosures.jsonl");
    let log = Log {
        leaves: leaves.to_vec(),
    };
    files.insert("entries".to_owned(), log.entries());
    files.insert("records.jsonl".to_owned(), log.lines());
    files.insert("checkpoint".to_owned(), checkpoint(epoch, leaves).into());
    files
}

/// A case under the name of an epoch.
fn pinned(epoch: u64, label: impl Into<String>, files: Bundle, holds: bool) -> Case {
    Case {
        vkey: named(epoch).verifying_key().to_string(),
        ..Case::new(label, files, holds)
    }
}

#[test]
fn both_follow_a_log_through_its_epochs_under_any_of_its_names() {
    let story = story();
    let files = bundle_of(3, &story.leaves);
    let mut cases: Vec<Case> = (1..=3)
        .map(|epoch| pinned(epoch, format!("pinned in epoch {epoch}"), files.clone(), true))
        .collect();
    cases.push(pinned(4, "a name that the log never had", files.clone(), false).says("VKEY"));
    cases.push(pinned(
        2,
        "its end in epoch 2",
        bundle_of(2, &story.leaves[..THIRD]),
        true,
    ));
    cases.push(pinned(
        3,
        "before its name",
        bundle_of(2, &story.leaves[..THIRD]),
        false,
    ));
    for (epoch, size) in [
        (2, story.leaves.len()),
        (1, story.leaves.len()),
        (3, THIRD),
        (1, THIRD),
        (2, KEPT),
    ] {
        let leaves = &story.leaves[..size];
        cases.push(pinned(
            1,
            format!("{size} records signed in epoch {epoch}"),
            bundle_of(epoch, leaves),
            false,
        ));
    }
    let mut also = files.clone();
    let text = String::from_utf8(also["checkpoint"].clone()).unwrap();
    let body = text.split("\n\n").next().unwrap().to_owned() + "\n";
    also.insert("checkpoint".to_owned(), (text + &named(2).signature_line(&body)).into());
    cases.push(Case::new("signed under the name before as well", also, true));
    for size in 0..=KEPT {
        let older = checkpoint(1, &story.leaves[..size]);
        cases.push(Case::new(format!("pinned at {size} of epoch 1"), files.clone(), true).older(older));
    }
    for size in KEPT..=THIRD {
        let older = checkpoint(2, &story.leaves[..size]);
        cases.push(Case::new(format!("pinned at {size} of epoch 2"), files.clone(), true).older(older));
    }
    let beyond = checkpoint(2, &story.leaves[..=THIRD]);
    cases.push(Case::new("epoch 2 went on after its end", files.clone(), false).older(beyond));
    compare("epochs", &files, &cases);
}

#[test]
fn both_tell_the_holder_of_an_older_checkpoint_what_was_lost_and_accept_nothing_beyond() {
    let story = story();
    let files = bundle_of(3, &story.leaves);
    let mut cases = Vec::new();
    for size in KEPT + 1..=SIGNED {
        let older = checkpoint(1, &story.lost[..size]);
        cases.push(Case::new(format!("lost at {size}"), files.clone(), true).older(older.clone()));
        let report = bundle::verify(&vkey(), &files, Some(&older)).unwrap();
        let told = format!("covers {size} records of `{ORIGIN}`");
        assert!(report.not_covered.iter().any(|line| line.contains(&told)), "{report:?}");
        assert!(
            !report.checked.iter().any(|line| line.starts_with("older")),
            "{report:?}"
        );
    }
    let mut more = story.lost.clone();
    more.push(canonical_json(&record(1, SIGNED, "")).unwrap());
    cases.push(Case::new("more than the epoch owns up to", files.clone(), false).older(checkpoint(1, &more)));
    let mut other = story.lost.clone();
    other[SIGNED - 1] = canonical_json(&record(1, SIGNED - 1, "another")).unwrap();
    cases.push(Case::new("another end than the epoch owns up to", files.clone(), false).older(checkpoint(1, &other)));
    let mut other = story.lost[..KEPT].to_vec();
    other[KEPT - 1] = canonical_json(&record(1, KEPT - 1, "another")).unwrap();
    let rewritten = Case::new("what was kept is another", files.clone(), false);
    cases.push(rewritten.older(checkpoint(1, &other)).says("history was rewritten"));
    let report = bundle::verify(&vkey(), &files, None).unwrap();
    assert!(
        report
            .not_covered
            .iter()
            .any(|line| line.starts_with("epoch 2 was opened")),
        "{report:?}"
    );
    compare("lost", &files, &cases);
}

/// A story with another opening of the second epoch, signed as it is.
fn told_otherwise(change: impl FnOnce(&mut Value)) -> Bundle {
    let story = story();
    let mut leaves = story.leaves[..KEPT].to_vec();
    let mut opened: Value = serde_json::from_slice(&story.leaves[KEPT]).unwrap();
    change(&mut opened);
    leaves.push(canonical_json(&opened).unwrap());
    for seq in KEPT + 1..THIRD {
        leaves.push(canonical_json(&record(2, seq, "")).unwrap());
    }
    bundle_of(2, &leaves)
}

#[test]
fn both_refuse_every_other_change_of_name() {
    let files = bundle_of(3, &story().leaves);
    let root = "0".repeat(64);
    let changes: Vec<(&str, Value)> = vec![
        ("/type", json!("ledger.opened")),
        ("/type", json!("epoch.closed")),
        ("/log", json!(ORIGIN)),
        ("/log", json!(origin(3))),
        ("/log", json!(7)),
        ("/data/log", json!(origin(3))),
        ("/data/log", json!(ORIGIN)),
        ("/data/epoch", json!(1)),
        ("/data/epoch", json!(3)),
        ("/data/epoch", json!("2")),
        ("/data/epoch", json!(true)),
        ("/data/epoch", json!(-2)),
        ("/data/vkey", json!(vkey())),
        ("/data/vkey", json!("x")),
        ("/data/previous/log", json!(origin(2))),
        ("/data/previous/size", json!(KEPT - 1)),
        ("/data/previous/size", json!(KEPT.to_string())),
        ("/data/previous/size", json!(true)),
        ("/data/previous/root", json!(root)),
        ("/data/previous/root", json!("x")),
        ("/data/mark", json!(1)),
        ("/data/mark/size", json!(-1)),
        ("/data/mark/root", json!("")),
    ];
    let mut cases = vec![Case::new("told as it was", told_otherwise(|_| {}), true)];
    for (place, value) in changes {
        let changed = told_otherwise(|opened| *opened.pointer_mut(place).unwrap() = value.clone());
        cases.push(Case::new(format!("{place} is {value}"), changed, false));
    }
    for (place, field) in [
        ("", "data"),
        ("", "log"),
        ("/data", "epoch"),
        ("/data", "log"),
        ("/data", "previous"),
        ("/data", "vkey"),
        ("/data/previous", "log"),
        ("/data/previous", "root"),
        ("/data/previous", "size"),
        ("/data/mark", "log"),
        ("/data/mark", "size"),
    ] {
        let without = told_otherwise(|opened| {
            let fields = opened.pointer_mut(place).unwrap().as_object_mut().unwrap();
            fields.remove(field).unwrap();
        });
        cases.push(Case::new(format!("{place} without {field}"), without, false));
    }
    // A jump over an epoch that was lost as a whole is a later epoch too.
    let jump = told_otherwise(|opened| {
        opened["data"]["epoch"] = json!(5);
        opened["data"]["log"] = json!(origin(5));
        opened["log"] = json!(origin(5));
        opened["data"]["vkey"] = json!(named(5).verifying_key().to_string());
    });
    let lines = String::from_utf8(jump["records.jsonl"].clone()).unwrap();
    let mut leaves: Vec<Vec<u8>> = lines.lines().map(|line| line.as_bytes().to_vec()).collect();
    leaves.truncate(KEPT + 1);
    cases.push(Case::new("over a lost epoch", bundle_of(5, &leaves), true));
    cases.push(Case::new("the name of before goes on", jump, false));
    compare("names", &files, &cases);
}

/// A checkpoint with this witness's cosignature.
fn cosigned(note: &str, by: &Cosigner) -> Vec<u8> {
    let text = Note::parse(note).unwrap().text;
    format!("{note}{}", by.cosign(text, 1_700_000_000).unwrap()).into()
}

#[test]
fn a_cosignature_over_records_that_are_lost_satisfies_nobody_who_demands_it() {
    let story = story();
    let base = bundle_of(3, &story.leaves);
    let by = Cosigner::from_seed("witness.example/w1", &[9; 32]).unwrap();
    let other = Cosigner::from_seed("witness.example/w2", &[10; 32]).unwrap();
    let early = |note: &str| {
        let mut files = base.clone();
        files.insert("checkpoint.witnessed".to_owned(), cosigned(note, &by));
        files
    };
    let (kept, lost) = (
        early(&checkpoint(1, &story.leaves[..KEPT])),
        early(&checkpoint(1, &story.lost[..KEPT + 3])),
    );
    let mut both = lost.clone();
    both.insert("checkpoint".to_owned(), cosigned(&checkpoint(3, &story.leaves), &by));
    let key = by.witness_key();
    let cases = [
        Case::new("of what was kept", kept.clone(), true).witness(key),
        Case::new("of what is lost, and nobody demands it", lost.clone(), true),
        Case::new("of what is lost", lost.clone(), false)
            .witness(key)
            .says("the witness `witness.example/w1`"),
        Case::new("of what is lost, and of the whole export", both.clone(), true).witness(key),
        Case::new("another's", both.clone(), false).witness(other.witness_key()),
    ];
    compare("lost-witness", &base, &cases);

    let refused = bundle::verify_witnessed(&vkey(), &lost, None, &[&key.to_string()]);
    let why = "the witness `witness.example/w1` vouches for records in checkpoint.witnessed that are lost";
    assert_eq!(refused.map_err(|error| error.what), Err(why.to_owned()));
    let unchanged = |files: &Bundle, witnesses: &[&str]| {
        let report = bundle::verify_witnessed(&vkey(), files, None, witnesses).unwrap();
        let said = |line: &String| line.starts_with("checkpoint.witnessed") && line.ends_with("are unchanged");
        (report.checked.iter().filter(|line| said(line)).count(), report)
    };
    assert_eq!(unchanged(&kept, &[]).0, 1);
    assert_eq!(unchanged(&lost, &[]).0, 0, "what is lost is not called unchanged");
    let (_, report) = unchanged(&both, &[&key.to_string()]);
    let vouched = |file: &str| {
        report
            .checked
            .iter()
            .any(|line| line.starts_with(&format!("{file}: the witness")))
    };
    assert!(vouched("checkpoint") && !vouched("checkpoint.witnessed"), "{report:?}");
}
