//! Folder, files, connections and their settings, migrations.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::backup::{self, BackupError};

/// The first SQLite without the bug that a checkpoint at the wrong moment loses commits from the log.
const OLDEST_SQLITE: i32 = 3_051_003;
/// Tells our files from those of others: `CSGN`.
pub(crate) const APPLICATION_ID: i64 = 0x4353_474E;
/// The migrations of the ledger, in order; the schema's version is how many were run.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001.sql"),
    include_str!("../migrations/0002.sql"),
];
/// The version of the ledger's schema.
pub(crate) const SCHEMA: usize = MIGRATIONS.len();
/// The schema of the search index; a file of another version is made anew.
const SEARCH_SCHEMA: &str = include_str!("../migrations/search.sql");
const SEARCH_VERSION: i64 = 2;

/// Long enough that one of our own connections is never in the way of another for so long.
const BUSY: Duration = Duration::from_secs(5);

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder or a file in it could not be made or read.
    #[error("`{path}` cannot be used: {source}")]
    Io {
        /// What.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// SQLite is too old to be trusted with a ledger.
    #[error("SQLite {found} can lose commits; 3.51.3 or newer is needed")]
    OldSqlite {
        /// Its version.
        found: &'static str,
    },
    /// The file belongs to something else.
    #[error("`{path}` is not a ledger of Countersign")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer version of Countersign wrote the file.
    #[error(
        "`{path}` has schema {found}, this version knows up to {known}; use the version that wrote it, or a newer one"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version of its schema.
        found: i64,
        /// The newest that we know.
        known: i64,
    },
    /// A setting that durability rests on did not take.
    #[error("SQLite answers `{setting}` with `{found}` where `{wanted}` is needed")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// What it is.
        found: String,
        /// What it must be.
        wanted: &'static str,
    },
    /// What there was could not be kept before its schema was changed; nothing was changed.
    #[error("the ledger is to get another schema, and could not be kept as it is before that: {0}")]
    Kept(#[source] Box<BackupError>),
    /// A thread could not be started.
    #[error("no thread for checkpoints: {0}")]
    Thread(io::Error),
    /// SQLite failed.
    #[error("the store could not be opened: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    |source| OpenError::Io { path, source }
}

/// Makes the data folder, if it is not there; one that is there keeps its mode.
pub(crate) fn folder(path: &Path) -> Result<(), OpenError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            sync(parent.unwrap_or(Path::new(".")))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(io_error(path)(error)),
    }
}

/// Puts the names in a folder on stable storage; SQLite does that for its logs only.
pub(crate) fn sync(folder: &Path) -> Result<(), OpenError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(io_error(folder))
}

/// Makes the file with mode 0600 before SQLite does; its log and index take over that mode.
fn private_file(path: &Path) -> Result<(), OpenError> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .and_then(|file| file.set_permissions(Permissions::from_mode(0o600)))
        .map_err(io_error(path))
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(BUSY)?;
    conn.set_prepared_statement_cache_capacity(64);
    conn.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;")?;
    Ok(conn)
}

/// The value of a setting as text.
pub(crate) fn setting(conn: &Connection, name: &str) -> rusqlite::Result<String> {
    conn.query_row(&format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}"), [], |row| {
        row.get(0)
    })
}

fn demand(conn: &Connection, setting_name: &'static str, wanted: &'static str) -> Result<(), OpenError> {
    let found = setting(conn, setting_name)?;
    if found == wanted {
        return Ok(());
    }
    Err(OpenError::Setting {
        setting: setting_name,
        found,
        wanted,
    })
}

/// A connection that writes the ledger: every commit is on stable storage when it returns.
///
/// What is deleted is overwritten. Pages of 8 KiB measured a tenth faster than of 4 KiB for large batches, and hold longer
/// leaves without spilling. Checkpoints are left to [`crate::checkpoint`]; the automatic one is there in case
/// that falls behind.
pub(crate) fn writer(path: &Path) -> Result<Connection, OpenError> {
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    conn.execute_batch(
        "PRAGMA page_size = 8192;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON;
         PRAGMA checkpoint_fullfsync = ON;
         PRAGMA secure_delete = ON;
         PRAGMA cache_size = -65536;
         PRAGMA wal_autocheckpoint = 65536;",
    )?;
    demand(&conn, "journal_mode", "wal")?;
    demand(&conn, "synchronous", "2")?;
    Ok(conn)
}

/// The connection that writes the ledger, with the newest schema.
pub(crate) fn ledger(path: &Path) -> Result<Connection, OpenError> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(OpenError::OldSqlite {
            found: rusqlite::version(),
        });
    }
    private_file(path)?;
    // Looked at before any setting is written into it.
    let found = refuse_others(path)?;
    if (1..SCHEMA).contains(&found) {
        // The way back to the version before.
        backup::keep(path, found).map_err(|error| OpenError::Kept(Box::new(error)))?;
    }
    let mut conn = writer(path)?;
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for migration in MIGRATIONS.iter().skip(found) {
        tx.execute_batch(migration)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", SCHEMA as i64)?;
    tx.commit()?;
    Ok(conn)
}

/// The file next to a database that has its name and an ending.
pub(crate) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// How many migrations the file has seen; an error if it is not for us.
fn refuse_others(path: &Path) -> Result<usize, OpenError> {
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let number = |sql| conn.query_row(sql, [], |row| row.get::<_, i64>(0));
    let foreign = || OpenError::Foreign { path: path.to_owned() };
    let (id, found) = match (number("PRAGMA application_id"), number("PRAGMA user_version")) {
        (Ok(id), Ok(found)) => (id, found),
        (Err(error), _) | (_, Err(error)) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) => {
            return Err(foreign());
        }
        (Err(error), _) | (_, Err(error)) => return Err(error.into()),
    };
    let empty = number("SELECT count(*) FROM sqlite_schema")? == 0;
    if id != APPLICATION_ID && !empty {
        return Err(foreign());
    }
    match usize::try_from(found) {
        Ok(found) if found <= SCHEMA => Ok(found),
        _ => Err(OpenError::Newer {
            path: path.to_owned(),
            found,
            known: SCHEMA as i64,
        }),
    }
}

/// A connection that only reads.
pub(crate) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

/// A connection for checkpoints of the ledger; they are synced as its commits are.
pub(crate) fn checkpointer(path: &Path) -> rusqlite::Result<Connection> {
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    conn.execute_batch("PRAGMA synchronous = FULL; PRAGMA checkpoint_fullfsync = ON; PRAGMA wal_autocheckpoint = 0;")?;
    Ok(conn)
}

/// The connection that writes the search index. A file that is not as it should be is thrown away and made anew.
pub(crate) fn search(path: &Path) -> Result<Connection, OpenError> {
    if let Ok(conn) = existing_search(path) {
        return Ok(conn);
    }
    for end in ["", "-wal", "-shm"] {
        match std::fs::remove_file(beside(path, end)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(path)(error)),
            _ => {}
        }
    }
    private_file(path)?;
    let mut conn = search_writer(path)?;
    let tx = conn.transaction()?;
    tx.execute_batch(SEARCH_SCHEMA)?;
    tx.pragma_update(None, "user_version", SEARCH_VERSION)?;
    tx.commit()?;
    Ok(conn)
}

/// `synchronous = NORMAL` syncs at checkpoints only: after a power cut the newest lines may be gone, which costs nothing
/// since they are made again; with OFF the file itself could be damaged without a sign.
fn search_writer(path: &Path) -> rusqlite::Result<Connection> {
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    conn.execute_batch(
        "PRAGMA page_size = 4096;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = NORMAL;
         PRAGMA secure_delete = ON;
         PRAGMA cache_size = -16384;
         PRAGMA wal_autocheckpoint = 4096;",
    )?;
    Ok(conn)
}

fn existing_search(path: &Path) -> rusqlite::Result<Connection> {
    let conn = search_writer(path)?;
    let version: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    conn.query_row("SELECT count(*) FROM covered", [], |_| Ok(()))?;
    if version == SEARCH_VERSION {
        Ok(conn)
    } else {
        Err(rusqlite::Error::QueryReturnedNoRows)
    }
}
