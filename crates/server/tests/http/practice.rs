//! Drills and canaries over HTTP: like any other request until they are over, and never a permit.

use countersign_core::Span;
use serde_json::{Value, json};

use crate::support::Acme;

const RULES: &str = "organization: acme\nteams: [desk]\ntheatre: { canary: { of: 1, then: suspend } }\n";
const GATE: &str = "name: gate
rules:
  - { condition: \"action == 'refund'\", decision: require_approval, approvers: ['team:desk'] }
";

async fn with_two() -> (Acme, String, String) {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let dana = server.user(admin, "dana", &["reviewer"], &["desk"]).await;
    let erin = server.user(admin, "erin", &["reviewer"], &["desk"]).await;
    server
        .policy(admin, &json!({ "acme.yaml": RULES, "gate.yaml": GATE }))
        .await;
    (acme, dana, erin)
}

fn body(kind: &str, action: &str) -> Value {
    let action = json!({ "action": action, "amount": "90.10", "currency": "USD" });
    json!({ "kind": kind, "agent": "bot", "action": action, "reason": "ten times the order" })
}

/// Whether a text tells that something is practice.
fn tells(answer: &Value) -> bool {
    let text = answer.to_string();
    ["practice", "drill", "canary", "ten times the order"]
        .iter()
        .any(|word| text.contains(word))
}

#[tokio::test]
async fn a_drill_looks_like_any_request_until_all_have_answered_and_then_says_what_it_was() {
    let (acme, dana, erin) = with_two().await;
    let Acme {
        server, admin, agent, ..
    } = &acme;
    let made = server
        .post(admin, "/v1/practice", &body("drill", "refund"))
        .await
        .good();
    assert_eq!((&made["over"], &made["answered"]), (&json!(false), &json!(0)), "{made}");
    let approval = made["approval"].as_str().unwrap().to_owned();
    let path = format!("/v1/approvals/{approval}");
    let seen = server.get(&dana, &path).await.good();
    assert!(!tells(&seen), "{seen}");
    assert!(!tells(&server.get(&dana, &format!("{path}/timeline")).await.good()));
    assert_eq!(
        server.get(&dana, "/v1/approvals?mine=true").await.good()["approvals"][0]["id"],
        json!(approval)
    );
    assert_eq!(server.get(agent, &path).await.problem(404), "not_found");
    assert_eq!(server.get(agent, "/v1/approvals").await.good()["approvals"], json!([]));
    let action = format!("/v1/actions/{}", made["action"].as_str().unwrap());
    assert_eq!(server.get(agent, &action).await.problem(404), "not_found");
    let mut vote = json!({ "verb": "approve", "action_digest": seen["action_digest"], "snapshot": seen["snapshot"] });
    let after = server.post(&dana, &format!("{path}/votes"), &vote).await.good();
    assert_eq!(after["state"], "pending");
    assert!(!tells(&after), "{after}");
    vote["verb"] = json!("reject");
    vote["comment"] = json!("no such order");
    let over = server.post(&erin, &format!("{path}/votes"), &vote).await.good();
    assert_eq!(
        (&over["state"], &over["action"]["permit"]),
        (&json!("cancelled"), &Value::Null)
    );
    assert_eq!(
        over["why"],
        "this was a drill, and nothing runs: 2 of 2 who were asked answered"
    );
    let told = server.get(&dana, &format!("{path}/timeline")).await.good();
    assert!(told.to_string().contains("It was a drill, which `alex` made"), "{told}");
    let practice = server.get(admin, &format!("/v1/practice/{approval}")).await.good();
    assert_eq!((&practice["over"], &practice["answered"]), (&json!(true), &json!(2)));
    assert_eq!(practice["asked"][0]["said"], "approve");
    assert_eq!(
        server
            .get(&dana, &format!("/v1/practice/{approval}"))
            .await
            .problem(403),
        "forbidden"
    );
}

#[tokio::test]
async fn a_canary_that_is_approved_is_told_and_suspends_where_policy_says_so() {
    let (acme, dana, _) = with_two().await;
    let Acme { server, admin, .. } = &acme;
    assert_eq!(
        server
            .post(admin, "/v1/practice", &body("canary", "read"))
            .await
            .problem(409),
        "nobody_asked"
    );
    let made = server
        .post(admin, "/v1/practice", &body("canary", "refund"))
        .await
        .good();
    let path = format!("/v1/approvals/{}", made["approval"].as_str().unwrap());
    let seen = server.get(&dana, &path).await.good();
    let vote = json!({ "verb": "approve", "action_digest": seen["action_digest"], "snapshot": seen["snapshot"] });
    let over = server.post(&dana, &format!("{path}/votes"), &vote).await.good();
    assert_eq!(over["action"]["reason_code"], "canary", "{over}");
    assert_eq!(over["action"]["permit"], Value::Null);
    let reviewer = server.get(admin, "/v1/reviewers/dana").await.good();
    assert_eq!(
        (&reviewer["canaries_missed"], &reviewer["canaries_caught"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(reviewer["suspended_for"], json!(["canary"]));
    // Nobody is waited for in drills who may not vote.
    let shown = server.get(admin, "/v1/practice").await.good();
    let people = shown["people"].as_array().unwrap();
    let listed = |user: &str| people.iter().any(|person| person["user"] == user);
    assert!(listed("erin") && !listed("dana"), "{shown}");
    let alerts = server.get(admin, "/v1/alerts").await.good();
    assert!(alerts.to_string().contains("canary_approved"), "{alerts}");
}

#[tokio::test]
async fn a_drill_is_kept_as_the_live_policy_says_whatever_is_tried_beside_it() {
    let (acme, dana, _) = with_two().await;
    let Acme { server, admin, .. } = &acme;
    let mandate = |audit: &str| format!("agent: bot\n{audit}permissions: [{{ action: refund, allowed: true }}]\n");
    let files = |audit: &str| json!({ "acme.yaml": RULES, "gate.yaml": GATE, "bot.yaml": mandate(audit) });
    server.policy(admin, &files("audit: { redact: [email] }\n")).await;
    let open = server
        .post(admin, "/v1/policies", &json!({ "files": files("") }))
        .await
        .good();
    let path = format!("/v1/policies/{}/canary", open["hash"].as_str().unwrap());
    let all = json!({ "share_permille": 1000, "rationale": "a test" });
    server.post(admin, &path, &all).await.good();
    let mut drill = body("drill", "refund");
    drill["action"]["args"] = json!({ "to": "kim@example.com" });
    let made = server.post(admin, "/v1/practice", &drill).await.good();
    let path = format!("/v1/approvals/{}", made["approval"].as_str().unwrap());
    let seen = server.get(&dana, &path).await.good().to_string();
    assert!(seen.contains("redacted") && !seen.contains("kim@example.com"), "{seen}");
}

#[tokio::test]
async fn the_same_request_makes_one_drill() {
    let (acme, ..) = with_two().await;
    let Acme { server, admin, .. } = &acme;
    let twice = body("drill", "refund");
    let bytes = serde_json::to_vec(&twice).unwrap();
    let first = server.repeatable(admin, "one", "/v1/practice", &bytes).await;
    let second = server.repeatable(admin, "one", "/v1/practice", &bytes).await;
    assert!(second.is_replayed());
    assert_eq!(first.good()["approval"], second.good()["approval"]);
}

/// What waits for somebody by the time that the server has looked twice at what policy has due.
async fn asked_within_two_looks(server: &crate::support::Server, key: &str) -> Vec<Value> {
    let begun = std::time::Instant::now();
    loop {
        let list = server.get(key, "/v1/approvals?mine=true").await.good();
        let waiting = list["approvals"].as_array().unwrap().clone();
        if !waiting.is_empty() || begun.elapsed() > std::time::Duration::from_millis(2200) {
            return waiting;
        }
    }
}

#[tokio::test]
async fn a_drill_that_policy_has_due_is_asked_by_itself_and_who_does_not_answer_is_shown() {
    let (acme, dana, _) = with_two().await;
    let Acme { server, admin, .. } = &acme;
    let rules = format!(
        "{RULES}practice:\n  desk: {{ kind: drill, every: 1d, agent: bot, actions: [{{ action: refund, amount: '42', currency: USD }}] }}\n"
    );
    let files = json!({ "acme.yaml": rules, "gate.yaml": GATE });
    server.policy(admin, &files).await;
    assert_eq!(server.get(&dana, "/v1/practice").await.problem(403), "forbidden");
    // Within two days there is a whole span of one, whenever it begins.
    let mut waiting = Vec::new();
    for _ in 0..24 {
        server.pass(Span::hours(2));
        waiting = asked_within_two_looks(server, &dana).await;
        if !waiting.is_empty() {
            break;
        }
    }
    let shown = server.get(admin, "/v1/practice").await.good();
    let cadence = &shown["cadences"][0];
    assert_eq!(
        (&cadence["name"], &cadence["kind"]),
        (&json!("desk"), &json!("drill")),
        "{shown}"
    );
    assert_eq!(cadence["last"]["approval"], waiting[0]["id"], "{shown}");
    assert!(!tells(&waiting[0]), "nobody who is asked can tell: {}", waiting[0]);
    let path = format!("/v1/approvals/{}", waiting[0]["id"].as_str().unwrap());
    let seen = server.get(&dana, &path).await.good();
    assert!(!tells(&seen), "{seen}");
    let vote = json!({ "verb": "approve", "action_digest": seen["action_digest"], "snapshot": seen["snapshot"] });
    server.post(&dana, &format!("{path}/votes"), &vote).await.good();
    server.pass(Span::minutes(61));
    let over = async || {
        let shown = server.get(admin, "/v1/practice").await.good();
        let people = shown["people"].as_array().unwrap().clone();
        let of = move |user: &str| people.iter().find(|person| person["user"] == user).cloned().unwrap();
        (of("dana"), of("erin"))
    };
    let (mut of_dana, mut of_erin) = over().await;
    let soon = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while of_erin["missed"] == 0 && std::time::Instant::now() < soon {
        (of_dana, of_erin) = over().await;
    }
    assert_eq!(
        (&of_dana["missed"], &of_erin["missed"]),
        (&json!(0), &json!(1)),
        "{of_dana} {of_erin}"
    );
    assert!(of_dana["answered"].is_string() && of_erin.get("answered").is_none());
    let alerts = server.get(admin, "/v1/alerts").await.good().to_string();
    assert!(
        alerts.contains("drill_unanswered") && alerts.contains("erin"),
        "{alerts}"
    );
}
