//! Secrets at rest: sealed with the instance's key before they reach a store.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

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
///
/// While an instance is given another key, both are there: the next one seals, and either opens.
pub struct Vault {
    cipher: XChaCha20Poly1305,
    before: Option<XChaCha20Poly1305>,
}

impl Vault {
    /// A vault with this key.
    pub fn new(key: &[u8; 32]) -> Vault {
        Vault {
            cipher: XChaCha20Poly1305::new(&Key::from(*key)),
            before: None,
        }
    }

    /// Opens the vault of a key file, making the file with a fresh key if there is none and `create` says so. Where the next
    /// key lies beside it ([`next_key`]), that one seals.
    pub fn from_file(path: &Path, create: bool) -> Result<Vault, VaultError> {
        if create && !path.exists() {
            write_key(path).map_err(|error| problem(path, error))?;
        }
        // The next one first: if it takes the other's place meanwhile, both are the same, and none is missed.
        let next = next_key(path);
        let next = match fs::exists(&next) {
            Ok(true) => Some(read_key(&next)?),
            Ok(false) => None,
            Err(error) => return Err(problem(&next, error)),
        };
        let now = Vault::new(&*read_key(path)?);
        Ok(match next {
            Some(next) => Vault {
                before: Some(now.cipher),
                ..Vault::new(&next)
            },
            None => now,
        })
    }

    /// Lays the next key beside a key file, unless there is one. Gives where it lies.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn prepare_next(path: &Path) -> Result<PathBuf, VaultError> {
        let next = next_key(path);
        if !next.exists() {
            // Whole or not at all: a server that starts now reads it.
            let part = beside(path, ".part");
            let made = || {
                let _ = fs::remove_file(&part);
                write_key(&part)?;
                fs::rename(&part, &next)?;
                sync_folder(path)
            };
            made().map_err(|error| problem(&next, error))?;
        }
        Ok(next)
    }

    /// Puts the next key in the place of the key file. Nothing may be sealed with the old one any more ([`Vault::reseal`]).
    ///
    /// # Errors
    /// If the files cannot be renamed.
    pub fn take_next(path: &Path) -> Result<(), VaultError> {
        fs::rename(next_key(path), path)
            .and_then(|()| sync_folder(path))
            .map_err(|error| problem(path, error))
    }

    /// A sealed secret, sealed with the newest key; `None` if that one opens it already.
    ///
    /// # Errors
    /// [`VaultError::Sealed`] if no key opens it.
    pub fn reseal(&self, org: &str, kind: &str, id: &str, sealed: &[u8]) -> Result<Option<Vec<u8>>, VaultError> {
        if opened(&self.cipher, org, kind, id, sealed).is_some() {
            return Ok(None);
        }
        let secret = self.open(org, kind, id, sealed)?;
        Ok(Some(self.sealed(org, kind, id, &secret)))
    }

    /// Seals a secret for its place.
    pub fn seal(&self, org: &str, kind: &'static str, id: &str, secret: &[u8]) -> SealedSecret {
        SealedSecret {
            id: id.to_owned(),
            kind,
            sealed: self.sealed(org, kind, id, secret),
        }
    }

    fn sealed(&self, org: &str, kind: &str, id: &str, secret: &[u8]) -> Vec<u8> {
        let nonce = XNonce::from(crate::random::bytes::<24>());
        let aad = place(org, kind, id);
        #[expect(clippy::expect_used, reason = "sealing a short message in memory cannot fail")]
        let sealed = (self.cipher.encrypt(&nonce, Payload { msg: secret, aad: &aad })).expect("a short message seals");
        [nonce.as_slice(), &sealed].concat()
    }

    /// Opens a secret of its place.
    pub fn open(&self, org: &str, kind: &str, id: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let mut keys = std::iter::once(&self.cipher).chain(&self.before);
        keys.find_map(|key| opened(key, org, kind, id, sealed))
            .ok_or_else(|| VaultError::Sealed {
                kind: kind.to_owned(),
                id: id.to_owned(),
            })
    }
}

fn opened(cipher: &XChaCha20Poly1305, org: &str, kind: &str, id: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = sealed.split_first_chunk::<24>()?;
    let aad = place(org, kind, id);
    let opened = cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: &aad });
    opened.ok().map(Zeroizing::new)
}

/// Where the next key of an instance lies, while it is given another one.
pub fn next_key(path: &Path) -> PathBuf {
    beside(path, ".next")
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn problem(path: &Path, why: impl std::fmt::Display) -> VaultError {
    VaultError::KeyFile {
        path: path.display().to_string(),
        why: why.to_string(),
    }
}

fn read_key(path: &Path) -> Result<Zeroizing<[u8; 32]>, VaultError> {
    let bytes = Zeroizing::new(fs::read(path).map_err(|error| problem(path, error))?);
    let key: Result<[u8; 32], _> = bytes.as_slice().try_into();
    key.map(Zeroizing::new)
        .map_err(|_| problem(path, format!("has {} bytes instead of 32", bytes.len())))
}

fn write_key(path: &Path) -> std::io::Result<()> {
    let key = Zeroizing::new(crate::random::bytes::<32>());
    let mut file = (fs::OpenOptions::new().write(true).create_new(true).mode(0o600)).open(path)?;
    file.write_all(&*key)?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
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
