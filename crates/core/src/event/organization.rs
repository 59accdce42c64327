//! What people change about who is there: absences, and overrides of schedules.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{AbsenceId, OverrideId};
use crate::time::Time;

/// `absence.recorded`: somebody is not asked for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AbsenceRecorded {
    /// Its id.
    pub absence: AbsenceId,
    /// Who said so.
    pub by: String,
    /// Who stands in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delegate: Option<String>,
    /// From when on.
    pub from: Time,
    /// Until when.
    pub to: Time,
    /// Who is absent.
    pub user: String,
}

/// `absence.withdrawn`: somebody is there after all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AbsenceWithdrawn {
    /// The absence.
    pub absence: AbsenceId,
    /// Who said so.
    pub by: String,
}

/// `override.recorded`: somebody is on who would not be by the schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OverrideRecorded {
    /// Who said so.
    pub by: String,
    /// From when on.
    pub from: Time,
    /// Its id.
    pub r#override: OverrideId,
    /// Only where this person would be on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// The schedule.
    pub schedule: String,
    /// Until when.
    pub to: Time,
    /// Who is on.
    pub user: String,
}

/// `override.withdrawn`: the schedule holds again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OverrideWithdrawn {
    /// Who said so.
    pub by: String,
    /// The override.
    pub r#override: OverrideId,
}
