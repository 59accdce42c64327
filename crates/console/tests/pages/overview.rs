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

#[tokio::test]
async fn key_figures_say_what_they_are_of_and_what_they_mean_and_nothing_is_never_zero() {
    let stand = Stand::start().await;
    for _ in 0..3 {
        stand.act(json!({"action": "read"})).await;
    }
    let asked = stand
        .act(json!({"action": "pay", "amount": "20", "currency": "USD"}))
        .await;
    let id = asked["approval"]["id"].as_str().unwrap();
    let vote = json!({
        "verb": "reject", "comment": "no", "action_digest": asked["action_digest"], "snapshot": asked["snapshot"],
    });
    let path = format!("/v1/approvals/{id}/votes");
    stand.api(&stand.people["dana"], "POST", &path, Some(vote)).await;
    let page = stand.browser("vera").await.get("/overview/kpis").await.good();
    let figure = |id: &str| {
        let (_, rest) = page.html.split_once(&format!("<li id=\"{id}\">")).unwrap();
        rest.split_once("</li>").unwrap().0.to_owned()
    };
    let alone = figure("decided_without_people");
    assert!(
        alone.contains("<strong>75.0 %</strong>") && alone.contains("3 of 4"),
        "{alone}"
    );
    assert!(
        alone.contains("<details>") && alone.contains("of all decisions."),
        "{alone}"
    );
    assert!(figure("rejected").contains("<strong>100.0 %</strong>"));
    assert!(figure("decision_time_median").contains("up to 1 min"));
    let nothing = figure("canaries_caught");
    assert!(
        nothing.contains("<strong>–</strong>") && !nothing.contains("0.0 %"),
        "{nothing}"
    );
    assert!(figure("governed").contains("no source tells what is called elsewhere"));
    assert!(page.html.contains("1 rejected") && page.html.contains("aria-label=\"Requests by the day"));
    assert!(
        page.html.contains("<td>pay</td>") && page.html.len() < 120_000,
        "{}",
        page.html.len()
    );
    let longer = stand.browser("vera").await.get("/overview/kpis?days=14").await.good();
    assert!(longer.html.contains("<strong>14 days</strong>") && !longer.html.contains(", before "));
    assert!(
        stand
            .browser("vera")
            .await
            .get("/overview")
            .await
            .good()
            .html
            .contains("href=\"/overview/kpis\""),
        "it is found from the overview"
    );
}
