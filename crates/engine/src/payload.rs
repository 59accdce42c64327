//! Payloads between the text that they are and the bytes that the store holds.
//!
//! Every payload is sealed with XChaCha20-Poly1305 under a key of its subject and year, its salt with it. It is the cipher
//! of the vault: its nonces are long enough to be drawn at random by any number of nodes for as long as a key lives, and it
//! is fast without help of the processor. Organization, key and place in the ledger are authenticated with it, so that a
//! sealed payload is worth nothing elsewhere.
//!
//! The keys lie in the store with the secrets, sealed with the instance's key. Payloads are sealed by the sequencer, which
//! knows the place of each in the ledger: when a key is destroyed there, what comes after is sealed under another. Keys
//! for opening are read from the store each time and kept nowhere, so that a key that was destroyed opens nothing,
//! whichever node is asked.

use std::collections::HashMap;
use std::sync::Arc;

use chacha20poly1305::aead::{Aead, KeyInit, Payload as Message};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use countersign_core::record::Payload;
use countersign_core::retention::{KeyId, Subject};
use countersign_store::{SealedSecret, Store, StoredPayload};
use zeroize::Zeroizing;

use crate::Inner;
use crate::error::EngineError;
use crate::random::{self, Salts};
use crate::vault::Vault;

/// Length of a salt, which comes before the text.
const SALT_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
/// Kind of the secrets that are keys of payloads.
const KEY: &str = "payload_key";
/// The same of subjects whose data is to be erased: nobody finds them who does not look for them.
const RESTRICTED: &str = "restricted_payload_key";
/// How many keys a ledger keeps at hand, twice. A batch makes far fewer, so that a key that is not in the store yet is
/// always here.
const KEYS_AT_HAND: usize = 10_000;

/// Why a payload is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To work with it.
    Work,
    /// To defend or claim a right: also what is restricted.
    Legal,
}

/// What is left of a record's payload.
pub(crate) enum Kept {
    /// All of it.
    Whole(Payload),
    /// The record has none, or its time was over and it was destroyed.
    Nothing,
    /// Nobody may read it: its subject wants it erased.
    Restricted,
    /// Nobody can read it: the key was destroyed.
    Erased,
}

/// The keys that a ledger seals payloads with. They live and die with the ledger in memory: when a batch is lost, the keys
/// that it was to bring are forgotten as well.
pub(crate) struct PayloadKeys {
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    young: HashMap<KeyId, DataKey>,
    old: HashMap<KeyId, DataKey>,
    /// Keys that no share carries yet.
    fresh: Vec<SealedSecret>,
    nonces: Salts,
}

type DataKey = Zeroizing<[u8; 32]>;

impl PayloadKeys {
    pub fn new(store: Arc<dyn Store>, vault: Arc<Vault>) -> PayloadKeys {
        PayloadKeys {
            store,
            vault,
            young: HashMap::new(),
            old: HashMap::new(),
            fresh: Vec::new(),
            nonces: Salts::default(),
        }
    }

    /// Seals the payload of record `seq`, under a new key if there is none yet.
    pub fn seal(&mut self, org: &str, id: KeyId, seq: u64, payload: &Payload) -> Result<StoredPayload, EngineError> {
        if !self.young.contains_key(&id) {
            let key = match self.old.remove(&id) {
                Some(key) => key,
                None => self.key(org, &id.to_string())?,
            };
            if self.young.len() >= KEYS_AT_HAND {
                self.old = std::mem::take(&mut self.young);
            }
            self.young.insert(id, key);
        }
        let lost = || EngineError::internal("a key was lost");
        let cipher = cipher(self.young.get(&id).ok_or_else(lost)?);
        let key = id.to_string();
        let random = self.nonces.next();
        let nonce: [u8; NONCE_BYTES] = std::array::from_fn(|place| random[place]);
        let text = Zeroizing::new([payload.salt.as_slice(), &payload.body].concat());
        let aad = place(org, &key, seq);
        let sealed = cipher
            .encrypt(&XNonce::from(nonce), Message { msg: &text, aad: &aad })
            .map_err(|_| EngineError::internal("a payload could not be sealed"))?;
        Ok(StoredPayload {
            class: payload.class.clone(),
            key,
            sealed: [nonce.as_slice(), &sealed].concat(),
        })
    }

    /// The key of this id in the store, or a new one.
    fn key(&mut self, org: &str, id: &str) -> Result<DataKey, EngineError> {
        if let Some(sealed) = self.store.secret(org, KEY, id)? {
            return data_key(&self.vault.open(org, KEY, id, &sealed).map_err(EngineError::internal)?);
        }
        let key = Zeroizing::new(random::bytes::<32>());
        self.fresh.push(self.vault.seal(org, KEY, id, &*key));
        Ok(key)
    }

    /// The keys that were made since this was asked last, for the share that holds the first payload under them.
    pub fn take_fresh(&mut self) -> Vec<SealedSecret> {
        std::mem::take(&mut self.fresh)
    }

    /// Moves keys to where only those look who may read what is restricted.
    pub fn restrict(&mut self, org: &str, ids: &[String]) -> Result<Vec<SealedSecret>, EngineError> {
        let mut moved = Vec::new();
        for id in ids {
            // A key that is not in the store yet is at hand.
            let at_hand = self
                .young
                .iter()
                .chain(&self.old)
                .find(|(known, _)| known.to_string() == *id);
            let key = match (at_hand, self.store.secret(org, KEY, id)?) {
                (Some((_, key)), _) => key.clone(),
                (None, Some(sealed)) => {
                    data_key(&self.vault.open(org, KEY, id, &sealed).map_err(EngineError::internal)?)?
                }
                (None, None) => continue,
            };
            moved.push(self.vault.seal(org, RESTRICTED, id, &*key));
            moved.push(removed(KEY, id));
        }
        Ok(moved)
    }

    /// Forgets the keys of a subject: what comes after lies under others.
    pub fn forget(&mut self, subject: Subject) {
        self.young.retain(|id, _| id.subject != subject);
        self.old.retain(|id, _| id.subject != subject);
    }
}

/// What destroys keys.
pub(crate) fn destroyed(ids: &[String]) -> impl Iterator<Item = SealedSecret> {
    ids.iter().flat_map(|id| [removed(KEY, id), removed(RESTRICTED, id)])
}

fn removed(kind: &'static str, id: &str) -> SealedSecret {
    SealedSecret {
        id: id.to_owned(),
        kind,
        sealed: Vec::new(),
    }
}

fn data_key(bytes: &[u8]) -> Result<DataKey, EngineError> {
    bytes.try_into().map(Zeroizing::new).map_err(EngineError::internal)
}

fn cipher(key: &DataKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&Key::from(**key))
}

/// What is authenticated with a payload; lengths keep two places from reading alike.
fn place(org: &str, key: &str, seq: u64) -> Vec<u8> {
    let mut place = b"countersign-payload-v1\0".to_vec();
    for part in [org.as_bytes(), key.as_bytes(), &seq.to_be_bytes()] {
        place.extend_from_slice(&(part.len() as u64).to_be_bytes());
        place.extend_from_slice(part);
    }
    place
}

/// Salt and text, as they lay in the clear until version 0.1.
fn split(clear: &[u8], class: String) -> Result<Payload, EngineError> {
    let damaged = || EngineError::internal("a payload is damaged");
    let (salt, body) = clear.split_at_checked(SALT_BYTES).ok_or_else(damaged)?;
    Ok(Payload {
        body: body.to_vec(),
        salt: salt.try_into().map_err(|_| damaged())?,
        class,
        about: None,
    })
}

/// What is left of the payload of a record.
pub(crate) fn kept(
    store: &dyn Store,
    vault: &Vault,
    org: &str,
    seq: u64,
    purpose: Purpose,
) -> Result<Kept, EngineError> {
    let Some(stored) = store.payload(org, seq)? else {
        return Ok(Kept::Nothing);
    };
    let StoredPayload { class, key, sealed } = stored;
    if key.is_empty() {
        return split(&sealed, class).map(Kept::Whole);
    }
    let opened = match store.secret(org, KEY, &key)? {
        Some(secret) => vault.open(org, KEY, &key, &secret),
        None => match (store.secret(org, RESTRICTED, &key)?, purpose) {
            (Some(secret), Purpose::Legal) => vault.open(org, RESTRICTED, &key, &secret),
            (Some(_), Purpose::Work) => return Ok(Kept::Restricted),
            (None, Purpose::Work | Purpose::Legal) => return Ok(Kept::Erased),
        },
    };
    let opened = data_key(&opened.map_err(EngineError::internal)?)?;
    open(&opened, org, &key, seq, &sealed, class).map(Kept::Whole)
}

/// Opens a sealed payload with its key.
fn open(data: &DataKey, org: &str, key: &str, seq: u64, sealed: &[u8], class: String) -> Result<Payload, EngineError> {
    let damaged = || EngineError::internal(format!("the payload of record {seq} does not open with its key"));
    let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES).ok_or_else(damaged)?;
    let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| damaged())?;
    let aad = place(org, key, seq);
    let text = cipher(data)
        .decrypt(&XNonce::from(nonce), Message { msg: sealed, aad: &aad })
        .map_err(|_| damaged())?;
    split(&Zeroizing::new(text), class)
}

/// Opens many payloads of one page of records. Keys are at hand for as long as the page takes and no longer: what was
/// destroyed before the page was begun opens nothing.
pub(crate) struct Opener<'i> {
    inner: &'i Inner,
    org: &'i str,
    keys: HashMap<String, Option<DataKey>>,
}

impl Opener<'_> {
    /// The payload of a record to work with; `None` if it has none, or none that may be read any more.
    pub fn payload(&mut self, seq: u64) -> Result<Option<Payload>, EngineError> {
        let Some(stored) = self.inner.store.payload(self.org, seq)? else {
            return Ok(None);
        };
        let StoredPayload { class, key, sealed } = stored;
        if key.is_empty() {
            return split(&sealed, class).map(Some);
        }
        if !self.keys.contains_key(&key) {
            let secret = self.inner.store.secret(self.org, KEY, &key)?;
            let opened = secret.map(|secret| self.inner.vault.open(self.org, KEY, &key, &secret));
            let opened = opened.transpose().map_err(EngineError::internal)?;
            let data = opened.map(|opened| data_key(&opened)).transpose()?;
            self.keys.insert(key.clone(), data);
        }
        match self.keys.get(&key).and_then(Option::as_ref) {
            Some(data) => open(data, self.org, &key, seq, &sealed, class).map(Some),
            None => Ok(None),
        }
    }
}

impl Inner {
    /// Opens payloads for one page of records.
    pub(crate) fn opener<'i>(&'i self, org: &'i str) -> Opener<'i> {
        Opener {
            inner: self,
            org,
            keys: HashMap::new(),
        }
    }

    /// The keys for the payloads of one ledger, none at hand yet.
    pub(crate) fn payload_keys(&self) -> PayloadKeys {
        PayloadKeys::new(self.store.clone(), self.vault.clone())
    }

    /// The payload of a record to work with; `None` if it has none, or none that may be read any more.
    pub(crate) fn payload(&self, org: &str, seq: u64) -> Result<Option<Payload>, EngineError> {
        match self.kept(org, seq, Purpose::Work)? {
            Kept::Whole(payload) => Ok(Some(payload)),
            Kept::Nothing | Kept::Restricted | Kept::Erased => Ok(None),
        }
    }

    /// What is left of the payload of a record.
    pub(crate) fn kept(&self, org: &str, seq: u64, purpose: Purpose) -> Result<Kept, EngineError> {
        kept(&*self.store, &self.vault, org, seq, purpose)
    }

    /// Whom the payload of a record is about; `None` if nobody knows.
    pub(crate) fn subject_of(&self, org: &str, seq: u64) -> Result<Option<Subject>, EngineError> {
        Ok((self.store.payload(org, seq)?).and_then(|stored| KeyId::subject_of(&stored.key)))
    }
}
