//! Who calls: an agent, by its own key of Countersign.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use countersign_api::registry::WhoamiAnswer;
use countersign_client::{Client, ClientError, Credential};
use countersign_core::digest::hex;
use sha2::{Digest as _, Sha256};

use crate::govern::Governor;
use crate::stdio::lock;
use crate::waiting::place;

/// How long a key is taken for good without asking again; calls of tools are asked about each time.
const FRESH: Duration = Duration::from_secs(10);
/// How many keys are remembered.
const KEYS_AT_MOST: usize = 4096;

/// An agent.
#[derive(Clone)]
pub(super) struct Caller {
    /// Stands for the key, without being it.
    pub(super) owner: String,
    /// What asks for it.
    pub(super) governor: Governor,
}

/// Why nobody is let in.
pub(super) enum Stranger {
    /// Without a key that is good.
    Unknown,
    /// It cannot be told at the moment.
    Unclear(String),
}

/// Those who were let in lately.
pub(super) struct Callers {
    /// Asks the server that decides, and proves nobody yet.
    client: Client,
    decides: String,
    state: PathBuf,
    known: Mutex<BTreeMap<String, (Caller, Instant)>>,
}

impl Callers {
    pub(super) fn new(decides: &str, state: &Path) -> Result<Callers, ClientError> {
        Ok(Callers {
            client: Client::new(decides, &Credential::Nobody)?,
            decides: decides.to_owned(),
            state: state.to_owned(),
            known: Mutex::default(),
        })
    }

    /// The agent whose key this is.
    pub(super) async fn find(&self, key: &str) -> Result<Caller, Stranger> {
        if !key.starts_with("cs_agent_") || key.len() > 256 {
            return Err(Stranger::Unknown);
        }
        let owner = hex(&Sha256::digest(key.as_bytes()));
        if let Some((caller, at)) = lock(&self.known).get(&owner)
            && at.elapsed() < FRESH
        {
            return Ok(caller.clone());
        }
        let unclear = |error: &ClientError| Stranger::Unclear(error.to_string());
        let client = self.client.on_behalf(&Credential::Key(key.to_owned()));
        let client = client.map_err(|error| unclear(&error))?;
        match client.get::<WhoamiAnswer>("/v1/whoami").await {
            Ok(who) if who.kind == "agent" => {}
            Ok(_) => return Err(Stranger::Unknown),
            Err(ClientError::Problem(problem)) if problem.status == 401 => {
                lock(&self.known).remove(&owner);
                return Err(Stranger::Unknown);
            }
            Err(error) => return Err(unclear(&error)),
        }
        let folder = place(&self.state, &self.decides, key);
        let governor = Governor::new(client, &folder);
        let caller = Caller { owner, governor };
        let mut known = lock(&self.known);
        if known.len() >= KEYS_AT_MOST {
            known.retain(|_, (_, at)| at.elapsed() < FRESH);
        }
        known.insert(caller.owner.clone(), (caller.clone(), Instant::now()));
        Ok(caller)
    }
}
