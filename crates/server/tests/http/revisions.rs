//! Requests whose action changes while people decide: a reviewer makes less of it, or the agent wants something else.

use serde_json::{Value, json};

use crate::support::Server;

const GATE: &str = "
name: gate
rules:
- condition: \"action == 'refund'\"
  decision: require_approval
  approvers: [desk]
  editable: [/amount, /args/to]
- condition: \"has(amount) && amount > 1000\"
  decision: deny
  message: nobody refunds that much
";

/// A desk of two, and an agent that wants a refund.
struct Desk {
    server: Server,
    agent: String,
    fay: String,
    cora: String,
}

impl Desk {
    async fn start() -> Desk {
        let server = Server::start().await;
        let admin = server.organization("acme").await;
        let fay = server.user(&admin, "fay", &["reviewer"], &["desk"]).await;
        let cora = server.user(&admin, "cora", &["reviewer"], &["desk"]).await;
        let agent = server.agent(&admin, "bot").await;
        server.policy(&admin, &json!({ "gate.yaml": GATE })).await;
        Desk {
            server,
            agent,
            fay,
            cora,
        }
    }

    async fn ask(&self) -> Value {
        self.server
            .post(&self.agent, "/v1/actions", &wanted("340", &["a", "b"]))
            .await
            .good()
    }

    async fn seen(&self, key: &str, action: &Value) -> Value {
        self.server.get(key, &path(action, "")).await.good()
    }

    /// Casts a vote for what the request shows now.
    async fn vote(&self, key: &str, action: &Value, verb: &str, set: Option<Value>) -> crate::support::Answer {
        let seen = self.seen(key, action).await;
        let mut body = json!({
            "verb": verb, "action_digest": seen["action_digest"], "snapshot": seen["snapshot"],
            "presentation_digest": seen["presentation_digest"],
        });
        if let Some(set) = set {
            body["set"] = set;
        }
        self.server.post(key, &path(action, "/votes"), &body).await
    }

    async fn revise(&self, action: &Value, wanted: &Value) -> crate::support::Answer {
        let body = json!({ "action": wanted });
        self.server.post(&self.agent, &path(action, "/revisions"), &body).await
    }

    async fn redeem(&self, permit: &Value, action: &Value) -> crate::support::Answer {
        let body = json!({ "permit": permit, "action": action });
        self.server.post(&self.agent, "/v1/permits/redeem", &body).await
    }

    async fn action(&self, action: &Value) -> Value {
        let path = format!("/v1/actions/{}", action["id"].as_str().unwrap());
        self.server.get(&self.agent, &path).await.good()
    }
}

fn wanted(amount: &str, to: &[&str]) -> Value {
    json!({ "action": "refund", "amount": amount, "currency": "EUR", "args": { "to": to, "memo": "June" } })
}

fn path(action: &Value, rest: &str) -> String {
    format!("/v1/approvals/{}{rest}", action["approval"]["id"].as_str().unwrap())
}

#[tokio::test]
async fn what_a_reviewer_narrowed_is_what_the_agent_gets_and_what_alone_may_run() {
    let desk = Desk::start().await;
    let action = desk.ask().await;
    let before = desk.seen(&desk.fay, &action).await;
    assert_eq!(before["editable"], json!(["/amount", "/args/to"]));

    let set = json!({ "/amount": "300.00", "/args/to": ["b"] });
    let edited = desk.vote(&desk.fay, &action, "edit", Some(set)).await.good();
    assert_eq!(edited["state"], "approved");
    assert_eq!(edited["revisions"][0]["edited_by"], "fay");
    assert_eq!(edited["revisions"][0]["changed"], json!(["/amount", "/args/to"]));
    assert_eq!(edited["stored"]["args"], json!({ "to": ["b"], "memo": "June" }));
    assert_eq!(edited["votes"][0]["verb"], "edit");
    assert_ne!(edited["action_digest"], before["action_digest"]);
    assert_ne!(edited["presentation_digest"], before["presentation_digest"]);

    let permitted = desk.action(&action).await;
    let runs = &permitted["revision"]["action"];
    assert_eq!(permitted["decision"], "require_approval", "a decision never changes");
    assert_eq!(permitted["revision"]["complete"], true);
    assert_eq!(*runs, wanted("300.00", &["b"]));
    assert_eq!(permitted["action_digest"], edited["action_digest"]);
    let asked = desk.redeem(&permitted["permit"], &wanted("340", &["a", "b"])).await;
    assert_eq!(asked.problem(409), "digest_mismatch");
    desk.redeem(&permitted["permit"], runs).await.good();
}

#[tokio::test]
async fn an_edit_that_widens_says_what_may_be_edited_and_leaves_the_request_as_it_was() {
    let desk = Desk::start().await;
    let action = desk.ask().await;
    let cases = [
        (json!({ "/amount": "341" }), "not_narrower"),
        (json!({ "/args/to": ["c"] }), "not_narrower"),
        (json!({ "/args/memo": "July" }), "not_editable"),
        (json!({ "/args/none": 1 }), "not_narrower"),
        (json!({ "/args/memo": null }), "not_editable"),
        (json!({ "/amount": "340.0" }), "nothing_changed"),
        (json!({}), "edit_required"),
    ];
    for (set, code) in cases {
        let refused = desk.vote(&desk.fay, &action, "edit", Some(set.clone())).await;
        assert_eq!(refused.problem(422), code, "{set}");
        if code == "not_editable" {
            assert_eq!(refused.json()["hint"], "what may be narrowed is `/amount`, `/args/to`");
        }
    }
    let seen = desk.seen(&desk.cora, &action).await;
    assert_eq!(
        (&seen["state"], &seen["action_digest"]),
        (&json!("pending"), &action["action_digest"])
    );
    let none = desk.vote(&desk.fay, &action, "edit", None).await;
    assert_eq!(none.problem(422), "edit_required");
}

#[tokio::test]
async fn the_agent_revises_its_request_and_votes_for_what_it_was_do_not_count() {
    let desk = Desk::start().await;
    let action = desk.ask().await;
    let seen = desk.seen(&desk.fay, &action).await;

    let refused = desk.revise(&action, &wanted("1001", &["a"])).await;
    assert_eq!(refused.problem(409), "revision_refused");
    let mut other = wanted("300", &["a"]);
    other["action"] = json!("wipe");
    assert_eq!(desk.revise(&action, &other).await.problem(409), "another_action");

    let revised = desk.revise(&action, &wanted("500", &["a", "c"])).await.good();
    assert_eq!(revised["revisions"][0]["edited_by"], Value::Null);
    assert_eq!(revised["revisions"][0]["changed"], json!(["/amount", "/args/to"]));
    let late = json!({
        "verb": "approve", "action_digest": seen["action_digest"], "snapshot": seen["snapshot"],
    });
    let late = desk.server.post(&desk.fay, &path(&action, "/votes"), &late).await;
    assert_eq!(late.problem(409), "digest_mismatch");

    desk.vote(&desk.cora, &action, "approve", None).await.good();
    let permitted = desk.action(&action).await;
    desk.redeem(&permitted["permit"], &wanted("500", &["a", "c"]))
        .await
        .good();
    let told = desk.server.get(&desk.fay, &path(&action, "/timeline")).await.good();
    let said: Vec<&str> = (told["entries"].as_array().unwrap().iter())
        .filter(|entry| entry["kind"] == "approval.revised")
        .map(|entry| entry["sentence"].as_str().unwrap())
        .collect();
    assert!(
        matches!(said[..], [one] if one.starts_with("The agent changed what it wants at `/amount`, `/args/to`; the amount is 500 EUR now. This is revision 2")),
        "{said:?}"
    );
}

#[tokio::test]
async fn what_is_not_kept_whole_is_revised_by_the_agent_and_edited_by_nobody() {
    let desk = Desk::start().await;
    let mut body = wanted("340", &["a", "b"]);
    body["args"]["card"] = json!("4111 1111 1111 1111");
    let action = desk.server.post(&desk.agent, "/v1/actions", &body).await.good();
    let edit = desk
        .vote(&desk.fay, &action, "edit", Some(json!({ "/amount": "300" })))
        .await;
    assert_eq!(edit.problem(409), "not_editable");
    body["amount"] = json!("300");
    let revised = desk.revise(&action, &body).await.good();
    assert_eq!(revised["revisions"][0]["complete"], false);
    desk.vote(&desk.fay, &action, "approve", None).await.good();
    let permitted = desk.action(&action).await;
    assert!(!permitted.to_string().contains("4111 1111"));
    desk.redeem(&permitted["permit"], &body).await.good();
}
