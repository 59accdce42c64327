//! What a schedule comes to over a span of time: shifts, gaps, and how the time is shared.

use std::collections::{BTreeMap, BTreeSet};

use countersign_policy::Schedule;

use super::{Changes, wall, who_is_on};
use crate::time::{Span, Time};

/// A forecast looks no further than this.
pub const LONGEST_FORECAST: Span = Span::days(800);

/// A span of time in which one person is on, or nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shift {
    /// Its beginning.
    pub from: Time,
    /// Its end.
    pub to: Time,
    /// Who is on; nobody in a gap.
    pub person: Option<String>,
    /// Why, at its beginning.
    pub because: String,
}

/// Who is on from when until when: all of the span, without overlaps, in order.
pub fn shifts(schedule: &Schedule, changes: &Changes<'_>, from: Time, to: Time) -> Vec<Shift> {
    let to = to.min(from + LONGEST_FORECAST);
    let mut shifts: Vec<Shift> = Vec::new();
    if from >= to {
        return shifts;
    }
    let mut edges = edges(schedule, changes, from, to);
    edges.insert(from);
    for at in edges.range(from..to).copied() {
        let on = who_is_on(schedule, changes, at);
        if let Some(last) = shifts.last_mut() {
            if last.person == on.person {
                continue;
            }
            last.to = at;
        }
        shifts.push(Shift {
            from: at,
            to,
            person: on.person,
            because: on.because,
        });
    }
    shifts
}

/// Every instant at which somebody else may be on.
fn edges(schedule: &Schedule, changes: &Changes<'_>, from: Time, to: Time) -> BTreeSet<Time> {
    let mut edges = BTreeSet::new();
    for other in &changes.overrides {
        edges.extend([other.from, other.to]);
    }
    for absence in &changes.absences {
        edges.extend([absence.from, absence.to]);
    }
    for layer in &schedule.layers {
        let starts = wall::instant(&schedule.zone, layer.starts);
        edges.insert(starts);
        edges.extend(layer.ends.map(|ends| wall::instant(&schedule.zone, ends)));
        let mut at = starts.max(from);
        while at < to {
            let Some(turn) = wall::turn(layer, &schedule.zone, at) else {
                break;
            };
            edges.insert(turn.to);
            at = turn.to;
        }
    }
    let hours = schedule.layers.iter().flat_map(|layer| &layer.only);
    wall::add_edges(hours, &schedule.zone, from, to, &mut edges);
    edges
}

/// When nobody is on.
pub fn gaps(schedule: &Schedule, changes: &Changes<'_>, from: Time, to: Time) -> Vec<(Time, Time)> {
    let shifts = shifts(schedule, changes, from, to).into_iter();
    shifts
        .filter(|shift| shift.person.is_none())
        .map(|shift| (shift.from, shift.to))
        .collect()
}

/// For how long each person is on.
pub fn fairness(schedule: &Schedule, changes: &Changes<'_>, from: Time, to: Time) -> BTreeMap<String, Span> {
    let mut shares: BTreeMap<String, Span> = BTreeMap::new();
    for shift in shifts(schedule, changes, from, to) {
        if let Some(person) = shift.person {
            let share = shares.entry(person).or_default();
            share.0 = share.0.saturating_add((shift.to - shift.from).0);
        }
    }
    shares
}
