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

#[tokio::test]
async fn a_person_changes_their_own_zone_and_name_and_nothing_else_of_themselves() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let dana = json!({
        "id": "dana", "name": "Dana", "email": "dana@example.com", "roles": ["viewer"], "teams": ["desk"], "duties": ["cfo"],
    });
    let added = server.post(admin, "/v1/users", &dana).await.good();
    let own = added["key"].as_str().unwrap();
    let path = "/v1/whoami/profile";
    let changed = server
        .call(own, "PUT", path, Some(&json!({ "zone": "Asia/Tokyo" })))
        .await
        .good();
    assert_eq!(changed["user"]["zone"], "Asia/Tokyo");
    assert_eq!(server.get(own, "/v1/whoami").await.good()["zone"], "Asia/Tokyo");
    let named = json!({ "name": "Dana Q" });
    let named = server.call(own, "PUT", path, Some(&named)).await.good();
    assert_eq!(
        (&named["name"], &named["email"]),
        (&json!("Dana Q"), &json!("dana@example.com"))
    );
    let user = &server.get(admin, "/v1/users/dana").await.good()["user"];
    assert_eq!(
        (&user["roles"], &user["teams"], &user["duties"], &user["zone"]),
        (
            &json!(["viewer"]),
            &json!(["desk"]),
            &json!(["cfo"]),
            &json!("Asia/Tokyo")
        )
    );
    for (body, code) in [
        (json!({ "zone": "Mars/Base" }), "unknown_zone"),
        (json!({ "zone": "UTC", "roles": ["admin"] }), "unknown_field"),
        (json!({ "email": "other@example.com" }), "unknown_field"),
        (json!({}), "missing_field"),
    ] {
        let refused = server.call(own, "PUT", path, Some(&body)).await;
        assert_eq!(refused.problem(422), code, "{body}");
    }
    let agent = server
        .call(&acme.agent, "PUT", path, Some(&json!({ "zone": "UTC" })))
        .await;
    assert_eq!(agent.problem(403), "not_a_person");
    let size = server.get(admin, "/v1/audit/checkpoint").await.good()["size"]
        .as_u64()
        .unwrap();
    let path = format!("/v1/audit?type=user.added&limit=1&min_seq={}", size - 1);
    let seen = server.get(admin, &path).await.good();
    let record = &seen["entries"][0]["record"];
    assert_eq!(
        (&record["actor"]["id"], &record["data"]["user"]),
        (&json!("dana"), &json!("dana"))
    );
    assert!(
        !record.to_string().contains("Dana Q"),
        "what somebody is called lies beside the ledger"
    );
}

#[tokio::test]
async fn key_figures_are_told_with_what_they_are_of_to_whoever_has_a_role() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let dana = server.user(admin, "dana", &["reviewer"], &[]).await;
    let tests = "tests:\n  - { name: reads, agent: bot, action: read, expect: allow }\n";
    server
        .policy(admin, &json!({ "gate.yaml": GATE, "tests.yaml": tests }))
        .await;
    for action in ["read", "read", "read", "drop_table"] {
        acme.decide(&json!({ "action": action })).await;
    }
    let seen = server.get(&dana, "/v1/kpis").await.good();
    let figure = |seen: &serde_json::Value, id: &str| {
        let kpis = seen["kpis"].as_array().unwrap();
        kpis.iter().find(|kpi| kpi["id"] == id).cloned().unwrap()
    };
    let denied = figure(&seen, "denied");
    assert_eq!(
        (&denied["value"], &denied["numerator"], &denied["denominator"]),
        (&json!(250), &json!(1), &json!(4))
    );
    assert_eq!(
        (&denied["unit"], &denied["window"]),
        (&json!("per_mille"), &json!("happened"))
    );
    assert_eq!(denied.get("before"), None, "nothing was decided the week before");
    assert_eq!(
        figure(&seen, "rejected").get("value"),
        None,
        "of nothing there is no share"
    );
    assert_eq!(figure(&seen, "proven_agents")["value"], 1000);
    let tested = figure(&seen, "rules_tested");
    assert_eq!((&tested["numerator"], &tested["denominator"]), (&json!(1), &json!(3)));
    assert!(figure(&seen, "too_fast")["missing"].to_string().contains("theatre"));
    let asked = acme.decide(&json!({ "action": "pay" })).await;
    let seen = server.get(&dana, "/v1/kpis?days=1").await.good();
    assert_eq!(seen["requests"][0]["opened"], 1);
    assert_eq!(figure(&seen, "decision_time_median")["denominator"], 1, "it waits");
    assert_eq!(figure(&seen, "decision_time_median").get("value"), None);
    let id = asked["approval"]["id"].as_str().unwrap();
    let vote = json!({ "verb": "approve", "action_digest": asked["action_digest"], "snapshot": asked["snapshot"] });
    server
        .post(&dana, &format!("/v1/approvals/{id}/votes"), &vote)
        .await
        .good();
    let seen = server.get(&dana, "/v1/kpis?days=1").await.good();
    let time = figure(&seen, "decision_time_median");
    assert_eq!(
        (&time["value"], &time["unit"], &time["numerator"]),
        (&json!(60), &json!("seconds"), &json!(1))
    );
    assert_eq!(seen["times"][0]["answered"], 1);
    assert_eq!(
        (&seen["classes"][0]["class"], &seen["classes"][0]["approved"]),
        (&json!("pay"), &json!(1))
    );
    assert_eq!(
        server.get(&dana, "/v1/kpis?days=15").await.problem(422),
        "invalid_parameter"
    );
    assert_eq!(server.get(&acme.agent, "/v1/kpis").await.status, 403);
}
