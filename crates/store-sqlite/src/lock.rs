//! One owner per data folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The exclusive lock on a data folder: on its file `lock`, in which the owner leaves its process id and address.
///
/// It ends with the value, or with the process, however that ends.
#[derive(Debug)]
pub struct FolderLock {
    file: File,
}

/// Why a folder is not ours.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else has it.
    #[error("the data folder is in use by process {}", pid.map_or("?".into(), |pid| pid.to_string()))]
    Held {
        /// The owner's process id, if it has noted it yet.
        pid: Option<u32>,
        /// Where the owner can be reached, if it has noted it.
        address: Option<String>,
    },
    /// The lock file could not be made, read or locked.
    #[error("`{path}` cannot be locked: {source}")]
    Io {
        /// The lock file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl FolderLock {
    /// Takes the lock on `folder`, without waiting.
    ///
    /// # Errors
    /// [`LockError::Held`] if another process, or another value in this one, has it.
    pub fn acquire(folder: &Path) -> Result<FolderLock, LockError> {
        let path = folder.join("lock");
        let failed = |source| LockError::Io {
            path: path.clone(),
            source,
        };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(&file)),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let lock = FolderLock { file };
        lock.note("").map_err(failed)?;
        Ok(lock)
    }

    /// Leaves `address` in the lock file for whoever finds the folder taken.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn note_address(&self, address: &str) -> io::Result<()> {
        self.note(address)
    }

    fn note(&self, address: &str) -> io::Result<()> {
        let text = format!(
            "{}\n{}\n",
            std::process::id(),
            address.lines().next().unwrap_or_default()
        );
        self.file.write_all_at(text.as_bytes(), 0)?;
        self.file.set_len(text.len() as u64)
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // What is left in the file helps nobody; the lock goes with the file handle either way.
        let _ = self.file.set_len(0);
    }
}

fn held(mut file: &File) -> LockError {
    let mut text = String::new();
    // What cannot be read is not known, and the folder is taken all the same.
    let _ = file.read_to_string(&mut text);
    let mut lines = text.lines();
    let pid = lines.next().and_then(|line| line.parse().ok());
    let address = lines.next().filter(|line| !line.is_empty()).map(str::to_owned);
    LockError::Held { pid, address }
}
