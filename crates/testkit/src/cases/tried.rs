//! Steps about a policy that is tried beside the live one.

use std::sync::Arc;

use countersign_core::command::TryCandidate;
use countersign_core::event::{Bands, Canary, ShareOf};
use countersign_core::policy::Value;
use countersign_core::record::ActorKind;
use countersign_core::{Command, Refusal};

use super::{Run, plain, text};
use crate::by;

impl Run {
    /// Does what a word about candidates says; `None` if it is none.
    pub(super) fn of_candidates(&mut self, word: &str, value: &Value) -> Option<Result<(), Refusal>> {
        let command = match word {
            "shadow" => self.wanted(value, None),
            "canary" => {
                let number = |word: &str, otherwise: u32| {
                    let said = value.get(word).map(plain).and_then(|number| number.parse().ok());
                    said.unwrap_or(otherwise)
                };
                let canary = Canary {
                    bands: Bands {
                        after: number("after", 20),
                        asked: number("asked", 100),
                        denied: number("denied", 50),
                        erred: number("erred", 0),
                    },
                    of: match text(value, "of").as_str() {
                        "runs" => ShareOf::Runs,
                        _agents => ShareOf::Agents,
                    },
                    permille: number("share", 1000),
                };
                self.wanted(value, Some(canary))
            }
            "withdraw" => Command::WithdrawCandidate(None),
            "promote" => Command::PromoteCandidate(None, None),
            "roll_back" => Command::RollBack {
                from: None,
                rationale: None,
            },
            _ => return None,
        };
        let (answer, _) = self.world.give(by(ActorKind::User, "alex"), command);
        Some(crate::outcome_of(answer))
    }

    fn wanted(&mut self, value: &Value, canary: Option<Canary>) -> Command {
        let documents: Vec<(String, String)> = match value.get("documents") {
            Some(Value::Map(files)) => {
                let files = files.iter();
                files
                    .map(|(name, text)| (format!("{name}.yaml"), plain(text)))
                    .collect()
            }
            _none => panic!("`documents` says what is tried"),
        };
        let files: Vec<(&str, &str)> = documents
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        let hash: Arc<str> = self.world.upload(&files);
        Command::TryCandidate(Box::new(TryCandidate {
            hash,
            canary,
            rationale: None,
        }))
    }

    /// What both policies said of the same actions, as `allow to deny: 2`.
    pub(super) fn tried(&self) -> Vec<String> {
        let candidate = self.world.state.candidate();
        let flips = candidate.into_iter().flat_map(|candidate| &candidate.tried.flips);
        flips.map(|(flip, count)| format!("{flip}: {count}")).collect()
    }
}
