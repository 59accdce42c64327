//! Schedules, routes, absences and overrides on the wire.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bounded::{Id, Moment, Text};

/// Who is on, and why.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OnCallAnswer {
    /// The schedule.
    pub schedule: String,
    /// At this instant.
    pub at: String,
    /// Who is on; `null` in a gap.
    pub person: Option<String>,
    /// One sentence.
    pub because: String,
}

/// A schedule of the live policy.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ScheduleAnswer {
    /// Its name.
    pub name: String,
    /// IANA name of the zone of every time in it.
    pub zone: Option<String>,
    /// Whoever has turns in it, by name.
    pub people: Vec<String>,
    /// Who is on now; `null` in a gap.
    pub person: Option<String>,
    /// Why, in one sentence.
    pub because: String,
}

/// The schedules of the live policy.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SchedulesAnswer {
    /// When this was so.
    pub at: String,
    /// By name.
    pub schedules: Vec<ScheduleAnswer>,
}

/// A span of time.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SpanAnswer {
    /// Its beginning.
    pub from: String,
    /// Its end.
    pub to: String,
}

/// A span of time in which one person is on.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ShiftAnswer {
    /// Its beginning.
    pub from: String,
    /// Its end.
    pub to: String,
    /// Who is on.
    pub person: String,
    /// Why, at its beginning.
    pub because: String,
}

/// For how long one person is on.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ShareAnswer {
    /// The person.
    pub person: String,
    /// Seconds.
    pub seconds: i64,
}

/// What a schedule comes to over the next days.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ForecastAnswer {
    /// The schedule.
    pub schedule: String,
    /// From now on.
    pub from: String,
    /// Until then.
    pub to: String,
    /// When nobody is on.
    pub gaps: Vec<SpanAnswer>,
    /// How the time is shared, by person.
    pub shares: Vec<ShareAnswer>,
    /// Who is on from when until when, in order.
    pub shifts: Vec<ShiftAnswer>,
}

/// People to choose from, and how many it takes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RouteSlotAnswer {
    /// Alternatives.
    pub to: Vec<String>,
    /// How many of their people; `null`: one of each name.
    pub count: Option<u32>,
}

/// One step of a route.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RouteStepAnswer {
    /// All have to be filled, by a person each.
    pub slots: Vec<RouteSlotAnswer>,
    /// How long it takes, milliseconds; `null`: until the deadline.
    pub within_ms: Option<i64>,
    /// `timeout`: asked when the step before was not decided in time. `approved`: when the step before has approved.
    pub when: String,
    /// How often it is asked again.
    pub repeat: u32,
    /// How many teams the voters have to come from.
    pub min_distinct_teams: u32,
    /// Names, one of whose people has to be among the voters.
    pub must_include: Vec<String>,
    /// So many rejections reject.
    pub reject_after: u32,
}

/// A route of the live policy.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RouteAnswer {
    /// Its name.
    pub name: String,
    /// In order.
    pub steps: Vec<RouteStepAnswer>,
    /// Soft limit, milliseconds.
    pub sla_ms: Option<i64>,
    /// Hard limit, milliseconds.
    pub deadline_ms: Option<i64>,
    /// How long an approval may be used, milliseconds.
    pub valid_for_ms: Option<i64>,
    /// `reject`, `hold` or `safe_fallback`.
    pub on_exhausted: String,
    /// The safer action that is offered.
    pub safe_fallback: Option<String>,
    /// Who may not decide.
    pub separation_of_duties: Vec<String>,
    /// Who is asked when a step reaches nobody; empty: the admins.
    pub fallback: Vec<String>,
    /// In whose hours the soft limit runs.
    pub business_hours: Option<String>,
}

/// The routes of the live policy.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RoutesAnswer {
    /// By name.
    pub routes: Vec<RouteAnswer>,
}

/// Somebody is not there for a while.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AbsenceBody {
    /// Who; left out: the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// From when on.
    pub from: Moment,
    /// Until when.
    pub to: Moment,
    /// Who stands in; then for 30 days at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delegate: Option<Id>,
}

/// An absence that has not ended.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AbsenceAnswer {
    /// Its id.
    pub id: String,
    /// Who.
    pub user: String,
    /// From when on.
    pub from: String,
    /// Until when.
    pub to: String,
    /// Who stands in.
    pub delegate: Option<String>,
}

/// Absences that have not ended, oldest first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AbsencesAnswer {
    /// All of them.
    pub absences: Vec<AbsenceAnswer>,
}

/// Somebody is on who would not be by the schedule.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OverrideBody {
    /// The schedule.
    pub schedule: Text<256>,
    /// Who is on; left out: the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// From when on.
    pub from: Moment,
    /// Until when.
    pub to: Moment,
    /// Only where this person would be on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Id>,
}

/// An override that has not ended.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OverrideAnswer {
    /// Its id.
    pub id: String,
    /// The schedule.
    pub schedule: String,
    /// Who is on.
    pub user: String,
    /// From when on.
    pub from: String,
    /// Until when.
    pub to: String,
    /// Only where this person would be on.
    pub replaces: Option<String>,
}

/// Overrides that have not ended, oldest first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OverridesAnswer {
    /// All of them.
    pub overrides: Vec<OverrideAnswer>,
}
