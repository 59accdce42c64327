//! Limits under many callers at once.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod fixture;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use countersign_core::event::OutcomeStatus;
use countersign_core::{Event, Record, Time};
use countersign_engine::{Engine, OutcomeReport, RedeemRequest, Settings, SystemClock, Vault};
use countersign_policy::Decimal;
use countersign_store::{MemoryStore, SharedMemory, Store};
use fixture::{acme, activate, permits, request};

/// Fifty actions a day for each customer, and a hundred dollars.
const LIMIT: &str = "limits: [{ name: customer, per: args.customer, count: 50, sum: 100 USD, within: 1d }]";

/// An action of this amount for a customer who is known by it.
fn of(amount: &str) -> impl Fn(usize) -> String {
    move |n| format!(r#"{{"action":"read","args":{{"n":{n},"customer":"c{amount}"}},"amount":"{amount}"}}"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_callers_at_once_get_exactly_as_many_permits_as_the_limit_allows() {
    let store = Arc::new(MemoryStore::default());
    let clock = Box::new(SystemClock::default());
    let engine = Engine::start(store, Vault::new(&[1; 32]), clock, Settings::default()).unwrap();
    let (admin, agent) = acme(&engine).await;
    activate(&engine, &admin, "limits.yaml", LIMIT).await;
    let one = std::slice::from_ref(&engine);
    assert_eq!(permits(one, &agent, 1000, of("1")).await, 50, "by the count");
    assert_eq!(permits(one, &agent, 300, of("3")).await, 33, "by the sum");
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_of_three_nodes_over_one_store_do_no_more_than_the_limit_together() {
    let store = SharedMemory::new(|| Time(1_700_000_000_000_000));
    let start = || {
        let clock = Box::new(SystemClock::default());
        Engine::start(Arc::new(store.node()), Vault::new(&[1; 32]), clock, Settings::default()).unwrap()
    };
    let nodes = [start(), start(), start()];
    let (admin, agent) = acme(&nodes[0]).await;
    activate(&nodes[0], &admin, "limits.yaml", LIMIT).await;
    assert_eq!(permits(&nodes, &agent, 300, of("1.5")).await, 50);
    let stored = store.records("acme", 0, usize::MAX).unwrap();
    let records = stored.iter().map(|stored| Record::decode(&stored.leaf).unwrap().0);
    let made = records.filter_map(|record| match record.event {
        Event::DecisionMade(made) => Some(made),
        _ => None,
    });
    let counted: Vec<_> = made.flat_map(|made| made.counted).collect();
    let sum: Decimal = (counted.iter())
        .map(|counted| counted.amount.as_ref().unwrap().parse::<Decimal>().unwrap())
        .sum();
    assert_eq!((counted.len(), sum), (50, Decimal::from(75)));
    nodes.iter().for_each(Engine::stop);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_callers_of_three_nodes_one_alone_tries_an_open_circuit() {
    let now = Arc::new(AtomicI64::new(1_700_000_000_000_000));
    let told = now.clone();
    let store = SharedMemory::new(move || Time(told.load(Ordering::Relaxed)));
    let start = || {
        let clock = Box::new(SystemClock::default());
        Engine::start(Arc::new(store.node()), Vault::new(&[1; 32]), clock, Settings::default()).unwrap()
    };
    let nodes = [start(), start(), start()];
    let (admin, agent) = acme(&nodes[0]).await;
    let limit = "limits: [{ name: down, failures: 1, within: 1h, open_for: 30s }]";
    activate(&nodes[0], &admin, "limits.yaml", limit).await;
    let (first, _) = nodes[0]
        .decide(&request(&agent, br#"{"action":"read"}"#, None))
        .await
        .unwrap();
    let failed = OutcomeReport {
        filtered: None,
        cause: None,
        status: OutcomeStatus::Failed,
        cost: None,
        duration_ms: None,
        tokens: Default::default(),
        details: None,
    };
    let id = first.id.unwrap().parse().unwrap();
    let digest = RedeemRequest::Digest(first.action_digest.parse().unwrap());
    nodes[2]
        .redeem(&request(&agent, b"{}", None), &first.permit.unwrap(), digest)
        .await
        .unwrap();
    nodes[1]
        .report_outcome(&request(&agent, b"{}", None), id, failed)
        .await
        .unwrap();
    let body = |from: usize| move |n: usize| format!(r#"{{"action":"read","args":{{"n":{}}}}}"#, from + n);
    assert_eq!(permits(&nodes, &agent, 60, body(0)).await, 0, "the circuit is open");
    now.fetch_add(31_000_000, Ordering::Relaxed);
    assert_eq!(permits(&nodes, &agent, 300, body(100)).await, 1, "one tries");
    nodes.iter().for_each(Engine::stop);
}
