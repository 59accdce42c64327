//! Bytes of a ledger that somebody changed in the database itself.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::retention::{old_ledger, prune_an_old_ledger};
use crate::scene::Scene;

/// Changes one byte, of a column of some row, and where hashes are to fit the hash as well.
const TAMPER: &str = r#"
import hashlib, sqlite3, sys
column, seed = sys.argv[2], int(sys.argv[3])
store = sqlite3.connect(sys.argv[1])
table = {"leaf": "records", "leaf_hash": "records", "fitting": "records", "edge": "heads", "checkpoint": "heads"}[column]
name = "leaf" if column == "fitting" else column
key = "place" if table == "records" else "org"
rows = store.execute(f"SELECT {key}, {name} FROM {table} ORDER BY {key}").fetchall()
place, value = rows[seed * 7 % len(rows)]
text = isinstance(value, str)
value = bytearray(value.encode() if text else value)
value[seed * 131 % len(value)] ^= 1
value = bytes(value)
store.execute(f"UPDATE {table} SET {name} = ? WHERE {key} = ?", (value.decode() if text else value, place))
if column == "fitting":
    store.execute("UPDATE records SET leaf_hash = ? WHERE place = ?", (hashlib.sha256(b"\0" + value).digest(), place))
store.commit()
"#;

/// A byte of a column is changed, the doctor looks, and the byte is put back.
#[track_caller]
fn is_found(scene: &Scene, column: &str, seed: u32) {
    let (ledger, kept) = (scene.path("data/ledger.db"), scene.path("kept.db"));
    std::fs::copy(&ledger, &kept).expect("it can be copied");
    let changed = Command::new("python3")
        .args(["-c", TAMPER])
        .arg(&ledger)
        .args([column, &seed.to_string()])
        .output()
        .expect("Python runs");
    assert!(changed.status.success(), "{}", String::from_utf8_lossy(&changed.stderr));
    let found = scene.run(&["doctor", "--data", "data"]);
    assert_eq!(found.code, 1, "{column} {seed}: {}{}", found.out, found.err);
    assert!(found.out.contains("fail  ledger"), "{column} {seed}: {}", found.out);
    for left in ["ledger.db-wal", "ledger.db-shm"] {
        // What is not there needs not go.
        drop(std::fs::remove_file(scene.path("data").join(left)));
    }
    std::fs::copy(&kept, &ledger).expect("it can be put back");
}

#[test]
fn a_changed_byte_of_a_record_its_hash_its_tree_or_its_checkpoint_is_found_in_the_database() {
    let (scene, _) = Scene::initialised();
    let fine = scene.run(&["doctor", "--data", "data"]);
    assert_eq!(fine.code, 0, "{}", fine.out);
    for column in ["leaf", "leaf_hash", "fitting", "edge", "checkpoint"] {
        for seed in 0..8 {
            is_found(&scene, column, seed);
        }
    }
    let fine = scene.run(&["doctor", "--data", "data"]);
    assert_eq!(fine.code, 0, "what was put back is fine: {}", fine.out);
}

/// Says each column of each table that holds something, or changes one value of one of them.
const EVERY_COLUMN: &str = r#"
import sqlite3, sys
store = sqlite3.connect(sys.argv[1])
tables = [row[0] for row in store.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
if len(sys.argv) == 2:
    for table in sorted(tables):
        for column in store.execute(f"PRAGMA table_info({table})"):
            rows = store.execute(f"SELECT count(*) FROM {table} WHERE length({column[1]}) > 0")
            print(table, column[1], rows.fetchone()[0])
else:
    table, column, seed = sys.argv[2], sys.argv[3], int(sys.argv[4])
    # The shape of a line that is no decision has too few words to be read, or to be read wrongly.
    only = {"lines": "agent IS NOT NULL", "shapes": "decision != 0"}.get(table, "true")
    rows = store.execute(f"SELECT DISTINCT {column} FROM {table} WHERE length({column}) > 0 AND {only} ORDER BY {column}").fetchall()
    value = rows[seed * 7 % len(rows)][0]
    if isinstance(value, int):
        changed = value + 1
    else:
        changed = bytearray(value.encode() if isinstance(value, str) else value)
        changed[seed * 131 % len(changed)] ^= 1
        changed = bytes(changed).decode() if isinstance(value, str) else bytes(changed)
    store.execute("PRAGMA foreign_keys = off")
    store.execute(f"UPDATE OR REPLACE {table} SET {column} = ? WHERE {column} = ?", (changed, value))
    store.commit()
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_kept_first_record_and_the_stored_state_of_a_pruned_ledger_are_held_against_it() {
    let scene = Scene::new();
    prune_an_old_ledger(&scene.path("data")).await;
    copy(&scene.path("data"), &scene.path("kept"));
    let database = scene.path("data/ledger.db");
    let database = database.to_str().expect("a path");
    for (column, place, words) in [
        (
            "snapshot_files.bytes",
            "hash = 'ledger.opened'",
            "the first record that was kept",
        ),
        ("states.bytes", "true", "its stored state"),
        ("states.at", "true", "its stored state"),
    ] {
        python(CHANGE, &[database, column, place]);
        let found = scene.run(&["doctor", "--data", "data"]);
        assert!(
            found.out.contains("fail  ledger") && found.out.contains(words),
            "{column}: {}",
            found.out
        );
        std::fs::remove_dir_all(scene.path("data")).expect("the folder can go");
        copy(&scene.path("kept"), &scene.path("data"));
    }
}

/// Changes a value: the currency that stands in it, or else its last byte; a number is counted up.
const CHANGE: &str = r#"
import sqlite3, sys
store, (table, column), place = sqlite3.connect(sys.argv[1]), sys.argv[2].split("."), sys.argv[3]
[(value,)] = store.execute(f"SELECT {column} FROM {table} WHERE {place}").fetchall()
if isinstance(value, int): changed = value + 1
elif b"USD" in value: changed = value.replace(b"USD", b"EUR")
else: changed = value[:-1] + bytes([value[-1] ^ 1])
store.execute(f"UPDATE {table} SET {column} = ? WHERE {place}", (changed,))
store.commit()
"#;

/// Columns of which a change is not found, and why that is well.
const NOT_FOUND: &[(&str, &str, &str)] = &[
    (
        "covered",
        "org",
        "the index covers nothing of the ledger then, and is made anew from the records",
    ),
    (
        "covered",
        "size",
        "the hash beside it is of another record then, and the index is made anew",
    ),
    (
        "covered",
        "leaf_hash",
        "the index is of another ledger then, and is made anew from the records",
    ),
    ("organizations", "created", "shown to nobody and never used"),
    (
        "snapshot_files",
        "name",
        "a snapshot is what its documents say; their names are for messages",
    ),
];

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("--archive").arg(from).arg(to).status();
    assert!(copied.expect("`cp` runs").success());
}

fn python(script: &str, arguments: &[&str]) -> String {
    let ran = Command::new("python3").arg("-c").arg(script).args(arguments).output();
    let ran = ran.expect("Python runs");
    assert!(
        ran.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&ran.stderr)
    );
    String::from_utf8(ran.stdout).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_value_of_every_column_of_the_database_is_found() {
    let scene = Scene::new();
    let (engine, ..) = old_ledger(&scene.path("data")).await;
    engine.stop();
    let fine = scene.run(&["doctor", "--data", "data"]);
    assert!(fine.out.contains("ok    ledger"), "{}", fine.out);
    copy(&scene.path("data"), &scene.path("kept"));
    let mut empty = BTreeSet::new();
    let mut missed = Vec::new();
    for file in ["ledger.db", "search.db"] {
        let database = scene.path("data").join(file);
        let database = database.to_str().expect("a path");
        for line in python(EVERY_COLUMN, &[database]).lines() {
            let mut words = line.split(' ');
            let (table, column) = (words.next().expect("a table"), words.next().expect("a column"));
            if line.ends_with(" 0") {
                empty.insert(format!("{table}.{column}"));
                continue;
            }
            for seed in ["0", "1"] {
                python(EVERY_COLUMN, &[database, table, column, seed]);
                let found = scene.run(&["doctor", "--data", "data"]);
                let excused = NOT_FOUND.iter().any(|known| (known.0, known.1) == (table, column));
                if excused == found.out.contains("fail  ") {
                    missed.push(format!("{table}.{column} {seed}: {}", found.out));
                }
                std::fs::remove_dir_all(scene.path("data")).expect("the folder can go");
                copy(&scene.path("kept"), &scene.path("data"));
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    // A ledger this short seals no state; that of the pruned one is looked at by itself.
    let unsealed = ["states.at", "states.bytes", "states.org"].map(String::from);
    assert_eq!(empty, BTreeSet::from(unsealed), "columns that nothing is in");
}
