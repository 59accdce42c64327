//! The one way of all commands to a ledger: HTTP, to a server elsewhere, to the server that has the data folder, or to
//! one of our own over a folder or a database, that lives as long as the command.

use std::path::PathBuf;

use clap::Args;
use countersign_client::{Client, Credential};
use serde::Deserialize;

use crate::background::Background;
use crate::failure::{Failure, Result};
use crate::folder::{Folder, Taken};
use crate::host::Hosted;
use crate::instance::pick;
use crate::local::Local;
use crate::place::{DATABASE_URL, Database, Hold, Place};

/// How to reach the ledger.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Connection {
    /// Address of a server, https or (on this machine) http [env: COUNTERSIGN_SERVER]
    #[arg(long, conflicts_with = "data", value_name = "URL")]
    pub(crate) server: Option<String>,
    /// API key; better given as COUNTERSIGN_KEY, where other users of the machine do not see it
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// The data folder, instead of a server [env: COUNTERSIGN_DATA]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The database, as one more node on it; better given as COUNTERSIGN_DATABASE_URL
    #[arg(long, conflicts_with_all = ["server", "data"], value_name = "URL")]
    pub(crate) database_url: Option<String>,
    /// The instance key: with a database, and if it is not in the data folder
    #[arg(long, conflicts_with = "server", value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Where the signer remembers what was signed for, outside of the data folder [env: COUNTERSIGN_SIGNER_STATE]
    #[arg(long, conflicts_with = "server", value_name = "DIR")]
    pub(crate) signer_state: Option<PathBuf>,
    /// The organization, where there are several
    #[arg(long, value_name = "NAME")]
    pub(crate) org: Option<String>,
}

/// A client, and the server behind it if it is ours.
pub(crate) struct Session {
    /// The client.
    pub(crate) client: Client,
    hosted: Option<Hosted>,
}

/// What a command is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// One organization.
    Organization,
    /// The instance: its organizations.
    Instance,
}

#[derive(Deserialize)]
struct Organizations {
    organizations: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    organization: String,
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Session {
    /// The organization that is meant, for calls about the instance: the named one, or the only one.
    pub(crate) async fn organization(&self, named: Option<&str>) -> Result<String> {
        let known: Organizations = self.client.get("/v1/organizations").await?;
        let names: Vec<&str> = known
            .organizations
            .iter()
            .map(|known| known.organization.as_str())
            .collect();
        pick(&names, named)
    }
}

impl Connection {
    /// Opens a session and runs `work` in it. A server of our own is stopped afterwards, however the work ended.
    pub(crate) async fn with<T>(&self, about: About, work: impl AsyncFnOnce(&Session) -> Result<T>) -> Result<T> {
        let session = self.open(about).await?;
        let result = work(&session).await;
        if let Some(hosted) = session.hosted {
            hosted.stop().await;
        }
        result
    }

    async fn open(&self, about: About) -> Result<Session> {
        let data = self
            .data
            .clone()
            .or_else(|| variable("COUNTERSIGN_DATA").map(PathBuf::from));
        let server = match &self.server {
            Some(server) => Some(server.clone()),
            None if self.data.is_some() || self.database_url.is_some() => None,
            None => variable("COUNTERSIGN_SERVER"),
        };
        let database = match (&self.database_url, &data) {
            (Some(url), _) => Some(url.clone()),
            (None, Some(_)) => None,
            (None, None) => variable(DATABASE_URL),
        };
        match (server, database, data) {
            (Some(server), _, _) => self.remote(&server),
            (None, url, data) if url.is_some() || data.is_some() => {
                // A database that is named, or alone in the environment, comes before a folder.
                let data = data.filter(|_| url.is_none());
                let place = Place::named(data.as_deref(), url.as_deref(), self.key_file.as_deref())?;
                match place.with_signer_state(self.signer_state.as_deref())? {
                    Place::Database(database) => self.database(database, about).await,
                    Place::Folder(folder) => self.folder(&folder, about).await,
                }
            }
            (None, _, _) if self.key.is_none() && at_a_terminal() && Background::there().is_some() => local_mode(),
            (None, _, _) => Err(Failure::usage("no server and no data folder is named").next(
                "name one with --server URL and --key KEY, or with --data DIR, or with --database-url URL and --key-file FILE (or COUNTERSIGN_SERVER, COUNTERSIGN_KEY, COUNTERSIGN_DATA, COUNTERSIGN_DATABASE_URL, COUNTERSIGN_KEY_FILE); at a terminal the server of `countersign local` needs no name",
            )),
        }
    }

    fn remote(&self, server: &str) -> Result<Session> {
        let Some(key) = self.key.clone().or_else(|| variable("COUNTERSIGN_KEY")) else {
            return Err(Failure::usage(format!("a key is needed for the server at {server}"))
                .next("give it with --key KEY or COUNTERSIGN_KEY"));
        };
        Ok(Session {
            client: Client::new(server, &Credential::Key(key))?,
            hosted: None,
        })
    }

    async fn database(&self, database: Box<Database>, about: About) -> Result<Session> {
        let hosted = Hosted::start(Hold::Database(database)).await?;
        self.session(hosted.local.clone(), Some(hosted), about).await
    }

    async fn folder(&self, folder: &Folder, about: About) -> Result<Session> {
        folder.must_exist()?;
        let (local, hosted) = match folder.lock() {
            Ok(lock) => {
                let hosted = Hosted::start(Hold::Folder(folder.clone(), lock)).await?;
                (hosted.local.clone(), Some(hosted))
            }
            Err(Taken::By { pid, address }) => (owner(folder, pid, address)?, None),
            Err(taken) => return Err(taken.failure(&folder.root)),
        };
        self.session(local, hosted, about).await
    }

    /// A session with a server on this machine.
    async fn session(&self, local: Local, hosted: Option<Hosted>, about: About) -> Result<Session> {
        let session = |credential: Credential| Client::new(&local.address, &credential);
        // A person's key works here as well: votes need one.
        if let Some(key) = self.key.clone().or_else(|| variable("COUNTERSIGN_KEY")) {
            return Ok(Session {
                client: session(Credential::Key(key))?,
                hosted,
            });
        }
        let token = local.token.clone();
        let client = session(Credential::Local {
            token: token.clone(),
            organization: None,
        })?;
        if about == About::Instance {
            return Ok(Session { client, hosted });
        }
        let known: Organizations = client.get("/v1/organizations").await?;
        let names: Vec<&str> = known
            .organizations
            .iter()
            .map(|known| known.organization.as_str())
            .collect();
        let organization = Some(pick(&names, self.org.as_deref())?);
        Ok(Session {
            client: session(Credential::Local { token, organization })?,
            hosted,
        })
    }
}

/// Whether a person sits there. What an agent starts has no terminal, unless it takes pains.
fn at_a_terminal() -> bool {
    use std::io::IsTerminal as _;
    std::io::stdin().is_terminal() && variable("COUNTERSIGN_KEY").is_none()
}

/// The person's session with the server of local mode.
fn local_mode() -> Result<Session> {
    let background = Background::find()?;
    let key = || crate::secret::in_file(&background.person_key());
    Ok(Session {
        client: background.client(key)?,
        hosted: None,
    })
}

/// Where the folder's owner is reached.
fn owner(folder: &Folder, pid: Option<u32>, address: Option<String>) -> Result<Local> {
    match folder.local()? {
        // What a server left that did not end by itself is of no use.
        Some(local) if pid.is_none() || pid == Some(local.pid) => Ok(local),
        Some(_) | None => Err(Taken::By { pid, address }.failure(&folder.root)),
    }
}
