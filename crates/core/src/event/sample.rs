//! Records of the weekly sample.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::ids::ActionId;
use crate::week::Week;

/// `sample.drawn`: somebody looks at an action that has run, once its week is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SampleDrawn {
    /// The action.
    pub action_id: ActionId,
    /// Who acted.
    pub agent: Arc<str>,
    /// The operation.
    pub operation: String,
    /// The share that is drawn, basis points.
    pub share: u32,
    /// It counted as a success.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub succeeded: bool,
    /// The week.
    pub week: Week,
    /// Within what time somebody looks once the week is over, seconds.
    pub within_s: i64,
}

/// `sample.revealed`: a week is over; with its key everybody can draw again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SampleRevealed {
    /// How many were drawn.
    pub drawn: u32,
    /// The key of the week. It tells nothing about the key of another one.
    pub key: Digest,
    /// How many took part.
    pub of: u32,
    /// The week.
    pub week: Week,
}
