//! Limits under many callers at once.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod fixture;

use std::sync::Arc;

use countersign_core::{Event, Record, Time};
use countersign_engine::{Caller, Engine, Settings, SystemClock, Vault};
use countersign_policy::Decimal;
use countersign_store::{MemoryStore, SharedMemory, Store};
use fixture::{POLICY, acme, request};

/// Makes fifty actions a day the limit for each customer, and a hundred dollars.
async fn limit(engine: &Engine, admin: &Caller) {
    let limit = "limits: [{ name: customer, per: args.customer, count: 50, sum: 100 USD, within: 1d }]";
    let files = [("gate.yaml", POLICY), ("limits.yaml", limit)];
    let files = files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
    let checked = engine
        .upload_policies(&request(admin, b"{}", None), files.to_vec())
        .await
        .unwrap();
    let hash = checked.hash.unwrap();
    engine
        .activate_policy(&request(admin, b"{}", None), &hash, Some("a limit"))
        .await
        .unwrap();
}

/// So many callers at once, spread over the nodes, each with an action of this amount; how many got a permit.
async fn permits(nodes: &[Engine], agent: &Caller, callers: usize, amount: &str) -> usize {
    let mut tasks = tokio::task::JoinSet::new();
    for place in 0..callers {
        let (engine, agent) = (nodes[place % nodes.len()].clone(), agent.clone());
        let body = format!(r#"{{"action":"read","args":{{"n":{place},"customer":"c{amount}"}},"amount":"{amount}"}}"#);
        tasks.spawn(async move {
            let decided = engine.decide(&request(&agent, body.as_bytes(), None)).await;
            decided.unwrap().0.permit.is_some()
        });
    }
    let answers = tasks.join_all().await;
    answers.into_iter().filter(|permitted| *permitted).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_callers_at_once_get_exactly_as_many_permits_as_the_limit_allows() {
    let store = Arc::new(MemoryStore::default());
    let clock = Box::new(SystemClock::default());
    let engine = Engine::start(store, Vault::new(&[1; 32]), clock, Settings::default()).unwrap();
    let (admin, agent) = acme(&engine).await;
    limit(&engine, &admin).await;
    let one = std::slice::from_ref(&engine);
    assert_eq!(permits(one, &agent, 1000, "1").await, 50, "by the count");
    assert_eq!(permits(one, &agent, 300, "3").await, 33, "by the sum");
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
    limit(&nodes[0], &admin).await;
    assert_eq!(permits(&nodes, &agent, 300, "1.5").await, 50);
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
