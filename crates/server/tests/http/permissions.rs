//! Who may do what: every call, from the table, with every kind of credential.

use countersign_api::CALLS;
use countersign_api::calls::{Call, Method, Permission, Place};
use serde_json::{Value, json};

use crate::support::{Acme, Answer, Server, TOKEN};

/// A path of the call with ids that name nothing.
fn path(call: &Call) -> String {
    let mut path = call.path.to_owned();
    for param in call.params.iter().filter(|param| param.place == Place::Path) {
        let value = match call.path {
            p if p.contains("/actions/") => format!("act_{:032x}", 1),
            p if p.contains("/approvals/") => format!("apr_{:032x}", 1),
            p if p.contains("/alerts/") => format!("alr_{:032x}", 1),
            p if p.contains("/practice/") => format!("apr_{:032x}", 1),
            p if p.contains("/runs/") => format!("run_{:032x}", 1),
            p if p.contains("/reviews/") => format!("rev_{:032x}", 1),
            p if p.contains("/notices/") => format!("ntc_{:032x}", 1),
            p if p.contains("/deliveries/") => format!("msg_{:032x}", 1),
            p if p.contains("/absences/") => format!("abs_{:032x}", 1),
            p if p.contains("/overrides/") => format!("ovr_{:032x}", 1),
            p if p.contains("/callbacks/") => format!("rcv_{:032x}", 1),
            p if p.contains("/policies/") => format!("sha256:{:064x}", 1),
            p if p.contains("/audit/") => "999999".to_owned(),
            p if p.contains("/keys/") => "AAAAAAAA".to_owned(),
            _ => "nobody".to_owned(),
        };
        path = path.replace(&format!("{{{}}}", param.name), &value);
    }
    path
}

async fn make(server: &Server, call: &Call, key: Option<&str>) -> Answer {
    let authorization = key.map(|key| format!("Bearer {key}"));
    let mut headers = vec![
        ("Content-Type", "application/json"),
        ("Countersign-Organization", "acme"),
    ];
    headers.extend(authorization.as_deref().map(|line| ("Authorization", line)));
    // A body that no call takes: whoever may make the call gets to hear of it, and nothing happens.
    let body = call.body.map(|_| b"[]".as_slice());
    // What is told as it happens has no end to wait for.
    let method = if call.id == "events" {
        "HEAD"
    } else {
        call.method.as_str()
    };
    let answer = server.send(method, &path(call), &headers, body).await;
    if call.id == "events" && answer.status >= 400 {
        return server.send("GET", &path(call), &headers, body).await;
    }
    answer
}

#[tokio::test]
async fn without_a_key_every_call_is_refused_but_the_public_ones() {
    let acme = Acme::start().await;
    for call in CALLS.iter() {
        let answer = make(&acme.server, call, None).await;
        if call.permission == Permission::Anyone {
            // To sign in takes a body, and by a provider takes one.
            let fine = match call.id {
                "open_session" => answer.status == 422 || answer.status == 400,
                "begin_oidc" => answer.problem(409) == "no_provider",
                _ => answer.status < 300,
            };
            assert!(fine, "{}: {answer:?}", call.id);
        } else {
            // Whoever follows a link reads a page.
            if call.permission != Permission::Link {
                assert_eq!(answer.problem(401), "unauthenticated", "{}", call.id);
            }
            assert_eq!(answer.status, 401, "{}", call.id);
            assert_eq!(answer.headers["www-authenticate"], "Bearer", "{}", call.id);
        }
    }
}

#[tokio::test]
async fn a_key_that_is_not_good_is_as_none() {
    let acme = Acme::start().await;
    let wrong = acme.agent.replacen("cs_agent_", "cs_user_", 1);
    for key in ["", "cs_agent_", "nonsense", &wrong, &TOKEN[1..]] {
        for call in CALLS
            .iter()
            .filter(|call| !matches!(call.permission, Permission::Anyone | Permission::Link))
        {
            assert_eq!(
                make(&acme.server, call, Some(key)).await.problem(401),
                "unauthenticated",
                "{} {key}",
                call.id
            );
        }
    }
    let basic = [("Authorization", "Basic YTpi"), ("Content-Type", "application/json")];
    assert_eq!(
        acme.server.send("GET", "/v1/whoami", &basic, None).await.problem(401),
        "unauthenticated"
    );
    let line = format!("Bearer {}", acme.admin);
    let twice = [("Authorization", line.as_str()), ("Authorization", line.as_str())];
    assert_eq!(
        acme.server.send("GET", "/v1/whoami", &twice, None).await.problem(401),
        "unauthenticated"
    );
}

/// Who may make a call, written out once more and by hand where it matters most.
fn expected(call: &Call, who: &str) -> bool {
    let admin_only = [
        "add_user",
        "user",
        "put_user",
        "remove_user",
        "place_hold",
        "release_hold",
        "restore_glass",
        "restore_reviewer",
        "practise",
        "erase",
        "store_credential",
        "remove_credential",
        "invite",
    ];
    let own_sign_in = [
        "whoami",
        "change_own_profile",
        "close_session",
        "sessions",
        "end_session",
        "authenticators",
        "set_password",
        "add_passkey",
        "remove_authenticator",
    ];
    let policy = [
        "upload_policies",
        "check_policies",
        "activate_policy",
        "waive_tests",
        "roll_back_policy",
        "shadow_policy",
        "canary_policy",
        "promote_policy",
        "withdraw_policy",
    ];
    // An agent for itself, whoever writes policy for any.
    let imagine = ["dry_run", "explain_dry_run"];
    let tries = ["simulate_policy", "diff_policies"];
    let audit = [
        "audit",
        "reviewers",
        "reviewer",
        "practice",
        "practices",
        "economics",
        "checkpoint",
        "inclusion",
        "consistency",
        "records",
        "export",
        "payload",
        "schemas",
        "log_checkpoint",
        "log_tile",
        "holds",
        "erasures",
        "leaf_hashes",
        "log_checkpoint",
        "log_tile",
    ];
    let run = [
        "register_agent",
        "put_agent",
        "issue_key",
        "revoke_key",
        "describe_agent",
        "activate_agent",
        "register_tool",
        "approve_tool",
        "kill",
        "release_kill",
        "acknowledge_alert",
        "pause_agent",
        "resume_agent",
        "close_circuit",
        "observe",
        "register_callback",
        "remove_callback",
        "resend_delivery",
    ];
    let agents_write = [
        "decide",
        "decide_batch",
        "always_denied",
        "evaluate",
        "evaluate_all",
        "report_outcome",
        "answer_approval",
        "revise_approval",
        "redeem",
    ];
    // Everybody with a role speaks for themselves; for whom is looked at behind the table.
    let own = [
        "record_absence",
        "withdraw_absence",
        "record_override",
        "withdraw_override",
    ];
    let votes = [
        "vote",
        "votes",
        "set_mode",
        "close_review",
        "break_glass",
        "judge_policy",
    ];
    let agents_read = [
        "action",
        "explain",
        "approvals",
        "approval",
        "timeline",
        "approval_history",
        "evidence_pack",
        "criteria",
        "autonomy",
        "run",
    ];
    let organizations = [
        "create_organization",
        "organizations",
        "close_organization",
        "open_epoch",
        "rotate_log_key",
        "least_reader",
        "raise_min_reader",
        "prune",
    ];
    let gateways = ["take_lease", "give_back_lease", "release_credential"];
    let runs = ["start_run", "end_run"];
    let is = |names: &[&str]| names.contains(&call.id);
    // No key is a signature, and none is a link.
    if matches!(call.permission, Permission::Slack | Permission::Link) {
        return false;
    }
    if call.permission == Permission::Anyone || is(&own_sign_in) {
        return true;
    }
    // Whoever is no person has no profile, whatever the key.
    if call.id == "own_profile" {
        return who != "agent" && who != "local";
    }
    // These take a key with a scope, which nobody here has.
    if is(&gateways) {
        return false;
    }
    match who {
        _ if is(&imagine) => ["agent", "local", "admin", "policy_author"].contains(&who),
        "agent" => is(&agents_write) || is(&agents_read) || call.id == "cancel_approval" || is(&runs),
        "local" if is(&votes) => false,
        "local" => !is(&agents_write),
        _ if is(&organizations) || is(&agents_write) => false,
        "nobody" => false,
        _ if is(&votes) => who == "admin" || who == "reviewer",
        "admin" => true,
        _ if is(&own) => true,
        _ if is(&admin_only) => false,
        _ if is(&policy) => who == "policy_author",
        _ if is(&tries) => who == "policy_author" || who == "auditor",
        _ if is(&audit) => who == "auditor",
        _ if is(&run) || is(&runs) || call.id == "cancel_approval" => who == "operator",
        _ if call.id == "give_input" => who == "operator" || who == "reviewer",
        _ if call.id == "note_run" => who == "operator" || who == "reviewer" || who == "auditor",
        _ if call.id == "keys" => who == "operator" || who == "auditor",
        _ => call.method == Method::Get || call.id == "explain" || call.id == "replay_run",
    }
}

#[tokio::test]
async fn every_role_makes_the_calls_of_the_matrix_and_no_other() {
    let acme = Acme::start().await;
    let mut keys = vec![
        ("agent", acme.agent.clone()),
        ("local", TOKEN.to_owned()),
        ("admin", acme.admin.clone()),
    ];
    for role in ["auditor", "operator", "policy_author", "reviewer", "viewer"] {
        keys.push((
            role,
            acme.server.user(&acme.admin, &format!("a-{role}"), &[role], &[]).await,
        ));
    }
    keys.push(("nobody", acme.server.user(&acme.admin, "a-nobody", &[], &[]).await));
    for (who, key) in &keys {
        for call in CALLS.iter() {
            let answer = make(&acme.server, call, Some(key)).await;
            let may = answer.status != 401 && answer.status != 403;
            assert_eq!(may, expected(call, who), "{who} {}: {answer:?}", call.id);
        }
    }
}

#[tokio::test]
async fn an_agents_key_never_votes_nor_does_the_operator() {
    let acme = Acme::start().await;
    let action = acme.pending().await;
    assert_eq!(
        acme.vote(&acme.agent, &action, "approve").await.problem(403),
        "agents_cannot_vote"
    );
    let path = format!("/v1/approvals/{}/votes", action["approval"]["id"].as_str().unwrap());
    let vote = json!({ "verb": "approve", "action_digest": action["action_digest"], "snapshot": action["snapshot"] });
    let answer = acme.server.operate(Some("acme"), "POST", &path, Some(&vote)).await;
    assert_eq!(answer.problem(403), "operator_cannot_vote");
    let gateway = json!({ "agent": "bot", "scopes": ["act_for:*", "redeem"] });
    let key = acme.server.post(&acme.admin, "/v1/keys", &gateway).await.good();
    let answer = acme.vote(key["key"].as_str().unwrap(), &action, "approve").await;
    assert_eq!(answer.problem(403), "agents_cannot_vote");
}

#[tokio::test]
async fn ids_of_another_organization_name_nothing() {
    let acme = Acme::start().await;
    let server = &acme.server;
    let other = server.organization("other").await;
    let foreign = server.agent(&other, "bot").await;
    let action = acme.pending().await;
    let (id, approval) = (
        action["id"].as_str().unwrap(),
        action["approval"]["id"].as_str().unwrap(),
    );
    for key in [&other, &foreign] {
        for path in [format!("/v1/actions/{id}"), format!("/v1/approvals/{approval}")] {
            assert_eq!(server.get(key, &path).await.problem(404), "not_found", "{path}");
        }
        let explain = server.post(key, &format!("/v1/actions/{id}/explain"), &json!({})).await;
        assert_eq!(explain.problem(404), "not_found");
        let cancel = server
            .call(key, "POST", &format!("/v1/approvals/{approval}/cancel"), None)
            .await;
        assert_eq!(cancel.problem(404), "not_found");
    }
    assert_eq!(acme.vote(&other, &action, "approve").await.problem(404), "not_found");
    let outcome = server
        .post(
            &foreign,
            &format!("/v1/actions/{id}/outcome"),
            &json!({ "status": "failed" }),
        )
        .await;
    assert_eq!(outcome.problem(404), "not_found");
    let alerts = server.get(&acme.admin, "/v1/alerts").await.good();
    if let Some(alert) = alerts["alerts"][0]["id"].as_str() {
        let path = format!("/v1/alerts/{alert}/acknowledge");
        assert_eq!(server.call(&other, "POST", &path, None).await.problem(404), "not_found");
    }
    let keys = server.get(&acme.admin, "/v1/keys").await.good();
    let kid = keys["keys"][0]["kid"].as_str().unwrap();
    assert_eq!(
        server
            .call(&other, "DELETE", &format!("/v1/keys/{kid}"), None)
            .await
            .problem(404),
        "not_found"
    );
    let hash = action["snapshot"].as_str().unwrap();
    assert_eq!(
        server.get(&other, &format!("/v1/policies/{hash}")).await.problem(404),
        "not_found"
    );
    let permit = acme.decide(&json!({ "action": "read" })).await;
    let redeem = json!({ "permit": permit["permit"], "action": { "action": "read" } });
    assert_eq!(
        server.post(&foreign, "/v1/permits/redeem", &redeem).await.problem(403),
        "invalid_permit"
    );
}

#[tokio::test]
async fn an_agent_sees_its_own_and_nothing_of_another() {
    let acme = Acme::start().await;
    let second = acme.server.agent(&acme.admin, "bot-2").await;
    let action = acme.pending().await;
    let path = format!("/v1/actions/{}", action["id"].as_str().unwrap());
    assert_eq!(acme.server.get(&second, &path).await.problem(404), "not_found");
    assert_eq!(
        acme.server.get(&second, "/v1/approvals").await.good()["approvals"],
        json!([])
    );
    assert_eq!(
        acme.server.get(&acme.agent, "/v1/approvals").await.good()["approvals"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let named = json!({ "action": "read", "agent": "bot" });
    assert_eq!(
        acme.server.post(&second, "/v1/actions", &named).await.problem(403),
        "not_your_agent"
    );
    let permit = acme.decide(&json!({ "action": "read" })).await;
    let redeem = json!({ "permit": permit["permit"], "action": { "action": "read" } });
    assert_eq!(
        acme.server
            .post(&second, "/v1/permits/redeem", &redeem)
            .await
            .problem(404),
        "not_found"
    );
}

#[tokio::test]
async fn an_operator_cannot_become_an_admin_by_way_of_keys() {
    let acme = Acme::start().await;
    let server = &acme.server;
    let operator = server.user(&acme.admin, "olga", &["operator"], &[]).await;
    let answer = server.post(&operator, "/v1/keys", &json!({ "user": "alex" })).await;
    assert_eq!(answer.problem(403), "forbidden");
    let keys = server.get(&operator, "/v1/keys").await.good();
    let key_of = |subject: &str| {
        let keys = keys["keys"].as_array().unwrap();
        keys.iter().find(|key| key["subject"] == subject).unwrap()["kid"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let revoke = server
        .call(&operator, "DELETE", &format!("/v1/keys/{}", key_of("alex")), None)
        .await;
    assert_eq!(revoke.problem(403), "forbidden");
    server
        .call(&operator, "DELETE", &format!("/v1/keys/{}", key_of("bot")), None)
        .await
        .good();
    assert_eq!(
        server.get(&acme.agent, "/v1/whoami").await.problem(401),
        "unauthenticated"
    );
    let answer = server
        .post(&operator, "/v1/keys", &json!({ "agent": "bot", "expires_days": 1 }))
        .await
        .good();
    let key = answer["key"].as_str().unwrap();
    assert_eq!(server.get(key, "/v1/whoami").await.good()["id"], "bot");
}

#[tokio::test]
async fn taking_a_role_away_works_at_once() {
    let acme = Acme::start().await;
    let action = acme.pending().await;
    let path = "/v1/users/lea";
    acme.server
        .call(
            &acme.admin,
            "PUT",
            path,
            Some(&json!({ "roles": ["viewer"], "teams": ["leads"] })),
        )
        .await
        .good();
    assert_eq!(
        acme.vote(&acme.lead, &action, "approve").await.problem(403),
        "forbidden"
    );
    acme.server.call(&acme.admin, "DELETE", path, None).await.good();
    assert_eq!(
        acme.server.get(&acme.lead, "/v1/whoami").await.problem(401),
        "unauthenticated"
    );
}

#[tokio::test]
async fn the_operator_at_the_machine_does_what_an_admin_may_in_the_organization_named() {
    let acme = Acme::start().await;
    let server = &acme.server;
    let who = server.operate(Some("acme"), "GET", "/v1/whoami", None).await.good();
    assert_eq!(
        (who["kind"].as_str(), who["organization"].as_str()),
        (Some("operator"), Some("acme"))
    );
    assert_eq!(
        server.operate(None, "GET", "/v1/whoami", None).await.problem(400),
        "organization_required"
    );
    assert_eq!(
        server
            .operate(Some("nowhere"), "GET", "/v1/whoami", None)
            .await
            .problem(404),
        "not_found"
    );
    let user: Value = json!({ "id": "rob", "roles": ["admin"] });
    server
        .operate(Some("acme"), "POST", "/v1/users", Some(&user))
        .await
        .good();
    assert_eq!(
        server.get(&acme.admin, "/v1/organizations").await.problem(403),
        "forbidden"
    );
}
