//! What must not be kept, planted wherever a request takes text: it is in no file, no log, no export, and nothing shows it afterwards.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use countersign_client::{Client, Credential, Method};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::scene::{Scene, text};

/// Planted values: a card, a social security number, an IBAN, keys, a token, a private key.
const PLANTED: [&str; 7] = [
    "4539578763621486",
    "536-90-4399",
    "DE89370400440532013000",
    "sk_live_4eC39HqLyjWDarjtT1zdp7dcQ8aBx",
    "AKIAIOSFODNN7EXAMPLQ",
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkphbmUifQ.\
     dozjgNryP4J3jVmNHl0w5N_XgL0n5I8p4vS0t9kQ2cE",
    "-----BEGIN PRIVATE KEY-----MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSk-----END PRIVATE KEY-----",
];

/// Every place of an action that takes text, with `S` for what is planted.
const PLACES: [&str; 24] = [
    r#"{"action":"S"}"#,
    r#"{"action":"read","tool":"S"}"#,
    r#"{"action":"read","env":"S"}"#,
    r#"{"action":"read","principal":"S"}"#,
    r#"{"action":"read","run":"S"}"#,
    r#"{"action":"read","parent":"S"}"#,
    r#"{"action":"read","step":"S"}"#,
    r#"{"action":"read","resource":{"type":"S"}}"#,
    r#"{"action":"read","resource":{"id":"S"}}"#,
    r#"{"action":"read","resource":{"owner":"S"}}"#,
    r#"{"action":"read","resource":{"labels":{"l":"S"}}}"#,
    r#"{"action":"read","args":{"a":{"b":["x","S"]}}}"#,
    r#"{"action":"read","args":{"S":1}}"#,
    r#"{"action":"read","args":{"text":"write to S, please"}}"#,
    r#"{"action":"read","evidence":{"reason":"S"}}"#,
    r#"{"action":"read","labels":{"l":"S"}}"#,
    r#"{"action":"read","model":{"name":"S"}}"#,
    r#"{"action":"read","delegation":["S"]}"#,
    r#"{"action":"read","conflicts":["S"]}"#,
    r#"{"action":"read","amount":"S"}"#,
    r#"{"action":"read","estimated_cost":"S"}"#,
    r#"{"action":"read","S":1}"#,
    r#"{"action":"read","agent":"S"}"#,
    r#"{"action":"pay","args":{"n":"S"},"evidence":{"reason":"S"},"callback_url":"https://example.com/S"}"#,
];

/// A server, killed with the value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server whose log goes to a file: it says more than a pipe holds.
fn serve(scene: &Scene) -> (Running, String) {
    let log = std::fs::File::create(scene.root.join("log")).expect("a file for the log");
    let arguments = [
        "serve",
        "--data",
        "data",
        "--listen",
        "127.0.0.1:0",
        "--log-format",
        "json",
    ];
    let mut command = scene.command(&arguments);
    let mut server = command
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .expect("the server starts");
    let mut line = String::new();
    let mut out = BufReader::new(server.stdout.take().expect("its output is piped"));
    out.read_line(&mut line).expect("it says something");
    let url = line
        .trim()
        .strip_prefix("countersign serves at ")
        .expect("where it serves")
        .to_owned();
    (Running(server), url)
}

/// Files below a folder that hold one of the planted values.
fn holders(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            holders(&path, found);
        } else if path.is_file() {
            let bytes = std::fs::read(&path).expect("a file");
            let text = String::from_utf8_lossy(&bytes);
            for planted in PLANTED.iter().filter(|planted| text.contains(**planted)) {
                let near = text.find(planted).map_or(0, |at| at.saturating_sub(60));
                let near: String = text.get(near..).unwrap_or_default().chars().take(90).collect();
                found.push(format!("{}: {planted}: …{near}", path.display()));
            }
        }
    }
}

async fn post(client: &Client, path: &str, body: &str) -> Value {
    let sent = client
        .send(Method::POST, path, Some(body.as_bytes().to_vec()), None)
        .await;
    let said = match sent {
        Ok(answer) => String::from_utf8_lossy(&answer.body).into_owned(),
        Err(error) => format!("{{\"error\":{:?}}}", error.to_string()),
    };
    serde_json::from_str(&said).unwrap_or_default()
}

#[tokio::test]
async fn what_must_not_be_kept_is_in_no_file_no_log_and_no_export() {
    let (scene, made) = Scene::initialised();
    scene.write(
        "p/gate.yaml",
        "name: gate\nrules:\n  - { condition: \"action == 'pay'\", decision: require_approval, approvers: [admin] }\n  \
         - { condition: \"has(amount) && amount > 5\", decision: deny }\n  - { decision: allow }\n",
    );
    scene
        .run(&["policy", "upload", "p", "--activate", "--data", "data", "--json"])
        .json();
    let bot = [
        "agents", "add", "bot", "--owner", "team:ops", "--data", "data", "--json",
    ];
    let bot = text(&scene.run(&bot).json(), "/key");
    let (mut server, url) = serve(&scene);
    let agent = Client::new(&url, &Credential::Key(bot)).expect("a client");
    let admin = Client::new(&url, &Credential::Key(text(&made, "/admin_key"))).expect("a client");
    for planted in PLANTED {
        for place in PLACES {
            post(&agent, "/v1/actions", &place.replace('S', planted)).await;
        }
        let fine = post(&agent, "/v1/actions", r#"{"action":"read"}"#).await;
        let id = fine["id"].as_str().expect("an id");
        let what = json!({ "permit": fine["permit"], "action_digest": fine["action_digest"] });
        post(&agent, "/v1/permits/redeem", &what.to_string()).await;
        let outcome = json!({
            "status": "failed", "error": planted, "output": { "text": planted },
            "cost": if planted.starts_with("45") { planted } else { "1" }, "currency": "USD",
        });
        post(&agent, &format!("/v1/actions/{id}/outcome"), &outcome.to_string()).await;
        let asked = post(&agent, "/v1/actions", r#"{"action":"pay"}"#).await;
        let approval = text(&asked, "/approval/id");
        let vote = json!({
            "verb": "reject", "comment": format!("not with {planted}"), "action_digest": asked["action_digest"],
            "snapshot": asked["snapshot"],
        });
        post(&admin, &format!("/v1/approvals/{approval}/votes"), &vote.to_string()).await;
        let reason = json!({ "scope": { "kind": "tool", "name": "nothing" }, "reason": planted });
        post(&admin, "/v1/kill", &reason.to_string()).await;
        post(&admin, &format!("/v1/{planted}?q={planted}"), "{").await;
    }
    let exported = scene.run(&["audit", "export", "--out", "bundle", "--payloads", "--data", "data"]);
    assert_eq!(exported.code, 0, "{}", exported.err);
    let shown = scene.run(&["approvals", "list", "--data", "data"]);
    scene.write("shown", &(shown.out + &shown.err));
    let metrics = admin.send(Method::GET, "/metrics", None, None).await.expect("metrics");
    scene.write("metrics", &String::from_utf8_lossy(&metrics.body));
    kill_process(Pid::from_child(&server.0), Signal::TERM).expect("it can be told");
    assert!(server.0.wait().expect("it ends").success());
    assert!(scene.read("log").contains("/v1/"), "the log has its lines");

    let mut found = Vec::new();
    holders(&scene.root, &mut found);
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(
        scene.read("bundle/disclosures.jsonl").contains("$redacted"),
        "what was planted was found"
    );
}
