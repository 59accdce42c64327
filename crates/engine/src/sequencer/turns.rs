//! Batches on a store that several nodes share: each is made within a turn.
//!
//! A turn holds the heads of the ledgers that the batch grows, so nobody else appends to them. First what others
//! appended is folded in, then the batch is handled, on the store's clock, then it is appended and the turn ends. A
//! batch that only reads needs no turn: it follows what is committed.

use std::collections::BTreeSet;

use countersign_core::Event;
use countersign_store::{Head, Org, Shared, Turn};

use super::{Job, Sequencer};
use crate::error::EngineError;
use crate::ledger::Entry;

impl Sequencer {
    /// Takes jobs within one turn, and hands the batch over.
    pub(super) fn take_in_turn(&mut self, jobs: Vec<Job>) {
        let grown: Vec<Org> = Vec::from_iter(jobs.iter().filter_map(Job::grows).cloned().collect::<BTreeSet<Org>>());
        let read: BTreeSet<Org> = jobs.iter().filter_map(Job::reads).cloned().collect();
        let turn = match self.turn(&grown) {
            Ok(turn) => turn,
            Err(error) => {
                let (refused, others): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(|job| job.grows().is_some());
                for job in refused {
                    job.refuse(error.clone());
                }
                // What only reads may still be answered.
                if !others.is_empty() {
                    self.take_in_turn(others);
                }
                return;
            }
        };
        for org in read.iter().filter(|org| !grown.contains(org)) {
            self.catch_up(org);
        }
        for job in jobs {
            self.take(job);
        }
        self.hand_over(turn);
    }

    /// Does within one turn what is due.
    pub(super) fn chores_in_turn(&mut self, orgs: &[Org]) {
        match self.turn(orgs) {
            Ok(turn) => {
                // Another node may have done it meanwhile: what is due is looked up again.
                self.chores_of(orgs);
                self.hand_over(turn);
            }
            Err(error) => tracing::warn!(%error, "timers cannot be looked at yet"),
        }
    }

    /// Takes ledgers, in order, and follows each to its end. A turn on nothing is none.
    fn turn(&mut self, orgs: &[Org]) -> Result<Option<Box<dyn Turn>>, EngineError> {
        let inner = self.inner.clone();
        let Some(shared) = inner.store.shared().filter(|_| !orgs.is_empty()) else {
            return Ok(None);
        };
        let turn = take_turn(shared, orgs)?;
        self.inner.clock.follow(turn.now());
        for org in orgs {
            self.follow(org, turn.head(org));
        }
        Ok(Some(turn))
    }

    /// Follows the ledgers of which other nodes reported news. Says whether there were any.
    pub(super) fn follow_news(&mut self) -> bool {
        let news = std::mem::take(&mut *crate::lock(&self.inner.news));
        for org in &news {
            self.catch_up(org);
        }
        !news.is_empty()
    }

    /// Follows a ledger to its committed end.
    fn catch_up(&mut self, org: &Org) {
        match self.inner.store.head(org) {
            Ok(head) => self.follow(org, head.as_ref()),
            Err(error) => {
                tracing::warn!(org = &**org, %error, "a ledger cannot be followed yet");
                crate::lock(&self.inner.wake).insert(org.clone());
                self.ledgers.remove(org);
            }
        }
    }

    /// Folds in what other nodes appended up to `head`. A ledger that does not continue what is known is folded anew.
    fn follow(&mut self, org: &Org, head: Option<&Head>) {
        let Some(head) = head else {
            // Not created yet, or removed by another node.
            self.too_new.remove(org);
            if self.ledgers.remove(org).is_some() {
                self.inner.forget_org(org);
            }
            return;
        };
        if let Some(ledger) = self.ledgers.get_mut(org) {
            match ledger.follow(&*self.inner.store, head) {
                Ok(entries) => {
                    self.inner.heard(org, &entries);
                    self.inner.signer.heard(org);
                    if !entries.iter().any(changes_the_signer) {
                        return;
                    }
                    // The log goes on under another name or key, which is loaded with the ledger.
                    self.ledgers.remove(org);
                }
                Err(error) => {
                    tracing::warn!(org = &**org, %error, "a ledger cannot be followed; it is folded anew");
                    self.ledgers.remove(org);
                    // It may be another organization of the same name, with other keys.
                    self.inner.forget_org(org);
                }
            }
        }
        match self.ledger(org).map(|ledger| ledger.state.last_ts()) {
            Ok(_) => self.inner.heard_of(org),
            Err(error) => tracing::warn!(org = &**org, %error, "an organization cannot be loaded"),
        }
    }
}

fn changes_the_signer(entry: &Entry) -> bool {
    matches!(entry.record.event, Event::EpochOpened(_) | Event::KeyRotated(_))
}

/// Takes a turn. The store's connection may have been lost since the last one, so one failure is none.
fn take_turn(shared: &dyn Shared, orgs: &[Org]) -> Result<Box<dyn Turn>, EngineError> {
    let first = match shared.turn(orgs) {
        Ok(turn) => return Ok(turn),
        Err(error) => error,
    };
    tracing::warn!(error = %first, "a turn could not be taken; trying once more");
    shared
        .turn(orgs)
        .map_err(|error| EngineError::unavailable("store_failed", format!("nothing was recorded: {error}")))
}
