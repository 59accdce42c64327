//! Who signs the checkpoints of a ledger: the origin of its epoch, the key, and whoever signs beside it for a while.

use std::sync::Arc;

use countersign_core::Time;
use countersign_core::event::{EpochOpened, KeyRotated};
use countersign_store::Store;
use countersign_tlog::{Checkpoint, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use crate::error::EngineError;
use crate::vault::Vault;

/// Signs the checkpoints of one ledger.
pub(crate) struct LogSigner {
    origin: Arc<str>,
    key: SigningKey,
    /// The key before the last rotation, and until when it signs as well.
    before: Option<(SigningKey, Time)>,
    /// The name of the epoch before, and the index of the record that ended it.
    predecessor: Option<(SigningKey, u64)>,
}

/// The name of the secret that holds the seed after so many rotations.
pub(crate) fn secret_name(rotations: usize) -> String {
    match rotations {
        0 => "log".to_owned(),
        rotations => format!("log.{}", rotations + 1),
    }
}

/// The same key under another name.
fn named(origin: &str, key: &SigningKey) -> Result<SigningKey, EngineError> {
    SigningKey::from_seed(origin, &key.seed()).map_err(EngineError::internal)
}

impl LogSigner {
    /// The signer of a log in its first epoch.
    pub fn first(origin: Arc<str>, key: &SigningKey) -> Result<LogSigner, EngineError> {
        Ok(LogSigner {
            key: named(&origin, key)?,
            origin,
            before: None,
            predecessor: None,
        })
    }

    /// The signer of a log as its state says, with the keys that lie in the store.
    pub fn of(
        store: &dyn Store,
        vault: &Vault,
        org: &str,
        first_origin: &str,
        epochs: &[EpochOpened],
        rotations: &[KeyRotated],
    ) -> Result<LogSigner, EngineError> {
        let origin: Arc<str> = epochs.last().map_or(first_origin, |epoch| &epoch.log).into();
        let key = |rotations: usize| -> Result<SigningKey, EngineError> {
            let name = secret_name(rotations);
            let sealed = store.secret(org, "key", &name)?;
            let sealed =
                sealed.ok_or_else(|| EngineError::internal(format!("`{org}` has no `{name}` key in this store")))?;
            let seed = vault.open(org, "key", &name, &sealed).map_err(EngineError::internal)?;
            let seed: Zeroizing<[u8; 32]> = Zeroizing::new(seed.as_slice().try_into().map_err(EngineError::internal)?);
            SigningKey::from_seed(&origin, &seed).map_err(EngineError::internal)
        };
        let before = match rotations.split_last() {
            Some((last, earlier)) => Some((key(earlier.len())?, last.until)),
            None => None,
        };
        let key = key(rotations.len())?;
        let predecessor = match epochs.last() {
            Some(epoch) => Some((named(&epoch.previous.log, &key)?, epoch.previous.size)),
            None => None,
        };
        Ok(LogSigner {
            origin,
            key,
            before,
            predecessor,
        })
    }

    /// The origin that records carry and checkpoints are of.
    pub fn origin(&self) -> &Arc<str> {
        &self.origin
    }

    /// What verifies new checkpoints.
    pub fn verifying_key(&self) -> &VerifyingKey {
        self.key.verifying_key()
    }

    /// What would verify them under another origin.
    pub fn verifying_key_as(&self, origin: &str) -> Result<VerifyingKey, EngineError> {
        VerifyingKey::new(origin, &self.key.verifying_key().public()).map_err(EngineError::internal)
    }

    /// Goes on in a new epoch.
    pub fn open_epoch(&mut self, epoch: &EpochOpened) -> Result<(), EngineError> {
        let next = named(&epoch.log, &self.key)?;
        if let Some((before, _)) = &mut self.before {
            *before = named(&epoch.log, before)?;
        }
        self.predecessor = Some((std::mem::replace(&mut self.key, next), epoch.previous.size));
        self.origin = epoch.log.as_str().into();
        Ok(())
    }

    /// Goes on with another key.
    pub fn rotate(&mut self, rotated: &KeyRotated, seed: &[u8; 32]) -> Result<(), EngineError> {
        let next = SigningKey::from_seed(&self.origin, seed).map_err(EngineError::internal)?;
        if next.verifying_key().to_string() != rotated.vkey {
            return Err(EngineError::internal(
                "the new key of the log is not the one that its record names",
            ));
        }
        self.before = Some((std::mem::replace(&mut self.key, next), rotated.until));
        Ok(())
    }

    /// A signed checkpoint of a tree that grew from `base` records. The one that covers the first record of an epoch is also
    /// signed under the name before; for a while after a rotation the key before signs too.
    pub fn sign(&self, base: u64, checkpoint: &Checkpoint, now: Time) -> Result<String, EngineError> {
        let mut note = checkpoint.sign(&self.key).map_err(EngineError::internal)?;
        let text = checkpoint.body();
        if let Some((before, until)) = &self.before
            && now < *until
        {
            note.push_str(&before.signature_line(&text));
        }
        if let Some((predecessor, at)) = &self.predecessor
            && (base..checkpoint.size).contains(at)
        {
            note.push_str(&predecessor.signature_line(&text));
        }
        Ok(note)
    }
}
