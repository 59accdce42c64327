//! Steps about the inventory: agents, tools, and who guards what.

use countersign_core::Command;
use countersign_core::event::AgentRegistered;
use countersign_policy::Value;

use super::{Run, plain, text};

impl Run {
    /// Registers a known agent anew, in another team.
    pub(super) fn move_agent(&mut self, value: &Value) {
        let id = text(value, "agent");
        let known = self.world.state.agents().get(id.as_str()).expect("a known agent");
        let agent = AgentRegistered {
            agent: id,
            labels: known.labels.clone(),
            owner: known.owner.clone(),
            team: value.get("team").map(plain),
        };
        self.world.done(Command::RegisterAgent(Box::new(agent), None));
    }
}
