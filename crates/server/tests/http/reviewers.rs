//! How people vote, over HTTP.

use countersign_core::Span;
use serde_json::json;

use crate::support::Acme;

const RULES: &str = "organization: acme
theatre: { pace: { of: 2, then: suspend }, streak: { of: 2, then: note } }
";
const GATE: &str = "name: gate\nrules:\n  - { decision: require_approval, approvers: [dana] }\n";

#[tokio::test]
async fn a_person_whose_votes_look_like_no_review_is_seen_suspended_and_restored() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let dana = server.user(admin, "dana", &["reviewer"], &[]).await;
    let files = json!({ "acme.yaml": RULES, "gate.yaml": GATE });
    server.policy(admin, &files).await;

    let action = acme.decide(&json!({ "action": "pay" })).await;
    let path = format!("/v1/approvals/{}", action["approval"]["id"].as_str().unwrap());
    server.get(&dana, &path).await.good();
    server.pass(Span::seconds(90));
    acme.vote(&dana, &action, "approve").await.good();
    let seen = server.get(admin, "/v1/reviewers/dana").await.good();
    assert_eq!(
        (&seen["votes"], &seen["approvals"], &seen["too_fast"]),
        (&json!(1), &json!(1), &json!(0))
    );
    let dwell = seen["median_dwell_ms"].as_i64().unwrap();
    assert!((90_000..150_000).contains(&dwell), "{seen}");
    assert_eq!(seen["agents"][0]["owner"], "team:support", "{seen}");
    assert_eq!(seen["flags"], json!([]));

    for _ in 0..2 {
        let action = acme.decide(&json!({ "action": "pay" })).await;
        acme.vote(&dana, &action, "approve").await.good();
    }
    let all = server.get(admin, "/v1/reviewers").await.good();
    let seen = &all["reviewers"][0];
    assert_eq!(seen["user"], "dana");
    assert_eq!(
        (&seen["streak"], &seen["busiest_hour"]),
        (&json!(3), &json!(3)),
        "{all}"
    );
    assert_eq!(seen["flags"], json!(["pace", "streak"]));
    assert_eq!(seen["response"], "suspend");
    assert_eq!(seen["suspended_for"], json!(["pace", "streak"]));
    assert_eq!(seen["votes_of_all"], 3);
    let alerts = server.get(admin, "/v1/alerts").await.good().to_string();
    assert!(alerts.contains("approval_theatre"), "{alerts}");

    let ask = json!({ "user": "dana", "reason": "we talked" });
    let restore = "/v1/reviewers:restore";
    assert_eq!(server.post(&dana, restore, &ask).await.problem(403), "forbidden");
    assert_eq!(server.get(&dana, "/v1/reviewers").await.problem(403), "forbidden");
    let seen = server.post(admin, restore, &ask).await.good();
    assert_eq!(seen["votes"], 0);
    assert_eq!(seen.get("suspended_since"), None);
    assert_eq!(server.post(admin, restore, &ask).await.problem(404), "not_found");
    assert_eq!(
        server.get(admin, "/v1/reviewers/nobody").await.problem(404),
        "not_found"
    );
    let action = acme.decide(&json!({ "action": "pay" })).await;
    acme.vote(&dana, &action, "approve").await.good();
}

#[tokio::test]
async fn what_review_costs_and_stops_is_shown_in_whole_numbers() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let dana = server.user(admin, "dana", &["reviewer"], &[]).await;
    server.policy(admin, &json!({ "gate.yaml": GATE })).await;
    for verb in ["approve", "reject", "approve", "approve"] {
        let action = acme.decide(&json!({ "action": "pay" })).await;
        let path = format!("/v1/approvals/{}", action["approval"]["id"].as_str().unwrap());
        let seen = server.get(&dana, &path).await.good();
        server.pass(Span::minutes(20));
        let vote = json!({
            "verb": verb, "comment": "so", "action_digest": seen["action_digest"], "snapshot": seen["snapshot"],
        });
        server.post(&dana, &format!("{path}/votes"), &vote).await.good();
    }
    let seen = server.get(admin, "/v1/reviews/economics").await.good();
    assert_eq!((&seen["votes"], &seen["rejections"]), (&json!(4), &json!(1)), "{seen}");
    // Of each reading of twenty minutes fifteen count: one rejection in an hour.
    assert_eq!(
        (&seen["reading_ms"], &seen["rejections_per_100_hours"]),
        (&json!(3_600_000), &json!(100)),
        "{seen}"
    );
    assert_eq!(seen["reviewers"][0]["share"], 10_000);
    assert_eq!(
        seen["pairs"],
        json!([{ "agent": "bot", "user": "dana", "votes": 4, "approvals": 3 }])
    );
    let class = &seen["classes"][0];
    assert_eq!(
        (&class["class"], &class["decided"], &class["approved"]),
        (&json!("pay"), &json!(4), &json!(3))
    );
    assert_eq!(class["could_be_loosened"], false);
    assert_eq!(
        server.get(&dana, "/v1/reviews/economics").await.problem(403),
        "forbidden"
    );
}

#[tokio::test]
async fn a_vote_for_less_is_a_decision_that_counts_as_an_edit_and_is_no_rejection() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let dana = server.user(admin, "dana", &["reviewer"], &[]).await;
    let gate = "name: gate\nrules:\n  - { decision: require_approval, approvers: [dana], editable: [/amount] }\n";
    server.policy(admin, &json!({ "gate.yaml": gate })).await;
    for edits in [true, false] {
        let action = acme
            .decide(&json!({ "action": "pay", "amount": "10", "currency": "USD" }))
            .await;
        let path = format!("/v1/approvals/{}", action["approval"]["id"].as_str().unwrap());
        let seen = server.get(&dana, &path).await.good();
        server.pass(Span::minutes(15));
        let mut vote = json!({
            "verb": if edits { "edit" } else { "approve" }, "comment": "no more than the goods",
            "action_digest": seen["action_digest"], "snapshot": seen["snapshot"],
        });
        if edits {
            vote["set"] = json!({ "/amount": "5" });
        }
        let voted = server.post(&dana, &format!("{path}/votes"), &vote).await.good();
        assert_eq!(voted["state"], "approved", "{voted}");
    }
    let seen = server.get(admin, "/v1/reviews/economics").await.good();
    assert_eq!(
        (&seen["votes"], &seen["edits"], &seen["rejections"]),
        (&json!(2), &json!(1), &json!(0)),
        "{seen}"
    );
    // Half an hour was read for it.
    assert_eq!(seen["edits_per_100_hours"], 200, "{seen}");
    assert_eq!(seen["reviewers"][0]["edits"], 1, "{seen}");
    let class = &seen["classes"][0];
    assert_eq!(
        (&class["decided"], &class["approved"]),
        (&json!(2), &json!(2)),
        "{seen}"
    );
}
