//! The published policies and what each published action has to get.

use countersign_core::policy::Value as Yaml;
use countersign_policy::yaml;
use serde_json::{Map, Value, json};

use crate::support::Server;

const PUBLISHED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/published");

fn read(path: &str) -> String {
    std::fs::read_to_string(format!("{PUBLISHED}/{path}")).unwrap()
}

/// Numbers are sent as strings.
fn wire(value: &Yaml) -> Value {
    match value {
        Yaml::String(text) => json!(text),
        Yaml::Number(number) => json!(number.to_string()),
        Yaml::Bool(flag) => json!(flag),
        Yaml::List(items) => items.iter().map(wire).collect(),
        Yaml::Map(map) => Value::Object(map.iter().map(|(key, item)| (key.clone(), wire(item))).collect()),
        other => panic!("{other:?}"),
    }
}

fn complete_evidence() -> Value {
    json!({
        "sources": ["runbook 7"],
        "references": ["change 1234"],
        "confidence": "0.9",
        "alternatives": ["wait for the window"],
        "reason": "the disk is full",
        "next_step": "grow the volume",
    })
}

#[tokio::test]
async fn every_published_row_holds_over_http() {
    let server = Server::start().await;
    let admin = server.organization("acme").await;
    let policies = json!({
        "customer_support.yaml": read("policies/customer_support.yaml"),
        "prod-safety-gate.yaml": read("policies/prod-safety-gate.yaml"),
    });
    let snapshot = server.policy(&admin, &policies).await;
    let mut keys = Map::new();
    for agent in ["customer_support", "ops_bot"] {
        keys.insert(agent.into(), server.agent(&admin, agent).await.into());
    }
    let rows = yaml::parse_text("expected.yaml", &read("actions/expected.yaml"))
        .unwrap()
        .value()
        .unwrap();
    let Yaml::List(rows) = rows else { panic!("not a list") };
    assert_eq!(rows.len(), 21);
    for row in rows {
        let Value::Object(mut row) = wire(&row) else {
            panic!("not a map")
        };
        let id = row.remove("id").unwrap();
        let key = keys[row.remove("agent").unwrap().as_str().unwrap()]
            .as_str()
            .unwrap()
            .to_owned();
        let expect = row.remove("expect").unwrap();
        let wanted: Vec<Option<Value>> = ["approval", "alert", "approvers_any", "constraints"]
            .into_iter()
            .map(|name| row.remove(name))
            .collect();
        if row.get("evidence").is_some_and(|evidence| evidence == "complete") {
            row.insert("evidence".into(), complete_evidence());
        }
        let answer = server.post(&key, "/v1/actions", &Value::Object(row)).await.good();
        assert_eq!(answer["decision"], expect, "{id}: {answer}");
        assert_eq!(answer["snapshot"], *snapshot, "{id}");
        let permitted = answer["status"] == "permitted";
        assert_eq!(answer["permit"].is_string(), permitted, "{id}");
        let [approval, alert, approvers, constraints] = <[Option<Value>; 4]>::try_from(wanted).unwrap();
        if let Some(state) = approval {
            let path = format!("/v1/approvals/{}", answer["approval"]["id"].as_str().unwrap());
            let request = server.get(&admin, &path).await.good();
            assert_eq!(request["state"], state, "{id}");
            // Nobody defines the two teams: the default route stands in for them, the admins.
            assert_eq!(request["unresolved"], json!(["platform-lead", "security-team"]), "{id}");
            assert_eq!(request["slots"][0]["people"], json!(["alex"]), "{id}");
            if let Some(Value::Array(names)) = approvers {
                assert!(
                    names
                        .iter()
                        .all(|name| request["unresolved"].as_array().unwrap().contains(name)),
                    "{id}"
                );
            }
        }
        if let Some(alert) = alert {
            let alerts = server.get(&admin, "/v1/alerts").await.good();
            let raised = |open: &Value| open["name"] == alert && open["action"] == answer["id"];
            assert!(
                alerts["alerts"].as_array().unwrap().iter().any(raised),
                "{id}: {alerts}"
            );
        }
        if let Some(constraints) = constraints {
            assert_eq!(answer["constraints"], constraints, "{id}");
        }
        let kept = server
            .get(&admin, &format!("/v1/actions/{}", answer["id"].as_str().unwrap()))
            .await
            .good();
        assert_eq!(kept["decision"], expect, "{id}");
    }
}

#[tokio::test]
async fn a_check_warns_of_names_that_nobody_defines() {
    let server = Server::start().await;
    let admin = server.organization("acme").await;
    let files = json!({ "prod-safety-gate.yaml": read("policies/prod-safety-gate.yaml") });
    let checked = server
        .post(&admin, "/v1/policies:check", &json!({ "files": files }))
        .await
        .good();
    assert_eq!(checked["ok"], true);
    let problems = checked["problems"].as_array().unwrap();
    assert!(
        problems.iter().all(|problem| problem["severity"] == "warning"),
        "{problems:?}"
    );
    let unresolved: Vec<_> = problems
        .iter()
        .filter(|problem| problem["code"] == "unresolved_name")
        .collect();
    assert_eq!(unresolved.len(), 2, "{problems:?}");
    let excerpt = unresolved[0]["excerpt"].as_str().unwrap();
    assert!(
        excerpt.contains("security-team") && excerpt.contains("^^^"),
        "{excerpt}"
    );
    assert_eq!(server.get(&admin, "/v1/policies").await.good()["snapshots"], json!([]));
}
