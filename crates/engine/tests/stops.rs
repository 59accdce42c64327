//! Kill switches over a restart of the engine.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod fixture;

use std::sync::Arc;

use countersign_engine::{Engine, EngineError, RedeemRequest, Settings, SystemClock, Vault};
use countersign_store::MemoryStore;
use fixture::{acme, catalogued, request, stops};

fn start(store: Arc<MemoryStore>) -> Engine {
    let clock = Box::new(SystemClock::default());
    Engine::start(store, Vault::new(&[1; 32]), clock, Settings::default()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scope_of_a_kill_switch_stays_engaged_over_a_restart() {
    let store = Arc::new(MemoryStore::default());
    let engine = start(store.clone());
    let (admin, agent) = acme(&engine).await;
    catalogued(&engine, &admin).await;
    let mut permitted = Vec::new();
    for (scope, body) in stops() {
        let (answer, _) = engine.decide(&request(&agent, body, None)).await.unwrap();
        assert_eq!(answer.status, "permitted", "before {scope}");
        permitted.push((scope.clone(), body, answer));
        let kill = request(&admin, b"{}", None);
        engine.kill(&kill, scope, Some("drill")).await.unwrap();
    }
    engine.stop();
    let engine = start(store);
    for (scope, body, answer) in permitted {
        let (denied, _) = engine.decide(&request(&agent, body, None)).await.unwrap();
        assert_eq!(denied.reason_code.as_deref(), Some("killed"), "{scope}");
        let digest = RedeemRequest::Digest(answer.action_digest.parse().unwrap());
        let shown = request(&agent, b"{}", None);
        let refused = engine.redeem(&shown, &answer.permit.unwrap(), digest).await;
        assert!(
            matches!(refused, Err(EngineError::Refused(refusal)) if refusal.code == "killed"),
            "{scope}"
        );
    }
    engine.stop();
}
