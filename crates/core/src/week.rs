//! Weeks of the sample: their names, their keys, and the draw.
//!
//! Each week has a key of its own, made from the organization's digest key. Whoever is given it can draw that week again,
//! and learns nothing about another week.

use std::fmt;
use std::str::FromStr;

use countersign_policy::time_zone;
use jiff::civil::{ISOWeekDate, Weekday};
use jiff::tz::TimeZone;
use jiff::{ToSpan, civil};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::{Digest, DigestKey};
use crate::ids::ActionId;
use crate::schedule::{instant, wall};
use crate::time::Time;

/// All of something, in basis points.
const ALL: u64 = 10_000;

/// A week from Monday to Sunday, written as ISO 8601 does: `2026-W48`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Week {
    year: i16,
    number: i8,
}

impl Week {
    /// The week that the wall clock of `zone` (IANA; unknown: UTC) shows.
    pub fn at(zone: &str, now: Time) -> Week {
        let zone = known(zone);
        let shown = wall(&zone, now).date().iso_week_date();
        Week {
            year: shown.year(),
            number: shown.week(),
        }
    }

    /// When the next week begins in `zone`.
    pub fn ends(self, zone: &str) -> Time {
        let monday = ISOWeekDate::new(self.year, self.number, Weekday::Monday).map(ISOWeekDate::date);
        let next = monday.and_then(|monday| monday.checked_add(7.days()));
        next.map_or(Time(i64::MAX), |next| {
            instant(&known(zone), next.to_datetime(civil::Time::midnight()))
        })
    }

    /// What a record of this week is looked up by.
    pub fn subject(self) -> u128 {
        let Digest(bytes) = Digest::tagged("countersign-week-v1", &[self.to_string().as_bytes()]);
        let mut half = [0; 16];
        half.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        u128::from_be_bytes(half)
    }

    /// The key of this week: `HMAC-SHA-256(digest key, "countersign-sample-v2" ‖ 0 ‖ week)`.
    pub fn key(self, of: &DigestKey) -> Digest {
        Digest(of.hmac(&[b"countersign-sample-v2\0", self.to_string().as_bytes()]))
    }
}

/// Whether an action is drawn with a week's key, of a share in basis points: the first four bytes of
/// `HMAC-SHA-256(key, "countersign-draw-v1" ‖ 0 ‖ id)`, as a fraction of all that they could be, are below the share.
pub fn draws(key: &Digest, id: ActionId, share: u32) -> bool {
    let [first, second, third, fourth, ..] =
        DigestKey::new(key.0).hmac(&[b"countersign-draw-v1\0", id.to_string().as_bytes()]);
    let drawn = u64::from(u32::from_be_bytes([first, second, third, fourth]));
    drawn * ALL < u64::from(share) << 32
}

fn known(zone: &str) -> TimeZone {
    time_zone(zone).unwrap_or(TimeZone::UTC)
}

impl fmt::Display for Week {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-W{:02}", self.year, self.number)
    }
}

/// The text is no week.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no week; write it as in `2026-W48`")]
pub struct WeekError(String);

impl FromStr for Week {
    type Err = WeekError;
    fn from_str(text: &str) -> Result<Self, WeekError> {
        let read = || {
            let (year, number) = text.split_once("-W")?;
            let week = ISOWeekDate::new(year.parse().ok()?, number.parse().ok()?, Weekday::Monday).ok()?;
            let week = Week {
                year: week.year(),
                number: week.week(),
            };
            (week.to_string() == text).then_some(week)
        };
        read().ok_or_else(|| WeekError(text.chars().take(80).collect()))
    }
}

impl Serialize for Week {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Week {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::read(deserializer, str::parse)
    }
}

impl schemars::JsonSchema for Week {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Week".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9]{4}-W[0-9]{2}$" })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::time::Span;

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    #[test]
    fn a_week_begins_at_midnight_of_monday_in_the_zone_of_the_organization() {
        // In Auckland it is Monday thirteen hours before it is in UTC.
        for (zone, last, first) in [
            ("UTC", "2026-11-29T23:59:59.999999Z", "2026-11-30T00:00:00Z"),
            (
                "Pacific/Auckland",
                "2026-11-29T10:59:59.999999Z",
                "2026-11-29T11:00:00Z",
            ),
            (
                "America/New_York",
                "2026-11-30T04:59:59.999999Z",
                "2026-11-30T05:00:00Z",
            ),
        ] {
            let (before, after) = (Week::at(zone, at(last)), Week::at(zone, at(first)));
            assert_eq!(
                (before.to_string(), after.to_string()),
                ("2026-W48".into(), "2026-W49".into()),
                "{zone}"
            );
            assert_eq!(before.ends(zone), at(first), "{zone}");
        }
    }

    #[test]
    fn every_hour_of_three_years_lies_in_a_week_that_has_not_ended() {
        for zone in [
            "UTC",
            "Europe/Berlin",
            "Africa/Cairo",
            "America/Havana",
            "Asia/Beirut",
            "Australia/Lord_Howe",
        ] {
            let mut now = at("2024-12-20T00:30:00Z");
            while now < at("2028-01-10T00:00:00Z") {
                let week = Week::at(zone, now);
                assert!(now < week.ends(zone), "{zone} {now}");
                assert_eq!(week.to_string().parse(), Ok(week));
                let next = Week::at(zone, week.ends(zone));
                assert!(week < next, "{zone} {now}");
                now = now + Span::minutes(60);
            }
        }
    }

    #[test]
    fn a_share_is_drawn_by_the_key_of_the_week_and_another_key_draws_others() {
        let key = DigestKey::new([7; 32]);
        let (one, other) = ("2026-W48".parse::<Week>().unwrap(), "2026-W49".parse::<Week>().unwrap());
        let (one, other) = (one.key(&key), other.key(&key));
        assert_ne!(one, other);
        let ids = (0..20_000_u128).map(|id| ActionId(id << 64));
        let drawn = |key: &Digest| ids.clone().filter(|id| draws(key, *id, 700)).collect::<Vec<_>>();
        let (first, second) = (drawn(&one), drawn(&other));
        assert!((1250..1550).contains(&first.len()), "{}", first.len());
        let both = first.iter().filter(|id| second.contains(id)).count();
        assert!(both < 200, "{both}");
        assert!(ids.clone().all(|id| draws(&one, id, 10_000)));
    }

    #[test]
    fn what_is_no_week_is_refused() {
        for text in [
            "2026-W54",
            "2026-48",
            "2026-W1",
            "26-W01",
            "2026-W00",
            "week",
            "2026-W48-1",
        ] {
            assert!(text.parse::<Week>().is_err(), "{text}");
        }
    }
}
