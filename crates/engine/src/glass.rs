//! Breaking the glass, and giving the right to do so, or to vote, back.

use countersign_api::ApprovalAnswer;
use countersign_core::command::BreakGlass;
use countersign_core::ids::ApprovalId;
use countersign_core::{Command, Time};

use crate::Engine;
use crate::error::EngineError;
use crate::inbox::Lane;
use crate::intake::Request;
use crate::ledger::Beside;

impl Engine {
    /// The time by which what the state holds is judged.
    pub fn now(&self) -> Time {
        self.inner.clock.read().now
    }

    /// Lets an action through that waits for others. `true` if the request is a repetition.
    pub async fn break_glass(
        &self,
        request: &Request<'_>,
        id: ApprovalId,
        incident: &str,
        reason: &str,
    ) -> Result<(ApprovalAnswer, bool), EngineError> {
        let org = &request.caller.org;
        let view = self.view_of_approval(org, id).await?;
        let ask = BreakGlass {
            approval: id,
            incident: incident.to_owned(),
            reason: self.reason(reason)?,
            action: self.stored_form(org, view.form(), false).await?.map(Box::new),
        };
        let envelope = request.envelope(Command::BreakGlass(Box::new(ask)));
        // Whoever does this cannot wait.
        let done = self.perform(Lane::Urgent, org, envelope, Beside::default()).await?;
        let answer = self.approval_of_action(org, view.decision.action_id).await;
        Ok((answer.map_err(EngineError::recorded)?, done.replayed.is_some()))
    }

    /// Lets a person break the glass again.
    pub async fn restore_glass(&self, request: &Request<'_>, user: &str, reason: &str) -> Result<bool, EngineError> {
        let envelope = request.envelope(Command::RestoreGlass {
            user: user.to_owned(),
            reason: self.reason(reason)?,
        });
        let done = self
            .perform(Lane::Write, &request.caller.org, envelope, Beside::default())
            .await?;
        Ok(done.replayed.is_some())
    }

    /// Lets a person vote again who was suspended.
    pub async fn restore_reviewer(&self, request: &Request<'_>, user: &str, reason: &str) -> Result<bool, EngineError> {
        let envelope = request.envelope(Command::RestoreReviewer(user.to_owned(), self.reason(reason)?));
        let done = self
            .perform(Lane::Write, &request.caller.org, envelope, Beside::default())
            .await?;
        Ok(done.replayed.is_some())
    }
}
