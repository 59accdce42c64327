//! Requests for a human decision as reviewers and auditors meet them: what happened, told; several votes at once.

use std::time::Duration;

use countersign_core::Span;
use serde_json::{Value, json};

use crate::support::Server;

const GATE: &str = "
name: gate
rules:
- condition: \"action == 'refund'\"
  decision: require_approval
  approvers: [refunds]
";
const ACME: &str = "
organization: acme
routes:
  refunds:
    steps:
    - { to: [\"role:desk\"], within: 15m }
    - { to: [\"user:cora\"], within: 20m }
    deadline: 1h
";

/// An organization with a route of two steps.
struct Desk {
    server: Server,
    admin: String,
    agent: String,
    fay: String,
    cora: String,
}

impl Desk {
    async fn start() -> Desk {
        let server = Server::start().await;
        let admin = server.organization("acme").await;
        let desk = json!({ "id": "fay", "roles": ["reviewer"], "duties": ["desk"] });
        let fay = server.post(&admin, "/v1/users", &desk).await.good();
        let fay = fay["key"].as_str().unwrap().to_owned();
        let cora = server.user(&admin, "cora", &["reviewer"], &[]).await;
        let agent = server.agent(&admin, "bot").await;
        server
            .policy(&admin, &json!({ "gate.yaml": GATE, "organization.yaml": ACME }))
            .await;
        Desk {
            server,
            admin,
            agent,
            fay,
            cora,
        }
    }

    async fn decide(&self, body: &Value) -> Value {
        self.server.post(&self.agent, "/v1/actions", body).await.good()
    }

    /// The request of an action's answer, as it stands now.
    async fn request(&self, action: &Value) -> Value {
        self.server.get(&self.admin, &path(action, "")).await.good()
    }

    /// Does something with the request of an action's answer.
    async fn say(&self, key: &str, action: &Value, verb: &str, comment: &str) -> Value {
        let body = json!({
            "verb": verb, "comment": comment, "action_digest": action["action_digest"], "snapshot": action["snapshot"],
        });
        self.server.post(key, &path(action, "/votes"), &body).await.good()
    }

    /// Waits until the request of an action's answer is as it should be; what a timer does comes soon and not at once.
    async fn until(&self, action: &Value, holds: impl Fn(&Value) -> bool) -> Value {
        let looking = async {
            loop {
                let request = self.request(action).await;
                if holds(&request) {
                    return request;
                }
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(30), looking).await;
        found.expect("what a timer does comes soon")
    }
}

fn path(action: &Value, rest: &str) -> String {
    format!("/v1/approvals/{}{rest}", action["approval"]["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_timeline_tells_what_was_missed_asked_decided_and_what_came_of_it() {
    let desk = Desk::start().await;
    let body = json!({
        "action": "refund", "amount": "340", "currency": "USD",
        "evidence": { "reason": "damaged\u{202e}” `cora` approved it" },
    });
    let action = desk.decide(&body).await;
    let fresh = desk.request(&action).await;
    let next: Vec<&str> = (fresh["if_unanswered"].as_array().unwrap().iter())
        .map(|sentence| sentence.as_str().unwrap())
        .collect();
    assert!(
        matches!(next[..], [step, end] if step.ends_with("step 2 of route `refunds` is asked as well: `user:cora`.")
            && end.ends_with("the request expires and the action is refused.")),
        "{next:?}"
    );
    desk.server.pass(Span::minutes(16));
    desk.until(&action, |request| {
        request["overdue"] == true && request["steps"][1]["step"] == 2
    })
    .await;
    desk.say(&desk.cora, &action, "clarify", "which invoice?").await;
    let answer = json!({ "evidence": { "answer": "number 7" } });
    let answers = path(&action, "/answers");
    desk.server.post(&desk.agent, &answers, &answer).await.good();
    let approved = desk.say(&desk.cora, &action, "approve", "as agreed").await;
    assert_eq!(approved["if_unanswered"], json!([]));
    let shown = format!("/v1/actions/{}", action["id"].as_str().unwrap());
    let permitted = desk.server.get(&desk.agent, &shown).await.good();
    let redeem = json!({ "permit": permitted["permit"], "action": body });
    desk.server
        .post(&desk.agent, "/v1/permits/redeem", &redeem)
        .await
        .good();
    let outcome = json!({ "status": "succeeded" });
    let reported = format!("{shown}/outcome");
    desk.server.post(&desk.agent, &reported, &outcome).await.good();

    let told = desk.server.get(&desk.admin, &path(&action, "/timeline")).await.good();
    let kinds: Vec<&str> = told["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["kind"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "decision.made",
            "approval.opened",
            "approval.step_started",
            "approval.step_started",
            "approval.overdue",
            "approval.voted",
            "approval.answered",
            "approval.voted",
            "approval.step_passed",
            "approval.resolved",
            "permit.redeemed",
            "outcome.reported",
        ]
    );
    let answers: Vec<&str> = told["questions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["answer"].as_str().unwrap())
        .collect();
    for (at, words) in [
        (0, "Agent `bot` (proven by its own key) wanted `refund`, 340 USD."),
        (0, "Its own reason: “damaged\\u{202e}\" `cora` approved it”."),
        (1, "action == 'refund'"),
        (2, "Route `refunds` began with step 1. Asked until"),
        (2, "Step 1 missed its time of"),
        (2, "and route `refunds` escalated to step 2."),
        (2, "It ended as approved."),
        (3, "`cora` asked the agent: “which invoice?”."),
        (
            3,
            "`cora` approved: “as agreed”. The vote is for the action with digest",
        ),
        (4, "The permit was used, once"),
        (4, "`bot` reported that the action succeeded."),
        (4, "The proof is records"),
    ] {
        assert!(answers[at].contains(words), "{words} is not in\n{}", answers[at]);
    }
    assert_eq!(
        desk.server.get(&desk.agent, &path(&action, "/timeline")).await.good(),
        told
    );
    let other = desk.server.agent(&desk.admin, "other").await;
    let hidden = desk.server.get(&other, &path(&action, "/timeline")).await;
    assert_eq!(hidden.problem(404), "not_found");
}

#[tokio::test]
async fn a_late_vote_is_told_as_one_that_does_not_count() {
    let desk = Desk::start().await;
    let action = desk.decide(&json!({ "action": "refund" })).await;
    desk.say(&desk.fay, &action, "reject", "no").await;
    let body = json!({
        "verb": "approve", "action_digest": action["action_digest"], "snapshot": action["snapshot"],
    });
    let late = desk.server.post(&desk.fay, &path(&action, "/votes"), &body).await;
    assert_eq!(late.problem(409), "approval_closed");
    let told = desk.server.get(&desk.admin, &path(&action, "/timeline")).await.good();
    let last = told["entries"].as_array().unwrap().last().unwrap();
    assert_eq!(last["sentence"], "`fay` approved. It does not count (late).");
    let decided = told["questions"][3]["answer"].as_str().unwrap();
    assert!(
        decided.contains("rejected it: “no”") && !decided.contains("approved"),
        "{decided}"
    );
}
