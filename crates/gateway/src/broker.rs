//! What an MCP server is reached with, got from Countersign for a permit that was used.

use std::time::{Duration, Instant};

use countersign_api::ActionBody;
use countersign_api::bounded::{Name, Text};
use countersign_api::credentials::ReleaseCredentialBody;
use countersign_client::Client;
use zeroize::Zeroizing;

use crate::govern::{Governor, Ruling};

/// What the action is called by which a gateway reaches a server: its tool is the server's name.
const CONNECT: &str = "connect";

/// Gets credentials, with a key that may.
#[derive(Clone)]
pub struct Broker {
    client: Client,
}

/// Where a server wants its credential.
#[derive(Clone, Debug)]
pub enum Place {
    /// In a variable of its environment.
    Variable(String),
    /// In a header of each request.
    Header(String),
}

/// A credential that a server is reached with.
#[derive(Clone, Debug)]
pub struct Need {
    /// Its name in Countersign.
    pub credential: String,
    /// Where the server wants it.
    pub place: Place,
}

impl Need {
    /// A header with the value: where it is `Authorization` and the value is a bare token, as a bearer's.
    pub(crate) fn header(&self, value: &str) -> Option<(String, Zeroizing<String>)> {
        let Place::Header(name) = &self.place else { return None };
        let bare = name.eq_ignore_ascii_case("authorization") && !value.contains(' ');
        let value = if bare {
            format!("Bearer {value}")
        } else {
            value.to_owned()
        };
        Some((name.clone(), Zeroizing::new(value)))
    }
}

impl Broker {
    /// Asks by `client`, whose key has the scope `credential`.
    pub fn new(client: Client) -> Broker {
        Broker { client }
    }

    /// The value of a credential, for a permit that was used.
    ///
    /// # Errors
    /// A sentence for the agent, without anything of the value.
    pub(crate) async fn release(&self, permit: &str, credential: &str) -> Result<Zeroizing<String>, String> {
        let ask = ReleaseCredentialBody {
            permit: Text(permit.to_owned()),
            credential: Some(Name(credential.to_owned())),
        };
        match self.client.release_credential(&ask).await {
            Ok(released) => Ok(Zeroizing::new(released.value.0)),
            Err(error) => Err(format!(
                "The credential that the tool's server is reached with was not given out ({error}). Nothing was run."
            )),
        }
    }

    /// Reaches a server for the governed agent: an action of its own, which policy decides and the record shows.
    ///
    /// # Errors
    /// A sentence that says why not.
    pub async fn connect(
        &self,
        governor: &Governor,
        server: &str,
        need: &Need,
        env: Option<&str>,
        hold: Duration,
    ) -> Result<Zeroizing<String>, String> {
        let action = ActionBody {
            tool: Some(server.to_owned()),
            action: Some(CONNECT.to_owned()),
            env: env.map(str::to_owned),
            ..ActionBody::default()
        };
        let go = match governor.rule(&action, None, Instant::now() + hold).await {
            Ruling::Go(go) => go,
            Ruling::Refused { sentence, .. } => return Err(sentence),
            Ruling::Waiting(waiting) => return Err(waiting.sentence),
        };
        let released = self.release(&go.permit, &need.credential).await;
        let error = released.as_ref().err().cloned();
        governor.report(&go.id, error, Duration::ZERO).await;
        released
    }
}
