//! What agents have earned, pauses, and looks at what has run.

use countersign_core::command::{CloseReview, SetMode};
use countersign_core::event::{Finding, Mode, ReviewOpened};
use countersign_core::ids::ReviewId;
use countersign_core::{Command, Event, Record, Refusal};
use countersign_store::Org;

use crate::error::EngineError;
use crate::inbox::Lane;
use crate::intake::Request;
use crate::ledger::Beside;
use crate::{Engine, blocking};

impl Engine {
    /// Grants an agent the next mode, if it is earned, or takes autonomy away. `true` if the request is a repetition.
    pub async fn set_mode(
        &self,
        request: &Request<'_>,
        agent: &str,
        operation: &str,
        mode: Mode,
        reason: &str,
    ) -> Result<bool, EngineError> {
        let ask = SetMode {
            agent: agent.into(),
            operation: operation.to_owned(),
            mode,
            why: Some(self.reason(reason)?),
        };
        let envelope = request.envelope(Command::SetMode(Box::new(ask)));
        let done = self
            .perform(Lane::Write, &request.caller.org, envelope, Beside::default())
            .await?;
        Ok(done.replayed.is_some())
    }

    /// Pauses an agent, or lets it go on.
    pub async fn pause(
        &self,
        request: &Request<'_>,
        agent: &str,
        paused: bool,
        reason: &str,
    ) -> Result<bool, EngineError> {
        let why = Some(self.reason(reason)?);
        let command = if paused {
            Command::PauseAgent(agent.into(), why)
        } else {
            Command::ResumeAgent(agent.into(), why)
        };
        // A pause is waited for by nobody who can wait.
        let lane = if paused { Lane::Urgent } else { Lane::Write };
        let envelope = request.envelope(command);
        let done = self
            .perform(lane, &request.caller.org, envelope, Beside::default())
            .await?;
        Ok(done.replayed.is_some())
    }

    /// Says what a look at an action that has run found.
    pub async fn close_review(
        &self,
        request: &Request<'_>,
        review: ReviewId,
        finding: Finding,
        comment: Option<&str>,
    ) -> Result<bool, EngineError> {
        let ask = CloseReview {
            review,
            user: request.caller.actor.id.clone(),
            finding,
            comment: self.words(comment),
        };
        let envelope = request.envelope(Command::CloseReview(Box::new(ask)));
        let done = self
            .perform(Lane::Write, &request.caller.org, envelope, Beside::default())
            .await?;
        Ok(done.replayed.is_some())
    }

    /// A look as it was asked for, and whether nobody looked in time.
    pub async fn review(&self, org: &Org, review: ReviewId) -> Result<(ReviewOpened, bool), EngineError> {
        let (inner, org) = (self.inner.clone(), org.clone());
        blocking(move || {
            let (mut opened, mut overdue) = (None, false);
            for stored in inner.store.by_subject(&org, review.0)? {
                match Record::decode(&stored.leaf).map_err(EngineError::internal)?.0.event {
                    Event::ReviewOpened(event) => opened = Some(*event),
                    Event::ReviewOverdue(_) => overdue = true,
                    _closed => {}
                }
            }
            let opened = opened.ok_or_else(|| Refusal::missing("review", review))?;
            Ok((opened, overdue))
        })
        .await
    }
}
