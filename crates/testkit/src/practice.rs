//! Requests in a world that cannot come to anything.

use countersign_core::command::{Practise, PractiseDue};
use countersign_core::event::PracticeKind;
use countersign_core::{ActionView, ActorKind, Answer, Command, Refusal, Time};

use crate::{World, by};

impl World {
    /// When the live policy has a drill or a canary due next.
    pub fn next_practice(&self) -> Option<Time> {
        let next = self.state.next_practice(self.live(), &self.key, self.now)?;
        Some(next.1.at)
    }

    /// Asks what the live policy has due.
    pub(crate) fn practise_what_is_due(&mut self) {
        let next = self.state.next_practice(self.live(), &self.key, self.now);
        let (cadence, draw) = next.expect("something is due");
        let action = cadence.actions[draw.action].clone();
        let due = PractiseDue {
            cadence: cadence.name.to_string(),
            action: draw.action,
            submit: self
                .submission_of(&cadence.agent, action)
                .map_err(|refusal| refusal.code),
        };
        self.done(Command::PractiseDue(Box::new(due)));
    }

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
