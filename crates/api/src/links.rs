//! What a person says by a link of one use.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bounded::{Hex64, Text};

/// What is done by a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ByLink {
    /// Opens the request.
    Read,
    /// Says yes.
    Approve,
    /// Says no; needs a comment.
    Reject,
}

/// The form of a link's page: `read`, or a decision on what was read.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideForm {
    /// What is done.
    pub what: ByLink,
    /// What the person says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub comment: Option<String>,
    /// The digest of the action that was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_digest: Option<Hex64>,
    /// The snapshot that was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Text<128>>,
    /// The hash of all that was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presentation_digest: Option<Hex64>,
}
