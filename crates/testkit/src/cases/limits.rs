//! Steps about limits: circuits that failures have opened.

use countersign_core::command::AboutCircuit;
use countersign_core::policy::Value;
use countersign_core::record::ActorKind;
use countersign_core::{Command, Refusal};

use super::{Run, text};
use crate::by;

impl Run {
    /// Does what a word about limits says; `None` if it is none.
    pub(super) fn of_limits(&mut self, word: &str, value: &Value) -> Option<Result<(), Refusal>> {
        if word != "close_circuit" {
            return None;
        }
        let ask = AboutCircuit {
            circuit: text(value, "circuit").as_str().into(),
            limit: text(value, "limit").as_str().into(),
        };
        let who = by(ActorKind::User, &text(value, "by"));
        let (answer, _) = self.world.give(who, Command::CloseCircuit(Box::new(ask), None));
        Some(crate::outcome_of(answer))
    }

    /// Circuits that are not closed, as records name them.
    pub(super) fn circuits(&self) -> Vec<String> {
        let live = self.world.live();
        let limits = live.map(countersign_core::policy::Snapshot::limits).unwrap_or_default();
        let open = |limit: &countersign_core::policy::Limit| {
            let circuits = self.world.state.circuits().of(limit.name());
            circuits.map(|(whose, _)| whose.to_string()).collect::<Vec<_>>()
        };
        limits.iter().flat_map(open).collect()
    }
}
