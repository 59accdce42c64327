//! Calls that were seen elsewhere, and how governance fails.

use countersign_core::command::Observe;
use countersign_core::state::FailureMode;
use countersign_core::{Command, Refusal};

use crate::Engine;
use crate::error::EngineError;
use crate::inbox::Lane;
use crate::intake::Request;
use crate::ledger::Beside;

impl Engine {
    /// Takes what a source says that was called elsewhere. Answers up to where the source is known, and whether the request is
    /// a repetition.
    pub async fn observe(&self, request: &Request<'_>, ask: Observe) -> Result<(u64, bool), EngineError> {
        let source = ask.source.clone();
        let words = ask.calls.iter().flat_map(|call| [&*call.agent, &*call.tool]);
        self.check_words(
            words.chain([&*ask.source]),
            "invalid_id",
            "the name of an agent, tool or source",
        )?;
        let envelope = request.envelope(Command::Observe(Box::new(ask)));
        let done = self
            .perform(Lane::Write, &request.caller.org, envelope, Beside::default())
            .await?;
        let last = self.look(&request.caller.org, move |state| {
            state.observed().get(&source).map(|source| source.last)
        });
        let last = last.await?;
        let last = last.ok_or_else(|| Refusal::missing("source", "of this request"))?;
        Ok((last, done.replayed.is_some()))
    }

    /// The seven failure modes of governance as they stand.
    pub async fn governance_health(&self, request: &Request<'_>) -> Result<Vec<FailureMode>, EngineError> {
        let live = self.live_policy(request.caller).await?;
        let now = self.inner.clock.read().now;
        let seen = self.look(&request.caller.org, move |state| {
            state.governance_health(live.as_deref(), now)
        });
        seen.await
    }
}
