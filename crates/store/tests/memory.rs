//! The stores in memory keep the contract.

use std::sync::atomic::{AtomicI64, Ordering};

use countersign_core::time::Time;
use countersign_store::conformance::{Subject, run, run_shared};
use countersign_store::{MemoryStore, SharedMemory, Store};

fn shared() -> SharedMemory {
    let clock = AtomicI64::new(1_700_000_000_000_000);
    SharedMemory::new(move || Time(clock.fetch_add(1_000, Ordering::Relaxed)))
}

#[test]
fn the_memory_store_conforms() {
    run(&Subject {
        open: &|| Box::new(MemoryStore::default()) as Box<dyn Store>,
        reopen: None,
    });
}

#[test]
fn the_shared_memory_conforms() {
    run(&Subject {
        open: &|| Box::new(shared()) as Box<dyn Store>,
        reopen: None,
    });
    run_shared(&|| {
        let first = shared();
        [Box::new(first.node()), Box::new(first)]
    });
}
