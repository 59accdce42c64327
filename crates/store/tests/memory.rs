//! The store in memory keeps the contract.

use countersign_store::conformance::{Subject, run};
use countersign_store::{MemoryStore, Store};

#[test]
fn the_memory_store_conforms() {
    run(&Subject {
        open: &|| Box::new(MemoryStore::default()) as Box<dyn Store>,
        reopen: None,
    });
}
