//! A process that is killed when its checkpoint is signed and its batch not committed, or committed and not answered.
//!
//! The engine runs in a process of its own, this test's program once more, on the store of a data folder in a wrapper that
//! kills the process by SIGKILL at the append that it was told.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use countersign_core::digest::Digest;
use countersign_core::event::AgentRegistered;
use countersign_engine::{
    Caller, Engine, EngineError, NewOrganization, Request, Settings, SystemClock, Vault, state_of,
};
use countersign_store::{
    Append, AppendError, Files, Head, Org, OrganizationRow, Payloads, Query, ReadError, Resealed, SearchRow, Store,
    StoredPayload, StoredRecord, StoredSecret, StoredState,
};
use countersign_store_sqlite::SqliteStore;
use countersign_tlog::{Checkpoint, Note, verify_consistency};
use rustix::process::{Signal, getpid, kill_process};
use serde_json::{Value, json};

use crate::scene::{Folder, setting};

const DIES_IN: &str = "COUNTERSIGN_TEST_DIES_IN";
const DIES_AT: &str = "COUNTERSIGN_TEST_DIES_AT";
const NAME: &str = "signed::a_process_killed_between_signing_and_answering_keeps_one_history_and_its_word";

/// A data folder's store whose process dies at the append of the agent with this number.
struct Deadly {
    inner: SqliteStore,
    /// Of agents that are still registered before.
    left: AtomicU64,
    /// The batch is committed before.
    commits: bool,
}

impl Store for Deadly {
    fn append(&self, batch: &[Append]) -> Result<(), AppendError> {
        let registers = |leaf: &[u8]| String::from_utf8_lossy(leaf).contains("agent.registered");
        let registers = batch
            .iter()
            .flat_map(|share| &share.records)
            .any(|record| registers(&record.leaf));
        if registers && self.left.fetch_sub(1, Ordering::SeqCst) == 0 {
            assert!(
                batch.iter().all(|share| Note::parse(&share.head.checkpoint).is_ok()),
                "it is signed"
            );
            if self.commits {
                self.inner.append(batch).unwrap();
            }
            kill_process(getpid(), Signal::KILL).unwrap();
            loop {
                std::thread::park();
            }
        }
        self.inner.append(batch)
    }
    fn organizations(&self) -> Result<Vec<OrganizationRow>, ReadError> {
        self.inner.organizations()
    }
    fn remove_organization(&self, org: &str) -> Result<(), AppendError> {
        self.inner.remove_organization(org)
    }
    fn head(&self, org: &str) -> Result<Option<Head>, ReadError> {
        self.inner.head(org)
    }
    fn records(&self, org: &str, from: u64, limit: usize) -> Result<Vec<StoredRecord>, ReadError> {
        self.inner.records(org, from, limit)
    }
    fn leaf_hashes(&self, org: &str, from: u64, to: u64) -> Result<Vec<Digest>, ReadError> {
        self.inner.leaf_hashes(org, from, to)
    }
    fn by_subject(&self, org: &str, subject: u128) -> Result<Vec<StoredRecord>, ReadError> {
        self.inner.by_subject(org, subject)
    }
    fn payload(&self, org: &str, seq: u64) -> Result<Option<StoredPayload>, ReadError> {
        self.inner.payload(org, seq)
    }
    fn payloads(&self, org: &str, which: &Payloads) -> Result<Vec<u64>, ReadError> {
        self.inner.payloads(org, which)
    }
    fn pruned(&self, org: &str) -> Result<u64, ReadError> {
        self.inner.pruned(org)
    }
    fn secret(&self, org: &str, kind: &str, id: &str) -> Result<Option<Vec<u8>>, ReadError> {
        self.inner.secret(org, kind, id)
    }
    fn organization_of_secret(&self, kind: &str, id: &str) -> Result<Option<Org>, ReadError> {
        self.inner.organization_of_secret(kind, id)
    }
    fn secrets(&self, org: &str, after: Option<(&str, &str)>, limit: usize) -> Result<Vec<StoredSecret>, ReadError> {
        self.inner.secrets(org, after, limit)
    }
    fn reseal(&self, org: &str, secrets: &[Resealed]) -> Result<(), ReadError> {
        self.inner.reseal(org, secrets)
    }
    fn snapshot(&self, org: &str, hash: &str) -> Result<Option<Files>, ReadError> {
        self.inner.snapshot(org, hash)
    }
    fn state(&self, org: &str) -> Result<Option<StoredState>, ReadError> {
        self.inner.state(org)
    }
    fn indexed(&self, org: &str) -> Result<u64, ReadError> {
        self.inner.indexed(org)
    }
    fn index(&self, org: &str, rows: &[SearchRow]) -> Result<(), ReadError> {
        self.inner.index(org, rows)
    }
    fn search(&self, org: &str, query: &Query) -> Result<Vec<SearchRow>, ReadError> {
        self.inner.search(org, query)
    }
    fn ping(&self) -> Result<(), ReadError> {
        self.inner.ping()
    }
}

fn operator() -> Caller {
    Caller::operator("acme".into())
}

fn start(store: impl Store, folder: &Path) -> Engine {
    let settings = Settings {
        signer_state: Some(folder.join("signer")),
        ..Settings::default()
    };
    let clock = Box::new(SystemClock::default());
    Engine::start(Arc::new(store), Vault::new(&[1; 32]), clock, settings).unwrap()
}

fn open(folder: &Path) -> SqliteStore {
    SqliteStore::open(&folder.join("data")).unwrap()
}

async fn register(engine: &Engine, agent: &str) -> Result<(), EngineError> {
    let caller = operator();
    let request = Request {
        caller: &caller,
        route: "test",
        idempotency_key: None,
        body: b"{}",
    };
    let bot = AgentRegistered {
        agent: agent.to_owned(),
        labels: Default::default(),
        owner: "team:ops".into(),
        team: None,
    };
    engine.register_agent(&request, bot).await.map(drop)
}

/// The child: registers agents, notes what it was told, and is killed on the way.
async fn live(folder: PathBuf, at: u64) {
    let mut told = File::options()
        .append(true)
        .create(true)
        .open(folder.join("told"))
        .unwrap();
    let mut tell = |value: Value| writeln!(told, "{value}").unwrap();
    let deadly = Deadly {
        inner: open(&folder),
        left: AtomicU64::new(at / 2),
        commits: at % 2 == 1,
    };
    let engine = start(deadly, &folder);
    for number in 0..1000 {
        let agent = format!("bot-{}-{number}", std::process::id());
        tell(json!({ "tries": agent }));
        register(&engine, &agent).await.unwrap();
        tell(json!({ "acknowledged": agent }));
        let (_, checkpoint) = engine.checkpoint(&operator()).await.unwrap();
        tell(json!({ "checkpoint": checkpoint }));
    }
    panic!("nobody killed it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_between_signing_and_answering_keeps_one_history_and_its_word() {
    if let Some(folder) = std::env::var_os(DIES_IN) {
        return live(PathBuf::from(folder), setting(DIES_AT).unwrap()).await;
    }
    let folder = Folder(std::env::temp_dir().join(format!("countersign-signed-{}", std::process::id())));
    std::fs::create_dir_all(folder.0.join("data")).unwrap();
    let engine = start(open(&folder.0), &folder.0);
    let new = NewOrganization {
        name: "acme".into(),
        instance: Some("here".into()),
        currency: "USD".into(),
        zone: "UTC".into(),
        admin: "alex".into(),
    };
    let vkey = engine.create_organization(new).await.unwrap().vkey.parse().unwrap();
    engine.stop();
    drop(engine);

    let (mut acknowledged, mut released) = (BTreeSet::new(), BTreeMap::new());
    for at in 0..16 {
        let told = folder.0.join("told");
        let _ = std::fs::remove_file(&told);
        let status = Command::new(std::env::current_exe().unwrap())
            .args([NAME, "--exact", "--nocapture"])
            .envs([(DIES_IN, folder.0.as_os_str()), (DIES_AT, at.to_string().as_ref())])
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap();
        assert_eq!(status.signal(), Some(9), "round {at}: {status}");
        let mut last = String::new();
        for line in std::fs::read_to_string(&told).unwrap().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            if let Some(agent) = line["tries"].as_str() {
                last = agent.to_owned();
            }
            if let Some(agent) = line["acknowledged"].as_str() {
                acknowledged.insert(agent.to_owned());
            }
            if let Some(text) = line["checkpoint"].as_str() {
                let checkpoint = Checkpoint::open(&vkey, text).unwrap();
                let before = released.insert(checkpoint.size, checkpoint.root);
                assert!(
                    before.is_none_or(|before| before == checkpoint.root),
                    "two roots of one size"
                );
            }
        }
        assert!(!acknowledged.contains(&last), "it was killed before it answered");
        let state = state_of(&open(&folder.0), "acme").unwrap();
        assert_eq!(
            state.agents().contains_key(&*last),
            at % 2 == 1,
            "round {at}: there whole or not at all"
        );
        let lost = acknowledged
            .iter()
            .find(|agent| !state.agents().contains_key(&***agent));
        assert_eq!(lost, None, "round {at}: what was acknowledged is there");
    }
    let engine = start(open(&folder.0), &folder.0);
    register(&engine, "last").await.unwrap();
    assert_eq!(engine.restored_ledgers(), 0, "the ledger is what was signed for");
    let (size, text) = engine.checkpoint(&operator()).await.unwrap();
    let head = Checkpoint::open(&vkey, &text).unwrap();
    assert!(released.len() > 20, "{}", released.len());
    for (old, root) in released {
        let proof = engine.consistency(&operator(), old, size).await.unwrap();
        verify_consistency(old, root, size, head.root, &proof).unwrap();
    }
    engine.stop();
}
