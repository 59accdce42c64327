//! The contract of a ledger store. Every store passes the suite in [`conformance`]; [`MemoryStore`] is the plainest one.

mod check;
pub mod conformance;
mod memory;

use std::sync::Arc;

use std::time::Duration;

use countersign_core::digest::Digest;
use countersign_core::time::Time;
use countersign_tlog::leaf_hash;

pub use memory::{MemoryStore, SharedMemory};

/// An organization's name: the scope of every call.
pub type Org = Arc<str>;

/// An organization as the store lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganizationRow {
    /// When it was created.
    pub created: Time,
    /// Its name.
    pub name: Org,
    /// Origin of its log.
    pub origin: String,
}

/// The end of a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The signed checkpoint that covers it.
    pub checkpoint: String,
    /// Right edge of the tree, as `tlog::Edge::to_bytes` writes it.
    pub edge: Vec<u8>,
    /// How many records there are.
    pub size: u64,
    /// Time of the last one.
    pub ts: Time,
}

/// A payload as it lies in the store: opaque bytes, sealed under a key that can be destroyed by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPayload {
    /// Retention class.
    pub class: String,
    /// Which key opens it: the id of a secret.
    pub key: String,
    /// What the engine made of salt and text.
    pub sealed: Vec<u8>,
}

/// One record on its way in.
#[derive(Clone)]
pub struct NewRecord {
    /// Its canonical bytes.
    pub leaf: Vec<u8>,
    /// RFC 6962 leaf hash of those bytes.
    pub leaf_hash: Digest,
    /// What goes beside it.
    pub payload: Option<StoredPayload>,
    /// Its index.
    pub seq: u64,
    /// What it is looked up by.
    pub subjects: Vec<u128>,
}

impl NewRecord {
    /// RFC 6962 leaf hash of a record's bytes.
    pub fn hash_of(leaf: &[u8]) -> Digest {
        Digest(leaf_hash(leaf).0)
    }
}

/// A secret, sealed with the instance's key before it comes here.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedSecret {
    /// Which one of its kind.
    pub id: String,
    /// What kind, such as `api_key`.
    pub kind: &'static str,
    /// The sealed bytes; empty removes it.
    pub sealed: Vec<u8>,
}

/// A secret as it lies in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSecret {
    /// Which one of its kind.
    pub id: String,
    /// What kind.
    pub kind: String,
    /// The sealed bytes.
    pub sealed: Vec<u8>,
}

/// A secret sealed anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resealed {
    /// The same secret, sealed with another key.
    pub sealed: Vec<u8>,
    /// As it was read.
    pub was: StoredSecret,
}

/// Names and exact bytes of files.
pub type Files = Vec<(String, Vec<u8>)>;

/// The files of a policy snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotFiles {
    /// Names and exact bytes.
    pub files: Files,
    /// `sha256:…` of the snapshot.
    pub hash: Arc<str>,
}

/// A state that a seal vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredState {
    /// It covers the records before this index.
    pub at: u64,
    /// Its canonical bytes.
    pub bytes: Vec<u8>,
}

/// What one organization adds in one transaction.
#[derive(Clone)]
pub struct Append {
    /// Creates the organization; then `base` is 0.
    pub create: Option<OrganizationRow>,
    /// The end of the ledger afterwards.
    pub head: Head,
    /// Whose it is.
    pub org: Org,
    /// The size of the ledger that this follows. Anything else in the store is a [`AppendError::Conflict`].
    pub base: u64,
    /// Records in order, the first at `base`.
    pub records: Vec<NewRecord>,
    /// Secrets to write in the same transaction.
    pub secrets: Vec<SealedSecret>,
    /// Snapshots to write in the same transaction.
    pub snapshots: Vec<SnapshotFiles>,
    /// A sealed state, which replaces an older one.
    pub state: Option<StoredState>,
    /// Payloads to destroy in the same transaction, by the index of their record. That one is gone is no error.
    pub destroy: Vec<u64>,
    /// Records before this index lose their bytes in the same transaction; their leaf hashes stay.
    pub prune: Option<u64>,
}

/// A record as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// Its canonical bytes.
    pub leaf: Vec<u8>,
    /// RFC 6962 leaf hash of those bytes.
    pub leaf_hash: Digest,
    /// Its index.
    pub seq: u64,
}

/// Which payloads to list; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payloads {
    /// Retention class.
    pub class: Option<String>,
    /// The key that opens them.
    pub key: Option<String>,
    /// Only those of records from this index on.
    pub from: u64,
    /// Only those of records before this index.
    pub before: u64,
    /// At most so many, the oldest first.
    pub limit: usize,
}

/// One line of the search index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchRow {
    /// The operation of a decision.
    pub action: Option<String>,
    /// The agent.
    pub agent: Option<String>,
    /// What policy said.
    pub decision: Option<String>,
    /// The record's type.
    pub kind: String,
    /// Its index.
    pub seq: u64,
    /// Its time.
    pub ts: Time,
}

/// What to search for; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// The operation of a decision.
    pub action: Option<String>,
    /// The agent.
    pub agent: Option<String>,
    /// Only records before this index: the cursor, newest first.
    pub before: Option<u64>,
    /// What policy said.
    pub decision: Option<String>,
    /// Not before.
    pub from: Option<Time>,
    /// The record's type.
    pub kind: Option<String>,
    /// At most so many.
    pub limit: usize,
    /// Before this instant.
    pub to: Option<Time>,
}

/// Why nothing was appended, or perhaps was.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Somebody else appended: the ledger of this organization is not as long as the batch expects.
    #[error("the ledger of `{org}` has {found} records, the batch expects {expected}")]
    Conflict {
        /// Whose.
        org: Org,
        /// How many the batch expects.
        expected: u64,
        /// How many there are.
        found: u64,
    },
    /// There is no room. Nothing was appended.
    #[error("the store is full: {0}")]
    Full(String),
    /// Nothing is known of the outcome: read the head before anything else.
    #[error("the outcome of a commit is unknown: {0}")]
    Unknown(String),
    /// Nothing was appended.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// A read failed.
#[derive(Debug, thiserror::Error)]
#[error("the store could not be read: {0}")]
pub struct ReadError(pub String);

/// What holds ledgers.
///
/// **Durability**: when [`Store::append`] returns `Ok`, all of the batch is on stable storage, every organization's
/// share whole; when it returns [`AppendError::Unknown`], each share is there whole or not at all, and only
/// [`Store::head`] tells; otherwise nothing of it is there. One caller appends at a time. Reads may come from any
/// thread, at any time, and see only what is committed.
///
/// **Bytes**: before anything is written, each record's leaf hash is made anew from its bytes ([`Append::check`]). The signed
/// tree was made from that hash; what became of the bytes in memory since is refused, and not signed for and stored.
///
/// **Retry**: a store never repeats an append by itself. The caller does, after it has read the head.
///
/// The search index is derived: it lies behind the ledger by [`Store::indexed`], may be lost, and is made again from
/// the records by [`Store::index`].
pub trait Store: Send + Sync + 'static {
    /// All organizations, by name.
    fn organizations(&self) -> Result<Vec<OrganizationRow>, ReadError>;
    /// Appends a batch in one transaction.
    fn append(&self, batch: &[Append]) -> Result<(), AppendError>;
    /// Removes an organization with everything that belongs to it. That there is none is no error.
    fn remove_organization(&self, org: &str) -> Result<(), AppendError>;
    /// The end of a ledger; `None` if there is no such organization.
    fn head(&self, org: &str) -> Result<Option<Head>, ReadError>;
    /// Up to `limit` records from index `from` on, in order, without those whose bytes were pruned.
    fn records(&self, org: &str, from: u64, limit: usize) -> Result<Vec<StoredRecord>, ReadError>;
    /// Leaf hashes of the records in `from..to`, in order, as far as there are any.
    fn leaf_hashes(&self, org: &str, from: u64, to: u64) -> Result<Vec<Digest>, ReadError>;
    /// The records about a subject, in the order of the ledger.
    fn by_subject(&self, org: &str, subject: u128) -> Result<Vec<StoredRecord>, ReadError>;
    /// The same from index `from` on, at most `limit` of them: what a subject with many records is read by.
    fn by_subject_page(
        &self,
        org: &str,
        subject: u128,
        from: u64,
        limit: usize,
    ) -> Result<Vec<StoredRecord>, ReadError> {
        let mut records = self.by_subject(org, subject)?;
        records.retain(|record| record.seq >= from);
        records.truncate(limit);
        Ok(records)
    }
    /// The payload of a record.
    fn payload(&self, org: &str, seq: u64) -> Result<Option<StoredPayload>, ReadError>;
    /// Indexes of the records that have such a payload, in order.
    fn payloads(&self, org: &str, which: &Payloads) -> Result<Vec<u64>, ReadError>;
    /// Records before this index have no bytes any more, only leaf hashes.
    fn pruned(&self, org: &str) -> Result<u64, ReadError>;
    /// One secret, sealed.
    fn secret(&self, org: &str, kind: &str, id: &str) -> Result<Option<Vec<u8>>, ReadError>;
    /// The organization that has this secret: how a credential finds its ledger. `None` if none has it, and also if
    /// more than one has: then it proves nothing.
    fn organization_of_secret(&self, kind: &str, id: &str) -> Result<Option<Org>, ReadError>;
    /// Up to `limit` secrets, sealed, in the order of the bytes of kind and id, only those after this kind and id.
    fn secrets(&self, org: &str, after: Option<(&str, &str)>, limit: usize) -> Result<Vec<StoredSecret>, ReadError>;
    /// Puts other sealed bytes in the place of those that were read, all in one transaction. A secret that is gone or sealed
    /// otherwise by now stays as it is.
    fn reseal(&self, org: &str, secrets: &[Resealed]) -> Result<(), ReadError>;
    /// The files of a snapshot of this organization, by name.
    fn snapshot(&self, org: &str, hash: &str) -> Result<Option<Files>, ReadError>;
    /// The newest stored state.
    fn state(&self, org: &str) -> Result<Option<StoredState>, ReadError>;
    /// How many records the search index covers.
    fn indexed(&self, org: &str) -> Result<u64, ReadError>;
    /// Adds lines to the search index; they continue at [`Store::indexed`] and belong to records that are there.
    fn index(&self, org: &str, rows: &[SearchRow]) -> Result<(), ReadError>;
    /// Lines of the search index, newest first.
    fn search(&self, org: &str, query: &Query) -> Result<Vec<SearchRow>, ReadError>;
    /// A cheap sign of life: whether a read works.
    fn ping(&self) -> Result<(), ReadError>;
    /// The store as several nodes use it; `None` if only one process may append.
    fn shared(&self) -> Option<&dyn Shared> {
        None
    }
}

/// A store that several nodes append to. Each batch is made within a turn, and [`Store::append`] is a turn of its own.
pub trait Shared: Send + Sync {
    /// Takes ledgers, in the order of their names: nobody else appends to them until the turn ends. An organization
    /// that does not exist yet cannot be taken; of two that create it one gets a [`AppendError::Conflict`]. A turn on
    /// nothing tells the time.
    ///
    /// Waits for others for a bounded time, then fails. A turn that lies idle for too long is ended by the store, and its
    /// append fails.
    fn turn(&self, orgs: &[Org]) -> Result<Box<dyn Turn>, AppendError>;
    /// Waits until a ledger has grown, or until `at_most` is over. May report ledgers that did not change.
    fn changes(&self, at_most: Duration) -> Result<Changes, ReadError>;
    /// Claims a piece of work of an organization for `holder`, for so long: `true` if it is the holder's now. Others get it
    /// when the time is over. For work that harms nobody when it is done twice.
    fn lease(&self, org: &str, work: &str, holder: &str, lasts: Duration) -> Result<bool, ReadError>;
}

/// The right to append to some ledgers. Ends when it is dropped.
pub trait Turn: Send {
    /// The store's clock, read after the ledgers were taken.
    fn now(&self) -> Time;
    /// The end of a ledger that was taken; `None` if there is no such organization.
    fn head(&self, org: &str) -> Option<&Head>;
    /// Appends as [`Store::append`] does, and ends the turn.
    fn append(self: Box<Self>, batch: &[Append]) -> Result<(), AppendError>;
}

/// Which ledgers have grown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changes {
    /// These; perhaps none.
    In(Vec<Org>),
    /// Any may have: news was lost. Look at all.
    Anywhere,
}
