//! A folder. A file is written under another name, synced, and then given its own; names are synced too.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::{Place, Put};
use crate::error::ExportError;

/// What is being written is called so; nobody reads it.
const UNFINISHED: &str = ".unfinished-";
/// What is left of parts is removed by the next export; everything else is written again under the same name.
const UNFINISHED_PARTS: &str = ".unfinished-records-";
/// Who has this file locked writes parts to the folder.
const LOCK: &str = ".lock";

/// A folder that one process writes to.
pub struct Folder {
    root: PathBuf,
    // Given back when the file is closed, also by the end of the process.
    _lock: File,
}

impl Folder {
    /// Makes the folder if it is not there, and takes it for parts.
    ///
    /// # Errors
    /// [`ExportError::Place`] if it cannot be made, or another process writes parts to it.
    pub fn open(root: &Path) -> Result<Folder, ExportError> {
        let folder = Folder::take(root, LOCK)?;
        for name in folder.listed(UNFINISHED_PARTS)? {
            let path = folder.root.join(&name);
            fs::remove_file(&path).map_err(|error| folder.failed("remove", &name, error))?;
        }
        Ok(folder)
    }

    /// Makes the folder if it is not there, and takes this lock in it.
    pub(crate) fn take(root: &Path, lock: &str) -> Result<Folder, ExportError> {
        let shown = || root.display().to_string();
        fs::create_dir_all(root).map_err(|error| ExportError::place("make", shown(), error))?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(root.join(lock))
            .map_err(|error| ExportError::place("write to", shown(), error))?;
        if lock.try_lock().is_err() {
            return Err(ExportError::place("write to", shown(), "another export does"));
        }
        Ok(Folder {
            root: root.to_owned(),
            _lock: lock,
        })
    }

    fn failed(&self, doing: &'static str, name: &str, error: io::Error) -> ExportError {
        ExportError::place(doing, self.root.join(name).display().to_string(), error)
    }

    fn listed(&self, prefix: &str) -> Result<Vec<String>, ExportError> {
        let entries = fs::read_dir(&self.root).map_err(|error| self.failed("read", "", error))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| self.failed("read", "", error))?;
            names.extend(
                entry
                    .file_name()
                    .into_string()
                    .ok()
                    .filter(|name| name.starts_with(prefix)),
            );
        }
        names.sort();
        Ok(names)
    }

    fn unfinished(&self, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
        let path = self.root.join(format!("{UNFINISHED}{name}"));
        let mut file = File::create(&path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(path)
    }

    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.root)?.sync_all()
    }

    fn try_create(&self, name: &str, bytes: &[u8]) -> io::Result<Put> {
        let path = self.unfinished(name, bytes)?;
        fs::set_permissions(&path, Permissions::from_mode(0o444))?;
        // Unlike a rename, a link never takes the place of a file that is there.
        let linked = fs::hard_link(&path, self.root.join(name));
        fs::remove_file(&path)?;
        let put = match linked {
            Ok(()) => Put::Created,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Put::Exists,
            Err(error) => return Err(error),
        };
        self.sync_names()?;
        Ok(put)
    }

    fn try_replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.unfinished(name, bytes)?;
        fs::rename(path, self.root.join(name))?;
        self.sync_names()
    }
}

impl Place for Folder {
    async fn names(&self, prefix: &str) -> Result<Vec<String>, ExportError> {
        self.listed(prefix)
    }

    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, ExportError> {
        match fs::read(self.root.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("read", name, error)),
        }
    }

    async fn create(&self, name: &str, bytes: &[u8]) -> Result<Put, ExportError> {
        self.try_create(name, bytes)
            .map_err(|error| self.failed("write", name, error))
    }

    async fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), ExportError> {
        self.try_replace(name, bytes)
            .map_err(|error| self.failed("write", name, error))
    }
}
