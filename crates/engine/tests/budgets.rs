//! Budgets under many callers at once.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod fixture;

use std::sync::Arc;

use countersign_core::{Event, Record, Time};
use countersign_engine::{Engine, Settings, SystemClock, Vault};
use countersign_policy::Decimal;
use countersign_store::{MemoryStore, SharedMemory, Store};
use fixture::{acme, activate, permits};

/// Fifty dollars a month.
const BUDGET: &str = "budgets: [{ name: month, per: month, limit: 50 USD }]";

/// An action that costs a dollar.
fn a_dollar(n: usize) -> String {
    format!(r#"{{"action":"read","args":{{"n":{n}}},"estimated_cost":"1"}}"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_callers_at_once_get_exactly_as_many_permits_as_the_budget_pays_for() {
    let store = Arc::new(MemoryStore::default());
    let clock = Box::new(SystemClock::default());
    let engine = Engine::start(store, Vault::new(&[1; 32]), clock, Settings::default()).unwrap();
    let (admin, agent) = acme(&engine).await;
    activate(&engine, &admin, "budgets.yaml", BUDGET).await;
    assert_eq!(permits(std::slice::from_ref(&engine), &agent, 1000, a_dollar).await, 50);
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_of_three_nodes_over_one_store_spend_no_more_than_the_budget_together() {
    let store = SharedMemory::new(|| Time(1_700_000_000_000_000));
    let start = || {
        let clock = Box::new(SystemClock::default());
        Engine::start(Arc::new(store.node()), Vault::new(&[1; 32]), clock, Settings::default()).unwrap()
    };
    let nodes = [start(), start(), start()];
    let (admin, agent) = acme(&nodes[0]).await;
    activate(&nodes[0], &admin, "budgets.yaml", BUDGET).await;
    assert_eq!(permits(&nodes, &agent, 300, a_dollar).await, 50);
    let stored = store.records("acme", 0, usize::MAX).unwrap();
    let records = stored.iter().map(|stored| Record::decode(&stored.leaf).unwrap().0);
    let made = records.filter_map(|record| match record.event {
        Event::DecisionMade(made) => Some(made),
        _ => None,
    });
    let reserved: Vec<_> = made.flat_map(|made| made.reserved).collect();
    let sum: Decimal = reserved
        .iter()
        .map(|held| held.amount.parse::<Decimal>().unwrap())
        .sum();
    assert_eq!((reserved.len(), sum), (50, Decimal::from(50)));
    assert_eq!(reserved.last().unwrap().left, "0.00");
    nodes.iter().for_each(Engine::stop);
}
