//! What an author learns over HTTP: findings, what the tests try, why, and what would change the answer; waived tests.

use serde_json::{Value, json};

use crate::support::Acme;

const GATE: &str = "name: g\nrules:\n\
    - { condition: \"has(amount) && amount > 500\", decision: require_approval }\n\
    - { decision: allow }\n";
const STRICT: &str = "organization: acme\nrequire: [tests]\n";

#[tokio::test]
async fn a_check_tells_what_cannot_be_meant_and_what_no_test_tries() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let gate = "name: g\nrules:\n- { condition: \"action == 'a' && action == 'b'\", decision: deny }\n";
    let body = json!({ "files": { "gate.yaml": gate } });
    let checked = server.post(admin, "/v1/policies:check", &body).await.good();
    assert_eq!(checked["problems"][0]["code"], "unreachable", "{checked}");
    assert_eq!(
        checked["problems"][0]["why"],
        "the rule never speaks; somebody relies on a rule that is not there"
    );
    assert_eq!(checked["untried"][0]["untried"], json!(["holds", "does not hold"]));
}

#[tokio::test]
async fn a_policy_whose_rules_have_no_test_is_live_only_after_somebody_said_why() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let upload = async |files: &Value| -> String {
        let stored = server
            .post(admin, "/v1/policies", &json!({ "files": files }))
            .await
            .good();
        stored["hash"].as_str().unwrap().to_owned()
    };
    let hash = upload(&json!({ "gate.yaml": GATE, "org.yaml": STRICT })).await;
    let path = |hash: &str, call: &str| format!("/v1/policies/{hash}/{call}");
    let refused = server.post(admin, &path(&hash, "activate"), &json!({})).await;
    assert_eq!(refused.problem(409), "tests_missing");
    assert!(
        refused.json()["detail"]
            .as_str()
            .unwrap()
            .contains("gate.yaml:3: `g#rules[0]`")
    );
    assert_eq!(
        server
            .post(admin, &path(&hash, "waivers"), &json!({ "reason": " " }))
            .await
            .problem(422),
        "invalid_value"
    );
    let waived = server
        .post(admin, &path(&hash, "waivers"), &json!({ "reason": "tests follow" }))
        .await
        .good();
    assert_eq!(waived["untried"].as_array().unwrap().len(), 2, "{waived}");
    let live = server.post(admin, &path(&hash, "activate"), &json!({})).await.good();
    assert_eq!(live["live"], hash.as_str());
    let listed = server.get(admin, "/v1/policies").await.good();
    let row = listed["snapshots"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["hash"] == hash.as_str())
        .unwrap();
    assert_eq!(
        (row["waived"]["untried"].as_u64(), row["waived"]["failing"].as_u64()),
        (Some(2), Some(0))
    );

    // What is live wants tests of whatever follows it, though that itself does not.
    let next = upload(&json!({ "gate.yaml": GATE })).await;
    assert_eq!(
        server
            .post(admin, &path(&next, "activate"), &json!({}))
            .await
            .problem(409),
        "tests_missing"
    );
    let tests = "tests:\n\
        - { agent: a, action: x, amount: 600, expect: require_approval }\n\
        - { agent: a, action: x, amount: 5, expect: allow }\n";
    let tested = upload(&json!({ "gate.yaml": GATE, "tests.yaml": tests })).await;
    assert_eq!(
        server
            .post(admin, &path(&tested, "waivers"), &json!({ "reason": "why not" }))
            .await
            .problem(409),
        "nothing_to_waive"
    );
    server.post(admin, &path(&tested, "activate"), &json!({})).await.good();

    // Once nothing wants them, tests may be missing; those that fail still have to be let pass.
    server.post(admin, &path(&next, "activate"), &json!({})).await.good();
    let failing = tests.replace("expect: allow", "expect: deny");
    let failing = upload(&json!({ "gate.yaml": GATE, "tests.yaml": failing })).await;
    assert_eq!(
        server
            .post(admin, &path(&failing, "activate"), &json!({}))
            .await
            .problem(409),
        "tests_failed"
    );
    let waived = server
        .post(admin, &path(&failing, "waivers"), &json!({ "reason": "known" }))
        .await
        .good();
    assert_eq!(waived["failing"].as_array().unwrap().len(), 1, "{waived}");
    server.post(admin, &path(&failing, "activate"), &json!({})).await.good();
}

#[tokio::test]
async fn an_explanation_says_nothing_that_hangs_on_what_was_redacted() {
    let acme = Acme::start().await;
    let Acme {
        server, admin, agent, ..
    } = &acme;
    let gate = "name: g\nrules:\n  - { condition: has(amount), decision: allow }\n  \
        - { condition: \"has(amount) && has(args.card) && amount > 1000 && !args.card.startsWith('4111')\", decision: deny }\n";
    server.policy(admin, &json!({ "gate.yaml": gate })).await;
    for (card, told) in [("4111111111111111", false), ("plain", true)] {
        let decided = acme
            .decide(&json!({ "action": "pay", "amount": "100", "args": { "card": card } }))
            .await;
        assert_eq!(decided["decision"], "allow");
        let path = format!("/v1/actions/{}/explain", decided["id"].as_str().unwrap());
        let explained = server.post(agent, &path, &json!({})).await.good();
        let sentences = explained["otherwise"].to_string();
        assert_eq!(sentences.contains("1000.01 instead of 100"), told, "{explained}");
    }
}

#[tokio::test]
async fn an_explanation_says_what_would_have_been_decided_otherwise() {
    let acme = Acme::start().await;
    let Acme {
        server, admin, agent, ..
    } = &acme;
    server.policy(admin, &json!({ "gate.yaml": GATE })).await;
    let decided = acme.decide(&json!({ "action": "pay", "amount": "750" })).await;
    let path = format!("/v1/actions/{}/explain", decided["id"].as_str().unwrap());
    let explained = server.post(agent, &path, &json!({})).await.good();
    let otherwise = &explained["otherwise"];
    assert_eq!(
        otherwise[0]["sentence"], "allow, if `/amount` were 500 instead of 750",
        "{explained}"
    );
    assert_eq!(
        otherwise[0]["changes"],
        json!([{ "pointer": "/amount", "from": "750", "to": "500" }])
    );
    // And so it is.
    let decided = acme.decide(&json!({ "action": "pay", "amount": "500" })).await;
    assert_eq!(decided["decision"], "allow");
}
