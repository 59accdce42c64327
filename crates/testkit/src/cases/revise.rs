//! The words of cases about revisions.

use std::collections::BTreeMap;

use countersign_core::Refusal;
use countersign_core::policy::{Value, json};

use super::{Run, list, plain, text};

impl Run {
    /// `by` approves less of the last action: `set` says what is to be where, `remove` what is to go.
    pub(super) fn edit(&mut self, value: &Value) -> Result<(), Refusal> {
        let action = self.action(value);
        let set = value.get("set").and_then(Value::as_map).cloned().unwrap_or_default();
        let mut places: BTreeMap<String, Option<Value>> =
            set.into_iter().map(|(place, value)| (place, Some(value))).collect();
        places.extend(list(value.get("remove")).iter().map(|place| (plain(place), None)));
        match value.get("to") {
            Some(other) => {
                let mut body = String::new();
                json::to_json(other, &mut body);
                self.world.edit_to(&text(value, "by"), action, &body)
            }
            None => self.world.edit(&text(value, "by"), action, &places),
        }
    }

    /// The agent wants these fields of the last action otherwise.
    pub(super) fn revise(&mut self, value: &Value) -> Result<(), Refusal> {
        let fields = value.as_map().cloned().unwrap_or_default();
        self.world.revise(self.last.expect("an action was submitted"), &fields)
    }

    /// The arguments of the last action as it stands, as JSON.
    pub(super) fn args(&self) -> String {
        let mut args = String::new();
        json::to_json(&self.world.as_it_stands(&self.view()).args, &mut args);
        args
    }
}
