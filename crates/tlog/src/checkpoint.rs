//! Checkpoints as in c2sp.org/tlog-checkpoint: a signed note of origin, size and root.

use crate::hash::Hash;
use crate::note::{Note, NoteError, SigningKey, VerifyingKey};

/// What a log states of itself: at `size` records, its root is `root`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name, which is also its key's name.
    pub origin: String,
    /// Number of records.
    pub size: u64,
    /// Root of the RFC 6962 tree over them.
    pub root: Hash,
}

/// A checkpoint cannot be read, or is not this log's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note around it is at fault.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The text is not a checkpoint.
    #[error("not a checkpoint: {0}")]
    Malformed(&'static str),
    /// It speaks of another log than the key's.
    #[error("the checkpoint is of the log `{found}`, the key of `{wanted}`")]
    Origin {
        /// The origin that it states.
        found: String,
        /// The key's name.
        wanted: String,
    },
}

impl Checkpoint {
    /// The text that is signed: origin, decimal size, base64 root, each on a line. We write no extension lines.
    pub fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root.to_base64())
    }

    /// Signs it.
    ///
    /// # Errors
    /// [`CheckpointError::Origin`] unless the key has the origin as its name.
    pub fn sign(&self, key: &SigningKey) -> Result<String, CheckpointError> {
        self.of(key.verifying_key())?;
        Ok(key.sign_note(&self.body())?)
    }

    /// Reads the text of a checkpoint, without signatures. Extension lines are allowed and dropped.
    ///
    /// # Errors
    /// [`CheckpointError::Malformed`].
    pub fn parse_body(text: &str) -> Result<Checkpoint, CheckpointError> {
        let text = text
            .strip_suffix('\n')
            .ok_or(CheckpointError::Malformed("it does not end in a newline"))?;
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(CheckpointError::Malformed("it has fewer than three lines"));
        };
        if origin.is_empty() || lines.any(str::is_empty) {
            return Err(CheckpointError::Malformed("it has an empty line"));
        }
        let size = parse_decimal(size).ok_or(CheckpointError::Malformed("the size is not a plain decimal number"))?;
        let root = Hash::from_base64(root).map_err(|_| CheckpointError::Malformed("the root is not a base64 hash"))?;
        Ok(Checkpoint {
            origin: origin.to_owned(),
            size,
            root,
        })
    }

    /// Reads a signed checkpoint: `key` signed it, and its origin is the key's name.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn open(key: &VerifyingKey, note: &str) -> Result<Checkpoint, CheckpointError> {
        let checkpoint = Checkpoint::parse_body(Note::parse(note)?.verify(key)?)?;
        checkpoint.of(key)?;
        Ok(checkpoint)
    }

    fn of(&self, key: &VerifyingKey) -> Result<(), CheckpointError> {
        if self.origin == key.name() {
            return Ok(());
        }
        Err(CheckpointError::Origin {
            found: self.origin.clone(),
            wanted: key.name().to_owned(),
        })
    }
}

/// A decimal number of 64 bits in its one spelling: ASCII digits, no sign, no leading zero.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}
