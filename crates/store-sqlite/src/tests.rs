//! A full disk, files that are not ours, and an index that does not fit: what only the inside can provoke.
#![expect(clippy::unwrap_used, reason = "a test may end at any surprise")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use countersign_core::digest::Digest;
use countersign_core::time::Time;
use countersign_store::{
    Append, AppendError, Head, NewRecord, OrganizationRow, SealedSecret, SearchRow, Store, StoredPayload,
};

use crate::{OpenError, SqliteStore};

/// A folder of the test's own, removed when the test has passed.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("countersign-store-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Folder(path)
    }

    fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.0).unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

fn batch(text: &str, base: u64, count: u64) -> Append {
    let org = OrganizationRow {
        created: Time(0),
        name: "acme".into(),
        origin: "test/t/acme".into(),
    };
    let record = |seq: u64| {
        let leaf = format!("{text} {seq}").into_bytes();
        NewRecord {
            leaf_hash: NewRecord::hash_of(&leaf),
            leaf,
            payload: None,
            seq,
            subjects: vec![u128::from(seq)],
        }
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

fn lines(range: std::ops::Range<u64>) -> Vec<SearchRow> {
    range
        .map(|seq| SearchRow {
            kind: "decision.made".into(),
            seq,
            ..SearchRow::default()
        })
        .collect()
}

fn size(store: &SqliteStore) -> u64 {
    store.head("acme").unwrap().map(|head| head.size).unwrap_or_default()
}

/// Lets the ledger grow by so many pages and no more.
fn leave_room(store: &SqliteStore, pages: i64) {
    let slot = store.writer.hold();
    let conn = slot.as_ref().unwrap();
    let count: i64 = conn.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    conn.query_row(&format!("PRAGMA max_page_count = {}", count + pages), [], |_| Ok(()))
        .unwrap();
}

#[test]
fn a_full_disk_refuses_a_batch_whole_and_the_store_goes_on() {
    let folder = Folder::new("full");
    let store = folder.open();
    store.append(&[batch("a", 0, 10)]).unwrap();
    leave_room(&store, 3);
    for _ in 0..3 {
        let outcome = store.append(&[batch("b", 10, 5_000)]);
        assert!(matches!(outcome, Err(AppendError::Full(_))), "{outcome:?}");
        assert!(store.writer.hold().as_ref().unwrap().is_autocommit());
        assert_eq!(size(&store), 10);
        assert_eq!(store.records("acme", 0, 99).unwrap().len(), 10);
        assert!(store.by_subject("acme", 11).unwrap().is_empty());
    }
    // What still fits is taken, and once there is room everything is.
    store.append(&[batch("c", 10, 5)]).unwrap();
    leave_room(&store, 100_000);
    store.append(&[batch("d", 15, 5_000)]).unwrap();
    drop(store);
    let store = folder.open();
    assert_eq!(size(&store), 5_015);
    assert_eq!(store.records("acme", 10, 1).unwrap()[0].leaf, b"c 10");
}

#[test]
fn a_panic_within_an_append_leaves_the_store_usable() {
    let folder = Folder::new("panic");
    let store = folder.open();
    store.append(&[batch("a", 0, 10)]).unwrap();
    std::thread::scope(|scope| {
        let broken = scope.spawn(|| {
            let slot = store.writer.hold();
            slot.as_ref()
                .unwrap()
                .execute_batch("BEGIN IMMEDIATE; DELETE FROM records")
                .unwrap();
            drop(slot);
            panic!("as planned");
        });
        assert!(broken.join().is_err());
    });
    // The first append finds a transaction that is not its own; from then on there is a new connection.
    assert!(matches!(
        store.append(&[batch("b", 10, 1)]),
        Err(AppendError::Failed(_))
    ));
    store.append(&[batch("b", 10, 1)]).unwrap();
    assert_eq!(store.records("acme", 0, 99).unwrap().len(), 11);
}

#[test]
fn the_folder_and_its_files_are_the_owners_alone() {
    let folder = Folder::new("modes");
    let store = folder.open();
    store.append(&[batch("a", 0, 1)]).unwrap();
    store.index("acme", &lines(0..1)).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.0), 0o700);
    for name in [
        "ledger.db",
        "ledger.db-wal",
        "ledger.db-shm",
        "search.db",
        "search.db-wal",
        "search.db-shm",
    ] {
        assert_eq!(mode(&folder.file(name)), 0o600, "{name}");
    }
}

#[test]
fn payloads_of_the_first_schema_come_along() {
    let folder = Folder::new("upgrade");
    std::fs::create_dir(&folder.0).unwrap();
    let conn = rusqlite::Connection::open(folder.file("ledger.db")).unwrap();
    conn.execute_batch(include_str!("../migrations/0001.sql")).unwrap();
    conn.execute_batch(
        "PRAGMA application_id = 0x4353474E; PRAGMA user_version = 1;
         INSERT INTO organizations (name, created, origin) VALUES ('acme', 0, 'test/t/acme');
         INSERT INTO heads (org, size, ts, edge, checkpoint) VALUES (1, 1, 0, x'', '');
         INSERT INTO payloads (place, class, salt, body) VALUES (1 << 40, 'standard', x'00ff', CAST('text' AS BLOB));",
    )
    .unwrap();
    drop(conn);
    let payload = folder.open().payload("acme", 0).unwrap().unwrap();
    assert_eq!((payload.class.as_str(), payload.key.as_str()), ("standard", ""));
    assert_eq!(payload.sealed, b"\x00\xfftext");
    assert_eq!(folder.open().pruned("acme").unwrap(), 0);
}

#[test]
fn a_ledger_of_a_newer_version_is_not_touched() {
    let folder = Folder::new("newer");
    drop(folder.open());
    let conn = rusqlite::Connection::open(folder.file("ledger.db")).unwrap();
    conn.pragma_update(None, "user_version", 99).unwrap();
    drop(conn);
    let error = SqliteStore::open(&folder.0).err().unwrap();
    assert!(matches!(error, OpenError::Newer { found: 99, .. }), "{error}");
    assert!(
        error.to_string().contains("schema 99, this version knows up to 2"),
        "{error}"
    );
}

#[test]
fn a_file_of_something_else_is_not_touched() {
    let folder = Folder::new("foreign");
    std::fs::create_dir(&folder.0).unwrap();
    let ledger = folder.file("ledger.db");
    let text = "these are not the records that you are looking for\n".repeat(100);
    std::fs::write(&ledger, &text).unwrap();
    assert!(matches!(SqliteStore::open(&folder.0), Err(OpenError::Foreign { .. })));
    assert_eq!(std::fs::read_to_string(&ledger).unwrap(), text);
    std::fs::remove_file(&ledger).unwrap();
    let conn = rusqlite::Connection::open(&ledger).unwrap();
    conn.execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
    drop(conn);
    assert!(matches!(SqliteStore::open(&folder.0), Err(OpenError::Foreign { .. })));
}

#[test]
fn a_missing_or_broken_search_index_is_begun_anew() {
    let folder = Folder::new("search");
    let store = folder.open();
    store.append(&[batch("a", 0, 10)]).unwrap();
    store.index("acme", &lines(0..10)).unwrap();
    drop(store);
    let store = folder.open();
    assert_eq!(store.indexed("acme").unwrap(), 10);
    drop(store);
    for broken in [None, Some("rubbish".repeat(5_000)), Some(String::new())] {
        let _ = std::fs::remove_file(folder.file("search.db"));
        if let Some(text) = broken {
            std::fs::write(folder.file("search.db"), text).unwrap();
        }
        let store = folder.open();
        assert_eq!(store.indexed("acme").unwrap(), 0);
        store.index("acme", &lines(0..10)).unwrap();
        assert_eq!(store.indexed("acme").unwrap(), 10);
    }
}

#[test]
fn a_search_index_of_another_ledger_is_forgotten() {
    let folder = Folder::new("restored");
    let store = folder.open();
    store.append(&[batch("a", 0, 10)]).unwrap();
    store.index("acme", &lines(0..10)).unwrap();
    drop(store);
    // As after a restored backup: the same organization, other records, or fewer.
    for (text, count) in [("b", 20), ("a", 9)] {
        for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
            let _ = std::fs::remove_file(folder.file(name));
        }
        folder.open().append(&[batch(text, 0, count)]).unwrap();
        let store = folder.open();
        assert_eq!(store.indexed("acme").unwrap(), 0);
        store.index("acme", &lines(0..count)).unwrap();
    }
}

#[test]
fn durability_does_not_rest_on_defaults() {
    let folder = Folder::new("settings");
    let store = folder.open();
    let slot = store.writer.hold();
    let conn = slot.as_ref().unwrap();
    let text = |name: &str| crate::open::setting(conn, name).unwrap();
    assert_eq!(text("journal_mode"), "wal");
    assert_eq!(text("synchronous"), "2");
    assert!(rusqlite::version_number() >= 3_051_003);
}

/// Whether a file of the folder holds one of these texts.
fn holds_any(folder: &Path, texts: &[Vec<u8>]) -> Option<PathBuf> {
    let wanted: std::collections::HashSet<&[u8]> = texts.iter().map(Vec::as_slice).collect();
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file()).find(|path| {
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(16).any(|window| wanted.contains(window))
    })
}

#[test]
fn what_was_destroyed_is_nowhere_in_the_folder() {
    let folder = Folder::new("destroyed");
    let store = folder.open();
    // Many, in no order, so that the pages that they lie on are split and filled anew.
    let sealed: Vec<Vec<u8>> = (0..4_000_u64)
        .map(|at| Digest::of(&at.to_be_bytes()).0[..16].to_vec())
        .collect();
    let secret = |at: usize, sealed: &[u8]| SealedSecret {
        id: format!("{}", Digest::of(sealed_id(at).as_bytes())),
        kind: "payload_key",
        sealed: [b"a key: ", sealed].concat(),
    };
    let payload = |sealed: &[u8]| StoredPayload {
        class: "default".into(),
        key: String::new(),
        sealed: [b"a payload: ", sealed].concat(),
    };
    let mut base = 0;
    for (at, chunk) in sealed.chunks(100).enumerate() {
        let mut share = batch("a", base, 100);
        for (place, sealed) in chunk.iter().enumerate() {
            // One half lies with the secrets, the other with the payloads.
            if place % 2 == 0 {
                share.secrets.push(secret(at * 100 + place, sealed));
            } else {
                share.records[place].payload = Some(payload(sealed));
            }
        }
        store.append(&[share]).unwrap();
        base += 100;
    }
    assert!(holds_any(&folder.0, &sealed).is_some(), "the test looks where they are");
    // A part of each, so that others stay between them.
    let gone: Vec<usize> = (0..4_000).filter(|at| at % 6 < 2).collect();
    let mut share = batch("b", base, 1);
    let secrets = gone.iter().filter(|at| **at % 2 == 0);
    share.secrets = secrets
        .map(|at| SealedSecret {
            sealed: Vec::new(),
            ..secret(*at, &[])
        })
        .collect();
    share.destroy = gone.iter().filter(|at| **at % 2 == 1).map(|at| *at as u64).collect();
    store.append(&[share]).unwrap();
    // The log is cut off by a thread of its own.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while std::fs::metadata(folder.file("ledger.db-wal")).is_ok_and(|log| log.len() > 0) {
        assert!(std::time::Instant::now() < until, "the log was not cut off");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let gone: Vec<Vec<u8>> = gone.iter().map(|at| sealed[*at].clone()).collect();
    assert_eq!(holds_any(&folder.0, &gone), None);
    assert!(holds_any(&folder.0, &sealed).is_some(), "the others are there");
}

fn sealed_id(at: usize) -> String {
    format!("secret {at}")
}

#[test]
fn a_ledger_of_an_older_schema_is_kept_beside_the_new_one() {
    let folder = Folder::new("kept");
    std::fs::create_dir(&folder.0).unwrap();
    let conn = rusqlite::Connection::open(folder.file("ledger.db")).unwrap();
    conn.execute_batch(include_str!("../migrations/0001.sql")).unwrap();
    conn.execute_batch(
        "PRAGMA application_id = 0x4353474E; PRAGMA user_version = 1;
         INSERT INTO organizations (name, created, origin) VALUES ('acme', 0, 'test/t/acme');",
    )
    .unwrap();
    drop(conn);
    let kept = folder.file("ledger.db.schema1.bak");
    // What an attempt that was cut off has left.
    std::fs::write(folder.file("ledger.db.schema1.next"), "half").unwrap();
    drop(folder.open());
    let version = |path: &Path| -> i64 {
        let conn = rusqlite::Connection::open(path).unwrap();
        let names: i64 = conn
            .query_row("SELECT count(*) FROM organizations WHERE name = 'acme'", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(names, 1);
        conn.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(version(&kept), 1);
    assert_eq!(version(&folder.file("ledger.db")), crate::open::SCHEMA as i64);
    assert_eq!(std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!folder.file("ledger.db.schema1.next").exists());
    let before = std::fs::metadata(&kept).unwrap().modified().unwrap();
    drop(folder.open());
    assert_eq!(
        std::fs::metadata(&kept).unwrap().modified().unwrap(),
        before,
        "it is kept once"
    );
}

#[test]
fn a_ledger_that_cannot_be_kept_is_not_changed() {
    let folder = Folder::new("unkept");
    std::fs::create_dir(&folder.0).unwrap();
    let conn = rusqlite::Connection::open(folder.file("ledger.db")).unwrap();
    conn.execute_batch(include_str!("../migrations/0001.sql")).unwrap();
    conn.execute_batch("PRAGMA application_id = 0x4353474E; PRAGMA user_version = 1;")
        .unwrap();
    std::fs::create_dir_all(folder.file("ledger.db.schema1.bak/in the way")).unwrap();
    assert!(matches!(SqliteStore::open(&folder.0), Err(OpenError::Kept(_))));
    let version: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 1);
}

#[test]
fn a_copy_is_whole_and_a_damaged_one_is_refused() {
    let folder = Folder::new("copy");
    let store = folder.open();
    let mut share = batch("copied", 0, 5);
    let mut edge = countersign_tlog::Edge::new();
    for record in &mut share.records {
        let hash = countersign_tlog::leaf_hash(&record.leaf);
        record.leaf_hash = Digest(hash.0);
        edge.push(hash);
    }
    let checkpoint = countersign_tlog::Checkpoint {
        origin: "test/t/acme".into(),
        size: 5,
        root: edge.root(),
    };
    let key = countersign_tlog::SigningKey::from_seed("test/t/acme", &[1; 32]).unwrap();
    share.head.checkpoint = checkpoint.sign(&key).unwrap();
    store.append(&[share]).unwrap();
    let (from, to) = (folder.file("ledger.db"), folder.file("copy.db"));
    let copied = crate::copy(&from, &to).unwrap();
    assert_eq!((&*copied[0].org, copied[0].size), ("acme", 5));
    assert!(matches!(crate::copy(&from, &to), Err(crate::BackupError::Exists(_))));
    assert_eq!(crate::look_over(&to).unwrap(), copied);
    let conn = rusqlite::Connection::open(&to).unwrap();
    conn.execute_batch("UPDATE records SET leaf_hash = zeroblob(32) WHERE rowid = (SELECT max(rowid) FROM records)")
        .unwrap();
    drop(conn);
    let again = folder.file("again.db");
    assert!(matches!(
        crate::copy(&to, &again),
        Err(crate::BackupError::Unsound { .. })
    ));
    assert!(!again.exists());
}
