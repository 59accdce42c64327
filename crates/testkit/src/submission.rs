//! Actions as their agents ask for them in a world.

use countersign_core::Refusal;
use countersign_core::action::receive;
use countersign_core::command::Submit;
use countersign_core::digest::action_digest;
use countersign_core::redact::Kinds;
use countersign_core::retention::{DEFAULT_CLASS, agent_subject};
use countersign_core::state::Ruling;
use countersign_core::stored::{about, attempt, store_action};
use countersign_policy::Value;

use crate::World;

impl World {
    /// The command that submits an action.
    pub fn submission(&self, agent: &str, body: &str) -> Result<Submit, Refusal> {
        let value = countersign_policy::json::parse(body.as_bytes(), &Default::default()).expect("the body is JSON");
        self.submission_of(agent, value)
    }

    /// The same of a value.
    pub(crate) fn submission_of(&self, agent: &str, value: Value) -> Result<Submit, Refusal> {
        let received = receive(value)?;
        let kinds = Kinds::of(self.live(), agent);
        let mandate = self.live().and_then(|live| live.mandate(agent));
        let class = mandate.and_then(|mandate| mandate.retention()).unwrap_or(DEFAULT_CLASS);
        let digest = action_digest(&self.key, "acme", agent, &received.action, None);
        let stored = store_action(&received.action, &digest, &self.redactor, &kinds, [9; 32], class);
        let subject = match received.action.principal.as_deref() {
            Some(principal) => self.subject(principal),
            None => self.subject(&agent_subject(agent)),
        };
        let step = received.action.step.as_deref();
        let step = step.map(|step| self.key.step(agent, received.action.run.as_deref(), step));
        Ok(Submit {
            attempt: attempt(&stored.shown, step),
            digest,
            agent: agent.into(),
            verified: true,
            person: None,
            kinds,
            action: received.action,
            stored: about(stored.sealed, subject),
            redact: stored.redact,
            shown: stored.shown,
            callback_url: received.callback_url,
            accept_remedy: received.accept_remedy,
            practice: false,
        })
    }

    /// What would be decided of an action now. Nothing comes of it.
    pub fn preview(&self, submit: &Submit) -> Ruling {
        self.state
            .preview(submit, self.live(), &self.key, &self.redactor, self.now)
    }
}
