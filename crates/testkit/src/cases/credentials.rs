//! Steps about credentials of tools.

use countersign_core::record::ActorKind;
use countersign_core::{Command, Refusal};
use countersign_policy::Value;

use super::{Run, list, plain, text};
use crate::{by, outcome_of};

impl Run {
    /// Does what a word about credentials says; `None` if it is another word.
    pub(super) fn of_credentials(&mut self, word: &str, value: &Value) -> Option<Result<(), Refusal>> {
        Some(match word {
            "credential" => self.credential(value),
            "remove_credential" => {
                let command = Command::RemoveCredential(plain(value));
                outcome_of(self.world.give(by(ActorKind::User, "alex"), command).0)
            }
            "release_credential" => {
                let action = self.action(value);
                let name = value.get("name").map(plain);
                self.world.release_credential(action, name.as_deref())
            }
            _ => return None,
        })
    }

    fn credential(&mut self, value: &Value) -> Result<(), Refusal> {
        let names = |field: &str| list(value.get(field)).iter().map(plain).collect::<Vec<_>>();
        let (tools, operations, agents) = (names("tools"), names("operations"), names("agents"));
        let [tools, operations, agents] =
            [&tools, &operations, &agents].map(|names| names.iter().map(String::as_str).collect::<Vec<_>>());
        let name = text(value, "name");
        self.world.store_credential(&name, &tools, &operations, &agents)
    }
}
