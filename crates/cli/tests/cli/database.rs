//! The binary on a real PostgreSQL: several servers on one database, and commands beside them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use countersign_client::{Client, Credential, Method};
use countersign_testkit_postgres::Postgres;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::scene::{Ran, Scene, Server, text};

/// A scene with an initialised database. Values: its url, and what `init` said.
fn initialised() -> (Scene, String, Value) {
    let (scene, url) = (Scene::new(), Postgres::shared().database());
    let made = scene.run(&["init", "--database-url", &url, "--key-file", "instance.key", "--json"]);
    keeps_the_password(&url, &made);
    let made = made.json();
    (scene, url, made)
}

/// Fails if what a command said has the password that is in the url.
#[track_caller]
fn keeps_the_password(url: &str, ran: &Ran) {
    let (before, _) = url.split_once('@').expect("a password");
    let password = before.rsplit(':').next().expect("a password");
    assert!(
        !format!("{}{}", ran.out, ran.err).contains(password),
        "{}{}",
        ran.out,
        ran.err
    );
}

fn serve(scene: &Scene, url: &str) -> Server {
    scene.serve_from(&["--database-url", url, "--key-file", "instance.key"])
}

async fn ask(server: &Server, key: &str) -> Value {
    let client = Client::new(&server.url, &Credential::Key(key.to_owned())).expect("a client");
    let refund = json!({ "tool": "payments/refund", "amount": "40", "currency": "USD", "args": { "order": "4521" } });
    let body = Some(refund.to_string().into_bytes());
    let answer = client.send(Method::POST, "/v1/actions", body, None).await;
    serde_json::from_slice(&answer.expect("a decision").body).expect("JSON")
}

#[tokio::test]
async fn an_action_is_decided_on_one_server_and_approved_on_another() {
    let (scene, url, made) = initialised();
    let on_database = ["--database-url", &url, "--key-file", "instance.key", "--json"];
    let first = serve(&scene, &url);
    // A command is one more node for a moment.
    let add = ["agents", "add", "first-agent", "--owner", "team:support"];
    let agent = text(&scene.run(&[&add[..], &on_database].concat()).json(), "/key");
    let second = serve(&scene, &url);
    let admin = text(&made, "/admin_key");
    let add = ["users", "add", "dana", "--roles", "reviewer,admin", "--json"];
    let dana = scene.run(&[&add[..], &["--server", &second.url, "--key", &admin]].concat());
    let dana = text(&dana.json(), "/key");

    let decided = ask(&first, &agent).await;
    assert_eq!(text(&decided, "/status"), "pending");
    let (id, approval) = (text(&decided, "/id"), text(&decided, "/approval/id"));
    let approve = [
        "approvals",
        "approve",
        &approval,
        "--server",
        &second.url,
        "--key",
        &dana,
    ];
    let approved = scene.run(&approve);
    assert_eq!(approved.code, 0, "{}", approved.err);
    let client = Client::new(&first.url, &Credential::Key(agent.clone())).expect("a client");
    assert_eq!(client.action(&id, 30).await.expect("the action").status, "permitted");

    // One goes, the other goes on; then both are new, and all is still there.
    first.signal(Signal::TERM);
    let (code, log) = first.ended();
    assert_eq!(code, 0, "{log}");
    assert_eq!(text(&ask(&second, &agent).await, "/status"), "pending");
    drop(second);
    let again = serve(&scene, &url);
    let client = Client::new(&again.url, &Credential::Key(agent)).expect("a client");
    assert_eq!(client.action(&id, 1).await.expect("the action").status, "permitted");
    let export = [
        "audit", "export", "--out", "bundle", "--server", &again.url, "--key", &admin,
    ];
    assert_eq!(scene.run(&export).code, 0);
    let verified = scene.run(&["audit", "verify", "--vkey", &text(&made, "/vkey"), "bundle"]);
    assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_a_server_goes_on_with_is_found_to_be_fine() {
    let (scene, url, made) = initialised();
    let on_database = ["--database-url", &url, "--key-file", "instance.key"];
    let server = serve(&scene, &url);
    let admin = Client::new(&server.url, &Credential::Key(text(&made, "/admin_key"))).expect("a client");
    let over = Arc::new(AtomicBool::new(false));
    let adding = tokio::spawn({
        let over = over.clone();
        async move {
            let mut added = 0;
            while !over.load(Ordering::Relaxed) {
                let agent = json!({ "id": format!("bot-{added}"), "owner": "team:support" });
                let body = Some(agent.to_string().into_bytes());
                admin
                    .send(Method::POST, "/v1/agents", body, None)
                    .await
                    .expect("an agent");
                added += 1;
            }
            added
        }
    });
    for _ in 0..5 {
        let looked = tokio::task::block_in_place(|| scene.run(&[&["doctor"], &on_database[..]].concat()));
        assert_eq!(looked.code, 0, "{}{}", looked.out, looked.err);
    }
    over.store(true, Ordering::Relaxed);
    let added = adding.await.expect("all were answered");
    assert!(added > 20, "only {added} were added meanwhile");
}

#[test]
fn a_database_is_made_once_and_wants_its_own_key() {
    let (scene, url, made) = initialised();
    assert!(text(&made, "/snapshot").starts_with("sha256:"));
    assert!(scene.root.join("policies/organization.yaml").is_file());
    let flags = ["--database-url", &url, "--key-file"];
    let refused = |arguments: &[&str], words: &str| {
        let ran = scene.run(arguments);
        assert!(
            ran.code != 0 && ran.err.contains(words),
            "{arguments:?}: {}{}",
            ran.out,
            ran.err
        );
        keeps_the_password(&url, &ran);
    };
    refused(&[&["init"], &flags[..], &["instance.key"]].concat(), "in use already");
    refused(&[&["init"], &flags[..], &["other.key"]].concat(), "other.key");
    scene.write("wrong.key", "0123456789abcdef0123456789abcdef");
    refused(
        &[&["serve"], &flags[..], &["wrong.key"]].concat(),
        "does not open the secrets",
    );
    refused(&["serve", "--database-url", &url], "key_file");
    refused(
        &["serve", "--database-url", &url, "--data", "data"],
        "cannot be used with",
    );
    let nobody = format!("{}_none", url);
    refused(
        &["serve", "--database-url", &nobody, "--key-file", "instance.key"],
        "cannot be reached",
    );
    let empty = Postgres::shared().database();
    refused(
        &["serve", "--database-url", &empty, "--key-file", "instance.key"],
        "countersign init",
    );
    let looked = scene.run(&[&["doctor"], &flags[..], &["instance.key"]].concat());
    assert!(
        looked.code == 0 && looked.out.contains("are those of its signed checkpoint"),
        "{}{}",
        looked.out,
        looked.err
    );
    keeps_the_password(&url, &looked);
    let reset = scene.run(&[&["users", "reset", "admin"], &flags[..], &["instance.key", "--json"]].concat());
    assert!(text(&reset.json(), "/admin_key").starts_with("cs_"));
}

#[test]
fn the_database_can_be_named_by_the_environment_or_a_file() {
    let (scene, url, _) = initialised();
    let listed = scene
        .command(&["org", "list", "--json"])
        .env("COUNTERSIGN_DATABASE_URL", &url)
        .env("COUNTERSIGN_KEY_FILE", "instance.key")
        .output()
        .expect("the binary runs");
    assert!(
        String::from_utf8_lossy(&listed.stdout).contains("\"main\""),
        "{listed:?}"
    );
    scene.write("one.yaml", &format!("database_url: {url}\nkey_file: instance.key\n"));
    drop(scene.serve_from(&["--config", "one.yaml"]));
    assert_eq!(scene.run(&["config", "check", "one.yaml"]).code, 0);
    let wrong = url.replacen("postgres://", "mysql://", 1);
    for text in [
        format!("database_url: {wrong}\nkey_file: instance.key\n"),
        format!("database_url:\n  {wrong}\nkey_file: instance.key\n"),
        format!("key_file: instance.key\n\"database_url\" : \"{url}?sslmode=perhaps\"\n"),
        format!("database_url: {url}\n"),
        format!("database_url: {url}\ndata: data\nkey_file: instance.key\n"),
    ] {
        scene.write("wrong.yaml", &text);
        for arguments in [["config", "check", "wrong.yaml"], ["serve", "--config", "wrong.yaml"]] {
            let ran = scene.run(&arguments);
            assert!(ran.code != 0, "{text}");
            keeps_the_password(&url, &ran);
        }
    }
}

#[tokio::test]
async fn nodes_of_a_database_get_another_instance_key_one_after_the_other() {
    let (scene, url, made) = initialised();
    let place = ["--database-url", &url, "--key-file", "instance.key"];
    let rotate = |more: &[&str]| scene.run(&[&["keys", "rotate-instance", "--json"][..], &place, more].concat());
    let old = std::fs::read(scene.path("instance.key")).expect("a key");
    let refused = rotate(&[]);
    assert!(
        refused.code != 0 && format!("{}{}", refused.out, refused.err).contains("--prepare"),
        "{}{}",
        refused.out,
        refused.err
    );
    assert_eq!(
        std::fs::read(scene.path("instance.key")).expect("a key"),
        old,
        "nothing was changed"
    );
    rotate(&["--prepare"]).json();
    let next = std::fs::read(scene.path("instance.key.next")).expect("the next key");
    let node = serve(&scene, &url);
    let add = |name: &str| {
        scene.run(
            &[
                &["agents", "add", name, "--owner", "team:support", "--json"][..],
                &place,
            ]
            .concat(),
        )
    };
    let first = text(&add("first-agent").json(), "/key");
    assert_eq!(text(&ask(&node, &first).await, "/status"), "pending");
    let rotated = rotate(&[]).json();
    assert!(
        rotated["secrets"].as_u64().is_some_and(|secrets| secrets >= 5),
        "{rotated}"
    );
    assert_eq!(std::fs::read(scene.path("instance.key")).expect("a key"), next);
    assert!(!scene.path("instance.key.next").exists());
    // The node that knew both goes on, and one that starts with the new key alone.
    assert_eq!(text(&ask(&node, &first).await, "/status"), "pending");
    let second = text(&add("second-agent").json(), "/key");
    let fresh = serve(&scene, &url);
    assert_eq!(text(&ask(&fresh, &first).await, "/status"), "pending");
    // It has no mandate; that it is told so shows that its key is one.
    for node in [&fresh, &node] {
        assert_eq!(text(&ask(node, &second).await, "/status"), "refused");
    }
    let admin = text(&made, "/admin_key");
    scene
        .run(&["users", "list", "--json", "--server", &fresh.url, "--key", &admin])
        .json();
    std::fs::write(scene.path("instance.key"), &old).expect("the old key");
    let refused = scene.run(&[&["users", "reset", "admin"][..], &place].concat());
    assert!(refused.err.contains("does not open the secrets"), "{}", refused.err);
}
