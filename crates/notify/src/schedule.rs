//! When to try again: eight attempts over a day and a third.
//!
//! Source: Standard Webhooks 1.0.0, "Deliverability and reliability" (exponential back-off over several days, with jitter).

use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// The pause before each attempt, in seconds; the first is made at once.
const PAUSES_S: [u64; 8] = [0, 5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR];

/// How many attempts there are.
pub const ATTEMPTS: u32 = 8;

/// The longest pause that a receiver may ask for.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * HOUR);

/// The pause before attempt `attempt`, counted from 0, after the one before it failed; `None` when there is no such attempt.
///
/// `random` spreads the pause over a fifth of itself, up and down, so that receivers that came back are not met by everything at once.
/// A receiver that asked for more time with `Retry-After` gets it, up to [`LONGEST_RETRY_AFTER`], and jitter only on top.
pub fn after(attempt: u32, random: u64, retry_after: Option<Duration>) -> Option<Duration> {
    let base_ms = PAUSES_S.get(usize::try_from(attempt).ok()?)?.saturating_mul(1000);
    let spread_ms = base_ms / 5;
    let jitter_ms = random % (2 * spread_ms + 1);
    let pause = Duration::from_millis(base_ms - spread_ms + jitter_ms);
    let Some(asked) = retry_after.filter(|_| attempt > 0) else {
        return Some(pause);
    };
    let asked = asked.min(LONGEST_RETRY_AFTER);
    if pause >= asked {
        return Some(pause);
    }
    let spread_ms = u64::try_from(asked.as_millis()).unwrap_or(0) / 10;
    Some(asked + Duration::from_millis(random % (spread_ms + 1)))
}
