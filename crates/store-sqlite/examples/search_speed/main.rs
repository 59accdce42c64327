//! How fast a large ledger is searched:
//! `cargo run --release -p countersign-store-sqlite --example search_speed [RECORDS] [FOLDER]`.
//!
//! Fills a store with a year of records (200 agents and 60 actions, skewed as in life; 5 decisions; 12 types), looks at what
//! an append costs at 10 thousand, 100 thousand, 1 million and 10 million records, then asks a few hundred random searches of
//! every combination of filters, each page as large as the API gives at most. Prints JSON: milliseconds at p50, p95 and the
//! slowest, by kind of search. Ends with an error if any kind has its p95 at a second or above.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::float_arithmetic,
    reason = "a measurement, not the product"
)]

mod workload;

use std::path::Path;

use countersign_store_sqlite::SqliteStore;

fn main() {
    let mut args = std::env::args().skip(1);
    let records = args.next().map_or(1_000_000, |text| text.parse().unwrap());
    let folder = args
        .next()
        .map_or_else(|| Path::new("target/search-speed").to_owned(), Into::into);
    let _ = std::fs::remove_dir_all(&folder);
    let store = SqliteStore::open(&folder).unwrap();
    let (mut sizes, mut searches) = (String::new(), String::new());
    workload::fill(&store, records, &mut sizes);
    let (slow, worst) = workload::search(&store, &mut searches);
    let bytes = |name: &str| std::fs::metadata(folder.join(name)).map_or(0, |file| file.len());
    let (ledger, index) = (bytes("ledger.db"), bytes("search.db"));
    println!(
        "{{\n  \"records\": {records},\n  \"worst\": \"{worst}\",\n  \"ledger_bytes\": {ledger},\n  \"search_bytes\": {index},\n  \"sizes\": [\n{}\n  ],\n  \"searches\": [\n{}\n  ]\n}}",
        workload::list(&sizes),
        workload::list(&searches)
    );
    drop(store);
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(slow.is_empty(), "p95 of a second or more: {slow:?}");
}
