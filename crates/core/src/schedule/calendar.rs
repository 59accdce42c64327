//! Business hours: whether an office is open, and when so much of its time has passed.

use std::collections::BTreeSet;

use countersign_policy::Calendar;

use super::wall;
use crate::time::{Span, Time};

/// No span of business hours takes longer: a calendar of holidays alone has none.
pub const LONGEST_WAIT: Span = Span::days(1100);

/// Whether an office is open.
pub fn is_open(calendar: &Calendar, at: Time) -> bool {
    calendar.is_open(at.0)
}

/// The instant at which `span` of business hours has passed since `from`; [`LONGEST_WAIT`] after it at the latest.
pub fn add_business(calendar: &Calendar, from: Time, span: Span) -> Time {
    let end = from + LONGEST_WAIT;
    let (mut at, mut left) = (from, span);
    while at < end {
        let next = end.min(at + Span::days(1));
        let mut edges = BTreeSet::from([at, next]);
        wall::add_edges(std::iter::once(&calendar.hours), &calendar.zone, at, next, &mut edges);
        for until in edges.range(at..=next).copied() {
            if is_open(calendar, at) {
                let open = until - at;
                if open >= left {
                    return at + left;
                }
                left = Span(left.0 - open.0);
            }
            at = until;
        }
        at = next;
    }
    end
}
