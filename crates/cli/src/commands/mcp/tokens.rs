//! Access tokens that `countersign mcp serve` takes in place of agents' keys.

use std::collections::BTreeMap;

use clap::Args;
use countersign_client::Client;
use countersign_gateway::serve::Trust;

use crate::failure::{Failure, Result};

/// Which tokens are taken.
#[derive(Args)]
pub(super) struct Tokens {
    /// Take access tokens of this authorization server besides agents' keys: JWTs whose `iss` this is. The gateway's key is
    /// then one that may act for these agents
    #[arg(long, value_name = "URL", requires = "token_keys")]
    token_issuer: Option<String>,
    /// The keys that tokens are signed with, a JWK Set: its address, or a file
    #[arg(long, value_name = "URL|FILE", requires = "token_issuer")]
    token_keys: Option<String>,
    /// The claim of a token that says which agent it is
    #[arg(long, value_name = "CLAIM", default_value = "client_id", requires = "token_issuer")]
    token_claim: String,
    /// What the claim says, and the agent that it is; without any, the claim says the agent
    #[arg(long = "token-agent", value_name = "CLAIMED=AGENT", requires = "token_issuer")]
    token_agents: Vec<String>,
    /// A scope that a token needs
    #[arg(long = "token-scope", value_name = "SCOPE", requires = "token_issuer")]
    token_scopes: Vec<String>,
}

impl Tokens {
    /// Which tokens are taken, and what asks for their agents; nothing where none are.
    pub(super) fn bearing(&self, own: Option<Client>) -> Result<Option<(Client, Trust)>> {
        let (Some(issuer), Some(keys)) = (&self.token_issuer, &self.token_keys) else {
            return Ok(None);
        };
        let client = own.ok_or_else(|| {
            Failure::usage("who shows a token is asked for by a key of the gateway's own, which is missing")
                .next("set COUNTERSIGN_GATEWAY_KEY, or give --gateway-key FILE")
        })?;
        if keys.starts_with("http://") && !is_loopback(keys) {
            return Err(
                Failure::usage(format!("the keys at `{keys}` could be replaced on the way"))
                    .next("name an address that begins with https://, or a file"),
            );
        }
        let mut agents = BTreeMap::new();
        for pair in &self.token_agents {
            let (claimed, agent) = pair
                .split_once('=')
                .filter(|(claimed, _)| !claimed.is_empty())
                .ok_or_else(|| Failure::usage(format!("`{pair}` names no agent")).next("write it as CLAIMED=AGENT"))?;
            if agents.insert(claimed.to_owned(), agent.to_owned()).is_some() {
                return Err(Failure::usage(format!("`{claimed}` would be two agents")).next("name it once"));
            }
        }
        if let Some(scope) = self.token_scopes.iter().find(|scope| !is_scope(scope)) {
            return Err(Failure::usage(format!("`{scope}` is no scope")).next("give each scope an option of its own"));
        }
        let trust = Trust {
            issuer: issuer.clone(),
            keys: keys.clone(),
            claim: self.token_claim.clone(),
            agents,
            scopes: self.token_scopes.clone(),
        };
        Ok(Some((client, trust)))
    }
}

fn is_loopback(url: &str) -> bool {
    let host = url
        .trim_start_matches("http://")
        .split(['/', '?'])
        .next()
        .unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    ["127.0.0.1", "localhost", "[::1]"].contains(&host)
}

/// A scope as RFC 6749 has it, which also may stand in a header.
fn is_scope(text: &str) -> bool {
    let fine = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    !text.is_empty() && text.bytes().all(fine)
}
