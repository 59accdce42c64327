//! What witnesses cosigned: the newest such checkpoint of each log, in memory. Whoever brings checkpoints to witnesses puts it
//! here; nothing waits for it, and nothing is decided by it.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use countersign_core::Refusal;
use countersign_store::Org;
use countersign_tlog::{Checkpoint, Note};

use crate::Engine;
use crate::auth::Caller;
use crate::error::EngineError;

/// The newest cosigned checkpoints.
#[derive(Default)]
pub(crate) struct Witnessed {
    logs: Mutex<HashMap<Org, Cosigned>>,
    refusals: AtomicU64,
}

/// A cosigned checkpoint of a log.
struct Cosigned {
    size: u64,
    /// As it was released.
    checkpoint: String,
    /// Cosignature lines, by the witness's name.
    lines: BTreeMap<String, String>,
    at: Instant,
}

impl Cosigned {
    fn text(&self) -> String {
        self.checkpoint.clone() + &self.lines.values().map(String::as_str).collect::<String>()
    }
}

impl Witnessed {
    fn logs(&self) -> MutexGuard<'_, HashMap<Org, Cosigned>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Takes the lines by which a witness cosigned a checkpoint that [`Engine::checkpoint`] gave. The caller has verified them.
    pub fn keep_cosignature(&self, org: &Org, checkpoint: &str, witness: &str, lines: &str) {
        let stated = Note::parse(checkpoint).ok();
        let Some(stated) = stated.and_then(|note| Checkpoint::parse_body(note.text).ok()) else {
            return;
        };
        let mut logs = self.inner.witnessed.logs();
        let kept = logs.remove(org).filter(|kept| kept.checkpoint == checkpoint);
        let mut kept = kept.unwrap_or_else(|| Cosigned {
            size: stated.size,
            checkpoint: checkpoint.to_owned(),
            lines: BTreeMap::new(),
            at: Instant::now(),
        });
        kept.lines.insert(witness.to_owned(), lines.to_owned());
        kept.at = Instant::now();
        logs.insert(org.clone(), kept);
    }

    /// Counts a witness that does not vouch for a log any more.
    pub fn count_witness_refusal(&self) {
        self.inner.witnessed.refusals.fetch_add(1, Ordering::Relaxed);
    }

    /// How often a witness did not vouch for a log.
    pub fn witness_refusals(&self) -> u64 {
        self.inner.witnessed.refusals.load(Ordering::Relaxed)
    }

    /// How long ago, in seconds, the log was cosigned whose last cosignature is the oldest; `None` if there is none of any.
    pub fn witness_age(&self) -> Option<u64> {
        let logs = self.inner.witnessed.logs();
        logs.values().map(|kept| kept.at.elapsed().as_secs()).max()
    }

    /// The newest checkpoint that a witness cosigned since this process started.
    ///
    /// # Errors
    /// If there is none.
    pub fn witnessed(&self, caller: &Caller) -> Result<(u64, String), EngineError> {
        let logs = self.inner.witnessed.logs();
        match logs.get(&caller.org) {
            Some(kept) => Ok((kept.size, kept.text())),
            None => Err(Refusal::missing("witnessed checkpoint", &caller.org).into()),
        }
    }

    /// A checkpoint with what witnesses say of it.
    pub(crate) fn with_cosignatures(&self, org: &Org, checkpoint: String) -> String {
        let logs = self.inner.witnessed.logs();
        match logs.get(org).filter(|kept| kept.checkpoint == checkpoint) {
            Some(kept) => kept.text(),
            None => checkpoint,
        }
    }
}
