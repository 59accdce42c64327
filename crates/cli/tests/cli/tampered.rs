//! Bytes of a ledger that somebody changed in the database itself.

use std::process::Command;

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
