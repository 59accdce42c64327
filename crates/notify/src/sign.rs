//! Signatures that receivers can verify with the official libraries.
//!
//! Source: Standard Webhooks 1.0.0 (`spec/standard-webhooks.md`): the signed text is `{id}.{timestamp}.{body}`; `v1` is HMAC-SHA256 with
//! 24 to 64 secret bytes written `whsec_<base64>`; `v1a` is Ed25519 (RFC 8032) with a public key written `whpk_<base64>`. The official
//! libraries verify `v1` and skip what they don't know, so `v1a` always stands beside a `v1`.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::{Zeroize as _, Zeroizing};

use crate::channel::Message;

/// The header with the message's id.
pub const ID_HEADER: &str = "webhook-id";
/// The header with the time of the attempt in seconds.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// The header with the signatures, separated by spaces.
pub const SIGNATURE_HEADER: &str = "webhook-signature";

const SECRET_PREFIX: &str = "whsec_";
const PUBLIC_PREFIX: &str = "whpk_";

/// The secret that a receiver shares with us. Shown once; wiped from memory when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// The secret made of 32 random bytes.
    pub fn from_bytes(mut bytes: [u8; 32]) -> Self {
        let secret = Secret(Zeroizing::new(bytes.to_vec()));
        bytes.zeroize();
        secret
    }

    /// Reads `whsec_<base64>`.
    ///
    /// # Errors
    ///
    /// Anything else, or other than 24 to 64 bytes.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let encoded = text.strip_prefix(SECRET_PREFIX).ok_or(SecretError)?;
        let bytes = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| SecretError)?);
        if (24..=64).contains(&bytes.len()) {
            Ok(Secret(bytes))
        } else {
            Err(SecretError)
        }
    }

    /// The text to show once and to keep sealed: `whsec_<base64>`.
    pub fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{SECRET_PREFIX}{}", STANDARD.encode(&*self.0)))
    }

    /// The signature of a message: `v1,<base64>`.
    pub fn sign(&self, id: &str, timestamp_s: i64, body: &[u8]) -> String {
        // HMAC takes keys of any length, so there is no error to tell.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            return String::new();
        };
        mac.update(format!("{id}.{timestamp_s}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Not a webhook secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a webhook secret is `whsec_` and the base64 of 24 to 64 bytes")]
pub struct SecretError;

/// The key with which we sign for receivers that should not be able to sign themselves. Wiped from memory when dropped.
#[derive(Clone)]
pub struct Ed25519Key(SigningKey);

impl Ed25519Key {
    /// The key made of 32 random bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Ed25519Key(SigningKey::from_bytes(seed))
    }

    /// The public key as receivers get it: `whpk_<base64>`.
    pub fn public_text(&self) -> String {
        format!("{PUBLIC_PREFIX}{}", STANDARD.encode(self.0.verifying_key().as_bytes()))
    }

    /// The signature of a message: `v1a,<base64>`.
    pub fn sign(&self, id: &str, timestamp_s: i64, body: &[u8]) -> String {
        let mut signed = format!("{id}.{timestamp_s}.").into_bytes();
        signed.extend_from_slice(body);
        format!("v1a,{}", STANDARD.encode(self.0.sign(&signed).to_bytes()))
    }
}

impl fmt::Debug for Ed25519Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ed25519Key({})", self.public_text())
    }
}

/// What a message is signed with.
#[derive(Clone, Copy, Debug)]
pub struct Keys<'a> {
    /// The secrets that the receiver may know: two of them while one replaces the other.
    pub secrets: &'a [Secret],
    /// The key for `v1a`, if that is wanted.
    pub ed25519: Option<&'a Ed25519Key>,
}

impl Keys<'_> {
    /// The value of [`SIGNATURE_HEADER`].
    pub fn signatures(&self, message: &Message) -> String {
        let (id, at, body) = (message.id(), message.timestamp_s(), message.body());
        let shared = self.secrets.iter().map(|secret| secret.sign(id, at, body));
        let own = self.ed25519.map(|key| key.sign(id, at, body));
        shared.chain(own).collect::<Vec<_>>().join(" ")
    }

    /// The three headers of Standard Webhooks.
    pub fn headers(&self, message: &Message) -> [(&'static str, String); 3] {
        [
            (ID_HEADER, message.id().to_owned()),
            (TIMESTAMP_HEADER, message.timestamp_s().to_string()),
            (SIGNATURE_HEADER, self.signatures(message)),
        ]
    }
}
