//! Budgets under many callers at once.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod fixture;

use std::sync::Arc;

use countersign_core::{Event, Record, Time};
use countersign_engine::{Caller, Engine, Settings, SystemClock, Vault};
use countersign_policy::Decimal;
use countersign_store::{MemoryStore, SharedMemory, Store};
use fixture::{POLICY, acme, request};

/// Makes fifty dollars a month the limit.
async fn limit(engine: &Engine, admin: &Caller) {
    let budget = "budgets: [{ name: month, per: month, limit: 50 USD }]";
    let files = [("gate.yaml", POLICY), ("budgets.yaml", budget)];
    let files = files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
    let checked = engine
        .upload_policies(&request(admin, b"{}", None), files.to_vec())
        .await
        .unwrap();
    let hash = checked.hash.unwrap();
    engine
        .activate_policy(&request(admin, b"{}", None), &hash, Some("a budget"))
        .await
        .unwrap();
}

/// So many callers at once, spread over the nodes, each with an action that costs a dollar; how many got a permit.
async fn permits(nodes: &[Engine], agent: &Caller, callers: usize) -> usize {
    let mut tasks = tokio::task::JoinSet::new();
    for place in 0..callers {
        let (engine, agent) = (nodes[place % nodes.len()].clone(), agent.clone());
        tasks.spawn(async move {
            let body = format!(r#"{{"action":"read","args":{{"n":{place}}},"estimated_cost":"1"}}"#);
            let decided = engine.decide(&request(&agent, body.as_bytes(), None)).await;
            decided.unwrap().0.permit.is_some()
        });
    }
    let answers = tasks.join_all().await;
    answers.into_iter().filter(|permitted| *permitted).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_callers_at_once_get_exactly_as_many_permits_as_the_budget_pays_for() {
    let store = Arc::new(MemoryStore::default());
    let clock = Box::new(SystemClock::default());
    let engine = Engine::start(store, Vault::new(&[1; 32]), clock, Settings::default()).unwrap();
    let (admin, agent) = acme(&engine).await;
    limit(&engine, &admin).await;
    assert_eq!(permits(std::slice::from_ref(&engine), &agent, 1000).await, 50);
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
    limit(&nodes[0], &admin).await;
    assert_eq!(permits(&nodes, &agent, 300).await, 50);
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
