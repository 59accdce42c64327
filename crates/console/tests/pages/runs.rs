//! Runs: the list, and one in six parts.

use serde_json::json;

use crate::stand::Stand;

#[tokio::test]
async fn a_run_is_shown_in_six_parts_with_its_steps_as_a_tree() {
    let stand = Stand::start().await;
    let started = json!({"trigger": "person", "context": {"ticket": "<i>4521</i>"}});
    let run = stand.api(&stand.agent, "POST", "/v1/runs", Some(started)).await["run"]
        .as_str()
        .unwrap()
        .to_owned();
    let first = stand.act(json!({"action": "read", "run": run, "step": "look"})).await;
    let second = stand
        .act(json!({"action": "pay", "amount": "20", "currency": "USD", "run": run, "parent": first["id"]}))
        .await;
    let last = stand.act(json!({"action": "wipe", "run": run})).await;
    // The list follows the ledger; nobody has to look before it has caught up.
    let list = format!("/v1/runs?min_seq={}", last["receipt"]["index"]);
    stand.api(&stand.admin, "GET", &list, None).await;
    let redeem = json!({"permit": first["permit"], "action": {"action": "read", "run": run, "step": "look"}});
    stand
        .api(&stand.agent, "POST", "/v1/permits/redeem", Some(redeem))
        .await;
    let outcome = json!({"status": "succeeded", "cost": {"amount": "1.20", "currency": "USD"}});
    let path = format!("/v1/actions/{}/outcome", first["id"].as_str().unwrap());
    stand.api(&stand.agent, "POST", &path, Some(outcome)).await;

    let dana = stand.browser("dana").await;
    let list = dana.get("/runs?agent=bot&state=open&trigger=person").await.good();
    assert!(list.html.contains(&format!("href=\"/runs/{run}\"")), "{}", list.html);
    assert!(!dana.get("/runs?state=ended").await.good().html.contains(&run));
    let shown = dana.get(&format!("/runs/{run}")).await.good();
    for wanted in [
        "What set it off",
        "What went in",
        "Steps",
        "Who was asked",
        "What came out",
        "Notes",
    ] {
        assert!(
            shown.html.contains(&format!("{wanted}</h2>")),
            "{wanted}: {}",
            shown.html
        );
    }
    let approval = second["approval"]["id"].as_str().unwrap();
    for wanted in [
        "a person",
        "&lt;i&gt;4521&lt;/i&gt;",
        "1.20 USD",
        "went well",
        "denied",
        approval,
        "<ol>",
    ] {
        assert!(shown.html.contains(wanted), "{wanted}: {}", shown.html);
    }
    assert_eq!(shown.html.matches("<ol").count(), shown.html.matches("</ol>").count());
}

#[tokio::test]
async fn a_note_is_text_and_whoever_may_not_note_has_no_form() {
    let stand = Stand::start().await;
    let run = stand
        .api(&stand.agent, "POST", "/v1/runs", Some(json!({"trigger": "event"})))
        .await;
    let path = format!("/runs/{}", run["run"].as_str().unwrap());
    let mut dana = stand.browser("dana").await;
    let shown = dana.get(&path).await.good();
    let notes = format!("{path}/notes");
    let done = dana
        .submit(&shown, &notes, &[("text", "<script>alert(1)</script>")])
        .await;
    assert_eq!(done.header("location"), format!("{path}?done=noted"));
    let after = dana.get(&path).await.good();
    assert!(after.html.contains("&lt;script&gt;alert(1)") && !after.html.contains("<script>alert"));
    let empty = dana.submit(&shown, &notes, &[("text", "  ")]).await;
    assert_eq!(empty.status, 422);
    let vera = stand.browser("vera").await;
    let shown = vera.get(&path).await.good();
    assert!(shown.html.contains("alert(1)") && !shown.html.contains("Add the note"));
}
