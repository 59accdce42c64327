//! Canonical bytes, RFC 6962 trees, C2SP checkpoints and signed notes: what an auditor links.
//!
//! The crate knows bytes only. What is absent, on purpose: async, I/O, clocks, randomness, environment, logging,
//! panics. Whoever calls it reads files, makes keys and takes the time; see [`bundle::Files`] for the one seam.
//!
//! An entry of a ledger is a *record*; its canonical bytes are the *leaf*, at most [`MAX_LEAF_BYTES`] long.

#![cfg_attr(
    not(test),
    deny(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

pub mod bundle;
pub mod canonical;
pub mod checkpoint;
pub mod cosignature;
pub mod hash;
mod jcs;
pub mod note;
pub mod proof_file;
mod scan;
pub mod tile;
pub mod tree;
pub mod witness;

pub use canonical::{CanonicalError, MAX_LEAF_BYTES, is_canonical_record};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use cosignature::{Cosigner, WitnessKey};
pub use hash::{Hash, file_set_hash, leaf_hash, node_hash, tagged};
pub use jcs::{JsonError, canonical_json};
pub use note::{KeyError, Note, NoteError, SigningKey, VerifyingKey};
pub use proof_file::{ProofFile, ProofFileError};
pub use tree::{Edge, ProofError, consistency_proof, inclusion_proof, verify_consistency, verify_inclusion};

/// The plain-Python verifier that every export ships as `verify.py`. It shares no code with this crate.
pub const VERIFY_PY: &str = include_str!("../verify/verify.py");
