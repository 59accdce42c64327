//! Breaking the glass: who may let an action through at once, who did, and who may not any more.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bounded::{Id, Text};

/// What an action is let through for.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BreakGlassBody {
    /// The incident, as it is called elsewhere.
    pub incident: Id,
    /// Why the action cannot wait.
    pub reason: Text<4096>,
}

/// That a request was let through in place of those who were asked.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BrokenAnswer {
    /// Who did it.
    pub user: String,
    /// When.
    pub at: String,
    /// What for.
    pub incident: String,
    /// The look at it that is owed.
    pub review: String,
    /// Index of its record.
    pub index: u64,
}

/// The rules of the live policy; spans are seconds.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct GlassRules {
    /// Names of the people who may.
    pub who: Vec<String>,
    /// How long a permit is good.
    pub permit_s: i64,
    /// How often one person may.
    pub times: u32,
    /// Within which time.
    pub within_s: i64,
    /// Names of the people who look afterwards.
    pub review: Vec<String>,
    /// Within what time they look.
    pub review_within_s: i64,
}

/// A person who may break the glass, or may not any more.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct GlassPerson {
    /// Who.
    pub user: String,
    /// The live policy names this person.
    pub named: bool,
    /// How many uses count now.
    pub uses: u64,
    /// Since when the person may not any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspended_since: Option<String>,
    /// `faulty` or `overdue`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspended_for: Option<String>,
    /// The look that came to nothing good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review: Option<String>,
}

/// Who may break the glass, and who did.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct GlassAnswer {
    /// The rules; nothing where the live policy has none, and nobody may.
    pub rules: Option<GlassRules>,
    /// By name.
    pub people: Vec<GlassPerson>,
}

/// Who may break the glass again.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestoreGlassBody {
    /// Who.
    pub user: Id,
    /// Why.
    pub reason: Text<4096>,
}
