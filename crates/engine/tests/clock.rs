//! The time that records get, whatever is done to the clock of the host.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use std::sync::{Arc, Mutex};

use countersign_core::{Span, Time};
use countersign_engine::{Clock as _, Host, HostClock};

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3600 * SECOND;

/// The two clocks of a machine, as a test moves them: wall and steady.
#[derive(Clone)]
struct Two(Arc<Mutex<(i64, i64)>>);

impl Two {
    fn new() -> Two {
        Two(Arc::new(Mutex::new((1_700_000_000 * SECOND, 5 * SECOND))))
    }

    fn pass(&self, micros: i64) {
        let mut both = self.0.lock().unwrap();
        both.0 += micros;
        both.1 += micros;
    }

    fn set(&self, by: i64) {
        self.0.lock().unwrap().0 += by;
    }
}

impl Host for Two {
    fn wall(&self) -> i64 {
        self.0.lock().unwrap().0
    }

    fn steady(&self) -> i64 {
        self.0.lock().unwrap().1
    }
}

#[test]
fn after_an_accepted_step_back_what_waits_waits_a_ninth_longer_at_most_and_time_catches_up() {
    let host = Two::new();
    let clock = HostClock::new(host.clone());
    host.pass(HOUR);
    let before = clock.read().now;
    host.set(-HOUR);
    assert_eq!(clock.read().jumped, Some(Time(host.wall())));
    clock.accept();
    let accepted = clock.read();
    assert_eq!(accepted.jumped, None);
    assert!(accepted.now >= before, "time does not go back");
    // Read as often as under load, then seldom, as when nothing happens.
    let (mut last, mut passed) = (accepted.now, 0);
    for step in [3; 5000].into_iter().chain([100_000; 600]).chain([HOUR / 2; 30]) {
        host.pass(step);
        passed += step;
        let now = clock.read();
        assert_eq!(now.jumped, None, "after {passed}");
        assert!(now.now >= last, "after {passed}");
        let told = now.now.0 - accepted.now.0;
        assert!(told <= passed && told >= passed * 9 / 10 - 1, "{told} of {passed}");
        last = now.now;
    }
    assert_eq!(
        clock.read().now,
        Time(host.wall()),
        "after ten times the step it is the host's time"
    );
    host.set(-HOUR);
    assert!(clock.read().jumped.is_some(), "the next jump is seen");
    host.set(HOUR);
    assert_eq!(clock.read().jumped, None, "and that it came back");
}

#[test]
fn a_jump_while_time_catches_up_is_seen_and_can_be_accepted_too() {
    let host = Two::new();
    let clock = HostClock::new(host.clone());
    host.set(-HOUR);
    clock.read();
    clock.accept();
    host.pass(HOUR);
    let before = clock.read();
    host.set(-2 * HOUR);
    let jumped = clock.read();
    assert_eq!(jumped.jumped, Some(Time(host.wall())));
    host.pass(10 * SECOND);
    assert!(
        clock.read().now - before.now >= Span::seconds(9),
        "time goes on meanwhile"
    );
    clock.accept();
    let (from, lead) = (clock.read().now, clock.read().now.0 - host.wall());
    assert!((lead - (HOUR - HOUR / 10 + 2 * HOUR)).abs() < 2 * SECOND, "{lead}");
    host.pass(10 * lead);
    assert_eq!(clock.read().now, Time(host.wall()));
    assert!(clock.read().now > from);
    // Forwards it is followed at once.
    host.set(3 * HOUR);
    assert!(clock.read().jumped.is_some());
    clock.accept();
    assert_eq!(clock.read().now, Time(host.wall()));
}

#[test]
fn a_step_back_of_a_stores_clock_is_taken_the_same_way() {
    let host = Two::new();
    let clock = HostClock::new(host.clone());
    let shown = Time(1_800_000_000 * SECOND);
    clock.follow(shown);
    assert_eq!(clock.read().now, shown);
    clock.follow(Time(shown.0 - HOUR));
    assert!(clock.read().jumped.is_some());
    clock.accept();
    assert_eq!(clock.read().now, shown);
    host.pass(5 * HOUR);
    assert_eq!(clock.read().now, Time(shown.0 + 5 * HOUR - HOUR / 2));
    host.pass(6 * HOUR);
    assert_eq!(clock.read().now, Time(shown.0 + 10 * HOUR));
}
