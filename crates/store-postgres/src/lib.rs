//! The shared store: PostgreSQL, for several nodes.
//!
//! Each node has a few connections that read, a few for turns and one that listens for what others append. The rows of the
//! heads are what nodes take turns on; the database's clock is the time of a turn. What fsync means to the store in a
//! folder, a commit with `synchronous_commit` means here: the server is asked for its settings on each new connection.
//!
//! All tables lie in one schema. Poolers between us and the server must keep a session together (`pool_mode = session` in
//! PgBouncer): statements are prepared, and news comes by LISTEN.

mod address;
mod append;
mod connect;
mod error;
mod home;
mod ledger;
mod migrate;
mod news;
mod pool;
mod remove;
mod search;
mod tls;
mod turn;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_core::digest::Digest;
use countersign_store::{
    Append, AppendError, Changes, Files, Head, Org, OrganizationRow, Payloads, Query, ReadError, Resealed, SearchRow,
    Shared, Store, StoredPayload, StoredRecord, StoredSecret, StoredState, Turn,
};

pub use address::Address;
pub use error::OpenError;
pub use pool::{READERS, TURNS};

use connect::{Conn, Connector, answered};
use error::Trouble;
use home::Home;
use ledger::fits;
use migrate::{MIGRATIONS, Migration};
use news::News;
use pool::Pool;
use turn::PostgresTurn;

/// How long a read tries to reach a server that does not answer.
const READ_PATIENCE: Duration = Duration::from_secs(3);

/// A store in a PostgreSQL database.
pub struct PostgresStore {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) home: Home,
    readers: Arc<Pool>,
    pub(crate) turns: Arc<Pool>,
    news: Arc<News>,
    /// Organizations with a commit whose outcome is not known yet.
    doubtful: Mutex<BTreeSet<Org>>,
}

impl PostgresStore {
    /// Opens the store in a database, and makes its tables where they are missing.
    ///
    /// # Errors
    /// If the database cannot be reached, is not durable, has a schema of a newer version or of something else.
    pub fn open(address: Address) -> Result<PostgresStore, OpenError> {
        PostgresStore::open_with(address, MIGRATIONS)
    }

    fn open_with(address: Address, migrations: &[Migration]) -> Result<PostgresStore, OpenError> {
        let home = Home::new().map_err(OpenError::Threads)?;
        let connector = Arc::new(Connector::new(address)?);
        let migrated = home.wait(async {
            let conn = connector.connect().await.map_err(|trouble| match trouble {
                Trouble::Unfit(error) => error,
                other => OpenError::Unreachable {
                    at: connector.address.to_string(),
                    why: other.to_string(),
                },
            })?;
            let schema = &connector.address.schema;
            let migrated = migrate::migrate(&conn, schema, migrations).await;
            migrated.map_err(|trouble| match trouble {
                Trouble::Unfit(error) => error,
                other => OpenError::Postgres(other.to_string()),
            })
        });
        migrated?;
        let news = Arc::new(News::default());
        home.spawn(news::listen(Arc::clone(&connector), Arc::clone(&news)));
        Ok(PostgresStore {
            inner: Arc::new(Inner {
                home,
                readers: Pool::new(Arc::clone(&connector), READERS),
                turns: Pool::new(connector, TURNS),
                news,
                doubtful: Mutex::default(),
            }),
        })
    }

    /// Runs `read` on a connection; on a fresh one once more, if that one turns out to be broken or silent.
    fn read<T>(&self, read: impl AsyncFn(&Conn) -> Result<T, Trouble>) -> Result<T, ReadError> {
        let readers = &self.inner.readers;
        let work = async {
            let held = readers.take(READ_PATIENCE).await?;
            match answered(read(&held.conn)).await {
                Err(trouble) if trouble.is_broken() => drop(held),
                outcome => {
                    held.give_back();
                    return outcome;
                }
            }
            let held = readers.fresh(READ_PATIENCE).await?;
            let found = answered(read(&held.conn)).await?;
            held.give_back();
            Ok(found)
        };
        Ok(self.inner.home.wait(work)?)
    }

    /// Runs `write` once; a connection on which it failed is closed.
    fn write<T>(&self, write: impl AsyncFn(&Conn) -> Result<T, Trouble>) -> Result<T, Trouble> {
        self.inner.home.wait(async {
            let held = self.inner.readers.take(READ_PATIENCE).await?;
            let done = answered(write(&held.conn)).await?;
            held.give_back();
            Ok(done)
        })
    }
}

impl Inner {
    fn doubtful(&self) -> MutexGuard<'_, BTreeSet<Org>> {
        self.doubtful.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The outcome of a commit to these is not known.
    pub(crate) fn doubt(&self, orgs: impl Iterator<Item = Org>) {
        self.doubtful().extend(orgs);
    }
}

impl Store for PostgresStore {
    fn organizations(&self) -> Result<Vec<OrganizationRow>, ReadError> {
        self.read(async |conn| ledger::organizations(conn).await)
    }

    fn append(&self, batch: &[Append]) -> Result<(), AppendError> {
        let orgs: BTreeSet<Org> = batch.iter().map(|share| share.org.clone()).collect();
        self.turn(&Vec::from_iter(orgs))?.append(batch)
    }

    fn remove_organization(&self, org: &str) -> Result<(), AppendError> {
        if !fits(org) {
            return Ok(());
        }
        remove::remove(&self.inner, org)
    }

    fn head(&self, org: &str) -> Result<Option<Head>, ReadError> {
        if !fits(org) {
            return Ok(None);
        }
        let doubtful = self.inner.doubtful().contains(org);
        if doubtful {
            self.inner.home.wait(turn::settle(&self.inner, org))?;
            self.inner.doubtful().remove(org);
        }
        self.read(async |conn| ledger::head(conn, org).await)
    }

    fn records(&self, org: &str, from: u64, limit: usize) -> Result<Vec<StoredRecord>, ReadError> {
        if !fits(org) {
            return Ok(Vec::new());
        }
        self.read(async |conn| ledger::records(conn, org, from, limit).await)
    }

    fn leaf_hashes(&self, org: &str, from: u64, to: u64) -> Result<Vec<Digest>, ReadError> {
        if !fits(org) {
            return Ok(Vec::new());
        }
        self.read(async |conn| ledger::leaf_hashes(conn, org, from, to).await)
    }

    fn by_subject(&self, org: &str, subject: u128) -> Result<Vec<StoredRecord>, ReadError> {
        if !fits(org) {
            return Ok(Vec::new());
        }
        self.read(async |conn| ledger::by_subject(conn, org, subject, 0, usize::MAX).await)
    }

    fn by_subject_page(
        &self,
        org: &str,
        subject: u128,
        from: u64,
        limit: usize,
    ) -> Result<Vec<StoredRecord>, ReadError> {
        if !fits(org) {
            return Ok(Vec::new());
        }
        self.read(async |conn| ledger::by_subject(conn, org, subject, from, limit).await)
    }

    fn payload(&self, org: &str, seq: u64) -> Result<Option<StoredPayload>, ReadError> {
        if !fits(org) {
            return Ok(None);
        }
        self.read(async |conn| ledger::payload(conn, org, seq).await)
    }

    fn payloads(&self, org: &str, which: &Payloads) -> Result<Vec<u64>, ReadError> {
        let words = [&which.class, &which.key].into_iter().flatten();
        if !fits(org) || !words.map(String::as_str).all(fits) {
            return Ok(Vec::new());
        }
        self.read(async |conn| ledger::payloads(conn, org, which).await)
    }

    fn pruned(&self, org: &str) -> Result<u64, ReadError> {
        if !fits(org) {
            return Ok(0);
        }
        self.read(async |conn| ledger::pruned(conn, org).await)
    }

    fn secret(&self, org: &str, kind: &str, id: &str) -> Result<Option<Vec<u8>>, ReadError> {
        if !fits(org) || !fits(kind) || !fits(id) {
            return Ok(None);
        }
        self.read(async |conn| ledger::secret(conn, org, kind, id).await)
    }

    fn organization_of_secret(&self, kind: &str, id: &str) -> Result<Option<Org>, ReadError> {
        if !fits(kind) || !fits(id) {
            return Ok(None);
        }
        self.read(async |conn| ledger::organization_of_secret(conn, kind, id).await)
    }

    fn secrets(&self, org: &str, after: Option<(&str, &str)>, limit: usize) -> Result<Vec<StoredSecret>, ReadError> {
        if !fits(org) {
            return Ok(Vec::new());
        }
        self.read(async |conn| ledger::secrets(conn, org, after, limit).await)
    }

    fn reseal(&self, org: &str, secrets: &[Resealed]) -> Result<(), ReadError> {
        if !fits(org) {
            return Ok(());
        }
        Ok(self.write(async |conn| ledger::reseal(conn, org, secrets).await)?)
    }

    fn snapshot(&self, org: &str, hash: &str) -> Result<Option<Files>, ReadError> {
        if !fits(org) || !fits(hash) {
            return Ok(None);
        }
        self.read(async |conn| ledger::snapshot(conn, org, hash).await)
    }

    fn state(&self, org: &str) -> Result<Option<StoredState>, ReadError> {
        if !fits(org) {
            return Ok(None);
        }
        self.read(async |conn| ledger::state(conn, org).await)
    }

    fn indexed(&self, org: &str) -> Result<u64, ReadError> {
        if !fits(org) {
            return Ok(0);
        }
        self.read(async |conn| search::covered(conn, org).await)
    }

    fn index(&self, org: &str, rows: &[SearchRow]) -> Result<(), ReadError> {
        if !fits(org) {
            return Err(ReadError(format!("there is no organization `{}`", org.escape_debug())));
        }
        // Not tried again: whether lines of a lost commit are there, only the caller finds out, by `indexed`.
        Ok(self.write(async |conn| search::add(conn, org, rows).await)?)
    }

    fn search(&self, org: &str, query: &Query) -> Result<Vec<SearchRow>, ReadError> {
        if !fits(org) {
            return Ok(Vec::new());
        }
        self.read(async |conn| search::find(conn, org, query).await)
    }

    fn ping(&self) -> Result<(), ReadError> {
        self.read(async |conn| ledger::ping(conn).await)
    }

    fn shared(&self) -> Option<&dyn Shared> {
        Some(self)
    }
}

impl Shared for PostgresStore {
    fn turn(&self, orgs: &[Org]) -> Result<Box<dyn Turn>, AppendError> {
        Ok(Box::new(PostgresTurn::begin(&self.inner, orgs)?))
    }

    fn changes(&self, at_most: Duration) -> Result<Changes, ReadError> {
        self.inner.news.wait(at_most)
    }

    fn lease(&self, org: &str, work: &str, holder: &str, lasts: Duration) -> Result<bool, ReadError> {
        // A lease that a lost answer may have given out already is its holder's again.
        let lasts_us = i64::try_from(lasts.as_micros()).unwrap_or(i64::MAX);
        self.read(async |conn| remove::lease(conn, org, work, holder, lasts_us).await)
    }
}
