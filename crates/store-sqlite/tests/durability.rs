//! What was acknowledged is there after `kill -9`, at whatever moment that comes.
#![expect(clippy::unwrap_used, reason = "a test may end at any surprise")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use countersign_core::time::Time;
use countersign_store::{Append, Head, NewRecord, OrganizationRow, Store, StoredPayload};
use countersign_store_sqlite::{FolderLock, SqliteStore};

const FOLDER: &str = "COUNTERSIGN_TEST_APPEND_TO";
const ORGS: [&str; 2] = ["acme", "globex"];
const KILLS: u32 = 20;

fn leaf(org: &str, seq: u64) -> Vec<u8> {
    // Between nothing and more than a page.
    format!("{org} {seq} ")
        .repeat(usize::try_from(seq * 37 % 400).unwrap())
        .into_bytes()
}

fn batch(org: &str, base: u64, count: u64) -> Append {
    let record = |seq| {
        let leaf = leaf(org, seq);
        let payload = StoredPayload {
            class: "standard".into(),
            key: "1".into(),
            sealed: leaf.clone(),
        };
        NewRecord {
            leaf_hash: NewRecord::hash_of(&leaf),
            leaf,
            payload: Some(payload),
            seq,
            subjects: vec![u128::from(seq / 2)],
        }
    };
    let size = base + count;
    Append {
        create: (base == 0).then(|| OrganizationRow {
            created: Time(0),
            name: org.into(),
            origin: org.into(),
        }),
        head: Head {
            checkpoint: format!("{org} {size}"),
            edge: Vec::new(),
            size,
            ts: Time(0),
        },
        org: org.into(),
        base,
        records: (base..size).map(record).collect(),
        secrets: Vec::new(),
        snapshots: Vec::new(),
        state: None,
        destroy: Vec::new(),
        prune: None,
    }
}

fn size_of(store: &SqliteStore, org: &str) -> u64 {
    store.head(org).unwrap().map(|head| head.size).unwrap_or_default()
}

/// The child: appends, and prints what is acknowledged, until it is killed.
#[test]
fn a_child_appends_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    let _lock = FolderLock::acquire(&folder).unwrap();
    let store = SqliteStore::open(&folder).unwrap();
    let mut sizes = ORGS.map(|org| size_of(&store, org));
    for round in 0_u64.. {
        let counts = [round * 7 % 90 + 1, round % 3];
        let shares: Vec<Append> = (0..2)
            .filter(|which| counts[*which] > 0)
            .map(|which| batch(ORGS[which], sizes[which], counts[which]))
            .collect();
        store.append(&shares).unwrap();
        for share in &shares {
            let which = ORGS.iter().position(|org| **org == *share.org).unwrap();
            sizes[which] = share.head.size;
        }
        writeln!(std::io::stdout(), "acked {} {}", sizes[0], sizes[1]).unwrap();
    }
}

/// Runs the child, kills it after `life`, and returns the last sizes that it was told.
fn run_and_kill(folder: &Path, life: Duration) -> Option<[u64; 2]> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_child_appends_until_it_is_killed", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let reader = std::thread::spawn(move || {
        let acked = |line: String| -> Option<[u64; 2]> {
            // A line that was cut off by the kill says nothing.
            let mut sizes = line.split_once("acked ")?.1.split(' ').map(str::parse);
            Some([sizes.next()?.ok()?, sizes.next()?.ok()?])
        };
        lines.map_while(Result::ok).filter_map(acked).last()
    });
    std::thread::sleep(life);
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success(), "the child ended by itself");
    reader.join().unwrap()
}

#[test]
fn what_was_acknowledged_survives_kill_9_at_any_moment() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("durability-{}", std::process::id()));
    drop(SqliteStore::open(&folder).unwrap());
    let mut checked: BTreeMap<&str, u64> = BTreeMap::new();
    let mut acked_ever = 0;
    for kill in 0..KILLS {
        let nanos = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .subsec_nanos();
        let life = Duration::from_micros(15_000 + u64::from(nanos / 7 % 120_000));
        let acked = run_and_kill(&folder, life).unwrap_or_default();
        // The dead child's lock is free.
        let lock = FolderLock::acquire(&folder).unwrap();
        let store = SqliteStore::open(&folder).unwrap();
        for (org, acked) in ORGS.into_iter().zip(acked) {
            let size = size_of(&store, org);
            let before = checked.insert(org, size).unwrap_or_default();
            assert!(
                size >= acked,
                "kill {kill} after {life:?}: {org} has {size} of {acked} acknowledged records"
            );
            assert!(
                size >= before,
                "kill {kill} after {life:?}: {org} went from {before} to {size}"
            );
            let records = store.records(org, 0, usize::MAX).unwrap();
            assert_eq!(records.len() as u64, size, "kill {kill}: records of {org}");
            for (seq, record) in (0..).zip(&records) {
                assert_eq!(
                    (record.seq, &record.leaf),
                    (seq, &leaf(org, seq)),
                    "kill {kill}: a record of {org}"
                );
                assert_eq!(record.leaf_hash, NewRecord::hash_of(&record.leaf));
            }
            for seq in size.saturating_sub(100)..size {
                assert_eq!(store.payload(org, seq).unwrap().unwrap().sealed, leaf(org, seq));
                assert!(
                    store
                        .by_subject(org, u128::from(seq / 2))
                        .unwrap()
                        .iter()
                        .any(|record| record.seq == seq)
                );
            }
            assert!(
                store.payload(org, size).unwrap().is_none(),
                "kill {kill}: a payload without its record"
            );
            // The next batch continues right there.
            store.append(&[batch(org, size, 1)]).unwrap();
            checked.insert(org, size + 1);
            acked_ever += acked;
        }
        drop((store, lock));
    }
    assert!(acked_ever > 0, "no child ever came to append");
    std::fs::remove_dir_all(&folder).unwrap();
}
