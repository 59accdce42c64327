//! The log itself: its epochs and the key that signs its checkpoints.

use super::{Handled, State};
use crate::command::Sealed;
use crate::event::{EpochOpened, KeyRotated};
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
