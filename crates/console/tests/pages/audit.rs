//! The ledger: searched, a record with its proof, an action with its reasons.

use serde_json::json;

use crate::stand::Stand;

#[tokio::test]
async fn a_search_finds_records_by_what_was_typed_and_says_what_it_cannot_read() {
    let stand = Stand::start().await;
    let denied = stand.act(json!({"action": "wipe", "args": {"what": "<script>"}})).await;
    let index = denied["receipt"]["index"].as_u64().unwrap();
    stand
        .api(&stand.admin, "GET", &format!("/v1/audit?min_seq={index}"), None)
        .await;
    let root = stand.browser("root").await;
    let found = root
        .get("/audit?agent=bot&action=wipe&decision=deny&type=&from=2020-01-01&to=")
        .await
        .good();
    assert!(
        found.html.contains(&format!("/audit/records/{index}\"")),
        "{}",
        found.html
    );
    let none = root.get("/audit?agent=nobody&to=2020-01-01").await.good();
    assert!(none.html.contains("No record is like that"));
    for wrong in ["/audit?from=yesterday", "/audit?decision=maybe", "/audit?cursor=x"] {
        let page = root.get(wrong).await;
        assert!(
            page.status == 422 && page.html.contains("role=\"alert\""),
            "{wrong}: {}",
            page.status
        );
    }
    assert_eq!(stand.browser("dana").await.get("/audit").await.status, 403);
}

#[tokio::test]
async fn pages_of_a_search_follow_each_other_without_losing_what_was_typed() {
    let stand = Stand::start().await;
    let mut last = 0;
    for _ in 0..60 {
        last = stand.act(json!({"action": "read"})).await["receipt"]["index"]
            .as_u64()
            .unwrap();
    }
    let path = format!("/v1/audit?min_seq={last}");
    stand.api(&stand.admin, "GET", &path, None).await;
    let root = stand.browser("root").await;
    let first = root.get("/audit?type=decision.made").await.good();
    let (_, rest) = first
        .html
        .split_once("rel=\"next\"")
        .map(|(before, _)| before.rsplit_once("href=\"").unwrap())
        .unwrap();
    let next = rest.split_once('"').unwrap().0.replace("&#38;", "&");
    assert!(
        next.contains("type=decision.made") && next.contains("cursor="),
        "{next}"
    );
    let second = root.get(&next).await.good();
    assert_eq!(first.html.matches("<code>decision.made</code>").count(), 50);
    assert_eq!(second.html.matches("<code>decision.made</code>").count(), 10);
}

#[tokio::test]
async fn a_record_has_what_a_browser_proves_it_by_and_its_payload_is_asked_for() {
    let stand = Stand::start().await;
    let asked = stand
        .act(json!({"action": "pay", "args": {"order": "<i>4521</i>"}}))
        .await;
    let index = asked["receipt"]["index"].as_u64().unwrap();
    let mut root = stand.browser("root").await;
    let path = format!("/audit/records/{index}");
    let shown = root.get(&path).await.good();
    let leaf = asked["receipt"]["leaf_hash"].as_str().unwrap();
    assert!(shown.html.contains(&format!("data-leaf=\"{leaf}\"")), "{}", shown.html);
    for part in [
        "data-record=\"{&#34;actor",
        "data-hashes=\"",
        "data-vkeys=\"",
        "/assets/verify.",
    ] {
        assert!(shown.html.contains(part), "{part}: {}", shown.html);
    }
    assert!(!shown.html.contains("4521"), "what lies beside is not shown by itself");
    let opened = root
        .submit(&shown, &format!("{path}/payload"), &[("purpose", "work")])
        .await
        .good();
    assert!(opened.html.contains("&lt;i&gt;4521&lt;/i&gt;"), "{}", opened.html);
    assert_eq!(root.get("/audit/records/999999").await.status, 404);
    assert_eq!(stand.browser("dana").await.get(&path).await.status, 403);
}

#[tokio::test]
async fn an_action_says_why_what_its_permit_is_and_what_came_of_it() {
    let stand = Stand::start().await;
    stand
        .activate("name: gate\nrules:\n- { condition: \"has(amount) && amount > 50\", decision: require_approval, approvers: [leads] }\n- { decision: allow }\n")
        .await;
    let asked = stand
        .act(json!({"action": "pay", "amount": "60", "currency": "USD"}))
        .await;
    let id = asked["id"].as_str().unwrap();
    let vera = stand.browser("vera").await;
    let page = vera.get(&format!("/actions/{id}")).await.good();
    for part in [
        "needs approval",
        "none yet: people are asked",
        "In five answers",
        "matched",
        "What would have been",
    ] {
        assert!(page.html.contains(part), "{part}: {}", page.html);
    }
    let allowed = stand.act(json!({"action": "read"})).await;
    let redeem = json!({"permit": allowed["permit"], "action_digest": allowed["action_digest"]});
    stand
        .api(&stand.agent, "POST", "/v1/permits/redeem", Some(redeem))
        .await;
    let id = allowed["id"].as_str().unwrap();
    let outcome = json!({"status": "succeeded", "cost": {"amount": "0.30", "currency": "USD"}});
    stand
        .api(
            &stand.agent,
            "POST",
            &format!("/v1/actions/{id}/outcome"),
            Some(outcome),
        )
        .await;
    let page = vera.get(&format!("/actions/{id}")).await.good();
    for part in ["used", "succeeded", "0.30 USD"] {
        assert!(page.html.contains(part), "{part}: {}", page.html);
    }
    assert_eq!(
        vera.get("/actions/act_00000000000000000000000000000001").await.status,
        404
    );
}

#[tokio::test]
async fn records_are_taken_along_as_a_file_by_whoever_may_audit() {
    let stand = Stand::start().await;
    let denied = stand.act(json!({"action": "wipe"})).await;
    stand.act(json!({"action": "read"})).await;
    let root = stand.browser("root").await;
    let form = root.get("/audit?agent=bot").await.good();
    assert!(
        form.html.contains("action=\"/audit/export\"") && form.html.contains("countersign audit verify --vkey"),
        "{}",
        form.html
    );
    let query = "from=2020-01-01&to=&agent=bot&action=wipe&decision=deny&type=";
    let file = root.get(&format!("/audit/export?format=jsonl&{query}")).await.good();
    assert_eq!(
        file.header("content-disposition"),
        "attachment; filename=\"records.jsonl\""
    );
    assert_eq!(file.header("content-type"), "application/jsonl");
    assert_eq!(file.header("x-content-type-options"), "nosniff");
    let record: serde_json::Value = serde_json::from_str(file.html.trim_end()).unwrap();
    assert_eq!(record["seq"], denied["receipt"]["index"]);
    let csv = root.get(&format!("/audit/export?format=csv&{query}")).await.good();
    assert_eq!(
        csv.header("content-disposition"),
        "attachment; filename=\"records.csv\""
    );
    assert!(
        csv.html.starts_with("seq,ts,") && csv.html.matches("\r\n").count() == 2,
        "{}",
        csv.html
    );
    for wrong in ["from=yesterday", "decision=maybe"] {
        let page = root.get(&format!("/audit/export?format=csv&{wrong}")).await;
        assert!(page.status == 422 && page.html.contains("role=\"alert\""), "{wrong}");
    }
    assert_eq!(stand.browser("dana").await.get("/audit/export").await.status, 403);
    assert_eq!(stand.stranger().get("/audit/export").await.status, 303, "to sign in");
}
