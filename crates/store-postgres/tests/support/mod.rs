//! Batches that say of each record who wrote it, and ways to open a store.

use countersign_core::time::Time;
use countersign_store::{Append, Head, NewRecord, OrganizationRow, StoredPayload};
use countersign_store_postgres::{Address, PostgresStore};

/// A node on a database.
pub fn open(url: &str) -> PostgresStore {
    PostgresStore::open(Address::parse(url).unwrap()).unwrap()
}

/// What a record of a batch says.
pub fn leaf(org: &str, seq: u64, by: &str) -> Vec<u8> {
    // Between little and more than a page.
    format!(
        "{org} {seq} {by} {}",
        "x".repeat(usize::try_from(seq * 379 % 9_000).unwrap())
    )
    .into_bytes()
}

/// `count` records of an author on top of `base`; at base 0 the organization is created.
pub fn batch(org: &str, base: u64, count: u64, by: &str) -> Append {
    let record = |seq| {
        let leaf = leaf(org, seq, by);
        NewRecord {
            leaf_hash: NewRecord::hash_of(&leaf),
            payload: Some(StoredPayload {
                class: "standard".into(),
                key: by.into(),
                sealed: leaf.clone(),
            }),
            leaf,
            seq,
            subjects: vec![u128::from(seq / 2)],
        }
    };
    let size = base + count;
    Append {
        create: (base == 0).then(|| OrganizationRow {
            created: Time(0),
            name: org.into(),
            origin: org.into(),
        }),
        head: Head {
            checkpoint: format!("{org} {size} {by}"),
            edge: vec![7; 640],
            size,
            ts: Time(0),
        },
        org: org.into(),
        base,
        records: (base..size).map(record).collect(),
        secrets: Vec::new(),
        snapshots: Vec::new(),
        state: None,
        destroy: Vec::new(),
        prune: None,
    }
}
