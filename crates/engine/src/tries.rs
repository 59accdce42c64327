//! Tries to sign in that failed, remembered for a while by this process: whoever guesses has to wait, and nobody else.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use countersign_core::{Category, Refusal, Span, Time};
use tokio::sync::{Semaphore, SemaphorePermit};

/// How many tries about one person may fail from one place, and within what time.
const TRIES_AT_MOST: usize = 5;
const WITHIN: Span = Span::minutes(15);
/// How many places are remembered.
const REMEMBERED_AT_MOST: usize = 50_000;
/// How many passwords are checked at once: each takes 19 MiB.
const AT_ONCE: usize = 2;

type Place = (String, IpAddr);

/// Failed tries, by person and place.
pub(crate) struct Tries {
    failed: Mutex<HashMap<Place, Vec<Time>>>,
    checking: Semaphore,
}

impl Default for Tries {
    fn default() -> Tries {
        Tries {
            failed: Mutex::default(),
            checking: Semaphore::new(AT_ONCE),
        }
    }
}

impl Tries {
    /// Waits for a turn to check a password.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.checking.acquire().await.ok()
    }

    /// Begins a try about this person from there: it counts as failed until it worked, so that many at once are many.
    pub fn begin(&self, org: &str, user: &str, from: IpAddr, now: Time) -> Result<(), Refusal> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.len() >= REMEMBERED_AT_MOST {
            failed.retain(|_, times| times.last().is_some_and(|at| *at + WITHIN > now));
        }
        let times = failed.entry(place(org, user, from)).or_default();
        times.retain(|at| *at + WITHIN > now);
        if times.len() >= TRIES_AT_MOST {
            let why = "too many tries to sign in failed from here";
            return Err(Refusal::new(Category::Throttled, "too_many_tries", why)
                .hint("wait a quarter of an hour, or sign in with a key"));
        }
        times.push(now);
        Ok(())
    }

    /// One was right.
    pub fn worked(&self, org: &str, user: &str, from: IpAddr) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.remove(&place(org, user, from));
    }
}

fn place(org: &str, user: &str, from: IpAddr) -> Place {
    (format!("{org}/{user}"), from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_guesses_waits_and_nobody_else_does() {
        let tries = Tries::default();
        let (here, there) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let start: Time = "2026-11-20T10:00:00Z".parse().expect("a time");
        for n in 0..5 {
            assert!(tries.begin("acme", "dana", here, start).is_ok(), "{n}");
        }
        assert!(tries.begin("acme", "dana", here, start).is_err());
        assert!(tries.begin("acme", "dana", there, start).is_ok());
        assert!(tries.begin("acme", "eli", here, start).is_ok());
        assert!(tries.begin("acme", "dana", here, start + WITHIN).is_ok());
    }
}
