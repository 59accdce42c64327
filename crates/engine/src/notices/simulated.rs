//! Telling people in a simulation, where whoever runs it stands in for the network.

use countersign_core::event::NoticeResult;
use countersign_core::ids::NoticeId;
use countersign_store::Org;

use super::{Tried, ends};
use crate::Engine;
use crate::error::EngineError;
use crate::nodes::Work;

impl Engine {
    /// Tells what is due in one organization. `takes` hears of each notice, and says whether its channel took it.
    ///
    /// # Errors
    /// If what is due cannot be read, or how a try went cannot be noted; it is due again then.
    pub async fn tell_in_simulation(
        &self,
        org: &Org,
        takes: impl Fn(NoticeId) -> bool + Send,
    ) -> Result<(), EngineError> {
        let (due, now) = self.notices_due(org).await?;
        if due.is_empty() || !self.inner.does(Work::Callbacks, org) {
            return Ok(());
        }
        for due in due {
            let result = if !due.open && !ends(due.pending.kind) {
                NoticeResult::Skipped
            } else if takes(due.id) {
                NoticeResult::Delivered
            } else {
                NoticeResult::Retrying
            };
            let tried = Tried {
                result,
                ..Tried::skipped("in a simulation")
            };
            self.note(org, &due, &tried, now).await?;
        }
        Ok(())
    }
}
