//! The embedded store: SQLite in WAL mode with full synchronous commits.
//!
//! A data folder holds `ledger.db`, which is the truth, and `search.db`, which is derived from it and may be deleted
//! while nobody has the folder open. One connection writes, up to [`READERS`] read beside it. [`FolderLock`] keeps a
//! second process out; [`SqliteStore::open`] does not take it.

mod append;
mod backup;
mod checkpoint;
mod ledger;
mod lock;
mod open;
mod place;
mod pool;
mod search;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use countersign_core::digest::Digest;
use countersign_store::{
    Append, AppendError, Files, Head, Org, OrganizationRow, Payloads, Query, ReadError, Resealed, SearchRow, Store,
    StoredPayload, StoredRecord, StoredSecret, StoredState,
};

pub use backup::{BackupError, Copied, copy, look_over};
pub use lock::{FolderLock, LockError};
pub use open::OpenError;
pub use pool::READERS;

use append::Writer;
use checkpoint::{Checkpointer, Notice};
use pool::Pool;
use search::Search;

/// A store in a folder of its own.
pub struct SqliteStore {
    // Dropped first: it has a connection of its own that must not outlive the writer's.
    _checkpointer: Checkpointer,
    readers: Pool,
    search: Search,
    writer: Arc<Writer>,
}

impl SqliteStore {
    /// Opens the store in `folder`, and creates both where they are missing: the folder with mode 0700, the files with
    /// mode 0600. The parent of the folder must exist.
    ///
    /// # Errors
    /// If the files cannot be opened, were written by a newer version, or durability cannot be had.
    pub fn open(folder: &Path) -> Result<SqliteStore, OpenError> {
        open::folder(folder)?;
        let ledger = folder.join("ledger.db");
        let writer = open::ledger(&ledger)?;
        let search = Search::open(&folder.join("search.db"), &writer)?;
        open::sync(folder)?;
        let (notice, signals) = Notice::channel();
        let writer = Arc::new(Writer::new(ledger.clone(), writer, notice.clone())?);
        Ok(SqliteStore {
            _checkpointer: Checkpointer::start(&ledger, Arc::clone(&writer), notice, signals)?,
            readers: Pool::new(ledger),
            search,
            writer,
        })
    }
}

impl Store for SqliteStore {
    fn organizations(&self) -> Result<Vec<OrganizationRow>, ReadError> {
        self.readers.read(ledger::organizations)
    }

    fn append(&self, batch: &[Append]) -> Result<(), AppendError> {
        self.writer.append(batch)
    }

    fn remove_organization(&self, org: &str) -> Result<(), AppendError> {
        // The index first: without it the ledger is whole, but not the other way round.
        if let Some(id) = self
            .readers
            .read(|conn| place::id(conn, org))
            .map_err(|error| AppendError::Failed(error.0))?
        {
            self.search
                .forget(id)
                .map_err(|error| AppendError::Failed(error.to_string()))?;
        }
        self.writer.remove(org)
    }

    fn head(&self, org: &str) -> Result<Option<Head>, ReadError> {
        self.writer.settle().map_err(|error| ReadError(error.to_string()))?;
        self.readers.read(|conn| ledger::head(conn, org))
    }

    fn records(&self, org: &str, from: u64, limit: usize) -> Result<Vec<StoredRecord>, ReadError> {
        self.readers.read(|conn| ledger::records(conn, org, from, limit))
    }

    fn leaf_hashes(&self, org: &str, from: u64, to: u64) -> Result<Vec<Digest>, ReadError> {
        self.readers.read(|conn| ledger::leaf_hashes(conn, org, from, to))
    }

    fn by_subject(&self, org: &str, subject: u128) -> Result<Vec<StoredRecord>, ReadError> {
        self.readers
            .read(|conn| ledger::by_subject(conn, org, subject, 0, usize::MAX))
    }

    fn by_subject_page(
        &self,
        org: &str,
        subject: u128,
        from: u64,
        limit: usize,
    ) -> Result<Vec<StoredRecord>, ReadError> {
        self.readers
            .read(|conn| ledger::by_subject(conn, org, subject, from, limit))
    }

    fn payload(&self, org: &str, seq: u64) -> Result<Option<StoredPayload>, ReadError> {
        self.readers.read(|conn| ledger::payload(conn, org, seq))
    }

    fn payloads(&self, org: &str, which: &Payloads) -> Result<Vec<u64>, ReadError> {
        self.readers.read(|conn| ledger::payloads(conn, org, which))
    }

    fn pruned(&self, org: &str) -> Result<u64, ReadError> {
        self.readers.read(|conn| ledger::pruned(conn, org))
    }

    fn secret(&self, org: &str, kind: &str, id: &str) -> Result<Option<Vec<u8>>, ReadError> {
        self.readers.read(|conn| ledger::secret(conn, org, kind, id))
    }

    fn organization_of_secret(&self, kind: &str, id: &str) -> Result<Option<Org>, ReadError> {
        self.readers.read(|conn| ledger::organization_of_secret(conn, kind, id))
    }

    fn secrets(&self, org: &str, after: Option<(&str, &str)>, limit: usize) -> Result<Vec<StoredSecret>, ReadError> {
        self.readers.read(|conn| ledger::secrets(conn, org, after, limit))
    }

    fn reseal(&self, org: &str, secrets: &[Resealed]) -> Result<(), ReadError> {
        self.writer
            .reseal(org, secrets)
            .map_err(|error| ReadError(error.to_string()))
    }

    fn snapshot(&self, org: &str, hash: &str) -> Result<Option<Files>, ReadError> {
        self.readers.read(|conn| ledger::snapshot(conn, org, hash))
    }

    fn state(&self, org: &str) -> Result<Option<StoredState>, ReadError> {
        self.readers.read(|conn| ledger::state(conn, org))
    }

    fn indexed(&self, org: &str) -> Result<u64, ReadError> {
        match self.readers.read(|conn| place::id(conn, org))? {
            Some(id) => self.search.covered(id),
            None => Ok(0),
        }
    }

    fn index(&self, org: &str, rows: &[SearchRow]) -> Result<(), ReadError> {
        let last = rows.last().map(|row| row.seq);
        let (id, size, leaf_hash) = self
            .readers
            .read(|conn| ledger::end(conn, org, last))?
            .ok_or_else(|| ReadError(format!("there is no organization `{org}`")))?;
        self.search.add(id, size, leaf_hash, rows)
    }

    fn search(&self, org: &str, query: &Query) -> Result<Vec<SearchRow>, ReadError> {
        match self.readers.read(|conn| place::id(conn, org))? {
            Some(id) => self.search.find(id, query),
            None => Ok(Vec::new()),
        }
    }

    fn ping(&self) -> Result<(), ReadError> {
        self.readers.read(ledger::ping)
    }
}
