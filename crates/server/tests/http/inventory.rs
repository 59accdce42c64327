//! What the inventory knows of agents, tools that change, leases of gateways, and every scope of a kill switch.

use serde_json::{Value, json};

use crate::support::{Acme, Server};

fn full() -> Value {
    let list = json!(["none"]);
    json!({
        "purpose": "answers questions", "system": "agent", "technical_owner": "team:platform",
        "fallback_owner": "user:alex", "reviewer": "team:leads", "review_by": "2099-01-01T00:00:00Z", "model": "m-1",
        "prompt": "7", "environments": ["prod"], "tools": list, "data": list,
        "boundary": {
            "process": "support", "reads": ["crm"], "writes": list, "without_approval": ["read"],
            "always_approve": list, "never_access": ["card data"], "owning_team": "support",
        },
    })
}

/// A key of a gateway.
async fn gateway(server: &Server, admin: &str) -> String {
    let body = json!({ "agent": "bot", "scopes": ["redeem"] });
    server.post(admin, "/v1/keys", &body).await.good()["key"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn an_agent_of_which_something_is_blank_is_not_made_active() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let files = json!({
        "acme.yaml": "organization: acme\nrequire: [readiness]\n",
        "bot.yaml": "agent: bot\ntier: prepare\npermissions: [{ action: read, allowed: true }]\n",
    });
    server.policy(admin, &files).await;
    let refused = acme.decide(&json!({ "action": "read" })).await;
    assert_eq!(refused["reasons"][0]["code"], "agent_not_active");
    let mut about = full();
    about["boundary"]["never_access"] = json!([]);
    let path = "/v1/descriptions/bot";
    let answer = server.call(admin, "PUT", path, Some(&about)).await.good();
    assert_eq!((&answer["ready"], &answer["required"]), (&json!(false), &json!(true)));
    let refused = server.call(admin, "POST", "/v1/readiness/bot", None).await;
    assert_eq!(refused.problem(422), "not_ready");
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("`boundary.never_access`"), "{detail}");

    server.call(admin, "PUT", path, Some(&full())).await.good();
    let active = server.call(admin, "POST", "/v1/readiness/bot", None).await.good();
    assert!(active["activated"].is_string());
    assert_eq!(server.get(admin, "/v1/readiness/bot").await.good(), active);
    let bot = server.get(admin, "/v1/agents/bot").await.good();
    assert_eq!(
        (&bot["activated"], &bot["tier"]),
        (&active["activated"], &json!("prepare"))
    );
    assert_eq!(server.get(admin, path).await.good()["boundary"]["process"], "support");
    assert_eq!(acme.decide(&json!({ "action": "read" })).await["status"], "permitted");
    let review = server.get(admin, "/v1/access_reviews/bot").await.good();
    assert_eq!(review["grants"][0]["action"], "read");
    assert_eq!(review["grants"][0]["unused"], false);
}

#[tokio::test]
async fn what_looks_secret_is_not_kept_in_a_description() {
    let acme = Acme::start().await;
    let about = json!({ "purpose": "pays with 4111 1111 1111 1111" });
    let answer = acme
        .server
        .call(&acme.admin, "PUT", "/v1/descriptions/bot", Some(&about))
        .await;
    assert_eq!(answer.problem(422), "invalid_label");
}

#[tokio::test]
async fn a_tool_that_changes_is_denied_until_it_is_approved() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let looks = |digit: &str| json!({ "tool": "read", "schema": digit.repeat(64) });
    assert_eq!(
        server.post(admin, "/v1/tools", &looks("1")).await.good()["changed"],
        false
    );
    assert_eq!(acme.decide(&json!({ "action": "read" })).await["status"], "permitted");
    assert_eq!(
        server.post(admin, "/v1/tools", &looks("2")).await.good()["changed"],
        true
    );
    let refused = acme.decide(&json!({ "action": "read" })).await;
    assert_eq!(refused["reasons"][0]["code"], "tool_changed");
    let approve = "/v1/tools/approve";
    assert_eq!(
        server.post(admin, approve, &looks("1")).await.problem(409),
        "schema_mismatch"
    );
    assert_eq!(server.post(admin, approve, &looks("2")).await.good()["changed"], false);
    assert_eq!(server.get(admin, "/v1/tools").await.good()["tools"][0]["tool"], "read");
    assert_eq!(acme.decide(&json!({ "action": "read" })).await["status"], "permitted");
}

#[tokio::test]
async fn a_gateway_hears_of_stops_when_it_renews_its_lease() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let key = gateway(server, admin).await;
    let lease = json!({ "gateway": "edge-1", "seconds": 30, "guards": [{ "scope": "tool", "name": "mail" }] });
    let answer = server.post(&key, "/v1/leases", &lease).await.good();
    assert_eq!((&answer["answer"], &answer["stops"]), (&json!("go"), &json!([])));
    server
        .post(admin, "/v1/kill", &json!({ "scope": "team", "name": "ops" }))
        .await
        .good();
    let answer = server.post(&key, "/v1/leases", &lease).await.good();
    assert_eq!(
        (&answer["answer"], &answer["stops"][0]["scope"]),
        (&json!("go"), &json!("team"))
    );
    server
        .post(admin, "/v1/kill", &json!({ "scope": "tool", "name": "mail" }))
        .await
        .good();
    // Not even a repetition with the same key of idempotency hears what was true before.
    let body = serde_json::to_vec(&lease).unwrap();
    for _ in 0..2 {
        let answer = server.repeatable(&key, "again", "/v1/leases", &body).await.good();
        assert_eq!(answer["answer"], "stop");
    }
    let listed = server.get(admin, "/v1/leases").await.good();
    assert_eq!(listed["leases"][0]["guards"], json!(["tool:mail"]));
    assert_eq!(server.post(admin, "/v1/leases", &lease).await.problem(403), "forbidden");
    server.call(&key, "DELETE", "/v1/leases/edge-1", None).await.good();
    let again = server.call(&key, "DELETE", "/v1/leases/edge-1", None).await;
    assert_eq!(again.problem(404), "not_found");
}

#[tokio::test]
async fn every_scope_of_a_kill_switch_is_engaged_listed_and_released() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    for scope in ["agent", "class", "run", "team", "tool"] {
        let kill = json!({ "scope": scope, "name": "x", "reason": "a test" });
        assert_eq!(server.post(admin, "/v1/kill", &kill).await.good()["scope"], scope);
        let listed = server.get(admin, "/v1/kill").await.good();
        assert_eq!(listed["kills"][0]["name"], "x");
        assert_eq!(
            server.post(admin, "/v1/kill/release", &kill).await.good()["released"],
            true
        );
    }
    server
        .post(admin, "/v1/kill", &json!({ "scope": "run", "name": "run_1" }))
        .await
        .good();
    let refused = acme.decide(&json!({ "action": "read", "run": "run_1" })).await;
    assert_eq!(refused["reason_code"], "killed");
    assert_eq!(
        acme.decide(&json!({ "action": "read", "run": "run_2" })).await["status"],
        "permitted"
    );
}

#[tokio::test]
async fn an_agent_is_told_which_operations_policy_always_denies_to_it() {
    let acme = Acme::start().await;
    let Acme {
        server, admin, agent, ..
    } = &acme;
    let files = json!({
        "bot.yaml": concat!(
            "agent: bot\nenvironments: [test]\npermissions:\n",
            "  - { tool: 'fs/*', allowed: true }\n  - { action: drop, allowed: false }\n",
            "  - { action: wipe, allowed: false, where: \"has(args.all)\" }\n"
        ),
    });
    server.policy(admin, &files).await;
    let ask = async |env: Option<&str>, names: &[&str]| {
        let operation = |name: &&str| json!({ "tool": format!("fs/{name}"), "action": name });
        let mut body = json!({ "operations": names.iter().map(operation).collect::<Vec<_>>() });
        if let Some(env) = env {
            body["env"] = env.into();
        }
        server.post(agent, "/v1/tools:always_denied", &body).await
    };
    let answer = ask(Some("test"), &["read", "drop", "wipe"]).await.good();
    assert_eq!(answer["always_denied"], json!([false, true, false]));
    assert!(answer["snapshot"].as_str().unwrap().starts_with("sha256:"));
    // Where the mandate does not reach, nothing does.
    assert_eq!(
        ask(Some("prod"), &["read"]).await.good()["always_denied"],
        json!([true])
    );
    assert_eq!(ask(None, &["read"]).await.good()["always_denied"], json!([true]));
    for size in [0, 201] {
        assert_eq!(ask(None, &vec!["read"; size]).await.problem(422), "invalid_value");
    }
    // A gateway's key names the agent, and only one that it acts for.
    let gateway = json!({ "agent": "bot", "scopes": ["act_for:agent-*", "act_for:bot"] });
    let gateway = server.post(admin, "/v1/keys", &gateway).await.good();
    let key = gateway["key"].as_str().unwrap().to_owned();
    let named =
        |agent: &str| json!({ "agent": agent, "env": "test", "operations": [{ "tool": "fs/drop", "action": "drop" }] });
    let for_bot = server.post(&key, "/v1/tools:always_denied", &named("bot")).await.good();
    assert_eq!(for_bot["always_denied"], json!([true]));
    // Who has no mandate may do nothing.
    let unknown = server.post(&key, "/v1/tools:always_denied", &named("agent-1")).await;
    assert_eq!(unknown.good()["always_denied"], json!([true]));
    for (asks, about) in [(&key, "other"), (agent, "agent-1")] {
        let refused = server.post(asks, "/v1/tools:always_denied", &named(about)).await;
        assert_eq!(refused.problem(403), "not_your_agent");
    }
}

#[tokio::test]
async fn workflows_tools_data_owners_and_classes_have_a_register_each() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let files = json!({
        "gate.yaml": "name: gate\nrules: [{ decision: allow }]\n",
        "tools.yaml": concat!(
            "tools: { card: { class: money, risk: R2 }, ",
            "mail: { class: routine, reads: [outside], when_tainted: { class: risky, risk: R3 } } }\n"
        ),
    });
    server.policy(admin, &files).await;
    let about = json!({
        "purpose": "refunds", "technical_owner": "team:platform", "reviewer": "team:support",
        "tools": ["card", "none"], "data": ["orders"],
        "boundary": { "process": "refunds", "reads": ["orders"], "writes": ["ledger"], "never_access": ["card numbers"],
            "owning_team": "team:support" },
    });
    let path = "/v1/descriptions/bot";
    server.call(admin, "PUT", path, Some(&about)).await.good();
    let tool = json!({ "tool": "old", "schema": "0".repeat(64) });
    server.post(admin, "/v1/tools", &tool).await.good();
    let action = acme.decide(&json!({ "tool": "card", "action": "refund" })).await;
    let redeem = json!({ "permit": action["permit"], "action_digest": action["action_digest"] });
    server.post(&acme.agent, "/v1/permits/redeem", &redeem).await.good();

    let register = async |name: &str| {
        let answer = server.get(admin, &format!("/v1/registers/{name}")).await.good();
        let entries = answer["entries"].as_array().unwrap().clone();
        let entries = entries
            .iter()
            .map(|entry| (entry["name"].as_str().unwrap().to_owned(), entry["about"].clone()));
        entries.collect::<std::collections::BTreeMap<_, _>>()
    };
    let workflows = register("workflows").await;
    let known = json!({ "agents": ["bot"], "owning_team": ["team:support"], "owners": ["team:support"] });
    assert_eq!(workflows["refunds"], known);
    let tools = register("tools").await;
    let card = json!({
        "class": ["money"], "risk": ["R2"], "state": ["in the catalogue"], "described_for": ["bot"], "used_by": ["bot"],
    });
    assert_eq!(tools["card"], card);
    assert_eq!(tools["old"], json!({ "state": ["registered"] }));
    assert!(!tools.contains_key("none"));
    let data = register("data_sources").await;
    assert_eq!(data["orders"], json!({ "read_by": ["bot"], "touched_by": ["bot"] }));
    assert_eq!(data["card numbers"], json!({ "forbidden_to": ["bot"] }));
    assert_eq!(data["outside"], json!({ "labelled_by": ["mail"] }));
    let owners = register("owners").await;
    let support = json!({ "owner_of": ["bot"], "reviewer_of": ["bot"], "owning_team_of": ["bot"] });
    assert_eq!(owners["team:support"], support);
    let classes = register("classes").await;
    assert_eq!(classes["money"], json!({ "tools": ["card"], "risk": ["R2"] }));
    assert_eq!(classes["risky"], json!({ "raised_tools": ["mail"], "risk": ["R3"] }));
    assert_eq!(
        server.get(admin, "/v1/registers/agents").await.problem(404),
        "not_found"
    );
}
