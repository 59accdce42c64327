//! Requests in a world that cannot come to anything.

use countersign_core::command::Practise;
use countersign_core::event::PracticeKind;
use countersign_core::{ActionView, ActorKind, Answer, Command, Refusal};

use crate::{World, by};

impl World {
    /// Makes a request that cannot come to anything, in an agent's name.
    pub fn practise(&mut self, who: &str, kind: PracticeKind, agent: &str, body: &str) -> Result<ActionView, Refusal> {
        let reason = countersign_core::stored::store_value(
            &countersign_core::policy::Value::Map(Default::default()),
            &self.redactor,
            &Default::default(),
            [3; 32],
            "default",
        );
        let ask = Practise {
            kind,
            submit: self.submission(agent, body)?,
            reason: reason.0,
        };
        match self.give(by(ActorKind::User, who), Command::Practise(Box::new(ask))) {
            (Answer::Done, records) => Ok(ActionView::fold(&records).expect("a practice leaves a decision")),
            (Answer::Refused(refusal), _) => Err(refusal),
            (Answer::Replayed(_), _) => panic!("no idempotency key was given"),
        }
    }
}
