//! What a witness knows of a log: the checkpoint that it cosigned last, with its own cosignature on it, a file for each log.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_core::digest::hex;
use countersign_tlog::witness::{Refusal, Submission};
use countersign_tlog::{Checkpoint, Cosigner, Hash, Note, VerifyingKey, WitnessKey};

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the witness's state `{path}` cannot be used: {why}")]
pub struct StateError {
    path: String,
    why: String,
}

impl StateError {
    fn new(path: &Path, why: impl std::fmt::Display) -> StateError {
        StateError {
            path: path.display().to_string(),
            why: why.to_string(),
        }
    }
}

/// Why there is no cosignature.
#[derive(Debug)]
pub(super) enum Fault {
    /// The protocol forbids it.
    Refused {
        refusal: Refusal,
        /// The checkpoint, where the log signed it and it does not fit what is known.
        evidence: Option<String>,
    },
    /// The disk fails.
    State(StateError),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Fault {
        Fault::Refused {
            refusal,
            evidence: None,
        }
    }
}

/// The folder, held by this process.
#[derive(Debug)]
pub(super) struct StateFolder {
    root: PathBuf,
    // Two witnesses of one key and one state could cosign two histories. The lock ends with the value.
    _lock: File,
}

impl StateFolder {
    /// Makes the folder for its owner only where it is missing, and takes it.
    pub(super) fn take(root: &Path) -> Result<StateFolder, StateError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(root);
        made.map_err(|error| StateError::new(root, error))?;
        let path = root.join("lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(&path).map_err(|error| StateError::new(&path, error))?;
        lock.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => StateError::new(root, "another witness runs on it"),
            fs::TryLockError::Error(error) => StateError::new(&path, error),
        })?;
        Ok(StateFolder {
            root: root.to_owned(),
            _lock: lock,
        })
    }

    /// What is known of a log.
    pub(super) fn log(&self, origin: &str, keys: Vec<VerifyingKey>, own: &WitnessKey) -> Result<Log, StateError> {
        let safe = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let readable: String = origin.chars().take(100).map(safe).collect();
        let Hash(hash) = Hash::of(origin.as_bytes());
        let path = self.root.join(format!("{readable}.{}.checkpoint", hex(&hash[..8])));
        let known = match fs::read_to_string(&path) {
            Ok(text) => Some(read(&text, origin, own).map_err(|why| StateError::new(&path, why))?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(StateError::new(&path, error)),
        };
        Ok(Log {
            keys,
            path,
            known: Mutex::new(known),
        })
    }
}

/// Reads a file of the folder, which only this witness can have written.
fn read(text: &str, origin: &str, own: &WitnessKey) -> Result<Checkpoint, String> {
    let note = Note::parse(text).map_err(|error| error.to_string())?;
    own.verify(&note).map_err(|error| error.to_string())?;
    let known = Checkpoint::parse_body(note.text).map_err(|error| error.to_string())?;
    if known.origin == origin {
        return Ok(known);
    }
    Err(format!("it is of the log `{}`", known.origin))
}

/// A log that is watched.
#[derive(Debug)]
pub(super) struct Log {
    keys: Vec<VerifyingKey>,
    path: PathBuf,
    // Held from the verdict until the new checkpoint is durable, so that no second verdict comes between.
    known: Mutex<Option<Checkpoint>>,
}

impl Log {
    fn known(&self) -> MutexGuard<'_, Option<Checkpoint>> {
        // It is set whole, so whoever panicked left it as it was.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many records are known.
    pub(super) fn size(&self) -> u64 {
        self.known().as_ref().map_or(0, |known| known.size)
    }

    /// The line that cosigns a submission, once its checkpoint is durable as what is known.
    pub(super) fn cosign(
        &self,
        submission: &Submission<'_>,
        cosigner: &Cosigner,
        now: impl Fn() -> u64,
    ) -> Result<String, Fault> {
        let mut known = self.known();
        let judged = submission.judge(&self.keys, known.as_ref());
        let checkpoint = judged.map_err(|refusal| Fault::Refused {
            evidence: match refusal {
                Refusal::Proof | Refusal::Conflict { forked: true, .. } => Some(submission.note.to_owned()),
                Refusal::Malformed(_)
                | Refusal::UnknownLog(_)
                | Refusal::Unsigned(_)
                | Refusal::Conflict { forked: false, .. } => None,
            },
            refusal,
        })?;
        let malformed = |error: &dyn std::fmt::Display| Fault::from(Refusal::Malformed(error.to_string()));
        let note = Note::parse(submission.note).map_err(|error| malformed(&error))?;
        let line = cosigner.cosign(note.text, now()).map_err(|error| malformed(&error))?;
        // The log's signature is kept, others' are not: what they are worth nobody has checked.
        let own: String = signed_by(submission.note, &self.keys);
        self.write(&format!("{}\n{own}{line}", note.text))
            .map_err(|error| Fault::State(StateError::new(&self.path, error)))?;
        *known = Some(checkpoint);
        Ok(line)
    }

    /// Whole or not at all, and on stable storage when it returns.
    fn write(&self, text: &str) -> io::Result<()> {
        let next = self.path.with_extension("next");
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&next)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&next, &self.path)?;
        match self.path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }
}

/// The signature lines of a note that are by one of these keys.
fn signed_by(note: &str, keys: &[VerifyingKey]) -> String {
    let Some((before, lines)) = note.rsplit_once("\n\n") else {
        return String::new();
    };
    let text = format!("{before}\n");
    let own = |line: &&str| {
        let alone = format!("{text}\n{line}");
        keys.iter()
            .any(|key| Note::parse(&alone).is_ok_and(|note| note.verify(key).is_ok()))
    };
    lines.split_inclusive('\n').filter(own).collect()
}
