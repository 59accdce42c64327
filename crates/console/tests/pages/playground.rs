//! The playground and the schedules.

use serde_json::json;

use crate::policies::make_live;
use crate::stand::Stand;

#[tokio::test]
async fn an_action_is_tried_and_the_answer_explained_and_nothing_is_recorded() {
    let stand = Stand::start().await;
    let gate = "name: gate\nrules:\n- { name: large, condition: \"has(amount) && amount > 500\", decision: require_approval }\n\
                - { name: small, condition: \"has(amount) && amount <= 500\", decision: allow }\n";
    make_live(&stand, json!({ "gate.yaml": gate })).await;
    let mut root = stand.browser("root").await;
    let form = root.get("/playground?agent=bot&action=pay").await.good();
    assert!(
        form.html.contains("value=\"pay\"") && form.html.contains("<option value=\"bot\">"),
        "{}",
        form.html
    );
    let before = stand.api(&stand.admin, "GET", "/v1/audit/checkpoint", None).await;
    let fields = [
        ("agent", "bot"),
        ("action", "pay"),
        ("amount", "700"),
        ("currency", "USD"),
        ("args", "{\"to\": \"<b>\"}"),
    ];
    let mut filled = fields.to_vec();
    filled.push(("verb", "form"));
    let page = root.submit(&form, "/playground", &filled).await.good();
    for wanted in [
        "People would be asked.",
        "What would change the answer",
        "gate large",
        "gate small",
    ] {
        assert!(page.html.contains(wanted), "{wanted}: {}", page.html);
    }
    assert!(!page.html.contains("\"<b>\""), "{}", page.html);
    // The same as JSON, as the page wrote it.
    let body = json!({"agent": "bot", "action": "pay", "amount": "70", "currency": "USD"}).to_string();
    let page = root
        .submit(&page, "/playground", &[("json", &body), ("verb", "json")])
        .await
        .good();
    assert!(page.html.contains("It would get a permit."), "{}", page.html);
    assert_eq!(
        stand.api(&stand.admin, "GET", "/v1/audit/checkpoint", None).await,
        before
    );

    let mut wrong = fields.to_vec();
    wrong.extend([("verb", "form"), ("args", "order")]);
    wrong.retain(|(name, text)| *name != "args" || *text == "order");
    let page = root.submit(&form, "/playground", &wrong).await;
    assert_eq!(page.status, 422);
    assert!(
        page.html.contains("`args` is not JSON") && page.html.contains("role=\"alert\""),
        "{}",
        page.html
    );
}

#[tokio::test]
async fn whoever_may_not_try_is_told_so() {
    let stand = Stand::start().await;
    let mut vera = stand.browser("vera").await;
    assert!(!vera.get("/inbox").await.good().html.contains("href=\"/playground\""));
    let form = vera.get("/playground").await.good();
    let page = vera
        .submit(
            &form,
            "/playground",
            &[("agent", "bot"), ("action", "pay"), ("verb", "form")],
        )
        .await;
    assert_eq!(page.status, 422);
    assert!(page.html.contains("role=\"alert\""), "{}", page.html);
}

const ORGANIZATION: &str = "organization: acme
teams: [leads]
schedules:
  oncall:
    zone: Europe/Zurich
    layers:
      - { people: [dana, eli], starts: 2026-01-05T09:00, every: 1d, only: [{ days: mon-fri, from: \"09:00\", to: \"18:00\" }] }
routes:
  refunds:
    steps:
      - { to: [schedule:oncall], within: 15m }
      - { to: [leads] }
    deadline: 2h
";

#[tokio::test]
async fn who_is_on_is_shown_changed_and_changed_back() {
    let stand = Stand::start().await;
    make_live(&stand, json!({ "org.yaml": ORGANIZATION })).await;
    let mut dana = stand.browser("dana").await;
    let page = dana.get("/schedules").await.good();
    for wanted in [
        "oncall",
        "Europe/Zurich",
        "gaps",
        "then, if nobody decided in time, 1 of leads",
        "Load",
    ] {
        assert!(page.html.contains(wanted), "{wanted}: {}", page.html);
    }
    let span = [
        ("from", "2030-07-01T09:00"),
        ("to", "2030-07-05T18:00"),
        ("shown", "oncall"),
    ];
    let mut away = span.to_vec();
    away.push(("delegate", "eli"));
    let done = dana.submit(&page, "/schedules/absences", &away).await;
    assert_eq!(
        done.header("location"),
        "/schedules?name=oncall&done=absent",
        "{}",
        done.html
    );
    let absences = stand.api(&stand.admin, "GET", "/v1/org/absences", None).await;
    // Nine in the morning where she is.
    assert_eq!(absences["absences"][0]["from"], "2030-07-01T07:00:00.000000Z");
    let page = dana.get("/schedules").await.good();
    assert!(page.html.contains("eli stands in"), "{}", page.html);
    let id = absences["absences"][0]["id"].as_str().unwrap();
    let done = dana
        .submit(&page, &format!("/schedules/absences/{id}/withdraw"), &[])
        .await;
    assert_eq!(done.header("location"), "/schedules?done=there_again", "{}", done.html);

    let mut turn = span.to_vec();
    turn.extend([("schedule", "oncall"), ("user", "dana"), ("replaces", "eli")]);
    let done = dana.submit(&page, "/schedules/overrides", &turn).await;
    assert_eq!(
        done.header("location"),
        "/schedules?name=oncall&done=swapped",
        "{}",
        done.html
    );
    let page = dana.get("/schedules").await.good();
    assert!(page.html.contains("in place of eli"), "{}", page.html);
    let overrides = stand.api(&stand.admin, "GET", "/v1/org/overrides", None).await;
    let id = overrides["overrides"][0]["id"].as_str().unwrap();
    let done = dana
        .submit(&page, &format!("/schedules/overrides/{id}/withdraw"), &[])
        .await;
    assert_eq!(done.header("location"), "/schedules?done=as_before", "{}", done.html);

    let backwards = [
        ("from", "2030-07-05T09:00"),
        ("to", "2030-07-01T18:00"),
        ("shown", "oncall"),
    ];
    let refused = dana.submit(&page, "/schedules/absences", &backwards).await;
    assert_eq!(refused.status, 422);
    assert!(refused.html.contains("role=\"alert\""), "{}", refused.html);
    let no_time = [("from", "soon"), ("to", "later")];
    assert_eq!(dana.submit(&page, "/schedules/absences", &no_time).await.status, 422);
}
