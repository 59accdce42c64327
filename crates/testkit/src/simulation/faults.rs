//! What can go wrong in a simulated store, and how often.

use std::collections::VecDeque;

use countersign_core::Span;

use super::dice::Dice;

/// What goes wrong with one append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no room; nothing is appended.
    Full,
    /// It fails before anything is written.
    Failed,
    /// The connection is lost during the commit; nothing is appended.
    UnknownAndLost,
    /// The connection is lost during the commit; everything is appended.
    UnknownButThere,
    /// It takes this long, and succeeds.
    Slow(Span),
    /// The machine dies while the frame is being written.
    DiesWriting,
    /// The machine dies when the frame is written and not yet synced.
    DiesUnsynced,
    /// The machine dies when the frame is synced and nobody was told.
    DiesSynced,
}

/// Which faults come next.
#[derive(Debug, Default)]
pub struct Faults {
    /// Every append has this fault.
    pub always: Option<Fault>,
    /// These come first, one an append.
    pub next: VecDeque<Fault>,
    /// So many appends in a thousand have a fault.
    pub appends_per_mille: u64,
    /// So many of a thousand appends end with the machine's death.
    pub deaths_per_mille: u64,
    /// So many reads in a thousand fail.
    pub reads_per_mille: u64,
}

impl Faults {
    /// No fault happens any more.
    pub fn heal(&mut self) {
        *self = Faults::default();
    }

    /// What happens to the next append.
    pub(super) fn of_append(&mut self, dice: &mut Dice) -> Option<Fault> {
        if let Some(fault) = self.next.pop_front().or(self.always) {
            return Some(fault);
        }
        if dice.happens(self.deaths_per_mille) {
            let deaths = [Fault::DiesWriting, Fault::DiesUnsynced, Fault::DiesSynced];
            return dice.one_of(&deaths).copied();
        }
        if dice.happens(self.appends_per_mille) {
            let slow = Fault::Slow(Span(i64::try_from(dice.below(3_000_000)).unwrap_or_default()));
            let faults = [
                Fault::Failed,
                Fault::UnknownAndLost,
                Fault::UnknownButThere,
                slow,
                Fault::Full,
            ];
            return dice.one_of(&faults).copied();
        }
        None
    }

    /// Whether the next read fails.
    pub(super) fn of_read(&self, dice: &mut Dice) -> bool {
        self.reads_per_mille > 0 && dice.happens(self.reads_per_mille)
    }
}
