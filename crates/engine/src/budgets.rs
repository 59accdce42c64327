//! Budgets as they stand.

use countersign_core::{State, Time};
use countersign_policy::Snapshot;

use crate::Engine;
use crate::auth::Caller;
use crate::error::EngineError;

impl Engine {
    /// Reads what the live policy limits, by the state and the clock; `None` where no policy is live.
    pub async fn limits<T: Send + 'static>(
        &self,
        caller: &Caller,
        read: impl FnOnce(&State, &Snapshot, Time) -> T + Send + 'static,
    ) -> Result<Option<T>, EngineError> {
        let Some(live) = self.live_policy(caller).await? else {
            return Ok(None);
        };
        let now = self.inner.clock.read().now;
        let seen = self.look(&caller.org, move |state| read(state, &live, now));
        Ok(Some(seen.await?))
    }
}
