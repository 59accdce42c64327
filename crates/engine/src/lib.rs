//! The engine: one sequencer over a store, the timers and effects that go with it, and the use cases that faces call.
//!
//! Everything that changes state is a command that the sequencer hands to the pure core.

mod actions;
mod addresses;
mod approvals;
mod audit;
mod auth;
mod autonomy;
mod batch;
mod budgets;
mod candidates;
mod channels;
mod clock;
mod committer;
mod credentials;
mod effects;
mod epoch;
mod error;
mod extracts;
mod glass;
mod history;
mod inbox;
mod index;
mod inspect;
mod intake;
mod inventory;
mod ledger;
mod links;
mod log_signer;
mod mark;
mod metrics;
mod news;
mod nodes;
mod notices;
mod observed;
mod oneself;
mod organizations;
mod passkeys;
mod passwords;
mod payload;
mod policies;
mod policy_history;
pub mod practice;
mod previews;
mod prune;
mod random;
mod reader;
mod registry;
mod render;
mod reseal;
mod retention;
mod revisions;
mod roots;
mod runs;
pub mod samples;
mod schedules;
mod sequencer;
mod sessions;
mod settings;
mod signer;
mod simulate;
mod slack;
mod stepper;
mod tiles;
mod timeline;
mod tries;
mod vault;
mod viewings;
mod votes;
mod waivers;
mod witnessed;

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;

use countersign_core::redact::Redactor;
use countersign_core::{Actor, Answer, Command, Envelope, State};
use countersign_policy::Snapshot;
use countersign_store::{Org, Store};
use tokio::sync::{Notify, oneshot};

pub use actions::{Explained, LONGEST_WAIT, OutcomeReport, RedeemRequest, Redeemed};
pub use approvals::{PAGE_AT_MOST, Queue, Queued, VoteRequest};
pub use audit::{AuditEntry, ExportFile, InclusionProof, SearchPage};
pub use auth::{Caller, Credential, NewKey};
pub use batch::BATCH_AT_MOST;
pub use candidates::Trying;
pub use channels::{NewChannel, NewWay};
pub use clock::{Clock, Host, HostClock, Machine, Reading, SystemClock};
pub use countersign_tlog::tile::Tile;
pub use credentials::{NewCredential, ReleasedCredential};
pub use epoch::{LogKeys, OpenedEpoch, RotatedKey};
pub use error::EngineError;
pub use extracts::ExtractPage;
pub use inbox::Lane;
pub use inspect::{Inspected, inspect};
pub use intake::{MAX_BODY_BYTES, Request, parse_body};
pub use ledger::{Entry, Keys};
pub use links::{Followed, LinkVote};
pub use mark::{Mark, MarkError, Marks, split_origin};
pub use metrics::{BUCKETS, DECISIONS, Histogram, Metrics};
pub use news::{NEWS_KEPT, News};
pub use organizations::{NewOrganization, Opened};
pub use passkeys::{Authenticators, NewPasskey, signed_at};
pub use payload::Purpose;
pub use policies::{Activation, PolicyCheck, SnapshotRow, check as check_policies};
pub use prune::LeafHashes;
#[cfg(feature = "simulation")]
pub use random::seeded;
pub use reader::LeastReader;
pub use registry::{NewUser, Registered};
pub use reseal::reseal;
pub use retention::{Erasure, HoldWanted};
pub use runs::{RunWanted, RunsPage, RunsWanted};
pub use schedules::{FORECAST_DAYS_AT_MOST, Forecast, ScheduleNow};
pub use sequencer::Committed;
pub use sessions::{Invitation, SessionOpened};
pub use settings::Settings;
pub use signer::{Restored, Standing, log_vkey, standing, state_of};
pub use simulate::{HeldAgainst, Range, SimulatedPart, Simulating, outside};
pub use slack::FromSlack;
pub use stepper::Stepper;
pub use tries::network_of;
pub use vault::{Vault, VaultError, next_key};
pub use votes::{Decided, VotesRequest};
pub use waivers::Waived;
pub use witnessed::LedgerStands;

use crate::inbox::Inbox;
use crate::ledger::{Beside, Ledger};
use crate::random::Salts;
use crate::sequencer::Job;

/// Locks a mutex. A panic elsewhere while it was held leaves plain values behind, which stay usable.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the faces know of an organization without asking the sequencer.
pub(crate) struct OrgHandle {
    pub origin: Arc<str>,
    pub keys: Arc<Keys>,
    /// Compiled snapshots by hash.
    snapshots: RwLock<HashMap<Arc<str>, Arc<Snapshot>>>,
    /// The live snapshot as of the last commit; intake reads it for redaction, decisions do not.
    live: RwLock<Option<Arc<Snapshot>>>,
    /// A candidate that decides for a share, as of the last commit; read as `live` is.
    canary: RwLock<Option<candidates::DecidesForSome>>,
    /// What checkpoints are signed under, as of the last commit that changed it.
    log_keys: RwLock<Option<Arc<LogKeys>>>,
    /// Roots of every 256 leaves, as far as proofs needed them.
    nodes: Mutex<Vec<countersign_tlog::Hash>>,
    /// Who waits for news of an action, by its id.
    waiters: Mutex<HashMap<u128, Arc<Notify>>>,
    /// Callbacks are on their way.
    has_deliveries: AtomicBool,
    /// Notices are on their way.
    has_notices: AtomicBool,
}

pub(crate) struct Inner {
    pub store: Arc<dyn Store>,
    pub vault: Arc<Vault>,
    pub clock: Box<dyn Clock>,
    pub settings: Settings,
    pub inbox: Inbox,
    pub metrics: Metrics,
    pub redactor: Arc<Redactor>,
    pub salts: Salts,
    pub auth: auth::Cache,
    pub index_wanted: index::Signal,
    pub effects_wanted: Notify,
    pub signer: signer::Signer,
    pub witnessed: witnessed::Witnessed,
    /// Held by whoever tries a policy on recorded actions, or searches for other answers.
    pub alone: simulate::Alone,
    pub tries: tries::Tries,
    pub news_heard: news::Heard,
    clock_confirmed: AtomicBool,
    /// Organizations whose timers have to be looked at, because nobody knows what is due in them.
    pub wake: Mutex<BTreeSet<Org>>,
    /// Organizations whose ledgers other nodes may have grown.
    pub news: Mutex<BTreeSet<Org>>,
    /// What this node is known by where nodes share work; another one with every start.
    pub node: String,
    stopping: AtomicBool,
    /// Nothing happens by itself: somebody steps this engine.
    stepped: bool,
    orgs: RwLock<HashMap<Org, Arc<OrgHandle>>>,
}

/// The engine. Cheap to clone; it stops with [`Engine::stop`].
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Engine {
    /// The address that others reach this server by, without a slash at its end.
    pub fn base_url(&self) -> &str {
        self.inner.settings.base_url.trim_end_matches('/')
    }

    /// Starts an engine over a store.
    pub fn start(
        store: Arc<dyn Store>,
        vault: Vault,
        clock: Box<dyn Clock>,
        settings: Settings,
    ) -> Result<Engine, EngineError> {
        let engine = Engine::new(store, vault, clock, settings, false)?;
        let inner = &engine.inner;
        let mut threads = Vec::from(sequencer::start(inner).map_err(EngineError::internal)?);
        threads.push(index::start(inner).map_err(EngineError::internal)?);
        threads.push(signer::start(inner).map_err(EngineError::internal)?);
        if inner.store.shared().is_some() {
            threads.push(nodes::start(inner).map_err(EngineError::internal)?);
        }
        *lock(&engine.threads) = threads;
        Ok(engine)
    }

    /// An engine without threads: nothing happens until the stepper is asked. For simulations.
    pub fn stepped(
        store: Arc<dyn Store>,
        vault: Vault,
        clock: Box<dyn Clock>,
        settings: Settings,
    ) -> Result<(Engine, Stepper), EngineError> {
        let engine = Engine::new(store, vault, clock, settings, true)?;
        let stepper = Stepper::new(engine.inner.clone());
        Ok((engine, stepper))
    }

    fn new(
        store: Arc<dyn Store>,
        vault: Vault,
        clock: Box<dyn Clock>,
        settings: Settings,
        stepped: bool,
    ) -> Result<Engine, EngineError> {
        let marks = settings.signer_state.as_deref().map(Marks::open).transpose()?;
        let inner = Arc::new(Inner {
            store,
            vault: Arc::new(vault),
            clock,
            settings,
            inbox: Inbox::default(),
            metrics: Metrics::default(),
            redactor: Arc::new(Redactor::standard()),
            salts: Salts::default(),
            auth: auth::Cache::default(),
            index_wanted: index::Signal::default(),
            effects_wanted: Notify::new(),
            signer: signer::Signer::new(marks),
            witnessed: witnessed::Witnessed::default(),
            alone: simulate::Alone::default(),
            tries: tries::Tries::default(),
            news_heard: news::Heard::default(),
            clock_confirmed: AtomicBool::new(false),
            wake: Mutex::new(BTreeSet::new()),
            news: Mutex::new(BTreeSet::new()),
            node: countersign_core::digest::hex(&random::bytes::<8>()),
            stopping: AtomicBool::new(false),
            stepped,
            orgs: RwLock::new(HashMap::new()),
        });
        if let Some(shared) = inner.store.shared() {
            let turn = shared.turn(&[]);
            inner.clock.follow(turn.map_err(EngineError::internal)?.now());
        }
        let engine = Engine {
            inner,
            threads: Arc::new(Mutex::new(Vec::new())),
        };
        engine.wake_organizations()?;
        Ok(engine)
    }

    /// What was measured since the start.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// How many requests wait, by lane: urgent, write, read.
    pub fn waiting(&self) -> [usize; 3] {
        self.inner.inbox.depths()
    }

    /// The settings that the engine was started with.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// Whether the store answers.
    pub async fn is_ready(&self) -> Result<(), EngineError> {
        let inner = self.inner.clone();
        blocking(move || inner.store.ping().map_err(EngineError::from)).await
    }

    /// Takes the host's clock as right after a jump.
    pub fn confirm_clock(&self) {
        self.inner.clock_confirmed.store(true, Ordering::Relaxed);
        self.inner.clock.accept();
    }

    /// Seals the states in use, lets everything that waits be carried out, and ends the engine's threads. Blocks.
    pub fn stop(&self) {
        self.inner.stopping.store(true, Ordering::Relaxed);
        self.inner.index_wanted.stop();
        self.inner.signer.stop();
        self.inner.inbox.stop();
        for thread in lock(&self.threads).drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the engine panicked");
            }
        }
        self.inner.finish_marks();
    }

    /// Carries a command out. Resolves when its records are durable.
    pub(crate) async fn command(
        &self,
        lane: Lane,
        org: &Org,
        envelope: Envelope,
        beside: Beside,
    ) -> Result<Committed, EngineError> {
        let (reply, answer) = oneshot::channel();
        self.inner.inbox.put(
            lane,
            Job::Command {
                org: org.clone(),
                envelope,
                beside,
                reply,
            },
        )?;
        answer
            .await
            .map_err(|_| EngineError::unavailable("stopping", "the server is stopping"))?
    }

    /// Carries out a command that either happens or is refused.
    pub(crate) async fn perform(
        &self,
        lane: Lane,
        org: &Org,
        envelope: Envelope,
        beside: Beside,
    ) -> Result<Done, EngineError> {
        let committed = self.command(lane, org, envelope, beside).await?;
        match committed.answer {
            Answer::Done => Ok(Done {
                entries: committed.entries,
                replayed: None,
            }),
            Answer::Replayed(seq) => Ok(Done {
                entries: Vec::new(),
                replayed: Some(seq),
            }),
            Answer::Refused(refusal) => Err(refusal.into()),
        }
    }

    /// Reads the state. Resolves when everything that was read is durable.
    pub async fn look<T: Send + 'static>(
        &self,
        org: &Org,
        read: impl FnOnce(&State) -> T + Send + 'static,
    ) -> Result<T, EngineError> {
        self.look_in(Lane::Read, org, read).await
    }

    /// Reads the state in a lane of one's choice.
    pub(crate) async fn look_in<T: Send + 'static>(
        &self,
        lane: Lane,
        org: &Org,
        read: impl FnOnce(&State) -> T + Send + 'static,
    ) -> Result<T, EngineError> {
        let (reply, answer) = oneshot::channel();
        let look = Box::new(move |state: Result<&State, EngineError>| {
            let value = state.map(read);
            Box::new(move |durable: Result<(), EngineError>| {
                drop(reply.send(durable.and(value)));
            }) as Box<dyn FnOnce(Result<(), EngineError>) + Send>
        });
        self.inner.inbox.put(lane, Job::Look { org: org.clone(), look })?;
        answer
            .await
            .map_err(|_| EngineError::unavailable("stopping", "the server is stopping"))?
    }
}

/// What a command that happened came to.
pub(crate) struct Done {
    pub entries: Vec<Entry>,
    /// The request was carried out before; this is the index of its first record.
    pub replayed: Option<u64>,
}

/// Runs something that blocks, such as a read of the store: beside the runtime, or at once where there is none.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EngineError> + Send + 'static,
) -> Result<T, EngineError> {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => runtime.spawn_blocking(work).await.map_err(EngineError::internal)?,
        Err(_) => work(),
    }
}

/// An envelope of Countersign's own.
pub(crate) fn by_system(command: Command) -> Envelope {
    Envelope {
        actor: Actor::system(),
        kid: None,
        idem: None,
        command,
    }
}

impl Inner {
    /// The handle of an organization.
    pub fn org(&self, org: &str) -> Result<Arc<OrgHandle>, EngineError> {
        if let Some(handle) = self.orgs.read().unwrap_or_else(PoisonError::into_inner).get(org) {
            return Ok(handle.clone());
        }
        let rows = self.store.organizations()?;
        let row = rows
            .into_iter()
            .find(|row| &*row.name == org)
            .ok_or_else(|| EngineError::Refused(countersign_core::Refusal::missing("organization", org)))?;
        let keys = Keys::load(&*self.store, &self.vault, org, &row.origin)?;
        Ok(self.add_org(&row.name, &row.origin, Arc::new(keys)))
    }

    pub fn add_org(&self, org: &Org, origin: &str, keys: Arc<Keys>) -> Arc<OrgHandle> {
        let handle = Arc::new(OrgHandle {
            origin: origin.into(),
            keys,
            snapshots: RwLock::new(HashMap::new()),
            live: RwLock::new(None),
            canary: RwLock::new(None),
            log_keys: RwLock::new(None),
            nodes: Mutex::new(Vec::new()),
            waiters: Mutex::new(HashMap::new()),
            has_deliveries: AtomicBool::new(true),
            has_notices: AtomicBool::new(true),
        });
        let mut orgs = self.orgs.write().unwrap_or_else(PoisonError::into_inner);
        orgs.entry(org.clone()).or_insert(handle).clone()
    }

    pub fn forget_org(&self, org: &str) {
        self.orgs.write().unwrap_or_else(PoisonError::into_inner).remove(org);
        self.auth.forget_org(org);
        self.signer.forget(org);
    }

    pub fn known_orgs(&self) -> Vec<Org> {
        self.orgs
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .keys()
            .cloned()
            .collect()
    }

    pub fn load_ledger(&self, org: &Org) -> Result<Ledger, EngineError> {
        let handle = self.org(org)?;
        let started = std::time::Instant::now();
        let mut ledger = Ledger::load(
            &*self.store,
            org.clone(),
            handle.origin.clone(),
            handle.keys.clone(),
            self.redactor.clone(),
            self.payload_keys(),
            self.settings.readers,
        )?;
        self.take_up_log(&mut ledger)?;
        let live = self.compiled(org, ledger.state.live());
        *handle.live.write().unwrap_or_else(PoisonError::into_inner) = live;
        self.take_up_candidate(org, &handle, &ledger);
        tracing::info!(
            org = &**org,
            records = ledger.state.next_seq(),
            took_ms = started.elapsed().as_millis() as u64,
            "ledger folded"
        );
        Ok(ledger)
    }
}
