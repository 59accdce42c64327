//! Time: the host's clock, held against a clock that cannot be set.

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
}

/// The host's wall clock, checked against `CLOCK_BOOTTIME`, which nobody can set and which runs on during sleep.
pub struct SystemClock {
    anchor: Mutex<Anchor>,
}

struct Anchor {
    wall: i64,
    steady: i64,
    jumped: bool,
}

fn wall() -> i64 {
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
                wall: wall(),
                steady: steady(),
                jumped: false,
            }),
        }
    }
}

impl Clock for SystemClock {
    fn read(&self) -> Reading {
        let mut anchor = crate::lock(&self.anchor);
        let (wall, steady) = (wall(), steady());
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
        };
        Reading {
            now: Time(anchor.wall),
            jumped: None,
        }
    }

    fn accept(&self) {
        *crate::lock(&self.anchor) = Anchor {
            wall: wall(),
            steady: steady(),
            jumped: false,
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
            };
        }
    }
}
