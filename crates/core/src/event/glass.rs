//! Records of breaking the glass: a named person lets an action through at once, and loses that right.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{ActionId, ApprovalId, ReviewId};
use crate::time::Time;

/// `glass.broken`: a person let an action through that waited for others; the reason is the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GlassBroken {
    /// The action.
    pub action_id: ActionId,
    /// The request.
    pub approval: ApprovalId,
    /// Until when it counts against the person's quota.
    pub counts_until: Time,
    /// What the person says it is for.
    pub incident: String,
    /// The look at it that is owed.
    pub review: ReviewId,
    /// Who.
    pub user: String,
}

/// Why somebody may not break the glass any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SuspendedFor {
    /// Whoever looked found that it was wrong.
    Faulty,
    /// Nobody looked in time.
    Overdue,
}

impl SuspendedFor {
    /// The wire name.
    pub fn as_str(self) -> &'static str {
        match self {
            SuspendedFor::Faulty => "faulty",
            SuspendedFor::Overdue => "overdue",
        }
    }
}

/// `glass.suspended`: a person may not break the glass until an admin says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GlassSuspended {
    /// The look that came to nothing good.
    pub review: ReviewId,
    /// Who.
    pub user: String,
    /// Why.
    pub why: SuspendedFor,
}

/// `glass.restored`: a person may break the glass again; the reason is the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GlassRestored {
    /// Who said so.
    pub by: String,
    /// Who.
    pub user: String,
}
