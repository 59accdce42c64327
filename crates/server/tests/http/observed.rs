//! Calls that were seen elsewhere over HTTP: what of them is governed, and how governance fails.

use serde_json::{Value, json};

use crate::support::Acme;

const GATE: &str = "name: gate\nrules:\n  - { decision: allow }\n";
const TOOLS: &str = "tools:\n  crm/read: { class: routine, risk: R1 }\n";

fn batch(first: u64, agent: &str, tool: &str, count: u64) -> Value {
    // Today, whichever day the test runs on.
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let at = countersign_core::Time(i64::try_from(now.as_micros()).unwrap()).to_string();
    json!({ "source": "proxy", "calls": [{ "id": first, "at": at, "agent": agent, "tool": tool, "count": count }] })
}

#[tokio::test]
async fn calls_that_were_seen_elsewhere_are_held_against_those_with_a_permit() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    server
        .policy(admin, &json!({ "gate.yaml": GATE, "tools.yaml": TOOLS }))
        .await;
    let nothing = server.get(admin, "/v1/coverage").await.good();
    assert_eq!((&nothing["since"], &nothing["pairs"]), (&Value::Null, &json!([])));

    let taken = server
        .post(admin, "/v1/observed", &batch(7, "copilot", "crm/read", 3))
        .await
        .good();
    assert_eq!(taken, json!({ "source": "proxy", "last": 7 }));
    server
        .post(admin, "/v1/observed", &batch(7, "copilot", "crm/read", 3))
        .await
        .good();
    server
        .post(admin, "/v1/observed", &batch(8, "bot", "crm/read", 2))
        .await
        .good();
    let ran = acme.decide(&json!({ "tool": "crm/read", "action": "read" })).await;
    let outcome = format!("/v1/actions/{}/outcome", ran["id"].as_str().unwrap());
    server
        .post(&acme.agent, &outcome, &json!({ "status": "succeeded" }))
        .await
        .good();

    let coverage = server.get(admin, "/v1/coverage").await.good();
    let told: Vec<_> = (coverage["pairs"].as_array().unwrap().iter())
        .map(|pair| {
            [
                &pair["agent"],
                &pair["standing"],
                &pair["governed"],
                &pair["observed"],
                &pair["outside"],
            ]
            .map(ToString::to_string)
        })
        .collect();
    assert_eq!(
        told,
        [
            ["\"copilot\"", "\"quarantined\"", "0", "3", "3"],
            ["\"bot\"", "\"registered\"", "1", "2", "1"]
        ]
    );
    assert_eq!(
        [
            &coverage["covered_per_mille"],
            &coverage["never_governed"],
            &coverage["pairs"][0]["named_by_policy"]
        ],
        [&json!(200), &json!(1), &json!(true)]
    );
    assert_eq!(coverage["sources"][0]["last"], 8);
    let agents = server.get(admin, "/v1/agents").await.good();
    let copilot = agents["agents"]
        .as_array()
        .unwrap()
        .iter()
        .find(|agent| agent["id"] == "copilot")
        .unwrap();
    assert_eq!(
        (&copilot["quarantined"], &copilot["seen_by"]),
        (&json!(true), &json!("proxy"))
    );
    let alerts = server.get(admin, "/v1/alerts").await.good();
    let names: Vec<_> = alerts["alerts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|alert| &alert["name"])
        .collect();
    assert_eq!(names, ["called_outside", "called_outside"]);
}

#[tokio::test]
async fn a_source_that_tells_nonsense_is_told_what_is_wrong() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let mut batch = batch(7, "copilot", "crm/read", 3);
    let call = batch["calls"][0].clone();
    batch["calls"].as_array_mut().unwrap().push(call);
    let refused = server.post(admin, "/v1/observed", &batch).await;
    assert_eq!(refused.problem(422), "ids_not_rising");
    batch["calls"] = json!([{ "id": 1, "at": "2100-01-01T00:00:00Z", "agent": "copilot", "tool": "crm/read" }]);
    assert_eq!(
        server.post(admin, "/v1/observed", &batch).await.problem(422),
        "invalid_value"
    );
    batch["calls"] =
        json!([{ "id": 1, "at": "2026-01-01T00:00:00Z", "agent": "copilot", "tool": "4111 1111 1111 1111" }]);
    assert_eq!(
        server.post(admin, "/v1/observed", &batch).await.problem(422),
        "invalid_id"
    );
    assert_eq!(server.get(admin, "/v1/coverage").await.good()["since"], Value::Null);
}

#[tokio::test]
async fn seven_failure_modes_say_what_is_looked_for_and_what_there_is() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    server.policy(admin, &json!({ "gate.yaml": GATE })).await;
    let health = || async { server.get(admin, "/v1/health/governance").await.good() };
    let before = health().await;
    let modes: Vec<_> = before["modes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mode| &mode["mode"])
        .collect();
    let wanted = [
        "over_trust",
        "over_permission",
        "approval_theatre",
        "no_timeout",
        "fragmented_evidence",
        "third_party_blind_spots",
        "multi_agent",
    ];
    assert_eq!(modes, wanted);
    assert_eq!(before["modes"][5]["found"], 0);
    assert_eq!(before["modes"][5]["blind"], "no source tells what is called elsewhere");

    server
        .post(admin, "/v1/observed", &batch(1, "copilot", "crm/read", 4))
        .await
        .good();
    let after = health().await;
    let seen = [&after["modes"][5], &after["modes"][6]];
    assert_eq!(seen.map(|mode| &mode["found"]), [&json!(1), &json!(1)]);
    assert_eq!(seen[0]["examples"], json!(["copilot with crm/read: 4 calls"]));
    assert_eq!(seen[1]["examples"], json!(["copilot is not registered"]));
    assert_eq!(seen[0]["blind"], Value::Null);
}
