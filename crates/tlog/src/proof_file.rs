//! Proof files as in c2sp.org/tlog-proof: index, inclusion proof and checkpoint of one record, checked offline.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::checkpoint::{Checkpoint, CheckpointError, parse_decimal};
use crate::hash::{Hash, leaf_hash};
use crate::note::VerifyingKey;
use crate::tree::{ProofError, verify_inclusion};

const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// A tree of 2^64 leaves has proofs of this length; more can never verify.
const MAX_HASHES: usize = 64;

/// The content of a `.tlog-proof` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofFile {
    /// Index of the record.
    pub index: u64,
    /// The inclusion proof, from the leaf's sibling up.
    pub hashes: Vec<Hash>,
    /// The signed checkpoint, verbatim.
    pub checkpoint: String,
    /// Opaque data beside the proof, which nothing authenticates. We write none.
    pub extra: Option<Vec<u8>>,
}

/// A proof file cannot be read, or does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofFileError {
    /// The text breaks the format.
    #[error("not a tlog-proof: {0}")]
    Malformed(&'static str),
    /// The checkpoint in it is at fault.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The proof does not lead from the leaf to the checkpoint's root.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

impl ProofFile {
    /// The text of the file.
    pub fn to_text(&self) -> String {
        let mut text = format!("{HEADER}\n");
        if let Some(extra) = &self.extra {
            text.push_str(&format!("extra {}\n", STANDARD.encode(extra)));
        }
        text.push_str(&format!("index {}\n", self.index));
        for hash in &self.hashes {
            text.push_str(&hash.to_base64());
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.checkpoint);
        text
    }

    /// Reads the text of the file; the checkpoint in it is not opened yet.
    ///
    /// # Errors
    /// [`ProofFileError::Malformed`].
    pub fn parse(text: &str) -> Result<ProofFile, ProofFileError> {
        let malformed = ProofFileError::Malformed;
        let (head, checkpoint) = text
            .split_once("\n\n")
            .ok_or(malformed("no blank line before the checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(malformed("the first line is another"));
        }
        let extra = match lines.next_if(|line| line.starts_with("extra ")) {
            Some(line) => {
                let data = STANDARD.decode(line.strip_prefix("extra ").unwrap_or_default());
                Some(data.map_err(|_| malformed("the extra data is not base64"))?)
            }
            None => None,
        };
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(parse_decimal);
        let index = index.ok_or(malformed("no `index` line with a plain decimal number"))?;
        let hashes: Vec<_> = lines
            .map(Hash::from_base64)
            .collect::<Result<_, _>>()
            .map_err(|_| malformed("a hash is not base64"))?;
        if hashes.len() > MAX_HASHES {
            return Err(malformed("too many hashes"));
        }
        Ok(ProofFile {
            index,
            hashes,
            checkpoint: checkpoint.to_owned(),
            extra,
        })
    }

    /// Checks that the leaf is the record at the index, under the checkpoint of the log that `key` belongs to.
    ///
    /// # Errors
    /// [`ProofFileError::Checkpoint`]; [`ProofFileError::Proof`].
    pub fn verify(&self, key: &VerifyingKey, leaf: &[u8]) -> Result<Checkpoint, ProofFileError> {
        let checkpoint = Checkpoint::open(key, &self.checkpoint)?;
        verify_inclusion(
            leaf_hash(leaf),
            self.index,
            checkpoint.size,
            &self.hashes,
            checkpoint.root,
        )?;
        Ok(checkpoint)
    }
}
