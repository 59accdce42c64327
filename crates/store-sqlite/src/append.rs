//! The one connection that writes the ledger, and what its errors mean.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_store::{Append, AppendError, NewRecord, Resealed};
use rusqlite::{CachedStatement, Connection, ErrorCode, OptionalExtension as _, Transaction, TransactionBehavior};

use crate::checkpoint::Notice;
use crate::open::{self, OpenError};
use crate::place::{OrgId, has_room, id, signed, unsigned};

/// The writer. It has no connection after an error that leaves a doubt about it; the next write opens another.
pub(crate) struct Writer {
    path: PathBuf,
    notice: Notice,
    conn: Mutex<Option<Connection>>,
    /// A commit ended with an error, and it is not known yet whether it is there.
    doubt: AtomicBool,
}

/// Why a transaction was not filled.
enum Trouble {
    Refused(AppendError),
    Sqlite(rusqlite::Error),
}

impl From<AppendError> for Trouble {
    fn from(error: AppendError) -> Self {
        Trouble::Refused(error)
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Trouble::Sqlite(error)
    }
}

/// What an error before the commit means: nothing was appended.
fn before_commit(trouble: Trouble) -> AppendError {
    match trouble {
        Trouble::Refused(error) => error,
        Trouble::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) => {
            AppendError::Full(error.to_string())
        }
        Trouble::Sqlite(error) => AppendError::Failed(error.to_string()),
    }
}

/// What an error of the commit means. A full disk shows before the commit mark is written, a busy or interrupted one does
/// not begin; after anything else the mark may be on disk or not.
fn at_commit(error: rusqlite::Error) -> AppendError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => AppendError::Full(error.to_string()),
        Some(ErrorCode::DatabaseBusy | ErrorCode::OperationInterrupted) => AppendError::Failed(error.to_string()),
        _ => AppendError::Unknown(error.to_string()),
    }
}

impl Writer {
    pub(crate) fn new(path: PathBuf, mut conn: Connection, notice: Notice) -> rusqlite::Result<Writer> {
        notice.listen_to(&mut conn)?;
        Ok(Writer {
            path,
            notice,
            conn: Mutex::new(Some(conn)),
            doubt: AtomicBool::new(false),
        })
    }

    fn connect(&self) -> Result<Connection, OpenError> {
        let mut conn = open::writer(&self.path)?;
        self.notice.listen_to(&mut conn)?;
        Ok(conn)
    }

    /// The connection, for as long as nobody else may write.
    pub(crate) fn hold(&self) -> MutexGuard<'_, Option<Connection>> {
        self.conn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a batch.
    pub(crate) fn append(&self, batch: &[Append]) -> Result<(), AppendError> {
        self.transaction(|tx| {
            let mut statements = Statements::prepare(tx)?;
            batch.iter().try_for_each(|share| statements.add(tx, share))
        })?;
        if batch.iter().any(destroys) {
            self.notice.destroyed();
        }
        Ok(())
    }

    /// Puts secrets that were sealed anew in the place of those that were read.
    pub(crate) fn reseal(&self, org: &str, secrets: &[Resealed]) -> Result<(), AppendError> {
        self.transaction(|tx| {
            let Some(org) = id(tx, org)? else { return Ok(()) };
            let mut update = tx.prepare_cached(
                "UPDATE secrets SET sealed = ?5 WHERE kind = ?1 AND id = ?2 AND org = ?3 AND sealed = ?4",
            )?;
            for Resealed { sealed, was } in secrets {
                update.execute((&was.kind, &was.id, org.0, &was.sealed, sealed))?;
            }
            Ok(())
        })?;
        // What the old key opens leaves the files.
        self.notice.destroyed();
        Ok(())
    }

    /// Makes sure that what is read from now on stays: after a commit of unknown outcome its pages may be in the log
    /// though no reader sees them, and would come to light after a crash. Another commit overwrites them.
    pub(crate) fn settle(&self) -> Result<(), AppendError> {
        if self.doubt.load(Ordering::Acquire) {
            self.transaction(|tx| Ok(tx.execute_batch(&format!("PRAGMA user_version = {}", open::SCHEMA))?))?;
        }
        Ok(())
    }

    /// Removes an organization with all that belongs to it.
    pub(crate) fn remove(&self, org: &str) -> Result<(), AppendError> {
        self.transaction(|tx| {
            let Some(org) = id(tx, org)? else { return Ok(()) };
            for table in ["records", "payloads"] {
                let sql = format!("DELETE FROM {table} WHERE place >= ?1 AND place < ?2");
                tx.execute(&sql, [org.place(0), org.end()])?;
            }
            for table in ["heads", "subjects", "secrets", "snapshot_files", "states"] {
                tx.execute(&format!("DELETE FROM {table} WHERE org = ?1"), [org.0])?;
            }
            tx.execute("DELETE FROM organizations WHERE id = ?1", [org.0])?;
            Ok(())
        })
    }

    /// Runs `fill` in a transaction of its own, and commits that. Whatever happens, no transaction is left open.
    fn transaction<T>(&self, fill: impl FnOnce(&Transaction<'_>) -> Result<T, Trouble>) -> Result<T, AppendError> {
        let mut slot = self.hold();
        // Out of its slot until it is known to be sound; a panic leaves the slot empty.
        let conn = match slot.take() {
            Some(conn) => conn,
            None => self.connect().map_err(|error| AppendError::Failed(error.to_string()))?,
        };
        let outcome = commit(&conn, fill);
        let sound = match outcome {
            Ok(_) => {
                self.doubt.store(false, Ordering::Release);
                true
            }
            Err(AppendError::Conflict { .. } | AppendError::Full(_)) => true,
            Err(AppendError::Failed(_)) => false,
            Err(AppendError::Unknown(_)) => {
                self.doubt.store(true, Ordering::Release);
                false
            }
        };
        if sound && conn.is_autocommit() {
            *slot = Some(conn);
        }
        outcome
    }
}

fn commit<T>(conn: &Connection, fill: impl FnOnce(&Transaction<'_>) -> Result<T, Trouble>) -> Result<T, AppendError> {
    let tx = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)
        .map_err(|error| before_commit(Trouble::Sqlite(error)))?;
    // On an early return the transaction is dropped, which rolls it back.
    let filled = fill(&tx).map_err(before_commit)?;
    tx.commit().map_err(at_commit)?;
    Ok(filled)
}

/// The statements that every batch needs.
struct Statements<'a> {
    size: CachedStatement<'a>,
    head: CachedStatement<'a>,
    record: CachedStatement<'a>,
    payload: CachedStatement<'a>,
    subject: CachedStatement<'a>,
}

impl<'a> Statements<'a> {
    fn prepare(conn: &'a Connection) -> rusqlite::Result<Statements<'a>> {
        Ok(Statements {
            size: conn.prepare_cached("SELECT org, size FROM heads JOIN organizations ON id = org WHERE name = ?1")?,
            head: conn.prepare_cached(
                "INSERT INTO heads (org, size, ts, edge, checkpoint) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (org) DO UPDATE SET
                     size = excluded.size, ts = excluded.ts, edge = excluded.edge, checkpoint = excluded.checkpoint",
            )?,
            record: conn.prepare_cached("INSERT INTO records (place, leaf_hash, leaf) VALUES (?1, ?2, ?3)")?,
            payload: conn.prepare_cached("INSERT INTO payloads (place, class, key, sealed) VALUES (?1, ?2, ?3, ?4)")?,
            subject: conn.prepare_cached("INSERT OR IGNORE INTO subjects (org, subject, seq) VALUES (?1, ?2, ?3)")?,
        })
    }

    /// Adds the share of one organization.
    fn add(&mut self, conn: &Connection, share: &Append) -> Result<(), Trouble> {
        let found = self
            .size
            .query_row([&*share.org], |row| Ok((OrgId(row.get(0)?), row.get(1).map(unsigned)?)))
            .optional()?;
        share.check(found.map(|(_, size)| size))?;
        if !has_room(share.head.size) {
            return Err(AppendError::Failed(format!("the ledger of `{}` has no places left", share.org)).into());
        }
        let org = match (found, &share.create) {
            (Some((org, _)), _) => org,
            (None, Some(row)) => {
                conn.prepare_cached("INSERT INTO organizations (name, created, origin) VALUES (?1, ?2, ?3)")?
                    .execute((&*row.name, row.created.0, &row.origin))?;
                OrgId(conn.last_insert_rowid())
            }
            (None, None) => return Err(AppendError::Failed(format!("there is no `{}`", share.org)).into()),
        };
        let head = &share.head;
        self.head
            .execute((org.0, signed(head.size), head.ts.0, &head.edge, &head.checkpoint))?;
        for record in &share.records {
            self.record(org, record)?;
        }
        rest(conn, org, share)?;
        Ok(())
    }

    fn record(&mut self, org: OrgId, record: &NewRecord) -> rusqlite::Result<()> {
        let place = org.place(record.seq);
        self.record.execute((place, record.leaf_hash.0, &record.leaf))?;
        if let Some(payload) = &record.payload {
            self.payload
                .execute((place, &payload.class, &payload.key, &payload.sealed))?;
        }
        for subject in &record.subjects {
            self.subject
                .execute((org.0, subject.to_be_bytes(), signed(record.seq)))?;
        }
        Ok(())
    }
}

/// Whether a share takes something away that was there.
fn destroys(share: &Append) -> bool {
    share.prune.is_some() || !share.destroy.is_empty() || share.secrets.iter().any(|secret| secret.sealed.is_empty())
}

/// What comes with few batches.
fn rest(conn: &Connection, org: OrgId, share: &Append) -> rusqlite::Result<()> {
    for secret in &share.secrets {
        let key = (secret.kind, &secret.id, org.0);
        if secret.sealed.is_empty() {
            conn.execute("DELETE FROM secrets WHERE kind = ?1 AND id = ?2 AND org = ?3", key)?;
        } else {
            conn.execute(
                "INSERT OR REPLACE INTO secrets (kind, id, org, sealed) VALUES (?1, ?2, ?3, ?4)",
                (key.0, key.1, key.2, &secret.sealed),
            )?;
        }
    }
    for snapshot in &share.snapshots {
        for (name, file) in &snapshot.files {
            conn.execute(
                "INSERT OR REPLACE INTO snapshot_files (org, hash, name, bytes) VALUES (?1, ?2, ?3, ?4)",
                (org.0, &*snapshot.hash, name, file),
            )?;
        }
    }
    if let Some(state) = &share.state {
        conn.execute(
            "INSERT OR REPLACE INTO states (org, at, bytes) VALUES (?1, ?2, ?3)",
            (org.0, signed(state.at), &state.bytes),
        )?;
    }
    for seq in &share.destroy {
        conn.prepare_cached("DELETE FROM payloads WHERE place = ?1")?
            .execute([org.place(*seq)])?;
    }
    if let Some(before) = share.prune {
        conn.execute(
            "UPDATE records SET leaf = x'' WHERE place >= ?1 AND place < ?2 AND length(leaf) > 0",
            [org.place(0), org.place(before)],
        )?;
        conn.execute(
            "UPDATE heads SET pruned = max(pruned, ?2) WHERE org = ?1",
            [org.0, signed(before)],
        )?;
    }
    Ok(())
}
