//! Commits that are lost after their checkpoint was signed.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_store::Store as _;
use countersign_tlog::{Checkpoint, Hash, VerifyingKey, verify_consistency};

use super::rewind::{Fate, Rewind};
use super::{Folder, acme, operator, start, write};

/// Plain pseudo-random numbers, the same in every run.
fn mixed(mut number: u64) -> u64 {
    number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

fn fate(commit: u64) -> Fate {
    // The first few make the organization.
    if commit < 4 {
        return Fate::Fine;
    }
    match mixed(commit) % 7 {
        0 => Fate::Lost,
        1 => Fate::UnknownAndLost,
        2 => Fate::UnknownButThere,
        3 => Fate::Flipped,
        _ => Fate::Fine,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn between_signing_and_committing_hundreds_of_losses_leave_one_history() {
    let (folder, store) = (Folder::new(), Arc::new(Rewind::new(fate)));
    let mut engine = start(&store, &folder.0);
    let vkey: VerifyingKey = acme(&engine).await.parse().unwrap();
    let mut released: BTreeMap<u64, (Hash, String)> = BTreeMap::new();
    let (mut lost, mut fine, mut restarts) = (0, 0, 0);
    let mut agent = 0;
    while lost < 300 {
        agent += 1;
        match write(&engine, agent).await {
            Ok(()) => fine += 1,
            Err(_) => lost += 1,
        }
        if agent % 3 == 0 {
            let (_, signed) = engine.checkpoint(&operator()).await.unwrap();
            let checkpoint = Checkpoint::open(&vkey, &signed).unwrap();
            let before = released.insert(checkpoint.size, (checkpoint.root, signed));
            if let Some((root, _)) = before {
                assert_eq!(root, checkpoint.root, "two roots at {} records", checkpoint.size);
            }
        }
        if agent % 50 == 0 {
            restarts += 1;
            engine.stop();
            engine = start(&store, &folder.0);
        }
    }
    assert!(fine > 300 && restarts > 5, "{fine} commits, {restarts} restarts");
    assert_eq!(engine.restored_ledgers(), 0, "the log stays open");
    assert!(released.len() > 50);
    let sizes: Vec<u64> = released.keys().copied().collect();
    for pair in sizes.windows(2) {
        let proof = engine.consistency(&operator(), pair[0], pair[1]).await.unwrap();
        verify_consistency(pair[0], released[&pair[0]].0, pair[1], released[&pair[1]].0, &proof).unwrap();
    }
    let head = store.head("acme").unwrap().unwrap();
    assert!(head.size >= *sizes.last().unwrap());
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bit_that_flips_between_hash_and_store_is_not_recorded_and_the_next_record_is() {
    let flips = |commit| if commit == 5 { Fate::Flipped } else { Fate::Fine };
    let (folder, store) = (Folder::new(), Arc::new(Rewind::new(flips)));
    let engine = start(&store, &folder.0);
    let vkey: VerifyingKey = acme(&engine).await.parse().unwrap();
    let mut refused = 0;
    for agent in 0..10 {
        if let Err(error) = write(&engine, agent).await {
            assert!(error.to_string().contains("whose bytes are not those"), "{error}");
            refused += 1;
            write(&engine, agent).await.unwrap();
        }
    }
    assert_eq!(refused, 1);
    let (size, signed) = engine.checkpoint(&operator()).await.unwrap();
    Checkpoint::open(&vkey, &signed).unwrap();
    for stored in store.records("acme", 0, 1000).unwrap() {
        assert_eq!(stored.leaf_hash, countersign_store::NewRecord::hash_of(&stored.leaf));
    }
    assert_eq!(store.head("acme").unwrap().unwrap().size, size);
    engine.stop();
}
