//! Budgets over HTTP: what an action would leave, and what stands where.

use serde_json::json;

use crate::support::Acme;

const GATE: &str = "name: gate\nrules:\n  - { decision: allow }\n";
const ACME: &str = "organization: acme\ncurrency: USD\n";
const BUDGETS: &str = "budgets:
  - { name: mail/month, action: mail, per: month, of: organization, limit: 10.00 USD, projected: 8.00 USD }
  - { name: runs, action: research, per: task, limit: 2.00 USD }
  - { name: words, action: write, per: day, limit: 30000 tokens, estimate: 10000, at_cap: pause }
";

#[tokio::test]
async fn an_answer_says_what_an_action_would_leave_and_a_dry_run_takes_nothing() {
    let acme = Acme::start().await;
    let files = json!({ "acme.yaml": ACME, "gate.yaml": GATE, "budgets.yaml": BUDGETS });
    acme.server.policy(&acme.admin, &files).await;
    let mail = json!({ "action": "mail", "estimated_cost": "6.90" });
    let left = json!([{ "id": "mail/month", "left": "3.10", "unit": "USD" }]);
    let dry = acme.server.post(&acme.agent, "/v1/actions:dry_run", &mail).await.good();
    assert_eq!((&dry["status"], &dry["budgets"]), (&json!("permitted"), &left));
    let decided = acme.decide(&mail).await;
    assert_eq!((&decided["status"], &decided["budgets"]), (&json!("permitted"), &left));
    let refused = acme.decide(&mail).await;
    assert_eq!(
        (&refused["status"], &refused["reasons"][0]["code"]),
        (&json!("refused"), &json!("budget.organization"))
    );
    assert_eq!(refused["budgets"][0]["left"], "-3.80");
    // A budget that is not about an action is not in its answer.
    assert_eq!(acme.decide(&json!({ "action": "read" })).await.get("budgets"), None);
}

#[tokio::test]
async fn people_see_what_is_spent_reserved_and_left_and_which_limit_would_be_usual() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let none = server.get(admin, "/v1/budgets").await.good();
    assert_eq!(none["budgets"], json!([]));
    let files = json!({ "acme.yaml": ACME, "gate.yaml": GATE, "budgets.yaml": BUDGETS });
    server.policy(admin, &files).await;
    let fresh = server.get(admin, "/v1/budgets/mail%2Fmonth").await.good();
    assert_eq!(fresh["accounts"][0]["left"], "10.00");
    assert_eq!(fresh["accounts_in_use"], 0);
    acme.decide(&json!({ "action": "mail", "estimated_cost": "2.50" }))
        .await;
    acme.decide(&json!({ "action": "write" })).await;
    for (run, cost) in [("a", "0.30"), ("b", "0.50")] {
        let decided = acme
            .decide(&json!({ "action": "research", "run": run, "estimated_cost": "1" }))
            .await;
        let redeem = json!({ "permit": decided["permit"], "action_digest": decided["action_digest"] });
        server.post(&acme.agent, "/v1/permits/redeem", &redeem).await.good();
        let outcome = json!({ "status": "succeeded", "cost": { "amount": cost, "currency": "USD" } });
        let path = format!("/v1/actions/{}/outcome", decided["id"].as_str().unwrap());
        server.post(&acme.agent, &path, &outcome).await.good();
    }
    let all = server.get(admin, "/v1/budgets").await.good();
    let names: Vec<_> = all["budgets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["id"])
        .collect();
    assert_eq!(names, ["mail/month", "runs", "words"]);
    let month = &all["budgets"][0];
    assert_eq!(
        [
            &month["per"],
            &month["of"],
            &month["unit"],
            &month["limit"],
            &month["projected"],
            &month["at_cap"]
        ],
        ["month", "organization", "USD", "10.00", "8.00", "deny"]
    );
    let account = &month["accounts"][0];
    assert_eq!(
        [
            &account["whose"],
            &account["spent"],
            &account["reserved"],
            &account["left"],
            &account["state"]
        ],
        ["organization", "0.00", "2.50", "7.50", "within"]
    );
    assert!(account["from"].as_str().unwrap() < account["until"].as_str().unwrap());
    let words = &all["budgets"][2]["accounts"][0];
    assert_eq!([&words["whose"], &words["left"]], ["agent:bot", "20000"]);
    // The list has one account of each budget, the fullest; the budget itself has them all.
    assert_eq!(all["budgets"][1]["accounts"].as_array().unwrap().len(), 1);
    let runs = server.get(admin, "/v1/budgets/runs").await.good();
    let spent: Vec<_> = runs["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["spent"])
        .collect();
    assert_eq!(spent, ["0.50", "0.30"]);
    assert_eq!(
        runs["suggested"],
        json!({ "task_cost": "0.40", "from": "1.20", "to": "2.00" })
    );
    assert_eq!(server.get(admin, "/v1/budgets/nothing").await.problem(404), "not_found");
    acme.decide(&json!({ "action": "mail", "estimated_cost": "7.50" }))
        .await;
    let full = server.get(admin, "/v1/budgets").await.good();
    assert_eq!(full["budgets"][0]["accounts"][0]["state"], "exhausted");
}
