//! Instants and spans as records know them: whole microseconds, UTC, RFC 3339 text.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant: microseconds since 1970-01-01T00:00:00Z.
///
/// The text form is RFC 3339 in UTC with six decimals, so that text order is time order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

/// A span of time in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub i64);

impl Span {
    /// A span of whole seconds.
    pub const fn seconds(seconds: i64) -> Span {
        Span(seconds * 1_000_000)
    }

    /// A span of whole minutes.
    pub const fn minutes(minutes: i64) -> Span {
        Span::seconds(minutes * 60)
    }

    /// A span of whole hours.
    pub const fn hours(hours: i64) -> Span {
        Span::minutes(hours * 60)
    }

    /// A span of days of 24 hours.
    pub const fn days(days: i64) -> Span {
        Span(days.saturating_mul(86_400_000_000))
    }

    /// The span in seconds, rounded down.
    pub const fn as_seconds(self) -> i64 {
        self.0 / 1_000_000
    }
}

impl Time {
    /// The year of the calendar, UTC.
    pub fn year(self) -> i16 {
        let instant = jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::MAX);
        instant.to_zoned(jiff::tz::TimeZone::UTC).year()
    }

    /// Whole seconds since 1970, rounded down.
    pub fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }
}

impl Add<Span> for Time {
    type Output = Time;
    fn add(self, span: Span) -> Time {
        Time(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Time {
    type Output = Time;
    fn sub(self, span: Span) -> Time {
        Time(self.0.saturating_sub(span.0))
    }
}

impl Sub<Time> for Time {
    type Output = Span;
    fn sub(self, earlier: Time) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An instant out of the calendar's range cannot come from a clock; it prints as its edge.
        let edge = if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        };
        let instant = jiff::Timestamp::from_microsecond(self.0).unwrap_or(edge);
        write!(f, "{instant:.6}")
    }
}

/// The text is not an RFC 3339 instant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an RFC 3339 time such as `2026-01-31T09:00:00Z`")]
pub struct TimeError(String);

impl FromStr for Time {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let instant: jiff::Timestamp = text.parse().map_err(|_| TimeError(text.to_owned()))?;
        Ok(Time(instant.as_microsecond()))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    /// Takes only the form that [`Time`] prints, so that what is read back has one text.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::read(deserializer, |text| {
            printed(text).ok_or_else(|| TimeError(text.to_owned()))
        })
    }
}

/// Reads `2026-01-31T09:00:00.000000Z`, in which every digit has its place; a tenth of what it takes to read any RFC 3339 time.
fn printed(text: &str) -> Option<Time> {
    let bytes: &[u8; 27] = text.as_bytes().try_into().ok()?;
    let form = b"0000-00-00T00:00:00.000000Z";
    let fits = |(byte, form): (&u8, &u8)| {
        if *form == b'0' {
            byte.is_ascii_digit()
        } else {
            byte == form
        }
    };
    if !bytes.iter().zip(form).all(fits) {
        return None;
    }
    let number = |digits: &[u8]| {
        digits
            .iter()
            .fold(0, |sum: i32, digit| sum * 10 + i32::from(digit - b'0'))
    };
    let two = |at: usize| i8::try_from(number(bytes.get(at..at + 2)?)).ok();
    let year = i16::try_from(number(bytes.get(..4)?)).ok()?;
    let nanosecond = number(bytes.get(20..26)?) * 1000;
    let civil = jiff::civil::DateTime::new(year, two(5)?, two(8)?, two(11)?, two(14)?, two(17)?, nanosecond).ok()?;
    let instant = jiff::tz::Offset::UTC.to_timestamp(civil).ok()?;
    Some(Time(instant.as_microsecond()))
}

impl schemars::JsonSchema for Time {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<Time> {
        serde_json::from_value(serde_json::json!(text)).ok()
    }

    proptest! {
        #[test]
        fn a_time_is_read_back_as_it_is_printed_and_in_no_other_form(micros in 0..253_402_207_200_000_000_i64) {
            let text = Time(micros).to_string();
            prop_assert_eq!(read(&text), Some(Time(micros)));
            let other: Time = text.replace('Z', "+00:00").parse().map_err(|_| TestCaseError::fail(text.clone()))?;
            prop_assert_eq!(other, Time(micros));
            prop_assert_eq!(read(&text.replace('Z', "+00:00")), None);
        }
    }

    #[test]
    fn what_is_no_time_of_the_calendar_is_none() {
        for text in [
            "2026-02-29T00:00:00.000000Z",
            "2026-01-31T24:00:00.000000Z",
            "2026-01-31T09:00:60.000000Z",
            "2026-01-31t09:00:00.000000Z",
            "2026-01-31T09:00:00Z",
            "2026-01-31T09:00:00.0000000Z",
            "+026-01-31T09:00:00.000000Z",
            "2026-00-31T09:00:00.000000Z",
            "",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(read("2024-02-29T23:59:59.999999Z"), Some(Time(1_709_251_199_999_999)));
    }
}
