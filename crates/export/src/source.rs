//! Where records come from.

use std::future::Future;

use countersign_tlog::Hash;

use crate::error::SourceError;

/// What became of the payload of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// It is erased, or over its time.
    Gone,
    /// It is there.
    Open {
        /// Canonical JSON text.
        body: String,
        /// Salt, hexadecimal.
        salt: String,
    },
    /// It is there and shown to nobody.
    Restricted,
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
    /// What lies beside a record that has a payload.
    fn payload(&self, index: u64) -> impl Future<Output = Result<Payload, SourceError>>;
}
