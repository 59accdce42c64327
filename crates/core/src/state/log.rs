//! The log itself: its epochs, the key that signs its checkpoints, and who can read its records.

use std::cmp::Ordering;

use super::{Handled, State};
use crate::command::Sealed;
use crate::event::{EpochOpened, KeyRotated, MinReaderRaised};
use crate::record::Draft;
use crate::refusal::Refusal;

impl State {
    /// Epochs of the log after the first, in order.
    pub fn epochs(&self) -> &[EpochOpened] {
        &self.epochs
    }

    /// Changes of the key that signs checkpoints, in order.
    pub fn rotations(&self) -> &[KeyRotated] {
        &self.rotations
    }

    /// The epoch that the log is in, counted from 1.
    pub fn epoch(&self) -> u64 {
        self.epochs.last().map_or(1, |epoch| epoch.epoch)
    }

    /// Records are of types that this reader knows, and every program that reads them is at least it.
    pub fn min_reader(&self) -> u32 {
        self.min_reader.unwrap_or(1)
    }

    pub(super) fn raise_min_reader(&self, reader: u32) -> Result<Handled, Refusal> {
        let before = self.min_reader();
        match reader.cmp(&before) {
            Ordering::Less => Err(Refusal::conflict(
                "already_upgraded",
                format!("the ledger is for programs from reader {before} on, and stays so"),
            )
            .hint("to go back, restore a backup from before into a folder of its own")),
            Ordering::Equal => Handled::done(Vec::new()),
            Ordering::Greater => Handled::one(MinReaderRaised { before, reader }),
        }
    }

    /// What the epoch says of the ledger was read before, and must still hold at its place.
    pub(super) fn open_epoch(&self, epoch: EpochOpened, why: Option<Sealed>) -> Result<Handled, Refusal> {
        if epoch.previous.size != self.next_seq || epoch.epoch <= self.epoch() {
            return Err(moved());
        }
        Handled::done(vec![Draft::observed(epoch).with_payload(why)])
    }

    pub(super) fn rotate_log_key(&self, rotated: KeyRotated) -> Result<Handled, Refusal> {
        // The name in front changes with the epoch, the key does not.
        let key = |vkey: &str| vkey.splitn(3, '+').nth(2).map(str::to_owned);
        if self
            .rotations
            .last()
            .is_some_and(|last| key(&last.vkey) != key(&rotated.old_vkey))
        {
            return Err(moved());
        }
        Handled::one(rotated)
    }
}

fn moved() -> Refusal {
    Refusal::conflict("ledger_moved", "the ledger went on meanwhile").hint("try again")
}
