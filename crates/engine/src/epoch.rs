//! Epochs of a log, and the keys that sign it: what an operator does when what was signed for is lost, and every few years.

use std::sync::Arc;

use countersign_core::digest::Digest;
use countersign_core::event::{EpochEnd, EpochOpened, KeyRotated};
use countersign_core::{Command, Refusal, Span, State, Time};
use countersign_store::Org;
use countersign_tlog::SigningKey;
use zeroize::Zeroizing;

use crate::error::EngineError;
use crate::inbox::Lane;
use crate::intake::Request;
use crate::ledger::Beside;
use crate::log_signer::{LogSigner, secret_name};
use crate::mark::{Mark, split_origin};
use crate::{Engine, Inner, blocking, random};

/// For how long the old key signs beside the new one.
const OVERLAP: Span = Span::hours(24 * 30);
/// How often a ledger that goes on meanwhile is looked at again.
const TRIES: u32 = 8;

/// A log under its new name.
#[derive(Debug)]
pub struct OpenedEpoch {
    /// Which one.
    pub epoch: u64,
    /// The new origin.
    pub origin: String,
    /// Its verifying key.
    pub vkey: String,
    /// Where the ledger is.
    pub size: u64,
    /// What was signed for before, where that is not in the ledger any more.
    pub mark: Option<EpochEnd>,
}

/// A log with another key.
#[derive(Debug)]
pub struct RotatedKey {
    /// The verifying key from now on.
    pub vkey: String,
    /// The one before.
    pub old_vkey: String,
    /// Until when that one signs as well.
    pub until: Time,
}

/// The names and keys that checkpoints of a log are and were signed under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogKeys {
    /// The origin of new checkpoints.
    pub origin: String,
    /// What verifies them.
    pub vkey: String,
    /// What verified earlier ones, oldest first.
    pub earlier: Vec<String>,
}

impl LogKeys {
    pub(crate) fn of(log: &LogSigner, first: &SigningKey, state: &State) -> LogKeys {
        let vkey = log.verifying_key().to_string();
        let mut earlier = vec![first.verifying_key().to_string()];
        earlier.extend(state.rotations().iter().map(|rotated| rotated.vkey.clone()));
        earlier.extend(state.epochs().iter().map(|epoch| epoch.vkey.clone()));
        earlier.retain(|known| *known != vkey);
        earlier.dedup();
        LogKeys {
            origin: log.origin().to_string(),
            vkey,
            earlier,
        }
    }
}

impl Inner {
    /// Who signs for a ledger, by its committed records.
    fn log_signer(
        &self,
        org: &Org,
        epochs: &[EpochOpened],
        rotations: &[KeyRotated],
    ) -> Result<LogSigner, EngineError> {
        let first = self.org(org)?.origin.clone();
        LogSigner::of(&*self.store, &self.vault, org, &first, epochs, rotations)
    }
}

/// What is read of a state before its log is changed.
struct Stand {
    size: u64,
    epochs: Vec<EpochOpened>,
    rotations: Vec<KeyRotated>,
}

impl Engine {
    async fn log_stands(&self, org: &Org) -> Result<Stand, EngineError> {
        let read = |state: &State| Stand {
            size: state.next_seq(),
            epochs: state.epochs().to_vec(),
            rotations: state.rotations().to_vec(),
        };
        self.look(org, read).await
    }

    /// The names and keys of an organization's log.
    pub async fn log_keys(&self, org: &Org) -> Result<LogKeys, EngineError> {
        let known = self.inner.org(org)?.log_keys();
        if let Some(known) = known {
            return Ok((*known).clone());
        }
        self.look(org, |_| ()).await?;
        let known = self.inner.org(org)?.log_keys();
        known
            .map(|known| (*known).clone())
            .ok_or_else(|| EngineError::internal("a log has no keys"))
    }

    /// Lets a log go on under a new origin. Records and tree go on; checkpoints of the old origin are never signed again, so
    /// that nothing which was lost can contradict what follows.
    pub async fn open_epoch(&self, request: &Request<'_>, why: &str) -> Result<OpenedEpoch, EngineError> {
        let why = self.words(Some(why));
        if why.is_none() {
            return Err(Refusal::invalid("reason_required", "a new epoch needs a reason").into());
        }
        let org = &request.caller.org;
        self.must_have_looked(org).await?;
        for _ in 0..TRIES {
            let Some(next) = self.next_epoch(org).await? else {
                continue;
            };
            let envelope = request.envelope(Command::OpenEpoch(Box::new(next.clone()), why.clone()));
            match self.perform(Lane::Urgent, org, envelope, Beside::default()).await {
                Ok(_) => {
                    // From here on the old epoch is over for the mark as well.
                    self.released(org).await?;
                    return Ok(OpenedEpoch {
                        epoch: next.epoch,
                        origin: next.log,
                        vkey: next.vkey,
                        size: next.previous.size + 1,
                        mark: next.mark,
                    });
                }
                Err(EngineError::Refused(refusal)) if refusal.code == "ledger_moved" => {}
                Err(error) => return Err(error),
            }
        }
        Err(EngineError::unavailable(
            "overloaded",
            "the ledger did not stand still for a moment",
        ))
    }

    /// The epoch that would follow; `None` if the ledger went on while it was read.
    async fn next_epoch(&self, org: &Org) -> Result<Option<EpochOpened>, EngineError> {
        let stand = self.log_stands(org).await?;
        let (inner, org) = (self.inner.clone(), org.clone());
        blocking(move || {
            let head = inner.store.head(&org)?;
            let head = head.ok_or_else(|| Refusal::missing("organization", &org))?;
            if head.size != stand.size {
                return Ok(None);
            }
            let here = Mark::of(&head.checkpoint).map_err(EngineError::internal)?;
            let lost = inner.signer.restored(&org).map(|restored| restored.mark);
            let (log, epoch) = split_origin(&here.checkpoint.origin);
            // What was lost may have been in a later epoch than what is left.
            let epoch = lost.as_ref().map_or(epoch, |lost| epoch.max(lost.place().0)) + 1;
            let origin = format!("{log}/{epoch}");
            let signer = inner.log_signer(&org, &stand.epochs, &stand.rotations)?;
            let end = |mark: &Mark| EpochEnd {
                log: mark.checkpoint.origin.clone(),
                root: Digest(mark.checkpoint.root.0),
                size: mark.checkpoint.size,
            };
            Ok(Some(EpochOpened {
                epoch,
                vkey: signer.verifying_key_as(&origin)?.to_string(),
                log: origin,
                mark: lost.as_ref().map(end),
                previous: end(&here),
            }))
        })
        .await
    }

    /// Gives a log another key. For 30 days checkpoints carry the signatures of both.
    pub async fn rotate_log_key(&self, request: &Request<'_>) -> Result<RotatedKey, EngineError> {
        let org = &request.caller.org;
        let stand = self.log_stands(org).await?;
        let seed = Zeroizing::new(random::bytes::<32>());
        let secret = self
            .inner
            .vault
            .seal(org, "key", &secret_name(stand.rotations.len() + 1), &*seed);
        let (inner, name) = (self.inner.clone(), org.clone());
        let signer = blocking(move || inner.log_signer(&name, &stand.epochs, &stand.rotations)).await?;
        let next = SigningKey::from_seed(signer.origin(), &seed).map_err(EngineError::internal)?;
        let rotated = KeyRotated {
            key: "log".into(),
            old_vkey: signer.verifying_key().to_string(),
            until: self.inner.clock.read().now + OVERLAP,
            vkey: next.verifying_key().to_string(),
        };
        let envelope = request.envelope(Command::RotateLogKey(Box::new(rotated.clone())));
        let beside = Beside {
            secrets: vec![secret],
            log_seed: Some(seed),
            ..Beside::default()
        };
        self.perform(Lane::Write, org, envelope, beside).await?;
        Ok(RotatedKey {
            vkey: rotated.vkey,
            old_vkey: rotated.old_vkey,
            until: rotated.until,
        })
    }
}

impl crate::OrgHandle {
    fn log_keys(&self) -> Option<Arc<LogKeys>> {
        self.log_keys
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set_log_keys(&self, keys: LogKeys) {
        *self.log_keys.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(Arc::new(keys));
    }

    /// A commit gave the log another name or key.
    pub(crate) fn log_goes_on(&self, origin: &str, vkey: &str) {
        let mut known = self.log_keys.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(keys) = known.as_deref() {
            let mut earlier = keys.earlier.clone();
            earlier.push(keys.vkey.clone());
            *known = Some(Arc::new(LogKeys {
                origin: origin.to_owned(),
                vkey: vkey.to_owned(),
                earlier,
            }));
        }
    }
}
