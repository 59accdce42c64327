//! The weekly sample of what has run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::autonomy::FindingWord;

/// An action that was drawn.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SampledAction {
    /// The action.
    pub action: String,
    /// Who acted.
    pub agent: String,
    /// The operation.
    pub operation: String,
    /// The look at it.
    pub review: String,
    /// Until when somebody should look.
    pub due: String,
    /// What was found; absent while nobody has looked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finding: Option<FindingWord>,
    /// Who found it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// The sample of one week.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SampleAnswer {
    /// The week, as in `2026-W48`, by the wall clock of the organization.
    pub week: String,
    /// When it is over, and somebody is asked to look.
    pub ends: String,
    /// How many actions took part.
    pub of: u32,
    /// How many of them were drawn.
    pub drawn: u32,
    /// How many of these nobody has looked at.
    pub open: u32,
    /// How many of these were found faulty.
    pub faulty: u32,
    /// The key of the week, which is told once it is over: with it everybody can draw again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What was drawn, by action, the first 1000; empty until the week is over.
    pub actions: Vec<SampledAction>,
}
