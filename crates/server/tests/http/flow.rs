//! One action from its request to its outcome.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::Acme;

#[tokio::test]
async fn an_approved_action_is_redeemed_once_and_its_outcome_is_recorded_once() {
    let acme = Acme::start().await;
    let Acme {
        server,
        agent,
        lead,
        admin,
    } = &acme;
    let body = json!({ "action": "pay", "amount": "10", "currency": "USD", "args": { "to": "ana" } });
    let action = acme.decide(&body).await;
    assert_eq!(
        (action["decision"].as_str(), action["permit"].as_str()),
        (Some("require_approval"), None)
    );

    let mine = server.get(lead, "/v1/approvals?mine=true").await.good();
    assert_eq!(mine["approvals"][0]["id"], action["approval"]["id"]);
    assert_eq!(mine["approvals"][0]["stored"]["args"]["to"], "ana");
    let alex = server.get(admin, "/v1/approvals?mine=true").await.good();
    assert_eq!(alex["approvals"], json!([]));

    assert_eq!(acme.vote(admin, &action, "approve").await.problem(403), "not_eligible");
    let voted = acme.vote(lead, &action, "approve").await.good();
    assert_eq!(
        (voted["state"].as_str(), voted["votes"][1]["comment"].as_str()),
        (Some("approved"), Some("because"))
    );

    let path = format!("/v1/actions/{}", action["id"].as_str().unwrap());
    let permitted = server.get(agent, &format!("{path}?wait=1s")).await.good();
    assert_eq!(permitted["status"], "permitted");
    let early = server
        .post(agent, &format!("{path}/outcome"), &json!({ "status": "succeeded" }))
        .await;
    assert_eq!(early.problem(409), "not_redeemed");

    let permit = permitted["permit"].as_str().unwrap();
    let other = json!({ "permit": permit, "action": { "action": "pay", "amount": "11", "currency": "USD" } });
    assert_eq!(
        server.post(agent, "/v1/permits/redeem", &other).await.problem(409),
        "digest_mismatch"
    );
    let tampered = json!({ "permit": permit.replacen('.', ".e", 1), "action": body });
    assert_eq!(
        server.post(agent, "/v1/permits/redeem", &tampered).await.problem(403),
        "invalid_permit"
    );
    let redeem = json!({ "permit": permit, "action": body });
    let redeemed = server.post(agent, "/v1/permits/redeem", &redeem).await.good();
    assert_eq!(
        (redeemed["go"].as_bool(), &redeemed["action_id"]),
        (Some(true), &action["id"])
    );
    assert_eq!(
        server.post(agent, "/v1/permits/redeem", &redeem).await.problem(409),
        "already_redeemed"
    );

    let outcome = json!({
        "status": "succeeded", "cost": { "amount": "0.12", "currency": "USD" }, "tokens": { "input": 5 }, "output": "done",
    });
    let reported = server.post(agent, &format!("{path}/outcome"), &outcome).await.good();
    assert_eq!(
        (
            reported["outcome"]["status"].as_str(),
            reported["outcome"]["cost"].as_str()
        ),
        (Some("succeeded"), Some("0.12"))
    );
    assert_eq!(
        server
            .post(agent, &format!("{path}/outcome"), &outcome)
            .await
            .problem(409),
        "outcome_known"
    );

    let explained = server.post(agent, &format!("{path}/explain"), &json!({})).await.good();
    let rules = explained["rules"].as_array().unwrap();
    assert!(
        rules
            .iter()
            .any(|rule| rule["matched"] == true && rule["asked"] == "require_approval"),
        "{explained}"
    );
}

#[tokio::test]
async fn a_digest_is_as_good_as_the_action_itself() {
    let acme = Acme::start().await;
    let action = acme.decide(&json!({ "action": "read" })).await;
    let redeem = json!({ "permit": action["permit"], "action_digest": action["action_digest"] });
    assert_eq!(
        acme.server
            .post(&acme.agent, "/v1/permits/redeem", &redeem)
            .await
            .good()["go"],
        true
    );
}

#[tokio::test]
async fn a_wait_ends_with_the_decision_and_not_later() {
    let acme = Acme::start().await;
    let action = acme.pending().await;
    let path = format!("/v1/actions/{}?wait=20s", action["id"].as_str().unwrap());
    let started = Instant::now();
    let (waited, _) = tokio::join!(acme.server.get(&acme.agent, &path), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        acme.vote(&acme.lead, &action, "reject").await.good()
    });
    let waited = waited.good();
    assert_eq!(
        (waited["status"].as_str(), waited["reason_code"].as_str()),
        (Some("refused"), Some("rejected"))
    );
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_decided_and_records_nothing() {
    let acme = Acme::start().await;
    let before = acme.server.get(&acme.admin, "/v1/audit/checkpoint").await.good();
    let answer = acme
        .server
        .post(&acme.agent, "/v1/actions:dry_run", &json!({ "action": "pay" }))
        .await
        .good();
    assert_eq!(
        (answer["decision"].as_str(), answer["id"].as_str()),
        (Some("require_approval"), None)
    );
    assert_eq!(
        acme.server.get(&acme.admin, "/v1/audit/checkpoint").await.good(),
        before
    );
}

#[tokio::test]
async fn each_item_of_a_batch_has_a_result_of_its_own() {
    let acme = Acme::start().await;
    let batch =
        json!({ "actions": [{ "action": "read" }, { "action": "wipe" }, { "act": "read" }, { "action": "pay" }] });
    let answer = acme.server.post(&acme.agent, "/v1/actions:batch", &batch).await.good();
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 4);
    assert_eq!(results[0]["action"]["decision"], "allow");
    assert_eq!(results[1]["action"]["decision"], "deny");
    assert_eq!(
        (results[2]["problem"]["code"].as_str(), results[2]["action"].is_null()),
        (Some("missing_field"), true)
    );
    assert_eq!(results[3]["action"]["status"], "pending");
    for size in [0, 1001] {
        let batch = json!({ "actions": vec![json!({ "action": "read" }); size] });
        assert_eq!(
            acme.server
                .post(&acme.agent, "/v1/actions:batch", &batch)
                .await
                .problem(422),
            "batch_size"
        );
    }
}

#[tokio::test]
async fn an_agent_completes_evidence_and_withdraws_a_request() {
    let acme = Acme::start().await;
    let gate = "name: gate\non: [{ action: pay }]\nrules:\n- decision: require_approval\n  approvers: [leads]\n  evidence_required: true\n  condition: \"true\"\n";
    acme.server.policy(&acme.admin, &json!({ "gate.yaml": gate })).await;
    let action = acme
        .decide(&json!({ "action": "pay", "evidence": { "reason": "owed" } }))
        .await;
    assert_eq!(action["approval"]["state"], "needs_evidence");
    assert_eq!(
        acme.vote(&acme.lead, &action, "approve").await.problem(409),
        "needs_evidence"
    );
    let path = format!("/v1/approvals/{}", action["approval"]["id"].as_str().unwrap());
    let evidence = json!({ "evidence": {
        "sources": ["a"], "references": ["b"], "confidence": 0.5, "alternatives": ["c"], "next_step": "d",
    }});
    let answered = acme
        .server
        .post(&acme.agent, &format!("{path}/answers"), &evidence)
        .await
        .good();
    assert_eq!(answered["state"], "pending");
    let cancelled = acme
        .server
        .call(&acme.agent, "POST", &format!("{path}/cancel"), None)
        .await
        .good();
    assert_eq!(cancelled["state"], "cancelled");
}

#[tokio::test]
async fn what_ones_teams_are_asked_is_listed_whoever_in_them_decides() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let colleague = server.user(admin, "noa", &["reviewer"], &["leads"]).await;
    let stranger = server.user(admin, "sam", &["reviewer"], &["others"]).await;
    let id = acme.pending().await["approval"]["id"].clone();
    for (key, of_teams) in [(&acme.lead, 1), (&colleague, 1), (&stranger, 0)] {
        let listed = server.get(key, "/v1/approvals?team=true").await.good();
        let ids = listed["approvals"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["id"] == id);
        assert_eq!(ids.count(), of_teams);
    }
    let both = server.get(&acme.lead, "/v1/approvals?team=true&mine=true").await;
    assert_eq!(both.problem(422), "invalid_parameter");
}

#[tokio::test]
async fn a_long_queue_is_read_page_by_page_and_nothing_is_left_out_or_told_twice() {
    let acme = Acme::start().await;
    let Acme { server, lead, .. } = &acme;
    let mut asked = BTreeSet::new();
    for n in 0..7 {
        let body = json!({ "action": "pay", "amount": "10", "currency": "USD", "args": { "n": n } });
        let answer = acme.decide(&body).await;
        asked.insert(answer["approval"]["id"].as_str().unwrap().to_owned());
    }
    let (mut told, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = server
            .get(lead, &format!("/v1/approvals?mine=true&limit=3{cursor}"))
            .await
            .good();
        let ids = page["approvals"].as_array().unwrap().iter();
        told.extend(ids.map(|one| (one["deadline"].to_string(), one["id"].as_str().unwrap().to_owned())));
        pages += 1;
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!((pages, told.len()), (3, 7));
    assert!(told.is_sorted(), "by deadline: {told:?}");
    assert_eq!(told.into_iter().map(|(_, id)| id).collect::<BTreeSet<_>>(), asked);
    for wrong in ["cursor=perhaps", "cursor=1-apr_x", "limit=0", "limit=101"] {
        let answer = server.get(lead, &format!("/v1/approvals?{wrong}")).await;
        assert_eq!(answer.problem(422), "invalid_parameter", "{wrong}");
    }
}
