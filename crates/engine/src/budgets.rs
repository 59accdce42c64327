//! Budgets and limits as they stand.

use countersign_core::command::AboutCircuit;
use countersign_core::digest::DigestKey;
use countersign_core::{Command, State, Time};
use countersign_policy::Snapshot;

use crate::Engine;
use crate::auth::Caller;
use crate::error::EngineError;
use crate::inbox::Lane;
use crate::intake::Request;
use crate::ledger::Beside;

impl Engine {
    /// Closes a circuit that failures have opened. `true` if the request is a repetition.
    pub async fn close_circuit(
        &self,
        request: &Request<'_>,
        limit: &str,
        circuit: &str,
        reason: &str,
    ) -> Result<bool, EngineError> {
        let ask = AboutCircuit {
            circuit: circuit.into(),
            limit: limit.into(),
        };
        let why = Some(self.reason(reason)?);
        let envelope = request.envelope(Command::CloseCircuit(Box::new(ask), why));
        let done = self
            .perform(Lane::Write, &request.caller.org, envelope, Beside::default())
            .await?;
        Ok(done.replayed.is_some())
    }

    /// Reads what the live policy limits, by the state and the clock; `None` where no policy is live. The key is the one that
    /// makes windows' names of values.
    pub async fn limits<T: Send + 'static>(
        &self,
        caller: &Caller,
        read: impl FnOnce(&State, &Snapshot, Time, &DigestKey) -> T + Send + 'static,
    ) -> Result<Option<T>, EngineError> {
        let Some(live) = self.live_policy(caller).await? else {
            return Ok(None);
        };
        let now = self.inner.clock.read().now;
        let key = self.inner.org(&caller.org)?.keys.digest.clone();
        let seen = self.look(&caller.org, move |state| read(state, &live, now, &key));
        Ok(Some(seen.await?))
    }
}
