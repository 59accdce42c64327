//! The PostgreSQL store keeps the contract, on a real server.
#![expect(clippy::unwrap_used, reason = "a test may end at any surprise")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_store::Store;
use countersign_store::conformance::{Subject, run, run_shared};
use countersign_store_postgres::{Address, PostgresStore};
use countersign_testkit_postgres::Postgres;

fn open(url: &str) -> Box<dyn Store> {
    Box::new(PostgresStore::open(Address::parse(url).unwrap()).unwrap())
}

/// Urls of empty schemas in one database, which are made faster than databases.
fn schemas() -> impl Fn() -> String {
    let url = Postgres::shared().database();
    let count = AtomicUsize::new(0);
    move || format!("{url}?schema=suite_{}", count.fetch_add(1, Ordering::Relaxed))
}

#[test]
fn the_postgres_store_conforms() {
    let schema = schemas();
    let last = Mutex::new(String::new());
    let new = || {
        let url = schema();
        last.lock().unwrap().clone_from(&url);
        open(&url)
    };
    let reopen = |store: Box<dyn Store>| {
        drop(store);
        open(&last.lock().unwrap())
    };
    run(&Subject {
        open: &new,
        reopen: Some(&reopen),
    });
}

#[test]
fn several_nodes_on_one_database_conform() {
    let schema = schemas();
    run_shared(&|| {
        let url = schema();
        [open(&url), open(&url)]
    });
}
