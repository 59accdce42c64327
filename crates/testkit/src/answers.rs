//! What an agent answers to those who decide.

use countersign_core::ids::ActionId;
use countersign_core::policy::Value;
use countersign_core::redact::Kinds;
use countersign_core::stored::store_value;
use countersign_core::{ActorKind, Command, Refusal};

use crate::{World, by, outcome_of};

impl World {
    /// The agent answers what it was asked.
    pub fn answer_question(&mut self, action: ActionId) -> Result<(), Refusal> {
        let view = self.view(action);
        let Some(approval) = view.approval else {
            return Err(Refusal::missing("request of action", action));
        };
        let value = Value::Map([("answer".to_owned(), Value::from("that one"))].into());
        let (stored, redact) = store_value(&value, &self.redactor, &Kinds::default(), [6; 32], "default");
        let command = Command::Answer {
            approval: approval.opened.approval,
            agent: view.decision.agent.clone(),
            parts: Vec::new(),
            stored,
            redact,
        };
        outcome_of(self.give(by(ActorKind::Agent, &view.decision.agent), command).0)
    }
}
