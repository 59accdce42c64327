//! The inventory and one agent: what is shown, and what is done with it.

use serde_json::{Value, json};

use crate::stand::Stand;

const PAYS: &str = "agent: bot\ntier: prepare\npermissions: [{ action: read, allowed: true }]\n";

/// Several documents, live.
pub async fn activate(stand: &Stand, files: Value) {
    let body = json!({ "files": files });
    let stored = stand.api(&stand.admin, "POST", "/v1/policies", Some(body)).await;
    let path = format!("/v1/policies/{}/activate", stored["hash"].as_str().unwrap());
    stand
        .api(&stand.admin, "POST", &path, Some(json!({"rationale": "a test"})))
        .await;
}

#[tokio::test]
async fn an_agent_is_registered_its_key_is_shown_once_and_it_is_found() {
    let stand = Stand::start().await;
    let mut root = stand.browser("root").await;
    let shown = root.get("/agents").await.good();
    let form = [("id", "Not An Id"), ("owner", "team:leads")];
    let refused = root.submit(&shown, "/agents", &form).await;
    assert_eq!(refused.status, 422);
    assert!(refused.html.contains("role=\"alert\"") && refused.html.contains("value=\"Not An Id\""));
    let form = [("id", "team/helper"), ("owner", "team:leads"), ("team", "leads")];
    let page = root.submit(&shown, "/agents", &form).await.good();
    assert!(page.html.contains("<pre>cs_agent_"), "{}", page.html);
    assert_eq!(page.header("cache-control"), "no-store");

    let found = root.get("/agents?q=HELP").await.good();
    assert!(found.html.contains("href=\"/agents/team/helper\"") && !found.html.contains("href=\"/agents/bot\""));
    assert!(!found.html.contains("cs_agent_"));
    assert!(
        root.get("/agents?state=paused")
            .await
            .good()
            .html
            .contains("No agent is like that.")
    );
    root.get("/agents/team/helper").await.good();
    assert_eq!(root.get("/agents/team/nobody").await.status, 404);

    let vera = stand.browser("vera").await;
    let shown = vera.get("/agents").await.good();
    assert!(shown.html.contains("href=\"/agents/bot\"") && !shown.html.contains("Register it"));
}

#[tokio::test]
async fn a_pause_takes_a_reason_and_is_told_until_it_ends() {
    let stand = Stand::start().await;
    let mut root = stand.browser("root").await;
    let shown = root.get("/agents/bot").await.good();
    let page = root
        .submit(&shown, "/agents/bot", &[("verb", "pause"), ("reason", " ")])
        .await;
    assert_eq!(page.status, 422);
    assert!(page.html.contains("it takes a reason"), "{}", page.html);
    let done = root
        .submit(&shown, "/agents/bot", &[("verb", "pause"), ("reason", "loops")])
        .await;
    assert_eq!(done.header("location"), "/agents/bot?done=agent_paused");
    let paused = root.get("/agents/bot").await.good();
    assert!(paused.html.contains("Paused: somebody paused it") && paused.html.contains("Let it go on"));
    let done = root
        .submit(&shown, "/agents/bot", &[("verb", "resume"), ("reason", "mended")])
        .await;
    assert_eq!(done.header("location"), "/agents/bot?done=agent_resumed");
    assert!(!root.get("/agents/bot").await.good().html.contains("Paused: "));
}

#[tokio::test]
async fn what_is_missing_is_listed_said_by_a_form_and_then_it_is_made_active() {
    let stand = Stand::start().await;
    activate(
        &stand,
        json!({"acme.yaml": "organization: acme\nrequire: [readiness]\n", "bot.yaml": PAYS}),
    )
    .await;
    let mut root = stand.browser("root").await;
    let shown = root.get("/agents/bot").await.good();
    for wanted in [
        "Still missing",
        "Boundary: What it must never reach",
        "tier prepare",
        "bot.yaml:3",
    ] {
        assert!(shown.html.contains(wanted), "{wanted}: {}", shown.html);
    }
    assert!(!shown.html.contains("Make it active"));
    let mut form = vec![
        ("verb", "describe"),
        ("review_by", "2099-01-01"),
        ("boundary.never_access", "cards\r\nhealth"),
    ];
    for line in [
        "purpose",
        "system",
        "technical_owner",
        "fallback_owner",
        "reviewer",
        "model",
        "prompt",
    ] {
        form.push((line, "x:1"));
    }
    for list in ["environments", "tools", "data", "boundary.reads", "boundary.writes"] {
        form.push((list, "none"));
    }
    for list in [
        "boundary.without_approval",
        "boundary.always_approve",
        "boundary.process",
        "boundary.owning_team",
    ] {
        form.push((list, "none"));
    }
    let done = root.submit(&shown, "/agents/bot", &form).await;
    assert_eq!(
        done.header("location"),
        "/agents/bot?done=agent_described",
        "{}",
        done.html
    );
    let ready = root.get("/agents/bot").await.good();
    assert!(
        ready.html.contains("cards, health") && ready.html.contains("Make it active"),
        "{}",
        ready.html
    );
    let unsure = root.submit(&ready, "/agents/bot", &[("verb", "activate")]).await;
    assert_eq!(unsure.status, 422);
    assert_eq!(stand.act(json!({"action": "read"})).await["status"], "refused");
    let done = root
        .submit(&ready, "/agents/bot", &[("verb", "activate"), ("sure", "1")])
        .await;
    assert_eq!(done.header("location"), "/agents/bot?done=agent_activated");
    assert_eq!(stand.act(json!({"action": "read"})).await["status"], "permitted");
}

#[tokio::test]
async fn a_key_is_issued_and_the_one_that_is_named_is_revoked() {
    let stand = Stand::start().await;
    let mut root = stand.browser("root").await;
    let shown = root.get("/agents/bot").await.good();
    let page = root
        .submit(&shown, "/agents/bot", &[("verb", "issue_key"), ("days", "30")])
        .await;
    let page = page.good();
    let kid = page
        .html
        .split_once("known by <code>")
        .unwrap()
        .1
        .get(..8)
        .unwrap()
        .to_owned();
    let revoke = [("verb", "revoke_key"), ("kid", kid.as_str())];
    assert_eq!(root.submit(&shown, "/agents/bot", &revoke).await.status, 422);
    let revoke = [revoke[0], revoke[1], ("sure", "1")];
    let done = root.submit(&shown, "/agents/bot", &revoke).await;
    assert_eq!(done.header("location"), "/agents/bot?done=revoke_key", "{}", done.html);
    let keys = stand.api(&stand.admin, "GET", "/v1/keys", None).await;
    for key in keys["keys"].as_array().unwrap() {
        assert_eq!(key["revoked"], key["kid"] == kid.as_str(), "{key}");
    }
}

#[tokio::test]
async fn a_step_that_is_not_earned_is_not_granted_and_says_what_is_missing() {
    let stand = Stand::start().await;
    let rules = "organization: acme\ndefault_route: { to: [team:leads], deadline: 1h }\nteams: [leads]\n\
                 autonomy: { to_post_action: { successes: 2, max_error: 5%, days: 0 } }\n";
    activate(
        &stand,
        json!({"acme.yaml": rules, "gate.yaml": "name: gate\nrules: [{ decision: allow }]\n"}),
    )
    .await;
    let mut dana = stand.browser("dana").await;
    let asked = stand.ask(json!({"action": "pay"})).await;
    let shown = dana.get(&format!("/approvals/{asked}")).await.good();
    let names = ["action_digest", "snapshot", "presentation_digest"];
    let values = names.map(|name| shown.field(name));
    let mut form: Vec<(&str, &str)> = names.into_iter().zip(values.iter().map(String::as_str)).collect();
    form.push(("verb", "approve"));
    let done = dana.submit(&shown, &format!("/approvals/{asked}/votes"), &form).await;
    assert_eq!(done.status, 303, "{}", done.html);
    let approval = stand
        .api(&stand.agent, "GET", &format!("/v1/approvals/{asked}"), None)
        .await;
    let path = format!("/v1/actions/{}", approval["action"]["id"].as_str().unwrap());
    let action = stand.api(&stand.agent, "GET", &path, None).await;
    let redeem = json!({"permit": action["permit"], "action": {"action": "pay"}});
    stand
        .api(&stand.agent, "POST", "/v1/permits/redeem", Some(redeem))
        .await;
    stand
        .api(
            &stand.agent,
            "POST",
            &format!("{path}/outcome"),
            Some(json!({"status": "succeeded"})),
        )
        .await;

    let shown = dana.get("/agents/bot").await.good();
    assert!(shown.html.contains("1 more successes (of 2)"), "{}", shown.html);
    let grant = [
        ("verb", "set_mode"),
        ("operation", "pay"),
        ("mode", "post_action"),
        ("reason", "clean"),
    ];
    let page = dana.submit(&shown, "/agents/bot", &grant).await;
    assert_eq!(page.status, 422);
    assert!(page.html.contains("role=\"alert\""), "{}", page.html);
}
