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

/// The two clocks of a machine, in microseconds.
pub trait Host: Send + Sync + 'static {
    /// The wall clock: since 1970, and somebody may set it.
    fn wall(&self) -> i64;
    /// A clock that nobody can set and that runs on during sleep: since some moment.
    fn steady(&self) -> i64;
}

/// The machine that this runs on: `CLOCK_REALTIME` and `CLOCK_BOOTTIME`.
#[derive(Default)]
pub struct Machine;

impl Host for Machine {
    fn wall(&self) -> i64 {
        microseconds(rustix::time::ClockId::Realtime)
    }

    fn steady(&self) -> i64 {
        microseconds(rustix::time::ClockId::Boottime)
    }
}

fn microseconds(clock: rustix::time::ClockId) -> i64 {
    let now = rustix::time::clock_gettime(clock);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
}

/// The clock of the machine that this runs on.
pub type SystemClock = HostClock<Machine>;

/// A host's wall clock, checked against its steady one.
pub struct HostClock<H> {
    host: H,
    anchor: Mutex<Anchor>,
}

struct Anchor {
    wall: i64,
    steady: i64,
    jumped: bool,
    /// How far the clock that is followed is ahead of the steady one; `None` = the host's clock counts.
    followed: Option<i64>,
    lead: Lead,
}

/// How far the time that is told is ahead of the clock that counts, after a step back that somebody accepted. Time cannot go
/// back with it, and if it stood still, what waits would wait longer by the whole step. So it goes on at nine tenths of its
/// speed until the lead is used up.
#[derive(Clone, Copy, Default)]
struct Lead {
    micros: i64,
    /// What the steady clock showed at the step.
    since: i64,
}

/// A tenth of the time that passes is taken off the lead.
const TAKEN_OFF: i64 = 10;

impl Lead {
    fn at(self, steady: i64) -> i64 {
        (self.micros - (steady - self.since) / TAKEN_OFF).max(0)
    }
}

impl Anchor {
    /// The time to tell when the steady clock shows `steady`, if nobody sets the other one.
    fn expected(&self, steady: i64) -> i64 {
        let taken_off = self.lead.at(self.steady) - self.lead.at(steady);
        self.wall + (steady - self.steady) - taken_off
    }
}

impl<H: Host> HostClock<H> {
    /// A clock that takes the host's as right to begin with.
    pub fn new(host: H) -> HostClock<H> {
        let anchor = Anchor {
            wall: host.wall(),
            steady: host.steady(),
            jumped: false,
            followed: None,
            lead: Lead::default(),
        };
        HostClock {
            host,
            anchor: Mutex::new(anchor),
        }
    }

    /// What the clock that counts shows when the steady one shows `steady`.
    fn shown(&self, anchor: &Anchor, steady: i64) -> i64 {
        match anchor.followed {
            Some(ahead) => steady + ahead,
            None => self.host.wall(),
        }
    }
}

impl<H: Host + Default> Default for HostClock<H> {
    fn default() -> Self {
        HostClock::new(H::default())
    }
}

impl<H: Host> Clock for HostClock<H> {
    fn read(&self) -> Reading {
        let mut anchor = crate::lock(&self.anchor);
        let steady = self.host.steady();
        let shown = self.shown(&anchor, steady);
        let (wall, expected) = (shown + anchor.lead.at(steady), anchor.expected(steady));
        anchor.jumped = (wall - expected).abs() > TOLERANCE.0;
        if anchor.jumped {
            return Reading {
                now: Time(expected),
                jumped: Some(Time(shown)),
            };
        }
        // Small corrections are followed, forwards at once and backwards by standing still.
        anchor.wall = wall.max(anchor.wall);
        anchor.steady = steady;
        Reading {
            now: Time(anchor.wall),
            jumped: None,
        }
    }

    fn accept(&self) {
        let mut anchor = crate::lock(&self.anchor);
        let steady = self.host.steady();
        let shown = self.shown(&anchor, steady);
        let told = anchor.expected(steady).max(anchor.wall);
        *anchor = Anchor {
            wall: shown.max(told),
            steady,
            jumped: false,
            followed: anchor.followed,
            lead: Lead {
                micros: (told - shown).max(0),
                since: steady,
            },
        };
    }

    fn not_before(&self, instant: Time) {
        let mut anchor = crate::lock(&self.anchor);
        let steady = self.host.steady();
        if instant.0 > anchor.expected(steady) {
            anchor.wall = instant.0;
            anchor.steady = steady;
        }
    }

    fn follow(&self, shown: Time) {
        let mut anchor = crate::lock(&self.anchor);
        let steady = self.host.steady();
        if anchor.followed.is_none() {
            // The first word of the store's clock: how far the host's was off is nobody's jump.
            *anchor = Anchor {
                wall: shown.0,
                steady,
                jumped: false,
                followed: None,
                lead: Lead::default(),
            };
        }
        anchor.followed = Some(shown.0 - steady);
    }
}
