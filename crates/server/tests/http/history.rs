//! What was before a request: what was allowed last and what is other now, how people decided, what came of it.

use countersign_core::Span;
use serde_json::{Value, json};

use crate::support::{Acme, Answer};

const GATE: &str = "
name: gate
rules:
- condition: \"action == 'refund' && has(amount) && amount <= 20\"
  decision: allow
- condition: \"action == 'refund' && has(amount) && amount > 20\"
  decision: require_approval
  approvers: [leads]
  editable: [/amount]
";

/// A desk where refunds above 20 are decided by people.
struct Desk(Acme);

impl Desk {
    async fn start() -> Desk {
        let acme = Acme::start().await;
        acme.server.policy(&acme.admin, &json!({ "gate.yaml": GATE })).await;
        Desk(acme)
    }

    async fn ask(&self, body: &Value) -> Value {
        self.0.decide(body).await
    }

    async fn history_for(&self, key: &str, action: &Value) -> Answer {
        self.0.server.get(key, &path(action, "/history")).await
    }

    async fn history(&self, action: &Value) -> Value {
        self.history_for(&self.0.lead, action).await.good()
    }

    async fn edit(&self, action: &Value, amount: &str) {
        let body = json!({
            "verb": "edit", "set": { "/amount": amount }, "action_digest": action["action_digest"],
            "snapshot": action["snapshot"],
        });
        let votes = path(action, "/votes");
        self.0.server.post(&self.0.lead, &votes, &body).await.good();
    }

    async fn approve(&self, action: &Value) {
        self.0.vote(&self.0.lead, action, "approve").await.good();
    }

    /// Uses the permit and says how it went.
    async fn run(&self, action: &Value, status: &str) {
        let Acme { server, agent, .. } = &self.0;
        let path = format!("/v1/actions/{}", action["id"].as_str().unwrap());
        let permitted = server.get(agent, &path).await.good();
        let redeem = json!({ "permit": permitted["permit"], "action_digest": permitted["action_digest"] });
        server.post(agent, "/v1/permits/redeem", &redeem).await.good();
        let outcome = json!({ "status": status });
        server.post(agent, &format!("{path}/outcome"), &outcome).await.good();
    }
}

fn path(action: &Value, rest: &str) -> String {
    format!("/v1/approvals/{}{rest}", action["approval"]["id"].as_str().unwrap())
}

fn refund(amount: &str, to: &str) -> Value {
    json!({ "action": "refund", "amount": amount, "currency": "EUR", "args": { "to": to, "memo": "June" } })
}

fn places(history: &Value) -> Vec<&str> {
    let changes = history["last_allowed"]["changes"].as_array().unwrap();
    changes.iter().map(|change| change["place"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_was_never_asked_before_is_the_first_time() {
    let desk = Desk::start().await;
    let action = desk.ask(&refund("340", "a")).await;
    let history = desk.history(&action).await;
    assert_eq!(history["approval"], action["approval"]["id"]);
    assert_eq!(
        (&history["looked_at"], &history["complete"], &history["last_allowed"]),
        (&json!(0), &json!(true), &Value::Null)
    );
    assert_eq!(
        (&history["decided"], &history["record"]["allowed"]),
        (&json!([]), &json!(0))
    );
    // What others do, and what this one does with something else, is nothing like it.
    desk.ask(&json!({ "action": "refund", "tool": "erp", "amount": "5", "currency": "EUR" }))
        .await;
    let other = desk.0.server.agent(&desk.0.admin, "other").await;
    desk.0
        .server
        .post(&other, "/v1/actions", &refund("5", "a"))
        .await
        .good();
    let next = desk.ask(&refund("340", "a")).await;
    let history = desk.history(&next).await;
    assert_eq!(
        (&history["looked_at"], &history["last_allowed"]),
        (&json!(1), &Value::Null),
        "the first request alone, which still waits"
    );
}

#[tokio::test]
async fn what_was_approved_with_less_is_what_the_next_request_is_compared_with() {
    let desk = Desk::start().await;
    let first = desk.ask(&refund("340", "a")).await;
    desk.edit(&first, "300").await;
    desk.run(&first, "succeeded").await;
    let mut wanted = refund("500", "b");
    wanted["env"] = json!("production");
    wanted["evidence"] = json!({ "reason": "another one" });
    wanted["args"].as_object_mut().unwrap().remove("memo");
    let next = desk.ask(&wanted).await;
    let history = desk.history(&next).await;
    let last = &history["last_allowed"];
    assert_eq!(
        (&last["action"], &last["approval"]),
        (&first["id"], &first["approval"]["id"])
    );
    assert_eq!(
        (&last["by"], &last["edited"], &last["outcome"]),
        (&json!(["lea"]), &json!(true), &json!("succeeded"))
    );
    assert!(last["redeemed_at"].is_string());
    assert_eq!(
        last["changes"],
        json!([
            { "place": "/amount", "was": "300", "now": "500" },
            { "place": "/args/memo", "was": "June" },
            { "place": "/args/to", "was": "a", "now": "b" },
            { "place": "/env", "now": "production" },
        ])
    );
    let decided = &history["decided"][0];
    assert_eq!(
        (&decided["verdict"], &decided["amount"], &decided["asked_amount"]),
        (&json!("edited"), &json!("300"), &json!("340"))
    );
    assert_eq!(
        (&decided["by"], &decided["outcome"]),
        (&json!(["lea"]), &json!("succeeded"))
    );
    let record = &history["record"];
    assert_eq!(
        (
            &record["allowed"],
            &record["succeeded"],
            &record["decided"],
            &record["edited"]
        ),
        (&json!(1), &json!(1), &json!(1), &json!(1))
    );
}

#[tokio::test]
async fn rejections_tell_why_and_what_nobody_answered_has_expired() {
    let desk = Desk::start().await;
    let rejected = desk.ask(&refund("90", "a")).await;
    desk.0.vote(&desk.0.lead, &rejected, "reject").await.good();
    let failed = desk.ask(&refund("80", "a")).await;
    desk.approve(&failed).await;
    desk.run(&failed, "failed").await;
    let late = desk.ask(&refund("70", "a")).await;
    desk.0.server.pass(Span::hours(2));
    while desk.0.server.get(&desk.0.lead, &path(&late, "")).await.good()["state"] != "expired" {
        tokio::task::yield_now().await;
    }
    let next = desk.ask(&refund("60", "a")).await;
    let history = desk.history(&next).await;
    let decided = history["decided"].as_array().unwrap();
    let told: Vec<(&str, &Value)> = (decided.iter())
        .map(|one| (one["verdict"].as_str().unwrap(), &one["approval"]))
        .collect();
    assert_eq!(
        told,
        [
            ("expired", &late["approval"]["id"]),
            ("approved", &failed["approval"]["id"]),
            ("rejected", &rejected["approval"]["id"]),
        ]
    );
    assert_eq!(
        (&decided[2]["comment"], &decided[2]["by"]),
        (&json!("because"), &json!(["lea"]))
    );
    assert_eq!(
        history["record"],
        json!({
            "allowed": 1, "allowed_since": history["last_allowed"]["at"], "succeeded": 0, "failed": 1, "unknown": 0,
            "decided": 3, "decided_since": decided[2]["at"], "approved": 1, "edited": 0, "rejected": 1, "expired": 1,
        })
    );
    // What ended is told as it was then, whatever came later.
    let then = desk.history(&late).await;
    assert_eq!(then["decided"].as_array().unwrap().len(), 2);
    desk.approve(&next).await;
    assert_eq!(desk.history(&late).await, then);
    assert!(then["until"].is_string() && history["until"].is_null());
}

#[tokio::test]
async fn what_policy_allowed_by_itself_was_allowed_by_nobody() {
    let desk = Desk::start().await;
    let small = desk.ask(&refund("20", "a")).await;
    assert_eq!(small["decision"], "allow");
    let next = desk.ask(&refund("21", "a")).await;
    let history = desk.history(&next).await;
    let last = &history["last_allowed"];
    assert_eq!((&last["action"], &last["approval"]), (&small["id"], &Value::Null));
    assert_eq!((&last["by"], places(&history)), (&json!([]), vec!["/amount"]));
    assert_eq!(history["record"]["unknown"], 1, "nobody has said how it went");
}

#[tokio::test]
async fn a_record_is_made_of_the_last_twenty_and_says_that_there_are_more() {
    let desk = Desk::start().await;
    for _ in 0..21 {
        desk.ask(&refund("5", "a")).await;
    }
    let next = desk.ask(&refund("21", "a")).await;
    let history = desk.history(&next).await;
    assert_eq!(
        (
            &history["record"]["allowed"],
            &history["looked_at"],
            &history["complete"]
        ),
        (&json!(20), &json!(20), &json!(false))
    );
}

#[tokio::test]
async fn only_who_may_see_the_request_sees_what_was_before() {
    let desk = Desk::start().await;
    let action = desk.ask(&refund("340", "a")).await;
    let Acme {
        server, admin, agent, ..
    } = &desk.0;
    let viewer = server.user(admin, "vera", &["viewer"], &[]).await;
    for key in [admin, agent, &viewer] {
        desk.history_for(key, &action).await.good();
    }
    let other = server.agent(admin, "other").await;
    assert_eq!(desk.history_for(&other, &action).await.problem(404), "not_found");
    let unknown = "/v1/approvals/apr_01a21afe005770018ec8e5ddd971e256/history";
    assert_eq!(server.get(admin, unknown).await.problem(404), "not_found");
    let globex = server.organization("globex").await;
    assert_eq!(desk.history_for(&globex, &action).await.problem(404), "not_found");
}

#[tokio::test]
async fn what_is_not_kept_is_not_taken_for_the_same_and_what_was_erased_is_not_told() {
    let desk = Desk::start().await;
    let mut wanted = refund("340", "a");
    wanted["args"]["card"] = json!("4242 4242 4242 4242");
    wanted["principal"] = json!("maria");
    let first = desk.ask(&wanted).await;
    desk.approve(&first).await;
    wanted["args"]["memo"] = json!("July");
    wanted["principal"] = json!("paul");
    let next = desk.ask(&wanted).await;
    let history = desk.history(&next).await;
    assert_eq!(places(&history), ["/args/memo", "/principal"]);
    assert_eq!(history["last_allowed"]["not_kept"], json!(["/args/card"]));
    assert!(!history.to_string().contains("4242 4242"));

    let Acme { server, admin, .. } = &desk.0;
    let second = server.user(admin, "bea", &["admin"], &[]).await;
    let erase = json!({ "subject": "maria", "why": "she asked for it" });
    for (who, gone) in [(admin, "restricted"), (&second, "erased")] {
        server.post(who, "/v1/audit/erasures", &erase).await.good();
        let history = desk.history(&next).await;
        let last = &history["last_allowed"];
        assert_eq!((&last["gone"], &last["changes"]), (&json!(gone), &json!([])));
        assert!(!history.to_string().contains("June"), "{history}");
    }
}

#[tokio::test]
async fn drills_and_canaries_were_never_asked_by_the_agent() {
    let desk = Desk::start().await;
    let Acme {
        server,
        admin,
        lead,
        agent,
    } = &desk.0;
    let made =
        json!({ "kind": "canary", "agent": "bot", "action": refund("900", "a"), "reason": "ten times the order" });
    let made = server.post(admin, "/v1/practice", &made).await.good();
    let canary = json!({ "approval": { "id": made["approval"] } });
    let before = desk.history(&canary).await;
    assert_eq!((&before["looked_at"], &before["complete"]), (&json!(0), &json!(true)));
    // While it is open, people see one more that waits, and the agent sees none.
    let next = desk.ask(&refund("340", "a")).await;
    assert_eq!(desk.history(&next).await["looked_at"], 1);
    assert_eq!(desk.history_for(agent, &next).await.good()["looked_at"], 0);
    let seen = server.get(lead, &path(&canary, "")).await.good();
    let canary = json!({
        "approval": canary["approval"], "action_digest": seen["action_digest"], "snapshot": seen["snapshot"],
    });
    desk.0.vote(lead, &canary, "reject").await.good();
    let history = desk.history(&next).await;
    assert_eq!((&history["looked_at"], &history["decided"]), (&json!(0), &json!([])));
}

#[tokio::test]
async fn where_autonomy_is_earned_the_standing_is_the_one_that_is_counted() {
    let acme = Acme::start().await;
    let rules =
        "organization: acme\nautonomy: { to_post_action: { successes: 2, max_error: 5%, days: 0 }, pause_after: 5 }\n";
    let gate = "name: gate\nrules:\n  - { decision: allow }\n";
    acme.server
        .policy(&acme.admin, &json!({ "acme.yaml": rules, "gate.yaml": gate }))
        .await;
    let desk = Desk(acme);
    let first = desk.ask(&refund("5", "a")).await;
    desk.0.vote(&desk.0.admin, &first, "approve").await.good();
    desk.run(&first, "succeeded").await;
    let next = desk.ask(&refund("5", "a")).await;
    let counted = desk.0.server.get(&desk.0.agent, "/v1/autonomy/bot").await.good();
    let history = desk.history(&next).await;
    assert_eq!(history["standing"], counted["operations"][0]);
    assert_eq!(history["standing"]["succeeded"], 1);
    assert_eq!(places(&history), Vec::<&str>::new());
}
