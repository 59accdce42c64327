//! A commit whose outcome SQLite cannot tell: a write that fails half-way, as on a broken disk. Here the operating
//! system refuses to make the log longer than a limit.
#![expect(clippy::unwrap_used, reason = "a test may end at any surprise")]

use std::path::PathBuf;
use std::process::Command;

use countersign_core::time::Time;
use countersign_store::{Append, AppendError, Head, NewRecord, OrganizationRow, Store};
use countersign_store_sqlite::SqliteStore;

const FOLDER: &str = "COUNTERSIGN_TEST_FAIL_IN";
const BATCH: u64 = 64;

fn batch(base: u64, count: u64) -> Append {
    let org = OrganizationRow {
        created: Time(0),
        name: "acme".into(),
        origin: "test".into(),
    };
    let record = |seq: u64| NewRecord {
        leaf_hash: NewRecord::hash_of(&[b'l'; 700]),
        leaf: vec![b'l'; 700],
        payload: None,
        seq,
        subjects: vec![u128::from(seq)],
    };
    Append {
        head: Head {
            checkpoint: String::new(),
            edge: Vec::new(),
            size: base + count,
            ts: Time(0),
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

fn size(store: &SqliteStore) -> u64 {
    store.head("acme").unwrap().unwrap().size
}

/// The child, whose files cannot grow beyond a limit.
#[test]
fn a_child_runs_into_the_limit() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    let store = SqliteStore::open(&folder).unwrap();
    let mut base = 0;
    let error = loop {
        match store.append(&[batch(base, BATCH)]) {
            Ok(()) => base += BATCH,
            Err(error) => break error,
        }
        assert!(base < 100_000, "the limit was never met");
    };
    assert!(matches!(error, AppendError::Unknown(_)), "{error:?}");
    // The head tells, and what it tells is final: the batch can be appended again, or another one.
    assert_eq!(size(&store), base);
    assert_eq!(store.records("acme", base, 9).unwrap(), Vec::new());
    store.append(&[batch(base, 1)]).unwrap();
    assert_eq!(size(&store), base + 1);
    // As after a crash: nothing is closed.
    std::process::exit(0);
}

#[test]
fn after_an_unknown_outcome_the_head_tells_and_the_store_goes_on() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("unknown-{}", std::process::id()));
    let script = "trap '' XFSZ; ulimit -f 4096; exec \"$0\" --exact a_child_runs_into_the_limit --nocapture";
    let status = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env(FOLDER, &folder)
        .status()
        .unwrap();
    assert!(status.success());
    let store = SqliteStore::open(&folder).unwrap();
    let base = size(&store);
    assert_eq!(base % BATCH, 1);
    assert_eq!(store.records("acme", 0, usize::MAX).unwrap().len() as u64, base);
    store.append(&[batch(base, BATCH)]).unwrap();
    assert_eq!(size(&store), base + BATCH);
    drop(store);
    std::fs::remove_dir_all(&folder).unwrap();
}
