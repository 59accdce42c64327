//! `local.json`: how commands on the same machine find the server that has the data folder, and prove that they may.
//!
//! The file is readable by the folder's owner only. Whoever can read it could read the ledger as well.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Result};

const NAME: &str = "local.json";

/// Where the server is, and its token of this run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Local {
    /// Such as `http://127.0.0.1:7878`.
    pub(crate) address: String,
    /// The server's process id.
    pub(crate) pid: u32,
    /// What local commands show in place of a key.
    pub(crate) token: String,
}

impl Local {
    /// A fresh token for this process.
    pub(crate) fn new(address: &str) -> Result<Local> {
        Ok(Local {
            address: address.to_owned(),
            pid: std::process::id(),
            token: random_token()?,
        })
    }

    /// Reads the file of a folder; `None` if there is none.
    pub(crate) fn read(folder: &Path) -> Result<Option<Local>> {
        let path = folder.join(NAME);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| Failure::unreachable(format!("`{}` is damaged: {error}", path.display()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::io("read", &path, &error)),
        }
    }

    /// Writes the file; it is removed when the guard is dropped.
    pub(crate) fn write(&self, folder: &Path) -> Result<LocalFile> {
        let path = folder.join(NAME);
        let beside = folder.join(format!("{NAME}.new"));
        let failed = |error: std::io::Error| Failure::io("write", &path, &error);
        // What a crashed server left there; that there is nothing is fine.
        let _ = fs::remove_file(&beside);
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)
            .map_err(failed)?;
        file.write_all(&bytes).map_err(failed)?;
        fs::rename(&beside, &path).map_err(failed)?;
        Ok(LocalFile(path))
    }
}

/// The file while the server runs.
pub(crate) struct LocalFile(PathBuf);

impl Drop for LocalFile {
    fn drop(&mut self) {
        // A file that stays behind names a server that is gone, which commands find out by the lock.
        let _ = fs::remove_file(&self.0);
    }
}

/// 32 random bytes, hexadecimal.
pub(crate) fn random_token() -> Result<String> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::unreachable(format!("the operating system gives no random bytes: {error}")))?;
    Ok(countersign_core::digest::hex(&bytes))
}
