//! Who calls: an agent, by its own key of Countersign, or by an access token of an authorization server that is trusted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use countersign_api::registry::{AgentAnswer, WhoamiAnswer};
use countersign_client::{Client, ClientError, Credential, segment};
use countersign_core::digest::hex;
use sha2::{Digest as _, Sha256};

use super::tokens::{Tokens, Trust, Worthless};
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
    /// Without a key or token that is good.
    Unknown,
    /// The token lacks a scope.
    Narrow,
    /// It cannot be told at the moment.
    Unclear(String),
}

/// Why nobody was found, and who it would be where that is known.
type Unfound = (Stranger, Option<String>);

/// Those who were let in lately.
pub(super) struct Callers {
    /// Asks the server that decides, and proves nobody yet.
    client: Client,
    decides: String,
    state: PathBuf,
    /// The gateway only looks on.
    observes: bool,
    bearers: Option<Bearers>,
    known: Mutex<BTreeMap<String, (Caller, Instant)>>,
}

/// What access tokens are checked by, and what asks for their agents: with a key of the gateway's own.
pub(super) struct Bearers {
    pub(super) tokens: Tokens,
    pub(super) client: Client,
}

impl Callers {
    pub(super) fn new(
        decides: &str,
        state: &Path,
        observes: bool,
        bearers: Option<Bearers>,
    ) -> Result<Callers, ClientError> {
        Ok(Callers {
            client: Client::new(decides, &Credential::Nobody)?,
            decides: decides.to_owned(),
            state: state.to_owned(),
            observes,
            bearers,
            known: Mutex::default(),
        })
    }

    /// Which tokens are taken besides keys.
    pub(super) fn trust(&self) -> Option<&Trust> {
        self.bearers.as_ref().map(|bearers| bearers.tokens.trust())
    }

    /// The agent whose key this is, or whose token for `resource`.
    pub(super) async fn find(&self, shown: &str, resource: &str) -> Result<Caller, Stranger> {
        let found = match &self.bearers {
            _ if shown.starts_with("cs_agent_") => self.by_key(shown).await,
            Some(bearers) => self.by_token(bearers, shown, resource).await,
            None => Err((Stranger::Unknown, None)),
        };
        match found {
            Ok(caller) => Ok(caller),
            // Who was let in before and cannot be asked about goes on where nothing is enforced.
            Err((Stranger::Unclear(why), Some(owner))) if self.observes => {
                let known = lock(&self.known).get(&owner).map(|(caller, _)| caller.clone());
                known.ok_or(Stranger::Unclear(why))
            }
            Err((why, _)) => Err(why),
        }
    }

    async fn by_key(&self, key: &str) -> Result<Caller, Unfound> {
        if key.len() > 256 {
            return Err((Stranger::Unknown, None));
        }
        let owner = hex(&Sha256::digest(key.as_bytes()));
        if let Some(caller) = self.fresh(&owner) {
            return Ok(caller);
        }
        let unclear = |error: &ClientError| (Stranger::Unclear(error.to_string()), Some(owner.clone()));
        let client = self.client.on_behalf(&Credential::Key(key.to_owned()));
        let client = client.map_err(|error| unclear(&error))?;
        match client.get::<WhoamiAnswer>("/v1/whoami").await {
            Ok(who) if who.kind == "agent" => {}
            Ok(_) => return Err((Stranger::Unknown, None)),
            Err(ClientError::Problem(problem)) if problem.status == 401 => {
                lock(&self.known).remove(&owner);
                return Err((Stranger::Unknown, None));
            }
            Err(error) => return Err(unclear(&error)),
        }
        let folder = place(&self.state, &self.decides, key);
        Ok(self.keep(owner, Governor::new(client, &folder), &folder))
    }

    async fn by_token(&self, bearers: &Bearers, token: &str, resource: &str) -> Result<Caller, Unfound> {
        let agent = bearers.tokens.agent(token, resource).await.map_err(|why| match why {
            Worthless::Bad => (Stranger::Unknown, None),
            Worthless::Narrow => (Stranger::Narrow, None),
            Worthless::Unclear(why) => (Stranger::Unclear(why), None),
        })?;
        // The agent's, whichever token it shows next.
        let name = format!("token\n{}\n{agent}", bearers.tokens.trust().issuer);
        let owner = hex(&Sha256::digest(name.as_bytes()));
        if let Some(caller) = self.fresh(&owner) {
            return Ok(caller);
        }
        let path = format!("/v1/agents/{}", segment(&agent));
        match bearers.client.get::<AgentAnswer>(&path).await {
            Ok(known) if !known.quarantined && known.seen_by.is_none() && known.id == agent => {}
            Ok(_) => return Err((Stranger::Unknown, None)),
            Err(ClientError::Problem(problem)) if matches!(problem.status, 404 | 422) => {
                lock(&self.known).remove(&owner);
                return Err((Stranger::Unknown, None));
            }
            Err(error) => return Err((Stranger::Unclear(error.to_string()), Some(owner))),
        }
        let folder = place(&self.state, &self.decides, &name);
        let governor = Governor::new(bearers.client.clone(), &folder).acting_for(&agent);
        Ok(self.keep(owner, governor, &folder))
    }

    fn fresh(&self, owner: &str) -> Option<Caller> {
        let known = lock(&self.known);
        let (caller, at) = known.get(owner)?;
        (at.elapsed() < FRESH).then(|| caller.clone())
    }

    fn keep(&self, owner: String, governor: Governor, folder: &Path) -> Caller {
        let governor = match self.observes {
            true => governor.observing(folder),
            false => governor,
        };
        let caller = Caller { owner, governor };
        let mut known = lock(&self.known);
        if known.len() >= KEYS_AT_MOST {
            known.retain(|_, (_, at)| at.elapsed() < FRESH);
        }
        known.insert(caller.owner.clone(), (caller.clone(), Instant::now()));
        caller
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "cs_agent_of_somebody";

    /// Callers of whom one was let in a while ago, where nobody can be asked any more.
    fn alone(observes: bool) -> Result<Callers, ClientError> {
        let (nowhere, state) = ("http://127.0.0.1:9", Path::new("nowhere"));
        let callers = Callers::new(nowhere, state, observes, None)?;
        let client = callers.client.clone();
        let caller = callers.keep(
            hex(&Sha256::digest(KEY.as_bytes())),
            Governor::new(client, state),
            state,
        );
        let before = Instant::now().checked_sub(FRESH).unwrap_or_else(Instant::now);
        lock(&callers.known).insert(caller.owner.clone(), (caller, before));
        Ok(callers)
    }

    #[tokio::test]
    async fn who_cannot_be_asked_about_goes_on_only_where_nothing_is_enforced_and_only_if_known()
    -> Result<(), ClientError> {
        let (looks, enforces) = (alone(true)?, alone(false)?);
        assert!(looks.find(KEY, "").await.is_ok());
        for (callers, key) in [(&looks, "cs_agent_of_another"), (&enforces, KEY)] {
            assert!(
                matches!(callers.find(key, "").await, Err(Stranger::Unclear(_))),
                "{key}"
            );
        }
        Ok(())
    }
}
