//! Policies that are not live, over HTTP: what they would have said, what they differ in, and back again in one call.

use serde_json::{Value, json};

use crate::support::{Acme, POLICY};

async fn simulate(acme: &Acme, body: Value) -> Value {
    acme.server
        .post(&acme.admin, "/v1/policies:simulate", &body)
        .await
        .good()
}

async fn acted(acme: &Acme) {
    for action in ["read", "pay", "wipe", "read"] {
        acme.decide(&json!({ "action": action, "amount": "10", "currency": "USD" }))
            .await;
    }
}

#[tokio::test]
async fn a_candidate_is_held_against_what_is_live_and_against_what_was_decided() {
    let acme = Acme::start().await;
    acted(&acme).await;
    for against in ["live", "recorded"] {
        let body = json!({ "files": { "gate.yaml": POLICY }, "against": against });
        let answer = simulate(&acme, body).await;
        assert_eq!(answer["report"]["decisions"], 4, "{answer}");
        assert_eq!(answer["report"]["same"], 4, "{answer}");
        assert_eq!(answer["next"], Value::Null);
    }
    let looser = POLICY.replace("decision: deny", "decision: allow");
    let answer = simulate(&acme, json!({ "files": { "gate.yaml": looser } })).await;
    assert_eq!(answer["report"]["flips"], json!({ "deny to allow": 1 }), "{answer}");
    assert_eq!(answer["report"]["by_rule"]["gate#rules[2]"]["loosened"], 1);
    assert_eq!(answer["report"]["listed"][0]["agent"], "bot");
    // Nothing of it is recorded.
    let size = answer["until"].clone();
    let again = simulate(&acme, json!({ "files": { "gate.yaml": POLICY } })).await;
    assert_eq!(again["until"], size);
}

#[tokio::test]
async fn while_a_policy_is_tried_the_documents_of_others_are_not_even_looked_at() {
    let acme = Acme::start().await;
    let broken = json!({ "files": { "gate.yaml": "name: 1\nrules: nothing\n" } });
    let simulating = acme.server.engine().simulating().unwrap();
    for path in ["/v1/policies:simulate", "/v1/policies:diff"] {
        let answer = acme.server.post(&acme.admin, path, &broken).await;
        assert_eq!(answer.problem(429), "simulation_running", "{path}");
    }
    drop(simulating);
    for path in ["/v1/policies:simulate", "/v1/policies:diff"] {
        let answer = acme.server.post(&acme.admin, path, &broken).await;
        assert_eq!(answer.problem(422), "policy_invalid", "{path}");
    }
}

#[tokio::test]
async fn only_what_is_wanted_is_looked_at_and_parts_follow_each_other() {
    let acme = Acme::start().await;
    acted(&acme).await;
    let all = simulate(&acme, json!({ "files": { "gate.yaml": POLICY } })).await;
    let (from, until) = (all["from"].as_u64().unwrap(), all["until"].as_u64().unwrap());
    let mut decisions = 0;
    for index in from..until {
        let body = json!({ "files": { "gate.yaml": POLICY }, "from": index, "until": index + 1 });
        decisions += simulate(&acme, body).await["report"]["decisions"].as_u64().unwrap();
    }
    assert_eq!(decisions, 4);
    let later = json!({ "files": { "gate.yaml": POLICY }, "since": "2999-01-01T00:00:00Z" });
    assert_eq!(simulate(&acme, later).await["report"]["decisions"], 0);
    let earlier = json!({ "files": { "gate.yaml": POLICY }, "since": "2001-01-01T00:00:00Z" });
    assert_eq!(simulate(&acme, earlier).await["report"]["decisions"], 4);
}

#[tokio::test]
async fn a_candidate_that_is_none_is_refused_with_the_reason() {
    let acme = Acme::start().await;
    let path = "/v1/policies:simulate";
    let ask = async |body: Value| acme.server.post(&acme.admin, path, &body).await;
    let broken = json!({ "files": { "gate.yaml": "name: gate\nrules: [{ decision: perhaps }]\n" } });
    let answer = ask(broken).await;
    assert_eq!(answer.problem(422), "policy_invalid");
    assert!(answer.json()["problems"][0]["line"].is_number(), "{answer:?}");
    let nowhere = format!("sha256:{:064x}", 7);
    assert_eq!(ask(json!({ "snapshot": nowhere })).await.problem(404), "not_found");
    let against = json!({ "files": { "gate.yaml": POLICY }, "against": nowhere });
    assert_eq!(ask(against).await.problem(404), "not_found");
    assert_eq!(ask(json!({})).await.problem(422), "missing_field");
    let both = json!({ "snapshot": nowhere, "files": { "gate.yaml": POLICY } });
    assert_eq!(ask(both).await.problem(422), "missing_field");
}

#[tokio::test]
async fn what_is_different_is_said_in_sentences() {
    let acme = Acme::start().await;
    let files = json!({ "gate.yaml": POLICY.replace("[leads]", "[leads, security]") });
    let body = json!({ "files": files });
    let answer = acme.server.post(&acme.admin, "/v1/policies:diff", &body).await.good();
    let sentence = "gate `gate`, rule `rules[1]` has leads, security for `approvers` instead of leads";
    assert_eq!(answer["differences"][0]["sentence"], sentence, "{answer}");
    let body = json!({ "files": files, "against": "recorded" });
    let refused = acme.server.post(&acme.admin, "/v1/policies:diff", &body).await;
    assert_eq!(refused.problem(422), "invalid_value");
}

#[tokio::test]
async fn another_policy_and_back_again_is_two_records_and_the_same_hash() {
    let acme = Acme::start().await;
    let first = acme.decide(&json!({ "action": "wipe" })).await;
    let files = json!({ "gate.yaml": POLICY.replace("decision: deny", "decision: allow") });
    let second = acme.server.policy(&acme.admin, &files).await;
    assert_eq!(
        acme.decide(&json!({ "action": "wipe" })).await["snapshot"],
        json!(second)
    );
    let back = json!({ "rationale": "it let through what it should not" });
    let live = acme
        .server
        .post(&acme.admin, "/v1/policies:rollback", &back)
        .await
        .good();
    assert_eq!(live["live"], first["snapshot"]);
    let again = acme.decide(&json!({ "action": "wipe" })).await;
    assert_eq!(
        (&again["decision"], &again["snapshot"]),
        (&json!("deny"), &first["snapshot"])
    );
    // By its hash as well, whichever was live before.
    let path = format!("/v1/policies/{second}/activate");
    let live = acme.server.post(&acme.admin, &path, &back).await.good();
    assert_eq!(live["live"], json!(second));
    let last = acme.decide(&json!({ "action": "wipe" })).await["receipt"]["index"].clone();
    let path = format!("/v1/audit?type=snapshot.activated&min_seq={last}");
    let found = acme.server.get(&acme.admin, &path).await.good();
    assert_eq!(found["entries"].as_array().map(Vec::len), Some(4), "{found}");
}

#[tokio::test]
async fn publishing_fifty_times_a_second_drops_no_decision() {
    let acme = Acme::start().await;
    let mut hashes = Vec::new();
    for decision in ["deny", "allow"] {
        let files = json!({ "gate.yaml": POLICY.replace("decision: deny", &format!("decision: {decision}")) });
        hashes.push(acme.server.policy(&acme.admin, &files).await);
    }
    let publish = async {
        let mut every = tokio::time::interval(std::time::Duration::from_millis(20));
        for round in 0..50 {
            every.tick().await;
            let path = format!("/v1/policies/{}/activate", hashes[round % 2]);
            let body = json!({ "rationale": format!("round {round}") });
            acme.server.post(&acme.admin, &path, &body).await.good();
        }
    };
    let decide = async {
        let mut answers = Vec::new();
        for number in 0..300 {
            answers.push(acme.decide(&json!({ "action": "wipe", "args": { "n": number } })).await);
        }
        answers
    };
    let ((), answers) = tokio::join!(publish, decide);
    for answer in &answers {
        // Each was decided by the one that it cites, whichever was live.
        let wanted = if answer["snapshot"] == json!(hashes[0]) {
            "deny"
        } else {
            "allow"
        };
        assert_eq!(answer["decision"], wanted, "{answer}");
        assert!(hashes.iter().any(|hash| answer["snapshot"] == json!(hash)));
    }
    assert_eq!(answers.len(), 300);
}
