//! Windows of budgets: calendar days, weeks and months as the wall clock of a zone shows them.

use countersign_policy::{Budget, Per, time_zone};
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::RUN_SPAN;
use crate::schedule::{instant, wall};
use crate::time::Time;

/// The window of a budget that `now` lies in: when it began, and when the next one begins.
pub(super) fn window(budget: &Budget, zone: &str, now: Time) -> (Time, Time) {
    if budget.per() == Per::Task {
        return (now, now + RUN_SPAN);
    }
    match budget.zone() {
        Some(zone) => within(budget.per(), zone, now),
        None => within(budget.per(), &time_zone(zone).unwrap_or(TimeZone::UTC), now),
    }
}

fn within(per: Per, zone: &TimeZone, now: Time) -> (Time, Time) {
    let today = wall(zone, now).date();
    let back = i64::from(today.weekday().to_monday_zero_offset());
    let (first, next) = match per {
        Per::Day | Per::Task => (Ok(today), today.tomorrow()),
        Per::Week => (today.checked_sub(back.days()), today.checked_add((7 - back).days())),
        Per::Month => {
            let first = today.first_of_month();
            (Ok(first), first.checked_add(1.month()))
        }
    };
    let begin = |date: Result<Date, jiff::Error>| {
        let midnight = date.map(|date| date.to_datetime(jiff::civil::Time::midnight()));
        midnight.map_or(Time(i64::MAX), |midnight| instant(zone, midnight))
    };
    // Where the clock is set back over midnight, the day that it goes back to has begun already.
    (begin(first).min(now), begin(next))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn hours(per: Per, zone: &str, now: &str) -> i64 {
        let (from, until) = within(per, &time_zone(zone).unwrap(), now.parse().unwrap());
        (until - from).as_seconds() / 3600
    }

    #[test]
    fn a_day_has_as_many_hours_as_the_wall_clock_shows() {
        assert_eq!(hours(Per::Day, "Europe/Berlin", "2026-03-29T10:00:00Z"), 23);
        assert_eq!(hours(Per::Day, "Europe/Berlin", "2026-10-25T10:00:00Z"), 25);
        assert_eq!(hours(Per::Day, "Asia/Kolkata", "2026-10-25T10:00:00Z"), 24);
        assert_eq!(hours(Per::Week, "Europe/Berlin", "2026-10-25T10:00:00Z"), 169);
        assert_eq!(hours(Per::Month, "America/New_York", "2026-11-27T00:00:00Z"), 721);
    }

    #[test]
    fn every_instant_of_two_years_lies_in_its_window_and_windows_follow_each_other() {
        for name in [
            "Europe/Berlin",
            "Africa/Cairo",
            "America/Havana",
            "Asia/Beirut",
            "Australia/Lord_Howe",
            "UTC",
        ] {
            let zone = time_zone(name).unwrap();
            for per in [Per::Day, Per::Week, Per::Month] {
                let mut at: Time = "2025-01-01T00:00:00Z".parse().unwrap();
                let end: Time = "2027-01-01T00:00:00Z".parse().unwrap();
                while at < end {
                    let (from, until) = within(per, &zone, at);
                    assert!(from <= at && at < until, "{name} {per:?} {at}");
                    let (next, _) = within(per, &zone, until);
                    assert_eq!(next, until, "{name} {per:?} {at}");
                    at = Time(until.0 - 1);
                    assert_eq!(within(per, &zone, at), (from, until), "{name} {per:?} {at}");
                    at = until;
                }
            }
        }
    }
}
