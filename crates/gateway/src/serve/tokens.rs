//! Access tokens of an authorization server, in place of an agent's key: JWTs (RFC 9068) for one of our resources.
//!
//! A token proves to the gateway which agent calls; to the server that decides it is the gateway that says so, by its own
//! key, and the record has the agent as `claimed`. A token goes nowhere from here.

mod issuer;
mod signatures;

use std::collections::BTreeMap;

use jsonwebtoken::{Validation, decode, decode_header};
use serde_json::Value;

use self::issuer::{Keys, Sought};

/// The longest token.
const LONGEST: usize = 8 * 1024;
/// How far clocks may differ.
const LEEWAY_S: u64 = 30;

/// Which tokens are taken, and for whom.
#[derive(Clone, Debug)]
pub struct Trust {
    /// Who issues them: the claim `iss`, and where clients are sent for one.
    pub issuer: String,
    /// The issuer's keys, a JWK Set (RFC 7517): an address, or a file.
    pub keys: String,
    /// The claim that says whose token it is.
    pub claim: String,
    /// Agents by what the claim says; without any, it says the agent.
    pub agents: BTreeMap<String, String>,
    /// Scopes that a token needs.
    pub scopes: Vec<String>,
}

/// Checks tokens.
pub(super) struct Tokens {
    trust: Trust,
    keys: Keys,
}

/// Why a token proves nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Worthless {
    /// It is not good, or not for this.
    Bad,
    /// It is good, and lacks a scope.
    Narrow,
    /// It cannot be told at the moment.
    Unclear(String),
}

impl Tokens {
    /// Checks by the issuer's keys.
    ///
    /// # Errors
    /// If the address of the keys is none, or their file cannot be read.
    pub(super) fn new(trust: Trust) -> Result<Tokens, String> {
        signatures::install();
        let keys = Keys::new(&trust.keys)?;
        Ok(Tokens { trust, keys })
    }

    /// Which tokens are taken.
    pub(super) fn trust(&self) -> &Trust {
        &self.trust
    }

    /// The agent whose token for `resource` this is.
    pub(super) async fn agent(&self, token: &str, resource: &str) -> Result<String, Worthless> {
        let bad = |_| Worthless::Bad;
        if token.len() > LONGEST {
            return Err(Worthless::Bad);
        }
        // What cannot be read has no algorithm that is taken either: `none` is no algorithm at all.
        let header = decode_header(token).map_err(bad)?;
        let kind = header.typ.as_deref().unwrap_or("JWT").to_ascii_lowercase();
        let access = ["jwt", "at+jwt", "application/at+jwt"].contains(&kind.as_str());
        // An extension that has to be understood is not.
        if !access || header.crit.is_some() || header.enc.is_some() || !signatures::takes(header.alg) {
            return Err(Worthless::Bad);
        }
        let sought = Sought {
            kid: header.kid.as_deref(),
            algorithm: header.alg,
        };
        let key = self.keys.find(&sought).await.map_err(Worthless::Unclear)?;
        let key = key.ok_or(Worthless::Bad)?;
        let mut wanted = Validation::new(header.alg);
        wanted.set_issuer(&[&self.trust.issuer]);
        wanted.set_audience(&[resource]);
        wanted.set_required_spec_claims(&["exp", "iss", "aud"]);
        wanted.validate_nbf = true;
        wanted.leeway = LEEWAY_S;
        let claims = decode::<Value>(token, &key, &wanted).map_err(bad)?.claims;
        // A token that is bound to a key wants a proof besides, which nobody here asks for.
        if claims.get("cnf").is_some() {
            return Err(Worthless::Bad);
        }
        let said = claims.get(&self.trust.claim).and_then(Value::as_str);
        let agent = said.and_then(|said| self.named(said)).ok_or(Worthless::Bad)?;
        let has = scopes(&claims);
        match self.trust.scopes.iter().all(|scope| has.contains(&scope.as_str())) {
            true => Ok(agent),
            false => Err(Worthless::Narrow),
        }
    }

    fn named(&self, said: &str) -> Option<String> {
        if self.trust.agents.is_empty() {
            return Some(said.to_owned());
        }
        self.trust.agents.get(said).cloned()
    }
}

/// The scopes of a token: a text with spaces (RFC 8693), or a list as some issuers have it.
fn scopes(claims: &Value) -> Vec<&str> {
    let said = ["scope", "scp"].iter().find_map(|name| claims.get(*name));
    match said {
        Some(Value::String(text)) => text.split(' ').collect(),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        Some(_) | None => Vec::new(),
    }
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
