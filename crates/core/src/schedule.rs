//! Who is on: a pure function of a schedule, what people changed about it, and an instant.
//!
//! An override comes first, then the highest layer that applies, then nobody: a gap. Whoever is absent is replaced by the
//! delegate, or without one by whoever comes next. Delegates of delegates are not asked.

mod calendar;
mod forecast;
mod wall;

use countersign_policy::Schedule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::calendar::{LONGEST_WAIT, add_business, is_open};
pub use self::forecast::{LONGEST_FORECAST, Shift, fairness, gaps, shifts};
pub(crate) use self::wall::{instant, wall};
use crate::time::Time;

/// Somebody is on who would not be by the schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// From when on.
    pub from: Time,
    /// Only where this person would be on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// The schedule.
    pub schedule: String,
    /// Until when.
    pub to: Time,
    /// Who is on.
    pub user: String,
}

/// Somebody is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absence {
    /// Who stands in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegate: Option<String>,
    /// From when on.
    pub from: Time,
    /// Until when.
    pub to: Time,
    /// Who.
    pub user: String,
}

/// What people changed, oldest first: a later override wins over an earlier one.
#[derive(Clone, Debug, Default)]
pub struct Changes<'a> {
    /// Of any schedule.
    pub overrides: Vec<&'a Override>,
    /// Of anybody.
    pub absences: Vec<&'a Absence>,
}

/// Who is on, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OnCall {
    /// One sentence.
    pub because: String,
    /// Nobody in a gap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
}

impl Override {
    fn covers(&self, at: Time) -> bool {
        self.from <= at && at < self.to
    }
}

impl Absence {
    /// Whether it is in force.
    pub fn covers(&self, at: Time) -> bool {
        self.from <= at && at < self.to
    }
}

impl Changes<'_> {
    /// Whether somebody is absent.
    pub fn is_absent(&self, person: &str, at: Time) -> bool {
        self.absences
            .iter()
            .any(|absence| absence.user == person && absence.covers(at))
    }

    /// Who stands in for somebody who is absent: the delegate of the last absence that names one who is there.
    pub fn delegate(&self, person: &str, at: Time) -> Option<&str> {
        let mut absences = self.absences.iter().rev();
        absences.find_map(|absence| {
            let delegate = absence.delegate.as_deref()?;
            let stands_in = absence.user == person && absence.covers(at) && !self.is_absent(delegate, at);
            stands_in.then_some(delegate)
        })
    }
}

/// Who would be on, and why, the first choice first.
struct Candidate<'a> {
    person: &'a str,
    because: String,
}

/// Who is on at an instant.
pub fn who_is_on(schedule: &Schedule, changes: &Changes<'_>, at: Time) -> OnCall {
    let mut absent: Vec<String> = Vec::new();
    for candidate in candidates(schedule, changes, at) {
        let person = candidate.person;
        if !changes.is_absent(person, at) {
            absent.push(candidate.because);
            return on(person, absent);
        }
        if let Some(delegate) = changes.delegate(person, at) {
            absent.push(format!("{}, is absent, and `{delegate}` stands in", candidate.because));
            return on(delegate, absent);
        }
        absent.push(format!("{}, and is absent without a delegate", candidate.because));
    }
    absent.push(format!("nobody is on in `{}`", schedule.name));
    OnCall {
        because: absent.join("; "),
        person: None,
    }
}

fn on(person: &str, because: Vec<String>) -> OnCall {
    OnCall {
        because: because.join("; "),
        person: Some(person.to_owned()),
    }
}

fn candidates<'a>(schedule: &'a Schedule, changes: &Changes<'a>, at: Time) -> Vec<Candidate<'a>> {
    let of_schedule = |other: &&&'a Override| other.schedule == *schedule.name && other.covers(at);
    let overrides: Vec<&'a Override> = changes.overrides.iter().rev().filter(of_schedule).copied().collect();
    let mut all = Vec::new();
    let mut add = |person: &'a str, because: String| {
        let swap = overrides.iter().find(|other| other.replaces.as_deref() == Some(person));
        if let Some(swap) = swap {
            let because = format!("`{}` takes the turn of `{person}` in `{}`", swap.user, schedule.name);
            all.push(Candidate {
                person: &swap.user,
                because,
            });
        }
        all.push(Candidate { person, because });
    };
    for other in overrides.iter().filter(|other| other.replaces.is_none()) {
        add(
            &other.user,
            format!("`{}` is put on in `{}`", other.user, schedule.name),
        );
    }
    for (index, layer) in schedule.layers.iter().enumerate().rev() {
        if let Some(turn) = wall::turn_that_applies(layer, &schedule.zone, at) {
            let person = turn.person;
            let number = index + 1;
            add(
                person,
                format!("`{person}` has the turn in layer {number} of `{}`", schedule.name),
            );
        }
    }
    all
}
