//! Breaking the glass, over HTTP.

use countersign_core::Span;
use serde_json::{Value, json};

use crate::support::{Acme, Server};

const RULES: &str = "organization: acme
break_glass: { who: [ida], permit: 10m, per_person: 2/30d, review: [sam], review_within: 24h }
";
const GATE: &str = "name: gate\nrules:\n  - { decision: require_approval, approvers: [dana] }\n";

async fn let_through(server: &Server, key: &str, action: &Value) -> crate::support::Answer {
    let path = format!(
        "/v1/approvals/{}/break_glass",
        action["approval"]["id"].as_str().unwrap()
    );
    let body = json!({ "incident": "inc-7", "reason": "the shop is down" });
    server.post(key, &path, &body).await
}

#[tokio::test]
async fn a_person_lets_an_action_through_is_looked_at_and_loses_the_right() {
    let acme = Acme::start().await;
    let Acme {
        server, admin, agent, ..
    } = &acme;
    let dana = server.user(admin, "dana", &["reviewer"], &[]).await;
    let ida = server.user(admin, "ida", &["reviewer"], &[]).await;
    let sam = server.user(admin, "sam", &["reviewer"], &[]).await;
    let files = json!({ "acme.yaml": RULES, "gate.yaml": GATE });
    server.policy(admin, &files).await;
    let action = acme.decide(&json!({ "action": "restart" })).await;
    assert_eq!(
        let_through(server, agent, &action).await.problem(403),
        "agents_cannot_vote"
    );
    assert_eq!(let_through(server, &dana, &action).await.problem(403), "not_eligible");

    let broken = let_through(server, &ida, &action).await.good();
    assert_eq!(broken["state"], "approved");
    assert_eq!(broken["break_glass"]["user"], "ida");
    assert_eq!(broken["break_glass"]["incident"], "inc-7");
    assert_eq!(broken["votes"], json!([]));
    let path = format!("/v1/actions/{}", action["id"].as_str().unwrap());
    let permitted = server.get(agent, &path).await.good();
    let redeem = json!({ "permit": permitted["permit"], "action_digest": permitted["action_digest"] });
    assert_eq!(
        server.post(agent, "/v1/permits/redeem", &redeem).await.good()["go"],
        true
    );

    let timeline = format!("/v1/approvals/{}/timeline", action["approval"]["id"].as_str().unwrap());
    let told = server.get(&dana, &timeline).await.good().to_string();
    assert!(told.contains("`ida` broke the glass for `inc-7`"), "{told}");
    assert!(told.contains("the shop is down"), "{told}");
    let alerts = server.get(admin, "/v1/alerts").await.good().to_string();
    assert!(alerts.contains("glass_broken"), "{alerts}");

    let review = format!("/v1/reviews/{}", broken["break_glass"]["review"].as_str().unwrap());
    let fine = json!({ "finding": "fine" });
    assert_eq!(server.post(&ida, &review, &fine).await.problem(403), "self_approval");
    assert_eq!(server.post(&dana, &review, &fine).await.problem(403), "not_eligible");
    server.pass(Span::hours(25));
    // The timer fires beside the request that looks.
    let mut stands = server.get(&dana, "/v1/org/break_glass").await.good();
    while stands["people"][0]["suspended_for"].is_null() {
        stands = server.get(&dana, "/v1/org/break_glass").await.good();
    }
    assert_eq!(stands["people"][0]["suspended_for"], "overdue", "{stands}");
    assert_eq!(stands["people"][0]["uses"], 1);
    assert_eq!(server.post(&sam, &review, &fine).await.good()["finding"], "fine");

    let action = acme.decide(&json!({ "action": "restart" })).await;
    assert_eq!(let_through(server, &ida, &action).await.problem(403), "right_suspended");
    let restore = json!({ "user": "ida", "reason": "the look was late, not wrong" });
    assert_eq!(
        server
            .post(&ida, "/v1/org/break_glass:restore", &restore)
            .await
            .problem(403),
        "forbidden"
    );
    let stands = server.post(admin, "/v1/org/break_glass:restore", &restore).await.good();
    assert_eq!(stands["people"][0].get("suspended_for"), None);
    let_through(server, &ida, &action).await.good();
    let action = acme.decide(&json!({ "action": "restart" })).await;
    assert_eq!(let_through(server, &ida, &action).await.problem(429), "quota_used");
}
