//! Steps about circuits that failures have opened, and about calls that were seen elsewhere.

use countersign_core::command::{AboutCircuit, Observe, ObservedCall};
use countersign_core::policy::Value;
use countersign_core::record::ActorKind;
use countersign_core::{Command, Refusal};

use super::{Run, list, plain, span, text};
use crate::by;

impl Run {
    /// Does what a word about limits says; `None` if it is none.
    pub(super) fn of_limits(&mut self, word: &str, value: &Value) -> Option<Result<(), Refusal>> {
        match word {
            "close_circuit" => {}
            "observe" => return Some(self.observe(value)),
            _ => return None,
        }
        let ask = AboutCircuit {
            circuit: text(value, "circuit").as_str().into(),
            limit: text(value, "limit").as_str().into(),
        };
        let who = by(ActorKind::User, &text(value, "by"));
        let (answer, _) = self.world.give(who, Command::CloseCircuit(Box::new(ask), None));
        Some(crate::outcome_of(answer))
    }

    /// A source tells what it has seen.
    fn observe(&mut self, value: &Value) -> Result<(), Refusal> {
        let number = |call: &Value, word: &str| call.get(word).map(plain).and_then(|number| number.parse().ok());
        let now = self.world.now;
        let call = |call: &Value| ObservedCall {
            agent: text(call, "agent").as_str().into(),
            at: now - span(&text(call, "ago")).unwrap_or_default(),
            count: number(call, "count").unwrap_or(1),
            id: number(call, "id").expect("a call has a number"),
            tool: text(call, "tool").as_str().into(),
        };
        let ask = Observe {
            calls: list(value.get("calls")).iter().map(call).collect(),
            source: text(value, "source").as_str().into(),
        };
        let (answer, _) = self
            .world
            .give(by(ActorKind::User, "alex"), Command::Observe(Box::new(ask)));
        crate::outcome_of(answer)
    }

    /// What of the calls that were seen elsewhere is governed: `agent tool governed/observed`.
    pub(super) fn coverage(&self) -> Vec<String> {
        let coverage = self.world.state.coverage(self.world.now);
        let pair = |pair: &countersign_core::state::Covered| {
            format!("{} {} {}/{}", pair.agent, pair.tool, pair.governed, pair.observed)
        };
        coverage.pairs.iter().map(pair).collect()
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
