//! Everything at a glance, and what a person sees of themselves and an admin of others.

use countersign_core::Time;
use serde_json::json;

use crate::support::Acme;

const GATE: &str = "name: gate\nrules:
  - { condition: \"action == 'pay'\", decision: require_approval, approvers: ['user:dana'] }
  - { condition: \"action == 'drop_table'\", decision: deny }
  - { condition: \"action == 'read'\", decision: allow }
";

#[tokio::test]
async fn whoever_has_a_role_sees_what_goes_on_without_reading_the_ledger() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let dana = server.user(admin, "dana", &["reviewer"], &[]).await;
    server.policy(admin, &json!({ "gate.yaml": GATE })).await;
    for action in ["read", "read", "drop_table"] {
        acme.decide(&json!({ "action": action })).await;
    }
    let asked = acme.decide(&json!({ "action": "pay" })).await;
    let seen = server.get(&dana, "/v1/overview").await.good();
    let sum = |name: &str| -> u64 {
        let hours = seen["hours"].as_array().unwrap();
        hours.iter().map(|hour| hour[name].as_u64().unwrap()).sum()
    };
    assert_eq!((sum("allow"), sum("deny"), sum("require_approval")), (2, 1, 1));
    assert_eq!(
        (
            seen["denials"][0]["action"].as_str(),
            seen["denials"][0]["rule"].as_str()
        ),
        (Some("drop_table"), Some("rules[1]"))
    );
    assert_eq!(seen["waiting"]["open"], 1);
    assert_eq!(seen["waiting"]["first"][0]["id"], asked["approval"]["id"]);
    let time = |text: &serde_json::Value| text.as_str().unwrap().parse::<Time>().unwrap().unix_seconds();
    let (opened, now) = (time(&seen["waiting"]["first"][0]["opened"]), time(&seen["now"]));
    assert!((now - opened).abs() < 60, "{opened} {now}");
    assert_eq!(seen["agents"]["active"], 1);
    assert!(seen["ledger"]["size"].as_u64().unwrap() > 4, "{seen}");
    assert_eq!(seen["ledger"].get("witnessed"), None);
    let wrong = server.get(&dana, "/v1/overview?days=15").await;
    assert_eq!(wrong.problem(422), "invalid_parameter");
}

#[tokio::test]
async fn a_person_sees_and_ends_sessions_of_their_own_and_no_others() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let dana = server.user(admin, "dana", &["viewer"], &[]).await;
    let open = async |key: &str| {
        let body = json!({ "key": key }).to_string();
        let headers = [("Content-Type", "application/json")];
        let opened = server.send("POST", "/v1/sessions", &headers, Some(body.as_bytes()));
        opened.await.good()
    };
    let (first, second, others) = (open(&dana).await, open(&dana).await, open(admin).await);
    let session = first["session"].as_str().unwrap();
    let listed = server.get(session, "/v1/sessions").await.good();
    let kids: Vec<_> = (listed["sessions"].as_array().unwrap().iter())
        .map(|one| (one["kid"].clone(), one["own"].as_bool().unwrap()))
        .collect();
    assert_eq!(kids.len(), 2);
    assert!(kids.contains(&(first["kid"].clone(), true)) && kids.contains(&(second["kid"].clone(), false)));
    for (kid, status) in [(&others["kid"], 404), (&second["kid"], 200), (&second["kid"], 404)] {
        let path = format!("/v1/sessions/{}", kid.as_str().unwrap());
        assert_eq!(
            server.call(session, "DELETE", &path, None).await.status,
            status,
            "{path}"
        );
    }
    let ended = second["session"].as_str().unwrap();
    assert_eq!(server.get(ended, "/v1/whoami").await.status, 401);
    // An agent has none, whatever it is called.
    let none = server.get(&acme.agent, "/v1/sessions").await.good();
    assert_eq!(none["sessions"], json!([]));
}

#[tokio::test]
async fn an_admin_sees_what_is_kept_of_a_person_beside_the_ledger() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let dana = json!({ "id": "dana", "name": "Dana D", "email": "dana@example.com", "roles": ["viewer"] });
    let added = server.post(admin, "/v1/users", &dana).await.good();
    let seen = server.get(admin, "/v1/users/dana").await.good();
    assert_eq!(
        (&seen["name"], &seen["email"]),
        (&json!("Dana D"), &json!("dana@example.com"))
    );
    assert_eq!(seen["user"]["roles"], json!(["viewer"]));
    assert_eq!(seen.get("slack_id"), None);
    let own = added["key"].as_str().unwrap();
    assert_eq!(server.get(own, "/v1/users/dana").await.status, 403);
    assert_eq!(server.get(admin, "/v1/users/nobody").await.problem(404), "not_found");
}
