//! An engine that somebody steps: the same work as on its threads, in an order that the caller chooses.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::sequencer::{Sequencer, Step};
use crate::{Inner, committer, index, nodes};

/// Steps an engine. When it is dropped, nothing that was not committed happens any more: the process died.
pub struct Stepper {
    inner: Arc<Inner>,
    sequencer: Sequencer,
}

impl Stepper {
    pub(crate) fn new(inner: Arc<Inner>) -> Stepper {
        Stepper {
            sequencer: Sequencer::new(inner.clone()),
            inner,
        }
    }

    /// Does one piece of work: commits the batch that was handed over, or lets the sequencer make the next one. Says whether
    /// there was anything to do.
    pub fn step(&mut self) -> bool {
        if let Some(batch) = self.inner.inbox.handed_over() {
            committer::commit(&self.inner, batch);
            return true;
        }
        if let Some(shared) = self.inner.store.shared() {
            nodes::listen(&self.inner, shared, Duration::ZERO);
        }
        self.sequencer.step(false) == Step::Worked
    }

    /// Lets the signer's marks follow the committed ledgers.
    pub fn mark(&mut self) {
        self.inner.finish_marks();
    }

    /// Lets the search index follow.
    pub fn index(&mut self) {
        index::follow_all(&self.inner);
    }
}

impl Inner {
    /// The clock has jumped anew: an earlier confirmation is over.
    pub fn clock_jumped(&self) {
        self.clock_confirmed.store(false, Ordering::Relaxed);
    }

    pub fn clock_was_confirmed(&self) -> bool {
        self.clock_confirmed.load(Ordering::Relaxed)
    }

    /// Nothing happens by itself.
    pub fn is_stepped(&self) -> bool {
        self.stepped
    }

    /// The engine is being stopped.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}
