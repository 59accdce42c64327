//! The text of API keys: `cs_<kind>_<kid>_<secret><checksum>`.
//!
//! The kid finds the key, the 256-bit secret proves it, the checksum lets a typing error be told from a wrong key and
//! a scanner find leaked keys. Only the SHA-256 of the secret is ever stored.

use std::fmt;

use crate::digest::Digest;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SECRET_DIGITS: usize = 43;
const CHECK_DIGITS: usize = 6;
const KID_DIGITS: usize = 8;

/// A key as its holder has it. Its `Debug` form shows no secret.
pub struct ApiKey {
    /// `agent`, `user` or `admin`: for the reader's eye only, rights come from the ledger.
    pub kind: String,
    /// What it is known by.
    pub kid: String,
    secret: String,
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cs_{}_{}_…", self.kind, self.kid)
    }
}

impl ApiKey {
    /// A key from 40 random bytes.
    pub fn from_random(kind: &str, random: &[u8; 40]) -> ApiKey {
        let (kid, secret) = random.split_at(8);
        ApiKey {
            kind: kind.to_owned(),
            kid: base62(kid, KID_DIGITS),
            secret: base62(secret, SECRET_DIGITS),
        }
    }

    /// The text that is shown once.
    pub fn reveal(&self) -> String {
        let body = format!("cs_{}_{}_{}", self.kind, self.kid, self.secret);
        let check = checksum(&body);
        body + &check
    }

    /// SHA-256 of the secret: what is stored.
    pub fn hash(&self) -> Digest {
        Digest::tagged("countersign-api-key-v1", &[self.kid.as_bytes(), self.secret.as_bytes()])
    }

    /// Reads a key's text. `None` if it is not one, or was mistyped.
    pub fn parse(text: &str) -> Option<ApiKey> {
        let (kind, rest) = text.strip_prefix("cs_")?.split_once('_')?;
        let (kid, secret) = rest.split_once('_')?;
        let fine = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric());
        if kid.len() != KID_DIGITS || secret.len() != SECRET_DIGITS + CHECK_DIGITS || !fine(kid) || !fine(secret) {
            return None;
        }
        let (body, check) = text.split_at_checked(text.len() - CHECK_DIGITS)?;
        if checksum(body) != check {
            return None;
        }
        let secret = secret.get(..SECRET_DIGITS)?.to_owned();
        Some(ApiKey {
            kind: kind.to_owned(),
            kid: kid.to_owned(),
            secret,
        })
    }
}

/// Base-62 digits of big-endian bytes, the last `width` of them.
fn base62(bytes: &[u8], width: usize) -> String {
    let mut digits = vec![0_u8; width];
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in digits.iter_mut().rev() {
            carry += u32::from(*digit) * 256;
            *digit = (carry % 62) as u8;
            carry /= 62;
        }
    }
    digits
        .iter()
        .filter_map(|digit| DIGITS.get(usize::from(*digit)))
        .map(|digit| char::from(*digit))
        .collect()
}

/// CRC-32 (IEEE 802.3) of the text, as six base-62 digits.
fn checksum(text: &str) -> String {
    base62(&crc32fast::hash(text.as_bytes()).to_be_bytes(), CHECK_DIGITS)
}
