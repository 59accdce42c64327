//! Time: the host's clock, or that of a store which several nodes share, held against a clock that cannot be set.

use std::sync::Mutex;

use countersign_core::{Span, Time};

/// How far the host's clock may step before it is a jump.
const TOLERANCE: Span = Span::seconds(60);

/// What a clock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The time to write into records. It goes on at the speed of the steady clock while the host's has jumped.
    pub now: Time,
    /// The host's clock shows something else, by more than a minute.
    pub jumped: Option<Time>,
}

/// Where the engine's time comes from.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn read(&self) -> Reading;
    /// Takes the host's clock as right again.
    fn accept(&self);
    /// Nothing before this instant may be answered: a ledger that was written until then is about to be continued.
    fn not_before(&self, instant: Time);
    /// A store that several nodes share shows this time: from here on its clock counts, not the host's.
    fn follow(&self, shown: Time);
}

/// The host's wall clock, checked against `CLOCK_BOOTTIME`, which nobody can set and which runs on during sleep.
pub struct SystemClock {
    anchor: Mutex<Anchor>,
}

struct Anchor {
    wall: i64,
    steady: i64,
    jumped: bool,
    /// How far the clock that is followed is ahead of the steady one; `None` = the host's clock counts.
    followed: Option<i64>,
}

impl Anchor {
    /// What the clock that counts shows when the steady one shows `steady`.
    fn shown(&self, steady: i64) -> i64 {
        match self.followed {
            Some(ahead) => steady + ahead,
            None => host(),
        }
    }
}

fn host() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
}

fn steady() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
}

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock {
            anchor: Mutex::new(Anchor {
                wall: host(),
                steady: steady(),
                jumped: false,
                followed: None,
            }),
        }
    }
}

impl Clock for SystemClock {
    fn read(&self) -> Reading {
        let mut anchor = crate::lock(&self.anchor);
        let steady = steady();
        let wall = anchor.shown(steady);
        let expected = anchor.wall + (steady - anchor.steady);
        anchor.jumped = (wall - expected).abs() > TOLERANCE.0;
        if anchor.jumped {
            return Reading {
                now: Time(expected),
                jumped: Some(Time(wall)),
            };
        }
        // Small corrections are followed, forwards at once and backwards by standing still.
        *anchor = Anchor {
            wall: wall.max(anchor.wall),
            steady,
            jumped: false,
            followed: anchor.followed,
        };
        Reading {
            now: Time(anchor.wall),
            jumped: None,
        }
    }

    fn accept(&self) {
        let mut anchor = crate::lock(&self.anchor);
        let steady = steady();
        *anchor = Anchor {
            wall: anchor.shown(steady),
            steady,
            jumped: false,
            followed: anchor.followed,
        };
    }

    fn not_before(&self, instant: Time) {
        let mut anchor = crate::lock(&self.anchor);
        let expected = anchor.wall + (steady() - anchor.steady);
        if instant.0 > expected {
            *anchor = Anchor {
                wall: instant.0,
                steady: steady(),
                jumped: anchor.jumped,
                followed: anchor.followed,
            };
        }
    }

    fn follow(&self, shown: Time) {
        let mut anchor = crate::lock(&self.anchor);
        let steady = steady();
        if anchor.followed.is_none() {
            // The first word of the store's clock: how far the host's was off is nobody's jump.
            *anchor = Anchor {
                wall: shown.0,
                steady,
                jumped: false,
                followed: None,
            };
        }
        anchor.followed = Some(shown.0 - steady);
    }
}
