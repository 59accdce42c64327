//! Trying a policy on the decisions of a world.

use std::sync::Arc;

use countersign_core::Record;
use countersign_core::simulate::{Against, Cited, Refold, Report, Simulation};
use countersign_policy::Snapshot;

use crate::World;

impl World {
    /// What `candidate` would have said of the decisions of this world that are wanted, held against what was decided or
    /// against another snapshot.
    pub fn simulated(
        &self,
        candidate: &Snapshot,
        against: Option<&Snapshot>,
        wanted: impl Fn(&Record) -> bool,
    ) -> Report {
        let against = against.map_or(Against::Recorded, Against::Snapshot);
        let mut simulation = Simulation::new(candidate, against, self, "USD");
        let mut report = Report::default();
        for record in self.records.iter().filter(|record| wanted(record)) {
            simulation.record(record, self.payload(record.seq), &mut report);
        }
        report
    }

    /// The world as it would have become, had `candidate` been live from the first decision on, and what of that is other.
    pub fn become_under<'s>(&self, candidate: &'s Snapshot) -> (Refold<'s>, Report) {
        let (mut refold, mut report) = (Refold::new(candidate), Report::default());
        for record in &self.records {
            refold.record(record, self.payload(record.seq), Some(&mut report));
        }
        (refold, report)
    }

    /// From now on a stored snapshot cannot be had.
    pub fn lose_snapshot(&mut self, hash: &str) {
        self.snapshots.remove(hash);
    }

    /// A stored snapshot.
    pub fn snapshot(&self, hash: &str) -> &Snapshot {
        self.snapshots.get(hash).expect("there is such a snapshot")
    }
}

impl Cited for World {
    fn snapshot(&self, hash: &Arc<str>) -> Option<Arc<Snapshot>> {
        let files = self.snapshots.get(hash)?.files();
        Snapshot::load(files).ok().map(|(snapshot, _)| Arc::new(snapshot))
    }
}
