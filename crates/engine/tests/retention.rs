//! What becomes of payloads in the engine: they lie sealed, and once erased nobody finds them anywhere.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use countersign_core::event::{AgentRegistered, Verb};
use countersign_core::{Span, Time};
use countersign_engine::{
    Caller, Clock, Credential, Engine, EngineError, Erasure, HoldWanted, NewOrganization, NewUser, Purpose, Reading,
    Request, Settings, Vault, VoteRequest,
};
use countersign_store::{MemoryStore, Payloads, Query, Store};

const GATE: &str = "name: gate\nrules: [{ decision: allow }]\n";
const ORG: &str = "organization: acme\nretention: 90_days\n";
/// A value that is nowhere but in what a test plants.
const PLANTED: &str = "zanzibar-4711-planted";

/// A clock that a test sets.
#[derive(Clone)]
struct Hands(Arc<AtomicI64>);

impl Clock for Hands {
    fn read(&self) -> Reading {
        Reading {
            now: Time(self.0.fetch_add(1, Ordering::Relaxed)),
            jumped: None,
        }
    }
    fn accept(&self) {}
    fn not_before(&self, instant: Time) {
        self.0.fetch_max(instant.0 + 1, Ordering::Relaxed);
    }
    fn follow(&self, _: Time) {}
}

struct Fixture {
    engine: Engine,
    store: Arc<dyn Store>,
    hands: Hands,
    admin: Caller,
    bot: Caller,
}

fn request(caller: &Caller) -> Request<'_> {
    Request {
        caller,
        route: "test",
        idempotency_key: None,
        body: b"{}",
    }
}

fn start(store: &Arc<dyn Store>, hands: &Hands) -> Engine {
    let vault = Vault::new(&[1; 32]);
    // Years pass in these tests, and keys would end with them.
    let settings = Settings {
        key_days: None,
        ..Settings::default()
    };
    Engine::start(store.clone(), vault, Box::new(hands.clone()), settings).unwrap()
}

async fn fixture(store: Arc<dyn Store>, policy: &[(&str, &str)]) -> Fixture {
    let hands = Hands(Arc::new(AtomicI64::new(1_767_603_600_000_000)));
    let engine = start(&store, &hands);
    let new = NewOrganization {
        name: "acme".into(),
        instance: None,
        currency: "USD".into(),
        zone: "UTC".into(),
        admin: "alex".into(),
    };
    let opened = engine.create_organization(new).await.unwrap();
    let admin = engine.authenticate(Credential(&opened.admin_key.text)).await.unwrap();
    let files = policy
        .iter()
        .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()));
    let checked = engine.upload_policies(&request(&admin), files.collect()).await.unwrap();
    engine
        .activate_policy(&request(&admin), &checked.hash.unwrap(), None)
        .await
        .unwrap();
    let agent = AgentRegistered {
        agent: "bot".into(),
        labels: BTreeMap::new(),
        owner: "team:ops".into(),
        team: None,
    };
    let registered = engine.register_agent(&request(&admin), agent).await.unwrap();
    let bot = engine
        .authenticate(Credential(&registered.key.unwrap().text))
        .await
        .unwrap();
    Fixture {
        engine,
        store,
        hands,
        admin,
        bot,
    }
}

impl Fixture {
    /// Submits an action with a planted argument; the index of its decision.
    async fn submit(&self, principal: &str) -> u64 {
        let body = format!(r#"{{"action":"read","principal":"{principal}","args":{{"note":"{PLANTED}"}}}}"#);
        let request = Request {
            body: body.as_bytes(),
            ..request(&self.bot)
        };
        self.engine.decide(&request).await.unwrap().0.receipt.unwrap().index
    }

    async fn read(&self, seq: u64, purpose: Purpose) -> Result<String, &'static str> {
        match self.engine.payload(&self.admin, seq, purpose).await {
            Ok((_, body)) => Ok(body),
            Err(EngineError::Refused(refusal)) => Err(refusal.code),
            Err(other) => panic!("{other}"),
        }
    }

    async fn erase(&self, by: &Caller, name: &str) -> Result<Erasure, &'static str> {
        match self
            .engine
            .erase_subject(&request(by), name, None, "they asked for it")
            .await
        {
            Ok(erasure) => Ok(erasure),
            Err(EngineError::Refused(refusal)) => Err(refusal.code),
            Err(other) => panic!("{other}"),
        }
    }

    async fn admin(&self, id: &str) -> Caller {
        let user = NewUser {
            manager: None,
            zone: None,
            id: id.into(),
            name: Some(PLANTED.into()),
            email: None,
            slack_id: None,
            roles: vec!["admin".into()],
            teams: vec![],
            duties: vec![],
        };
        let added = self.engine.add_user(&request(&self.admin), user).await.unwrap();
        self.engine
            .authenticate(Credential(&added.key.unwrap().text))
            .await
            .unwrap()
    }

    fn pass(&self, span: Span) {
        self.hands.0.fetch_add(span.0, Ordering::Relaxed);
    }
}

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::default())
}

#[tokio::test(flavor = "multi_thread")]
async fn payloads_lie_sealed_and_are_read_after_a_restart() {
    let mut fixture = fixture(memory(), &[("gate.yaml", GATE)]).await;
    let seq = fixture.submit("maria").await;
    let stored = fixture.store.payload("acme", seq).unwrap().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(!text(&stored.sealed).contains(PLANTED) && !stored.key.contains("maria"));
    fixture.engine.stop();
    fixture.engine = start(&fixture.store, &fixture.hands);
    assert!(fixture.read(seq, Purpose::Work).await.unwrap().contains(PLANTED));
    // The same key goes on serving: what comes after the restart lies under it.
    let next = fixture.submit("maria").await;
    assert_eq!(fixture.store.payload("acme", next).unwrap().unwrap().key, stored.key);
    assert!(fixture.read(next, Purpose::Work).await.unwrap().contains(PLANTED));
    fixture.engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_erased_is_read_by_nobody_and_the_rest_is() {
    let fixture = fixture(memory(), &[("gate.yaml", GATE)]).await;
    let (hers, his) = (fixture.submit("maria").await, fixture.submit("tom").await);
    assert_eq!(
        fixture.erase(&fixture.admin, "maria").await,
        Ok(Erasure::Erased { payloads: 1 })
    );
    assert_eq!(fixture.read(hers, Purpose::Work).await, Err("erased"));
    assert_eq!(fixture.read(hers, Purpose::Legal).await, Err("erased"));
    assert!(fixture.read(his, Purpose::Work).await.is_ok());
    let later = fixture.submit("maria").await;
    assert!(fixture.read(later, Purpose::Work).await.unwrap().contains(PLANTED));
    // The proof of what was erased holds as before.
    let proof = fixture.engine.inclusion(&fixture.admin, hers).await.unwrap();
    let record = fixture.store.records("acme", hers, 1).unwrap().remove(0);
    assert_eq!(record.leaf_hash, proof.leaf_hash);
    fixture.engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_permit_is_made_of_an_action_whose_data_is_restricted_or_erased() {
    let asks = "name: gate\nrules:\n  - { condition: \"action == 'pay'\", decision: require_approval, quorum: 1 }\n  \
                - { decision: allow }\n";
    let fixture = fixture(memory(), &[("org.yaml", ORG), ("gate.yaml", asks)]).await;
    let bea = fixture.admin("bea").await;
    let decide = async |action: &str| {
        let body = format!(r#"{{"action":"{action}","principal":"maria"}}"#);
        let request = Request {
            body: body.as_bytes(),
            ..request(&fixture.bot)
        };
        fixture.engine.decide(&request).await.unwrap().0
    };
    let (read, pay) = (decide("read").await, decide("pay").await);
    let look = async |id: &Option<String>| {
        let id = id.as_ref().unwrap().parse().unwrap();
        let answer = fixture.engine.action(&fixture.bot, id, Duration::ZERO).await.unwrap();
        (answer.status, answer.permit, answer.permit_withheld)
    };
    let withheld = |why: &str| ("permitted".to_owned(), None, Some(why.to_owned()));
    // The same permit again, made from the payload.
    assert!(read.permit.is_some());
    assert_eq!(look(&read.id).await, ("permitted".into(), read.permit.clone(), None));
    assert_eq!(look(&pay.id).await, ("pending".into(), None, None));

    assert_eq!(fixture.erase(&fixture.admin, "maria").await, Ok(Erasure::Asked));
    assert_eq!(look(&read.id).await, withheld("restricted"));
    assert_eq!(fixture.erase(&bea, "maria").await, Ok(Erasure::Erased { payloads: 2 }));
    assert_eq!(look(&read.id).await, withheld("erased"));

    // People may still say yes; the answer says that no permit comes of it.
    let vote = VoteRequest {
        verb: Verb::Approve,
        digest: pay.action_digest.parse().unwrap(),
        snapshot: pay.snapshot.unwrap(),
        comment: None,
        to: None,
        presentation: None,
        set: None,
        via: None,
        assertion: None,
    };
    let approval = pay.approval.unwrap().id.parse().unwrap();
    let (voted, _) = fixture.engine.vote(&request(&bea), approval, vote).await.unwrap();
    let voted = voted.action;
    assert_eq!((voted.status, voted.permit, voted.permit_withheld), withheld("erased"));
    assert_eq!(look(&pay.id).await, withheld("erased"));
    fixture.engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn with_two_admins_the_second_confirms_and_meanwhile_only_a_legal_purpose_reads() {
    let fixture = fixture(memory(), &[("gate.yaml", GATE)]).await;
    let bea = fixture.admin("bea").await;
    let seq = fixture.submit("maria").await;
    assert_eq!(fixture.erase(&fixture.admin, "maria").await, Ok(Erasure::Asked));
    assert_eq!(fixture.read(seq, Purpose::Work).await, Err("restricted"));
    assert!(fixture.read(seq, Purpose::Legal).await.unwrap().contains(PLANTED));
    assert_eq!(
        fixture.erase(&fixture.admin, "maria").await,
        Err("second_person_needed")
    );
    assert_eq!(fixture.erase(&bea, "maria").await, Ok(Erasure::Erased { payloads: 1 }));
    assert_eq!(fixture.read(seq, Purpose::Legal).await, Err("erased"));
    // A person is a subject as well: what a profile says goes with it.
    let profile = fixture
        .engine
        .look(&fixture.admin.org, |state| state.users()["bea"].profile)
        .await
        .unwrap();
    assert_eq!(fixture.erase(&fixture.admin, "bea").await, Ok(Erasure::Asked));
    fixture.erase(&bea, "bea").await.unwrap();
    assert_eq!(fixture.read(profile.unwrap(), Purpose::Legal).await, Err("erased"));
    fixture.engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_blocks_erasure_and_destruction_until_it_is_released() {
    let fixture = fixture(memory(), &[("gate.yaml", GATE), ("org.yaml", ORG)]).await;
    let seq = fixture.submit("maria").await;
    let wanted = HoldWanted {
        subject: Some("maria".into()),
        ..HoldWanted::default()
    };
    let placed = fixture
        .engine
        .place_hold(&request(&fixture.admin), wanted, "a lawsuit")
        .await;
    let (id, hold) = placed.unwrap();
    assert_eq!(hold.by, "alex");
    assert_eq!(fixture.erase(&fixture.admin, "maria").await, Err("legal_hold"));
    fixture.pass(Span::days(100));
    fixture.engine.destroy_due(&fixture.admin.org).await.unwrap();
    assert!(fixture.read(seq, Purpose::Work).await.is_ok());
    let release = async || {
        fixture
            .engine
            .release_hold(&request(&fixture.admin), id, "settled")
            .await
    };
    assert!(release().await.unwrap().is_some());
    fixture.pass(Span::hours(25));
    assert!(release().await.unwrap().is_none());
    fixture.engine.destroy_due(&fixture.admin.org).await.unwrap();
    assert_eq!(fixture.read(seq, Purpose::Work).await, Err("destroyed"));
    assert!(fixture.store.payload("acme", seq).unwrap().is_none());
    fixture.engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_a_law_forbids_follows_by_itself() {
    let org = "organization: acme\ncompliance: [pci_dss]\n";
    let fixture = fixture(memory(), &[("gate.yaml", GATE), ("org.yaml", org)]).await;
    let seq = fixture.submit("maria").await;
    let erasure = fixture.erase(&fixture.admin, "maria").await.unwrap();
    assert!(matches!(erasure, Erasure::Restricted { .. }), "{erasure:?}");
    assert_eq!(fixture.read(seq, Purpose::Work).await, Err("restricted"));
    fixture.pass(Span::days(371));
    fixture.engine.destroy_due(&fixture.admin.org).await.unwrap();
    assert_eq!(fixture.read(seq, Purpose::Work).await, Err("restricted"));
    fixture.pass(Span::days(2));
    fixture.engine.destroy_due(&fixture.admin.org).await.unwrap();
    assert_eq!(fixture.read(seq, Purpose::Legal).await, Err("erased"));
    fixture.engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_profile_of_a_person_who_is_there_outlives_its_time() {
    let fixture = fixture(memory(), &[("gate.yaml", GATE), ("org.yaml", ORG)]).await;
    fixture.admin("bea").await;
    fixture.submit("maria").await;
    fixture.pass(Span::days(91));
    fixture.engine.destroy_due(&fixture.admin.org).await.unwrap();
    let all = Payloads {
        before: u64::MAX >> 20,
        limit: 100,
        ..Payloads::default()
    };
    let profile = fixture
        .engine
        .look(&fixture.admin.org, |state| state.users()["bea"].profile.unwrap())
        .await
        .unwrap();
    assert_eq!(fixture.store.payloads("acme", &all).unwrap(), vec![profile]);
    assert!(fixture.read(profile, Purpose::Work).await.unwrap().contains(PLANTED));
    fixture.engine.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pruned_ledger_goes_on_proves_and_is_loaded_again() {
    let mut fixture = fixture(memory(), &[("gate.yaml", GATE), ("org.yaml", ORG)]).await;
    let mut seqs = Vec::new();
    for _ in 0..300 {
        seqs.push(fixture.submit("maria").await);
    }
    let prune = async |fixture: &Fixture| {
        let operator = Caller::operator(fixture.admin.org.clone());
        let before = Time(fixture.hands.0.load(Ordering::Relaxed));
        match fixture
            .engine
            .prune(&request(&operator), before, "their time is over")
            .await
        {
            Ok(range) => Ok(range),
            Err(EngineError::Refused(refusal)) => Err(refusal.code),
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(prune(&fixture).await, Err("nothing_to_prune"), "nothing is old enough");
    fixture.pass(Span::days(100));
    assert_eq!(prune(&fixture).await, Err("nothing_to_prune"), "payloads are left");
    assert_eq!(fixture.engine.destroy_due(&fixture.admin.org).await.unwrap(), 300);
    let hold = (fixture.engine)
        .place_hold(&request(&fixture.admin), HoldWanted::default(), "a claim")
        .await
        .unwrap();
    assert_eq!(prune(&fixture).await, Err("legal_hold"));
    for _ in 0..2 {
        (fixture.engine)
            .release_hold(&request(&fixture.admin), hold.0, "settled")
            .await
            .unwrap();
        fixture.pass(Span::hours(25));
    }
    assert_eq!(prune(&fixture).await, Ok((0, 256)));
    assert_eq!(prune(&fixture).await, Err("nothing_to_prune"));
    let old = seqs[0];
    let leaf_hash = fixture.store.leaf_hashes("acme", old, old + 1).unwrap()[0];
    fixture.engine.stop();
    fixture.engine = start(&fixture.store, &fixture.hands);
    let after = fixture.submit("maria").await;
    assert!(fixture.read(after, Purpose::Work).await.is_ok());
    let proof = fixture.engine.inclusion(&fixture.admin, old).await.unwrap();
    assert_eq!(proof.leaf_hash, leaf_hash);
    let records = fixture.engine.records(&fixture.admin, 0, 10_000).await.unwrap();
    assert!(records[0].contains(r#""seq":256,"#), "{}", records[0]);
    let known = fixture.engine.leaf_hashes(&fixture.admin, 0, 10_000).await.unwrap();
    assert_eq!((known.pruned, known.hashes.len() as u64), (256, after + 1));
    assert!(known.first.unwrap().contains("ledger.opened"));
    assert!(!fixture.engine.schemas(&fixture.admin).await.unwrap().is_empty());
    let everything = Query {
        limit: 500,
        ..Query::default()
    };
    let found = fixture
        .engine
        .search(&fixture.admin, everything, Some(after))
        .await
        .unwrap();
    assert_eq!(found.entries.last().unwrap().receipt.index, 256);
    fixture.engine.stop();
}
