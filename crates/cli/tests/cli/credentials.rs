//! Credentials of tools from the command line: where their values are, and where they never are.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use countersign_client::{Client, ClientError, Credential, Method};
use countersign_testkit_postgres::Postgres;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::scene::{Ran, Scene, Server, text};

/// Values that no detector of secrets would find.
const PIPED: &str = "plain-words-that-open-doors";
const FILED: &str = "other-words-that-open-doors";
const POLICY: &str = "name: gate\nrules:\n  - { decision: allow }\n";

/// Stores a credential whose value comes by standard input.
fn add(scene: &Scene, place: &[&str], value: &str) -> Ran {
    let arguments = [
        &["credentials", "add", "github", "--tool", "github/*", "--json"][..],
        place,
    ]
    .concat();
    let mut command = scene.command(&arguments);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut input = child.stdin.take().expect("its input is piped");
    input.write_all(value.as_bytes()).expect("it reads");
    drop(input);
    Ran::of(child.wait_with_output().expect("it ends"))
}

/// An agent's key, and one of a gateway that gets credentials.
fn keys(scene: &Scene, place: &[&str]) -> (String, String) {
    scene.write("p/gate.yaml", POLICY);
    let run = |arguments: &[&str]| scene.run(&[arguments, place].concat()).json();
    run(&["policy", "upload", "p", "--activate", "--json"]);
    let agent = run(&["agents", "add", "bot", "--owner", "team:ops", "--json"]);
    run(&["users", "add", "gate", "--json"]);
    let gateway = run(&["keys", "add", "--user", "gate", "--scopes", "credential", "--json"]);
    (text(&agent, "/key"), text(&gateway, "/key"))
}

fn client(server: &Server, key: &str) -> Client {
    Client::new(&server.url, &Credential::Key(key.to_owned())).expect("a client")
}

/// A permit that was used.
async fn redeemed(agent: &Client) -> Value {
    let action = json!({ "tool": "github/merge", "args": { "n": 1 } });
    let decided: Value = agent.post("/v1/actions", &action).await.expect("a decision");
    let what = json!({ "permit": decided["permit"], "action_digest": decided["action_digest"] });
    agent
        .post::<Value>("/v1/permits/redeem", &what)
        .await
        .expect("it is used");
    decided["permit"].clone()
}

async fn release(gateway: &Client, permit: &Value) -> Result<Value, ClientError> {
    gateway
        .post("/v1/permits/credential", &json!({ "permit": permit }))
        .await
}

fn files_with(folder: &Path, words: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files_with(&path, words, found);
        } else if path.is_file() && String::from_utf8_lossy(&std::fs::read(&path).expect("a file")).contains(words) {
            found.push(path.display().to_string());
        }
    }
}

#[tokio::test]
async fn a_value_is_in_no_file_log_error_or_export_and_outlives_another_instance_key() {
    let (scene, made) = Scene::initialised();
    let place = ["--data", "data"];
    let (agent_key, gateway_key) = keys(&scene, &place);
    let (outside, mut said) = (Scene::new(), String::new());
    outside.write("value", &format!("{FILED}\n"));
    let file = outside.path("value");
    let by_file = [
        "credentials",
        "add",
        "mail",
        "--tool",
        "mail",
        "--file",
        file.to_str().expect("a path"),
    ];
    for ran in [add(&scene, &place, PIPED), scene.run(&[&by_file[..], &place].concat())] {
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
        said += &(ran.out + &ran.err);
    }
    // What is not taken is not repeated.
    let refused = add(&scene, &place, &PIPED.repeat(1000));
    assert_eq!(refused.code, 2, "{}", refused.err);
    let misplaced = scene.run(&[
        "credentials",
        "add",
        "x",
        "--tool",
        "*x",
        "--file",
        file.to_str().expect("a path"),
        "--data",
        "data",
    ]);
    assert_ne!(misplaced.code, 0);
    for ran in [refused, misplaced] {
        said += &(ran.out + &ran.err);
    }

    let server = scene.serve_with(&[("COUNTERSIGN_LOG", Path::new("debug"))], &[]);
    let (agent, gateway) = (client(&server, &agent_key), client(&server, &gateway_key));
    let admin = client(&server, &text(&made, "/admin_key"));
    let permit = redeemed(&agent).await;
    assert_eq!(release(&gateway, &permit).await.expect("a value")["value"], PIPED);
    let again = release(&gateway, &permit).await.expect_err("there is no second one");
    said += &format!("{again} {again:?}");
    for path in [
        "/v1/credentials",
        "/openapi.json",
        "/metrics",
        "/v1/audit?limit=100",
        "/v1/audit/records",
        "/v1/keys",
    ] {
        let sent = admin.send(Method::GET, path, None, None).await.expect("an answer");
        assert_eq!(sent.status, 200, "{path}");
        said += &String::from_utf8_lossy(&sent.body);
    }
    let listed = scene.run(&["credentials", "list", "--data", "data"]);
    assert!(
        listed.out.contains("github") && listed.out.contains("github/*"),
        "{}",
        listed.out
    );
    said += &(listed.out + &listed.err);
    scene
        .run(&[
            "audit",
            "export",
            "--out",
            "bundle",
            "--payloads",
            "--data",
            "data",
            "--json",
        ])
        .json();
    server.signal(Signal::TERM);
    said += &server.ended().1;
    scene.write("said", &said);
    assert!(
        said.contains("release_credential") && said.contains("credential.released"),
        "{said}"
    );
    for planted in [PIPED, FILED] {
        let mut found = Vec::new();
        files_with(&scene.root, planted, &mut found);
        assert!(found.is_empty(), "{planted}: {found:?}");
    }

    let old = std::fs::read(scene.path("data/instance.key")).expect("a key");
    scene
        .run(&["keys", "rotate-instance", "--data", "data", "--json"])
        .json();
    assert_ne!(std::fs::read(scene.path("data/instance.key")).expect("a key"), old);
    let server = scene.serve(&[]);
    let (agent, gateway) = (client(&server, &agent_key), client(&server, &gateway_key));
    let permit = redeemed(&agent).await;
    assert_eq!(release(&gateway, &permit).await.expect("a value")["value"], PIPED);
    scene
        .run(&["credentials", "remove", "github", "--data", "data", "--json"])
        .json();
    let permit = redeemed(&agent).await;
    let gone = release(&gateway, &permit).await.expect_err("it was removed");
    assert!(gone.to_string().contains("no credential"), "{gone}");
}

#[tokio::test]
async fn on_a_database_every_node_gives_a_value_out_and_another_instance_key_opens_it() {
    let (scene, url) = (Scene::new(), Postgres::shared().database());
    let place = ["--database-url", &url, "--key-file", "instance.key"];
    scene.run(&[&["init", "--json"][..], &place].concat()).json();
    let (agent, gateway) = keys(&scene, &place);
    scene
        .run(&[&["keys", "rotate-instance", "--prepare", "--json"][..], &place].concat())
        .json();
    let first = scene.serve_from(&place);
    assert_eq!(add(&scene, &place, PIPED).json()["version"], 1);
    scene
        .run(&[&["keys", "rotate-instance", "--json"][..], &place].concat())
        .json();
    let second = scene.serve_from(&place);
    let permit = redeemed(&client(&first, &agent)).await;
    assert_eq!(
        release(&client(&second, &gateway), &permit).await.expect("a value")["value"],
        PIPED
    );
    release(&client(&first, &gateway), &permit)
        .await
        .expect_err("there is no second one");
    let permit = redeemed(&client(&second, &agent)).await;
    assert_eq!(
        release(&client(&first, &gateway), &permit).await.expect("a value")["value"],
        PIPED
    );
}
