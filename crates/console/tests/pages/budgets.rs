//! Budgets, limits, circuits and tools.

use serde_json::json;

use crate::agents::activate;
use crate::stand::Stand;

const BUDGETS: &str = "budgets: [{ name: day, per: day, limit: 10 USD, estimate: 0.05 }]\n";
const LIMITS: &str = "limits:\n\
                      - { name: hour, action: pay, per: agent, count: 5, within: 1h }\n\
                      - { name: crm-down, tool: 'crm/*', failures: 1, within: 10m, open_for: 5m }\n";

async fn ran(stand: &Stand, action: serde_json::Value, outcome: serde_json::Value) {
    let decided = stand.act(action.clone()).await;
    let redeem = json!({"permit": decided["permit"], "action": action});
    stand
        .api(&stand.agent, "POST", "/v1/permits/redeem", Some(redeem))
        .await;
    let path = format!("/v1/actions/{}/outcome", decided["id"].as_str().unwrap());
    stand.api(&stand.agent, "POST", &path, Some(outcome)).await;
}

#[tokio::test]
async fn what_is_spent_and_counted_is_shown_and_an_open_circuit_is_closed_with_a_reason() {
    let stand = Stand::start().await;
    let gate = "name: gate\nrules: [{ decision: allow }]\n";
    activate(
        &stand,
        json!({"gate.yaml": gate, "budgets.yaml": BUDGETS, "limits.yaml": LIMITS}),
    )
    .await;
    let cost = json!({"amount": "2.50", "currency": "USD"});
    ran(
        &stand,
        json!({"action": "pay"}),
        json!({"status": "succeeded", "cost": cost}),
    )
    .await;
    ran(
        &stand,
        json!({"action": "note", "tool": "crm/note"}),
        json!({"status": "failed"}),
    )
    .await;
    // What failed said nothing of its cost, so the budget took what it is estimated at.
    let mut root = stand.browser("root").await;
    let shown = root.get("/budgets").await.good();
    for wanted in [
        "2.55 spent",
        "7.45",
        "width=\"255\"",
        "1 of 5",
        "Open circuits",
        "Let it through again",
    ] {
        assert!(shown.html.contains(wanted), "{wanted}: {}", shown.html);
    }
    for path in ["/budgets/day", "/limits/hour"] {
        assert!(root.get(path).await.good().html.contains("<caption"), "{path}");
    }
    assert_eq!(root.get("/budgets/none").await.status, 404);
    let circuit = shown.field("circuit");
    let form = [("limit", "crm-down"), ("circuit", circuit.as_str())];
    assert_eq!(root.submit(&shown, "/limits", &form).await.status, 422);
    let form = [form[0], form[1], ("reason", "mended")];
    let done = root.submit(&shown, "/limits", &form).await;
    assert_eq!(done.header("location"), "/budgets?done=circuit_closed", "{}", done.html);
    assert!(!root.get("/budgets").await.good().html.contains("Open circuits"));
    let vera = stand.browser("vera").await;
    assert!(vera.get("/budgets").await.good().html.contains("2.55 spent"));
}

#[tokio::test]
async fn a_tool_that_changed_is_denied_until_somebody_who_looked_approves_what_was_shown() {
    let stand = Stand::start().await;
    for digit in ["1", "2"] {
        let looks = json!({"tool": "read", "schema": digit.repeat(64)});
        stand.api(&stand.admin, "POST", "/v1/tools", Some(looks)).await;
    }
    assert_eq!(stand.act(json!({"action": "read"})).await["status"], "refused");
    let vera = stand.browser("vera").await;
    let shown = vera.get("/tools").await.good();
    assert!(shown.html.contains("denied until somebody approves") && !shown.html.contains("Approve it"));
    let mut root = stand.browser("root").await;
    let shown = root.get("/tools").await.good();
    let schema = shown.field("schema");
    assert_eq!(schema, "2".repeat(64));
    let form = [("tool", "read"), ("schema", schema.as_str())];
    assert_eq!(root.submit(&shown, "/tools", &form).await.status, 422);
    let old = "1".repeat(64);
    let page = root
        .submit(&shown, "/tools", &[form[0], ("schema", &old), ("sure", "1")])
        .await;
    assert_eq!(page.status, 422);
    assert!(page.html.contains("is another one by now"), "{}", page.html);
    let done = root.submit(&shown, "/tools", &[form[0], form[1], ("sure", "1")]).await;
    assert_eq!(done.header("location"), "/tools?done=tool_approved");
    assert_eq!(stand.act(json!({"action": "read"})).await["status"], "permitted");
    assert!(root.get("/tools?q=READ").await.good().html.contains("as registered"));
}
