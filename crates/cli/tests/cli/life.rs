//! One action from beginning to end.

use countersign_client::{Client, Credential, Method};
use serde_json::{Value, json};

use crate::scene::{Scene, text};

fn client(url: &str, key: &str) -> Client {
    Client::new(url, &Credential::Key(key.to_owned())).expect("a client")
}

/// The client of the agent that the starter policies are about.
fn first_agent(scene: &Scene, url: &str) -> Client {
    let add = "agents add first-agent --owner team:support --data data --json";
    let words: Vec<&str> = add.split(' ').collect();
    client(url, &text(&scene.run(&words).json(), "/key"))
}

async fn post(client: &Client, path: &str, body: Value) -> Value {
    let answer = client
        .send(Method::POST, path, Some(body.to_string().into_bytes()), None)
        .await;
    let answer = answer.unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_slice(&answer.body).expect("JSON")
}

fn bundle_holds(scene: &Scene, vkey: &str, bundle: &str, more: &[&str]) -> bool {
    let rust = scene.run(&[&["audit", "verify", "--vkey", vkey, bundle, "--json"], more].concat());
    let verdict: Value = serde_json::from_str(&rust.out).expect("JSON");
    let holds = verdict["verified"] == true;
    assert_eq!(rust.code, i32::from(!holds), "the exit code says the same");
    if more.is_empty() {
        assert_eq!(
            scene.python_verifies(vkey, bundle).unwrap_or(holds),
            holds,
            "both verifiers agree"
        );
    }
    holds
}

#[tokio::test]
async fn whoever_begins_with_the_starter_policies_has_a_person_before_whatever_does_more_than_look() {
    let (scene, _) = Scene::initialised();
    let server = scene.serve(&["--policies", "data/policies"]);
    let agent = first_agent(&scene, &server.url);
    let search = json!({ "tool": "tickets/search", "args": { "query": "refund" } });
    let reply = json!({ "tool": "tickets/reply", "args": { "ticket": "T-1", "text": "Hello" } });
    let refund = json!({ "tool": "payments/refund", "amount": "40", "currency": "USD", "args": { "order": "1" } });
    for (body, status) in [(search, "permitted"), (reply, "pending"), (refund, "pending")] {
        assert_eq!(text(&post(&agent, "/v1/actions", body).await, "/status"), status);
    }
    let plan = scene.run(&["autonomy", "plan", "--data", "data", "--json"]).json();
    assert_eq!(plan["weeks"][0]["restricted_percent"], 100, "{plan}");
    assert_eq!(plan["findings"], json!([]));
    let told = scene.run(&["autonomy", "plan", "--data", "data"]);
    assert!(told.out.contains("2 (100 %)"), "{}{}", told.out, told.err);
}

#[tokio::test]
async fn an_action_goes_from_decision_to_verified_record() {
    let (scene, made) = Scene::initialised();
    let vkey = text(&made, "/vkey");
    assert!(text(&made, "/snapshot").starts_with("sha256:"));
    let server = scene.serve(&["--policies", "data/policies"]);
    let agent = first_agent(&scene, &server.url);
    let dana = [
        "users",
        "add",
        "dana",
        "--roles",
        "reviewer,admin",
        "--data",
        "data",
        "--json",
    ];
    let dana = text(&scene.run(&dana).json(), "/key");

    let refund = json!({ "tool": "payments/refund", "amount": "40", "currency": "USD", "args": { "order": "4521" } });
    let decided = post(&agent, "/v1/actions", refund.clone()).await;
    assert_eq!(text(&decided, "/status"), "pending");
    let (id, approval) = (text(&decided, "/id"), text(&decided, "/approval/id"));

    let by_dana = ["--server", &server.url, "--key", &dana];
    let listed = scene.run(&[&["approvals", "list"], by_dana.as_slice()].concat());
    assert!(listed.out.contains(&approval), "{}", listed.out);
    let shown = scene.run(&[&["approvals", "show", &approval], by_dana.as_slice()].concat());
    assert!(shown.out.contains("payments/refund"), "{}{}", shown.out, shown.err);
    let stale = "0".repeat(64);
    let refused = scene.run(
        &[
            &["approvals", "approve", &approval, "--seen", &stale],
            by_dana.as_slice(),
        ]
        .concat(),
    );
    assert_eq!(refused.code, 1, "{}", refused.out);
    let operator = scene.run(&["approvals", "approve", &approval, "--data", "data"]);
    assert!(operator.err.contains("cannot vote"), "{}", operator.err);
    let approved = scene.run(
        &[
            &["approvals", "approve", &approval, "--comment", "checked"],
            by_dana.as_slice(),
        ]
        .concat(),
    );
    assert_eq!(approved.code, 0, "{}", approved.err);

    let permitted = agent.action(&id, 10).await.expect("the action");
    assert_eq!(permitted.status, "permitted");
    let redeemed = post(
        &agent,
        "/v1/permits/redeem",
        json!({ "permit": permitted.permit, "action": refund }),
    )
    .await;
    assert_eq!(redeemed["go"], true);
    let again = agent.send(
        Method::POST,
        "/v1/permits/redeem",
        Some(
            json!({ "permit": permitted.permit, "action": refund })
                .to_string()
                .into_bytes(),
        ),
        None,
    );
    let again = again.await.err().expect("a permit is for once");
    assert_eq!(again.code(), Some("already_redeemed"));
    post(
        &agent,
        &format!("/v1/actions/{id}/outcome"),
        json!({ "status": "succeeded" }),
    )
    .await;

    let told = scene.run(&["audit", "show", &id, "--data", "data"]);
    assert!(
        told.out.contains("`dana` voted approve") && told.out.contains("succeeded"),
        "{}{}",
        told.out,
        told.err
    );
    assert_eq!(
        scene.run(&["audit", "export", "--out", "one", "--data", "data"]).code,
        0
    );
    assert!(bundle_holds(&scene, &vkey, "one", &[]));

    scene
        .run(&["kill", "--all", "--reason", "practice", "--data", "data", "--json"])
        .json();
    let later = [
        "audit",
        "export",
        "--out",
        "two",
        "--payloads",
        "--since",
        "one/checkpoint",
        "--data",
        "data",
    ];
    assert_eq!(scene.run(&later).code, 0);
    assert!(bundle_holds(&scene, &vkey, "two", &[]));
    assert!(bundle_holds(&scene, &vkey, "two", &["--older", "one/checkpoint"]));
    assert!(!scene.read("two/disclosures.jsonl").is_empty());

    let changed = scene
        .read("one/records.jsonl")
        .replacen("payments/refund", "payments/refunds", 1);
    scene.write("one/records.jsonl", &changed);
    assert!(!bundle_holds(&scene, &vkey, "one", &[]), "a changed record is found");
}

#[test]
fn a_folder_that_nobody_has_is_used_without_a_server() {
    let (scene, made) = Scene::initialised();
    scene.run(&["agents", "add", "bot", "--owner", "user:admin", "--data", "data"]);
    let agents = scene.run(&["agents", "list", "--data", "data", "--json"]).json();
    assert_eq!(text(&agents, "/agents/0/id"), "bot");
    scene.write(
        "p/bot.yaml",
        "agent: bot\npermissions:\n- action: look\n  allowed: true\n",
    );
    let uploaded = scene
        .run(&["policy", "upload", "p", "--activate", "--data", "data", "--json"])
        .json();
    assert_eq!(text(&uploaded, "/live"), text(&uploaded, "/hash"));
    let back = scene
        .run(&["policy", "rollback", "--reason", "practice", "--data", "data", "--json"])
        .json();
    assert_eq!(text(&back, "/live"), text(&made, "/snapshot"));
    let keys = scene.run(&["keys", "list", "--data", "data", "--json"]).json();
    let kid = keys["keys"]
        .as_array()
        .expect("keys")
        .iter()
        .find(|key| key["subject"] == "bot")
        .expect("its key");
    let revoked = scene.run(&["keys", "revoke", &text(kid, "/kid"), "--data", "data"]);
    assert_eq!(revoked.code, 0, "{}", revoked.err);
    assert_eq!(scene.run(&["kill", "--agent", "bot", "--data", "data"]).code, 0);
    assert!(scene.run(&["kill", "--list", "--data", "data"]).out.contains("bot"));
    assert_eq!(
        scene
            .run(&["resume", "--agent", "bot", "--reason", "mended", "--data", "data"])
            .code,
        0
    );
    assert_eq!(scene.run(&["alerts", "list", "--data", "data"]).code, 0);
    scene.run(&["org", "add", "second", "--data", "data", "--json"]).json();
    let which = scene.run(&["agents", "list", "--data", "data"]);
    assert!(which.code == 2 && which.err.contains("--org"), "{}", which.err);
    assert_eq!(
        scene.run(&["agents", "list", "--data", "data", "--org", "second"]).code,
        0
    );
    assert_eq!(scene.run(&["org", "delete", "second", "--data", "data"]).code, 0);
}
