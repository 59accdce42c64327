//! Actions that nobody asks for, tried by whoever writes policy; what became of policies; schedules at a glance.

use serde_json::json;

use crate::support::Acme;

const GATE: &str = "name: g\nrules:\n\
    - { name: large, condition: \"has(amount) && amount > 500\", decision: require_approval }\n\
    - { name: small, condition: \"has(amount) && amount <= 500\", decision: allow }\n";

#[tokio::test]
async fn whoever_writes_policy_tries_an_action_of_any_agent_and_hears_why() {
    let acme = Acme::start().await;
    let Acme {
        server, admin, agent, ..
    } = &acme;
    server.policy(admin, &json!({ "gate.yaml": GATE })).await;
    let author = server.user(admin, "paul", &["policy_author"], &[]).await;
    let viewer = server.user(admin, "vera", &["viewer"], &[]).await;
    let before = server.get(admin, "/v1/audit/checkpoint").await.good();
    let wanted = json!({ "agent": "bot", "action": "pay", "amount": "700", "currency": "USD" });
    let tried = server.post(&author, "/v1/actions:explain", &wanted).await.good();
    assert_eq!(
        (
            &tried["action"]["agent"],
            &tried["action"]["decision"],
            &tried["action"]["id"]
        ),
        (&json!("bot"), &json!("require_approval"), &json!(null)),
        "{tried}"
    );
    let rules = tried["rules"].as_array().unwrap();
    let matched = |name: &str| rules.iter().find(|rule| rule["rule"] == name).unwrap()["matched"].clone();
    assert_eq!(
        (matched("large"), matched("small")),
        (json!(true), json!(false)),
        "{tried}"
    );
    let allows = (tried["otherwise"].as_array().unwrap().iter()).find(|other| other["decision"] == "allow");
    assert_eq!(allows.unwrap()["changes"][0]["pointer"], "/amount", "{tried}");
    // The same without the reasons, and what the agent itself is told.
    let dry = server.post(&author, "/v1/actions:dry_run", &wanted).await.good();
    assert_eq!(dry, tried["action"]);
    let own = json!({ "action": "pay", "amount": "700", "currency": "USD" });
    assert_eq!(server.post(agent, "/v1/actions:dry_run", &own).await.good(), dry);
    assert_eq!(server.get(admin, "/v1/audit/checkpoint").await.good(), before);

    // A person names an agent; an agent no other one; and nobody else may.
    assert_eq!(
        server.post(&author, "/v1/actions:dry_run", &own).await.problem(403),
        "not_an_agent"
    );
    assert_eq!(
        server.post(&viewer, "/v1/actions:explain", &wanted).await.problem(403),
        "forbidden"
    );
    let other = json!({ "agent": "another", "action": "pay" });
    assert_eq!(
        server.post(agent, "/v1/actions:explain", &other).await.problem(403),
        "not_your_agent"
    );
    let wrong = json!({ "agent": "Not An Id", "action": "pay" });
    assert_eq!(
        server.post(&author, "/v1/actions:explain", &wrong).await.problem(422),
        "invalid_id"
    );
    // To try is not to ask for it.
    assert_eq!(
        server.post(&author, "/v1/actions", &wanted).await.problem(403),
        "forbidden"
    );
}

#[tokio::test]
async fn what_a_kill_switch_refuses_has_no_other_answer() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    server.policy(admin, &json!({ "gate.yaml": GATE })).await;
    server
        .post(
            admin,
            "/v1/kill",
            &json!({ "scope": "agent", "name": "bot", "reason": "looks wrong" }),
        )
        .await
        .good();
    let wanted = json!({ "agent": "bot", "action": "pay", "amount": "70", "currency": "USD" });
    let tried = server.post(admin, "/v1/actions:explain", &wanted).await.good();
    assert_eq!(
        (&tried["action"]["decision"], &tried["otherwise"]),
        (&json!("deny"), &json!(null)),
        "{tried}"
    );
    assert!(!tried["rules"].as_array().unwrap().is_empty(), "{tried}");
}

#[tokio::test]
async fn the_history_of_policies_says_who_did_what_and_why() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let author = server.user(admin, "paul", &["policy_author"], &[]).await;
    let viewer = server.user(admin, "vera", &["viewer"], &[]).await;
    let files = json!({ "files": { "gate.yaml": GATE } });
    let stored = server.post(&author, "/v1/policies", &files).await.good();
    let hash = stored["hash"].as_str().unwrap();
    let why = json!({ "rationale": "small payments need nobody" });
    server
        .post(admin, &format!("/v1/policies/{hash}/activate"), &why)
        .await
        .good();
    let history = server.get(&viewer, "/v1/policies:history?limit=2").await.good();
    let steps = history["steps"].as_array().unwrap();
    let told: Vec<_> = (steps.iter())
        .map(|step| (step["what"].as_str().unwrap(), step["hash"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [("activated", hash), ("uploaded", hash)], "{history}");
    assert_eq!(steps[0]["why"], "small payments need nobody");
    assert_eq!(
        (steps[1]["by"].as_str(), steps[1]["why"].as_str()),
        (Some("paul"), None)
    );
    assert_eq!(
        server.get(&viewer, "/v1/policies:history?limit=501").await.problem(422),
        "invalid_parameter"
    );
}

#[tokio::test]
async fn schedules_are_listed_with_who_is_on() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let none = server.get(admin, "/v1/org/schedules").await.good();
    assert_eq!(none["schedules"], json!([]));
    let organization = "organization: acme\nschedules:\n  oncall:\n    zone: Europe/Berlin\n    layers:\n      \
        - { people: [ben, ada], starts: 2026-01-05T09:00, every: 1d }\n";
    server.policy(admin, &json!({ "org.yaml": organization })).await;
    let listed = server.get(admin, "/v1/org/schedules").await.good();
    let oncall = &listed["schedules"][0];
    assert_eq!(
        (&oncall["name"], &oncall["zone"], &oncall["people"]),
        (&json!("oncall"), &json!("Europe/Berlin"), &json!(["ada", "ben"])),
        "{listed}"
    );
    let on = server.get(admin, "/v1/org/schedules/oncall/on").await.good();
    assert_eq!((&oncall["person"], &oncall["because"]), (&on["person"], &on["because"]));
}
