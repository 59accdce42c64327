//! Simulated time: one true time that nobody in the simulation can read, and clocks that show something else.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use countersign_core::{Span, Time};

use crate::BEGIN;

/// The true time. Cheap to clone; all clones are the same.
#[derive(Clone, Debug)]
pub struct Timeline(Arc<AtomicI64>);

impl Default for Timeline {
    fn default() -> Self {
        Timeline(Arc::new(AtomicI64::new(BEGIN.0)))
    }
}

impl Timeline {
    /// The true time.
    pub fn now(&self) -> Time {
        Time(self.0.load(Ordering::SeqCst))
    }

    /// Lets time pass.
    pub fn pass(&self, span: Span) {
        self.0.fetch_add(span.0.max(0), Ordering::SeqCst);
    }

    /// A wall clock that shows the true time until somebody sets it.
    pub fn wall(&self) -> Wall {
        Wall {
            timeline: self.clone(),
            ahead: Arc::default(),
        }
    }
}

/// A wall clock that somebody can set. Cheap to clone; all clones are the same clock.
#[derive(Clone, Debug)]
pub struct Wall {
    timeline: Timeline,
    ahead: Arc<AtomicI64>,
}

impl Wall {
    /// What it shows.
    pub fn shows(&self) -> Time {
        self.timeline.now() + self.ahead()
    }

    /// How far it is ahead of the true time; negative if it is behind.
    pub fn ahead(&self) -> Span {
        Span(self.ahead.load(Ordering::SeqCst))
    }

    /// Sets it: so far ahead of the true time.
    pub fn set(&self, ahead: Span) {
        self.ahead.store(ahead.0, Ordering::SeqCst);
    }

    /// A clock that nobody can set, in microseconds since some moment.
    pub fn steady(&self) -> i64 {
        self.timeline.now().0
    }
}
