//! Erasure and legal holds from the outside: what is gone is in no file, and what was proven stays proven.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use countersign_client::{Client, Credential, Method};
use countersign_core::event::AgentRegistered;
use countersign_core::{Span, Time};
use countersign_engine::{Caller, Clock, Engine, NewOrganization, Reading, Request, Settings, SystemClock, Vault};
use countersign_store_sqlite::SqliteStore;
use serde_json::{Value, json};

use crate::scene::{Scene, text};

/// A value that is nowhere but in what the test plants.
const PLANTED: &str = "zanzibar-4711-planted";

async fn decide(client: &Client, principal: &str) -> Value {
    let action = json!({ "action": "read", "principal": principal, "args": { "note": PLANTED } });
    let answer = client
        .send(Method::POST, "/v1/actions", Some(action.to_string().into_bytes()), None)
        .await
        .expect("a decision");
    serde_json::from_slice(&answer.body).expect("JSON")
}

/// The salt of the digest of an action on behalf of `principal`, from the disclosures of an export.
fn digest_salt(disclosures: &str, principal: &str) -> String {
    let lines = disclosures
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let of = lines
        .filter(|line| line.pointer("/value/action/principal") == Some(&json!(principal)))
        .map(|line| text(&line, "/value/salt"));
    let salts: Vec<String> = of.collect();
    assert_eq!(salts.len(), 1);
    assert_eq!(salts[0].len(), 32);
    salts[0].clone()
}

/// What a replay of the bundle `after` lists.
fn on_after(scene: &Scene, vkey: &str) -> Vec<Value> {
    let replayed = scene.run(&["audit", "replay", "--vkey", vkey, "after", "--json"]);
    assert_eq!(replayed.code, 0, "{}{}", replayed.out, replayed.err);
    let listed = replayed.json()["findings"].as_array().cloned();
    listed.expect("findings")
}

/// The files below a folder that hold a text.
fn holding(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(holding(&path, text));
        } else if let Ok(bytes) = std::fs::read(&path)
            && bytes.windows(text.len()).any(|window| window == text.as_bytes())
        {
            found.push(path.display().to_string());
        }
    }
    found
}

#[tokio::test]
async fn what_is_erased_is_in_no_file_and_both_verifiers_pass() {
    let (scene, made) = Scene::initialised();
    let vkey = text(&made, "/vkey");
    let server = scene.serve(&[]);
    let added = ["agents", "add", "bot", "--owner", "team:x", "--data", "data", "--json"];
    let agent = Client::new(&server.url, &Credential::Key(text(&scene.run(&added).json(), "/key"))).expect("a client");
    let decided = decide(&agent, "maria").await;
    decide(&agent, "tom").await;
    let record = decided.pointer("/receipt/index").expect("a receipt").to_string();
    let on_data = |arguments: &[&str]| scene.run(&[arguments, &["--data", "data"]].concat());

    let export = on_data(&["audit", "export", "--payloads", "--out", "before"]);
    assert_eq!(export.code, 0, "{}", export.err);
    assert_eq!(scene.read("before/disclosures.jsonl").matches(PLANTED).count(), 2);

    let salt = digest_salt(&scene.read("before/disclosures.jsonl"), "tom");
    assert_eq!(holding(&scene.path("before"), &salt).len(), 1, "beside the records");
    assert!(scene.read("before/disclosures.jsonl").contains(&salt));

    let held = on_data(&[
        "audit",
        "hold",
        "place",
        "--subject",
        "maria",
        "--why",
        "a claim",
        "--json",
    ])
    .json();
    let hold = text(&held, "/id");
    let refused = on_data(&["audit", "erase", "--subject", "maria", "--why", "asked"]);
    assert_eq!(refused.code, 1, "{}", refused.out);
    assert!(
        refused.err.contains(&hold) && refused.err.contains("legal hold"),
        "{}",
        refused.err
    );
    assert!(on_data(&["audit", "hold", "list"]).out.contains(&hold));
    let release = on_data(&["audit", "hold", "release", &hold, "--why", "settled"]);
    assert!(
        release.out.contains("can be released from"),
        "{}{}",
        release.out,
        release.err
    );
    let early = on_data(&["audit", "hold", "release", &hold, "--why", "settled"]);
    assert_eq!(early.code, 1, "{}", early.out);

    let erased = on_data(&[
        "audit",
        "erase",
        "--subject",
        "tom",
        "--why",
        "asked",
        "--legal-basis",
        "GDPR 17(1)(b)",
    ]);
    assert!(
        erased.out.contains("erased: 1 payloads"),
        "{}{}",
        erased.out,
        erased.err
    );
    let export = on_data(&["audit", "export", "--payloads", "--out", "after"]);
    assert_eq!(export.code, 0, "{}", export.err);
    assert_eq!(scene.read("after/disclosures.jsonl").matches(PLANTED).count(), 1);
    assert!(scene.read("after/records.jsonl").contains("subject.erased"));
    // Without the salt nobody can hold a guess of the action against its digest.
    assert_eq!(holding(&scene.path("after"), &salt), Vec::<String>::new());
    let replayed = on_after(&scene, &vkey);
    let gaps = |one: &Value| one.pointer("/gaps/0/field").cloned();
    assert!(
        replayed.iter().any(|one| gaps(one) == Some(json!("payload"))),
        "{replayed:?}"
    );
    for bundle in ["before", "after"] {
        let verdict = scene.run(&["audit", "verify", "--vkey", &vkey, bundle]);
        assert_eq!(verdict.code, 0, "{}{}", verdict.out, verdict.err);
        assert_ne!(scene.python_verifies(&vkey, bundle), Some(false));
    }
    // What the other one is about stays readable, also after a restart.
    drop(server);
    let server = scene.serve(&[]);
    let show = on_data(&["audit", "export", "--payloads", "--out", "later"]);
    assert_eq!(show.code, 0, "{}", show.err);
    assert!(
        scene
            .read("later/disclosures.jsonl")
            .contains(&format!("\"index\":{record},"))
    );
    drop(server);
    assert_eq!(holding(&scene.path("data"), PLANTED), Vec::<String>::new());
}

/// A clock that a test sets.
#[derive(Clone)]
pub(crate) struct Hands(Arc<AtomicI64>);

impl Clock for Hands {
    fn read(&self) -> Reading {
        Reading {
            now: Time(self.0.fetch_add(1, Ordering::Relaxed)),
            jumped: None,
        }
    }
    fn accept(&self) {}
    fn follow(&self, _: Time) {}
    fn not_before(&self, instant: Time) {
        self.0.fetch_max(instant.0 + 1, Ordering::Relaxed);
    }
}

/// Makes a ledger of 300 decisions, half a year ago, and prunes it. Answers the log's key.
pub(crate) async fn prune_an_old_ledger(data: &Path) -> String {
    let (engine, hands, vkey) = old_ledger(data).await;
    let caller = Caller::operator("acme".into());
    hands.0.fetch_add(Span::days(100).0, Ordering::Relaxed);
    engine.destroy_due(&caller.org).await.expect("payloads go");
    let range = engine
        .prune(&request(&caller, b"{}"), hands.read().now, "their time is over")
        .await;
    assert_eq!(range.expect("old records go"), (0, 256));
    engine.stop();
    vkey
}

fn request<'a>(caller: &'a Caller, body: &'a [u8]) -> Request<'a> {
    Request {
        caller,
        route: "test",
        idempotency_key: None,
        body,
    }
}

/// A ledger of 300 decisions, half a year ago: its engine, the hands of its clock, and the log's key.
pub(crate) async fn old_ledger(data: &Path) -> (Engine, Hands, String) {
    let hands = Hands(Arc::new(AtomicI64::new(
        (SystemClock::default().read().now - Span::days(180)).0,
    )));
    let store = Arc::new(SqliteStore::open(data).expect("a store"));
    let vault = Vault::from_file(&data.join("instance.key"), true).expect("a key");
    let engine = Engine::start(store, vault, Box::new(hands.clone()), Settings::default()).expect("an engine");
    let opened = engine
        .create_organization(NewOrganization {
            name: "acme".into(),
            instance: None,
            currency: "USD".into(),
            zone: "UTC".into(),
            admin: "alex".into(),
        })
        .await
        .expect("an organization");
    let caller = Caller::operator("acme".into());
    let agent = AgentRegistered {
        agent: "bot".into(),
        labels: BTreeMap::new(),
        owner: "team:ops".into(),
        team: None,
    };
    let policy = "organization: acme\nretention: 90_days\n";
    let files = vec![("org.yaml".to_owned(), policy.as_bytes().to_vec())];
    let checked = engine
        .upload_policies(&request(&caller, b"{}"), files)
        .await
        .expect("a policy");
    engine
        .activate_policy(&request(&caller, b"{}"), &checked.hash.expect("a hash"), None)
        .await
        .expect("it is live");
    let registered = engine
        .register_agent(&request(&caller, b"{}"), agent)
        .await
        .expect("an agent");
    let key = registered.key.expect("a key");
    let bot = engine
        .authenticate(countersign_engine::Credential(&key.text))
        .await
        .expect("the agent");
    for number in 0..300 {
        let body = format!(r#"{{"action":"read","args":{{"number":{number}}}}}"#);
        engine
            .decide(&request(&bot, body.as_bytes()))
            .await
            .expect("a decision");
    }
    (engine, hands, opened.vkey)
}

/// A replay of a pruned bundle takes no decision for derived, and does not pass as a fine one.
fn replay_says_what_was_pruned(scene: &Scene, vkey: &str) {
    let replay = |more: &[&str]| scene.run(&[&["audit", "replay", "--vkey", vkey, "bundle"], more].concat());
    let (plain, strict, value) = (replay(&[]), replay(&["--strict"]), replay(&["--json"]).json());
    assert_eq!((plain.code, strict.code), (0, 1), "{}{}", plain.out, plain.err);
    assert!(
        plain.out.contains("NOT DERIVED: the first 256 records were pruned") && !plain.out.contains("REPLAYED"),
        "{}",
        plain.out
    );
    assert_eq!(value["pruned"], json!(256));
    let decisions = scene
        .read("bundle/records.jsonl")
        .matches("\"type\":\"decision.made\"")
        .count();
    assert!(decisions > 0);
    assert_eq!(
        value["total"],
        json!({ "agree": 0, "differ": 0, "not_derivable": decisions })
    );
    for one in value["findings"].as_array().expect("findings") {
        assert_eq!(one["gaps"][0]["field"], json!("ledger"), "{one}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_verifiers_pass_an_export_of_a_pruned_ledger_and_say_what_it_lacks() {
    let scene = Scene::new();
    let vkey = prune_an_old_ledger(&scene.path("data")).await;
    let export = scene.run(&["audit", "export", "--payloads", "--out", "bundle", "--data", "data"]);
    assert_eq!(export.code, 0, "{}", export.err);
    assert_eq!(scene.read("bundle/pruned.hashes").lines().count(), 256);
    assert!(scene.read("bundle/records.jsonl").starts_with('{'));
    let verdict = scene.run(&["audit", "verify", "--vkey", &vkey, "bundle"]);
    assert_eq!(verdict.code, 0, "{}{}", verdict.out, verdict.err);
    assert!(
        verdict.out.contains("what the first 256 records say"),
        "{}",
        verdict.out
    );
    assert_ne!(scene.python_verifies(&vkey, "bundle"), Some(false));
    replay_says_what_was_pruned(&scene, &vkey);
    let doctor = scene.run(&["doctor", "--data", "data"]);
    assert!(
        doctor.out.contains("records are those of its signed checkpoint"),
        "{}{}",
        doctor.out,
        doctor.err
    );
    let again = scene.run(&[
        "ledger",
        "prune",
        "--before",
        "2020-01-01T00:00:00Z",
        "--why",
        "again",
        "--data",
        "data",
    ]);
    assert_eq!(again.code, 1, "{}", again.out);
    assert!(again.err.contains("nothing can be pruned"), "{}", again.err);
}
