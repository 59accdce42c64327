//! Sessions that nobody uses end: what a browser was left open with is worth nothing after half an hour.
//!
//! Remembered by this process alone. After a restart a session counts as just used; its end by the clock is the API's.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

/// How long a session may be unused.
const IDLE_AT_MOST: Duration = Duration::from_secs(30 * 60);
/// How long it is remembered that one was left alone: longer than any session lasts.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);
/// How many sessions are remembered before old ones are forgotten.
const SESSIONS: usize = 10_000;

/// When each session was last used.
#[derive(Default)]
pub(crate) struct Idle {
    used: Mutex<HashMap<[u8; 32], Instant>>,
}

impl Idle {
    /// Whether a session was used not long ago. A request of the script (`live`) is no use.
    pub(crate) fn is_here(&self, key: &str, live: bool) -> bool {
        self.is_here_at(key, live, Instant::now())
    }

    fn is_here_at(&self, key: &str, live: bool, now: Instant) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= SESSIONS {
            used.retain(|_, last| now.duration_since(*last) < REMEMBERED);
        }
        let last = used.entry(Sha256::digest(key.as_bytes()).into()).or_insert(now);
        if now.duration_since(*last) > IDLE_AT_MOST {
            return false;
        }
        if !live {
            *last = now;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_nobody_uses_ends_whatever_the_script_asks() {
        let (idle, start) = (Idle::default(), Instant::now());
        let at = |minutes: u64| start + Duration::from_secs(60 * minutes);
        assert!(idle.is_here_at("a", false, at(0)));
        assert!(idle.is_here_at("a", false, at(29)));
        assert!(idle.is_here_at("a", true, at(58)));
        assert!(!idle.is_here_at("a", true, at(60)));
        assert!(!idle.is_here_at("a", false, at(61)));
        assert!(idle.is_here_at("b", false, at(61)));
    }
}
