//! Secrets at rest: sealed with the instance's key before they reach a store.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use countersign_store::SealedSecret;
use zeroize::Zeroizing;

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The key file cannot be used.
    #[error("key file `{path}`: {why}")]
    KeyFile {
        /// Where it should be.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// The sealed bytes were made with another key, for another place, or were changed.
    #[error("secret `{kind}/{id}` does not open with this instance's key")]
    Sealed {
        /// What kind of secret.
        kind: String,
        /// Which one.
        id: String,
    },
}

/// Seals and opens secrets with XChaCha20-Poly1305. The organization, kind and id of a secret are authenticated with
/// it, so that a sealed secret is worth nothing in another place.
pub struct Vault {
    cipher: XChaCha20Poly1305,
}

impl Vault {
    /// A vault with this key.
    pub fn new(key: &[u8; 32]) -> Vault {
        Vault {
            cipher: XChaCha20Poly1305::new(&Key::from(*key)),
        }
    }

    /// Opens the vault of a key file, making the file with a fresh key if there is none and `create` says so.
    pub fn from_file(path: &Path, create: bool) -> Result<Vault, VaultError> {
        let problem = |why: String| VaultError::KeyFile {
            path: path.display().to_string(),
            why,
        };
        if create && !path.exists() {
            let key = Zeroizing::new(crate::random::bytes::<32>());
            let mut file = (fs::OpenOptions::new().write(true).create_new(true).mode(0o600))
                .open(path)
                .map_err(|error| problem(error.to_string()))?;
            file.write_all(&*key)
                .and_then(|()| file.sync_all())
                .map_err(|error| problem(error.to_string()))?;
        }
        let bytes = Zeroizing::new(fs::read(path).map_err(|error| problem(error.to_string()))?);
        let key: &[u8; 32] = bytes
            .as_slice()
            .try_into()
            .map_err(|_| problem(format!("has {} bytes instead of 32", bytes.len())))?;
        Ok(Vault::new(key))
    }

    /// Seals a secret for its place.
    pub fn seal(&self, org: &str, kind: &'static str, id: &str, secret: &[u8]) -> SealedSecret {
        let nonce = XNonce::from(crate::random::bytes::<24>());
        let aad = place(org, kind, id);
        #[expect(clippy::expect_used, reason = "sealing a short message in memory cannot fail")]
        let sealed = (self.cipher.encrypt(&nonce, Payload { msg: secret, aad: &aad })).expect("a short message seals");
        SealedSecret {
            id: id.to_owned(),
            kind,
            sealed: [nonce.as_slice(), &sealed].concat(),
        }
    }

    /// Opens a secret of its place.
    pub fn open(&self, org: &str, kind: &str, id: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let refused = || VaultError::Sealed {
            kind: kind.to_owned(),
            id: id.to_owned(),
        };
        let (nonce, sealed) = sealed.split_at_checked(24).ok_or_else(refused)?;
        let nonce: [u8; 24] = nonce.try_into().map_err(|_| refused())?;
        let aad = place(org, kind, id);
        let opened = self
            .cipher
            .decrypt(&XNonce::from(nonce), Payload { msg: sealed, aad: &aad });
        opened.map(Zeroizing::new).map_err(|_| refused())
    }
}

/// What is authenticated with a secret; lengths keep two places from reading alike.
fn place(org: &str, kind: &str, id: &str) -> Vec<u8> {
    let mut place = b"countersign-secret-v1\0".to_vec();
    for part in [org, kind, id] {
        place.extend_from_slice(&(part.len() as u64).to_be_bytes());
        place.extend_from_slice(part.as_bytes());
    }
    place
}
