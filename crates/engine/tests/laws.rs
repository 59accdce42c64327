//! What holds whatever else goes on: switches against races, policies that change all the time, too much work, neighbours.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod fixture;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use countersign_core::digest::read_hex;
use countersign_core::event::Scope;
use countersign_core::record::Payload;
use countersign_core::replay::{Derivation, Outcome, Policies, Replay};
use countersign_core::{Event, Record, Time};
use countersign_engine::{
    Caller, Clock, Credential, Engine, EngineError, NewOrganization, Purpose, Reading, RedeemRequest, Settings,
    SystemClock, Vault,
};
use countersign_store::MemoryStore;
use fixture::{POLICY, acme, request, reviewer};
use serde_json::Value;

fn start(store: &Arc<MemoryStore>, clock: Box<dyn Clock>) -> Engine {
    Engine::start(store.clone(), Vault::new(&[1; 32]), clock, Settings::default()).unwrap()
}

fn system() -> Box<dyn Clock> {
    Box::new(SystemClock::default())
}

/// Every record, in order.
async fn records(engine: &Engine, caller: &Caller) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    loop {
        let page = engine.records(caller, records.len() as u64, 5000).await.unwrap();
        if page.is_empty() {
            return records;
        }
        records.extend(page.iter().map(|leaf| Record::decode(leaf.as_bytes()).unwrap().0));
    }
}

fn is_killed(error: &EngineError) -> bool {
    matches!(error, EngineError::Refused(refusal) if refusal.code == "killed")
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_is_acknowledged_nothing_is_permitted_or_redeemed_not_even_after_a_restart() {
    let store = Arc::new(MemoryStore::default());
    let engine = start(&store, system());
    let (admin, agent) = acme(&engine).await;
    let redeemed = Arc::new(AtomicU64::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..32_u64 {
        let (engine, agent, redeemed) = (engine.clone(), agent.clone(), redeemed.clone());
        tasks.spawn(async move {
            for n in 0.. {
                let body = format!(r#"{{"action":"read","args":{{"task":{task},"n":{n}}}}}"#);
                let (decided, _) = engine.decide(&request(&agent, body.as_bytes(), None)).await.unwrap();
                let Some(permit) = decided.permit else {
                    assert_eq!(decided.reason_code.as_deref(), Some("killed"));
                    return None;
                };
                let what = RedeemRequest::Digest(decided.action_digest.parse().unwrap());
                match engine.redeem(&request(&agent, b"{}", None), &permit, what).await {
                    Ok(_) => redeemed.fetch_add(1, Ordering::SeqCst),
                    Err(error) => {
                        assert!(is_killed(&error), "{error}");
                        return Some((permit, decided.action_digest));
                    }
                };
            }
            None
        });
    }
    while redeemed.load(Ordering::SeqCst) < 500 {
        tokio::task::yield_now().await;
    }
    let scope = Scope::Agent("bot".into());
    engine.kill(&request(&admin, b"{}", None), scope, None).await.unwrap();
    let left: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    engine.stop();

    let engine = start(&store, system());
    let (again, _) = engine
        .decide(&request(&agent, br#"{"action":"read"}"#, None))
        .await
        .unwrap();
    assert_eq!(again.reason_code.as_deref(), Some("killed"));
    for (permit, digest) in left {
        let what = RedeemRequest::Digest(digest.parse().unwrap());
        let refused = engine.redeem(&request(&agent, b"{}", None), &permit, what).await;
        assert!(refused.is_err_and(|error| is_killed(&error)));
    }
    let records = records(&engine, &admin).await;
    let killed = records
        .iter()
        .position(|record| matches!(record.event, Event::KillEngaged(_)));
    for record in &records[killed.unwrap()..] {
        match &record.event {
            Event::PermitRedeemed(_) => panic!("used after the kill: {record:?}"),
            Event::DecisionMade(made) => assert!(made.permit.is_none(), "permitted after the kill: {record:?}"),
            _other => {}
        }
    }
    engine.stop();
}

/// Policies as the engine has them.
struct Kept(BTreeMap<String, Vec<(String, Vec<u8>)>>);

impl Policies for Kept {
    fn files(&self, hash: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
        self.0.get(hash).cloned().ok_or_else(|| "nobody stored it".to_owned())
    }
}

/// Derives every decision again from what an export would hold.
async fn derived(engine: &Engine, caller: &Caller) -> Vec<Derivation> {
    let records = records(engine, caller).await;
    let mut kept = Kept(BTreeMap::new());
    for hash in records.iter().filter_map(|record| record.snapshot.as_deref()) {
        if !kept.0.contains_key(hash) {
            kept.0
                .insert(hash.to_owned(), engine.snapshot_files(caller, hash).await.unwrap());
        }
    }
    let mut replay = Replay::new(&kept);
    let mut derived = Vec::new();
    for record in records {
        let payload = match (&record.event, &record.payload) {
            (Event::DecisionMade(_), Some(commitment)) => {
                let (salt, body) = engine.payload(caller, record.seq, Purpose::Work).await.unwrap();
                Some(Payload {
                    about: None,
                    body: body.into_bytes(),
                    salt: read_hex(&salt).unwrap(),
                    class: commitment.class.clone(),
                })
            }
            _other => None,
        };
        derived.extend(replay.record(record, payload.as_ref()));
    }
    derived.extend(replay.end());
    derived
}

#[tokio::test(flavor = "multi_thread")]
async fn while_policies_change_fifty_times_a_second_every_decision_follows_from_the_one_that_it_cites() {
    const CHANGES: u32 = 60;
    let store = Arc::new(MemoryStore::default());
    let engine = start(&store, system());
    let (admin, agent) = acme(&engine).await;
    reviewer(&engine, &admin, "dana").await;
    let over = Arc::new(AtomicBool::new(false));
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..16_u64 {
        let (engine, agent, over) = (engine.clone(), agent.clone(), over.clone());
        tasks.spawn(async move {
            let mut decided = 0;
            while !over.load(Ordering::SeqCst) {
                let action = ["read", "pay", "fly"][decided % 3];
                let body = format!(r#"{{"action":"{action}","args":{{"task":{task},"n":{decided}}}}}"#);
                // People have only so many open requests; such a refusal is a decision like any other.
                engine.decide(&request(&agent, body.as_bytes(), None)).await.unwrap();
                decided += 1;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
    }
    let mut clock = tokio::time::interval(Duration::from_millis(20));
    for change in 0..CHANGES {
        clock.tick().await;
        let (from, to) = match change % 3 {
            0 => ("decision: allow", "decision: deny"),
            1 => ("action == 'pay'", "action == 'fly'"),
            _ => ("approvers: [leads]", "approvers: [alex]"),
        };
        let text = format!("# {}\n{}", change / 2, POLICY.replace(from, to));
        let files = vec![("gate.yaml".to_owned(), text.into_bytes())];
        let by = request(&admin, b"{}", None);
        let hash = engine.upload_policies(&by, files).await.unwrap().hash.unwrap();
        engine.activate_policy(&by, &hash, Some("another")).await.unwrap();
        if change % 5 == 4 {
            engine.roll_back_policy(&by, None, Some("back")).await.unwrap();
        }
    }
    over.store(true, Ordering::SeqCst);
    tasks.join_all().await;
    let derived = derived(&engine, &admin).await;
    let cited: std::collections::BTreeSet<_> = records(&engine, &admin)
        .await
        .into_iter()
        .filter(|record| matches!(record.event, Event::DecisionMade(_)))
        .filter_map(|record| record.snapshot)
        .collect();
    assert!(
        cited.len() > 20 && derived.len() > 500,
        "{} of {}",
        cited.len(),
        derived.len()
    );
    for one in derived {
        assert_eq!(one.outcome, Outcome::Agrees, "{one:#?}");
    }
    engine.stop();
}

/// A clock that stops whoever asks it while it is shut: the sequencer asks before each command.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>, Arc<SystemClock>);

impl Gate {
    fn set(&self, shut: bool) {
        *self.0.0.lock().unwrap() = shut;
        self.0.1.notify_all();
    }
}

impl Clock for Gate {
    fn read(&self) -> Reading {
        let mut shut = self.0.0.lock().unwrap();
        while *shut {
            shut = self.0.1.wait(shut).unwrap();
        }
        self.1.read()
    }
    fn accept(&self) {
        self.1.accept();
    }
    fn not_before(&self, instant: Time) {
        self.1.not_before(instant);
    }
    fn follow(&self, shown: Time) {
        self.1.follow(shown);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_work_is_told_at_once_nothing_accepted_is_lost_and_a_kill_goes_first() {
    const REQUESTS: u64 = 9000;
    let gate = Gate::default();
    let engine = start(&Arc::new(MemoryStore::default()), Box::new(gate.clone()));
    let (admin, agent) = acme(&engine).await;
    gate.set(true);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..REQUESTS {
        let (engine, agent) = (engine.clone(), agent.clone());
        tasks.spawn(async move {
            let body = format!(r#"{{"action":"read","args":{{"n":{n}}}}}"#);
            engine.decide(&request(&agent, body.as_bytes(), None)).await
        });
    }
    // Those beyond the bound are answered while nothing is carried out.
    let mut told = 0;
    while told < 100 {
        match tasks.join_next().await.unwrap().unwrap() {
            Err(EngineError::Unavailable { code: "overloaded", .. }) => told += 1,
            other => panic!("nothing can be decided yet: {:?}", other.map(|answered| answered.0.id)),
        }
    }
    let kill = tokio::spawn({
        let engine = engine.clone();
        async move {
            engine
                .kill(&request(&admin, b"{}", None), Scope::Organization, None)
                .await
                .map(|_| admin)
        }
    });
    while engine.waiting()[0] == 0 {
        tokio::task::yield_now().await;
    }
    gate.set(false);
    let admin = kill.await.unwrap().unwrap();
    let mut accepted = 0;
    while let Some(answered) = tasks.join_next().await {
        match answered.unwrap() {
            Ok(_) => accepted += 1,
            Err(EngineError::Unavailable { code: "overloaded", .. }) => told += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(accepted + told, REQUESTS);
    let records = records(&engine, &admin).await;
    let decided = records
        .iter()
        .filter(|record| matches!(record.event, Event::DecisionMade(_)))
        .count();
    assert_eq!(
        decided as u64, accepted,
        "whatever was accepted is recorded, and nothing else"
    );
    let killed = records
        .iter()
        .position(|record| matches!(record.event, Event::KillEngaged(_)))
        .unwrap();
    let after = records[killed..]
        .iter()
        .filter(|record| matches!(record.event, Event::DecisionMade(_)))
        .count();
    assert!(
        after >= 4096,
        "the kill went before all that waited: {after} came after it"
    );
    engine.stop();
}

/// What an organization is told, without what is random or a time.
async fn told(engine: &Engine, agent: &Caller) -> Vec<Value> {
    let mut told = Vec::new();
    for n in 0..60 {
        let action = ["read", "pay", "fly"][n % 3];
        let body = format!(r#"{{"action":"{action}","args":{{"n":{n}}},"amount":"{n}"}}"#);
        let (answer, _) = engine
            .decide(&request(agent, body.as_bytes(), Some(&format!("key-{n}"))))
            .await
            .unwrap();
        let permitted = answer.permit.is_some();
        let mut value = serde_json::to_value(answer).unwrap();
        for random in ["id", "permit", "approval", "action_digest", "decided_at"] {
            value.as_object_mut().unwrap().remove(random);
        }
        value["receipt"] = value["receipt"]["index"].take();
        value["permitted"] = permitted.into();
        told.push(value);
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_is_told_the_same_whatever_its_neighbours_do() {
    let alone = start(&Arc::new(MemoryStore::default()), system());
    let (_, agent) = acme(&alone).await;
    let quiet = told(&alone, &agent).await;
    alone.stop();

    let engine = start(&Arc::new(MemoryStore::default()), system());
    let (_, agent) = acme(&engine).await;
    let opened = engine
        .create_organization(NewOrganization {
            name: "noise".into(),
            instance: None,
            currency: "EUR".into(),
            zone: "UTC".into(),
            admin: "alex".into(),
        })
        .await
        .unwrap();
    let noisy = engine.authenticate(Credential(&opened.admin_key.text)).await.unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let noise = tokio::spawn({
        let (engine, over) = (engine.clone(), over.clone());
        async move {
            let by = request(&noisy, b"{}", None);
            let mut rounds = 0_u64;
            while !over.load(Ordering::SeqCst) {
                // The same names and keys, and switches on everything: none of it is about anybody else.
                engine.kill(&by, Scope::Organization, None).await.unwrap();
                engine.kill(&by, Scope::Agent("bot".into()), None).await.unwrap();
                let text = format!("# {rounds}\nname: gate\nrules:\n  - {{ decision: deny }}\n");
                let files = vec![("gate.yaml".to_owned(), text.into_bytes())];
                let hash = engine.upload_policies(&by, files).await.unwrap().hash.unwrap();
                engine.activate_policy(&by, &hash, Some("noise")).await.unwrap();
                rounds += 1;
            }
            rounds
        }
    });
    let loud = told(&engine, &agent).await;
    over.store(true, Ordering::SeqCst);
    assert!(noise.await.unwrap() > 0);
    assert_eq!(quiet, loud);
    engine.stop();
}
