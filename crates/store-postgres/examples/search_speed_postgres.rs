//! How fast a large ledger is searched in PostgreSQL, as `search_speed` of the embedded store does it:
//! `cargo run --release -p countersign-store-postgres --example search_speed_postgres [RECORDS]`.
//!
//! Starts a PostgreSQL of its own, which is gone at the end. A million records take about 2 GB of disk. Prints the same JSON, and
//! ends with an error if any kind of search has its p95 at a second or above.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::float_arithmetic,
    reason = "a measurement, not the product"
)]

#[path = "../../store-sqlite/examples/search_speed/workload.rs"]
mod workload;

use countersign_store_postgres::{Address, PostgresStore};
use countersign_testkit_postgres::Postgres;

fn main() {
    let records = std::env::args().nth(1).map_or(1_000_000, |text| text.parse().unwrap());
    let server = Postgres::start();
    let store = PostgresStore::open(Address::parse(&server.database()).unwrap()).unwrap();
    let (mut sizes, mut searches) = (String::new(), String::new());
    workload::fill(&store, records, &mut sizes);
    let (slow, worst) = workload::search(&store, &mut searches);
    println!(
        "{{\n  \"records\": {records},\n  \"worst\": \"{worst}\",\n  \"sizes\": [\n{}\n  ],\n  \"searches\": [\n{}\n  ]\n}}",
        workload::list(&sizes),
        workload::list(&searches)
    );
    assert!(slow.is_empty(), "p95 of a second or more: {slow:?}");
}
