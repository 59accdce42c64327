//! Earning autonomy, routes with questions, and looks at what has run: over HTTP.

use countersign_core::Span;
use serde_json::{Value, json};

use crate::support::Acme;

const RULES: &str = "organization: acme
autonomy: { to_post_action: { successes: 2, max_error: 5%, days: 0 }, review_within: 1h, pause_after: 2 }
";
const GATE: &str = "name: gate\nrules:\n  - { decision: allow }\n";

async fn run(acme: &Acme, key: &str, status: &str) -> Value {
    let decided = acme.decide(&json!({ "action": "pay" })).await;
    if decided["status"] == "pending" {
        acme.vote(key, &decided, "approve").await.good();
    }
    let path = format!("/v1/actions/{}", decided["id"].as_str().unwrap());
    let permitted = acme.server.get(&acme.agent, &path).await.good();
    let redeem = json!({ "permit": permitted["permit"], "action_digest": permitted["action_digest"] });
    acme.server
        .post(&acme.agent, "/v1/permits/redeem", &redeem)
        .await
        .good();
    let outcome = json!({ "status": status });
    acme.server
        .post(&acme.agent, &format!("{path}/outcome"), &outcome)
        .await
        .good();
    decided
}

#[tokio::test]
async fn an_agent_earns_a_mode_a_person_grants_it_and_a_faulty_action_takes_it_away() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let dana = server.user(admin, "dana", &["reviewer", "admin"], &[]).await;
    server
        .policy(admin, &json!({ "acme.yaml": RULES, "gate.yaml": GATE }))
        .await;
    let criteria = server.get(&acme.agent, "/v1/autonomy").await.good();
    assert_eq!(
        criteria["modes"]["post_action"],
        json!({ "successes": 2, "max_error": "5 %", "days": 0 })
    );
    assert_eq!(run(&acme, &dana, "succeeded").await["decision"], "require_approval");
    let grant = json!({ "operation": "pay", "mode": "post_action", "reason": "clean so far" });
    assert_eq!(
        server.post(&dana, "/v1/autonomy/bot", &grant).await.problem(409),
        "not_earned"
    );
    let stands = server.get(&acme.agent, "/v1/autonomy/bot").await.good();
    assert_eq!(stands["operations"][0]["missing"], json!(["1 more successes (of 2)"]));
    run(&acme, &dana, "succeeded").await;
    assert_eq!(
        server.post(&acme.agent, "/v1/autonomy/bot", &grant).await.problem(403),
        "agents_cannot_vote"
    );
    assert_eq!(
        server.post(&dana, "/v1/autonomy/bot", &grant).await.good()["mode"],
        "post_action"
    );
    assert_eq!(
        server.get(admin, "/v1/agents/bot").await.good()["modes"],
        json!({ "post_action": 1 })
    );
    assert_eq!(run(&acme, &dana, "succeeded").await["decision"], "allow");
    let reviews = server.get(&dana, "/v1/reviews").await.good();
    assert_eq!(
        (&reviews["reviews"][0]["kind"], &reviews["reviews"][0]["agent"]),
        (&json!("post_action"), &json!("bot"))
    );
    let path = format!("/v1/reviews/{}", reviews["reviews"][0]["id"].as_str().unwrap());
    let faulty = json!({ "finding": "faulty", "comment": "wrong customer" });
    assert_eq!(
        server
            .post(&dana, &path, &json!({ "finding": "faulty" }))
            .await
            .problem(422),
        "reason_required"
    );
    let key = b"{\"finding\":\"faulty\",\"comment\":\"wrong customer\"}";
    let first = server.repeatable(&dana, "look-1", &path, key).await;
    assert_eq!(first.good()["finding"], "faulty");
    let again = server.repeatable(&dana, "look-1", &path, key).await;
    assert!(again.is_replayed());
    assert_eq!(again.good(), first.good());
    assert_eq!(server.post(&dana, &path, &faulty).await.problem(404), "not_found");
    // One faulty of three is more than five percent: it starts over.
    assert_eq!(
        acme.decide(&json!({ "action": "pay" })).await["decision"],
        "require_approval"
    );
    let plan = server.get(admin, "/v1/autonomy:plan").await.good();
    assert_eq!(
        (&plan["ruled"], &plan["operations"], &plan["loosened"]),
        (&json!(true), &json!(1), &json!(0))
    );
    let weeks = plan["weeks"].as_array().unwrap();
    let all = |name: &str| weeks.iter().filter_map(|week| week[name].as_u64()).sum::<u64>();
    let counted = ["restricted", "supervised", "autonomous", "loosened", "tightened"].map(all);
    assert_eq!(counted, [3, 1, 0, 1, 1]);
    let own = server.get(&acme.agent, "/v1/autonomy:plan").await;
    assert_eq!(own.problem(403), "forbidden");
}

#[tokio::test]
async fn rejections_in_a_row_pause_an_agent_until_a_person_resumes_it() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    server
        .policy(admin, &json!({ "acme.yaml": RULES, "gate.yaml": GATE }))
        .await;
    for _ in 0..2 {
        let decided = acme.decide(&json!({ "action": "pay" })).await;
        acme.vote(admin, &decided, "reject").await.good();
    }
    let refused = acme.decide(&json!({ "action": "read" })).await;
    assert_eq!(refused["reasons"][0]["code"], "agent_paused");
    assert_eq!(server.get(admin, "/v1/agents/bot").await.good()["paused"], "rejections");
    let why = json!({ "agent": "bot", "reason": "the prompt is mended" });
    let resumed = server.post(admin, "/v1/agents:resume", &why).await.good();
    assert_eq!(resumed["paused"], Value::Null);
    assert_eq!(acme.decide(&json!({ "action": "read" })).await["status"], "permitted");
    let paused = server.post(admin, "/v1/agents:pause", &why).await.good();
    assert_eq!(paused["paused"], "requested");
}

#[tokio::test]
async fn a_missed_step_escalates_a_question_reaches_the_agent_and_a_colleague_decides() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let fay = server.user(admin, "fay", &["reviewer"], &["oncall"]).await;
    let lea = acme.lead.clone();
    let lou = server.user(admin, "lou", &["reviewer"], &["leads"]).await;
    let route = "organization: acme
routes:
  refunds:
    steps: [{ to: [\"team:oncall\"], within: 15m }, { to: [\"team:leads\"], within: 15m }]
    deadline: 1h
";
    let gate = "name: gate\nrules:\n  - { decision: require_approval, approvers: [refunds] }\n";
    server
        .policy(admin, &json!({ "acme.yaml": route, "gate.yaml": gate }))
        .await;
    let decided = acme.decide(&json!({ "action": "refund" })).await;
    let path = format!("/v1/approvals/{}", decided["approval"]["id"].as_str().unwrap());
    let cast = async |key: &str, verb: &str, rest: Value| {
        let seen = server.get(key, &path).await.good();
        let mut vote = json!({ "verb": verb, "action_digest": seen["action_digest"], "snapshot": seen["snapshot"] });
        vote.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        server.post(key, &format!("{path}/votes"), &vote).await
    };
    assert_eq!(cast(&lea, "approve", json!({})).await.problem(403), "not_eligible");
    server.pass(Span::minutes(15));
    // The timer fires beside the request that looks.
    let mut escalated = server.get(&lea, &path).await.good();
    while escalated["steps"][1].is_null() {
        escalated = server.get(&lea, &path).await.good();
    }
    assert_eq!(escalated["steps"][1]["what"], "timed_out");
    assert_eq!(escalated["steps"][1]["slots"][0]["people"], json!(["lea", "lou"]));
    let asked = cast(&lea, "clarify", json!({ "comment": "which order?" })).await.good();
    assert_eq!(
        (&asked["state"], &asked["question"]["text"]),
        (&json!("clarifying"), &json!("which order?"))
    );
    let waited = server
        .get(
            &acme.agent,
            &format!("/v1/actions/{}?wait=60s", decided["id"].as_str().unwrap()),
        )
        .await;
    assert_eq!(
        waited.good()["approval"]["state"],
        "clarifying",
        "the agent does not wait for a decision meanwhile"
    );
    let answer = json!({ "evidence": { "answer": "order 4521" } });
    let answered = server
        .post(&acme.agent, &format!("{path}/answers"), &answer)
        .await
        .good();
    assert_eq!(
        (&answered["state"], &answered["answers"][0]["answer"]),
        (&json!("pending"), &json!("order 4521"))
    );
    cast(&lea, "claim", json!({})).await.good();
    assert_eq!(cast(&fay, "approve", json!({})).await.problem(409), "claimed");
    cast(&lea, "hand_over", json!({ "to": "lou" })).await.good();
    assert_eq!(cast(&lea, "approve", json!({})).await.problem(403), "not_eligible");
    let decided = cast(&lou, "approve", json!({})).await.good();
    assert_eq!(decided["action"]["status"], "permitted");
}

/// The sample of last week, once its end was noticed.
async fn revealed(server: &crate::support::Server, key: &str) -> Value {
    loop {
        let sample = server.get(key, "/v1/samples").await.good();
        if sample["key"].is_string() {
            return sample;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_weeks_sample_is_kept_until_monday_then_listed_with_its_key_and_its_findings() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let dana = server.user(admin, "dana", &["reviewer"], &[]).await;
    let rules = "organization: acme
autonomy: { demote_above: 60%, modes: [{ agent: bot, mode: periodic_batch, sample: 100%, within: 2h }] }
";
    server
        .policy(admin, &json!({ "acme.yaml": rules, "gate.yaml": GATE }))
        .await;
    let criteria = server.get(&acme.agent, "/v1/autonomy").await.good();
    let stated = json!([{ "agent": "bot", "mode": "periodic_batch", "within_s": 7200, "sample": "100 %" }]);
    assert_eq!(criteria["stated"], stated);
    let decided = run(&acme, &dana, "succeeded").await;
    assert_eq!(decided["decision"], "allow");
    run(&acme, &dana, "failed").await;
    server.pass(Span::days(7));
    let over = revealed(server, &dana).await;
    assert_eq!(
        (&over["of"], &over["drawn"], &over["open"]),
        (&json!(2), &json!(2), &json!(2)),
        "{over}"
    );
    assert_eq!(over["key"].as_str().unwrap().len(), 64);
    let items = over["actions"].as_array().unwrap();
    let first = items.iter().find(|item| item["action"] == decided["id"]).unwrap();
    let path = format!("/v1/reviews/{}", first["review"].as_str().unwrap());
    let faulty = json!({ "finding": "faulty", "comment": "a guess" });
    server.post(&dana, &path, &faulty).await.good();
    let week = format!("/v1/samples?week={}", over["week"].as_str().unwrap());
    let after = server.get(&dana, &week).await.good();
    assert_eq!((&after["open"], &after["faulty"]), (&json!(1), &json!(1)));
    let looked = after["actions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["action"] == decided["id"]);
    assert_eq!(
        (&looked.unwrap()["by"], &looked.unwrap()["finding"]),
        (&json!("dana"), &json!("faulty"))
    );
    let stands = server.get(&acme.agent, "/v1/autonomy/bot").await.good();
    assert_eq!(
        (
            &stands["operations"][0]["succeeded"],
            &stands["operations"][0]["failed"]
        ),
        (&json!(0), &json!(2))
    );
    let none = server.get(&dana, "/v1/samples?week=2020-W01").await.good();
    assert_eq!((&none["of"], &none["key"]), (&json!(0), &Value::Null));
    assert_eq!(
        server.get(&dana, "/v1/samples?week=2026-W54").await.problem(422),
        "invalid_parameter"
    );
}
