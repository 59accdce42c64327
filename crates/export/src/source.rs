//! Where records come from.

use std::future::Future;

use countersign_tlog::Hash;

use crate::error::SourceError;

/// What opens the commitment of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Canonical JSON text.
    pub body: String,
    /// Salt, hexadecimal.
    pub salt: String,
}

/// A proof that a record is in the tree of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// Sibling hashes from the leaf up.
    pub hashes: Vec<Hash>,
    /// Size of that tree.
    pub size: u64,
}

/// A ledger as its server shows it. Nothing that it says is believed without a proof.
pub trait Source {
    /// The newest signed checkpoint.
    fn checkpoint(&self) -> impl Future<Output = Result<String, SourceError>>;
    /// Up to `limit` records from index `from` on, as canonical lines, each with a line break. Those whose bytes are gone are
    /// left out.
    fn records(&self, from: u64, limit: u64) -> impl Future<Output = Result<String, SourceError>>;
    /// The proof that the tree of `to` records extends that of `from` records; `0 < from <= to`.
    fn consistency(&self, from: u64, to: u64) -> impl Future<Output = Result<Vec<Hash>, SourceError>>;
    /// The proof that a record is in the newest tree.
    fn inclusion(&self, index: u64) -> impl Future<Output = Result<Inclusion, SourceError>>;
    /// What lies beside a record; `None` if it is there no more.
    fn payload(&self, index: u64) -> impl Future<Output = Result<Option<Payload>, SourceError>>;
}
