//! The contract of a ledger store. Every store passes the suite in [`conformance`]; [`MemoryStore`] is the plainest one.

mod check;
pub mod conformance;
mod memory;

use std::sync::Arc;

use countersign_core::command::Sealed;
use countersign_core::digest::Digest;
use countersign_core::record::Payload;
use countersign_core::time::Time;

pub use memory::MemoryStore;

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

/// One record on its way in.
#[derive(Clone)]
pub struct NewRecord {
    /// Its canonical bytes.
    pub leaf: Vec<u8>,
    /// RFC 6962 leaf hash of those bytes.
    pub leaf_hash: Digest,
    /// What goes beside it.
    pub payload: Option<Sealed>,
    /// Its index.
    pub seq: u64,
    /// What it is looked up by.
    pub subjects: Vec<u128>,
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
    /// Up to `limit` records from index `from` on, in order.
    fn records(&self, org: &str, from: u64, limit: usize) -> Result<Vec<StoredRecord>, ReadError>;
    /// Leaf hashes of the records in `from..to`, in order, as far as there are any.
    fn leaf_hashes(&self, org: &str, from: u64, to: u64) -> Result<Vec<Digest>, ReadError>;
    /// The records about a subject, in the order of the ledger.
    fn by_subject(&self, org: &str, subject: u128) -> Result<Vec<StoredRecord>, ReadError>;
    /// The payload of a record.
    fn payload(&self, org: &str, seq: u64) -> Result<Option<Payload>, ReadError>;
    /// One secret, sealed.
    fn secret(&self, org: &str, kind: &str, id: &str) -> Result<Option<Vec<u8>>, ReadError>;
    /// The organization that has this secret: how a credential finds its ledger. `None` if none has it, and also if
    /// more than one has: then it proves nothing.
    fn organization_of_secret(&self, kind: &str, id: &str) -> Result<Option<Org>, ReadError>;
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
}
