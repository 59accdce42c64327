//! Deriving the decisions of a world again, from nothing but what an export holds.

use countersign_core::Record;
use countersign_core::record::Payload;
use countersign_core::replay::{Derivation, Policies, Replay};

use crate::World;

impl World {
    /// Derives every decision of this world's records again.
    pub fn derived(&self) -> Vec<Derivation> {
        self.derived_from(&self.records, |seq| self.payload(seq).cloned())
    }

    /// The same of other records and payloads under this world's policies.
    pub fn derived_from(&self, records: &[Record], payload: impl Fn(u64) -> Option<Payload>) -> Vec<Derivation> {
        let mut replay = Replay::new(self);
        let mut derived = Vec::new();
        for record in records {
            derived.extend(replay.record(record.clone(), payload(record.seq).as_ref()));
        }
        derived.extend(replay.end());
        derived
    }

    /// What lies beside a record.
    pub fn payload(&self, seq: u64) -> Option<&Payload> {
        self.payloads.get(&seq)
    }
}

impl Policies for World {
    fn files(&self, hash: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
        let snapshot = self.snapshots.get(hash).ok_or("there is no such snapshot")?;
        Ok(snapshot.files().to_vec())
    }
}
