//! Copies of the ledger, while somebody has it open or not.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use countersign_store::Org;
use countersign_tlog::{Checkpoint, Edge, Hash, Note, leaf_hash};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::{ledger, open};

/// Leaf hashes that are read at once when a copy is looked over.
const LEAVES_AT_ONCE: u64 = 4096;

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// It would overwrite something.
    #[error("`{0}` is there already")]
    Exists(PathBuf),
    /// A file cannot be read or written.
    #[error("`{path}` cannot be used: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// SQLite failed.
    #[error("the ledger could not be copied: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// What was copied is damaged.
    #[error("`{path}` is no sound ledger: {why}")]
    Unsound {
        /// The copy.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// A ledger in a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Whose.
    pub org: Org,
    /// How many records it has.
    pub size: u64,
    /// The signed checkpoint that covers them.
    pub checkpoint: String,
}

/// Copies the ledger in `from`, as it is at one moment, into the new file `to`, and looks the copy over: SQLite's own
/// check, each record against its hash, and for each organization the root over all of those against its checkpoint. A
/// server that has it open goes on meanwhile.
///
/// # Errors
/// [`BackupError`]; there is no file `to` then.
pub fn copy(from: &Path, to: &Path) -> Result<Vec<Copied>, BackupError> {
    let failed = |source| BackupError::Io {
        path: to.to_owned(),
        source,
    };
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(to) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(BackupError::Exists(to.to_owned())),
        Err(error) => return Err(failed(error)),
    }
    let copied = write(from, to).and_then(|()| look_over(to));
    if copied.is_err() {
        // The first failure is the one that is told.
        let _ = fs::remove_file(to);
    }
    copied
}

fn write(from: &Path, to: &Path) -> Result<(), BackupError> {
    let source = open::reader(from)?;
    let mut target = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    {
        // In one step: what is read is one moment, and a writer in another process does not start it over.
        let backup = Backup::new(&source, &mut target)?;
        match backup.step(-1)? {
            StepResult::Done => {}
            other => {
                return Err(BackupError::Unsound {
                    path: to.to_owned(),
                    why: format!("the copy is not complete ({other:?})"),
                });
            }
        }
    }
    // One file, without a log beside it.
    target.pragma_update(None, "journal_mode", "DELETE")?;
    drop(target);
    let sync = |path: &Path| File::open(path).and_then(|file| file.sync_all());
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    sync(to)
        .and_then(|()| sync(folder.unwrap_or(Path::new("."))))
        .map_err(|source| BackupError::Io {
            path: to.to_owned(),
            source,
        })
}

/// Whether each record has the hash that lies beside it. What was pruned has no bytes.
fn check_records(conn: &Connection, path: &Path) -> Result<(), BackupError> {
    let mut all = conn.prepare("SELECT place, leaf_hash, leaf FROM records WHERE leaf <> x''")?;
    let mut rows = all.query([])?;
    while let Some(row) = rows.next()? {
        let (place, hash, leaf): (i64, Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if leaf_hash(&leaf).0.as_slice() != hash {
            return Err(BackupError::Unsound {
                path: path.to_owned(),
                why: format!("the record at {place} does not have its hash"),
            });
        }
    }
    Ok(())
}

/// Checks a copy, and says what is in it.
///
/// # Errors
/// If it is not sound.
pub fn look_over(path: &Path) -> Result<Vec<Copied>, BackupError> {
    let unsound = |why: String| BackupError::Unsound {
        path: path.to_owned(),
        why,
    };
    let conn = open::reader(path)?;
    let number = |sql| conn.query_row(sql, [], |row| row.get::<_, i64>(0));
    if number("PRAGMA application_id")? != open::APPLICATION_ID {
        return Err(unsound("it is not a ledger of Countersign".to_owned()));
    }
    let found: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    if found != "ok" {
        return Err(unsound(found));
    }
    check_records(&conn, path)?;
    let mut copied = Vec::new();
    for row in ledger::organizations(&conn)? {
        let head = ledger::head(&conn, &row.name)?;
        let head = head.ok_or_else(|| unsound(format!("the ledger of `{}` has no end", row.name)))?;
        let mut edge = Edge::new();
        while edge.size() < head.size {
            let leaves = ledger::leaf_hashes(
                &conn,
                &row.name,
                edge.size(),
                head.size.min(edge.size() + LEAVES_AT_ONCE),
            )?;
            if leaves.is_empty() {
                return Err(unsound(format!(
                    "the ledger of `{}` lacks record {}",
                    row.name,
                    edge.size()
                )));
            }
            leaves.into_iter().for_each(|leaf| edge.push(Hash(leaf.0)));
        }
        let signed = Note::parse(&head.checkpoint)
            .ok()
            .map(|note| Checkpoint::parse_body(note.text));
        let fits = signed
            .and_then(Result::ok)
            .is_some_and(|signed| signed.size == head.size && signed.root == edge.root());
        if !fits {
            return Err(unsound(format!(
                "the checkpoint of `{}` is not of its records",
                row.name
            )));
        }
        copied.push(Copied {
            org: row.name,
            size: head.size,
            checkpoint: head.checkpoint,
        });
    }
    Ok(copied)
}

/// Keeps a ledger of an older schema as it is, in a file beside it, before it is changed.
pub(crate) fn keep(ledger: &Path, schema: usize) -> Result<(), BackupError> {
    let kept = open::beside(ledger, &format!(".schema{schema}.bak"));
    let next = open::beside(ledger, &format!(".schema{schema}.next"));
    // What an earlier try left is not whole; what is whole has its name already.
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source| BackupError::Io { path, source }
    };
    match fs::remove_file(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&next)(error)),
        _ => {}
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&next)
        .map_err(failed(&next))?;
    write(ledger, &next)?;
    fs::rename(&next, &kept).map_err(failed(&kept))?;
    let folder = kept.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))
        .and_then(|folder| folder.sync_all())
        .map_err(failed(&kept))
}
