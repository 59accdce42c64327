//! The one way of all commands to a ledger: HTTP, to a server elsewhere, to the server that has the data folder, or to
//! one of our own that lives as long as the command.

use std::path::PathBuf;

use clap::Args;
use countersign_client::{Client, Credential};
use serde::Deserialize;

use crate::failure::{Failure, Result};
use crate::folder::{Folder, Taken};
use crate::host::Hosted;
use crate::instance::pick;
use crate::local::Local;

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
    /// The instance key, if it is not in the data folder
    #[arg(long, requires = "data", value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Where the signer remembers what was signed for, outside of the data folder [env: COUNTERSIGN_SIGNER_STATE]
    #[arg(long, requires = "data", value_name = "DIR")]
    pub(crate) signer_state: Option<PathBuf>,
    /// The organization, where the data folder has several
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
            None if self.data.is_some() => None,
            None => variable("COUNTERSIGN_SERVER"),
        };
        match (server, data) {
            (Some(server), _) => self.remote(&server),
            (None, Some(data)) => {
                let folder = Folder::new(&data, self.key_file.as_deref());
                self.folder(&folder.with_signer_state(self.signer_state.as_deref())?, about).await
            }
            (None, None) => Err(Failure::usage("no server and no data folder is named").next(
                "name one with --server URL and --key KEY, or with --data DIR (or COUNTERSIGN_SERVER, COUNTERSIGN_KEY, COUNTERSIGN_DATA)",
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

    async fn folder(&self, folder: &Folder, about: About) -> Result<Session> {
        folder.must_exist()?;
        let (local, hosted) = match folder.lock() {
            Ok(lock) => {
                let hosted = Hosted::start(folder, lock).await?;
                (hosted.local.clone(), Some(hosted))
            }
            Err(Taken::By { pid, address }) => (owner(folder, pid, address)?, None),
            Err(taken) => return Err(taken.failure(&folder.root)),
        };
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

/// Where the folder's owner is reached.
fn owner(folder: &Folder, pid: Option<u32>, address: Option<String>) -> Result<Local> {
    match folder.local()? {
        // What a server left that did not end by itself is of no use.
        Some(local) if pid.is_none() || pid == Some(local.pid) => Ok(local),
        Some(_) | None => Err(Taken::By { pid, address }.failure(&folder.root)),
    }
}
