//! Several engines over one shared store: what one does holds for all.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod fixture;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use countersign_api::ActionAnswer;
use countersign_core::event::{Scope, Verb};
use countersign_core::ids::ActionId;
use countersign_core::{Event, Record, Time};
use countersign_engine::{
    Caller, Credential, Engine, EngineError, Erasure, Purpose, RedeemRequest, Settings, SystemClock, Vault, VoteRequest,
};
use countersign_store::{SharedMemory, Store};
use fixture::{acme, catalogued, request, reviewer, stops};

/// Three nodes, and the clock of their store.
struct Nodes {
    nodes: Vec<Engine>,
    store: Arc<SharedMemory>,
    ahead_us: Arc<AtomicI64>,
    admin: Caller,
    agent: Caller,
}

fn node(store: SharedMemory) -> Engine {
    let clock = Box::new(SystemClock::default());
    Engine::start(Arc::new(store), Vault::new(&[1; 32]), clock, Settings::default()).unwrap()
}

impl Nodes {
    async fn start() -> Nodes {
        let ahead_us = Arc::new(AtomicI64::new(0));
        let ahead = ahead_us.clone();
        let begun = std::time::Instant::now();
        // A year away from the host's clock, which therefore cannot be what counts.
        let now = move || {
            let elapsed = i64::try_from(begun.elapsed().as_micros()).unwrap();
            Time(1_700_000_000_000_000 + elapsed + ahead.load(Ordering::SeqCst))
        };
        let store = Arc::new(SharedMemory::new(now));
        let nodes: Vec<Engine> = (0..3).map(|_| node(store.node())).collect();
        let (admin, agent) = acme(&nodes[0]).await;
        Nodes {
            nodes,
            store,
            ahead_us,
            admin,
            agent,
        }
    }

    async fn decide(&self, node: usize, body: &[u8]) -> ActionAnswer {
        self.nodes[node]
            .decide(&request(&self.agent, body, None))
            .await
            .unwrap()
            .0
    }

    fn records(&self) -> Vec<Record> {
        let stored = self.store.records("acme", 0, usize::MAX).unwrap();
        stored
            .iter()
            .map(|stored| Record::decode(&stored.leaf).unwrap().0)
            .collect()
    }

    /// Waits until the ledger holds `count` such records.
    async fn until(&self, count: usize, what: impl Fn(&Event) -> bool) {
        for _ in 0..500 {
            if self.records().iter().filter(|record| what(&record.event)).count() >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let kinds: Vec<&str> = self.records().iter().map(|record| record.event.kind()).collect();
        panic!("it did not happen; the ledger holds {kinds:?}");
    }

    fn stop(self) {
        self.nodes.iter().for_each(Engine::stop);
    }
}

fn id_of(answer: &ActionAnswer) -> ActionId {
    answer.id.as_ref().unwrap().parse().unwrap()
}

fn digest_of(answer: &ActionAnswer) -> RedeemRequest {
    RedeemRequest::Digest(answer.action_digest.parse().unwrap())
}

fn approve(pending: &ActionAnswer) -> VoteRequest {
    VoteRequest {
        verb: Verb::Approve,
        comment: None,
        to: None,
        digest: pending.action_digest.parse().unwrap(),
        snapshot: pending.snapshot.clone().unwrap(),
        presentation: None,
        set: None,
        via: None,
        assertion: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vote_on_one_node_releases_who_waits_on_another() {
    let nodes = Nodes::start().await;
    let (dana, _) = reviewer(&nodes.nodes[1], &nodes.admin, "dana").await;
    let pending = nodes.decide(0, br#"{"action":"pay","amount":"5"}"#).await;
    assert_eq!(pending.status, "pending");
    let waiting = tokio::spawn({
        let (engine, agent, id) = (nodes.nodes[2].clone(), nodes.agent.clone(), id_of(&pending));
        async move { engine.action(&agent, id, Duration::from_secs(30)).await }
    });
    let approval = pending.approval.as_ref().unwrap().id.parse().unwrap();
    nodes.nodes[1]
        .vote(&request(&dana, b"{}", None), approval, approve(&pending))
        .await
        .unwrap();
    let released = tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap();
    let released = released.unwrap().unwrap();
    assert_eq!(released.status, "permitted");
    nodes.nodes[0]
        .redeem(
            &request(&nodes.agent, b"{}", None),
            &released.permit.unwrap(),
            digest_of(&pending),
        )
        .await
        .unwrap();
    nodes.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permit_is_redeemed_once_on_all_nodes_together() {
    let nodes = Nodes::start().await;
    for _ in 0..5 {
        let allowed = nodes.decide(0, br#"{"action":"read"}"#).await;
        let mut tasks = tokio::task::JoinSet::new();
        for place in 0..30 {
            let (engine, agent) = (nodes.nodes[place % 3].clone(), nodes.agent.clone());
            let (permit, what) = (allowed.permit.clone().unwrap(), digest_of(&allowed));
            tasks.spawn(async move {
                engine
                    .redeem(&request(&agent, b"{}", None), &permit, what)
                    .await
                    .is_ok()
            });
        }
        let won = tasks.join_all().await.into_iter().filter(|won| *won).count();
        assert_eq!(won, 1);
    }
    nodes.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_killed_on_one_node_redeems_nothing_on_another() {
    let nodes = Nodes::start().await;
    let allowed = nodes.decide(1, br#"{"action":"read"}"#).await;
    nodes.nodes[0]
        .kill(
            &request(&nodes.admin, b"{}", None),
            Scope::Agent("bot".into()),
            Some("drill"),
        )
        .await
        .unwrap();
    let refused = nodes.nodes[2]
        .redeem(
            &request(&nodes.agent, b"{}", None),
            &allowed.permit.clone().unwrap(),
            digest_of(&allowed),
        )
        .await;
    assert!(matches!(refused, Err(EngineError::Refused(refusal)) if refusal.code == "killed"));
    let denied = nodes.decide(1, br#"{"action":"read"}"#).await;
    assert_eq!(denied.reason_code.as_deref(), Some("killed"));
    nodes.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scope_that_is_killed_on_one_node_is_killed_on_all() {
    let nodes = Nodes::start().await;
    catalogued(&nodes.nodes[0], &nodes.admin).await;
    for (scope, body) in stops() {
        let allowed = nodes.decide(1, body).await;
        assert_eq!(allowed.status, "permitted", "before {scope}");
        let kill = request(&nodes.admin, b"{}", None);
        nodes.nodes[0].kill(&kill, scope.clone(), Some("drill")).await.unwrap();
        let shown = request(&nodes.agent, b"{}", None);
        let permit = allowed.permit.clone().unwrap();
        let refused = nodes.nodes[2].redeem(&shown, &permit, digest_of(&allowed)).await;
        assert!(
            matches!(refused, Err(EngineError::Refused(refusal)) if refusal.code == "killed"),
            "{scope}"
        );
        for node in 0..3 {
            let denied = nodes.decide(node, body).await;
            assert_eq!(denied.reason_code.as_deref(), Some("killed"), "{scope} on node {node}");
        }
    }
    nodes.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_repeated_on_another_node_is_answered_from_the_record() {
    let nodes = Nodes::start().await;
    let mut ids = Vec::new();
    for engine in &nodes.nodes {
        let (answer, _) = engine
            .decide(&request(&nodes.agent, br#"{"action":"read"}"#, Some("one")))
            .await
            .unwrap();
        ids.push(answer.id);
    }
    assert!(ids.iter().all(|id| *id == ids[0]));
    nodes.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_revoked_on_one_node_decides_nothing_on_another() {
    let nodes = Nodes::start().await;
    let kid = nodes.agent.kid.clone().unwrap();
    nodes.decide(2, br#"{"action":"read"}"#).await;
    nodes.nodes[0]
        .revoke_key(&request(&nodes.admin, b"{}", None), kid.to_string())
        .await
        .unwrap();
    let refused = nodes.nodes[2]
        .decide(&request(&nodes.agent, br#"{"action":"read"}"#, None))
        .await;
    assert!(refused.is_err(), "{refused:?}");
    nodes.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_added_on_one_node_may_vote_on_another_at_once() {
    let nodes = Nodes::start().await;
    let (_, key) = reviewer(&nodes.nodes[0], &nodes.admin, "dana").await;
    let dana = nodes.nodes[2].authenticate(Credential(&key)).await.unwrap();
    let pending = nodes.decide(1, br#"{"action":"pay","amount":"5"}"#).await;
    let approval = pending.approval.as_ref().unwrap().id.parse().unwrap();
    nodes.nodes[2]
        .vote(&request(&dana, b"{}", None), approval, approve(&pending))
        .await
        .unwrap();
    nodes.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_fires_once_whoever_looks_at_it() {
    let nodes = Nodes::start().await;
    reviewer(&nodes.nodes[0], &nodes.admin, "dana").await;
    for _ in 0..3 {
        nodes.decide(0, br#"{"action":"pay","amount":"5"}"#).await;
    }
    // Two hours at once are a jump of the clock, which is noticed and confirmed.
    nodes.ahead_us.store(7_200_000_000, Ordering::SeqCst);
    nodes.decide(1, br#"{"action":"read"}"#).await;
    nodes.until(1, |event| matches!(event, Event::ClockJumped(_))).await;
    nodes.nodes.iter().for_each(Engine::confirm_clock);
    nodes
        .until(3, |event| matches!(event, Event::ApprovalResolved(_)))
        .await;
    // Whatever the other nodes still do has been done when each has answered once more.
    for node in 0..3 {
        nodes.decide(node, br#"{"action":"read"}"#).await;
    }
    let resolved = nodes
        .records()
        .iter()
        .filter(|record| matches!(record.event, Event::ApprovalResolved(_)))
        .count();
    assert_eq!(resolved, 3);
    nodes.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_come_and_go() {
    let mut nodes = Nodes::start().await;
    for round in 0_usize..6 {
        let before = nodes.records().len();
        let mut tasks = tokio::task::JoinSet::new();
        for place in 0..20 {
            let (engine, agent) = (nodes.nodes[place % nodes.nodes.len()].clone(), nodes.agent.clone());
            tasks.spawn(async move {
                engine
                    .decide(&request(&agent, br#"{"action":"read"}"#, None))
                    .await
                    .is_ok()
            });
        }
        if round % 2 == 0 {
            nodes.nodes.push(node(nodes.store.node()));
        } else {
            let gone = nodes.nodes.remove(0);
            tokio::task::spawn_blocking(move || gone.stop()).await.unwrap();
        }
        let decided = tasks.join_all().await.into_iter().filter(|decided| *decided).count();
        assert!(nodes.records().len() >= before + decided);
    }
    let records = nodes.records();
    assert!(
        records
            .iter()
            .enumerate()
            .all(|(place, record)| record.seq == place as u64)
    );
    assert!(records.windows(2).all(|pair| pair[0].ts < pair[1].ts));
    nodes.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_erased_no_node_reads_and_all_go_on_under_other_keys() {
    let nodes = Nodes::start().await;
    let body = br#"{"action":"read","principal":"maria","args":{"note":"hers"}}"#;
    let index = |answer: ActionAnswer| answer.receipt.unwrap().index;
    let mut before = Vec::new();
    for node in 0..3 {
        before.push(index(nodes.decide(node, body).await));
    }
    let key = |seq: u64| nodes.store.payload("acme", seq).unwrap().unwrap().key;
    assert!(before.iter().all(|seq| key(*seq) == key(before[0])), "all use one key");
    let read = async |node: usize, seq: u64| match nodes.nodes[node].payload(&nodes.admin, seq, Purpose::Legal).await {
        Ok((_, body)) => Ok(body),
        Err(EngineError::Refused(refusal)) => Err(refusal.code),
        Err(other) => panic!("{other}"),
    };
    assert!(read(2, before[0]).await.unwrap().contains("hers"));
    let erased = nodes.nodes[1]
        .erase_subject(&request(&nodes.admin, b"{}", None), "maria", None, "she asked for it")
        .await
        .unwrap();
    assert_eq!(erased, Erasure::Erased { payloads: 3 });
    for (node, seq) in before.into_iter().enumerate() {
        assert_eq!(read(node, seq).await, Err("erased"));
        // Each node had the old key at hand.
        let after = index(nodes.decide(node, body).await);
        assert!(read((node + 1) % 3, after).await.unwrap().contains("hers"));
    }
    nodes.stop();
}
