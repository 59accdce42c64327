//! What this signer may sign and release: every ledger is held against its mark before anything is signed on it, and the
//! mark is durable before a checkpoint leaves the process. [`crate::mark`] says why.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use countersign_core::event::{EpochEnd, EpochOpened};
use countersign_core::reader::Readers;
use countersign_core::{Event, Record, State};
use countersign_store::{Append, Head, Org, Store};
use countersign_tlog::VerifyingKey;

use crate::epoch::LogKeys;
use crate::error::EngineError;
use crate::ledger::{Ledger, sealed_state, upgrade_needed};
use crate::log_signer::LogSigner;
use crate::mark::{Mark, MarkError, Marks};
use crate::prune::first_record;
use crate::roots::root_at;
use crate::{Engine, Inner, blocking};

/// How far marks may lie behind what is committed.
const LAG: Duration = Duration::from_millis(500);

/// What a ledger is to its mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There is no mark: the first start on this machine, or after an upgrade.
    Unmarked,
    /// The ledger is what was signed for, or goes on from there.
    Follows(Mark),
    /// It is not; nothing may be signed on it.
    Restored(Restored),
}

/// A ledger that has forgotten what was signed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The mark.
    pub mark: Mark,
    /// How many records the ledger has.
    pub size: u64,
    /// What does not fit, in words.
    pub why: String,
}

impl Restored {
    /// What callers are told, in one sentence.
    pub fn sentence(&self, org: &str) -> String {
        format!(
            "the ledger of `{org}` is not the one that was signed for ({}); nothing is recorded in it until an operator opens \
             a new epoch with `countersign ledger epoch new --org {org} --why …`",
            self.why
        )
    }

    fn error(&self, org: &str) -> EngineError {
        EngineError::Unavailable {
            code: "restored_backup",
            detail: self.sentence(org),
            retry_after_s: 60,
        }
    }
}

impl From<MarkError> for EngineError {
    fn from(error: MarkError) -> Self {
        EngineError::unavailable("signer_state", error.to_string())
    }
}

/// Holds a ledger, as it lies in a store, against its mark. `epochs` are those that its records opened, in order.
///
/// # Errors
/// If the store cannot be read.
pub fn standing(
    store: &dyn Store,
    org: &str,
    head: &Head,
    epochs: &[EpochOpened],
    mark: Option<Mark>,
) -> Result<Standing, EngineError> {
    let Some(mark) = mark else {
        return Ok(Standing::Unmarked);
    };
    let restored = |mark: Mark, why: String| {
        Ok(Standing::Restored(Restored {
            mark,
            size: head.size,
            why,
        }))
    };
    let here = Mark::of(&head.checkpoint).map_err(EngineError::internal)?;
    let (epoch, marked) = (here.place().0, mark.place().0);
    let size = mark.checkpoint.size;
    if marked > epoch {
        let why = format!("it is in epoch {epoch}, and epoch {marked} was opened before");
        return restored(mark, why);
    }
    if marked < epoch {
        // The epoch that followed the mark's says what was lost when it was opened.
        let of_mark = |end: &EpochEnd| end.log == mark.checkpoint.origin;
        let next = epochs
            .iter()
            .find(|next| of_mark(&next.previous) || next.mark.as_ref().is_some_and(of_mark));
        let Some(next) = next else {
            let why = format!("none of its epochs follows `{}`", mark.checkpoint.origin);
            return restored(mark, why);
        };
        let kept = if of_mark(&next.previous) { next.previous.size } else { 0 };
        if size > kept {
            let owned_up_to = next
                .mark
                .as_ref()
                .filter(|lost| of_mark(lost))
                .map_or(kept, |lost| lost.size);
            if size <= owned_up_to {
                return Ok(Standing::Follows(mark));
            }
            let why = format!(
                "epoch {} owns up to {owned_up_to} records of `{}`, and {size} were signed for",
                next.epoch, mark.checkpoint.origin
            );
            return restored(mark, why);
        }
    }
    if size > head.size {
        let why = format!("it has {} records, and {size} were signed for", head.size);
        return restored(mark, why);
    }
    if root_at(store, org, head, size)? != mark.checkpoint.root {
        let why = format!("its first {size} records have another root than was signed");
        return restored(mark, why);
    }
    Ok(Standing::Follows(mark))
}

/// The marks of the ledgers that this process serves.
pub(crate) struct Signer {
    /// `None` keeps no marks.
    marks: Option<Marks>,
    logs: Mutex<HashMap<Org, Log>>,
    behind: Mutex<Behind>,
    changed: Condvar,
}

#[derive(Default)]
struct Behind {
    orgs: BTreeSet<Org>,
    stopping: bool,
}

/// One log, as far as this process has looked at it.
enum Log {
    /// The mark as it is on stable storage.
    Marked(Option<Mark>),
    Barred(Restored),
}

impl Signer {
    pub fn new(marks: Option<Marks>) -> Signer {
        Signer {
            marks,
            logs: Mutex::default(),
            behind: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Holds a ledger that was just folded against its mark. `Some` = nothing may be signed on it.
    pub fn look_at(
        &self,
        store: &dyn Store,
        org: &Org,
        head: &Head,
        epochs: &[EpochOpened],
    ) -> Result<Option<EngineError>, EngineError> {
        let Some(marks) = &self.marks else { return Ok(None) };
        let origin = Mark::of(&head.checkpoint)
            .map_err(EngineError::internal)?
            .checkpoint
            .origin;
        let standing = standing(store, org, head, epochs, marks.read(&origin)?)?;
        let (log, barred) = match standing {
            Standing::Unmarked => {
                let file = marks.file(&origin);
                if head.size > 0 {
                    tracing::warn!(
                        org = &**org,
                        records = head.size,
                        mark = %file.display(),
                        "there is no mark of what was signed for this ledger; a new one begins. A restored backup is not noticed before that"
                    );
                }
                (Log::Marked(None), None)
            }
            Standing::Follows(mark) => (Log::Marked(Some(mark)), None),
            Standing::Restored(restored) => {
                tracing::error!(org = &**org, "{}", restored.sentence(org));
                let error = restored.error(org);
                (Log::Barred(restored), Some(error))
            }
        };
        crate::lock(&self.logs).insert(org.clone(), log);
        if barred.is_none() {
            self.follow(std::iter::once(org));
        }
        Ok(barred)
    }

    /// Batches were committed: their marks follow.
    pub fn committed(&self, shares: &[Append]) {
        if self.marks.is_some() && !shares.is_empty() {
            self.follow(shares.iter().map(|share| &share.org));
        }
    }

    /// Another node appended to a ledger: its mark here follows as well.
    pub fn heard(&self, org: &Org) {
        if self.marks.is_some() {
            self.follow(std::iter::once(org));
        }
    }

    fn follow<'a>(&self, orgs: impl Iterator<Item = &'a Org>) {
        let mut behind = crate::lock(&self.behind);
        let idle = behind.orgs.is_empty();
        behind.orgs.extend(orgs.cloned());
        drop(behind);
        if idle {
            self.changed.notify_one();
        }
    }

    /// A new epoch was opened in this ledger, which makes an end of what was lost.
    pub fn epoch_opened(&self, org: &Org) {
        let mut logs = crate::lock(&self.logs);
        if let Some(log @ Log::Barred(_)) = logs.get_mut(org) {
            *log = Log::Marked(None);
        }
    }

    /// The ledger of a new organization begins.
    pub fn begin(&self, org: &Org) {
        if self.marks.is_some() {
            crate::lock(&self.logs).insert(org.clone(), Log::Marked(None));
        }
    }

    pub fn forget(&self, org: &str) {
        crate::lock(&self.logs).remove(org);
        crate::lock(&self.behind).orgs.remove(org);
    }

    /// How many ledgers nothing may be signed on.
    pub fn barred(&self) -> usize {
        crate::lock(&self.logs)
            .values()
            .filter(|log| matches!(log, Log::Barred(_)))
            .count()
    }

    pub fn is_barred(&self, org: &str) -> bool {
        matches!(crate::lock(&self.logs).get(org), Some(Log::Barred(_)))
    }

    fn may_follow(&self, org: &str) -> bool {
        matches!(crate::lock(&self.logs).get(org), Some(Log::Marked(_)))
    }

    /// What does not fit, if nothing may be signed on a ledger.
    pub fn restored(&self, org: &str) -> Option<Restored> {
        match crate::lock(&self.logs).get(org) {
            Some(Log::Barred(restored)) => Some(restored.clone()),
            Some(Log::Marked(_)) | None => None,
        }
    }

    /// The folder of marks, where they are kept.
    pub fn marks(&self) -> Option<&Marks> {
        self.marks.as_ref()
    }

    fn knows(&self, org: &str) -> bool {
        self.marks.is_none() || crate::lock(&self.logs).contains_key(org)
    }

    /// Makes the mark of a committed head durable, so that its checkpoint may leave the process.
    fn cover(&self, org: &str, head: &Head) -> Result<(), EngineError> {
        let Some(marks) = &self.marks else { return Ok(()) };
        let mark = Mark::of(&head.checkpoint).map_err(EngineError::internal)?;
        match crate::lock(&self.logs).get(org) {
            Some(Log::Barred(restored)) => return Err(restored.error(org)),
            Some(Log::Marked(Some(there))) if there.place() >= mark.place() => return Ok(()),
            Some(Log::Marked(_)) => {}
            None => {
                return Err(EngineError::unavailable(
                    "signer_state",
                    format!("the ledger of `{org}` was not looked at yet"),
                ));
            }
        }
        let there = marks.advance(mark)?;
        let mut logs = crate::lock(&self.logs);
        if let Some(Log::Marked(known)) = logs.get_mut(org)
            && known.as_ref().is_none_or(|known| known.place() < there.place())
        {
            *known = Some(there);
        }
        Ok(())
    }

    /// Waits until marks lie behind; `None` when the engine stops.
    fn wait(&self) -> Option<BTreeSet<Org>> {
        let mut behind = crate::lock(&self.behind);
        while behind.orgs.is_empty() && !behind.stopping {
            behind = self.changed.wait(behind).unwrap_or_else(PoisonError::into_inner);
        }
        // What is committed in the meantime costs no sync of its own.
        let (mut behind, _) = self
            .changed
            .wait_timeout_while(behind, LAG, |behind| !behind.stopping)
            .unwrap_or_else(PoisonError::into_inner);
        (!behind.stopping).then(|| std::mem::take(&mut behind.orgs))
    }

    pub fn stop(&self) {
        crate::lock(&self.behind).stopping = true;
        self.changed.notify_one();
    }
}

/// Starts the thread that lets marks follow.
pub(crate) fn start(inner: &Arc<Inner>) -> std::io::Result<JoinHandle<()>> {
    let inner = inner.clone();
    std::thread::Builder::new().name("signer".into()).spawn(move || {
        while let Some(orgs) = inner.signer.wait() {
            inner.let_marks_follow(&orgs);
        }
    })
}

impl Inner {
    /// Takes up who signs for a ledger that was folded, and holds it against its mark.
    pub(crate) fn take_up_log(&self, ledger: &mut Ledger) -> Result<(), EngineError> {
        let (org, state) = (ledger.org.clone(), &ledger.state);
        if !state.epochs().is_empty() || !state.rotations().is_empty() {
            let first = self.org(&org)?.origin.clone();
            ledger.log = LogSigner::of(
                &*self.store,
                &self.vault,
                &org,
                &first,
                state.epochs(),
                state.rotations(),
            )?;
        }
        let handle = self.org(&org)?;
        handle.set_log_keys(LogKeys::of(&ledger.log, &handle.keys.log, &ledger.state));
        let head = self.store.head(&org)?;
        let head = head.ok_or_else(|| EngineError::internal(format!("`{org}` has no head")))?;
        ledger.barred = self.signer.look_at(&*self.store, &org, &head, ledger.state.epochs())?;
        self.recall_witnessed(&org, &head);
        Ok(())
    }

    fn let_marks_follow(&self, orgs: &BTreeSet<Org>) {
        // A mark of what is not signed for stays where it is; what nobody has looked at follows when somebody does.
        for org in orgs.iter().filter(|org| self.signer.may_follow(org)) {
            let followed = match self.store.head(org) {
                Ok(Some(head)) => self.signer.cover(org, &head),
                // It was removed meanwhile.
                Ok(None) => Ok(()),
                Err(error) => Err(error.into()),
            };
            if let Err(error) = followed {
                tracing::error!(org = &**org, %error, "the signer's mark does not follow; no checkpoint is released beyond it");
                crate::lock(&self.signer.behind).orgs.insert(org.clone());
            }
        }
    }

    /// What is left to do for marks when nothing is committed any more.
    pub(crate) fn finish_marks(&self) {
        let orgs = std::mem::take(&mut crate::lock(&self.signer.behind).orgs);
        self.let_marks_follow(&orgs);
    }

    /// The newest checkpoint that may leave the process. The ledger was looked at before: [`Engine::released`].
    pub(crate) fn release(&self, org: &str) -> Result<Head, EngineError> {
        let head = self.store.head(org)?;
        let head = head.ok_or_else(|| countersign_core::Refusal::missing("organization", org))?;
        self.signer.cover(org, &head)?;
        Ok(head)
    }
}

impl Engine {
    /// The newest checkpoint that may leave the process: its mark is durable.
    pub(crate) async fn released(&self, org: &Org) -> Result<Head, EngineError> {
        self.must_have_looked(org).await?;
        let (inner, name) = (self.inner.clone(), org.clone());
        blocking(move || inner.release(&name)).await
    }

    /// Folds the ledger if nobody has yet, which holds it against its mark.
    pub(crate) async fn must_have_looked(&self, org: &Org) -> Result<(), EngineError> {
        if self.inner.signer.knows(org) {
            return Ok(());
        }
        self.look(org, |_| ()).await
    }

    /// How many ledgers are served without writes, because they are not what was signed for.
    pub fn restored_ledgers(&self) -> usize {
        self.inner.signer.barred()
    }
}

/// The verifying key that new checkpoints of a ledger are signed under, as its records say.
///
/// # Errors
/// If they cannot be read.
pub fn log_vkey(store: &dyn Store, org: &str) -> Result<String, EngineError> {
    vkey_under(&state_of(store, org)?, store, org)
}

/// The same, where the state is known.
pub(crate) fn vkey_under(state: &State, store: &dyn Store, org: &str) -> Result<String, EngineError> {
    let epoch = state.epochs().last();
    let rotated = state.rotations().last();
    // Of the two the later one says it; only its key is taken where the name has changed since.
    let named = match (epoch, rotated) {
        (Some(epoch), Some(rotated)) => {
            let key: VerifyingKey = rotated.vkey.parse().map_err(EngineError::internal)?;
            let key = VerifyingKey::new(&epoch.log, &key.public()).map_err(EngineError::internal)?;
            Some(key.to_string())
        }
        (Some(epoch), None) => Some(epoch.vkey.clone()),
        (None, Some(rotated)) => Some(rotated.vkey.clone()),
        (None, None) => None,
    };
    if let Some(vkey) = named {
        return Ok(vkey);
    }
    let (first, _) = Record::decode(&first_record(store, org)?).map_err(EngineError::internal)?;
    match first.event {
        Event::LedgerOpened(opened) => Ok(opened.vkey),
        _other => Err(EngineError::internal(format!(
            "the ledger of `{org}` does not begin with its opening"
        ))),
    }
}

/// Folds the state of a ledger as it lies in a store, for those who look at it without an engine.
///
/// # Errors
/// If it cannot be read, or a newer version wrote it.
pub fn state_of(store: &dyn Store, org: &str) -> Result<State, EngineError> {
    let mut state = sealed_state(store, org)?.unwrap_or_default();
    loop {
        let chunk = store.records(org, state.next_seq(), 4096)?;
        if chunk.is_empty() {
            return Ok(state);
        }
        for stored in chunk {
            let (record, _) = Record::decode(&stored.leaf).map_err(|error| upgrade_needed(org, error))?;
            Readers::default()
                .may_fold(&record)
                .map_err(|error| upgrade_needed(org, error))?;
            if record.seq != state.next_seq() {
                return Err(EngineError::internal(format!("record {} is missing", state.next_seq())));
            }
            state.apply(&record);
        }
    }
}
