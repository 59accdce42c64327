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
            "approval.viewed",
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

/// What several votes say: each item exactly as it was seen.
fn votes(verb: &str, actions: &[&Value]) -> Value {
    let item = |action: &&Value| {
        json!({
            "approval": action["approval"]["id"], "action_digest": action["action_digest"], "snapshot": action["snapshot"],
        })
    };
    json!({ "verb": verb, "comment": "as listed", "items": actions.iter().map(item).collect::<Vec<_>>() })
}

fn refund(amount: &str) -> Value {
    json!({ "action": "refund", "amount": amount, "currency": "USD" })
}

const VOTES: &str = "/v1/approvals/votes";

#[tokio::test]
async fn several_requests_of_one_kind_are_decided_at_once_but_never_one_that_stands_out() {
    let desk = Desk::start().await;
    let mut actions = Vec::new();
    for amount in ["20", "25", "22", "900", "19"] {
        actions.push(desk.decide(&refund(amount)).await);
    }
    let body = votes("approve", &actions.iter().collect::<Vec<_>>());
    let answer = desk.server.post(&desk.fay, VOTES, &body).await.good();
    assert_eq!(answer["counted"], 4, "{answer}");
    for (place, action) in actions.iter().enumerate() {
        let result = &answer["results"][place];
        assert_eq!(result["approval"], action["approval"]["id"]);
        let request = desk.request(action).await;
        if place == 3 {
            assert_eq!(result["problem"]["code"], "single_review", "{result}");
            assert_eq!((&request["state"], &request["votes"]), (&json!("pending"), &json!([])));
        } else {
            assert_eq!(result["request"]["state"], "approved", "{result}");
            assert_eq!(request["votes"][0]["batch"], answer["batch"]);
        }
    }
    let told = desk
        .server
        .get(&desk.admin, &path(&actions[0], "/timeline"))
        .await
        .good();
    let sentences = told["entries"].to_string();
    assert!(
        sentences.contains("`fay` approved, together with others: “as listed”."),
        "{sentences}"
    );
    let alone = desk.say(&desk.fay, &actions[3], "approve", "looked at").await;
    assert_eq!(alone["state"], "approved");
    assert_eq!(alone["votes"][0].get("batch"), None);
}

#[tokio::test]
async fn each_of_several_votes_counts_or_not_on_its_own() {
    let desk = Desk::start().await;
    let (first, mut second, third) = (
        desk.decide(&refund("20")).await,
        desk.decide(&refund("21")).await,
        desk.decide(&refund("22")).await,
    );
    desk.say(&desk.fay, &third, "reject", "no").await;
    second["action_digest"] = first["action_digest"].clone();
    let body = votes("approve", &[&first, &second, &third]);
    let answer = desk.server.post(&desk.fay, VOTES, &body).await.good();
    assert_eq!(answer["counted"], 1, "{answer}");
    assert_eq!(answer["results"][0]["request"]["state"], "approved");
    assert_eq!(answer["results"][1]["problem"]["code"], "digest_mismatch");
    assert_eq!(answer["results"][2]["problem"]["code"], "approval_closed");
}

#[tokio::test]
async fn several_votes_that_are_sent_again_are_given_once() {
    let desk = Desk::start().await;
    let (first, second) = (desk.decide(&refund("20")).await, desk.decide(&refund("21")).await);
    let body = serde_json::to_vec(&votes("reject", &[&first, &second])).unwrap();
    let once = desk.server.repeatable(&desk.fay, "batch-1", VOTES, &body).await;
    let again = desk.server.repeatable(&desk.fay, "batch-1", VOTES, &body).await;
    assert_eq!((once.is_replayed(), again.is_replayed()), (false, true));
    assert_eq!(
        (once.good()["counted"].clone(), again.good()["batch"].clone()),
        (json!(2), once.good()["batch"].clone())
    );
    assert_eq!(desk.request(&first).await["votes"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_not_of_one_kind_or_too_much_is_not_decided_at_once() {
    let desk = Desk::start().await;
    let tools = "tools:\n  wire: { risk: R3, access: write }\n";
    let gate =
        format!("{GATE}- condition: \"action == 'wire'\"\n  decision: require_approval\n  approvers: [refunds]\n");
    let files = json!({ "gate.yaml": gate, "organization.yaml": ACME, "tools.yaml": tools });
    desk.server.policy(&desk.admin, &files).await;
    let (refund_20, euros) = (
        desk.decide(&refund("20")).await,
        desk.decide(&json!({ "action": "refund", "amount": "20", "currency": "EUR" }))
            .await,
    );
    let wire = desk.decide(&json!({ "tool": "wire", "action": "wire" })).await;
    assert_eq!(wire["status"], "pending", "{wire}");
    let refused = async |body: &Value, code: &str| {
        let answer = desk.server.post(&desk.fay, VOTES, body).await;
        assert_eq!(answer.problem(422), code);
        answer.json()["detail"].as_str().unwrap().to_owned()
    };
    let detail = refused(&votes("approve", &[&refund_20, &wire]), "mixed_batch").await;
    assert!(
        detail.contains(wire["approval"]["id"].as_str().unwrap()) && detail.contains("another tool"),
        "{detail}"
    );
    let detail = refused(&votes("approve", &[&refund_20, &euros]), "mixed_batch").await;
    assert!(detail.contains("another currency"), "{detail}");
    refused(&votes("approve", &[&wire]), "high_risk").await;
    refused(&votes("approve", &[&refund_20, &refund_20]), "repeated_item").await;
    refused(&votes("approve", &[]), "batch_size").await;
    refused(&votes("approve", &[&refund_20; 21]), "batch_size").await;
    let mut silent = votes("reject", &[&refund_20]);
    silent.as_object_mut().unwrap().remove("comment");
    refused(&silent, "reason_required").await;
    let by_agent = desk
        .server
        .post(&desk.agent, VOTES, &votes("approve", &[&refund_20]))
        .await;
    assert_eq!(by_agent.problem(403), "agents_cannot_vote");
    assert_eq!(desk.request(&refund_20).await["votes"], json!([]));
}

#[tokio::test]
async fn what_is_risky_is_approved_only_by_somebody_who_says_what_was_shown() {
    let desk = Desk::start().await;
    let tools = "tools:\n  wire: { risk: R3, access: write }\n";
    let gate =
        format!("{GATE}- condition: \"action == 'wire'\"\n  decision: require_approval\n  approvers: [refunds]\n");
    let files = json!({ "gate.yaml": gate, "organization.yaml": ACME, "tools.yaml": tools });
    desk.server.policy(&desk.admin, &files).await;
    let wire = desk.decide(&json!({ "tool": "wire", "action": "wire" })).await;
    let path = format!("/v1/approvals/{}", wire["approval"]["id"].as_str().unwrap());
    let votes = format!("{path}/votes");
    let mut vote = json!({ "verb": "approve", "action_digest": wire["action_digest"], "snapshot": wire["snapshot"] });
    assert_eq!(
        desk.server.post(&desk.fay, &votes, &vote).await.problem(409),
        "presentation_required"
    );
    let shown = desk.server.get(&desk.fay, &path).await.good();
    let again = desk.server.get(&desk.fay, &path).await.good();
    assert!(shown["presentation_digest"].is_string(), "{shown}");
    assert_eq!(shown["presentation_digest"], again["presentation_digest"]);
    vote["presentation_digest"] = json!("ab".repeat(32));
    assert_eq!(
        desk.server.post(&desk.fay, &votes, &vote).await.problem(409),
        "presentation_mismatch"
    );
    vote["presentation_digest"] = shown["presentation_digest"].clone();
    let decided = desk.server.post(&desk.fay, &votes, &vote).await.good();
    assert_eq!(decided["state"], "approved", "{decided}");
    let told = desk
        .server
        .get(&desk.fay, &format!("{path}/timeline"))
        .await
        .good()
        .to_string();
    assert_eq!(told.matches("was shown the request").count(), 1, "{told}");
    assert!(told.contains("The request was first shown to"), "{told}");
}
