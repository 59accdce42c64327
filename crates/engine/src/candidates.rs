//! Policies that are tried beside the one that is live: in the shadow, or for a share of agents or runs.

use std::sync::{Arc, PoisonError};

use countersign_core::command::TryCandidate;
use countersign_core::event::Canary;
use countersign_core::state::{Candidate, picks};
use countersign_core::{Command, Span, Time};
use countersign_policy::Snapshot;
use countersign_store::Org;

use crate::auth::Caller;
use crate::error::EngineError;
use crate::inbox::Lane;
use crate::intake::Request;
use crate::ledger::{Beside, Ledger};
use crate::policies::Activation;
use crate::{Engine, Inner, OrgHandle};

/// A candidate that decides for a share, compiled.
#[derive(Clone)]
pub(crate) struct DecidesForSome {
    canary: Canary,
    snapshot: Arc<Snapshot>,
}

/// The snapshot that is tried, as a ledger in memory has it.
pub(crate) struct TriedSnapshot {
    pub(crate) hash: Arc<str>,
    looked_at: Time,
    /// `None`: it could not be had then.
    pub(crate) snapshot: Option<Arc<Snapshot>>,
}

/// One that cannot be had is looked for again after so long, and not with every command.
const LOOK_AGAIN: Span = Span::seconds(5);

impl TriedSnapshot {
    fn will_do(&self, now: Time) -> bool {
        self.snapshot.is_some() || (Span(0)..LOOK_AGAIN).contains(&(now - self.looked_at))
    }
}

/// What is tried, and what came of asking for it.
pub struct Trying {
    /// What is live, what waits for people to agree.
    pub activation: Activation,
    /// What is tried.
    pub candidate: Option<Candidate>,
}

impl Engine {
    /// What is tried, with what is live beside it.
    pub async fn candidate(&self, caller: &Caller) -> Result<Trying, EngineError> {
        self.trying(&caller.org, Vec::new(), false).await
    }

    async fn trying(&self, org: &Org, warnings: Vec<String>, replayed: bool) -> Result<Trying, EngineError> {
        Ok(Trying {
            activation: self.activation(org, warnings, replayed).await?,
            candidate: self.look(org, |state| state.candidate().cloned()).await?,
        })
    }

    /// Tries a stored snapshot beside the live one.
    pub async fn try_policy(
        &self,
        request: &Request<'_>,
        hash: &str,
        canary: Option<Canary>,
        rationale: &str,
    ) -> Result<Trying, EngineError> {
        let hash: Arc<str> = hash.into();
        let warnings = match canary {
            Some(_) => self.fit_to_live(&request.caller.org, &hash).await?,
            // In the shadow it reaches nobody; its tests may fail, and it has to load.
            None => {
                self.stored_snapshot(&request.caller.org, &hash).await?;
                Vec::new()
            }
        };
        let wanted = TryCandidate {
            hash,
            canary,
            rationale: self.words(Some(rationale)),
        };
        let envelope = request.envelope(Command::TryCandidate(Box::new(wanted)));
        let done = self
            .perform(Lane::Write, &request.caller.org, envelope, Beside::default())
            .await?;
        let trying = self.trying(&request.caller.org, warnings, done.replayed.is_some());
        trying.await.map_err(EngineError::recorded)
    }

    /// Takes back what is tried: the live policy decides everything again.
    pub async fn withdraw_policy(&self, request: &Request<'_>, reason: &str) -> Result<Trying, EngineError> {
        let envelope = request.envelope(Command::WithdrawCandidate(self.words(Some(reason))));
        // Whoever takes something back does not wait behind what it decides.
        let done = self
            .perform(Lane::Urgent, &request.caller.org, envelope, Beside::default())
            .await?;
        let trying = self.trying(&request.caller.org, Vec::new(), done.replayed.is_some());
        trying.await.map_err(EngineError::recorded)
    }

    /// Makes live what is tried, or asks the people who have to agree to that. `seen` is what the caller saw there; unless they
    /// say, it is what is tried now, and that alone becomes live.
    pub async fn promote_policy(
        &self,
        request: &Request<'_>,
        seen: Option<&str>,
        rationale: &str,
    ) -> Result<Trying, EngineError> {
        let org = &request.caller.org;
        let tried = self.look(org, |state| state.candidate().map(|candidate| candidate.hash.clone()));
        let tried = tried.await?;
        let seen = seen.map(Arc::from).or_else(|| tried.clone());
        let warnings = match &tried {
            // Another one is refused as what it is, whatever its tests say.
            Some(hash) if seen.as_ref() == Some(hash) => self.fit_to_live(org, hash).await?,
            Some(_) | None => Vec::new(),
        };
        let envelope = request.envelope(Command::PromoteCandidate(seen, self.words(Some(rationale))));
        let done = self.perform(Lane::Write, org, envelope, Beside::default()).await?;
        let trying = self.trying(org, warnings, done.replayed.is_some());
        trying.await.map_err(EngineError::recorded)
    }
}

impl Inner {
    /// Activation changes what the next command is decided by, and so does a candidate.
    pub(crate) fn refresh(&self, ledger: &mut Ledger) {
        if ledger.live.as_ref().map(|live| live.hash_text()) != ledger.state.live().map(|hash| &**hash) {
            ledger.live = self.compiled(&ledger.org, ledger.state.live());
        }
        let Some(tried) = ledger.state.candidate().map(|candidate| candidate.hash.clone()) else {
            ledger.candidate = None;
            return;
        };
        let now = self.clock.read().now;
        if !(ledger.candidate.as_ref()).is_some_and(|known| known.hash == tried && known.will_do(now)) {
            ledger.candidate = Some(TriedSnapshot {
                snapshot: self.compiled(&ledger.org, Some(&tried)),
                hash: tried,
                looked_at: now,
            });
        }
    }

    /// What the faces know of a candidate of a ledger that was loaded.
    pub(crate) fn take_up_candidate(&self, org: &Org, handle: &OrgHandle, ledger: &Ledger) {
        let known = ledger.state.candidate();
        let canary = known.and_then(|known| self.deciding_for_some(org, known.canary?, &known.hash));
        handle.set_canary(canary);
    }

    /// A candidate that decides for a share, for the faces; `None` if it cannot be had.
    pub(crate) fn deciding_for_some(&self, org: &Org, canary: Canary, hash: &Arc<str>) -> Option<DecidesForSome> {
        let snapshot = self.compiled(org, Some(hash))?;
        Some(DecidesForSome { canary, snapshot })
    }
}

impl OrgHandle {
    /// The snapshot that decides actions of an agent and run, as of the last commit.
    pub(crate) fn deciding(&self, agent: &str, run: Option<&str>) -> Option<Arc<Snapshot>> {
        let canary = self.canary.read().unwrap_or_else(PoisonError::into_inner);
        match &*canary {
            Some(known) if picks(&known.canary, known.snapshot.hash_text(), agent, run) => Some(known.snapshot.clone()),
            Some(_) | None => self.live(),
        }
    }

    /// Whether a candidate decides for a share.
    pub(crate) fn has_canary(&self) -> bool {
        self.canary.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    pub(crate) fn set_canary(&self, canary: Option<DecidesForSome>) {
        *self.canary.write().unwrap_or_else(PoisonError::into_inner) = canary;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_that_could_not_be_had_is_looked_for_again_after_some_seconds() {
        let looked_at = Time(1_700_000_000_000_000);
        let lost = TriedSnapshot {
            hash: "sha256:00".into(),
            looked_at,
            snapshot: None,
        };
        assert!(lost.will_do(looked_at + Span::seconds(4)));
        assert!(!lost.will_do(looked_at + Span::seconds(5)));
        // A clock that was set back keeps nobody waiting.
        assert!(!lost.will_do(looked_at + Span::seconds(-1)));
    }
}
