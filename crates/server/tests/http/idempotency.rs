//! Repeating a request gives the answer again and does nothing twice.

use serde_json::json;

use crate::support::Acme;

#[tokio::test]
async fn the_same_key_and_body_give_the_same_action() {
    let acme = Acme::start().await;
    let body = br#"{"action": "read", "args": {"n": 1}}"#;
    let first = acme.server.repeatable(&acme.agent, "k-1", "/v1/actions", body).await;
    let again = acme.server.repeatable(&acme.agent, "k-1", "/v1/actions", body).await;
    assert!(!first.is_replayed() && again.is_replayed());
    assert_eq!(first.good(), again.good());
    let other = acme
        .server
        .repeatable(&acme.agent, "k-1", "/v1/actions", br#"{"action": "read"}"#)
        .await;
    assert_eq!(other.problem(422), "idempotency_key_reused");
    let fresh = acme.server.repeatable(&acme.agent, "k-2", "/v1/actions", body).await;
    assert_ne!(fresh.good()["id"], first.good()["id"]);
}

#[tokio::test]
async fn the_same_key_of_another_credential_or_route_is_another_request() {
    let acme = Acme::start().await;
    let other = acme.server.agent(&acme.admin, "bot-2").await;
    let body = br#"{"action": "read"}"#;
    let first = acme
        .server
        .repeatable(&acme.agent, "k", "/v1/actions", body)
        .await
        .good();
    let second = acme.server.repeatable(&other, "k", "/v1/actions", body).await;
    assert!(!second.is_replayed());
    assert_ne!(first["id"], second.good()["id"]);
}

#[tokio::test]
async fn a_repeated_registration_comes_without_the_key() {
    let acme = Acme::start().await;
    let body = br#"{"id": "third", "owner": "team:x"}"#;
    let first = acme.server.repeatable(&acme.admin, "k", "/v1/agents", body).await;
    let again = acme.server.repeatable(&acme.admin, "k", "/v1/agents", body).await;
    assert!(first.good()["key"].as_str().unwrap().starts_with("cs_agent_"));
    assert!(again.is_replayed());
    assert_eq!(again.good()["key"], json!(null));
    assert_eq!(again.good()["agent"], first.good()["agent"]);
}

#[tokio::test]
async fn a_refusal_is_not_remembered_as_done() {
    let acme = Acme::start().await;
    let action = acme.decide(&json!({ "action": "read" })).await;
    let other = json!({ "permit": action["permit"], "action": { "action": "wipe" } }).to_string();
    for _ in 0..2 {
        let refused = acme
            .server
            .repeatable(&acme.agent, "k", "/v1/permits/redeem", other.as_bytes())
            .await;
        assert_eq!(refused.problem(409), "digest_mismatch");
    }
    let pending = acme.pending().await;
    let path = format!("/v1/approvals/{}/votes", pending["approval"]["id"].as_str().unwrap());
    let vote = json!({ "verb": "approve", "action_digest": pending["action_digest"], "snapshot": pending["snapshot"] });
    for _ in 0..2 {
        let refused = acme
            .server
            .repeatable(&acme.admin, "v", &path, vote.to_string().as_bytes())
            .await;
        assert_eq!(refused.problem(403), "not_eligible");
    }
}

#[tokio::test]
async fn a_repeated_redemption_says_go_again_and_is_marked() {
    let acme = Acme::start().await;
    let action = acme.decide(&json!({ "action": "read" })).await;
    let body = json!({ "permit": action["permit"], "action": { "action": "read" } }).to_string();
    let first = acme
        .server
        .repeatable(&acme.agent, "k", "/v1/permits/redeem", body.as_bytes())
        .await;
    let again = acme
        .server
        .repeatable(&acme.agent, "k", "/v1/permits/redeem", body.as_bytes())
        .await;
    assert!(again.is_replayed());
    assert_eq!(first.good(), again.good());
}

#[tokio::test]
async fn a_late_repetition_of_what_changed_nothing_changes_nothing_and_is_answered_alike() {
    let acme = Acme::start().await;
    let listed = acme.server.get(&acme.admin, "/v1/policies").await.good();
    let live = listed["snapshots"][0]["hash"].as_str().unwrap().to_owned();
    let files = json!({ "gate.yaml": "name: gate\nrules: [{ decision: deny }]\n" });
    let path = format!("/v1/policies/{live}/activate");
    let first = acme.server.repeatable(&acme.admin, "k", &path, b"{}").await.good();
    let other = acme.server.policy(&acme.admin, &files).await;
    let again = acme.server.repeatable(&acme.admin, "k", &path, b"{}").await.good();
    let listed = acme.server.get(&acme.admin, "/v1/policies").await.good();
    let decides = (listed["snapshots"].as_array().unwrap().iter()).find(|row| row["live"] == true);
    assert_eq!(decides.unwrap()["hash"], other);
    assert_eq!(first, again);
}

#[tokio::test]
async fn an_idempotency_key_is_visible_ascii_of_bounded_length() {
    let acme = Acme::start().await;
    for bad in ["", "a b", "schlüssel", &"x".repeat(256)] {
        let answer = acme
            .server
            .repeatable(&acme.agent, bad, "/v1/actions", br#"{"action": "read"}"#)
            .await;
        assert_eq!(answer.problem(400), "invalid_idempotency_key", "{bad}");
    }
    let fine = acme
        .server
        .repeatable(&acme.agent, &"x".repeat(255), "/v1/actions", br#"{"action": "read"}"#)
        .await;
    fine.good();
}

#[tokio::test]
async fn a_kill_that_is_repeated_after_its_release_is_answered_from_its_record() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let body = br#"{"scope": "tool", "name": "shell"}"#;
    let first = server.repeatable(admin, "k", "/v1/kill", body).await.good();
    let release = json!({ "scope": "tool", "name": "shell", "reason": "it was a false alarm" });
    assert_eq!(
        server.post(admin, "/v1/kill/release", &release).await.good()["released"],
        true
    );
    let again = server.repeatable(admin, "k", "/v1/kill", body).await;
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(again.good(), first);
    assert_eq!(server.get(admin, "/v1/kill").await.good()["kills"], json!([]));
}

#[tokio::test]
async fn a_repeated_activation_and_upload_say_that_they_are() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let body = json!({ "files": { "gate.yaml": "name: gate\nrules: [{ decision: deny }]\n" } }).to_string();
    for replayed in [None, Some("true")] {
        let uploaded = server.repeatable(admin, "u", "/v1/policies", body.as_bytes()).await;
        let told = uploaded.headers.get("idempotent-replayed").cloned();
        assert_eq!(told.as_deref(), replayed);
        let path = format!("/v1/policies/{}/activate", uploaded.good()["hash"].as_str().unwrap());
        let activated = server.repeatable(admin, "a", &path, b"{}").await;
        assert_eq!(
            activated.headers.get("idempotent-replayed").map(String::as_str),
            replayed
        );
    }
}

#[tokio::test]
async fn what_only_says_that_it_is_done_says_when_it_is_repeated() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    server
        .post(admin, "/v1/kill", &json!({ "scope": "tool", "name": "shell" }))
        .await
        .good();
    let tool = json!({ "tool": "wiki/search", "schema": "0".repeat(64) }).to_string();
    let release = json!({ "scope": "tool", "name": "shell", "reason": "it was a false alarm" }).to_string();
    let policy = "agent: bot\npermissions: [{ action: wipe, allowed: false }]\naudit: { alert_on: wipe_attempt }\n";
    server.policy(admin, &json!({ "bot.yaml": policy })).await;
    acme.decide(&json!({ "action": "wipe" })).await;
    let alerts = server.get(admin, "/v1/alerts").await.good();
    let acknowledge = format!("/v1/alerts/{}/acknowledge", alerts["alerts"][0]["id"].as_str().unwrap());
    let calls = [
        ("/v1/kill/release", release),
        ("/v1/tools", tool),
        (acknowledge.as_str(), "{}".to_owned()),
    ];
    for (path, body) in &calls {
        let first = server.repeatable(admin, "done", path, body.as_bytes()).await;
        let again = server.repeatable(admin, "done", path, body.as_bytes()).await;
        assert!(!first.is_replayed() && again.is_replayed(), "{path}: {again:?}");
        assert_eq!(first.good(), again.good(), "{path}");
    }
}
