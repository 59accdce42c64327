//! How a gateway reaches the server that decides, and where it keeps what waits.

use std::path::{Path, PathBuf};

use clap::Args;
use countersign_client::{Client, Credential};
use countersign_gateway::{Governor, Guarded, place};

use crate::background::Background;
use crate::console::note;
use crate::failure::{Failure, Result};
use crate::install::whole;

/// The server that decides.
#[derive(Args)]
pub(crate) struct Deciding {
    /// Address of the server that decides [env: COUNTERSIGN_SERVER]
    #[arg(long, value_name = "URL")]
    at: Option<String>,
    /// The environment that the tools act in, such as `production`
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// Where is kept what waits for people [default: `countersign` below XDG_STATE_HOME]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

/// The server that decides, asked for one agent.
#[derive(Args)]
pub(crate) struct Governing {
    #[command(flatten)]
    pub(crate) deciding: Deciding,
    /// A file with the agent's API key [env, the key itself: COUNTERSIGN_KEY]
    #[arg(long, value_name = "FILE")]
    agent_key: Option<PathBuf>,
    /// Only look on: note what would be decided, and let everything run
    #[arg(long)]
    pub(crate) observe: bool,
}

/// The key that gets credentials.
#[derive(Args)]
pub(crate) struct GatewayKey {
    /// A file with a key of scope `credential`, for servers that are reached with one [env, the key itself:
    /// COUNTERSIGN_GATEWAY_KEY]
    #[arg(long, value_name = "FILE")]
    gateway_key: Option<PathBuf>,
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn key_in(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| Failure::io("read the key in", path, &error))
}

/// What asks the server, and where it keeps what waits.
pub(crate) struct Ready {
    /// What asks.
    pub(crate) governor: Governor,
    /// The folder.
    pub(crate) folder: PathBuf,
}

impl Governing {
    /// What asks the server.
    pub(crate) fn ready(&self) -> Result<Ready> {
        let local = self.names_nothing();
        // The server of local mode may listen elsewhere next time, and what waits there waits on.
        let (client, server, key) = if local {
            let background = Background::find()?;
            let client = background.client(|| key_in(&background.agent_key()))?;
            (client, "local".to_owned(), key_in(&background.agent_key())?)
        } else {
            let (at, key) = (self.deciding.address()?, self.key()?);
            let client = Client::new(&at, &Credential::Key(key.trim().to_owned())).map_err(Failure::from)?;
            (client, at, key)
        };
        let folder = place(&self.deciding.state_folder()?, &server, key.trim());
        let mut governor = Governor::new(client, &folder);
        if local {
            governor = governor.guarding(Guarded::new(Background::find()?.root()));
        }
        if self.observe {
            let notes = folder.join("observed.jsonl");
            note(format_args!(
                "countersign only looks on: nothing is enforced; what would be decided is noted in {}",
                notes.display()
            ));
            governor = governor.observing(&folder);
        }
        Ok(Ready { governor, folder })
    }

    /// Neither a server nor a key is named: then it is local mode.
    pub(crate) fn names_nothing(&self) -> bool {
        self.deciding.stated().is_none() && self.agent_key.is_none() && variable("COUNTERSIGN_KEY").is_none()
    }

    fn key(&self) -> Result<String> {
        match &self.agent_key {
            Some(path) => key_in(path),
            None => variable("COUNTERSIGN_KEY").ok_or_else(|| {
                Failure::usage("the agent's key is missing").next("set COUNTERSIGN_KEY, or give --agent-key FILE")
            }),
        }
    }

    /// The same, as words of a command in a configuration: a client starts it in a folder and with an environment of its own.
    pub(crate) fn options(&self) -> Result<Vec<String>> {
        let mut words = self.reaching()?;
        if let Some(env) = &self.deciding.env {
            words.extend(["--env".to_owned(), env.clone()]);
        }
        if self.observe {
            words.push("--observe".to_owned());
        }
        if let Some(state) = &self.deciding.state {
            words.extend(["--state".to_owned(), whole(state)?]);
        }
        Ok(words)
    }

    /// Server and key, as words; none in local mode, where the wrapper finds both.
    fn reaching(&self) -> Result<Vec<String>> {
        if self.names_nothing() {
            return Ok(Vec::new());
        }
        let key = self.agent_key.as_ref().ok_or_else(|| {
            Failure::usage("the agent's key is missing")
                .next("give --agent-key FILE: a key itself does not belong into a configuration")
        })?;
        let key = whole(key)?;
        Ok(vec![
            "--at".to_owned(),
            self.deciding.address()?,
            "--agent-key".to_owned(),
            key,
        ])
    }
}

impl GatewayKey {
    /// A client of the server that decides with the gateway's key; nothing without one.
    pub(crate) fn client(&self, at: &str) -> Result<Option<Client>> {
        let key = match &self.gateway_key {
            Some(path) => Some(key_in(path)?),
            None => variable("COUNTERSIGN_GATEWAY_KEY"),
        };
        let Some(key) = key else { return Ok(None) };
        let client = Client::new(at, &Credential::Key(key.trim().to_owned())).map_err(Failure::from)?;
        Ok(Some(client))
    }
}

impl Deciding {
    /// The address of the server that decides.
    pub(crate) fn address(&self) -> Result<String> {
        self.stated().ok_or_else(|| {
            Failure::usage("no server that decides is named")
                .next("set COUNTERSIGN_SERVER, or give --at URL; a wrapper or hook without a key uses local mode")
        })
    }

    fn stated(&self) -> Option<String> {
        self.at.clone().or_else(|| variable("COUNTERSIGN_SERVER"))
    }

    /// Where is kept what waits.
    pub(crate) fn state_folder(&self) -> Result<PathBuf> {
        if let Some(state) = &self.state {
            return Ok(state.clone());
        }
        let home = || variable("HOME").map(|home| PathBuf::from(home).join(".local/state"));
        let state = variable("XDG_STATE_HOME").map(PathBuf::from).or_else(home);
        let state = state.ok_or_else(|| {
            Failure::usage("neither XDG_STATE_HOME nor HOME says where to keep what waits").next("give --state DIR")
        })?;
        Ok(state.join("countersign").join("waiting"))
    }
}
