//! A policy that is tried beside the live one, over HTTP.

use serde_json::{Value, json};

use crate::support::{Acme, POLICY};

async fn upload(acme: &Acme, text: &str) -> String {
    let body = json!({ "files": { "gate.yaml": text } });
    let stored = acme.server.post(&acme.admin, "/v1/policies", &body).await.good();
    stored["hash"].as_str().unwrap().to_owned()
}

async fn status(acme: &Acme) -> Value {
    acme.server.get(&acme.admin, "/v1/policies:candidate").await.good()
}

#[tokio::test]
async fn what_is_tried_in_the_shadow_is_counted_and_decides_nothing() {
    let acme = Acme::start().await;
    assert_eq!(status(&acme).await["candidate"], Value::Null);
    let strict = upload(
        &acme,
        &POLICY.replace("'read'\"\n  decision: allow", "'read'\"\n  decision: deny"),
    )
    .await;
    let path = format!("/v1/policies/{strict}/shadow");
    let silent = acme.server.post(&acme.admin, &path, &json!({ "rationale": " " })).await;
    assert_eq!(silent.problem(422), "invalid_value");
    let why = json!({ "rationale": "does it deny too much" });
    let tried = acme.server.post(&acme.admin, &path, &why).await.good();
    assert_eq!(
        (&tried["candidate"]["hash"], &tried["candidate"]["stage"]),
        (&json!(strict), &json!("shadow"))
    );
    for action in ["read", "wipe", "read"] {
        let answer = acme.decide(&json!({ "action": action })).await;
        assert_eq!(answer["decision"], if action == "read" { "allow" } else { "deny" });
        assert_eq!(answer["snapshot"], tried["live"]);
    }
    let now = status(&acme).await;
    assert_eq!(now["candidate"]["flips"], json!({ "allow to deny": 2 }), "{now}");
    assert_eq!(
        (
            &now["candidate"]["candidate"]["denied"],
            &now["candidate"]["live"]["denied"]
        ),
        (&json!(3), &json!(1))
    );
    let withdrawn = acme
        .server
        .post(&acme.admin, "/v1/policies:withdraw", &why)
        .await
        .good();
    assert_eq!(withdrawn["candidate"], Value::Null);
    let again = acme.server.post(&acme.admin, "/v1/policies:withdraw", &why).await;
    assert_eq!(again.problem(409), "no_candidate");
}

#[tokio::test]
async fn a_canary_decides_is_taken_back_by_itself_and_what_it_permitted_is_looked_at_anew() {
    let acme = Acme::start().await;
    let loose = upload(&acme, &POLICY.replace("decision: deny", "decision: allow")).await;
    let path = format!("/v1/policies/{loose}/canary");
    let body =
        json!({ "share_permille": 1000, "rationale": "less to ask", "bands": { "after": 3, "denied_permille": 900 } });
    acme.server.post(&acme.admin, &path, &body).await.good();
    // What would be decided is what the canary says.
    let dry = acme
        .server
        .post(&acme.agent, "/v1/actions:dry_run", &json!({ "action": "wipe" }))
        .await
        .good();
    assert_eq!((&dry["decision"], &dry["snapshot"]), (&json!("allow"), &json!(loose)));
    let mut answers = Vec::new();
    for _ in 0..3 {
        let answer = acme.decide(&json!({ "action": "wipe" })).await;
        assert_eq!(
            (&answer["decision"], &answer["snapshot"]),
            (&json!("allow"), &json!(loose)),
            "{answer}"
        );
        answers.push(answer);
    }
    let redeem = async |answer: &Value| {
        let body = json!({ "permit": answer["permit"], "action_digest": answer["action_digest"] });
        acme.server.post(&acme.agent, "/v1/permits/redeem", &body).await
    };
    assert_eq!(
        status(&acme).await["candidate"],
        Value::Null,
        "the third one showed that it goes too far"
    );
    assert_eq!(redeem(&answers[0]).await.problem(409), "policy_changed");
    let after = acme.decide(&json!({ "action": "wipe" })).await;
    assert_eq!(after["decision"], "deny");
    let alerts = acme.server.get(&acme.admin, "/v1/alerts").await.good();
    assert!(alerts.to_string().contains("candidate_halted"), "{alerts}");
}

#[tokio::test]
async fn a_permit_from_before_a_canary_is_looked_at_under_the_canary() {
    let acme = Acme::start().await;
    let read = acme.decide(&json!({ "action": "read" })).await;
    let other = acme.decide(&json!({ "action": "read" })).await;
    let redeem = async |answer: &Value| {
        let body = json!({ "permit": answer["permit"], "action_digest": answer["action_digest"] });
        acme.server.post(&acme.agent, "/v1/permits/redeem", &body).await
    };
    let try_it = async |text: &str| {
        let hash = upload(&acme, text).await;
        let path = format!("/v1/policies/{hash}/canary");
        let body = json!({ "share_permille": 1000, "rationale": "a test" });
        acme.server.post(&acme.admin, &path, &body).await.good();
    };
    try_it(&POLICY.replace("'wipe'", "'burn'")).await;
    redeem(&read).await.good();
    let why = json!({ "rationale": "enough" });
    acme.server
        .post(&acme.admin, "/v1/policies:rollback", &why)
        .await
        .good();
    assert_eq!(status(&acme).await["candidate"], Value::Null);
    try_it(&POLICY.replace("'read'\"\n  decision: allow", "'read'\"\n  decision: deny")).await;
    assert_eq!(redeem(&other).await.problem(409), "policy_changed");
}

#[tokio::test]
async fn what_is_tried_becomes_live_in_one_call() {
    let acme = Acme::start().await;
    let other = upload(&acme, &POLICY.replace("'wipe'", "'burn'")).await;
    let nothing = acme
        .server
        .post(&acme.admin, "/v1/policies:promote", &json!({ "rationale": "now" }))
        .await;
    assert_eq!(nothing.problem(409), "no_candidate");
    let body = json!({ "share_permille": 10, "of": "runs", "rationale": "a hundredth first" });
    let path = format!("/v1/policies/{other}/canary");
    let tried = acme.server.post(&acme.admin, &path, &body).await.good();
    assert_eq!(tried["candidate"]["canary"]["of"], "runs");
    let live = acme
        .server
        .post(
            &acme.admin,
            "/v1/policies:promote",
            &json!({ "rationale": "it is fine" }),
        )
        .await
        .good();
    assert_eq!((&live["live"], &live["candidate"]), (&json!(other), &Value::Null));
    let none = json!({ "share_permille": 0, "rationale": "none" });
    assert_eq!(acme.server.post(&acme.admin, &path, &none).await.status, 422);
    let again = acme.server.post(&acme.admin, &path, &body).await;
    assert_eq!(again.problem(409), "already_live");
}
