//! Running an organization: kill switches, alerts, policies, callbacks, the record, counters.

use serde_json::json;

use crate::support::{Acme, Server};

#[tokio::test]
async fn a_killed_agent_gets_nothing_until_two_people_release_it() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let second = server.user(admin, "bea", &["admin"], &[]).await;
    let before = acme.decide(&json!({ "action": "read" })).await;
    let kill = json!({ "scope": "agent", "name": "bot", "reason": "a loop" });
    let killed = server.post(admin, "/v1/kill", &kill).await.good();
    assert_eq!(
        (killed["scope"].as_str(), killed["by"].as_str()),
        (Some("agent"), Some("alex"))
    );
    server.post(&second, "/v1/kill", &kill).await.good();
    let refused = acme.decide(&json!({ "action": "read" })).await;
    assert_eq!(
        (refused["status"].as_str(), refused["reason_code"].as_str()),
        (Some("refused"), Some("killed"))
    );
    let redeem = json!({ "permit": before["permit"], "action": { "action": "read" } });
    assert_eq!(
        server
            .post(&acme.agent, "/v1/permits/redeem", &redeem)
            .await
            .problem(409),
        "killed"
    );

    let release = json!({ "scope": "agent", "name": "bot", "reason": "mended" });
    assert_eq!(
        server.post(admin, "/v1/kill/release", &release).await.good()["released"],
        false
    );
    assert_eq!(
        server.post(admin, "/v1/kill/release", &release).await.problem(409),
        "second_person_needed"
    );
    assert_eq!(
        server.get(admin, "/v1/kill").await.good()["kills"][0]["release_requested_by"],
        "alex"
    );
    assert_eq!(
        server.post(&second, "/v1/kill/release", &release).await.good()["released"],
        true
    );
    assert_eq!(
        server.post(&second, "/v1/kill/release", &release).await.problem(409),
        "not_killed"
    );
    assert_eq!(acme.decide(&json!({ "action": "read" })).await["status"], "permitted");
}

#[tokio::test]
async fn an_alert_is_listed_until_somebody_takes_note() {
    let acme = Acme::start().await;
    let policy =
        "agent: bot\npermissions:\n- action: delete_record\n  allowed: false\naudit:\n- alert_on: delete_attempt\n";
    acme.server.policy(&acme.admin, &json!({ "bot.yaml": policy })).await;
    acme.decide(&json!({ "action": "delete_record" })).await;
    let alerts = acme.server.get(&acme.admin, "/v1/alerts").await.good();
    assert_eq!(alerts["alerts"][0]["name"], "delete_attempt");
    let path = format!("/v1/alerts/{}/acknowledge", alerts["alerts"][0]["id"].as_str().unwrap());
    acme.server.call(&acme.admin, "POST", &path, None).await.good();
    assert_eq!(
        acme.server.get(&acme.admin, "/v1/alerts").await.good()["alerts"],
        json!([])
    );
    assert_eq!(
        acme.server.call(&acme.admin, "POST", &path, None).await.problem(404),
        "not_found"
    );
}

#[tokio::test]
async fn policies_are_listed_shown_activated_and_rolled_back() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let first = server.get(admin, "/v1/policies").await.good()["snapshots"][0]["hash"]
        .as_str()
        .unwrap()
        .to_owned();
    let second = server
        .policy(
            admin,
            &json!({ "bot.yaml": "agent: bot\npermissions:\n- action: read\n  allowed: false\n" }),
        )
        .await;
    assert_ne!(first, second);
    let shown = server.get(admin, &format!("/v1/policies/{first}")).await.good();
    assert_eq!(shown["files"]["gate.yaml"], crate::support::POLICY);
    assert_eq!(acme.decide(&json!({ "action": "read" })).await["decision"], "deny");
    let back = server
        .post(admin, "/v1/policies:rollback", &json!({ "rationale": "too strict" }))
        .await
        .good();
    assert_eq!(back["live"], *first);
    assert_eq!(acme.decide(&json!({ "action": "read" })).await["decision"], "allow");
    let failing = "tests:\n- { agent: bot, action: read, expect: allow }\n";
    let files = json!({ "files": { "tests.yaml": failing, "bot.yaml": "agent: bot\npermissions:\n- action: read\n  allowed: false\n" } });
    let uploaded = server.post(admin, "/v1/policies", &files).await.good();
    assert_eq!(
        (
            uploaded["ok"].as_bool(),
            uploaded["failed_tests"].as_array().unwrap().len()
        ),
        (Some(false), 1)
    );
    let path = format!("/v1/policies/{}/activate", uploaded["hash"].as_str().unwrap());
    assert_eq!(server.post(admin, &path, &json!({})).await.problem(409), "tests_failed");
}

#[tokio::test]
async fn a_policy_under_change_control_becomes_live_when_others_have_agreed() {
    let acme = Acme::start().await;
    let Acme {
        server, admin, lead, ..
    } = &acme;
    let second = server.user(admin, "gia", &["reviewer"], &["leads"]).await;
    let org = "organization: acme\nteams: [leads]\nchange_control: { policies: { approvers: [team:leads], quorum: 2 } }\n\
schedules: { oncall: { zone: UTC, layers: [{ people: [lea], starts: 2026-01-05T00:00, every: 1d, \
only: [{ days: mon, from: '09:00', to: '10:00' }] }] } }\n";
    let first = server
        .policy(admin, &json!({ "gate.yaml": crate::support::POLICY, "org.yaml": org }))
        .await;
    let deny = "name: gate\nrules: [{ decision: deny }]\n";
    let files = json!({ "files": { "gate.yaml": deny, "org.yaml": org } });
    let uploaded = server.post(admin, "/v1/policies", &files).await.good();
    let strict = uploaded["hash"].as_str().unwrap();
    let path = format!("/v1/policies/{strict}/activate");
    let asked = server
        .post(admin, &path, &json!({ "rationale": "too much fraud" }))
        .await
        .good();
    assert_eq!(asked["live"], *first);
    assert_eq!(
        (
            &asked["pending"]["hash"],
            &asked["pending"]["by"],
            &asked["pending"]["quorum"]
        ),
        (&json!(strict), &json!("alex"), &json!(2))
    );
    let warning = asked["warnings"][0].as_str().unwrap();
    assert!(
        warning.starts_with("within 14 days nobody is on in schedule `oncall` from "),
        "{warning}"
    );
    let again = server.post(admin, &path, &json!({})).await.good();
    assert_eq!(again["pending"], asked["pending"]);
    let votes = format!("/v1/policies/{strict}/votes");
    let proposal = &asked["pending"]["id"];
    let unnamed = json!({ "verb": "approve" });
    assert_eq!(
        server.post(lead, &votes, &unnamed).await.problem(409),
        "another_proposal"
    );
    let yes = json!({ "verb": "approve", "proposal": proposal });
    assert_eq!(server.post(admin, &votes, &yes).await.problem(403), "self_approval");
    assert_eq!(
        server
            .post(lead, &votes, &json!({ "verb": "reject", "proposal": proposal }))
            .await
            .problem(422),
        "reason_required"
    );
    let once = server.post(lead, &votes, &yes).await.good();
    assert_eq!(
        (&once["live"], &once["pending"]["approved_by"]),
        (&json!(first), &json!(["lea"]))
    );
    let listed = server.get(admin, "/v1/policies").await.good();
    assert_eq!(listed["pending"]["approved_by"], json!(["lea"]));
    let twice = server.post(&second, &votes, &yes).await.good();
    assert_eq!((&twice["live"], twice.get("pending")), (&json!(strict), None));
    assert_eq!(acme.decide(&json!({ "action": "read" })).await["decision"], "deny");
    let late = json!({ "from": first, "rationale": "a colleague was faster" });
    let late = server.post(admin, "/v1/policies:rollback", &late).await;
    assert_eq!(late.problem(409), "another_snapshot");
    let silent = server.post(admin, "/v1/policies:rollback", &json!({})).await;
    assert_eq!(silent.problem(422), "reason_required");
    let why = json!({ "rationale": "too much is denied" });
    let back = server.post(admin, "/v1/policies:rollback", &why).await.good();
    assert_eq!(
        (&back["live"], &back["pending"]["hash"]),
        (&json!(strict), &json!(first))
    );
}

#[tokio::test]
async fn receivers_of_callbacks_are_registered_listed_and_removed() {
    let acme = Acme::start().await;
    let url = json!({ "url": "https://hooks.example.com/countersign" });
    let registered = acme.server.post(&acme.admin, "/v1/callbacks", &url).await.good();
    assert!(registered["secret"].as_str().unwrap().starts_with("whsec_"));
    assert_eq!(
        acme.server.post(&acme.admin, "/v1/callbacks", &url).await.problem(409),
        "already_registered"
    );
    let listed = acme.server.get(&acme.admin, "/v1/callbacks").await.good();
    assert_eq!(
        listed["callbacks"],
        json!([{ "id": registered["id"], "url": url["url"] }])
    );
    let body = json!({ "action": "read", "callback_url": "https://hooks.example.com/countersign/7" });
    let action = acme.decide(&body).await;
    let waiting = acme.server.get(&acme.admin, "/v1/callbacks/deliveries").await.good();
    assert_eq!(
        (
            &waiting["deliveries"][0]["action"],
            waiting["deliveries"][0]["state"].as_str()
        ),
        (&action["id"], Some("pending"))
    );
    let resend = format!(
        "/v1/callbacks/deliveries/{}/resend",
        waiting["deliveries"][0]["id"].as_str().unwrap()
    );
    acme.server.call(&acme.admin, "POST", &resend, None).await.good();
    let path = format!("/v1/callbacks/{}", registered["id"].as_str().unwrap());
    acme.server.call(&acme.admin, "DELETE", &path, None).await.good();
    assert_eq!(
        acme.server.get(&acme.admin, "/v1/callbacks").await.good()["callbacks"],
        json!([])
    );
}

#[tokio::test]
async fn an_id_may_hold_slashes_encoded_or_not() {
    let acme = Acme::start().await;
    acme.server.agent(&acme.admin, "team/billing/bot").await;
    for path in ["/v1/agents/team/billing/bot", "/v1/agents/team%2Fbilling%2fbot"] {
        assert_eq!(
            acme.server.get(&acme.admin, path).await.good()["id"],
            "team/billing/bot",
            "{path}"
        );
    }
    let put = json!({ "owner": "user:alex", "labels": { "stage": "pilot" } });
    let changed = acme
        .server
        .call(&acme.admin, "PUT", "/v1/agents/team%2Fbilling%2Fbot", Some(&put))
        .await
        .good();
    assert_eq!(
        (changed["owner"].as_str(), changed["labels"]["stage"].as_str()),
        (Some("user:alex"), Some("pilot"))
    );
    assert_eq!(
        acme.server
            .call(&acme.admin, "PUT", "/v1/agents/nobody", Some(&put))
            .await
            .problem(404),
        "not_found"
    );
}

#[tokio::test]
async fn the_record_is_searched_proven_and_read_line_by_line() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let mut last = 0;
    for n in 0..5 {
        let answer = acme.decide(&json!({ "action": "read", "args": { "n": n } })).await;
        last = answer["receipt"]["index"].as_u64().unwrap();
    }
    let page = server
        .get(
            admin,
            &format!("/v1/audit?agent=bot&type=decision.made&limit=3&min_seq={last}"),
        )
        .await
        .good();
    assert_eq!(page["entries"].as_array().unwrap().len(), 3);
    assert_eq!(page["entries"][0]["receipt"]["index"], last);
    let cursor = page["next_cursor"].as_str().unwrap();
    let next = server
        .get(
            admin,
            &format!("/v1/audit?agent=bot&type=decision.made&limit=3&cursor={cursor}"),
        )
        .await
        .good();
    assert_eq!(
        (next["entries"].as_array().unwrap().len(), next["next_cursor"].as_str()),
        (2, None)
    );

    let proof = server.get(admin, &format!("/v1/audit/proof/{last}")).await.good();
    assert_eq!(proof["leaf_hash"], page["entries"][0]["receipt"]["leaf_hash"]);
    let consistency = server
        .get(admin, &format!("/v1/audit/consistency?from=2&to={last}"))
        .await
        .good();
    assert!(!consistency["hashes"].as_array().unwrap().is_empty());
    let lines = server.get(admin, "/v1/audit/records?from=1&limit=2").await;
    assert_eq!(
        (
            lines.headers["content-type"].as_str(),
            lines.body.iter().filter(|b| **b == b'\n').count()
        ),
        ("application/jsonl", 2)
    );
    assert!(lines.body.starts_with(b"{\"actor\":"));
    let payload = server.get(admin, &format!("/v1/audit/payload/{last}")).await.good();
    let body = payload["body"].as_str().unwrap();
    assert!(
        body.starts_with(r#"{"action":{"action":"read","args":{"n":4}},"salt":""#),
        "{body}"
    );
    let schemas = server.get(admin, "/v1/audit/schemas").await.good();
    assert!(schemas["files"]["decision.made.json"].is_string());
    assert!(
        server.get(admin, "/v1/audit/checkpoint").await.good()["checkpoint"]
            .as_str()
            .unwrap()
            .contains("/audit/1\n")
    );
}

#[tokio::test]
async fn public_keys_are_there_for_everybody() {
    let acme = Acme::start().await;
    acme.server.organization("other").await;
    let all = acme
        .server
        .send("GET", "/.well-known/jwks.json", &[], None)
        .await
        .good();
    assert_eq!(all["keys"].as_array().unwrap().len(), 2);
    let one = acme
        .server
        .send("GET", "/.well-known/jwks.json?organization=acme", &[], None)
        .await
        .good();
    assert_eq!(
        (one["keys"][0]["kty"].as_str(), one["keys"][0]["alg"].as_str()),
        (Some("OKP"), Some("EdDSA"))
    );
    let none = acme
        .server
        .send("GET", "/.well-known/jwks.json?organization=x", &[], None)
        .await;
    assert_eq!(none.problem(404), "not_found");
    let logs = acme
        .server
        .send("GET", "/.well-known/countersign-log.json", &[], None)
        .await
        .good();
    // Two logs, and nobody's name.
    assert_eq!(logs["logs"].as_array().unwrap().len(), 2);
    assert!(!logs.to_string().contains("acme"), "{logs}");
    let own = acme
        .server
        .send("GET", "/.well-known/countersign-log.json?organization=acme", &[], None)
        .await
        .good();
    assert_eq!(own["logs"].as_array().unwrap().len(), 1);
    assert!(logs["logs"].as_array().unwrap().contains(&own["logs"][0]));
    let none = acme
        .server
        .send("GET", "/.well-known/countersign-log.json?organization=x", &[], None)
        .await;
    assert_eq!(none.problem(404), "not_found");
}

#[tokio::test]
async fn an_organization_is_created_listed_closed_and_removed() {
    let server = Server::start().await;
    let key = server.organization("acme").await;
    let again = server
        .operate(None, "POST", "/v1/organizations", Some(&json!({ "name": "acme" })))
        .await;
    assert_eq!(again.problem(409), "already_exists");
    let list = server.operate(None, "GET", "/v1/organizations", None).await.good();
    assert_eq!(list["organizations"][0]["organization"], "acme");
    let path = "/v1/organizations/acme";
    let early = server
        .operate(None, "DELETE", "/v1/organizations/acme?remove=true", None)
        .await;
    assert_eq!(early.problem(409), "organization_open");
    for _ in 0..2 {
        assert_eq!(
            server.operate(None, "DELETE", path, None).await.good()["removed"],
            false
        );
    }
    assert_eq!(server.get(&key, "/v1/whoami").await.problem(401), "unauthenticated");
    let removed = server
        .operate(None, "DELETE", "/v1/organizations/acme?remove=true", None)
        .await
        .good();
    assert_eq!(removed["removed"], true);
    assert_eq!(
        server.operate(None, "DELETE", path, None).await.problem(404),
        "not_found"
    );
    server.organization("acme").await;
}

#[tokio::test]
async fn counters_count() {
    let acme = Acme::start().await;
    acme.decide(&json!({ "action": "read" })).await;
    acme.decide(&json!({ "action": "wipe" })).await;
    acme.server.get("nonsense", "/v1/whoami").await;
    let metrics = acme.server.send("GET", "/metrics", &[], None).await;
    let text = String::from_utf8(metrics.body).unwrap();
    for line in [
        "countersign_decisions_total{decision=\"allow\"} 1",
        "countersign_decisions_total{decision=\"deny\"} 1",
        "countersign_unauthenticated_total 1",
        "countersign_waiting_requests{lane=\"urgent\"} 0",
        "countersign_failed_commits_total 0",
        "countersign_commit_duration_seconds_bucket{le=\"+Inf\"}",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}
