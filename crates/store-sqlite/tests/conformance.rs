//! The SQLite store keeps the contract.
#![expect(clippy::unwrap_used, reason = "a test may end at any surprise")]

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_store::Store;
use countersign_store::conformance::{Subject, run};
use countersign_store_sqlite::SqliteStore;

#[test]
fn the_sqlite_store_conforms() {
    let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("conformance-{}", std::process::id()));
    std::fs::create_dir_all(&root).unwrap();
    let count = AtomicUsize::new(0);
    let last = Mutex::new(PathBuf::new());
    let open = || {
        let folder = root.join(count.fetch_add(1, Ordering::Relaxed).to_string());
        *last.lock().unwrap() = folder.clone();
        Box::new(SqliteStore::open(&folder).unwrap()) as Box<dyn Store>
    };
    let reopen = |store: Box<dyn Store>| {
        drop(store);
        Box::new(SqliteStore::open(&last.lock().unwrap()).unwrap()) as Box<dyn Store>
    };
    run(&Subject {
        open: &open,
        reopen: Some(&reopen),
    });
    std::fs::remove_dir_all(&root).unwrap();
}
