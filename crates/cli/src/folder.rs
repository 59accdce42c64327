//! The data folder: where it is, who may read it, and who has it.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use countersign_store_sqlite::{FolderLock, LockError};

use crate::failure::{Failure, NO, Result};
use crate::local::Local;
use crate::signer_state;

/// A data folder and the key that opens its secrets.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    /// The folder.
    pub(crate) root: PathBuf,
    /// The instance key: 32 bytes.
    pub(crate) key_file: PathBuf,
    /// Where the signer's marks lie; `None` keeps none.
    pub(crate) signer_state: Option<PathBuf>,
}

impl Folder {
    /// The folder at `root`, with its key in it unless another place is named.
    pub(crate) fn new(root: &Path, key_file: Option<&Path>) -> Folder {
        let key_file = key_file.map_or_else(|| root.join("instance.key"), Path::to_path_buf);
        Folder {
            root: root.to_path_buf(),
            key_file,
            signer_state: None,
        }
    }

    /// The same, with marks in the folder that is named, or in the usual one.
    pub(crate) fn with_signer_state(mut self, named: Option<&Path>) -> Result<Folder> {
        let state = signer_state::folder(named)?;
        signer_state::must_be_outside(&state, &self.root)?;
        self.signer_state = Some(state);
        Ok(self)
    }

    /// Makes the folder where it is missing, for its owner only.
    pub(crate) fn create(&self) -> Result<()> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.root);
        made.map_err(|error| Failure::io("make the data folder", &self.root, &error))
    }

    /// Fails if `init` has not been here.
    pub(crate) fn must_exist(&self) -> Result<()> {
        if self.root.join("ledger.db").is_file() {
            return Ok(());
        }
        Err(
            Failure::unreachable(format!("there is no Countersign data in `{}`", self.root.display())).next(format!(
                "make it with `countersign init --data {}`",
                self.root.display()
            )),
        )
    }

    /// Takes the folder for this process.
    pub(crate) fn lock(&self) -> std::result::Result<FolderLock, Taken> {
        match FolderLock::acquire(&self.root) {
            Ok(lock) => Ok(lock),
            Err(LockError::Held { pid, address }) => Err(Taken::By { pid, address }),
            Err(LockError::Io { source, .. }) => Err(Taken::Failed(source)),
        }
    }

    /// Takes the folder, or says who has it.
    pub(crate) fn own(&self) -> Result<FolderLock> {
        self.lock().map_err(|taken| taken.failure(&self.root))
    }

    /// What the server that has the folder left for us.
    pub(crate) fn local(&self) -> Result<Option<Local>> {
        Local::read(&self.root)
    }
}

/// Why the folder is not ours.
pub(crate) enum Taken {
    /// Another process has it.
    By {
        /// Its process id.
        pid: Option<u32>,
        /// Where it listens.
        address: Option<String>,
    },
    /// The lock could not be tried.
    Failed(std::io::Error),
}

impl Taken {
    pub(crate) fn failure(self, root: &Path) -> Failure {
        let root_text = root.display();
        match self {
            Taken::By { pid, address } => {
                let pid = pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
                let place = address
                    .as_ref()
                    .map(|address| format!(", which serves it at {address}"));
                let what = format!(
                    "the data folder `{root_text}` is held by {pid}{}",
                    place.unwrap_or_default()
                );
                let next = match address {
                    Some(_) => "use that server, or stop it first (Ctrl-C, or SIGTERM to that process)",
                    None => "wait until it is done, or stop it",
                };
                Failure {
                    exit: NO,
                    code: "folder_in_use".into(),
                    what,
                    next: Some(next.into()),
                }
            }
            Taken::Failed(error) => Failure::io("lock", root, &error),
        }
    }
}

/// The permission bits of a file or folder.
pub(crate) fn mode(path: &Path) -> std::io::Result<u32> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o777)
}
