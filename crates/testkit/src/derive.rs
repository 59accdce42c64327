//! Deriving the decisions of a world again, from nothing but what an export holds.

use countersign_core::policy::Action;
use countersign_core::record::Payload;
use countersign_core::replay::{Derivation, Policies, Replay};
use countersign_core::stored::{stored_action, stored_alternative};
use countersign_core::{ActionView, Record};

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

    /// The stored form of what a permit would be for.
    pub(crate) fn stored_form(&self, view: &ActionView) -> Option<Action> {
        let applied = view.decision.remedy.as_ref().is_some_and(|remedy| remedy.applied);
        let payload = self.payload(view.form())?;
        match applied {
            true => stored_alternative(&payload.body),
            false => stored_action(&payload.body),
        }
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
