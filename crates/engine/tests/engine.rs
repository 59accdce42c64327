//! The engine over the in-memory store: decisions, people, permits, proofs, failures of the store.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod fixture;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use countersign_core::event::Verb;
use countersign_core::ids::ActionId;
use countersign_engine::{
    Caller, Credential, Engine, EngineError, NewOrganization, Purpose, Queue, RedeemRequest, Settings, SystemClock,
    Vault, VoteRequest,
};
use countersign_store::{
    Append, AppendError, Head, MemoryStore, OrganizationRow, Payloads, Query, ReadError, Resealed, SearchRow, Store,
    StoredPayload, StoredRecord, StoredSecret, StoredState,
};
use countersign_tlog::{Checkpoint, VerifyingKey, verify_consistency, verify_inclusion};
use fixture::{POLICY, request, reviewer};

/// A store that fails when it is told to.
struct Faulty {
    inner: MemoryStore,
    mode: AtomicU8,
    appends: AtomicU64,
}

const FINE: u8 = 0;
const FULL: u8 = 1;
const UNKNOWN_AND_LOST: u8 = 2;
const UNKNOWN_BUT_THERE: u8 = 3;

impl Store for Faulty {
    fn organizations(&self) -> Result<Vec<OrganizationRow>, ReadError> {
        self.inner.organizations()
    }
    fn append(&self, batch: &[Append]) -> Result<(), AppendError> {
        self.appends.fetch_add(1, Ordering::SeqCst);
        match self.mode.load(Ordering::SeqCst) {
            FULL => Err(AppendError::Full("no room".into())),
            UNKNOWN_AND_LOST => Err(AppendError::Unknown("connection lost".into())),
            UNKNOWN_BUT_THERE => {
                self.inner.append(batch)?;
                Err(AppendError::Unknown("connection lost".into()))
            }
            _ => self.inner.append(batch),
        }
    }
    fn remove_organization(&self, org: &str) -> Result<(), AppendError> {
        self.inner.remove_organization(org)
    }
    fn head(&self, org: &str) -> Result<Option<Head>, ReadError> {
        self.inner.head(org)
    }
    fn records(&self, org: &str, from: u64, limit: usize) -> Result<Vec<StoredRecord>, ReadError> {
        self.inner.records(org, from, limit)
    }
    fn leaf_hashes(&self, org: &str, from: u64, to: u64) -> Result<Vec<countersign_core::digest::Digest>, ReadError> {
        self.inner.leaf_hashes(org, from, to)
    }
    fn by_subject(&self, org: &str, subject: u128) -> Result<Vec<StoredRecord>, ReadError> {
        self.inner.by_subject(org, subject)
    }
    fn payload(&self, org: &str, seq: u64) -> Result<Option<StoredPayload>, ReadError> {
        self.inner.payload(org, seq)
    }
    fn payloads(&self, org: &str, which: &Payloads) -> Result<Vec<u64>, ReadError> {
        self.inner.payloads(org, which)
    }
    fn pruned(&self, org: &str) -> Result<u64, ReadError> {
        self.inner.pruned(org)
    }
    fn secret(&self, org: &str, kind: &str, id: &str) -> Result<Option<Vec<u8>>, ReadError> {
        self.inner.secret(org, kind, id)
    }
    fn organization_of_secret(&self, kind: &str, id: &str) -> Result<Option<Arc<str>>, ReadError> {
        self.inner.organization_of_secret(kind, id)
    }
    fn secrets(&self, org: &str, after: Option<(&str, &str)>, limit: usize) -> Result<Vec<StoredSecret>, ReadError> {
        self.inner.secrets(org, after, limit)
    }
    fn reseal(&self, org: &str, secrets: &[Resealed]) -> Result<(), ReadError> {
        self.inner.reseal(org, secrets)
    }
    fn snapshot(&self, org: &str, hash: &str) -> Result<Option<Vec<(String, Vec<u8>)>>, ReadError> {
        self.inner.snapshot(org, hash)
    }
    fn state(&self, org: &str) -> Result<Option<StoredState>, ReadError> {
        self.inner.state(org)
    }
    fn indexed(&self, org: &str) -> Result<u64, ReadError> {
        self.inner.indexed(org)
    }
    fn index(&self, org: &str, rows: &[SearchRow]) -> Result<(), ReadError> {
        self.inner.index(org, rows)
    }
    fn search(&self, org: &str, query: &Query) -> Result<Vec<SearchRow>, ReadError> {
        self.inner.search(org, query)
    }
    fn ping(&self) -> Result<(), ReadError> {
        self.inner.ping()
    }
}

struct Fixture {
    engine: Engine,
    store: Arc<Faulty>,
    agent: Caller,
    admin: Caller,
}

fn start(store: Arc<Faulty>) -> Engine {
    let vault = Vault::new(&[1; 32]);
    Engine::start(store, vault, Box::new(SystemClock::default()), Settings::default()).unwrap()
}

async fn fixture() -> Fixture {
    let store = Arc::new(Faulty {
        inner: MemoryStore::default(),
        mode: AtomicU8::new(FINE),
        appends: AtomicU64::new(0),
    });
    let engine = start(store.clone());
    let (admin, agent) = fixture::acme(&engine).await;
    Fixture {
        engine,
        store,
        agent,
        admin,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_is_governed_end_to_end() {
    let fixture = fixture().await;
    let engine = &fixture.engine;
    let (allowed, replayed) = engine
        .decide(&request(&fixture.agent, br#"{"action":"read"}"#, Some("k1")))
        .await
        .unwrap();
    assert_eq!((allowed.status.as_str(), replayed), ("permitted", false));
    let again = engine
        .decide(&request(&fixture.agent, br#"{"action":"read"}"#, Some("k1")))
        .await
        .unwrap();
    assert_eq!(
        (again.0.id.as_ref(), again.1, again.0.permit.as_ref()),
        (allowed.id.as_ref(), true, allowed.permit.as_ref())
    );

    let (dana, _) = reviewer(&fixture.engine, &fixture.admin, "dana").await;
    let (pending, _) = engine
        .decide(&request(&fixture.agent, br#"{"action":"pay","amount":"5"}"#, None))
        .await
        .unwrap();
    assert_eq!(
        (pending.decision.as_str(), pending.status.as_str()),
        ("require_approval", "pending")
    );
    let id: ActionId = pending.id.clone().unwrap().parse().unwrap();
    let approval = pending.approval.clone().unwrap();
    let waiting = tokio::spawn({
        let (engine, agent) = (engine.clone(), fixture.agent.clone());
        async move { engine.action(&agent, id, Duration::from_secs(30)).await }
    });
    let vote = VoteRequest {
        verb: Verb::Approve,
        comment: None,
        to: None,
        digest: pending.action_digest.parse().unwrap(),
        snapshot: pending.snapshot.clone().unwrap(),
        presentation: None,
        set: None,
        via: None,
        assertion: None,
    };
    engine
        .vote(&request(&dana, b"{}", None), approval.id.parse().unwrap(), vote)
        .await
        .unwrap();
    let released = tokio::time::timeout(Duration::from_secs(5), waiting)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(released.status, "permitted");
    let permit = released.permit.unwrap();
    let what = || RedeemRequest::Digest(pending.action_digest.parse().unwrap());
    engine
        .redeem(&request(&fixture.agent, b"{}", None), &permit, what())
        .await
        .unwrap();
    let twice = engine
        .redeem(&request(&fixture.agent, b"{}", None), &permit, what())
        .await;
    assert!(matches!(twice, Err(EngineError::Refused(refusal)) if refusal.code == "already_redeemed"));
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_redemption_stays_refused_when_it_is_repeated() {
    let fixture = fixture().await;
    let (allowed, _) = fixture
        .engine
        .decide(&request(&fixture.agent, br#"{"action":"read"}"#, None))
        .await
        .unwrap();
    let permit = allowed.permit.unwrap();
    for _ in 0..2 {
        let other = RedeemRequest::Digest(countersign_core::digest::Digest([1; 32]));
        let refused = fixture
            .engine
            .redeem(&request(&fixture.agent, b"{}", Some("same")), &permit, other)
            .await;
        assert!(matches!(refused, Err(EngineError::Refused(refusal)) if refusal.code == "digest_mismatch"));
    }
    fixture.engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permit_is_redeemed_by_one_of_many_at_once() {
    let fixture = fixture().await;
    let (allowed, _) = fixture
        .engine
        .decide(&request(&fixture.agent, br#"{"action":"read"}"#, None))
        .await
        .unwrap();
    let (permit, digest) = (allowed.permit.unwrap(), allowed.action_digest);
    let mut tasks = tokio::task::JoinSet::new();
    for place in 0..64 {
        let (engine, agent, permit, digest) = (
            fixture.engine.clone(),
            fixture.agent.clone(),
            permit.clone(),
            digest.clone(),
        );
        tasks.spawn(async move {
            let key = format!("key-{place}");
            let what = RedeemRequest::Digest(digest.parse().unwrap());
            engine
                .redeem(&request(&agent, b"{}", Some(&key)), &permit, what)
                .await
                .is_ok()
        });
    }
    let won = tasks.join_all().await.into_iter().filter(|won| *won).count();
    assert_eq!(won, 1);
    fixture.engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_repetitions_of_a_request_are_one_decision() {
    let fixture = fixture().await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let (engine, agent) = (fixture.engine.clone(), fixture.agent.clone());
        tasks.spawn(async move {
            engine
                .decide(&request(&agent, br#"{"action":"read"}"#, Some("one")))
                .await
                .unwrap()
                .0
                .id
                .unwrap()
        });
    }
    let ids = tasks.join_all().await;
    assert!(ids.iter().all(|id| *id == ids[0]));
    fixture.engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn proofs_and_checkpoints_hold_for_an_outsider() {
    let fixture = fixture().await;
    let engine = &fixture.engine;
    let (old_size, old) = engine.checkpoint(&fixture.admin).await.unwrap();
    for n in 0..600 {
        let body = format!(r#"{{"action":"read","args":{{"n":{n}}}}}"#);
        engine
            .decide(&request(&fixture.agent, body.as_bytes(), None))
            .await
            .unwrap();
    }
    let (size, text) = engine.checkpoint(&fixture.admin).await.unwrap();
    assert!(size > 600);
    let vkey: VerifyingKey = engine.keys(&fixture.admin.org).unwrap().log.verifying_key().clone();
    let checkpoint = Checkpoint::open(&vkey, &text).unwrap();
    for index in [0, 1, 255, 256, 511, size - 1] {
        let proof = engine.inclusion(&fixture.admin, index).await.unwrap();
        let opened = Checkpoint::open(&vkey, &proof.checkpoint).unwrap();
        let leaf = countersign_tlog::Hash(proof.leaf_hash.0);
        verify_inclusion(leaf, index, opened.size, &proof.hashes, opened.root).unwrap();
    }
    let old = Checkpoint::open(&vkey, &old).unwrap();
    let proof = engine.consistency(&fixture.admin, old_size, size).await.unwrap();
    verify_consistency(old.size, old.root, checkpoint.size, checkpoint.root, &proof).unwrap();
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_store_refuses_and_goes_on_when_there_is_room() {
    let fixture = fixture().await;
    let engine = &fixture.engine;
    let before = engine.checkpoint(&fixture.admin).await.unwrap().0;
    fixture.store.mode.store(FULL, Ordering::SeqCst);
    let refused = engine
        .decide(&request(&fixture.agent, br#"{"action":"read"}"#, None))
        .await;
    assert!(matches!(
        refused,
        Err(EngineError::Unavailable { code: "store_full", .. })
    ));
    assert_eq!(engine.checkpoint(&fixture.admin).await.unwrap().0, before);
    fixture.store.mode.store(FINE, Ordering::SeqCst);
    let (allowed, _) = engine
        .decide(&request(&fixture.agent, br#"{"action":"read"}"#, None))
        .await
        .unwrap();
    assert_eq!(allowed.receipt.unwrap().index, before);
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_outcome_is_unknown_is_looked_up_before_anybody_is_answered() {
    let fixture = fixture().await;
    let engine = &fixture.engine;
    fixture.store.mode.store(UNKNOWN_AND_LOST, Ordering::SeqCst);
    let lost = engine
        .decide(&request(&fixture.agent, br#"{"action":"read"}"#, Some("a")))
        .await;
    assert!(matches!(
        lost,
        Err(EngineError::Unavailable {
            code: "store_failed",
            ..
        })
    ));
    fixture.store.mode.store(UNKNOWN_BUT_THERE, Ordering::SeqCst);
    let (there, _) = engine
        .decide(&request(&fixture.agent, br#"{"action":"read"}"#, Some("b")))
        .await
        .unwrap();
    fixture.store.mode.store(FINE, Ordering::SeqCst);
    let (again, replayed) = engine
        .decide(&request(&fixture.agent, br#"{"action":"read"}"#, Some("b")))
        .await
        .unwrap();
    assert_eq!((again.id, replayed), (there.id, true));
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn timers_go_on_after_a_failed_commit() {
    let fixture = fixture().await;
    let engine = &fixture.engine;
    let files = vec![
        ("gate.yaml".to_owned(), POLICY.as_bytes().to_vec()),
        (
            "org.yaml".to_owned(),
            b"organization: acme\ndefault_route: { to: [alex], sla: 1s, deadline: 1s }\n".to_vec(),
        ),
    ];
    let checked = engine
        .upload_policies(&request(&fixture.admin, b"{}", None), files)
        .await
        .unwrap();
    engine
        .activate_policy(
            &request(&fixture.admin, b"{}", None),
            &checked.hash.unwrap(),
            Some("short"),
        )
        .await
        .unwrap();
    let (pending, _) = engine
        .decide(&request(&fixture.agent, br#"{"action":"pay"}"#, None))
        .await
        .unwrap();
    fixture.store.mode.store(FULL, Ordering::SeqCst);
    assert!(
        engine
            .decide(&request(&fixture.agent, br#"{"action":"read"}"#, None))
            .await
            .is_err()
    );
    fixture.store.mode.store(FINE, Ordering::SeqCst);
    let id: ActionId = pending.id.unwrap().parse().unwrap();
    let ended = engine
        .action(&fixture.agent, id, Duration::from_secs(10))
        .await
        .unwrap();
    assert_eq!(ended.reason_code.as_deref(), Some("expired"));
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_does_not_decide_on_what_their_own_key_asked_for() {
    let fixture = fixture().await;
    let engine = &fixture.engine;
    reviewer(&fixture.engine, &fixture.admin, "dana").await;
    let scopes = ["act_for:bot".to_owned()];
    let issued = engine
        .issue_key(
            &request(&fixture.admin, b"{}", None),
            countersign_core::ActorKind::User,
            "dana",
            &scopes,
            None,
        )
        .await
        .unwrap();
    let dana = engine
        .authenticate(Credential(&issued.key.unwrap().text))
        .await
        .unwrap();
    reviewer(&fixture.engine, &fixture.admin, "erin").await;
    let (pending, _) = engine
        .decide(&request(&dana, br#"{"action":"pay","agent":"bot"}"#, None))
        .await
        .unwrap();
    let vote = VoteRequest {
        verb: Verb::Approve,
        comment: None,
        to: None,
        digest: pending.action_digest.parse().unwrap(),
        snapshot: pending.snapshot.clone().unwrap(),
        presentation: None,
        set: None,
        via: None,
        assertion: None,
    };
    let approval = pending.approval.unwrap().id.parse().unwrap();
    let refused = engine.vote(&request(&dana, b"{}", None), approval, vote).await;
    assert!(matches!(refused, Err(EngineError::Refused(refusal)) if refusal.code == "self_approval"));
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_wait_become_one_batch() {
    let fixture = fixture().await;
    let before = fixture.store.appends.load(Ordering::SeqCst);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..500 {
        let (engine, agent) = (fixture.engine.clone(), fixture.agent.clone());
        tasks.spawn(async move {
            let body = format!(r#"{{"action":"read","args":{{"n":{n}}}}}"#);
            engine.decide(&request(&agent, body.as_bytes(), None)).await.unwrap();
        });
    }
    tasks.join_all().await;
    let commits = fixture.store.appends.load(Ordering::SeqCst) - before;
    assert!(commits < 250, "{commits} commits for 500 decisions");
    fixture.engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_engine_goes_on_where_the_ledger_ends() {
    let fixture = fixture().await;
    let (pending, _) = fixture
        .engine
        .decide(&request(&fixture.agent, br#"{"action":"pay"}"#, None))
        .await
        .unwrap();
    fixture.engine.stop();
    let engine = start(fixture.store.clone());
    let id: ActionId = pending.id.unwrap().parse().unwrap();
    let action = engine.action(&fixture.agent, id, Duration::ZERO).await.unwrap();
    assert_eq!(action.status, "pending");
    assert_eq!(
        engine
            .open_approvals(&fixture.admin, Queue::Own, None, 2)
            .await
            .unwrap()
            .0
            .len(),
        1,
        "nobody is in `leads`, so the admin is asked"
    );
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_is_sealed_at_the_stop_and_loaded_at_the_start() {
    let fixture = fixture().await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..1500 {
        let (engine, agent) = (fixture.engine.clone(), fixture.agent.clone());
        tasks.spawn(async move {
            let body = format!(r#"{{"action":"read","args":{{"n":{n}}}}}"#);
            engine.decide(&request(&agent, body.as_bytes(), None)).await.unwrap();
        });
    }
    tasks.join_all().await;
    let org = fixture.admin.org.clone();
    let before = fixture.engine.look(&org, |state| state.next_seq()).await.unwrap();
    fixture.engine.stop();
    let stored = fixture.store.state(&org).unwrap().expect("a state was stored");
    assert_eq!(stored.at, before);
    let engine = start(fixture.store.clone());
    let loaded = engine
        .look(&org, |state| (state.unsealed(), state.actions().len()))
        .await
        .unwrap();
    assert_eq!(loaded, (1, 1500), "only the seal's own record came after it");
    engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn organizations_do_not_see_each_other() {
    let fixture = fixture().await;
    let other = fixture
        .engine
        .create_organization(NewOrganization {
            name: "other".into(),
            instance: None,
            currency: "EUR".into(),
            zone: "UTC".into(),
            admin: "alex".into(),
        })
        .await
        .unwrap();
    let stranger = fixture
        .engine
        .authenticate(Credential(&other.admin_key.text))
        .await
        .unwrap();
    let (allowed, _) = fixture
        .engine
        .decide(&request(&fixture.agent, br#"{"action":"read"}"#, None))
        .await
        .unwrap();
    let id: ActionId = allowed.id.unwrap().parse().unwrap();
    let seen = fixture.engine.action(&stranger, id, Duration::ZERO).await;
    assert!(matches!(seen, Err(EngineError::Refused(refusal)) if refusal.code == "not_found"));
    let what = RedeemRequest::Digest(allowed.action_digest.parse().unwrap());
    let used = fixture
        .engine
        .redeem(&request(&stranger, b"{}", None), &allowed.permit.unwrap(), what)
        .await;
    assert!(used.is_err());
    fixture.engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_search_index_follows_the_ledger() {
    let fixture = fixture().await;
    let (allowed, _) = fixture
        .engine
        .decide(&request(&fixture.agent, br#"{"action":"read"}"#, None))
        .await
        .unwrap();
    let seq = allowed.receipt.unwrap().index;
    let query = Query {
        decision: Some("allow".into()),
        limit: 10,
        ..Query::default()
    };
    let page = fixture.engine.search(&fixture.admin, query, Some(seq)).await.unwrap();
    assert_eq!(page.entries.len(), 1);
    assert_eq!(page.entries[0].receipt.index, seq);
    fixture.engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_be_kept_is_nowhere_in_the_store() {
    let fixture = fixture().await;
    let body = br#"{"action":"read","args":{"note":"card 4111 1111 1111 1111"},"labels":{"password":"hunter2secret"},"env":"4111111111111111"}"#;
    let (answer, _) = fixture
        .engine
        .decide(&request(&fixture.agent, body, None))
        .await
        .unwrap();
    assert!(answer.pii.contains(&"card".to_owned()));
    let org = fixture.admin.org.clone();
    let seq = answer.receipt.unwrap().index;
    let stored = fixture.store.records(&org, seq, 1).unwrap().remove(0).leaf;
    let (_, payload) = fixture
        .engine
        .payload(&fixture.admin, seq, Purpose::Work)
        .await
        .unwrap();
    for text in [String::from_utf8(stored).unwrap(), payload] {
        assert!(
            !text.contains("4111 1111") && !text.contains("4111111111111111") && !text.contains("hunter2"),
            "{text}"
        );
    }
    fixture.engine.stop();
}
