//! What a witness is asked and what it makes of it, as in c2sp.org/tlog-witness: bytes in, a verdict out. Who keeps what the
//! witness knows, and answers by HTTP, is elsewhere.

use crate::checkpoint::{Checkpoint, parse_decimal};
use crate::hash::Hash;
use crate::note::{Note, VerifyingKey};
use crate::tree::verify_consistency;

/// More lines than this the protocol does not allow.
const MAX_HASHES: usize = 63;

/// The body of `add-checkpoint`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission<'a> {
    /// The size that the witness is thought to know.
    pub old: u64,
    /// That the checkpoint goes on from there.
    pub proof: Vec<Hash>,
    /// The signed checkpoint.
    pub note: &'a str,
}

/// Why a witness does not cosign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The body breaks the format, or what it says cannot be.
    #[error("not a checkpoint with a proof: {0}")]
    Malformed(String),
    /// The witness was not told of this log.
    #[error("the log `{0}` is not one that this witness knows")]
    UnknownLog(String),
    /// None of the signatures is by a key of the log.
    #[error("no signature by a known key of the log `{0}`")]
    Unsigned(String),
    /// The witness knows another size, or another root at this size.
    #[error("the witness knows {size} records of this log{}", if *.forked { ", with another root" } else { "" })]
    Conflict {
        /// The size that it knows.
        size: u64,
        /// Log and witness are at one size and have two roots.
        forked: bool,
    },
    /// The proof does not hold.
    #[error("the proof does not show that the checkpoint goes on from what the witness knows")]
    Proof,
}

impl<'a> Submission<'a> {
    /// Reads a body; nothing in it may be trusted before [`Submission::judge`].
    ///
    /// # Errors
    /// [`Refusal::Malformed`].
    pub fn parse(body: &'a str) -> Result<Submission<'a>, Refusal> {
        let malformed = |what: &str| Refusal::Malformed(what.to_owned());
        let (head, note) = body
            .split_once("\n\n")
            .ok_or_else(|| malformed("no empty line before the checkpoint"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old "));
        let old = old
            .and_then(parse_decimal)
            .ok_or_else(|| malformed("the first line is not `old` with a plain decimal number"))?;
        let proof: Vec<Hash> = lines
            .map(Hash::from_base64)
            .collect::<Result<_, _>>()
            .map_err(|_| malformed("a line of the proof is not a base64 hash"))?;
        if proof.len() > MAX_HASHES {
            return Err(malformed("the proof has more than 63 lines"));
        }
        Ok(Submission { old, proof, note })
    }

    /// The body.
    pub fn to_text(&self) -> String {
        let proof: String = self.proof.iter().map(|hash| hash.to_base64() + "\n").collect();
        format!("old {}\n{proof}\n{}", self.old, self.note)
    }

    /// The log that it says it is of.
    ///
    /// # Errors
    /// [`Refusal::Malformed`].
    pub fn origin(&self) -> Result<String, Refusal> {
        Ok(self.stated()?.1.origin)
    }

    fn stated(&self) -> Result<(Note<'a>, Checkpoint), Refusal> {
        let note = Note::parse(self.note).map_err(|error| Refusal::Malformed(error.to_string()))?;
        let stated = Checkpoint::parse_body(note.text).map_err(|error| Refusal::Malformed(error.to_string()))?;
        Ok((note, stated))
    }

    /// The checkpoint, if a witness that knows `known` of this log, whose keys are `keys`, may cosign it. Whoever cosigns makes
    /// it durable as what is known first, and nothing may come between this call and that.
    ///
    /// # Errors
    /// [`Refusal`], in the order in which the protocol asks.
    pub fn judge(&self, keys: &[VerifyingKey], known: Option<&Checkpoint>) -> Result<Checkpoint, Refusal> {
        let (note, stated) = self.stated()?;
        let mut own = keys.iter().filter(|key| key.name() == stated.origin).peekable();
        if own.peek().is_none() {
            return Err(Refusal::UnknownLog(stated.origin));
        }
        if !own.any(|key| note.verify(key).is_ok()) {
            return Err(Refusal::Unsigned(stated.origin));
        }
        if self.old > stated.size {
            let what = "the old size is above that of the checkpoint";
            return Err(Refusal::Malformed(what.to_owned()));
        }
        let (size, root) = known.map_or_else(|| (0, Hash::of(b"")), |known| (known.size, known.root));
        if self.old != size {
            return Err(Refusal::Conflict { size, forked: false });
        }
        if size == stated.size && root != stated.root {
            return Err(Refusal::Conflict { size, forked: true });
        }
        verify_consistency(size, root, stated.size, stated.root, &self.proof).map_err(|_| Refusal::Proof)?;
        Ok(stated)
    }
}
