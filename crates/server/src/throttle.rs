//! Requests without a good credential, limited for each client address by a token bucket.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use countersign_engine::network_of;

use crate::Strangers;

/// How many addresses are remembered; beyond it, those that have long been quiet are forgotten.
const ADDRESSES_AT_MOST: usize = 50_000;

/// The buckets. What is kept of an address is the instant at which its bucket is full again.
pub(crate) struct Throttle {
    step: Duration,
    burst: u32,
    full_at: Mutex<HashMap<IpAddr, Instant>>,
}

impl Throttle {
    pub(crate) fn new(limit: Strangers) -> Throttle {
        let step = Duration::from_secs(1) / limit.per_second.max(1);
        Throttle {
            step,
            burst: limit.burst.max(1),
            full_at: Mutex::new(HashMap::new()),
        }
    }

    /// Takes one token; `Err` says how long until there is one.
    pub(crate) fn take(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if full_at.len() >= ADDRESSES_AT_MOST {
            full_at.retain(|_, full| *full > now);
            if full_at.len() >= ADDRESSES_AT_MOST {
                full_at.clear();
            }
        }
        let full = full_at.entry(network_of(address)).or_insert(now);
        let next = (*full).max(now) + self.step;
        let empty = now + self.step * self.burst;
        if next > empty {
            return Err(next - empty);
        }
        *full = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_after_its_burst_and_fills_with_time() {
        let throttle = Throttle::new(Strangers {
            per_second: 20,
            burst: 60,
        });
        let (address, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let now = Instant::now();
        for _ in 0..60 {
            assert_eq!(throttle.take(address, now), Ok(()));
        }
        assert_eq!(throttle.take(address, now), Err(Duration::from_millis(50)));
        assert_eq!(throttle.take(other, now), Ok(()));
        assert_eq!(throttle.take(address, now + Duration::from_millis(50)), Ok(()));
        assert!(throttle.take(address, now + Duration::from_millis(50)).is_err());
    }
}
