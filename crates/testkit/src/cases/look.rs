//! The words of cases about looks at what has run, and about what was let through at once.

use countersign_core::command::{CloseReview, NewAbsence, Sealed};
use countersign_core::event::{Finding, PracticeKind};
use countersign_core::policy::{Value, json};
use countersign_core::record::ActorKind;
use countersign_core::redact::Redactor;
use countersign_core::stored::store_value;
use countersign_core::{Command, Refusal};

use super::{Run, plain, span, text};
use crate::by;

/// Words of a person, as they are kept.
fn sealed(value: &Value) -> Sealed {
    store_value(value, &Redactor::standard(), &Default::default(), [5; 32], "default").0
}

impl Run {
    /// Closes the oldest open review.
    pub(super) fn review(&mut self, value: &Value) -> Result<(), Refusal> {
        let user = text(value, "by");
        let ask = CloseReview {
            review: *self.world.state.reviews().keys().next().expect("an open review"),
            user: user.clone(),
            finding: if text(value, "finding") == "faulty" {
                Finding::Faulty
            } else {
                Finding::Fine
            },
            comment: value.get("comment").map(|_| sealed(value)),
        };
        self.give(&user, Command::CloseReview(Box::new(ask)))
    }

    pub(super) fn break_glass(&mut self, value: &Value) -> Result<(), Refusal> {
        let action = self.last.expect("an action was submitted");
        let kind = if text(value, "kind") == "agent" {
            ActorKind::Agent
        } else {
            ActorKind::User
        };
        let who = by(kind, &text(value, "by"));
        self.world.break_glass(who, action, &text(value, "incident"))
    }

    /// Somebody is not there from now on, for a while.
    pub(super) fn away(&mut self, value: &Value) -> Result<(), Refusal> {
        let from = self.world.now;
        let span = span(&text(value, "during")).expect("a span is a number and `s`, `m`, `h` or `d`");
        let new = NewAbsence {
            user: text(value, "user"),
            from,
            to: from + span,
            delegate: value.get("delegate").map(plain),
        };
        self.give(&text(value, "by"), Command::RecordAbsence(Box::new(new)))
    }

    /// Somebody makes a drill or a canary in an agent's name.
    pub(super) fn practise(&mut self, value: &Value) -> Result<(), Refusal> {
        let mut action = value.clone();
        let mut word = |name: &str| match &mut action {
            Value::Map(map) => map.remove(name).map(|word| plain(&word)).unwrap_or_default(),
            _ => String::new(),
        };
        let (who, agent, kind) = (word("by"), word("agent"), word("kind"));
        let kind = if kind == "canary" {
            PracticeKind::Canary
        } else {
            PracticeKind::Drill
        };
        let mut body = String::new();
        json::to_json(&action, &mut body);
        let view = self.world.practise(&who, kind, &agent, &body)?;
        self.last = Some(view.decision.action_id);
        Ok(())
    }

    pub(super) fn restore_glass(&mut self, value: &Value) -> Result<(), Refusal> {
        let command = Command::RestoreGlass {
            user: text(value, "user"),
            reason: sealed(value),
        };
        self.give(&text(value, "by"), command)
    }

    /// Shows the last action to somebody.
    pub(super) fn view_by(&mut self, value: &Value) -> Result<(), Refusal> {
        let action = self.last.expect("an action was submitted");
        self.world.show(&text(value, "by"), action, [7; 32])
    }

    pub(super) fn restore_reviewer(&mut self, value: &Value) -> Result<(), Refusal> {
        let command = Command::RestoreReviewer(text(value, "user"), sealed(value));
        self.give(&text(value, "by"), command)
    }

    /// What this week's sample has so far: `DRAWN of ALL`.
    pub(super) fn drawn(&self) -> String {
        let state = &self.world.state;
        let sample = state.open_sample(state.week(self.world.now));
        sample.map_or_else(
            || "0 of 0".to_owned(),
            |sample| format!("{} of {}", sample.drawn, sample.of),
        )
    }

    /// People who do not vote.
    pub(super) fn barred(&self) -> Vec<String> {
        self.world.state.reviewers().suspended.keys().cloned().collect()
    }

    /// People who may not break the glass.
    pub(super) fn suspended(&self) -> Vec<String> {
        self.world.state.glass().suspended.keys().cloned().collect()
    }

    fn give(&mut self, who: &str, command: Command) -> Result<(), Refusal> {
        crate::outcome_of(self.world.give(by(ActorKind::User, who), command).0)
    }
}
