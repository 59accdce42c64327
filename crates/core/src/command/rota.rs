//! What can be asked about who is there.

use crate::time::Time;

/// Somebody is not there for a while.
pub struct NewAbsence {
    /// Who.
    pub user: String,
    /// From when on.
    pub from: Time,
    /// Until when.
    pub to: Time,
    /// Who stands in; then for 30 days at most.
    pub delegate: Option<String>,
}

/// Somebody is on who would not be by the schedule.
pub struct NewOverride {
    /// The schedule.
    pub schedule: String,
    /// Who is on.
    pub user: String,
    /// From when on.
    pub from: Time,
    /// Until when.
    pub to: Time,
    /// Only where this person would be on.
    pub replaces: Option<String>,
}
