//! Deliberate faults: what a simulation has to find. A simulation that finds none of them proves nothing by passing.

use countersign_core::event::{Event, RequestNoted};
use countersign_core::{Record, record::RecordError};

/// Something that is wrong in a world on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// The store acknowledges a batch now and then that it did not write.
    AcknowledgesNothing,
    /// The disk acknowledges syncs and does not carry them out, and nobody knows.
    LosesSyncs,
    /// Whoever folds the ledger forgets what permits have reserved.
    ForgetsReservations,
    /// Whoever folds the ledger forgets kill switches.
    ForgetsKills,
    /// Whoever folds the ledger forgets that permits were used.
    ForgetsRedemptions,
    /// Whoever folds the ledger forgets legal holds.
    ForgetsHolds,
    /// What is noted as told was told to nobody.
    TellsNobody,
}

impl Sabotage {
    /// All of them.
    pub const ALL: [Sabotage; 7] = [
        Sabotage::AcknowledgesNothing,
        Sabotage::LosesSyncs,
        Sabotage::ForgetsReservations,
        Sabotage::ForgetsKills,
        Sabotage::ForgetsRedemptions,
        Sabotage::ForgetsHolds,
        Sabotage::TellsNobody,
    ];

    /// A record as a node reads it that forgets.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn of_record(self, leaf: Vec<u8>) -> Result<Vec<u8>, RecordError> {
        let (mut record, log) = Record::decode(&leaf)?;
        match (&mut record.event, self) {
            (Event::DecisionMade(e), Sabotage::ForgetsReservations) => e.reserved.clear(),
            (Event::ApprovalResolved(e), Sabotage::ForgetsReservations) => e.reserved.clear(),
            (Event::KillEngaged(_), Sabotage::ForgetsKills)
            | (Event::HoldPlaced(_), Sabotage::ForgetsHolds)
            | (Event::PermitRedeemed(_), Sabotage::ForgetsRedemptions) => {
                let command = record.event.kind().to_owned();
                record.event = RequestNoted { command }.into();
            }
            _untouched => return Ok(leaf),
        }
        record.encode(&log)
    }
}
