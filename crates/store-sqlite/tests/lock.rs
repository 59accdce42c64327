//! One owner per data folder.
#![expect(clippy::unwrap_used, reason = "a test may end at any surprise")]

use std::path::PathBuf;

use countersign_store_sqlite::{FolderLock, LockError};

fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("lock-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn whoever_finds_a_folder_taken_learns_by_whom_and_where() {
    let folder = folder("held");
    let lock = FolderLock::acquire(&folder).unwrap();
    let held = || match FolderLock::acquire(&folder) {
        Err(LockError::Held { pid, address }) => (pid, address),
        other => panic!("expected the folder to be taken, got {other:?}"),
    };
    assert_eq!(held(), (Some(std::process::id()), None));
    lock.note_address("127.0.0.1:65000").unwrap();
    assert_eq!(held(), (Some(std::process::id()), Some("127.0.0.1:65000".into())));
    lock.note_address("[::1]:80").unwrap();
    assert_eq!(held().1.as_deref(), Some("[::1]:80"));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_dropped_lock_is_free_and_leaves_no_address_behind() {
    let folder = folder("dropped");
    let lock = FolderLock::acquire(&folder).unwrap();
    lock.note_address("127.0.0.1:65000").unwrap();
    drop(lock);
    assert_eq!(std::fs::read(folder.join("lock")).unwrap(), b"");
    let _lock = FolderLock::acquire(&folder).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_folder_that_is_not_there_cannot_be_locked() {
    let missing = PathBuf::from("/nowhere/at/all");
    assert!(matches!(FolderLock::acquire(&missing), Err(LockError::Io { .. })));
}
