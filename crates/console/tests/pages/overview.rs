//! What goes on, at a glance.

use serde_json::json;

use crate::stand::Stand;

#[tokio::test]
async fn everybody_with_a_role_sees_what_was_decided_what_waits_and_what_was_denied() {
    let stand = Stand::start().await;
    for _ in 0..3 {
        stand.act(json!({"action": "read"})).await;
    }
    let denied = stand.act(json!({"action": "wipe"})).await;
    let waits = stand
        .ask(json!({"action": "pay", "amount": "20", "currency": "USD"}))
        .await;
    let page = stand.browser("vera").await.get("/overview").await.good();
    let html = &page.html;
    assert!(html.contains("3 allowed, 1 needs approval, 1 denied"), "{html}");
    assert!(html.contains(&format!("/approvals/{waits}")), "{html}");
    assert!(
        html.contains(&format!("/actions/{}", denied["id"].as_str().unwrap())),
        "{html}"
    );
    assert!(
        html.contains("not witnessed") && html.contains("gate rules[2]"),
        "{html}"
    );
    assert!(!html.contains("/acknowledge"), "a viewer takes note of nothing");
    assert!(html.len() < 100_000, "{}", html.len());
}

#[tokio::test]
async fn a_kill_switch_is_seen_first_and_an_alert_until_somebody_takes_note_of_it() {
    let stand = Stand::start().await;
    let kill = json!({"scope": "agent", "name": "other", "reason": "a <loop>"});
    stand.api(&stand.admin, "POST", "/v1/kill", Some(kill)).await;
    // Nobody is known by the name that policy asks for: an alert.
    stand
        .activate("name: gate\nrules: [{ decision: require_approval, approvers: [nobody-known] }]\n")
        .await;
    stand.act(json!({"action": "pay"})).await;
    let mut root = stand.browser("root").await;
    let shown = root.get("/overview").await.good();
    assert!(shown.html.contains("Stopped: agent other."), "{}", shown.html);
    let alerts = stand.api(&stand.admin, "GET", "/v1/alerts", None).await;
    let first = alerts["alerts"][0]["id"].as_str().unwrap().to_owned();
    assert!(shown.html.contains(&first));
    let path = format!("/overview/alerts/{first}/acknowledge");
    let noted = root.submit(&shown, &path, &[]).await;
    assert_eq!(noted.header("location"), "/overview?done=acknowledge");
    assert!(!root.get("/overview").await.good().html.contains(&first));
}
