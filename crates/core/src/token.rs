//! The permit as a token: a JWT signed with Ed25519 (RFC 7519, RFC 8037), made from the record that issues the permit.
//!
//! Same record, same bytes: nothing in it is random and Ed25519 is deterministic, so a token is never stored.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use countersign_policy::verdict::{ConstraintValue, PermitUse};
use ed25519_dalek::{Signature, Signer as _, SigningKey, Verifier as _, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::event::Permit;
use crate::time::Time;

/// What a permit's token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Digest of the action that may run, hexadecimal.
    pub act: String,
    /// For whom it is: the tool, or a gateway.
    pub aud: String,
    /// Limits that it may run within.
    pub cst: BTreeMap<String, ConstraintValue>,
    /// When it ends, Unix seconds.
    pub exp: i64,
    /// When it was issued, Unix seconds.
    pub iat: i64,
    /// Who issued it: the organization's log.
    pub iss: String,
    /// Its id, `prm_…`.
    pub jti: String,
    /// Index of the record that issued it.
    pub rec: u64,
    /// The digest's salt, hexadecimal.
    pub slt: String,
    /// The snapshot that the decision cites.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snp: Option<String>,
    /// The agent.
    pub sub: String,
    /// `redeem` or `offline`.
    pub r#use: PermitUse,
}

/// What a token is made from besides the permit itself.
pub struct Grant<'a> {
    /// The log's origin.
    pub issuer: &'a str,
    /// The agent.
    pub agent: &'a str,
    /// The digest of the action that may run.
    pub digest: Digest,
    /// Its salt, hexadecimal.
    pub salt: &'a str,
    /// Limits.
    pub constraints: &'a BTreeMap<String, ConstraintValue>,
    /// The cited snapshot.
    pub snapshot: Option<&'a str>,
    /// Index and time of the record that issued the permit.
    pub issued: (u64, Time),
}

impl Claims {
    /// The claims of a permit.
    pub fn of(permit: &Permit, grant: &Grant<'_>) -> Claims {
        Claims {
            act: grant.digest.to_string(),
            aud: permit.audience.clone(),
            cst: grant.constraints.clone(),
            // Rounded down, so that no reader of the token sees it live longer than the ledger does.
            exp: permit.expires.unix_seconds(),
            iat: grant.issued.1.unix_seconds(),
            iss: grant.issuer.to_owned(),
            jti: permit.id.to_string(),
            rec: grant.issued.0,
            slt: grant.salt.to_owned(),
            snp: grant.snapshot.map(str::to_owned),
            sub: grant.agent.to_owned(),
            r#use: permit.r#use,
        }
    }
}

/// The key that signs an organization's permits.
pub struct PermitKey {
    key: SigningKey,
    kid: String,
    header: String,
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    kid: String,
    typ: String,
}

impl PermitKey {
    /// The key of this 32-byte seed.
    pub fn from_seed(seed: &[u8; 32]) -> PermitKey {
        let key = SigningKey::from_bytes(seed);
        let kid: String = Digest::of(key.verifying_key().as_bytes())
            .to_string()
            .chars()
            .take(16)
            .collect();
        let header = Header {
            alg: "EdDSA".into(),
            kid: kid.clone(),
            typ: "JWT".into(),
        };
        let header = BASE64.encode(serde_json::to_vec(&header).unwrap_or_default());
        PermitKey { key, kid, header }
    }

    /// Its identifier in token headers and in the key set.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half, 32 bytes.
    pub fn public(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    /// The public half as a JSON Web Key (RFC 8037).
    pub fn jwk(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("alg", "EdDSA".to_owned()),
            ("crv", "Ed25519".to_owned()),
            ("kid", self.kid.clone()),
            ("kty", "OKP".to_owned()),
            ("use", "sig".to_owned()),
            ("x", BASE64.encode(self.public())),
        ])
    }

    /// The signed token.
    pub fn sign(&self, claims: &Claims) -> String {
        let mut token = self.header.clone();
        token.push('.');
        token.push_str(&BASE64.encode(serde_json::to_vec(claims).unwrap_or_default()));
        let signature = self.key.sign(token.as_bytes());
        token.push('.');
        token.push_str(&BASE64.encode(signature.to_bytes()));
        token
    }

    /// What a token of this key says. Its end is not looked at: the ledger's clock decides that.
    pub fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, body) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        let header: Header = decode(header)?;
        if header.alg != "EdDSA" || header.kid != self.kid {
            return Err(TokenError::OtherKey);
        }
        let signature = BASE64.decode(signature).map_err(|_| TokenError::Malformed)?;
        let signature = Signature::from_slice(&signature).map_err(|_| TokenError::Malformed)?;
        let key: VerifyingKey = self.key.verifying_key();
        key.verify(signed.as_bytes(), &signature)
            .map_err(|_| TokenError::Signature)?;
        decode(body)
    }
}

fn decode<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, TokenError> {
    let bytes = BASE64.decode(part).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed)
}

/// Why a token is not a permit of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not a token.
    #[error("the permit is not a signed token")]
    Malformed,
    /// It names another key or algorithm.
    #[error("the permit was signed with another key")]
    OtherKey,
    /// Somebody changed it.
    #[error("the permit's signature does not hold")]
    Signature,
}
