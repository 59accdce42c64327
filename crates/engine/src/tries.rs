//! Tries to sign in that failed, remembered for a while by this process: whoever guesses has to wait, and nobody else.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use countersign_core::{Category, Refusal, Span, Time};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::EngineError;

/// How many tries about one person may fail from one place, and within what time.
const TRIES_AT_MOST: usize = 5;
const WITHIN: Span = Span::minutes(15);
/// How many places are remembered.
const REMEMBERED_AT_MOST: usize = 50_000;
/// How many passwords are checked at once: each takes 19 MiB.
const AT_ONCE: usize = 2;
/// How many more may wait for that.
const WAITING_AT_MOST: usize = 64;

type Place = (String, IpAddr);

/// Failed tries, by person and place.
pub(crate) struct Tries {
    failed: Mutex<HashMap<Place, Vec<Time>>>,
    checking: Semaphore,
    waiting: Semaphore,
}

/// A turn to check a password.
pub(crate) struct Turn<'a> {
    _place: [SemaphorePermit<'a>; 2],
}

impl Default for Tries {
    fn default() -> Tries {
        Tries {
            failed: Mutex::default(),
            checking: Semaphore::new(AT_ONCE),
            waiting: Semaphore::new(AT_ONCE + WAITING_AT_MOST),
        }
    }
}

impl Tries {
    /// Waits for a turn to check a password; not behind any number of others.
    pub async fn turn(&self) -> Result<Turn<'_>, EngineError> {
        let full = || EngineError::unavailable("overloaded", "too many passwords are being checked");
        let waits = self.waiting.try_acquire().map_err(|_| full())?;
        let checks = self.checking.acquire().await.map_err(EngineError::internal)?;
        Ok(Turn {
            _place: [waits, checks],
        })
    }

    /// Begins a try about this person from there: it counts as failed until it worked, so that many at once are many.
    pub fn begin(&self, org: &str, user: &str, from: IpAddr, now: Time) -> Result<(), Refusal> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.len() >= REMEMBERED_AT_MOST {
            failed.retain(|_, times| times.last().is_some_and(|at| *at + WITHIN > now));
            // So many at once are no people; the limit on strangers holds them.
            if failed.len() >= REMEMBERED_AT_MOST {
                failed.clear();
            }
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
    (format!("{org}/{user}"), network_of(from))
}

/// What one customer holds of the addresses: one of IPv4, a whole /64 of IPv6.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
    }
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
        let v6 = |last: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, last]);
        for n in 0..5 {
            assert!(tries.begin("acme", "dana", v6(n), start).is_ok(), "{n}");
        }
        assert!(
            tries.begin("acme", "dana", v6(9), start).is_err(),
            "one customer holds a whole /64"
        );
        assert!(tries.begin("acme", "dana", here, start + WITHIN).is_ok());
    }
}
