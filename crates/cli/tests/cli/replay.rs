//! `countersign audit replay` on exports of a real server: what follows is derived, what was forged is found.

use std::path::Path;

use countersign_client::{Client, Credential, Method};
use countersign_tlog::bundle::entries_frame;
use countersign_tlog::{Checkpoint, Edge, SigningKey, canonical_json, leaf_hash};
use serde_json::{Value, json};

use crate::scene::{Ran, Scene, text};

const GATE: &str = "
name: gate
on: [{ agent: bot }]
rules:
  - { condition: \"action == 'look'\", decision: allow }
  - { condition: \"action == 'charge' && args.card.startsWith('4')\", decision: allow }
  - { condition: \"action == 'report'\", decision: allow_with_constraints, constraints: { timeout: 30s } }
  - { condition: \"action == 'pay'\", decision: require_approval, approvers: [leads] }
  - { condition: \"action == 'wipe'\", decision: deny }
  - condition: \"action == 'export' && !has(args.dry_run)\"
    decision: remediate
    remedy: { set: { /args/dry_run: true }, apply: true }
  - { condition: \"action == 'export' && has(args.dry_run)\", decision: allow }
";

/// Every decision, twice with a card number in the action; then a kill, an unknown agent, and a policy that cannot be had.
const ACTIONS: [&str; 9] = [
    r#"{"action":"look"}"#,
    r#"{"action":"look","args":{"card":"4111111111111111"}}"#,
    r#"{"action":"charge","args":{"card":"4111111111111111"}}"#,
    r#"{"action":"report","args":{"rows":12.50,"text":"ä\u0000\"\\"}}"#,
    r#"{"action":"pay","amount":"340.00","currency":"EUR","principal":"dana"}"#,
    r#"{"action":"wipe"}"#,
    r#"{"action":"export","args":{"all":true}}"#,
    r#"{"action":"export","args":{"all":true},"accept_remedy":true}"#,
    r#"{"action":"unheard-of"}"#,
];

struct Exported {
    scene: Scene,
    vkey: String,
}

impl Exported {
    /// A server that decided all of it, and its export.
    async fn new() -> Exported {
        let (scene, made) = Scene::initialised();
        scene.write("p/gate.yaml", GATE);
        scene
            .run(&["policy", "upload", "p", "--activate", "--data", "data", "--json"])
            .json();
        let added = |id: &str| {
            let arguments = ["agents", "add", id, "--owner", "team:ops", "--data", "data", "--json"];
            text(&scene.run(&arguments).json(), "/key")
        };
        let bot = added("bot");
        added("gateway");
        let reviewer = [
            "users", "add", "dana", "--roles", "reviewer", "--teams", "leads", "--data", "data", "--json",
        ];
        scene.run(&reviewer).json();
        let erin = [
            "users", "add", "erin", "--roles", "reviewer", "--teams", "leads", "--data", "data", "--json",
        ];
        scene.run(&erin).json();
        let acting = [
            "keys",
            "add",
            "--agent",
            "gateway",
            "--scopes",
            "act_for:*",
            "--data",
            "data",
            "--json",
        ];
        let gateway = text(&scene.run(&acting).json(), "/key");
        let server = scene.serve(&[]);
        let bot = Client::new(&server.url, &Credential::Key(bot)).expect("a client");
        for action in ACTIONS {
            decide(&bot, action).await;
        }
        let killed = ["kill", "--tool", "look", "--reason", "practice", "--data", "data"];
        assert_eq!(scene.run(&killed).code, 0);
        decide(&bot, ACTIONS[0]).await;
        let gateway = Client::new(&server.url, &Credential::Key(gateway)).expect("a client");
        decide(&gateway, r#"{"action":"look","agent":"stranger"}"#).await;
        let exported = scene.run(&["audit", "export", "--out", "bundle", "--payloads", "--data", "data"]);
        assert_eq!(exported.code, 0, "{}", exported.err);
        let vkey = text(&made, "/vkey");
        Exported { scene, vkey }
    }

    fn replay(&self, vkey: &str, bundle: &str, more: &[&str]) -> (Ran, Value) {
        let ran = self
            .scene
            .run(&[&["audit", "replay", bundle, "--vkey", vkey, "--json"], more].concat());
        let value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}{}", ran.out, ran.err));
        (ran, value)
    }

    /// Writes the bundle anew under a key of one's own, with one record changed: every hash and signature holds.
    fn forge(&self, change: impl Fn(&mut Value) -> bool) -> (String, u64) {
        let lines = self.scene.read("bundle/records.jsonl");
        let (mut entries, mut records, mut edge) = (Vec::new(), String::new(), Edge::new());
        let mut forged = None;
        for (index, line) in lines.lines().enumerate() {
            let mut leaf = line.as_bytes().to_vec();
            let mut record: Value = serde_json::from_str(line).expect("a record");
            if forged.is_none() && change(&mut record) {
                leaf = canonical_json(&record).expect("canonical");
                forged = Some(index as u64);
            }
            entries_frame(&leaf, &mut entries).expect("a frame");
            records.push_str(std::str::from_utf8(&leaf).expect("text"));
            records.push('\n');
            edge.push(leaf_hash(&leaf));
        }
        let origin = self
            .scene
            .read("bundle/checkpoint")
            .lines()
            .next()
            .expect("an origin")
            .to_owned();
        let key = SigningKey::from_seed(&origin, &[5; 32]).expect("a key");
        let (size, root) = (edge.size(), edge.root());
        let head = Checkpoint { origin, size, root }.sign(&key).expect("a checkpoint");
        let folder = self.scene.root.join("bundle");
        std::fs::remove_dir_all(folder.join("proofs")).expect("the proofs are of the true log");
        std::fs::write(folder.join("entries"), entries).expect("written");
        std::fs::write(folder.join("records.jsonl"), records).expect("written");
        std::fs::write(folder.join("checkpoint"), head).expect("written");
        (key.verifying_key().to_string(), forged.expect("a record was changed"))
    }
}

async fn decide(client: &Client, body: &str) {
    let answer = client
        .send(Method::POST, "/v1/actions", Some(body.as_bytes().to_vec()), None)
        .await;
    answer.unwrap_or_else(|error| panic!("{body}: {error}"));
}

fn decision_of(record: &mut Value, action: &str) -> bool {
    record["type"] == "decision.made" && record["data"]["action"] == action
}

#[tokio::test]
async fn an_export_with_every_decision_is_derived_again_but_for_what_was_not_kept_and_read() {
    let exported = Exported::new().await;
    let (ran, value) = exported.replay(&exported.vkey, "bundle", &[]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    let counts = &value["by_outcome"];
    for (decision, agree, gaps) in [
        ("allow", 3, 1),
        ("allow_with_constraints", 1, 0),
        ("remediate", 1, 0),
        ("require_approval", 1, 0),
        ("deny", 4, 0),
        ("approval.opened", 1, 0),
    ] {
        let count = &counts[decision];
        assert_eq!(
            (&count["agree"], &count["not_derivable"]),
            (&json!(agree), &json!(gaps)),
            "{decision}: {value:#}"
        );
        assert_eq!(count["differ"], 0, "{decision}");
    }
    let finding = &value["findings"][0];
    assert_eq!(
        (&finding["outcome"], &finding["gaps"][0]["field"]),
        (&json!("not_derivable"), &json!("args.card"))
    );
    let (strict, _) = exported.replay(&exported.vkey, "bundle", &["--strict"]);
    assert_eq!(strict.code, 1, "with --strict what is not derivable is a no");
    let shown = exported
        .scene
        .run(&["audit", "replay", "bundle", "--vkey", &exported.vkey]);
    assert!(
        shown.out.contains("not derivable  record") && shown.out.contains("args.card"),
        "{}",
        shown.out
    );

    // Without payloads only what never looked at an action is derived.
    std::fs::remove_file(exported.scene.root.join("bundle/disclosures.jsonl")).expect("it was there");
    let (ran, value) = exported.replay(&exported.vkey, "bundle", &[]);
    assert_eq!((ran.code, &value["total"]["differ"]), (0, &json!(0)));
    assert_eq!(
        value["by_outcome"]["allow"],
        json!({ "agree": 0, "differ": 0, "not_derivable": 4 })
    );
    assert_eq!(
        value["by_outcome"]["deny"]["agree"], 2,
        "the kill and the stranger: {value:#}"
    );
}

#[tokio::test]
async fn a_decision_that_does_not_follow_is_found_though_its_log_verifies() {
    let exported = Exported::new().await;
    let (vkey, forged) = exported.forge(|record| {
        let hit = decision_of(record, "wipe");
        if hit {
            record["data"]["decision"] = json!("allow");
        }
        hit
    });
    let verified = exported.scene.run(&["audit", "verify", "--vkey", &vkey, "bundle"]);
    assert_eq!(verified.code, 0, "the forged log is consistent: {}", verified.out);
    let (ran, value) = exported.replay(&vkey, "bundle", &[]);
    assert_eq!(ran.code, 1);
    let finding = &value["findings"][0];
    let wrong: Vec<_> = value["findings"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|one| one["outcome"] == "differs")
        .collect();
    assert_eq!(wrong.len(), 1, "{value:#}");
    assert_eq!(
        (&wrong[0]["record"], &wrong[0]["rule"]),
        (&json!(forged), &json!("gate#rules[4]")),
        "{finding}"
    );
    let difference = &wrong[0]["differences"][0];
    assert_eq!(
        (&difference["field"], &difference["recorded"], &difference["recomputed"]),
        (&json!("decision"), &json!("allow"), &json!("deny"))
    );
    let shown = exported.scene.run(&["audit", "replay", "bundle", "--vkey", &vkey]);
    assert!(
        shown.out.contains("the record says \"allow\", its inputs say \"deny\""),
        "{}",
        shown.out
    );
}

#[tokio::test]
async fn facts_that_the_ledger_does_not_know_are_found() {
    let exported = Exported::new().await;
    let (vkey, forged) = exported.forge(|record| {
        let hit = decision_of(record, "report");
        if hit {
            record["data"]["facts"]["agent"]["owner"] = json!("user:mallory");
        }
        hit
    });
    let (ran, value) = exported.replay(&vkey, "bundle", &[]);
    assert_eq!(ran.code, 1);
    let findings = value["findings"].as_array().expect("a list");
    let wrong = findings
        .iter()
        .find(|one| one["outcome"] == "differs")
        .expect("a finding");
    assert_eq!(
        (&wrong["record"], &wrong["differences"][0]["field"]),
        (&json!(forged), &json!("facts"))
    );
}

#[tokio::test]
async fn a_policy_or_record_that_was_changed_is_refused_before_anything_is_derived() {
    let exported = Exported::new().await;
    let refused = |what: &str| {
        let (ran, value) = exported.replay(&exported.vkey, "bundle", &[]);
        assert_eq!((ran.code, &value["verified"]), (1, &json!(false)), "{what}");
    };
    let folder = exported.scene.root.join("bundle");
    let gate = find(&folder.join("snapshots"), "gate.yaml").expect("the cited policy");
    let policy = std::fs::read_to_string(&gate).expect("a policy");
    std::fs::write(&gate, policy.replace("decision: deny", "decision: allow")).expect("written");
    refused("a policy");
    std::fs::write(&gate, policy).expect("written");
    let (ran, _) = exported.replay(&exported.vkey, "bundle", &[]);
    assert_eq!(ran.code, 0, "as it was, it holds");
    let mut entries = std::fs::read(folder.join("entries")).expect("entries");
    let last = entries.len() - 2;
    entries[last] ^= 1;
    std::fs::write(folder.join("entries"), entries).expect("written");
    refused("a record");
}

fn find(folder: &Path, name: &str) -> Option<std::path::PathBuf> {
    std::fs::read_dir(folder).ok()?.flatten().find_map(|entry| {
        let path = entry.path();
        if path.is_dir() {
            find(&path, name)
        } else {
            path.file_name().is_some_and(|found| found == name).then_some(path)
        }
    })
}
