//! News of a ledger: whoever waits for it is woken, and what was remembered of it and is old is forgotten.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use countersign_core::Event;
use countersign_store::Org;
use tokio::sync::{Notify, broadcast};

use crate::ledger::Entry;
use crate::{Engine, Inner, OrgHandle, lock};

/// How much news is kept for whoever listens and is slow; who is slower is told to read the state again.
pub const NEWS_KEPT: usize = 1024;

/// That something is new in a ledger.
#[derive(Clone, Debug)]
pub struct News {
    /// The organization.
    pub org: Org,
    /// The record's type; empty where the ledger was read as a whole, and everything may be new.
    pub kind: &'static str,
    /// The record's index.
    pub seq: u64,
}

/// Where news is told, until the server stops.
pub(crate) struct Heard(Mutex<Option<broadcast::Sender<News>>>);

impl Default for Heard {
    fn default() -> Heard {
        Heard(Mutex::new(Some(broadcast::Sender::new(NEWS_KEPT))))
    }
}

impl Heard {
    fn tell(&self, news: impl IntoIterator<Item = News>) {
        let sender = lock(&self.0);
        // Where nobody listens, nothing is kept.
        if let Some(sender) = sender.as_ref().filter(|sender| sender.receiver_count() > 0) {
            for one in news {
                let _ = sender.send(one);
            }
        }
    }
}

impl Engine {
    /// Listens to what is new, from now on. `None` once the server stops.
    pub fn listen(&self) -> Option<broadcast::Receiver<News>> {
        lock(&self.inner.news_heard.0)
            .as_ref()
            .map(broadcast::Sender::subscribe)
    }

    /// Ends whatever listens, so that its connections can be closed.
    pub fn end_listening(&self) {
        *lock(&self.inner.news_heard.0) = None;
    }
}

impl Inner {
    /// Tells everybody who waits that records of this node are durable.
    pub fn published(&self, org: &Org, entries: &[Entry]) {
        for entry in entries {
            self.metrics.count(&entry.record.event);
        }
        self.heard(org, entries);
    }

    /// Tells everybody who waits that there are new records, of this node or another.
    pub fn heard(&self, org: &Org, entries: &[Entry]) {
        if entries.is_empty() {
            return;
        }
        self.index_wanted.raise(org, entries);
        self.news_heard.tell(entries.iter().map(|entry| News {
            org: org.clone(),
            kind: entry.record.event.kind(),
            seq: entry.record.seq,
        }));
        let Ok(handle) = self.org(org) else { return };
        let mut callbacks = false;
        for entry in entries {
            match &entry.record.event {
                Event::SnapshotActivated(e) => {
                    let live = self.compiled(org, Some(&e.hash));
                    *handle.live.write().unwrap_or_else(PoisonError::into_inner) = live;
                }
                Event::CandidateStarted(e) => {
                    let canary = e.canary.and_then(|canary| self.deciding_for_some(org, canary, &e.hash));
                    handle.set_canary(canary);
                }
                Event::CandidateEnded(_) => handle.set_canary(None),
                Event::EpochOpened(e) => {
                    self.signer.epoch_opened(org);
                    handle.log_goes_on(&e.log, &e.vkey);
                }
                Event::KeyRotated(e) => handle.log_goes_on(e.vkey.split('+').next().unwrap_or_default(), &e.vkey),
                Event::KeyRevoked(e) => self.auth.forget(&e.kid),
                Event::UserRemoved(_) | Event::OrganizationClosed(_) => self.auth.clear(),
                Event::UserAdded(_) => self.auth.clear(),
                Event::CallbackDue(_) | Event::CallbackAttempted(_) => callbacks = true,
                Event::NoticeDue(_) | Event::NoticeAttempted(_) => callbacks = true,
                _other => {}
            }
        }
        if callbacks {
            self.deliveries_may_wait(&handle);
        }
        let mut waiters = lock(&handle.waiters);
        if !waiters.is_empty() {
            for subject in entries
                .iter()
                .flat_map(|entry| countersign_core::view::subjects(&entry.record.event))
            {
                if let Some(waiter) = waiters.remove(&subject) {
                    waiter.notify_waiters();
                }
            }
        }
    }

    /// A ledger of other nodes was folded as a whole: whatever was known of it may be old.
    pub fn heard_of(&self, org: &Org) {
        self.index_wanted.raise(org, &[]);
        self.news_heard.tell([News {
            org: org.clone(),
            kind: "",
            seq: 0,
        }]);
        self.auth.forget_org(org);
        let Ok(handle) = self.org(org) else { return };
        self.deliveries_may_wait(&handle);
        for (_, waiter) in lock(&handle.waiters).drain() {
            waiter.notify_waiters();
        }
    }

    fn deliveries_may_wait(&self, handle: &OrgHandle) {
        handle.has_deliveries.store(true, Ordering::Relaxed);
        handle.has_notices.store(true, Ordering::Relaxed);
        self.effects_wanted.notify_one();
    }
}

impl OrgHandle {
    /// Lets go of a waiter that nobody waits on any more.
    pub fn forget_waiter(&self, subject: u128) {
        let mut waiters = lock(&self.waiters);
        if waiters
            .get(&subject)
            .is_some_and(|waiter| Arc::strong_count(waiter) == 1)
        {
            waiters.remove(&subject);
        }
    }

    /// Something to wait on for news of an action. Ask before reading, so that no news is missed.
    pub fn waiter(&self, subject: u128) -> Arc<Notify> {
        lock(&self.waiters).entry(subject).or_default().clone()
    }
}
