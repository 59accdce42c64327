//! Revisions of a request in a world: a reviewer makes less of it, or the agent wants something else.

use std::collections::BTreeMap;

use countersign_core::command::{Edit, Revise, Vote};
use countersign_core::event::Verb;
use countersign_core::ids::ActionId;
use countersign_core::narrow::with_changes;
use countersign_core::policy::{Action, Value, json};
use countersign_core::record::ActorKind;
use countersign_core::stored::{stored_action, stored_salt};
use countersign_core::{ActionView, Command, Refusal};

use crate::{World, by, outcome_of};

impl World {
    /// A person approves less than what the request shows; `None` takes a member away.
    pub fn edit(
        &mut self,
        user: &str,
        action: ActionId,
        places: &BTreeMap<String, Option<Value>>,
    ) -> Result<(), Refusal> {
        let view = self.view(action);
        let before = self.kept(&view)?;
        let salt = self.payload(view.form()).and_then(|payload| stored_salt(&payload.body));
        let edited = with_changes(&before, places)?;
        self.cast_edit(user, view, before, salt.unwrap_or_default(), &edited)
    }

    /// The same with an action of one's choice in place of what it was.
    pub fn edit_to(&mut self, user: &str, action: ActionId, body: &str) -> Result<(), Refusal> {
        let view = self.view(action);
        let before = self.kept(&view)?;
        let salt = self.payload(view.form()).and_then(|payload| stored_salt(&payload.body));
        let edited = self.submission(&view.decision.agent, body)?.action;
        self.cast_edit(user, view, before, salt.unwrap_or_default(), &edited)
    }

    fn cast_edit(
        &mut self,
        user: &str,
        view: ActionView,
        before: Action,
        salt: [u8; 16],
        edited: &Action,
    ) -> Result<(), Refusal> {
        let approval = view.approval.as_ref().expect("a request was opened").opened.clone();
        let submit = self.submission(&view.decision.agent, &body_of(edited))?;
        let vote = Vote {
            assertion: self.signed(),
            approval: approval.approval,
            user: user.to_owned(),
            verb: Verb::Edit,
            digest: approval.digest,
            snapshot: view.decided_under().map(|hash| hash.to_string()).unwrap_or_default(),
            comment: None,
            to: None,
            presentation: self.shown_to(user, approval.approval),
            batch: None,
            action: Some(Box::new(before)),
            view: Some(Box::new(view)),
            via: None,
            edit: Some(Box::new(Edit {
                submit,
                salt,
                completed: approval.missing,
            })),
        };
        outcome_of(self.give(by(ActorKind::User, user), Command::Vote(Box::new(vote))).0)
    }

    /// The agent wants these fields otherwise than the request shows them.
    pub fn revise(&mut self, action: ActionId, fields: &BTreeMap<String, Value>) -> Result<(), Refusal> {
        let view = self.view(action);
        let before = self.kept(&view)?;
        let Value::Map(mut wanted) = countersign_core::action::to_value(&before) else {
            return Err(Refusal::missing("action", action));
        };
        wanted.extend(fields.clone());
        let mut body = String::new();
        json::to_json(&Value::Map(wanted), &mut body);
        let opened = view.approval.as_ref().expect("a request was opened").opened.clone();
        let revise = Revise {
            approval: opened.approval,
            completed: opened.missing,
            submit: self.submission(&view.decision.agent, &body)?,
            before: Some(Box::new(before)),
        };
        let agent = by(ActorKind::Agent, &view.decision.agent);
        outcome_of(self.give(agent, Command::Revise(Box::new(revise))).0)
    }

    /// The same, if it can be read: redaction may have replaced what an action is nothing without.
    fn kept(&self, view: &ActionView) -> Result<Action, Refusal> {
        let payload = self.payload(view.form());
        let kept = payload.and_then(|payload| stored_action(&payload.body));
        kept.ok_or_else(|| Refusal::missing("stored form of action", view.decision.action_id))
    }

    /// The stored form of an action as it stands.
    pub fn as_it_stands(&self, view: &ActionView) -> Action {
        let payload = self.payload(view.form()).expect("an action lies beside its record");
        stored_action(&payload.body).expect("a stored form")
    }
}

/// The body that would submit an action.
pub fn body_of(action: &Action) -> String {
    let mut body = String::new();
    json::to_json(&countersign_core::action::to_value(action), &mut body);
    body
}
