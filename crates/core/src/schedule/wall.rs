//! Local wall time and instants: turns, hours of the day, and where either may change.
//!
//! A hand-over at a wall time that a change of the clock leaves out happens later by what was left out; at one that
//! occurs twice, the first time. Hours hold whenever the wall clock shows them.

use std::collections::BTreeSet;

use countersign_policy::{Hours, Layer};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::time::Time;

/// After every instant that a clock can show.
const NEVER: Time = Time(i64::MAX);

/// One person's turn in a layer.
pub(super) struct Turn<'a> {
    pub(super) person: &'a str,
    /// The hand-over that ends it.
    pub(super) to: Time,
}

/// What the wall clock shows.
pub(crate) fn wall(zone: &TimeZone, at: Time) -> DateTime {
    let edge = if at.0 < 0 { Timestamp::MIN } else { Timestamp::MAX };
    zone.to_datetime(Timestamp::from_microsecond(at.0).unwrap_or(edge))
}

/// When the wall clock shows it, or would.
pub(crate) fn instant(zone: &TimeZone, wall: DateTime) -> Time {
    zone.to_timestamp(wall).map_or(NEVER, |at| Time(at.as_microsecond()))
}

/// The turn of a layer at an instant, without regard to its hours.
pub(super) fn turn<'a>(layer: &'a Layer, zone: &TimeZone, at: Time) -> Option<Turn<'a>> {
    let every = i64::from(layer.every_days);
    let hand_over = |number: i64| -> Time {
        let days = number.saturating_mul(every).min(4_000_000);
        let wall = layer.starts.checked_add(days.days());
        wall.map_or(NEVER, |wall| instant(zone, wall))
    };
    if at < hand_over(0) || layer.ends.is_some_and(|ends| at >= instant(zone, ends)) {
        return None;
    }
    let days = wall(zone, at)
        .date()
        .since((jiff::Unit::Day, layer.starts.date()))
        .ok()?;
    // Off by one where it is earlier in the day than the hand-over, or the hand-over was moved.
    let mut number = (i64::from(days.get_days()) / every + 1).max(0);
    while number > 0 && hand_over(number) > at {
        number -= 1;
    }
    let place = usize::try_from(number).ok()?.checked_rem(layer.people.len())?;
    Some(Turn {
        person: layer.people.get(place)?,
        to: hand_over(number + 1),
    })
}

/// The turn of a layer at an instant, if the layer applies then.
pub(super) fn turn_that_applies<'a>(layer: &'a Layer, zone: &TimeZone, at: Time) -> Option<Turn<'a>> {
    let now = wall(zone, at);
    let applies = layer.only.is_empty() || layer.only.iter().any(|hours| hours.hold(now, |_holiday| false));
    applies.then(|| turn(layer, zone, at)).flatten()
}

/// Adds every instant between two at which hours may begin or end, and some at which they do not.
pub(super) fn add_edges<'h>(
    hours: impl Iterator<Item = &'h Hours> + Clone,
    zone: &TimeZone,
    from: Time,
    to: Time,
    edges: &mut BTreeSet<Time>,
) {
    // A change of the clock may skip a beginning or an end.
    let first = Timestamp::from_microsecond(from.0).unwrap_or(Timestamp::MAX);
    let changes = zone
        .following(first)
        .map(|change| Time(change.timestamp().as_microsecond()));
    edges.extend(changes.take_while(|change| *change < to));
    let last = wall(zone, to).date();
    let mut day = wall(zone, from).date();
    while day <= last {
        for minute in hours.clone().flat_map(|hours| [hours.from, hours.to]) {
            let Ok(wall) = day
                .to_datetime(jiff::civil::Time::midnight())
                .checked_add(i64::from(minute).minutes())
            else {
                continue;
            };
            // A wall time that occurs twice is an edge both times.
            let both = zone.to_ambiguous_timestamp(wall);
            let both = [both.earlier(), both.later()];
            edges.extend(both.into_iter().flatten().map(|at| Time(at.as_microsecond())));
        }
        match day.tomorrow() {
            Ok(next) => day = next,
            Err(_) => break,
        }
    }
}
