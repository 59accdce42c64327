//! How a gateway reaches the server that decides, and where it keeps what waits.

use std::path::PathBuf;

use clap::Args;
use countersign_client::{Client, Credential};
use countersign_gateway::{Governor, place};

use crate::failure::{Failure, Result};
use crate::install::whole;

/// The server that decides.
#[derive(Args)]
pub(crate) struct Governing {
    /// Address of the server that decides [env: COUNTERSIGN_SERVER]
    #[arg(long, value_name = "URL")]
    at: Option<String>,
    /// A file with the agent's API key [env, the key itself: COUNTERSIGN_KEY]
    #[arg(long, value_name = "FILE")]
    agent_key: Option<PathBuf>,
    /// The environment that the tools act in, such as `production`
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// Where is kept what waits for people [default: `countersign` below XDG_STATE_HOME]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
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
        let at = self.address()?;
        let key = match &self.agent_key {
            Some(path) => {
                std::fs::read_to_string(path).map_err(|error| Failure::io("read the key in", path, &error))?
            }
            None => variable("COUNTERSIGN_KEY").ok_or_else(|| {
                Failure::usage("the agent's key is missing").next("set COUNTERSIGN_KEY, or give --agent-key FILE")
            })?,
        };
        let key = key.trim();
        let folder = place(&self.state_folder()?, &at, key);
        let client = Client::new(&at, &Credential::Key(key.to_owned())).map_err(Failure::from)?;
        let governor = Governor::new(client, &folder);
        Ok(Ready { governor, folder })
    }

    /// The same, as words of a command in a configuration: a client starts it in a folder and with an environment of its own.
    pub(crate) fn options(&self) -> Result<Vec<String>> {
        let key = self.agent_key.as_ref().ok_or_else(|| {
            Failure::usage("the agent's key is missing")
                .next("give --agent-key FILE: a key itself does not belong into a configuration")
        })?;
        let mut words = vec!["--at".to_owned(), self.address()?];
        words.extend(["--agent-key".to_owned(), whole(key)?]);
        if let Some(env) = &self.env {
            words.extend(["--env".to_owned(), env.clone()]);
        }
        if let Some(state) = &self.state {
            words.extend(["--state".to_owned(), whole(state)?]);
        }
        Ok(words)
    }

    fn address(&self) -> Result<String> {
        let at = self.at.clone().or_else(|| variable("COUNTERSIGN_SERVER"));
        at.ok_or_else(|| {
            Failure::usage("no server that decides is named").next("set COUNTERSIGN_SERVER, or give --at URL")
        })
    }

    fn state_folder(&self) -> Result<PathBuf> {
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
