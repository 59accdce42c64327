//! Several nodes over one store: news of each other's records, and work that one of them does for all.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use countersign_store::{Changes, Shared};

use crate::Inner;

/// How long one look for news lasts.
const LISTEN: Duration = Duration::from_millis(500);
/// How long to wait when the store cannot be asked.
const PAUSE: Duration = Duration::from_millis(250);

/// Work that one node does for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Delivering callbacks.
    Callbacks,
    /// Writing the search index.
    Index,
    /// Destroying what is over.
    Retention,
}

impl Work {
    fn name(self) -> &'static str {
        match self {
            Work::Callbacks => "callbacks",
            Work::Index => "index",
            Work::Retention => "retention",
        }
    }

    /// How long another node waits for one that died. Longer than a piece of the work takes.
    fn lasts(self) -> Duration {
        match self {
            Work::Callbacks => Duration::from_secs(30),
            Work::Index => Duration::from_secs(5),
            Work::Retention => Duration::from_secs(60 * 60),
        }
    }
}

/// Starts the thread that listens for news.
pub(crate) fn start(inner: &Arc<Inner>) -> std::io::Result<JoinHandle<()>> {
    let inner = inner.clone();
    std::thread::Builder::new().name("follower".into()).spawn(move || {
        while let Some(shared) = inner.store.shared().filter(|_| !inner.is_stopping()) {
            if !listen(&inner, shared, LISTEN) {
                std::thread::sleep(PAUSE);
            }
        }
    })
}

/// Listens for news for at most so long, and tells the sequencer. Says whether the store could be asked.
pub(crate) fn listen(inner: &Inner, shared: &dyn Shared, at_most: Duration) -> bool {
    let news = match shared.changes(at_most) {
        Ok(Changes::In(news)) => Ok(news),
        Ok(Changes::Anywhere) => inner
            .store
            .organizations()
            .map(|rows| rows.into_iter().map(|row| row.name).chain(inner.known_orgs()).collect()),
        Err(error) => Err(error),
    };
    match news {
        Ok(news) if news.is_empty() => true,
        Ok(news) => {
            crate::lock(&inner.news).extend(news);
            inner.inbox.nudge();
            true
        }
        Err(error) => {
            tracing::warn!(%error, "no news of other nodes");
            false
        }
    }
}

impl Inner {
    /// Whether this node does such work for an organization now. Alone over its store, it always does.
    pub(crate) fn does(&self, work: Work, org: &str) -> bool {
        let Some(shared) = self.store.shared() else { return true };
        match shared.lease(org, work.name(), &self.node, work.lasts()) {
            Ok(mine) => mine,
            Err(error) => {
                tracing::warn!(org, work = work.name(), %error, "a lease could not be had");
                false
            }
        }
    }
}
