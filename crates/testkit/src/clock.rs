//! Time in a [`World`]: it passes when a test says so.

use countersign_core::{Command, Span};

use crate::World;

impl World {
    /// Lets time pass; timers fire as they are due.
    pub fn pass(&mut self, span: Span) {
        let until = self.now + span;
        loop {
            let (timer, practice) = (self.state.next_due(), self.next_practice());
            let Some(due) = [timer, practice]
                .into_iter()
                .flatten()
                .min()
                .filter(|due| *due <= until)
            else {
                break;
            };
            self.now = self.now.max(due);
            let before = self.records.len();
            if timer != Some(due) {
                self.practise_what_is_due();
            } else {
                self.done(Command::Tick);
            }
            assert!(
                self.records.len() > before || self.state.next_due() != Some(due),
                "a timer that is due does nothing"
            );
        }
        self.now = until;
    }
}
