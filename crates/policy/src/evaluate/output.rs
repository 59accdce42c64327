//! What the output rules ask for of an action's result.

use super::Scene;
use super::tally::{Tally, one_line};
use crate::condition::Fuel;
use crate::output::{Outputs, Withheld};

/// Adds every output rule that is about the action and holds. One that cannot be evaluated keeps the result back.
pub(super) fn weigh(scene: &Scene<'_>, fuel: &mut Fuel, tally: &mut Tally) {
    if scene.snapshot.outputs.is_empty() {
        return;
    }
    let subject = scene.subject();
    for rule in &scene.snapshot.outputs {
        if let Some(hidden) = scene.hidden {
            for selector in &rule.on {
                selector.watch(&subject, hidden);
            }
        }
        if !rule.on.is_empty() && !rule.on.iter().any(|selector| selector.matches(&subject)) {
            continue;
        }
        let truth = match &rule.condition {
            None => Ok(true),
            Some(condition) => condition
                .eval(scene.facts, fuel)
                .map_err(|error| format!("`{}` cannot be evaluated: {error}", one_line(condition.source()))),
        };
        match truth {
            Ok(true) => tally.let_out(&rule.asks),
            Ok(false) => {}
            Err(why) => tally.let_out(&Outputs {
                withheld: Some(Withheld {
                    rule: rule.id.source(),
                    why,
                }),
                ..Outputs::default()
            }),
        }
    }
}
