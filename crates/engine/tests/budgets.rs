//! Budgets under many callers at once.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod fixture;

use std::sync::Arc;

use countersign_engine::{Engine, Settings, SystemClock, Vault};
use countersign_store::MemoryStore;
use fixture::{POLICY, acme, request};

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_callers_at_once_get_exactly_as_many_permits_as_the_budget_pays_for() {
    let store = Arc::new(MemoryStore::default());
    let clock = Box::new(SystemClock::default());
    let engine = Engine::start(store, Vault::new(&[1; 32]), clock, Settings::default()).unwrap();
    let (admin, agent) = acme(&engine).await;
    let budget = "budgets: [{ name: month, per: month, limit: 50 USD }]";
    let files = [("gate.yaml", POLICY), ("budgets.yaml", budget)];
    let files = files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
    let checked = engine
        .upload_policies(&request(&admin, b"{}", None), files.to_vec())
        .await
        .unwrap();
    let hash = checked.hash.unwrap();
    engine
        .activate_policy(&request(&admin, b"{}", None), &hash, Some("a budget"))
        .await
        .unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for place in 0..1000 {
        let (engine, agent) = (engine.clone(), agent.clone());
        tasks.spawn(async move {
            let body = format!(r#"{{"action":"read","args":{{"n":{place}}},"estimated_cost":"1"}}"#);
            let decided = engine.decide(&request(&agent, body.as_bytes(), None)).await;
            decided.unwrap().0.permit.is_some()
        });
    }
    let permits = tasks
        .join_all()
        .await
        .into_iter()
        .filter(|permitted| *permitted)
        .count();
    assert_eq!(permits, 50);
    engine.stop();
}
