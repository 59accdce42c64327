//! Policies that are tried, on several nodes over one store, over restarts, and beside decisions.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod fixture;

use std::sync::Arc;
use std::time::Instant;

use countersign_api::ActionAnswer;
use countersign_core::event::{Bands, Canary, ShareOf};
use countersign_core::{Event, Record, Time};
use countersign_engine::{Caller, Engine, HeldAgainst, Range, Settings, SystemClock, Vault};
use countersign_policy::Snapshot;
use countersign_store::{MemoryStore, SharedMemory, Store};
use fixture::{POLICY, acme, request};

fn engine(store: Arc<dyn Store>) -> Engine {
    let clock = Box::new(SystemClock::default());
    Engine::start(store, Vault::new(&[1; 32]), clock, Settings::default()).unwrap()
}

fn canary(after: u32) -> Canary {
    Canary {
        bands: Bands {
            after,
            asked: 100,
            denied: 50,
            erred: 0,
        },
        of: ShareOf::Agents,
        permille: 1000,
    }
}

async fn decide(engine: &Engine, agent: &Caller, body: &str) -> ActionAnswer {
    let decided = engine.decide(&request(agent, body.as_bytes(), None)).await;
    decided.unwrap().0
}

/// Stores documents that deny what [`POLICY`] allows, and answers their hash.
async fn strict(engine: &Engine, admin: &Caller) -> String {
    let text = POLICY.replace("decision: allow", "decision: deny");
    let files = vec![("gate.yaml".to_owned(), text.into_bytes())];
    let stored = engine.upload_policies(&request(admin, b"{}", None), files).await;
    stored.unwrap().hash.unwrap()
}

async fn live(engine: &Engine, admin: &Caller) -> String {
    engine.candidate(admin).await.unwrap().activation.live
}

fn ends(store: &dyn Store) -> usize {
    let stored = store.records("acme", 0, usize::MAX).unwrap();
    let records = stored.iter().map(|stored| Record::decode(&stored.leaf).unwrap().0);
    records
        .filter(|record| matches!(record.event, Event::CandidateEnded(_)))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_tried_on_one_node_decides_on_all_and_is_taken_back_once() {
    let begun = Instant::now();
    let now = move || Time(1_700_000_000_000_000 + i64::try_from(begun.elapsed().as_micros()).unwrap());
    let store = SharedMemory::new(now);
    let nodes: Vec<Engine> = (0..3).map(|_| engine(Arc::new(store.node()))).collect();
    let (admin, agent) = acme(&nodes[0]).await;
    let hash = strict(&nodes[1], &admin).await;
    let asked = request(&admin, b"{}", None);
    let wanted = nodes[2].try_policy(&asked, &hash, Some(canary(6)), "a test");
    assert!(wanted.await.unwrap().candidate.is_some());
    for (place, node) in nodes.iter().cycle().take(6).enumerate() {
        let answer = decide(node, &agent, &format!(r#"{{"action":"read","args":{{"n":{place}}}}}"#)).await;
        assert_eq!(
            (answer.decision.as_str(), answer.snapshot.as_deref()),
            ("deny", Some(&*hash)),
            "{place}"
        );
    }
    for node in &nodes {
        assert_eq!(decide(node, &agent, r#"{"action":"read"}"#).await.decision, "allow");
        assert!(node.candidate(&admin).await.unwrap().candidate.is_none());
    }
    assert_eq!(ends(&store), 1);
    nodes.iter().for_each(Engine::stop);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_tried_goes_on_after_a_restart_and_counts_on() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let first = engine(store.clone());
    let (admin, agent) = acme(&first).await;
    let hash = strict(&first, &admin).await;
    let asked = request(&admin, b"{}", None);
    let wanted = first.try_policy(&asked, &hash, Some(canary(2)), "a test");
    wanted.await.unwrap();
    assert_eq!(decide(&first, &agent, r#"{"action":"read"}"#).await.decision, "deny");
    first.stop();
    let second = engine(store.clone());
    let known = second.candidate(&admin).await.unwrap().candidate.unwrap();
    assert_eq!((&*known.hash, known.tried.decisions), (&*hash, 1));
    let dry = second.dry_run(&agent, br#"{"action":"read"}"#).await.unwrap();
    assert_eq!(dry.decision, "deny");
    assert_eq!(decide(&second, &agent, r#"{"action":"read"}"#).await.decision, "deny");
    assert_eq!(ends(&*store), 1, "it was the second one");
    assert_eq!(decide(&second, &agent, r#"{"action":"read"}"#).await.decision, "allow");
    second.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_go_on_while_a_policy_is_tried_on_recorded_ones_and_one_is_tried_at_a_time() {
    let engine = engine(Arc::new(MemoryStore::default()));
    let (admin, agent) = acme(&engine).await;
    for number in 0..400 {
        let action = if number % 2 == 0 { "read" } else { "pay" };
        decide(
            &engine,
            &agent,
            &format!(r#"{{"action":"{action}","args":{{"n":{number}}}}}"#),
        )
        .await;
    }
    let candidate = || {
        let text = POLICY.replace("decision: allow", "decision: deny");
        let (snapshot, _) = Snapshot::load(&[("gate.yaml".to_owned(), text.into_bytes())]).unwrap();
        Arc::new(snapshot)
    };
    let before = live(&engine, &admin).await;
    let until = engine.simulate(
        &admin,
        candidate(),
        HeldAgainst::Recorded,
        Range::default(),
        engine.simulating().unwrap(),
    );
    let until = until.await.unwrap().until;
    let range = Range {
        until: Some(until),
        ..Range::default()
    };
    let (mut simulated, mut turned_away) = (0, 0);
    let deciding = async {
        for number in 0..200 {
            decide(
                &engine,
                &agent,
                &format!(r#"{{"action":"read","args":{{"m":{number}}}}}"#),
            )
            .await;
        }
    };
    let trying = async |times: usize| {
        let (mut done, mut away) = (0, 0);
        for _ in 0..times {
            let part = match engine.simulating() {
                Ok(simulating) => {
                    engine
                        .simulate(&admin, candidate(), HeldAgainst::Live, range, simulating)
                        .await
                }
                Err(error) => Err(error),
            };
            match part {
                Ok(part) => {
                    assert_eq!((part.report.decisions, part.report.changed.tightened), (400, 200));
                    assert_eq!((part.report.not_derivable, part.next), (0, None));
                    done += 1;
                }
                Err(error) => {
                    assert!(format!("{error:?}").contains("simulation_running"), "{error:?}");
                    away += 1;
                }
            }
        }
        (done, away)
    };
    let ((), one, other) = tokio::join!(deciding, trying(5), trying(5));
    for (done, away) in [one, other] {
        simulated += done;
        turned_away += away;
    }
    assert_eq!(simulated + turned_away, 10);
    assert!(simulated >= 1 && turned_away >= 1, "{simulated} {turned_away}");
    assert_eq!(live(&engine, &admin).await, before, "nothing of it is recorded");
    engine.stop();
}
