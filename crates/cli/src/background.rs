//! Local mode: one server in the background, on the user's own data folder, for wrappers and hooks that name no server.
//!
//! Everything lies in one folder that only its user may read: the data, the policies, and two keys in files of their own. The
//! agent's key is for wrappers and hooks; the person's key is for whoever sits at a terminal. A lock beside them makes that of
//! many who want the server at once one starts it. Whether it runs is told by the lock on the data folder, which ends with
//! the process however that ends; what a killed server left behind is not believed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use countersign_client::{Client, Credential};
use serde::Deserialize;

use crate::failure::{Failure, Result};
use crate::folder::{Folder, Taken};
use crate::local::Local;

/// The organization of local mode.
pub(crate) const ORGANIZATION: &str = "local";
/// Its one person.
pub(crate) const PERSON: &str = "me";
/// Its one agent.
pub(crate) const AGENT: &str = "assistant";

/// The folder of local mode.
#[derive(Clone, Debug)]
pub(crate) struct Background {
    root: PathBuf,
}

/// Keeps everybody else from starting the server, or from looking at it, until it is dropped.
pub(crate) struct Turn {
    // The lock ends with the file.
    _file: File,
}

/// What `countersign local start --json` answers.
#[derive(Deserialize)]
struct Started {
    address: String,
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

impl Background {
    /// The user's own.
    pub(crate) fn find() -> Result<Background> {
        // The specification has relative paths ignored.
        let stated = variable("XDG_DATA_HOME").filter(|path| path.is_absolute());
        let shared = stated.or_else(|| variable("HOME").map(|home| home.join(".local/share")));
        let shared = shared.ok_or_else(|| {
            Failure::usage("neither XDG_DATA_HOME nor HOME says where local mode keeps its data")
                .next("set one of them, or name a server with COUNTERSIGN_SERVER")
        })?;
        Ok(Background {
            root: shared.join("countersign").join("local"),
        })
    }

    /// The user's own, if there is one already.
    pub(crate) fn there() -> Option<Background> {
        Background::find()
            .ok()
            .filter(|found| found.data().join("ledger.db").is_file())
    }

    /// The folder with everything in it.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// The policies, which the server keeps live.
    pub(crate) fn policies(&self) -> PathBuf {
        self.root.join("policies")
    }

    /// The key of wrappers and hooks.
    pub(crate) fn agent_key(&self) -> PathBuf {
        self.root.join("agent.key")
    }

    /// The key of whoever sits at a terminal.
    pub(crate) fn person_key(&self) -> PathBuf {
        self.root.join("person.key")
    }

    /// What the server says.
    pub(crate) fn log(&self) -> PathBuf {
        self.root.join("server.log")
    }

    /// Where the server listened last: it listens there again if it can, so that who knows it finds it.
    pub(crate) fn listened(&self) -> PathBuf {
        self.root.join("listened")
    }

    /// Makes the folder where it is missing, for its user only.
    pub(crate) fn create(&self) -> Result<()> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.root);
        made.map_err(|error| Failure::io("make", &self.root, &error))
    }

    fn turns(&self) -> Result<File> {
        let path = self.root.join("start.lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        options.open(&path).map_err(|error| Failure::io("open", &path, &error))
    }

    /// Waits for the turn to start or stop the server.
    pub(crate) fn turn(&self) -> Result<Turn> {
        let file = self.turns()?;
        file.lock().map_err(|error| Failure::io("lock", &self.root, &error))?;
        Ok(Turn { _file: file })
    }

    /// The server, if it runs. To be asked in one's turn: it tries the lock that the server takes when it starts.
    pub(crate) fn server(&self, _turn: &Turn) -> Result<Option<Local>> {
        let folder = Folder::new(&self.data(), None);
        if !folder.root.is_dir() {
            return Ok(None);
        }
        match folder.lock() {
            Ok(_free) => Ok(None),
            Err(Taken::By { pid, address }) => match folder.local()? {
                Some(local) if pid == Some(local.pid) => Ok(Some(local)),
                Some(_) | None => Err(Taken::By { pid, address }.failure(&folder.root)),
            },
            Err(failed) => Err(failed.failure(&folder.root)),
        }
    }

    /// The server's address, looked up without waiting for anybody: nothing if it does not run, or is about to.
    fn address(&self) -> Option<String> {
        let file = self.root.is_dir().then(|| self.turns().ok()).flatten()?;
        file.try_lock_shared().ok()?;
        let found = self.server(&Turn { _file: file }).ok().flatten()?;
        self.agent_key().is_file().then_some(found.address)
    }

    /// Where the server is now, after whoever starts or stops it: its lock is held, by the process that left the address.
    fn running(&self) -> Result<String> {
        let file = self.turns()?;
        file.lock_shared()
            .map_err(|error| Failure::io("lock", &self.root, &error))?;
        let found = self.server(&Turn { _file: file })?;
        found.map(|local| local.address).ok_or_else(|| {
            Failure::unreachable("the server of local mode does not run")
                .next("start it with `countersign local start`")
        })
    }

    /// A client of the server, which is started where it does not run. Once it has ended anybody may listen at its address, so
    /// before each request it is looked where it is.
    pub(crate) fn client(&self, key: impl FnOnce() -> Result<String>) -> Result<Client> {
        let address = self.reach()?;
        // The first start makes the keys.
        let client = Client::new(&address, &Credential::Key(key()?))?;
        let background = self.clone();
        Ok(client.found_by(Arc::new(move || {
            let background = background.clone();
            // It may wait for a server that starts or stops.
            let look = tokio::task::spawn_blocking(move || background.running().map_err(|failure| failure.what));
            Box::pin(async move { look.await.unwrap_or_else(|error| Err(error.to_string())) })
        })))
    }

    /// The server's address. Where it does not run it is started, by a process of its own, as whoever needs it here may have
    /// a short life.
    fn reach(&self) -> Result<String> {
        if let Some(address) = self.address() {
            return Ok(address);
        }
        let program = std::env::current_exe()
            .map_err(|error| Failure::unreachable(format!("cannot find this program: {error}")))?;
        let started = Command::new(&program)
            .args(["local", "start", "--json"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .map_err(|error| Failure::io("run", &program, &error))?;
        serde_json::from_slice::<Started>(&started.stdout)
            .map(|started| started.address)
            .map_err(|_| {
                Failure::unreachable("the server of local mode does not start")
                    .next("see why with `countersign local start`, or name a server with COUNTERSIGN_SERVER")
            })
    }
}

/// Writes a key to a file of which nobody else ever reads anything.
pub(crate) fn write_key(path: &Path, key: &str) -> Result<()> {
    let failed = |error: std::io::Error| Failure::io("write", path, &error);
    let fresh = path.with_extension("new");
    // What a crash left there; that there is nothing is fine.
    let _ = fs::remove_file(&fresh);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)
        .map_err(failed)?;
    file.write_all(format!("{key}\n").as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    fs::rename(&fresh, path).map_err(failed)
}
