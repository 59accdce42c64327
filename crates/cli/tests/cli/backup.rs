//! Backups, restored ones, plain copies of data folders, and what an operator does then.

use std::path::Path;

use serde_json::Value;

use crate::scene::{Scene, text};

/// Adds a record.
#[track_caller]
fn write(scene: &Scene, data: &str, agent: &str) {
    let added = scene.run(&["agents", "add", agent, "--owner", "team:ops", "--data", data]);
    assert_eq!(added.code, 0, "{}{}", added.out, added.err);
}

fn checkpoint(scene: &Scene, data: &str, out: &str) -> String {
    scene
        .run(&["audit", "export", "--out", out, "--data", data, "--json"])
        .json();
    scene.read(&format!("{out}/checkpoint"))
}

/// Copies a data folder as it lies there.
fn copy(scene: &Scene, from: &str, to: &str) {
    let (from, to) = (scene.root.join(from), scene.root.join(to));
    std::fs::create_dir(&to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        if path.is_file() {
            std::fs::copy(&path, to.join(path.file_name().expect("it has a name"))).expect("it can be copied");
        }
    }
}

#[track_caller]
fn refused(scene: &Scene, data: &str) {
    let added = scene.run(&["agents", "add", "late", "--owner", "team:ops", "--data", data, "--json"]);
    assert_eq!(added.code, 3, "{}{}", added.out, added.err);
    assert!(
        added.err.contains("restored_backup") || added.out.contains("restored_backup"),
        "{}{}",
        added.out,
        added.err
    );
    assert!((added.out + &added.err).contains("ledger epoch new"));
}

#[track_caller]
fn verifies(scene: &Scene, vkey: &str, bundle: &str, older: &str) -> String {
    let verified = scene.run(&["audit", "verify", "--vkey", vkey, "--older", older, bundle]);
    assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
    assert_eq!(scene.python_verifies(vkey, bundle), Some(true));
    verified.out
}

#[test]
fn a_restored_backup_goes_on_only_in_a_new_epoch_and_the_holder_of_a_checkpoint_sees_what_was_lost() {
    let (scene, made) = Scene::initialised();
    let vkey = text(&made, "/vkey");
    write(&scene, "data", "one");
    let said = scene
        .run(&["backup", "--data", "data", "--out", "backup.db", "--json"])
        .json();
    assert_eq!(text(&said, "/ledgers/0/organization"), "main");
    assert_eq!(scene.run(&["backup", "--data", "data", "--out", "backup.db"]).code, 1);
    write(&scene, "data", "two");
    scene.write("older", &checkpoint(&scene, "data", "before"));
    std::fs::create_dir(scene.root.join("new")).expect("a folder");
    std::fs::copy(
        scene.root.join("data/instance.key"),
        scene.root.join("new/instance.key"),
    )
    .expect("the key is copied");

    let restore = ["restore", "--from", "backup.db", "--data", "new", "--json"];
    let failed = scene.run(&restore);
    assert_eq!(failed.code, 1, "{}{}", failed.out, failed.err);
    assert!((failed.out + &failed.err).contains("records_lost"));
    assert!(!scene.root.join("new/ledger.db").exists());

    let why = "the disk died";
    let done = scene
        .run(&[&restore[..], &["--open-epoch", "--why", why]].concat())
        .json();
    assert_eq!(text(&done, "/lost/0/organization"), "main");
    assert_eq!(scene.run(&restore).code, 1, "what is there is not overwritten");
    write(&scene, "new", "three");
    checkpoint(&scene, "new", "after");
    // Under the key that was pinned before, and under the one that restoring named.
    let told = verifies(&scene, &vkey, "after", "older");
    assert!(told.contains("is lost, as epoch 2 says"), "{told}");
    verifies(&scene, &text(&done, "/epochs/0/vkey"), "after", "older");
    let proven = scene.run(&["audit", "export", "--out", "since", "--since", "older", "--data", "new"]);
    assert_eq!(proven.code, 1, "{}{}", proven.out, proven.err);

    // The old folder is now the one that must not be gone on with.
    refused(&scene, "data");
    let found = scene.run(&["doctor", "--data", "new"]);
    assert_eq!(found.code, 0, "{}{}", found.out, found.err);
    let found = scene.run(&["doctor", "--data", "data"]);
    assert_eq!(found.code, 1);
    assert!(found.out.contains("epoch 2 was opened before"), "{}", found.out);
}

/// The only mark in the signer's folder.
fn mark(scene: &Scene) -> std::path::PathBuf {
    let entries = std::fs::read_dir(scene.root.join("signer")).expect("the folder is there");
    let mut paths = entries.map(|entry| entry.expect("it can be read").path());
    paths
        .find(|path| path.extension().is_some_and(|ending| ending == "mark"))
        .expect("there is a mark")
}

#[test]
fn the_doctor_says_when_the_signers_mark_moved_and_how_many_records_are_after_it() {
    let (scene, _) = Scene::initialised();
    let mark = mark(&scene);
    let old = std::fs::read(&mark).expect("it can be read");
    write(&scene, "data", "one");
    let up_to_date = scene.run(&["doctor", "--data", "data"]).out;
    assert!(up_to_date.contains(", 0 records are after it"), "{up_to_date}");
    // As after a crash: the ledger went on, and the mark did not.
    std::fs::write(&mark, &old).expect("it can be written");
    let moved = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_767_323_045);
    let file = std::fs::File::options().write(true).open(&mark).expect("it opens");
    file.set_modified(moved).expect("its time can be set");
    let found = scene.run(&["doctor", "--data", "data"]);
    assert_eq!(found.code, 0, "{}{}", found.out, found.err);
    assert!(found.out.contains("last moved at 2026-01-02T03:04:05"), "{}", found.out);
    assert!(!found.out.contains(", 0 records are after it"), "{}", found.out);
    assert!(found.out.contains(" records are after it"), "{}", found.out);
}

#[test]
fn a_plain_copy_of_an_old_data_folder_is_noticed() {
    let (scene, made) = Scene::initialised();
    copy(&scene, "data", "old");
    write(&scene, "data", "one");
    checkpoint(&scene, "data", "before");
    refused(&scene, "old");
    let found = scene.run(&["doctor", "--data", "old", "--json"]);
    assert_eq!(found.code, 1, "{}{}", found.out, found.err);
    let server = scene.serve_at("old", &[]);
    // The ledger is folded, and looked at, right after the start.
    let looked = scene.run(&["agents", "list", "--data", "old"]);
    assert_eq!(looked.code, 0, "{}{}", looked.out, looked.err);
    let metrics = server.open_page("/metrics");
    assert!(metrics.contains("countersign_restored_ledgers 1"), "{metrics}");
    let opened = scene.run(&[
        "ledger",
        "epoch",
        "new",
        "--why",
        "an old copy was put in place",
        "--data",
        "old",
        "--json",
    ]);
    let opened: Value = opened.json();
    assert_eq!(opened["epoch"], 2);
    write(&scene, "old", "two");
    drop(server);
    checkpoint(&scene, "old", "after");
    let told = verifies(&scene, &text(&made, "/vkey"), "after", "before/checkpoint");
    assert!(told.contains("lost"), "{told}");
}

#[test]
fn a_backup_is_taken_while_the_server_runs() {
    let (scene, _) = Scene::initialised();
    let server = scene.serve(&[]);
    write(&scene, "data", "one");
    std::fs::create_dir(scene.root.join("backups")).expect("a folder");
    let said = scene
        .run(&["backup", "--data", "data", "--out", "backups", "--json"])
        .json();
    write(&scene, "data", "two");
    drop(server);
    let file = text(&said, "/file");
    assert!(
        Path::new(&file)
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("countersign-2")),
        "{file}"
    );
    let key = ["--key-file", "data/instance.key"];
    // On a machine that has no marks nothing is known to be lost.
    let elsewhere = [
        "restore",
        "--from",
        &file,
        "--data",
        "elsewhere",
        "--signer-state",
        "marks",
        "--json",
    ];
    let done = scene.run(&[&elsewhere[..], &key].concat()).json();
    assert_eq!(done["lost"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_damaged_backup_is_not_restored() {
    let (scene, _) = Scene::initialised();
    scene
        .run(&["backup", "--data", "data", "--out", "backup.db", "--json"])
        .json();
    let path = scene.root.join("backup.db");
    let mut bytes = std::fs::read(&path).expect("it can be read");
    // Within a record, where no structure of the file tells.
    let words = b"\"type\":\"user.added\"";
    let at = bytes.windows(words.len()).position(|window| window == words);
    bytes[at.expect("the record is there") + 10] = b'x';
    std::fs::write(&path, bytes).expect("it can be written");
    let restored = scene.run(&[
        "restore",
        "--from",
        "backup.db",
        "--data",
        "new",
        "--key-file",
        "data/instance.key",
    ]);
    assert_ne!(restored.code, 0);
    assert!(!scene.root.join("new/ledger.db").exists());
}

#[test]
fn the_signers_state_is_never_in_the_data_folder() {
    let scene = Scene::new();
    let made = scene.run(&["init", "--data", "data", "--signer-state", "data/signer"]);
    assert_eq!(made.code, 2, "{}{}", made.out, made.err);
    assert!(!scene.root.join("data").exists());
}

#[test]
fn a_rotated_log_key_is_published_and_both_verify() {
    let (scene, made) = Scene::initialised();
    let rotated = scene.run(&["keys", "rotate-log", "--data", "data", "--json"]).json();
    write(&scene, "data", "one");
    checkpoint(&scene, "data", "export");
    for vkey in [text(&made, "/vkey"), text(&rotated, "/vkey")] {
        let verified = scene.run(&["audit", "verify", "--vkey", &vkey, "export"]);
        assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
        assert_eq!(scene.python_verifies(&vkey, "export"), Some(true));
    }
    let found = scene.run(&["doctor", "--data", "data"]);
    assert_eq!(found.code, 0, "{}{}", found.out, found.err);
}
