//! What witnesses cosigned: the newest such checkpoint of each log. Whoever brings checkpoints to witnesses puts it here;
//! nothing waits for it, and nothing is decided by it. It is kept beside the signer's mark, so that it is there after a restart.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use countersign_core::{Refusal, Time};
use countersign_store::{Head, Org};
use countersign_tlog::{Checkpoint, Note};

use crate::auth::Caller;
use crate::error::EngineError;
use crate::roots::root_at;
use crate::{Engine, Inner, blocking};

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

/// How far a ledger and its witnesses are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerStands {
    /// When the last record was written.
    pub last: Time,
    /// How many records the newest signed checkpoint covers.
    pub size: u64,
    /// How many the newest checkpoint covers that a witness cosigned.
    pub witnessed: Option<u64>,
}

/// A cosignature is a time of 8 bytes and a signature of 64; the log's own signature has no time.
const COSIGNATURE_BYTES: usize = 72;

impl Cosigned {
    /// Reads what [`Cosigned::text`] gave.
    fn read(text: &str, age: Duration) -> Result<(Cosigned, Checkpoint), String> {
        let note = Note::parse(text).map_err(|error| error.to_string())?;
        let stated = Checkpoint::parse_body(note.text).map_err(|error| error.to_string())?;
        let (mut checkpoint, mut lines) = (format!("{}\n", note.text), BTreeMap::<String, String>::new());
        let (_, written) = text.rsplit_once("\n\n").unwrap_or_default();
        for (signature, line) in note.signatures.iter().zip(written.split_inclusive('\n')) {
            if signature.bytes.len() == COSIGNATURE_BYTES {
                lines.entry(signature.name.to_owned()).or_default().push_str(line);
            } else {
                checkpoint.push_str(line);
            }
        }
        if lines.is_empty() {
            return Err("no witness cosigned it".to_owned());
        }
        let kept = Cosigned {
            size: stated.size,
            checkpoint,
            lines,
            at: Instant::now().checked_sub(age).unwrap_or_else(Instant::now),
        };
        Ok((kept, stated))
    }

    fn text(&self) -> String {
        self.checkpoint.clone() + &self.lines.values().map(String::as_str).collect::<String>()
    }
}

impl Witnessed {
    fn logs(&self) -> MutexGuard<'_, HashMap<Org, Cosigned>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a witness's lines to a checkpoint, and gives the text with all that it has.
    fn keep(&self, org: &Org, size: u64, checkpoint: &str, witness: &str, lines: &str) -> String {
        let mut logs = self.logs();
        let kept = logs.remove(org).filter(|kept| kept.checkpoint == checkpoint);
        let mut kept = kept.unwrap_or_else(|| Cosigned {
            size,
            checkpoint: checkpoint.to_owned(),
            lines: BTreeMap::new(),
            at: Instant::now(),
        });
        kept.lines.insert(witness.to_owned(), lines.to_owned());
        kept.at = Instant::now();
        let text = kept.text();
        logs.insert(org.clone(), kept);
        text
    }
}

impl Inner {
    /// Takes up what witnesses cosigned before this process started, as far as it is of this ledger: of one that was restored
    /// it may cover what is lost.
    pub(crate) fn recall_witnessed(&self, org: &Org, head: &Head) {
        if self.witnessed.logs().contains_key(org) {
            return;
        }
        match self.kept_witnessed(org, head) {
            Ok(Some(kept)) => {
                self.witnessed.logs().entry(org.clone()).or_insert(kept);
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(org = &**org, %error, "what witnesses cosigned before is not taken up; they are asked anew");
            }
        }
    }

    fn kept_witnessed(&self, org: &Org, head: &Head) -> Result<Option<Cosigned>, EngineError> {
        let Some(marks) = self.signer.marks() else {
            return Ok(None);
        };
        let Some((text, written)) = marks.witnessed(&self.org(org)?.origin)? else {
            return Ok(None);
        };
        let age = SystemTime::now().duration_since(written).unwrap_or_default();
        let (kept, stated) = Cosigned::read(&text, age).map_err(EngineError::internal)?;
        if stated.size > head.size || root_at(&*self.store, org, head, stated.size)? != stated.root {
            return Ok(None);
        }
        Ok(Some(kept))
    }
}

impl Engine {
    /// Takes the lines by which a witness cosigned a checkpoint that [`Engine::checkpoint`] gave. The caller has verified them.
    pub async fn keep_cosignature(&self, org: &Org, checkpoint: &str, witness: &str, lines: &str) {
        let stated = Note::parse(checkpoint).ok();
        let Some(stated) = stated.and_then(|note| Checkpoint::parse_body(note.text).ok()) else {
            return;
        };
        let text = self.inner.witnessed.keep(org, stated.size, checkpoint, witness, lines);
        let inner = self.inner.clone();
        let written = blocking(move || match inner.signer.marks() {
            Some(marks) => Ok(marks.keep_witnessed(&stated.origin, &text)?),
            None => Ok(()),
        });
        if let Err(error) = written.await {
            tracing::warn!(org = &**org, %error, "a cosigned checkpoint is not kept for the time after a restart");
        }
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

    /// The newest checkpoint that a witness cosigned.
    ///
    /// # Errors
    /// If there is none.
    pub async fn witnessed(&self, caller: &Caller) -> Result<(u64, String), EngineError> {
        self.must_have_looked(&caller.org).await?;
        let logs = self.inner.witnessed.logs();
        match logs.get(&caller.org) {
            Some(kept) => Ok((kept.size, kept.text())),
            None => Err(Refusal::missing("witnessed checkpoint", &caller.org).into()),
        }
    }

    /// How far the ledger and its witnesses are.
    pub async fn stands(&self, caller: &Caller) -> Result<LedgerStands, EngineError> {
        let head = self.released(&caller.org).await?;
        let logs = self.inner.witnessed.logs();
        Ok(LedgerStands {
            last: head.ts,
            size: head.size,
            witnessed: logs.get(&caller.org).map(|kept| kept.size),
        })
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
