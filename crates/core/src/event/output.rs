//! What became of the result of an action by the output rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_policy::Outputs;
use countersign_policy::output::Treatment;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{is_false, is_zero};
use crate::ids::ActionId;

/// What was found in a result, and what was done about it: kinds and how many, never what it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Filtered {
    /// Parts that nobody could look into, such as images; they were kept back.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub blind: u32,
    /// What passed and is to be known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub flagged: BTreeMap<String, u32>,
    /// What was replaced in its place.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub redacted: BTreeMap<String, u32>,
    /// The whole result was kept back.
    #[serde(default, skip_serializing_if = "is_false")]
    pub whole: bool,
    /// That for which it was.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub withheld: BTreeMap<String, u32>,
}

impl Filtered {
    /// Nothing was done, and nothing is to be known.
    pub fn is_empty(&self) -> bool {
        *self == Filtered::default()
    }

    /// The same, as far as the rules of the action speak of it: whoever reports cannot add to them.
    #[must_use]
    pub fn by(mut self, outputs: &Outputs) -> Filtered {
        for counts in [&mut self.flagged, &mut self.redacted, &mut self.withheld] {
            counts.retain(|kind, count| *count > 0 && outputs.kinds.contains_key(kind));
        }
        if outputs.is_empty() {
            return Filtered::default();
        }
        self
    }

    /// The rules by which that was done, sorted.
    pub fn rules(&self, outputs: &Outputs) -> Vec<String> {
        let counts = [&self.flagged, &self.redacted, &self.withheld];
        let named = counts.into_iter().flat_map(BTreeMap::keys);
        let mut rules: Vec<String> = named
            .filter_map(|kind| outputs.kinds.get(kind))
            .map(|handled| handled.rule.clone())
            .collect();
        if self.blind > 0 {
            let looked_for = outputs.kinds.values().filter(|it| it.treatment > Treatment::Flag);
            rules.extend(looked_for.map(|handled| handled.rule.clone()));
        }
        if self.whole && self.withheld.is_empty() {
            rules.extend(outputs.max_bytes.iter().map(|most| most.rule.clone()));
            rules.extend(outputs.withheld.iter().map(|all| all.rule.clone()));
        }
        rules.sort();
        rules.dedup();
        rules
    }
}

/// Kinds and how many of them, in words: `2 × card, 1 × email`.
pub fn in_words(counts: &BTreeMap<String, u32>) -> String {
    let each: Vec<String> = counts.iter().map(|(kind, count)| format!("{count} × {kind}")).collect();
    each.join(", ")
}

/// `output.filtered`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutputFiltered {
    /// The action.
    pub action_id: ActionId,
    /// Who acted.
    pub agent: Arc<str>,
    /// What was found, and what was done about it.
    pub filtered: Filtered,
    /// The rules by which that was done, sorted: `document#rule`.
    pub rules: Vec<String>,
}
