//! One organization's ledger in memory: its state, the edge of its tree, its keys.

use std::sync::Arc;

use countersign_core::digest::{Digest, DigestKey};
use countersign_core::event::Event;
use countersign_core::reader::Readers;
use countersign_core::record::{Commitment, Draft, Payload};
use countersign_core::redact::Redactor;
use countersign_core::retention::actor_subject;
use countersign_core::token::PermitKey;
use countersign_core::view::subjects;
use countersign_core::{Answer, Category, Command, Ctx, Envelope, Record, Refusal, Span, State, Time, Transient};
use countersign_policy::Snapshot;
use countersign_store::{
    Append, Head, NewRecord, OrganizationRow, SealedSecret, SnapshotFiles, Store, StoredPayload, StoredRecord,
    StoredState,
};
use countersign_tlog::{Checkpoint, Edge, Hash, SigningKey, leaf_hash};
use zeroize::Zeroizing;

use crate::candidates::TriedSnapshot;
use crate::error::EngineError;
use crate::intake::without_the_body;
use crate::log_signer::LogSigner;
use crate::payload::{self, PayloadKeys};
use crate::random::Uuid7;
use crate::vault::Vault;

/// How many records are read at once when a state is folded.
const FOLD_CHUNK: usize = 4096;

/// A record as an answer cites it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// RFC 6962 leaf hash of its bytes.
    pub leaf_hash: Digest,
    /// What it says.
    pub record: Record,
}

/// The keys of one organization.
pub struct Keys {
    /// Makes action digests.
    pub digest: DigestKey,
    /// Signed the first checkpoints; later ones may be signed under another name or by another key, see `LogSigner`.
    pub log: SigningKey,
    /// Signs permits.
    pub permit: PermitKey,
    /// Seed of the Ed25519 key that signs callbacks beside their shared secret.
    pub callback: [u8; 32],
}

/// Names under which an organization's own keys lie with the secrets.
pub(crate) const KEY_NAMES: [&str; 4] = ["callback", "digest", "log", "permit"];

impl Keys {
    /// The keys of these seeds, in the order of [`KEY_NAMES`].
    pub(crate) fn from_seeds(origin: &str, seeds: &[[u8; 32]; 4]) -> Result<Keys, EngineError> {
        let [callback, digest, log, permit] = seeds;
        Ok(Keys {
            digest: DigestKey::new(*digest),
            log: SigningKey::from_seed(origin, log).map_err(EngineError::internal)?,
            permit: PermitKey::from_seed(permit),
            callback: *callback,
        })
    }

    /// The keys of an organization, from the store.
    pub(crate) fn load(store: &dyn Store, vault: &Vault, org: &str, origin: &str) -> Result<Keys, EngineError> {
        let mut seeds = [[0_u8; 32]; 4];
        for (name, seed) in KEY_NAMES.iter().zip(&mut seeds) {
            let sealed = store.secret(org, "key", name)?.ok_or_else(|| {
                EngineError::internal(format!("organization `{org}` has no `{name}` key in this store"))
            })?;
            let opened = vault.open(org, "key", name, &sealed).map_err(EngineError::internal)?;
            *seed = opened.as_slice().try_into().map_err(EngineError::internal)?;
        }
        Keys::from_seeds(origin, &seeds)
    }
}

/// What goes into the store with the records of a command, besides them.
#[derive(Default)]
pub struct Beside {
    /// Secrets.
    pub secrets: Vec<SealedSecret>,
    /// Snapshots.
    pub snapshots: Vec<SnapshotFiles>,
    /// Creates the organization.
    pub create: Option<OrganizationRow>,
    /// The seed of a new key that signs checkpoints; its secret is among the others.
    pub log_seed: Option<Zeroizing<[u8; 32]>>,
    /// Payloads to destroy, by the index of their record.
    pub destroy: Vec<u64>,
    /// Records before this index lose their bytes.
    pub prune: Option<u64>,
}

/// A ledger that commands are handled on. It runs ahead of the store by the batches in flight; when one of those fails
/// it is thrown away and folded anew.
pub(crate) struct Ledger {
    pub org: Arc<str>,
    pub state: State,
    pub keys: Arc<Keys>,
    pub live: Option<Arc<Snapshot>>,
    /// The snapshot that is tried, compiled if it can be had.
    pub candidate: Option<TriedSnapshot>,
    pub last_used: Time,
    /// Signs its checkpoints.
    pub log: LogSigner,
    /// It is not what was signed for: nothing is recorded in it but a new epoch.
    pub barred: Option<EngineError>,
    edge: Edge,
    transient: Transient,
    ids: Uuid7,
    redactor: Arc<Redactor>,
    payload_keys: PayloadKeys,
    readers: Readers,
}

impl Ledger {
    /// The ledger of a new organization.
    pub fn empty(
        org: Arc<str>,
        origin: Arc<str>,
        keys: Arc<Keys>,
        redactor: Arc<Redactor>,
        payload_keys: PayloadKeys,
        readers: Readers,
    ) -> Result<Ledger, EngineError> {
        Ok(Ledger {
            org,
            state: State::default(),
            log: LogSigner::first(origin, &keys.log)?,
            keys,
            live: None,
            candidate: None,
            last_used: Time(0),
            barred: None,
            edge: Edge::new(),
            transient: Transient::default(),
            ids: Uuid7::default(),
            redactor,
            payload_keys,
            readers,
        })
    }

    /// Folds a ledger from the newest seal that its stored state hashes to, or from its beginning.
    pub fn load(
        store: &dyn Store,
        org: Arc<str>,
        origin: Arc<str>,
        keys: Arc<Keys>,
        redactor: Arc<Redactor>,
        payload_keys: PayloadKeys,
        readers: Readers,
    ) -> Result<Ledger, EngineError> {
        let head = store
            .head(&org)?
            .ok_or_else(|| EngineError::internal(format!("`{org}` has no head")))?;
        let mut ledger = Ledger::empty(org, origin, keys, redactor, payload_keys, readers)?;
        ledger.edge = Edge::from_bytes(&head.edge).map_err(EngineError::internal)?;
        if ledger.edge.size() != head.size {
            return Err(EngineError::internal(format!(
                "the head of `{}` does not fit its tree",
                ledger.org
            )));
        }
        if let Some(state) = sealed_state(store, &ledger.org)?.filter(|state| state.min_reader() <= readers.own()) {
            ledger.state = state;
        }
        ledger.fold(store, head.size, |_, _| {})?;
        ledger.last_used = ledger.state.last_ts();
        Ok(ledger)
    }

    /// Folds in what others appended up to `head`. An error leaves a ledger that is of no use any more.
    pub fn follow(&mut self, store: &dyn Store, head: &Head) -> Result<Vec<Entry>, EngineError> {
        let other = EngineError::internal(format!("the ledger of `{}` is not continued by the store's", self.org));
        if head.size < self.edge.size() {
            return Err(other);
        }
        let mut edge = self.edge.clone();
        let mut entries = Vec::new();
        self.fold(store, head.size, |record, stored| {
            edge.push(Hash(stored.leaf_hash.0));
            entries.push(Entry {
                leaf_hash: stored.leaf_hash,
                record: record.clone(),
            });
        })?;
        if edge.to_bytes() != head.edge {
            return Err(other);
        }
        self.edge = edge;
        Ok(entries)
    }

    /// Folds the records from the state's end up to `size`, and shows each.
    fn fold(
        &mut self,
        store: &dyn Store,
        size: u64,
        mut each: impl FnMut(&Record, &StoredRecord),
    ) -> Result<(), EngineError> {
        let mut from = self.state.next_seq();
        while from < size {
            let limit = FOLD_CHUNK.min(usize::try_from(size - from).unwrap_or(FOLD_CHUNK));
            let chunk = store.records(&self.org, from, limit)?;
            if chunk.is_empty() {
                return Err(EngineError::internal(format!("`{}` has no record {from}", self.org)));
            }
            for stored in chunk {
                let (record, _) = Record::decode(&stored.leaf).map_err(|error| upgrade_needed(&self.org, error))?;
                (self.readers.may_fold(&record)).map_err(|error| upgrade_needed(&self.org, error))?;
                if record.seq != from {
                    return Err(EngineError::internal(format!(
                        "record {from} says that it is {}",
                        record.seq
                    )));
                }
                self.take_in(&record);
                each(&record, &stored);
                from += 1;
            }
        }
        Ok(())
    }

    /// Carries a command out in memory and writes what it comes to into `append`.
    pub fn carry_out(
        &mut self,
        mut envelope: Envelope,
        beside: Beside,
        now: Time,
        append: &mut Append,
    ) -> (Answer, Vec<Entry>) {
        let now = now.max(self.state.last_ts() + Span(1));
        self.last_used = now;
        envelope.idem = envelope.idem.map(|idem| without_the_body(&self.keys.digest, idem));
        let (actor, idem) = (envelope.actor.clone(), envelope.idem);
        let sealing = matches!(envelope.command, Command::Seal);
        let governing = self.state.governing(&envelope.command);
        let (live, candidate) = (self.live.as_deref(), self.candidate.as_ref());
        let candidate = candidate.and_then(|tried| tried.snapshot.as_deref());
        let compiled = |hash: Option<&Arc<str>>| {
            let of = |snapshot: &&Snapshot| hash.is_some_and(|hash| snapshot.hash_text() == &**hash);
            live.filter(of).or(candidate.filter(of))
        };
        let mut ctx = Ctx {
            now,
            ids: &mut self.ids,
            live: compiled(governing.deciding.as_ref()),
            beside: compiled(governing.beside.as_ref()),
            digest_key: &self.keys.digest,
            redactor: &self.redactor,
            transient: &mut self.transient,
        };
        let handled = self.state.handle(envelope, &mut ctx);
        if sealing && !handled.events.is_empty() {
            append.state = Some(StoredState {
                at: self.state.next_seq(),
                bytes: self.state.to_bytes(),
            });
        }
        let least = self.state.min_reader();
        let too_new = (handled.events.iter()).find_map(|draft| self.readers.may_record(&draft.event, least).err());
        if let Some(refusal) = too_new {
            return (Answer::Refused(refusal), Vec::new());
        }
        // Only what happened is remembered: a refusal is looked at anew when the request is repeated.
        let idem = idem.filter(|_| handled.answer == Answer::Done);
        let mut entries = Vec::with_capacity(handled.events.len());
        let mut encoded = Vec::with_capacity(handled.events.len());
        for (place, draft) in handled.events.into_iter().enumerate() {
            let Draft {
                event,
                payload,
                prov,
                redact,
                snapshot,
            } = draft;
            let record = Record {
                seq: self.state.next_seq() + place as u64,
                ts: now + Span(i64::try_from(place).unwrap_or_default()),
                actor: actor.clone(),
                event,
                idem: idem.filter(|_| place == 0),
                payload: payload.as_ref().map(|sealed| sealed.1.clone()),
                prov,
                redact,
                snapshot,
            };
            // The first record of an epoch carries its origin.
            let origin = match &record.event {
                Event::EpochOpened(epoch) => epoch.log.as_str(),
                _other => self.log.origin(),
            };
            let leaf = match record.encode(origin) {
                Ok(leaf) => leaf,
                Err(error) => {
                    let refusal = countersign_core::Refusal::invalid("record_too_large", error.to_string())
                        .hint("shorten names, labels or the policy's constraints");
                    return (Answer::Refused(refusal), Vec::new());
                }
            };
            match self.sealed(&record, payload.as_deref()) {
                Ok((payload, secrets)) => encoded.push((record, leaf, payload, secrets)),
                Err(error) => return (Answer::Refused(not_sealed(&error)), Vec::new()),
            }
        }
        for (record, ..) in &encoded {
            if let Err(error) = self.log_moves(&record.event, beside.log_seed.as_deref()) {
                tracing::error!(org = &*self.org, %error, "the log cannot go on under another name or key");
                let refusal = countersign_core::Refusal::invalid("invalid_log", "the log cannot go on so");
                return (Answer::Refused(refusal), Vec::new());
            }
        }
        for (record, leaf, payload, secrets) in encoded {
            append.secrets.extend(self.payload_keys.take_fresh());
            append.secrets.extend(secrets);
            entries.push(self.append(record, leaf, payload, append));
        }
        // What changed nothing lays nothing down beside the ledger.
        if entries
            .iter()
            .any(|entry| !matches!(entry.record.event, Event::RequestNoted(_)))
        {
            append.destroy.extend(beside.destroy);
            append.prune = append.prune.max(beside.prune);
            append.secrets.extend(beside.secrets);
            append.snapshots.extend(beside.snapshots);
            append.create = append.create.take().or(beside.create);
        }
        (handled.answer, entries)
    }

    /// Takes up what a record says of the log's name and key.
    fn log_moves(&mut self, event: &Event, seed: Option<&[u8; 32]>) -> Result<(), EngineError> {
        match event {
            Event::EpochOpened(epoch) => {
                self.log.open_epoch(epoch)?;
                self.barred = None;
                Ok(())
            }
            Event::KeyRotated(rotated) => {
                let seed = seed.ok_or_else(|| EngineError::internal("there is no new key for the log"))?;
                self.log.rotate(rotated, seed)
            }
            _other => Ok(()),
        }
    }

    /// Why a command cannot be carried out on this ledger, whatever it is about.
    pub fn refuses(&self, command: &Command) -> Option<&EngineError> {
        self.barred
            .as_ref()
            .filter(|_| !matches!(command, Command::OpenEpoch(..)))
    }

    /// Folds a record in that is in the store.
    fn take_in(&mut self, record: &Record) {
        self.state.apply(record);
        if let Event::SubjectRestricted(restricted) = &record.event {
            self.payload_keys.forget(restricted.subject);
        }
    }

    /// The payload of a record as it goes into the store, and what the record does to keys of payloads.
    fn sealed(
        &mut self,
        record: &Record,
        payload: Option<&(Payload, Commitment)>,
    ) -> Result<(Option<StoredPayload>, Vec<SealedSecret>), EngineError> {
        let sealed = match payload {
            Some((payload, _)) => {
                let whoever = || self.keys.digest.subject(&actor_subject(&record.actor));
                let id = self.state.payload_key(payload.about.unwrap_or_else(whoever), record.ts);
                Some(self.payload_keys.seal(&self.org, id, record.seq, payload)?)
            }
            None => None,
        };
        let secrets = match &record.event {
            Event::SubjectRestricted(restricted) => self.payload_keys.restrict(&self.org, &restricted.keys)?,
            Event::SubjectErased(erased) => payload::destroyed(&erased.keys).collect(),
            _other => Vec::new(),
        };
        Ok((sealed, secrets))
    }

    fn append(&mut self, record: Record, leaf: Vec<u8>, payload: Option<StoredPayload>, append: &mut Append) -> Entry {
        let hash = leaf_hash(&leaf);
        self.edge.push(hash);
        self.take_in(&record);
        let leaf_hash = Digest(hash.0);
        let subjects = subjects(&record.event);
        append.records.push(NewRecord {
            leaf,
            leaf_hash,
            payload,
            seq: record.seq,
            subjects,
        });
        Entry { leaf_hash, record }
    }

    /// An empty share of a batch for this ledger.
    pub fn begin(&self) -> Append {
        Append {
            create: None,
            head: Head {
                checkpoint: String::new(),
                edge: Vec::new(),
                size: 0,
                ts: Time(0),
            },
            org: self.org.clone(),
            base: self.state.next_seq(),
            records: Vec::new(),
            secrets: Vec::new(),
            snapshots: Vec::new(),
            state: None,
            destroy: Vec::new(),
            prune: None,
        }
    }

    /// Signs the tree that covers all that was carried out, into the share that carries it.
    pub fn sign(&self, append: &mut Append) -> Result<(), EngineError> {
        let root: Hash = self.edge.root();
        let checkpoint = Checkpoint {
            origin: self.log.origin().to_string(),
            size: self.edge.size(),
            root,
        };
        append.head = Head {
            checkpoint: self.log.sign(append.base, &checkpoint, self.state.last_ts())?,
            edge: self.edge.to_bytes(),
            size: self.edge.size(),
            ts: self.state.last_ts(),
        };
        Ok(())
    }

    /// When a tick has something to do.
    pub fn next_due(&self) -> Option<Time> {
        match (self.state.next_due(), self.transient.next_due()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Nothing waits: the state may be let go and folded again when somebody asks.
    pub fn is_quiet(&self) -> bool {
        self.next_due().is_none() && self.state.deliveries().is_empty() && !self.state.frozen()
    }
}

/// A ledger that is for later programs, or cannot be read: it is not served, rather than guessed at.
pub(crate) fn upgrade_needed(org: &str, error: impl std::fmt::Display) -> EngineError {
    EngineError::unavailable("upgrade_needed", format!("ledger `{org}`: {error}"))
}

fn not_sealed(error: &EngineError) -> Refusal {
    Refusal::new(
        Category::Unavailable,
        "store_failed",
        format!("nothing was recorded: {error}"),
    )
}

/// The stored state, if it hashes to the seal in the ledger at its place.
pub(crate) fn sealed_state(store: &dyn Store, org: &str) -> Result<Option<State>, EngineError> {
    let Some(stored) = store.state(org)? else {
        return Ok(None);
    };
    let records = store.records(org, stored.at, 1)?;
    let seal = records.first().and_then(|record| Record::decode(&record.leaf).ok());
    let Some(Event::StateSealed(seal)) = seal.map(|(record, _)| record.event) else {
        return Ok(None);
    };
    if seal.at != stored.at || seal.hash != Digest::of(&stored.bytes) {
        tracing::warn!(
            org,
            at = stored.at,
            "a stored state does not hash to its seal; folding from the beginning"
        );
        return Ok(None);
    }
    Ok(State::from_bytes(&stored.bytes)
        .inspect_err(|error| tracing::warn!(org, at = stored.at, %error, "a stored state is not read; folding from the beginning"))
        .ok())
}
