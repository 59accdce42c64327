//! Agents that call agents, as they see it.

use serde_json::json;

use crate::support::Acme;

#[tokio::test]
async fn an_agent_that_another_one_called_does_what_both_may_and_the_answer_names_who_answers_for_it() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let helper = server.agent(admin, "helper").await;
    let files = json!({
        "bot.yaml": "agent: bot\ndelegation: { may_call: [helper] }\npermissions: [{ action: read, allowed: true }]\n",
        "helper.yaml":
            "agent: helper\npermissions: [{ action: read, allowed: true }, { action: wipe, allowed: true }]\n",
    });
    server.policy(admin, &files).await;
    let call = acme.decide(&json!({ "tool": "agent/helper" })).await;
    assert_eq!(call["status"], "permitted");
    let chain = json!([{ "agent": "bot", "action": call["id"] }]);

    let read = json!({ "action": "read", "delegation": chain });
    let answer = server.post(&helper, "/v1/actions", &read).await.good();
    assert_eq!(answer["status"], "permitted");
    let bot = &answer["delegation"][0];
    assert_eq!((&bot["agent"], &bot["action"]), (&json!("bot"), &call["id"]));
    assert!(bot["owner"].is_string());

    let wipe = server
        .post(&helper, "/v1/actions", &json!({ "action": "wipe" }))
        .await
        .good();
    assert_eq!(wipe["status"], "permitted", "on its own authority");
    let wipe = json!({ "action": "wipe", "delegation": chain });
    let refused = server.post(&helper, "/v1/actions", &wipe).await.good();
    assert_eq!(refused["decision"], "deny");

    let stranger = json!({ "action": "read", "delegation": [{ "agent": "helper", "action": call["id"] }] });
    let refused = server.post(&helper, "/v1/actions", &stranger).await.good();
    assert_eq!(refused["reasons"][0]["code"], "delegation_unproven");
}
