//! Moments on a page: in the reader's zone, with UTC on hover, and how long it still is.

use std::fmt;

use askama::filters::HtmlSafe;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, SpanRound, Timestamp, Unit};

/// A reader's zone.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

impl Zone {
    /// The zone of this IANA name; UTC where there is none.
    pub fn named(name: Option<&str>) -> Zone {
        Zone(name.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC))
    }

    /// A moment of the API (RFC 3339), as a page shows it.
    pub fn when(&self, text: &str) -> When {
        When {
            at: text.parse().ok(),
            zone: self.clone(),
            text: text.to_owned(),
            counts: false,
        }
    }

    /// The day of a moment of the API.
    pub(crate) fn day(&self, text: &str) -> Option<Date> {
        let at: Timestamp = text.parse().ok()?;
        Some(at.to_zoned(self.0.clone()).date())
    }

    /// The day so many days before that of a moment.
    pub(crate) fn day_before(&self, text: &str, days: i32) -> Option<Date> {
        self.day(text)?.checked_sub(Span::new().days(days)).ok()
    }

    /// A moment of the API, seconds since 1970.
    pub(crate) fn second(&self, text: &str) -> Option<i64> {
        text.parse().ok().map(Timestamp::as_second)
    }

    /// A moment as somebody types it, `2026-11-27`, `2026-11-27 14:00` in their zone or RFC 3339, as the API takes it.
    pub(crate) fn moment(&self, typed: &str) -> Option<String> {
        if let Ok(at) = typed.parse::<Timestamp>() {
            return Some(at.to_string());
        }
        let local: DateTime = typed.parse().ok()?;
        let at = local.to_zoned(self.0.clone()).ok()?;
        Some(at.timestamp().to_string())
    }

    /// The hour and minute of a moment, seconds since 1970.
    pub(crate) fn hour(&self, second: i64) -> String {
        let at = Timestamp::from_second(second).unwrap_or_default();
        at.to_zoned(self.0.clone()).strftime("%H:%M").to_string()
    }

    /// The same, with how long it is until then, kept up by the script.
    pub fn until(&self, text: &str) -> When {
        When {
            counts: true,
            ..self.when(text)
        }
    }
}

impl Zone {
    /// Its name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// So many days from the one of this moment on: each with its name and where it begins, and at last where all end.
    pub fn days(&self, from: &str, count: usize) -> Option<(Vec<(String, Timestamp)>, Timestamp)> {
        let mut day = from
            .parse::<Timestamp>()
            .ok()?
            .to_zoned(self.0.clone())
            .start_of_day()
            .ok()?;
        let mut days = Vec::with_capacity(count);
        for _ in 0..count {
            days.push((day.strftime("%a %-d").to_string(), day.timestamp()));
            day = day.tomorrow().ok()?;
        }
        Some((days, day.timestamp()))
    }

    /// A moment of the API in words, for where there is no markup.
    pub fn words(&self, text: &str) -> String {
        match text.parse::<Timestamp>() {
            Ok(at) => at.to_zoned(self.0.clone()).strftime("%a %-d %b, %H:%M").to_string(),
            Err(_) => text.to_owned(),
        }
    }
}

/// The names of all zones, by region; without those that are another name of one, as far as the list tells them.
pub(crate) fn zones() -> Vec<String> {
    let known = jiff::tz::db().available().map(|name| name.to_string());
    let mut names: Vec<String> = known.filter(|name| name == "UTC" || name.contains('/')).collect();
    names.retain(|name| !name.starts_with("Etc/") && !name.starts_with("posix/") && !name.starts_with("right/"));
    names.sort();
    names.dedup();
    names
}

/// So many seconds ago, as a moment of the API.
pub(crate) fn ago(seconds: i64) -> String {
    let at =
        Timestamp::from_second(Timestamp::now().as_second().saturating_sub(seconds)).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A moment on a page.
#[derive(Clone, Debug)]
pub struct When {
    at: Option<Timestamp>,
    zone: Zone,
    text: String,
    counts: bool,
}

impl HtmlSafe for When {}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(at) = self.at else {
            return f.write_str(&crate::said::said(&self.text).to_string());
        };
        let zoned = at.to_zoned(self.zone.0.clone());
        let utc = at.strftime("%Y-%m-%d %H:%M:%S UTC");
        let now = Timestamp::now();
        let local = if (now - at).get_seconds().abs() < 20 * 3600 {
            zoned.strftime("%H:%M")
        } else {
            zoned.strftime("%e %b %Y, %H:%M")
        };
        let counts = if self.counts { " data-until" } else { "" };
        write!(f, "<time datetime=\"{at}\" title=\"{utc}\"{counts}>")?;
        if self.counts {
            write!(f, "{}", Distance { at, now })?;
        } else {
            write!(f, "{local}")?;
        }
        f.write_str("</time>")
    }
}

/// How far away a moment is, in one or two units.
struct Distance {
    at: Timestamp,
    now: Timestamp,
}

impl fmt::Display for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.at.as_second() - self.now.as_second();
        if seconds < 0 {
            return write!(f, "{} ago", Lasting(-seconds));
        }
        write!(f, "in {}", Lasting(seconds))
    }
}

/// So many seconds, in one or two units.
pub struct Lasting(pub i64);

impl fmt::Display for Lasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = Span::new().try_seconds(self.0).unwrap_or_default();
        let round = SpanRound::new()
            .largest(Unit::Day)
            .smallest(Unit::Second)
            .days_are_24_hours();
        let span = span.round(round).unwrap_or_default();
        match (
            span.get_days(),
            span.get_hours(),
            span.get_minutes(),
            span.get_seconds(),
        ) {
            (0, 0, 0, s) => write!(f, "{s} s"),
            (0, 0, m, s) if m < 5 => write!(f, "{m} min {s} s"),
            (0, 0, m, _) => write!(f, "{m} min"),
            (0, h, m, _) => write!(f, "{h} h {m} min"),
            (d, h, _, _) => write!(f, "{d} d {h} h"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_one_or_two_units() {
        let told: Vec<String> = [7, 125, 900, 3725, 200_000].map(|s| Lasting(s).to_string()).into();
        assert_eq!(told, ["7 s", "2 min 5 s", "15 min", "1 h 2 min", "2 d 7 h"]);
    }

    #[test]
    fn a_moment_is_in_the_readers_zone_with_utc_beside_it() {
        let html = Zone::named(Some("Europe/Zurich"))
            .when("2020-07-01T10:00:00Z")
            .to_string();
        assert!(html.contains("12:00<") && html.contains("10:00:00 UTC"), "{html}");
    }

    #[test]
    fn days_begin_at_midnight_where_the_reader_is_also_when_the_clocks_change() {
        let zurich = Zone::named(Some("Europe/Zurich"));
        let (days, end) = zurich.days("2026-10-24T12:00:00Z", 2).unwrap_or_default();
        let told: Vec<String> = days.iter().map(|(name, at)| format!("{name} {at}")).collect();
        assert_eq!(told, ["Sat 24 2026-10-23T22:00:00Z", "Sun 25 2026-10-24T22:00:00Z"]);
        assert_eq!(end.to_string(), "2026-10-25T23:00:00Z");
    }

    #[test]
    fn a_moment_is_typed_in_the_readers_zone() {
        let zone = Zone::named(Some("Europe/Zurich"));
        for (typed, read) in [
            ("2026-07-01", Some("2026-06-30T22:00:00Z")),
            ("2026-07-01 14:30", Some("2026-07-01T12:30:00Z")),
            ("2026-07-01T14:30:00Z", Some("2026-07-01T14:30:00Z")),
            ("yesterday", None),
        ] {
            assert_eq!(zone.moment(typed).as_deref(), read, "{typed}");
        }
    }

    #[test]
    fn what_is_no_moment_is_text() {
        assert_eq!(Zone::named(None).when("<b>").to_string(), "&lt;b&gt;");
    }
}
