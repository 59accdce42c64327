//! AuthZEN's Authorization API 1.0, by the requests of its certification scenario (levels basic, batch and discovery).
//!
//! <https://github.com/openid/authzen/blob/main/certification/authorization-api-1_0-scenario.md>

use serde_json::{Value, json};

use crate::support::{Acme, Answer};

/// The scenario's required behaviour, as policy.
const FIXTURE: &str = r#"
name: authzen
rules:
  - { condition: "action == 'read'", decision: allow }
  - condition: >-
      action == 'write' && has(principal) && principal.id == 'alice'
      && !(has(resource.labels.status) && resource.labels.status == 'archived')
    decision: allow
  - condition: >-
      action == 'write' && has(labels.subject.role) && labels.subject.role == 'admin'
      && has(resource.labels.status) && resource.labels.status == 'archived'
    decision: allow
  - { condition: "action == 'delete' && has(args.soft) && args.soft == true", decision: allow }
  - { condition: "action == 'pay'", decision: require_approval, approvers: [leads] }
  - { condition: "action == 'export'", decision: allow_with_constraints, constraints: { max_rows: 10 } }
  - { condition: "action == 'refund' && has(amount) && amount <= 20.10", decision: allow }
"#;

async fn fixture() -> Acme {
    let acme = Acme::start().await;
    acme.server
        .policy(&acme.admin, &json!({ "authzen.yaml": FIXTURE }))
        .await;
    acme
}

async fn ask(acme: &Acme, body: &Value) -> Value {
    acme.server
        .post(&acme.agent, "/access/v1/evaluation", body)
        .await
        .good()
}

async fn ask_all(acme: &Acme, body: &Value) -> Vec<bool> {
    let answer = acme
        .server
        .post(&acme.agent, "/access/v1/evaluations", body)
        .await
        .good();
    assert_eq!(answer.get("decision"), None, "{answer}");
    let decision = |item: &Value| item["decision"].as_bool().unwrap();
    answer["evaluations"].as_array().unwrap().iter().map(decision).collect()
}

fn subject(id: &str) -> Value {
    json!({ "type": "user", "id": id })
}

fn record(id: &str) -> Value {
    json!({ "type": "record", "id": id })
}

fn record_with(id: &str, status: &str) -> Value {
    json!({ "type": "record", "id": id, "properties": { "status": status } })
}

#[tokio::test]
async fn the_decisions_of_the_certification_scenario_are_made() {
    let acme = fixture().await;
    let admin = json!({ "type": "user", "id": "bob", "properties": { "role": "admin" } });
    let soft = |soft: bool| json!({ "name": "delete", "properties": { "soft": soft } });
    let read = json!({ "name": "read" });
    let write = json!({ "name": "write" });
    let alice = subject("alice");
    let cases = [
        (&alice, &read, record("record-1"), true),
        (&alice, &write, record("record-1"), true),
        (&subject("bob"), &read, record("record-1"), true),
        (&subject("bob"), &write, record("record-1"), false),
        (&alice, &write, record_with("record-2", "archived"), false),
        (&admin, &write, record_with("record-2", "archived"), true),
        (&alice, &soft(true), record("record-1"), true),
        (&alice, &soft(false), record("record-1"), false),
    ];
    for (subject, action, resource, wanted) in cases {
        let body = json!({ "subject": subject, "action": action, "resource": resource });
        for _ in 0..3 {
            assert_eq!(ask(&acme, &body).await["decision"], json!(wanted), "{body}");
        }
        let mut more = body.clone();
        more["context"] = json!({ "time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1" });
        more["futureField"] = json!({ "nested": true });
        assert_eq!(ask(&acme, &more).await["decision"], json!(wanted), "{more}");
    }
}

#[tokio::test]
async fn what_is_not_a_question_is_status_400() {
    let acme = fixture().await;
    let whole = json!({ "subject": subject("alice"), "action": { "name": "read" }, "resource": record("record-1") });
    let mut wrong: Vec<Value> = Vec::new();
    for (part, field) in [
        ("subject", "type"),
        ("subject", "id"),
        ("action", "name"),
        ("resource", "type"),
        ("resource", "id"),
    ] {
        for value in [None, Some(json!(123)), Some(json!(""))] {
            let mut body = whole.clone();
            match value {
                None => drop(body[part].as_object_mut().unwrap().remove(field)),
                Some(value) => body[part][field] = value,
            }
            wrong.push(body);
        }
        let mut body = whole.clone();
        body.as_object_mut().unwrap().remove(part);
        wrong.push(body.clone());
        body[part] = json!("alice");
        wrong.push(body);
    }
    for body in &wrong {
        let answer = acme.server.post(&acme.agent, "/access/v1/evaluation", body).await;
        assert_eq!(answer.status, 400, "{body}");
    }
    let line = format!("Bearer {}", acme.agent);
    let send = async |kind: &'static str, body: &'static [u8]| -> Answer {
        let headers = [("Authorization", line.as_str()), ("Content-Type", kind)];
        acme.server
            .send("POST", "/access/v1/evaluation", &headers, Some(body))
            .await
    };
    for (kind, body) in [
        ("text/plain", b"{}".as_slice()),
        ("application/json", b"{"),
        ("application/json", b""),
        ("application/json", b"[]"),
    ] {
        assert_eq!(send(kind, body).await.status, 400, "{kind}");
    }
    assert_eq!(
        acme.server
            .send("POST", "/access/v1/evaluation", &[], Some(b"{}"))
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn the_request_id_of_the_caller_comes_back() {
    let acme = fixture().await;
    let line = format!("Bearer {}", acme.agent);
    let body = json!({ "subject": subject("alice"), "action": { "name": "read" }, "resource": record("record-1") })
        .to_string();
    for (path, body, status) in [
        ("/access/v1/evaluation", body.as_str(), 200),
        ("/access/v1/evaluations", "{", 400),
    ] {
        let headers = [
            ("Authorization", line.as_str()),
            ("Content-Type", "application/json"),
            ("X-Request-ID", "bfe9eb29-ab87"),
        ];
        let answer = acme.server.send("POST", path, &headers, Some(body.as_bytes())).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.headers["x-request-id"], "bfe9eb29-ab87");
    }
    let answer = acme
        .server
        .send("POST", "/access/v1/evaluation", &[("X-Request-ID", "a b")], Some(b"{}"))
        .await;
    assert!(answer.headers["x-request-id"].starts_with("req_"));
}

#[tokio::test]
async fn several_questions_take_what_they_leave_out_from_what_is_said_for_all() {
    let acme = fixture().await;
    let both = json!([{ "action": { "name": "read" } }, { "action": { "name": "write" } }]);
    let body = json!({ "subject": subject("bob"), "resource": record("record-1"), "evaluations": both });
    assert_eq!(ask_all(&acme, &body).await, [true, false]);
    let body = json!({ "evaluations": [
        { "subject": subject("alice"), "action": { "name": "read" }, "resource": record("record-1") },
        { "subject": subject("bob"), "action": { "name": "write" }, "resource": record("record-1") },
    ] });
    assert_eq!(ask_all(&acme, &body).await, [true, false]);
    let body = json!({
        "subject": subject("alice"), "action": { "name": "write" }, "resource": { "type": "record" },
        "context": { "time": "2025-06-27T18:03-07:00" },
        "evaluations": [
            { "resource": { "id": "record-1", "properties": { "status": "active" } } },
            { "resource": record_with("record-2", "archived"), "context": { "source": "batch-override" } },
        ],
    });
    assert_eq!(ask_all(&acme, &body).await, [true, false]);
    // One that is wrong is a denial of its own.
    let body = json!({ "subject": subject("alice"), "action": { "name": "read" }, "evaluations": [{ "resource": record("record-1") }, {}] });
    let answer = acme
        .server
        .post(&acme.agent, "/access/v1/evaluations", &body)
        .await
        .good();
    assert_eq!(answer["evaluations"][0]["decision"], json!(true));
    assert_eq!(answer["evaluations"][1]["decision"], json!(false));
    assert_eq!(
        answer["evaluations"][1]["context"]["error"],
        json!({ "status": 400, "message": "`resource` is missing" })
    );
    // Without questions it is one.
    for more in [json!({}), json!({ "evaluations": [] })] {
        let mut body =
            json!({ "subject": subject("alice"), "action": { "name": "read" }, "resource": record("record-1") });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = acme
            .server
            .post(&acme.agent, "/access/v1/evaluations", &body)
            .await
            .good();
        assert_eq!(answer["decision"], json!(true), "{answer}");
        assert_eq!(answer.get("evaluations"), None);
    }
    let many: Vec<Value> = (0..101)
        .map(|n| json!({ "resource": record(&format!("r{n}")) }))
        .collect();
    let body = json!({ "subject": subject("alice"), "action": { "name": "read" }, "evaluations": many });
    assert_eq!(
        acme.server
            .post(&acme.agent, "/access/v1/evaluations", &body)
            .await
            .problem(400),
        "invalid_evaluation"
    );
}

#[tokio::test]
async fn answers_end_where_the_semantic_says() {
    let acme = fixture().await;
    let body = |semantic: &str| {
        json!({
            "subject": subject("bob"), "resource": record("record-1"), "options": { "evaluations_semantic": semantic, "another_option": 1 },
            "evaluations": [
                { "action": { "name": "read" } }, { "action": { "name": "write" } }, { "action": { "name": "read" } }, {},
            ],
        })
    };
    assert_eq!(ask_all(&acme, &body("execute_all")).await, [true, false, true, false]);
    assert_eq!(ask_all(&acme, &body("deny_on_first_deny")).await, [true, false]);
    assert_eq!(ask_all(&acme, &body("permit_on_first_permit")).await, [true]);
    let answer = acme
        .server
        .post(&acme.agent, "/access/v1/evaluations", &body("whatever"))
        .await;
    assert_eq!(answer.problem(400), "invalid_evaluation");
}

#[tokio::test]
async fn an_agent_that_asks_for_itself_gets_a_permit_that_is_used_once() {
    let acme = fixture().await;
    let body = json!({
        "subject": { "type": "agent", "id": "bot" }, "action": { "name": "refund", "properties": { "order": "4521" } },
        "resource": { "type": "tool", "id": "billing/refund" }, "context": { "amount": 20.10, "currency": "USD", "run": "r1" },
    });
    let answer = ask(&acme, &body).await;
    assert_eq!(answer["decision"], json!(true), "{answer}");
    let decided = &answer["context"]["countersign"];
    let permit = decided["permit"].as_str().unwrap();
    let action = json!({
        "tool": "billing/refund", "action": "refund", "args": { "order": "4521" }, "amount": "20.10", "currency": "USD", "run": "r1",
    });
    let redeem = json!({ "permit": permit, "action": action });
    assert_eq!(
        acme.server
            .post(&acme.agent, "/v1/permits/redeem", &redeem)
            .await
            .good()["go"],
        json!(true)
    );
    assert_eq!(
        acme.server
            .post(&acme.agent, "/v1/permits/redeem", &redeem)
            .await
            .problem(409),
        "already_redeemed"
    );
    let other = json!({ "subject": { "type": "agent", "id": "other" }, "action": { "name": "read" }, "resource": record("record-1") });
    let refused = acme.server.post(&acme.agent, "/access/v1/evaluation", &other).await;
    assert_eq!(refused.problem(403), "not_your_agent");
}

#[tokio::test]
async fn what_people_decide_is_false_until_they_have() {
    let acme = fixture().await;
    let body = json!({ "subject": { "type": "agent", "id": "bot" }, "action": { "name": "pay" }, "resource": record("invoice-1") });
    let answer = ask(&acme, &body).await;
    assert_eq!(
        (&answer["decision"], &answer["context"]["reason"]),
        (&json!(false), &json!("approval_required"))
    );
    let decided = &answer["context"]["countersign"];
    assert!(
        decided["approval"]["id"].as_str().unwrap().starts_with("apr_"),
        "{decided}"
    );
    let waiting = acme.server.get(&acme.lead, "/v1/approvals?mine=true").await.good();
    assert_eq!(waiting["approvals"][0]["id"], decided["approval"]["id"]);
}

#[tokio::test]
async fn a_permission_with_constraints_is_false_for_whoever_does_not_say_that_it_keeps_to_them() {
    let acme = fixture().await;
    let mut body = json!({ "subject": { "type": "agent", "id": "bot" }, "action": { "name": "export" }, "resource": record("all") });
    let answer = ask(&acme, &body).await;
    assert_eq!(
        (&answer["decision"], &answer["context"]["reason"]),
        (&json!(false), &json!("constraints"))
    );
    assert_eq!(answer["context"]["countersign"]["permit"], Value::Null, "{answer}");
    assert_eq!(
        answer["context"]["countersign"]["id"],
        Value::Null,
        "nothing is recorded"
    );
    body["context"] = json!({ "understands_constraints": true });
    let answer = ask(&acme, &body).await;
    assert_eq!(answer["decision"], json!(true), "{answer}");
    assert!(answer["context"]["countersign"]["permit"].is_string(), "{answer}");
}

#[tokio::test]
async fn whoever_asks_about_an_agent_gets_no_permit_and_records_nothing() {
    let acme = fixture().await;
    let gateway = json!({ "agent": "bot", "scopes": ["act_for:agent-*"] });
    let gateway = acme.server.post(&acme.admin, "/v1/keys", &gateway).await.good();
    let gateway = gateway["key"].as_str().unwrap();
    acme.server.agent(&acme.admin, "agent-7").await;
    let about = json!({ "subject": { "type": "agent", "id": "agent-7" }, "action": { "name": "read" }, "resource": record("record-1") });
    let behalf = json!({ "subject": subject("alice"), "action": { "name": "write" }, "resource": record("record-1"), "context": { "agent": "agent-7" } });
    let own = json!({ "subject": { "type": "agent", "id": "bot" }, "action": { "name": "read" }, "resource": record("record-1"), "context": { "dry_run": true } });
    for (key, body) in [(gateway, &about), (gateway, &behalf), (acme.agent.as_str(), &own)] {
        let answer = acme.server.post(key, "/access/v1/evaluation", body).await.good();
        assert_eq!(answer["decision"], json!(true), "{answer}");
        let decided = &answer["context"]["countersign"];
        assert_eq!(
            (&decided["permit"], &decided["id"]),
            (&Value::Null, &Value::Null),
            "{decided}"
        );
    }
    let strange = json!({ "subject": { "type": "agent", "id": "stranger" }, "action": { "name": "read" }, "resource": record("record-1") });
    assert_eq!(
        acme.server
            .post(gateway, "/access/v1/evaluation", &strange)
            .await
            .problem(403),
        "not_your_agent"
    );
}

#[tokio::test]
async fn a_repeated_question_with_a_key_is_answered_from_the_record() {
    let acme = fixture().await;
    let one = json!({ "subject": { "type": "agent", "id": "bot" }, "action": { "name": "read" }, "resource": record("record-1") });
    let ask = async || {
        acme.server
            .repeatable(&acme.agent, "k", "/access/v1/evaluation", one.to_string().as_bytes())
            .await
    };
    let (first, again) = (ask().await, ask().await);
    assert!(!first.is_replayed() && again.is_replayed());
    assert_eq!(
        first.good()["context"]["countersign"]["id"],
        again.good()["context"]["countersign"]["id"]
    );
    let two = json!({ "subject": { "type": "agent", "id": "bot" }, "action": { "name": "read" }, "evaluations": [{ "resource": record("a") }, { "resource": record("b") }] });
    let ask = async || {
        acme.server
            .repeatable(
                &acme.agent,
                "many",
                "/access/v1/evaluations",
                two.to_string().as_bytes(),
            )
            .await
            .good()
    };
    let (first, again) = (ask().await, ask().await);
    for at in 0..2 {
        let id = |answer: &Value| answer["evaluations"][at]["context"]["countersign"]["id"].clone();
        assert!(id(&first).is_string() && id(&first) == id(&again));
    }
}

#[tokio::test]
async fn a_repeated_question_is_not_true_any_more_once_its_permit_was_used() {
    let acme = fixture().await;
    let body = json!({ "subject": { "type": "agent", "id": "bot" }, "action": { "name": "read" }, "resource": record("record-1") });
    let ask = async || {
        acme.server
            .repeatable(&acme.agent, "k", "/access/v1/evaluation", body.to_string().as_bytes())
            .await
            .good()
    };
    let first = ask().await;
    assert_eq!(first["decision"], json!(true), "{first}");
    let decided = &first["context"]["countersign"];
    let redeem = json!({ "permit": decided["permit"], "action_digest": decided["action_digest"] });
    acme.server
        .post(&acme.agent, "/v1/permits/redeem", &redeem)
        .await
        .good();
    let again = ask().await;
    assert_eq!(
        (&again["decision"], &again["context"]["reason"]),
        (&json!(false), &json!("already_redeemed"))
    );
}

#[tokio::test]
async fn the_calls_are_found_by_the_well_known_document() {
    let acme = fixture().await;
    let found = acme
        .server
        .send("GET", "/.well-known/authzen-configuration", &[], None)
        .await
        .good();
    let base = found["policy_decision_point"].as_str().unwrap();
    assert!(base.starts_with("http") && !base.ends_with('/'));
    assert_eq!(
        found["access_evaluation_endpoint"],
        json!(format!("{base}/access/v1/evaluation"))
    );
    assert_eq!(
        found["access_evaluations_endpoint"],
        json!(format!("{base}/access/v1/evaluations"))
    );
}
