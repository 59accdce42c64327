//! Policies that are tried, and what is told to whoever asks for something.

use std::sync::Arc;

use countersign_core::command::TryCandidate;
use countersign_core::event::{Bands, Canary, ShareOf};
use countersign_core::record::ActorKind;
use countersign_core::replay::Outcome;
use countersign_core::{Answer, Command};

use crate::{World, by};

/// A canary for so many of a thousand agents, which may be taken back after so many decisions.
pub fn canary(permille: u32, after: u32) -> Canary {
    Canary {
        bands: Bands {
            after,
            asked: 100,
            denied: 50,
            erred: 0,
        },
        of: ShareOf::Agents,
        permille,
    }
}

impl World {
    /// What a person is told of a command: `done`, `replayed`, or the code of the refusal.
    pub fn told(&mut self, user: &str, command: Command) -> String {
        match self.give(by(ActorKind::User, user), command).0 {
            Answer::Done => "done".to_owned(),
            Answer::Refused(refusal) => refusal.code.to_owned(),
            Answer::Replayed(_) => "replayed".to_owned(),
        }
    }

    /// What `alex` is told who tries a snapshot beside the live one.
    pub fn try_candidate(&mut self, hash: &Arc<str>, canary: Option<Canary>) -> String {
        let wanted = TryCandidate {
            hash: hash.clone(),
            canary,
            rationale: None,
        };
        self.told("alex", Command::TryCandidate(Box::new(wanted)))
    }

    /// Checks that the records fold to the same state, and that every decision follows from what it cites.
    ///
    /// # Panics
    /// If not.
    pub fn holds_together(&self) {
        assert_eq!(self.refolded().hash(), self.state.hash());
        for one in self.derived() {
            assert_eq!(one.outcome, Outcome::Agrees, "{one:#?}");
        }
    }
}
