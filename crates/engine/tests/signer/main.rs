//! The signer cannot be made to lie: whatever becomes of commits and of data folders, no two released checkpoints contradict
//! each other under one name.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod epochs;
mod kills;
mod marks;
mod reseal;
mod rewind;
mod witnessed;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use countersign_core::event::AgentRegistered;
use countersign_engine::{Caller, Engine, EngineError, NewOrganization, Request, Settings, SystemClock, Vault};

use rewind::Rewind;

/// A folder of a test, removed with the value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Folder(std::env::temp_dir().join(format!("countersign-signer-{}-{number}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// An engine over a store, with its marks in a folder.
fn start(store: &Arc<Rewind>, marks: &Path) -> Engine {
    let settings = Settings {
        signer_state: Some(marks.to_path_buf()),
        ..Settings::default()
    };
    Engine::start(
        store.clone(),
        Vault::new(&[1; 32]),
        Box::new(SystemClock::default()),
        settings,
    )
    .unwrap()
}

/// The organization `acme`; gives the verifying key of its log.
async fn acme(engine: &Engine) -> String {
    let new = NewOrganization {
        name: "acme".into(),
        instance: Some("here".into()),
        currency: "USD".into(),
        zone: "UTC".into(),
        admin: "alex".into(),
    };
    engine.create_organization(new).await.unwrap().vkey
}

fn operator() -> Caller {
    Caller::operator("acme".into())
}

/// Adds a record.
async fn write(engine: &Engine, agent: u32) -> Result<(), EngineError> {
    let caller = operator();
    let request = Request {
        caller: &caller,
        route: "test",
        idempotency_key: None,
        body: b"{}",
    };
    let bot = AgentRegistered {
        agent: format!("bot-{agent}"),
        labels: Default::default(),
        owner: "team:ops".into(),
        team: None,
    };
    engine.register_agent(&request, bot).await.map(drop)
}

/// The code of a refusal for now.
fn code(result: Result<impl std::fmt::Debug, EngineError>) -> &'static str {
    match result {
        Err(EngineError::Unavailable { code, .. }) => code,
        other => panic!("{other:?}"),
    }
}
