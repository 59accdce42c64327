//! What the result of an action may let out: what output rules ask for, added up.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is done about something that is found. Ordered from loose to strict: the strictest of several wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Treatment {
    /// It passes, and is counted.
    Flag,
    /// It is replaced in its place.
    Redact,
    /// The whole result is kept back.
    Withhold,
}

impl Treatment {
    /// The wire name.
    pub fn as_str(self) -> &'static str {
        match self {
            Treatment::Flag => "flag",
            Treatment::Redact => "redact",
            Treatment::Withhold => "withhold",
        }
    }
}

/// What is done about one kind of thing, and who says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Handled {
    /// `document#rule` that asks for it.
    pub rule: String,
    /// What is done.
    pub treatment: Treatment,
}

/// The longest result that may be let out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MostBytes {
    /// So many bytes of JSON.
    pub bytes: u32,
    /// `document#rule` that asks for it.
    pub rule: String,
}

/// Nothing of the result is let out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Withheld {
    /// `document#rule` that asks for it.
    pub rule: String,
    /// Why, in words.
    pub why: String,
}

/// What all output rules that hold for an action ask for together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outputs {
    /// What is looked for, and what is done about it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kinds: BTreeMap<String, Handled>,
    /// A longer result is withheld.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<MostBytes>,
    /// The result is withheld whatever it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<Withheld>,
}

/// Takes theirs in place of ours, where that is less or ours is not there.
fn lower<T: Ord + Clone>(ours: &mut Option<T>, theirs: Option<&T>) {
    if let Some(theirs) = theirs.filter(|theirs| ours.as_ref().is_none_or(|ours| *theirs < ours)) {
        *ours = Some(theirs.clone());
    }
}

impl Outputs {
    /// Nothing is asked for: results pass as they are.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty() && self.max_bytes.is_none() && self.withheld.is_none()
    }

    /// Adds what others ask for: the stricter of both. In whatever order they come, the same comes of it; of two rules that ask
    /// for the same, the first one by name is the one that is named.
    pub fn merge(&mut self, other: &Outputs) {
        for (kind, theirs) in &other.kinds {
            let yields = |ours: &Handled| {
                (theirs.treatment, std::cmp::Reverse(&theirs.rule)) > (ours.treatment, std::cmp::Reverse(&ours.rule))
            };
            if self.kinds.get(kind).is_none_or(yields) {
                self.kinds.insert(kind.clone(), theirs.clone());
            }
        }
        lower(&mut self.max_bytes, other.max_bytes.as_ref());
        lower(&mut self.withheld, other.withheld.as_ref());
    }

    /// The kinds about which this is done, sorted.
    pub fn kinds_to(&self, treatment: Treatment) -> impl Iterator<Item = &str> {
        let named = self
            .kinds
            .iter()
            .filter(move |(_, handled)| handled.treatment == treatment);
        named.map(|(kind, _)| kind.as_str())
    }

    /// What is asked for, in words: `redact card, iban; withhold api_key; withhold beyond 100 bytes`.
    pub fn words(&self) -> String {
        let mut parts = Vec::new();
        for treatment in [Treatment::Flag, Treatment::Redact, Treatment::Withhold] {
            let kinds: Vec<&str> = self.kinds_to(treatment).collect();
            if !kinds.is_empty() {
                parts.push(format!("{} {}", treatment.as_str(), kinds.join(", ")));
            }
        }
        parts.extend(
            self.max_bytes
                .as_ref()
                .map(|most| format!("withhold beyond {} bytes", most.bytes)),
        );
        parts.extend(self.withheld.as_ref().map(|_| "withhold all".to_owned()));
        parts.join("; ")
    }
}
