//! Programs of two versions over one store: the older one never guesses at what it does not know.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod fixture;

use std::sync::Arc;

use countersign_core::event::Scope;
use countersign_core::reader::Readers;
use countersign_core::{Event, Refusal, Time};
use countersign_engine::{Caller, Engine, EngineError, Settings, SystemClock, Vault};
use countersign_store::{MemoryStore, SharedMemory, Store};
use fixture::{acme, request};

/// The version before, and the one that added a type of record.
const BEFORE: Readers = Readers::of_program(1, &[("kill.engaged", 2)]);
const AFTER: Readers = Readers::of_program(2, &[("kill.engaged", 2)]);

fn program(store: Arc<dyn Store>, readers: Readers) -> Engine {
    let settings = Settings {
        readers,
        ..Settings::default()
    };
    Engine::start(store, Vault::new(&[1; 32]), Box::new(SystemClock::default()), settings).unwrap()
}

/// A store that several nodes share, on the clock of this machine.
fn shared() -> SharedMemory {
    let epoch = std::time::SystemTime::UNIX_EPOCH;
    SharedMemory::new(move || Time(i64::try_from(epoch.elapsed().unwrap().as_micros()).unwrap()))
}

async fn kill(engine: &Engine, admin: &Caller) -> Result<(), EngineError> {
    let killed = engine
        .kill(&request(admin, b"{}", None), Scope::Organization, None)
        .await;
    killed.map(drop)
}

async fn decide(engine: &Engine, agent: &Caller) -> Result<(), EngineError> {
    let decided = engine.decide(&request(agent, br#"{"action":"read"}"#, None)).await;
    decided.map(drop)
}

async fn upgrade(engine: &Engine) -> Result<u32, EngineError> {
    let operator = Caller::operator("acme".into());
    let raised = engine.raise_min_reader(&request(&operator, b"{}", None)).await?;
    Ok(raised.reader)
}

#[track_caller]
fn refusal(result: Result<(), EngineError>) -> Refusal {
    match result {
        Err(EngineError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn needs_upgrade(result: Result<(), EngineError>) -> String {
    match result {
        Err(EngineError::Unavailable {
            code: "upgrade_needed",
            detail,
            ..
        }) => detail,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn until_it_is_raised_no_node_records_what_the_version_before_cannot_read_and_then_that_one_stops() {
    let store = shared();
    let (old, new) = (
        program(Arc::new(store.node()), BEFORE),
        program(Arc::new(store.node()), AFTER),
    );
    let (admin, agent) = acme(&old).await;

    let refused = refusal(kill(&new, &admin).await);
    assert_eq!(refused.code, "not_upgraded");
    assert!(refused.detail.contains("`kill.engaged`"), "{refused}");
    assert!(refused.hint.unwrap().contains("`countersign upgrade`"));
    // Both go on meanwhile, and either can be stopped for good: this is the way back.
    for node in [&old, &new] {
        decide(node, &agent).await.unwrap();
    }

    assert_eq!(upgrade(&new).await.unwrap(), 2);
    let why = needs_upgrade(decide(&old, &agent).await);
    assert!(why.contains("reader 2") && why.contains("upgrade Countersign"), "{why}");
    kill(&new, &admin).await.unwrap();
    needs_upgrade(kill(&old, &admin).await);
    // It neither acts by itself nor answers what only reads.
    needs_upgrade(old.least_reader(&admin.org).await.map(drop));
    assert!(upgrade(&old).await.is_err());
    assert_eq!(upgrade(&new).await.unwrap(), 2, "raised once, it stays so");
}

#[tokio::test]
async fn the_version_before_does_not_serve_a_raised_ledger_after_a_start_not_even_from_a_sealed_state() {
    let store = Arc::new(MemoryStore::default());
    let new = program(store.clone(), AFTER);
    let (admin, agent) = acme(&new).await;
    // Alone over its store, a new organization begins at what its program reads.
    for _ in 0..1_100 {
        decide(&new, &agent).await.unwrap();
    }
    kill(&new, &admin).await.unwrap();
    new.stop();
    assert!(store.state("acme").unwrap().is_some(), "the state was sealed");
    let old = program(store.clone(), BEFORE);
    let engaged = needs_upgrade(old.least_reader(&admin.org).await.map(drop));
    assert!(engaged.contains("ledger `acme`"), "{engaged}");
    let size = store.head("acme").unwrap().unwrap().size;
    old.stop();
    assert_eq!(store.head("acme").unwrap().unwrap().size, size, "it wrote nothing");
    let raised = store.records("acme", 0, 100).unwrap();
    let kinds = raised
        .iter()
        .map(|stored| countersign_core::Record::decode(&stored.leaf).unwrap().0.event);
    assert!(
        kinds
            .into_iter()
            .any(|event| matches!(event, Event::MinReaderRaised(raised) if raised.reader == 2))
    );
}

/// The version before, and the one that added a field to a type of record that was there.
const WITHOUT_RUNS: Readers = Readers::of_program(1, &[]).and_fields(&[("decision.made", "run", 2)]);
const WITH_RUNS: Readers = Readers::of_program(2, &[]).and_fields(&[("decision.made", "run", 2)]);

#[tokio::test]
async fn a_field_that_came_later_is_recorded_only_once_everybody_knows_it() {
    let store = shared();
    let (old, new) = (
        program(Arc::new(store.node()), WITHOUT_RUNS),
        program(Arc::new(store.node()), WITH_RUNS),
    );
    let (_, agent) = acme(&old).await;
    let in_a_run = br#"{"action":"read","run":"nightly"}"#;
    let decided = new.decide(&request(&agent, in_a_run, None)).await.map(drop);
    let refused = refusal(decided);
    assert_eq!(refused.code, "not_upgraded");
    assert!(refused.detail.contains("`run` of `decision.made`"), "{refused}");
    // Without that field it is the record that it always was, on both.
    for node in [&old, &new] {
        decide(node, &agent).await.unwrap();
    }
    assert_eq!(upgrade(&new).await.unwrap(), 2);
    new.decide(&request(&agent, in_a_run, None)).await.unwrap();
    needs_upgrade(decide(&old, &agent).await);
}
