//! What a report says of a bundle that holds, and where a leaf becomes too long for one.
#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod sample;

use countersign_tlog::bundle::{self, entries_frame};
use countersign_tlog::{CanonicalError, Checkpoint, Edge, MAX_LEAF_BYTES, Note, SigningKey, canonical_json, leaf_hash};
use sample::{Bundle, Log, ORIGIN, SIZE, key};
use serde_json::json;

#[test]
fn a_leaf_of_the_greatest_length_is_framed_and_no_longer_one() {
    for bytes in [0, 1, MAX_LEAF_BYTES - 1, MAX_LEAF_BYTES] {
        let (leaf, mut out) = (vec![b'x'; bytes], b"before".to_vec());
        entries_frame(&leaf, &mut out).unwrap();
        let length = u16::try_from(bytes).unwrap().to_be_bytes();
        assert_eq!(out, [b"before".as_slice(), &length, &leaf].concat());
    }
    for bytes in [MAX_LEAF_BYTES + 1, MAX_LEAF_BYTES + 2, 65_535, 65_536] {
        let mut out = b"before".to_vec();
        let framed = entries_frame(&vec![b'x'; bytes], &mut out);
        assert_eq!(framed, Err(CanonicalError::TooLong { bytes }));
        assert_eq!(out, b"before");
    }
}

/// The lines of `not_covered` that contain these words.
fn said(files: &Bundle, words: &str) -> Vec<String> {
    let report = bundle::verify(&key().verifying_key().to_string(), files, None).unwrap();
    let lines = report.not_covered.into_iter();
    lines.filter(|line| line.contains(words)).collect()
}

#[test]
fn every_signature_by_another_key_is_counted() {
    let (base, log) = sample::bundle("");
    let words = "signatures by other keys";
    assert_eq!(said(&base, words), Vec::<String>::new());
    let mut note = log.checkpoint(SIZE);
    let text = Note::parse(&note).unwrap().text.to_owned();
    for count in 1..=3_u8 {
        let stranger = SigningKey::from_seed(&format!("stranger.example/{count}"), &[count; 32]).unwrap();
        note.push_str(&stranger.signature_line(&text));
        let mut files = base.clone();
        files.insert("checkpoint".to_owned(), note.clone().into());
        assert_eq!(
            said(&files, words),
            [format!("{count} signatures by other keys: not checked")]
        );
        // And over all checkpoints of the bundle.
        let mut old = log.checkpoint(sample::OLD);
        let text = Note::parse(&old).unwrap().text.to_owned();
        old.push_str(&stranger.signature_line(&text));
        files.insert("checkpoint.old".to_owned(), old.into());
        let both = u32::from(count) + 1;
        assert_eq!(
            said(&files, words),
            [format!("{both} signatures by other keys: not checked")]
        );
    }
}

/// A bundle of one record, with schemas and snapshots or without.
fn one_record(schemas: bool, snapshots: bool) -> Bundle {
    let mut files = Bundle::new();
    let schema = b"{}".to_vec();
    let set: Vec<&[u8]> = if schemas { vec![&schema] } else { Vec::new() };
    let hash = countersign_tlog::file_set_hash(set).to_string();
    let record = json!({
        "actor": {"id": "system", "kind": "system", "verified": true}, "data": {"schemas": hash}, "log": ORIGIN,
        "prov": "observed", "seq": 0, "ts": "2026-11-21T01:06:00.000123Z", "type": "ledger.opened", "v": 1,
    });
    let leaf = canonical_json(&record).unwrap();
    let mut edge = Edge::new();
    edge.push(leaf_hash(&leaf));
    let checkpoint = Checkpoint {
        origin: ORIGIN.to_owned(),
        size: 1,
        root: edge.root(),
    };
    let log = Log { leaves: vec![leaf] };
    files.insert("checkpoint".to_owned(), checkpoint.sign(&key()).unwrap().into());
    files.insert("entries".to_owned(), log.entries());
    files.insert("records.jsonl".to_owned(), log.lines());
    if schemas {
        files.insert("schemas/ledger.opened.json".to_owned(), schema);
    }
    if snapshots {
        let bytes = b"mandates: []\n".as_slice();
        let name = countersign_tlog::file_set_hash([bytes]);
        files.insert(format!("snapshots/{name}/mandates.yaml"), bytes.to_vec());
    }
    files
}

#[test]
fn names_of_files_are_said_to_be_uncovered_where_there_are_any() {
    for (schemas, snapshots) in [(false, false), (true, false), (false, true), (true, true)] {
        let files = one_record(schemas, snapshots);
        let lines = said(&files, "the names of files under snapshots/ and schemas/");
        assert_eq!(lines.len(), usize::from(schemas || snapshots), "{schemas} {snapshots}");
        assert_eq!(said(&files, "no record cites it").len(), usize::from(snapshots));
    }
}
