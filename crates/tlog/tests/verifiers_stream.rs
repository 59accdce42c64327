//! Verification holds no more of a ledger than a part at a time, however its disclosures are ordered.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop")]

mod sample;
mod twin;

use std::borrow::Cow;
use std::cell::Cell;

use countersign_tlog::bundle::{self, Files};
use countersign_tlog::{canonical_json, file_set_hash, tagged};
use sample::{Bundle, Log, ORIGIN};
use serde_json::json;
use twin::{Case, compare, vkey};

/// Several blocks of records that are read again.
const RECORDS: u64 = 2_500;
const SCHEMA: &str = "{\"title\":\"decision.made\"}\n";
const GROWS: [&str; 3] = ["entries", "records.jsonl", "disclosures.jsonl"];

/// A line that opens the commitment of a record.
fn disclosure(index: u64, value: u64) -> Vec<u8> {
    let line = json!({"index": index, "path": "payload", "salt": "07".repeat(32), "value": value});
    [canonical_json(&line).unwrap(), b"\n".to_vec()].concat()
}

/// A bundle in which every record but the first holds a commitment; these are opened, in this order.
fn disclosing(order: &[u64]) -> Bundle {
    let leaf = |seq: u64| {
        let value = canonical_json(&json!(seq)).unwrap();
        let commit = tagged("countersign-commit-v1", &[&[7; 32], &value]).to_string();
        let data = if seq == 0 {
            json!({"schemas": file_set_hash([SCHEMA.as_bytes()]).to_string()})
        } else {
            json!({})
        };
        canonical_json(
            &json!({"data": data, "log": ORIGIN, "payload": {"$commit": commit}, "seq": seq, "type": "decision.made"}),
        )
    };
    let log = Log {
        leaves: (0..RECORDS).map(|seq| leaf(seq).unwrap()).collect(),
    };
    Bundle::from([
        ("checkpoint".to_owned(), log.checkpoint(RECORDS).into()),
        ("entries".to_owned(), log.entries()),
        ("records.jsonl".to_owned(), log.lines()),
        ("schemas/decision.made.json".to_owned(), SCHEMA.into()),
        (
            "disclosures.jsonl".to_owned(),
            order.iter().flat_map(|index| disclosure(*index, *index)).collect(),
        ),
    ])
}

#[test]
fn both_open_disclosures_of_any_record_in_any_order() {
    let order = [2_499, 1, 1_024, 1_023, 2_048, 0, 2_047, 1];
    let base = disclosing(&order);
    let mut cases = vec![Case::new("out of order", base.clone(), true)];
    for (index, value) in [(2_048, 2_047), (1, 0), (2_500, 2_500), (9_999, 9_999)] {
        let mut files = base.clone();
        let lines = files.get_mut("disclosures.jsonl").unwrap();
        lines.extend(disclosure(index, value));
        cases.push(Case::new(format!("{value} as what record {index} holds"), files, false).says("line 9"));
    }
    compare("stream", &base, &cases);
}

/// Files that tell how they are read, and whose records are others once the pass over them is over.
struct Told {
    files: Bundle,
    later: Option<Vec<u8>>,
    most: Cell<usize>,
    begun: Cell<u32>,
    reached: Cell<u64>,
}

impl Told {
    fn new(files: Bundle, later: Option<Vec<u8>>) -> Told {
        let (most, begun, reached) = (Cell::new(0), Cell::new(0), Cell::new(0));
        Told {
            files,
            later,
            most,
            begun,
            reached,
        }
    }
}

impl Files for Told {
    fn names(&self) -> Vec<String> {
        self.files.names()
    }

    fn read(&self, name: &str) -> Result<Cow<'_, [u8]>, String> {
        if GROWS.contains(&name) {
            return Err("it is too large to be read at once".to_owned());
        }
        self.files.read(name)
    }

    fn part(&self, name: &str, at: u64, most: usize) -> Result<Cow<'_, [u8]>, String> {
        self.most.set(self.most.get().max(most));
        if name == "disclosures.jsonl" {
            self.begun.set(1);
        }
        match &self.later {
            Some(bytes) if name == "entries" && self.begun.get() > 0 => {
                Ok(Cow::Borrowed(&bytes[bytes.len().min(usize::try_from(at).unwrap())..]))
            }
            _ => self.files.part(name, at, most.min(1_000)),
        }
    }

    fn reached(&self, records: u64) {
        self.reached.set(records);
    }
}

#[test]
fn what_grows_with_the_ledger_is_read_in_small_parts_and_it_is_told_how_far_that_is() {
    let files = Told::new(disclosing(&[5, 2_400]), None);
    let report = bundle::verify(&vkey(), &files, None).unwrap();
    assert_eq!(report.size, RECORDS);
    assert!(files.most.get() <= 1 << 20, "{}", files.most.get());
    assert_eq!(files.reached.get(), 2_048);
}

#[test]
fn a_record_that_is_another_when_it_is_read_again_is_refused() {
    let files = disclosing(&[5, 2_400]);
    let mut entries = files["entries"].clone();
    let at = entries.len() - 3;
    entries[at] ^= 1;
    let error = bundle::verify(&vkey(), &Told::new(files, Some(entries)), None).unwrap_err();
    assert!(error.what.contains("changed while it was verified"), "{error}");
}
