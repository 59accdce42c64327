//! Spans of time on the command line.

use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// A span such as `0s`, `500ms`, `10s`, `5m` or `1h`, a day at most.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a span of time such as 10s, 5m or 1h");
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let span = match text.get(digits.len()..) {
        Some("ms") => Duration::from_millis(number),
        Some("s") => Duration::from_secs(number),
        Some("m") => Duration::from_secs(number.saturating_mul(60)),
        Some("h") => Duration::from_secs(number.saturating_mul(3600)),
        Some(_) | None => return Err(wrong()),
    };
    if span > DAY {
        return Err(format!("`{text}` is more than 24h"));
    }
    Ok(span)
}

/// The same, and not zero.
pub(crate) fn interval(text: &str) -> Result<Duration, String> {
    match span(text)? {
        Duration::ZERO => Err(format!("`{text}` is not between 1ms and 24h")),
        span => Ok(span),
    }
}
