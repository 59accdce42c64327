//! Spans of time on the command line.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use countersign_core::Time;

use crate::failure::{Failure, Result};

const DAY: Duration = Duration::from_secs(86_400);

/// A number and a unit, from `ms` to `w`.
fn length(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: u64 = digits.parse().ok()?;
    let seconds = match text.get(digits.len()..)? {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _no_unit => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// A span such as `0s`, `500ms`, `10s`, `5m` or `1h`, a day at most.
pub(crate) fn span(text: &str) -> std::result::Result<Duration, String> {
    match length(text) {
        Some(span) if span <= DAY => Ok(span),
        Some(_) => Err(format!("`{text}` is more than 24h")),
        None => Err(format!("`{text}` is not a span of time such as 10s, 5m or 1h")),
    }
}

/// The same, and not zero.
pub(crate) fn interval(text: &str) -> std::result::Result<Duration, String> {
    match span(text)? {
        Duration::ZERO => Err(format!("`{text}` is not between 1ms and 24h")),
        span => Ok(span),
    }
}

/// A time on the command line: so long ago, or an instant.
pub(crate) fn since(text: &str) -> Result<Time> {
    if let Ok(time) = text.parse::<Time>() {
        return Ok(time);
    }
    let ago = length(text).ok_or_else(|| {
        Failure::usage(format!("`{text}` is no span such as 30d or 12h, and no time"))
            .next("write 30d, 12h, or 2026-01-31T00:00:00Z")
    })?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let then = now.saturating_sub(ago).as_micros();
    Ok(Time(i64::try_from(then).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_number_and_a_unit_and_a_day_at_most() {
        assert_eq!(span("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(span("24h"), span("1d"));
        for wrong in [
            "",
            "5",
            "h",
            "5 m",
            "-1h",
            "1y",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
        assert!(span("2d").is_err_and(|why| why.contains("24h")));
        assert!(interval("0s").is_err() && span("0s").is_ok());
    }

    #[test]
    fn a_time_is_an_instant_or_so_long_ago_and_never_before_time_begins() {
        assert_eq!(since("1970-01-01T00:00:01Z").ok(), Some(Time(1_000_000)));
        assert_eq!(since("1000000w").ok(), Some(Time(0)));
        let (day, week) = (since("7d").ok(), since("1w").ok());
        assert!(day.is_some() && day <= week, "{day:?} {week:?}");
        assert!(since("soon").is_err());
    }
}
