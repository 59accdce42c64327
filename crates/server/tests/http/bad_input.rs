//! What nobody should send: a clear problem, nothing recorded, the server unharmed.

use countersign_core::Span;
use serde_json::{Value, json};

use crate::support::Acme;

async fn size(acme: &Acme) -> u64 {
    acme.server.get(&acme.admin, "/v1/audit/checkpoint").await.good()["size"]
        .as_u64()
        .unwrap()
}

#[tokio::test]
async fn bad_actions_get_a_clear_problem_and_leave_no_record() {
    let acme = Acme::start().await;
    let before = size(&acme).await;
    let deep = |n: usize| {
        format!(
            r#"{{"action": "read", "args": {{"a": {}{}}}}}"#,
            "[".repeat(n),
            "]".repeat(n)
        )
    };
    let many = format!(r#"{{"action": "read", "args": {{"a": [{}1]}}}}"#, "1,".repeat(110_000));
    let long = format!(r#"{{"action": "{}"}}"#, "x".repeat(129));
    let table: Vec<(&str, String, u16, &str)> = vec![
        ("an empty body", String::new(), 400, "invalid_json"),
        ("half a body", r#"{"action": "#.into(), 400, "invalid_json"),
        (
            "two bodies",
            r#"{"action": "read"} {"action": "read"}"#.into(),
            400,
            "invalid_json",
        ),
        (
            "a comment",
            "{\"action\": \"read\" /* hello */}".into(),
            400,
            "invalid_json",
        ),
        (
            "a key twice",
            r#"{"action": "read", "action": "wipe"}"#.into(),
            400,
            "invalid_json",
        ),
        (
            "half a surrogate pair",
            r#"{"action": "\ud800"}"#.into(),
            400,
            "invalid_json",
        ),
        (
            "not a number",
            r#"{"action": "read", "confidence": NaN}"#.into(),
            400,
            "invalid_json",
        ),
        (
            "infinity",
            r#"{"action": "read", "confidence": 1e999}"#.into(),
            400,
            "invalid_json",
        ),
        (
            "a number that doubles do not hold",
            r#"{"action": "read", "args": {"n": 9007199254740993}}"#.into(),
            400,
            "invalid_json",
        ),
        ("a nesting bomb", deep(100_000), 400, "invalid_json"),
        ("a little too deep", deep(40), 400, "invalid_json"),
        ("too many values", many, 400, "invalid_json"),
        ("a list", "[]".into(), 422, "wrong_type"),
        ("null", "null".into(), 422, "wrong_type"),
        ("nothing to do", "{}".into(), 422, "missing_field"),
        (
            "an unknown field",
            r#"{"action": "read", "amout": "1"}"#.into(),
            422,
            "unknown_field",
        ),
        (
            "an unknown field of a resource",
            r#"{"action": "read", "resource": {"kind": "x"}}"#.into(),
            422,
            "unknown_field",
        ),
        ("a number for a name", r#"{"action": 7}"#.into(), 422, "wrong_type"),
        (
            "null for a field",
            r#"{"action": "read", "env": null}"#.into(),
            422,
            "wrong_type",
        ),
        (
            "a number for money",
            r#"{"action": "read", "amount": 12.5}"#.into(),
            422,
            "wrong_type",
        ),
        (
            "an exponent for money",
            r#"{"action": "read", "amount": "1e3"}"#.into(),
            422,
            "invalid_amount",
        ),
        (
            "words for money",
            r#"{"action": "read", "amount": "ten"}"#.into(),
            422,
            "invalid_amount",
        ),
        (
            "infinite money",
            r#"{"action": "read", "amount": "Infinity"}"#.into(),
            422,
            "invalid_amount",
        ),
        (
            "more money than there is",
            r#"{"action": "read", "amount": "1234567890123456789"}"#.into(),
            422,
            "invalid_amount",
        ),
        (
            "finer money than there is",
            r#"{"action": "read", "amount": "0.1234567890"}"#.into(),
            422,
            "invalid_amount",
        ),
        (
            "no currency of this world",
            r#"{"action": "read", "amount": "1", "currency": "usd"}"#.into(),
            422,
            "invalid_currency",
        ),
        (
            "too sure",
            r#"{"action": "read", "confidence": 1.5}"#.into(),
            422,
            "invalid_confidence",
        ),
        (
            "an unknown access",
            r#"{"action": "read", "access": "admin"}"#.into(),
            422,
            "invalid_access",
        ),
        ("a name without an end", long, 422, "too_long"),
        (
            "a name with a control character",
            r#"{"action": "re\u0000ad"}"#.into(),
            422,
            "control_character",
        ),
        ("an empty name", r#"{"action": ""}"#.into(), 422, "empty_field"),
        (
            "a callback to nobody we know",
            r#"{"action": "read", "callback_url": "https://x.example/"}"#.into(),
            422,
            "callback_not_registered",
        ),
    ];
    for (what, body, status, code) in table {
        let answer = acme
            .server
            .repeatable(&acme.agent, "k", "/v1/actions", body.as_bytes())
            .await;
        assert_eq!(answer.problem(status), code, "{what}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(!detail.contains('\n') && detail.len() < 400, "{what}: {detail}");
    }
    let latin1 = b"{\"action\": \"caf\xe9\"}";
    assert_eq!(
        acme.server
            .repeatable(&acme.agent, "k", "/v1/actions", latin1)
            .await
            .problem(400),
        "invalid_json"
    );
    assert_eq!(size(&acme).await, before);
    acme.decide(&json!({ "action": "read" })).await;
}

#[tokio::test]
async fn a_negative_amount_is_a_recorded_deny() {
    let acme = Acme::start().await;
    let policy = "agent: bot\npermissions:\n- action: refund\n  allowed: true\n  max_amount: 500\n";
    acme.server.policy(&acme.admin, &json!({ "bot.yaml": policy })).await;
    let answer = acme
        .decide(&json!({ "action": "refund", "amount": "-5", "currency": "USD" }))
        .await;
    assert_eq!(
        (answer["decision"].as_str(), answer["status"].as_str()),
        (Some("deny"), Some("refused"))
    );
    let path = format!("/v1/audit?decision=deny&min_seq={}", answer["receipt"]["index"]);
    let found = acme.server.get(&acme.admin, &path).await.good();
    assert_eq!(found["entries"][0]["record"]["data"]["action_id"], answer["id"]);
}

#[tokio::test]
async fn a_body_of_ten_megabytes_is_turned_away_unread() {
    let acme = Acme::start().await;
    let key = format!("Bearer {}", acme.agent);
    let headers = [("Authorization", key.as_str()), ("Content-Type", "application/json")];
    let whole = vec![b' '; 10 * 1024 * 1024];
    let answer = acme.server.send("POST", "/v1/actions", &headers, Some(&whole)).await;
    assert_eq!(answer.problem(413), "too_large");
    let head = format!(
        "POST /v1/actions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {key}\r\nContent-Type: application/json\r\n"
    );
    let announced = format!("{head}Content-Length: 10485760\r\n\r\n");
    assert_eq!(acme.server.raw(announced.as_bytes()).await.problem(413), "too_large");
    let mut chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for _ in 0..80 {
        chunked.extend_from_slice(b"1000\r\n");
        chunked.extend_from_slice(&[b' '; 4096]);
        chunked.extend_from_slice(b"\r\n");
    }
    assert_eq!(acme.server.raw(&chunked).await.problem(413), "too_large");
    let just = format!(r#"{{"action": "read", "args": {{"a": "{}"}}}}"#, "x".repeat(250 * 1024));
    acme.server
        .repeatable(&acme.agent, "k", "/v1/actions", just.as_bytes())
        .await
        .good();
}

#[tokio::test]
async fn only_json_is_taken() {
    let acme = Acme::start().await;
    let key = format!("Bearer {}", acme.agent);
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonl",
        "",
    ] {
        let headers = [("Authorization", key.as_str()), ("Content-Type", kind)];
        let answer = acme.server.send("POST", "/v1/actions", &headers, Some(b"{}")).await;
        assert_eq!(answer.problem(415), "unsupported_media_type", "{kind}");
    }
    let headers = [
        ("Authorization", key.as_str()),
        ("Content-Type", "Application/JSON; charset=utf-8"),
    ];
    acme.server
        .send("POST", "/v1/actions", &headers, Some(br#"{"action": "read"}"#))
        .await
        .good();
}

#[tokio::test]
async fn bad_bodies_of_other_calls_get_a_clear_problem() {
    let acme = Acme::start().await;
    let act = format!("act_{:032x}", 1);
    let apr = format!("apr_{:032x}", 1);
    let digest = "0".repeat(64);
    let table: Vec<(String, Value, &str)> = vec![
        (
            "/v1/agents".into(),
            json!({ "id": "Bot", "owner": "x" }),
            "invalid_value",
        ),
        ("/v1/agents".into(), json!({ "id": "b" }), "missing_field"),
        (
            "/v1/agents".into(),
            json!({ "id": "b", "owner": "x", "colour": "red" }),
            "unknown_field",
        ),
        (
            "/v1/agents".into(),
            json!({ "id": "b", "owner": "x", "team": null }),
            "wrong_type",
        ),
        // Nor within a member.
        (
            "/v1/channels".into(),
            json!({ "name": "room", "slack": { "token": "xoxb-1", "channel": null } }),
            "wrong_type",
        ),
        (
            "/v1/approvals/votes".into(),
            json!({ "verb": "approve", "items": [{
                "approval": apr, "action_digest": digest, "snapshot": format!("sha256:{digest}"), "presentation_digest": null,
            }] }),
            "wrong_type",
        ),
        (
            "/v1/agents".into(),
            json!({ "id": "b", "owner": "x", "labels": { "A b": "x" } }),
            "invalid_value",
        ),
        (
            "/v1/users".into(),
            json!({ "id": "b", "roles": ["king"] }),
            "invalid_value",
        ),
        ("/v1/users".into(), json!({ "id": "b", "roles": "admin" }), "wrong_type"),
        ("/v1/keys".into(), json!({}), "missing_field"),
        (
            "/v1/keys".into(),
            json!({ "agent": "bot", "user": "alex" }),
            "missing_field",
        ),
        (
            "/v1/keys".into(),
            json!({ "agent": "bot", "expires_days": 0 }),
            "invalid_value",
        ),
        (
            "/v1/keys".into(),
            json!({ "agent": "bot", "scopes": ["root"] }),
            "unknown_scope",
        ),
        ("/v1/policies".into(), json!({ "files": {} }), "invalid_value"),
        (
            "/v1/policies".into(),
            json!({ "files": { "../../x": "a" } }),
            "invalid_value",
        ),
        ("/v1/policies".into(), json!({ "files": { "a.yaml": 7 } }), "wrong_type"),
        ("/v1/kill".into(), json!({ "scope": "agent" }), "missing_field"),
        (
            "/v1/kill".into(),
            json!({ "scope": "organization", "name": "x" }),
            "unknown_field",
        ),
        ("/v1/kill".into(), json!({ "scope": "planet" }), "invalid_value"),
        (
            "/v1/kill/release".into(),
            json!({ "scope": "organization" }),
            "missing_field",
        ),
        ("/v1/callbacks".into(), json!({ "url": "ftp://x" }), "invalid_value"),
        (
            "/v1/callbacks".into(),
            json!({ "url": "https://127.0.0.1/x" }),
            "callback_refused",
        ),
        (
            "/v1/callbacks".into(),
            json!({ "url": "http://example.com/x" }),
            "callback_refused",
        ),
        (
            format!("/v1/approvals/{apr}/votes"),
            json!({ "verb": "approve" }),
            "missing_field",
        ),
        (
            format!("/v1/approvals/{apr}/votes"),
            json!({ "verb": "bless", "action_digest": digest, "snapshot": "x" }),
            "invalid_value",
        ),
    ];
    for (path, body, code) in table {
        let answer = acme.server.post(&acme.admin, &path, &body).await;
        assert_eq!(answer.problem(422), code, "{path} {body}: {}", answer.json());
    }
    let unnamed = json!({ "operations": [{ "action": "pay", "tool": null }] });
    let answer = acme.server.post(&acme.agent, "/v1/tools:always_denied", &unnamed).await;
    assert_eq!(answer.problem(422), "wrong_type", "{}", answer.json());
    for (body, code) in [
        (json!({ "status": "unknown" }), "invalid_value"),
        (json!({ "status": "failed", "duration_ms": -1 }), "invalid_value"),
        (json!({ "status": "failed", "duration_ms": 1.5 }), "invalid_value"),
        (json!({ "status": "failed", "duration_ms": "1" }), "wrong_type"),
        (
            json!({ "status": "failed", "cost": { "amount": "-1", "currency": "USD" } }),
            "invalid_value",
        ),
        (
            json!({ "status": "failed", "cost": { "amount": "1" } }),
            "missing_field",
        ),
        (
            json!({ "status": "failed", "tokens": { "In put": 1 } }),
            "invalid_value",
        ),
    ] {
        let answer = acme
            .server
            .post(&acme.agent, &format!("/v1/actions/{act}/outcome"), &body)
            .await;
        assert_eq!(answer.problem(422), code, "{body}: {}", answer.json());
    }
    for (body, code) in [
        (json!({ "permit": "x" }), "missing_field"),
        (json!({ "permit": "" , "action_digest": digest }), "invalid_value"),
    ] {
        assert_eq!(
            acme.server
                .post(&acme.agent, "/v1/permits/redeem", &body)
                .await
                .problem(422),
            code,
            "{body}"
        );
    }
    let none = json!({ "permit": "not a token", "action_digest": digest });
    assert_eq!(
        acme.server
            .post(&acme.agent, "/v1/permits/redeem", &none)
            .await
            .problem(403),
        "invalid_permit"
    );
}

#[tokio::test]
async fn bad_parameters_get_a_clear_problem() {
    let acme = Acme::start().await;
    let act = format!("act_{:032x}", 1);
    for path in [
        "/v1/audit?limit=0",
        "/v1/audit?limit=501",
        "/v1/audit?limit=x",
        "/v1/audit?from=yesterday",
        "/v1/audit?decision=maybe",
        "/v1/audit?cursor=-1",
        "/v1/audit?colour=red",
        "/v1/audit?agent=a&agent=b",
        "/v1/audit?type=",
        "/v1/audit?min_seq=99999999",
        "/v1/audit/records?from=9007199254740992",
        "/v1/audit/consistency",
        "/v1/audit/records?from=-1",
        "/v1/approvals?mine=perhaps",
        &format!("/v1/actions/{act}?wait=61s"),
        &format!("/v1/actions/{act}?wait=5"),
        &format!("/v1/actions/{act}?wait=-1s"),
    ] {
        assert_eq!(
            acme.server.get(&acme.admin, path).await.problem(422),
            "invalid_parameter",
            "{path}"
        );
    }
    assert_eq!(
        acme.server
            .get(&acme.admin, "/v1/audit/consistency?from=5&to=2")
            .await
            .problem(422),
        "invalid_range"
    );
    for path in [
        "/v1/actions/act_1",
        "/v1/actions/apr_00000000000000000000000000000001",
        "/v1/actions/%ff",
        "/v1/actions/%00",
        "/v1/approvals/x",
        "/v1/audit/proof/-1",
        "/v1/audit/proof/99999999",
        "/v1/audit/payload/99999999",
        "/v1/policies/sha256:0",
        "/v1/agents/%F0%9F%A6%80",
    ] {
        assert_eq!(
            acme.server.get(&acme.admin, path).await.problem(404),
            "not_found",
            "{path}"
        );
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_too() {
    let acme = Acme::start().await;
    for path in [
        "/",
        "/v1",
        "/v2/actions",
        "/v1/actions/",
        "/v1/../etc/passwd",
        "/v1/actions:other",
        "//v1/whoami",
    ] {
        assert_eq!(
            acme.server.get(&acme.admin, path).await.problem(404),
            "unknown_path",
            "{path}"
        );
    }
    for (method, path, allow) in [
        ("DELETE", "/v1/actions", "POST"),
        ("PATCH", "/v1/agents/x", "GET, HEAD, PUT"),
        ("GET", "/v1/permits/redeem", "POST"),
        ("OPTIONS", "/v1/whoami", "GET, HEAD"),
        ("TRACE", "/v1/kill", "GET, HEAD, POST"),
    ] {
        let answer = acme.server.call(&acme.admin, method, path, None).await;
        assert_eq!(answer.problem(405), "method_not_allowed", "{method} {path}");
        let mut allowed: Vec<&str> = answer.headers["allow"]
            .split([',', ' '])
            .filter(|word| !word.is_empty())
            .collect();
        allowed.sort_unstable();
        allowed.dedup();
        assert_eq!(allowed.join(", "), allow, "{path}");
    }
}

#[tokio::test]
async fn a_policy_that_does_not_load_is_refused_with_every_problem_underlined() {
    let acme = Acme::start().await;
    let files = json!({ "bot.yaml": "agent: bot\npermisions:\n- action: read\n  allowed: true\n" });
    let answer = acme
        .server
        .post(&acme.admin, "/v1/policies", &json!({ "files": files }))
        .await;
    assert_eq!(answer.problem(422), "policy_invalid");
    let problem = answer.json()["problems"][0].clone();
    assert_eq!(
        (
            problem["file"].as_str(),
            problem["line"].as_u64(),
            problem["column"].as_u64()
        ),
        (Some("bot.yaml"), Some(2), Some(1))
    );
    assert_eq!(problem["excerpt"], "2 | permisions:\n  | ^^^^^^^^^^");
    assert!(problem["help"].as_str().unwrap().contains("permissions"), "{problem}");
}

#[tokio::test]
async fn an_expired_key_is_no_key() {
    let acme = Acme::start().await;
    let issued = acme
        .server
        .post(&acme.admin, "/v1/keys", &json!({ "agent": "bot", "expires_days": 1 }))
        .await
        .good();
    let key = issued["key"].as_str().unwrap();
    acme.server.get(key, "/v1/whoami").await.good();
    acme.server.pass(Span::hours(25));
    assert_eq!(acme.server.get(key, "/v1/whoami").await.problem(401), "unauthenticated");
    let action = acme.server.post(key, "/v1/actions", &json!({ "action": "read" })).await;
    assert_eq!(action.problem(401), "unauthenticated");
    acme.decide(&json!({ "action": "read" })).await;
}

#[tokio::test]
async fn an_expired_permit_and_an_expired_request_are_gone() {
    let acme = Acme::start().await;
    let action = acme.decide(&json!({ "action": "read" })).await;
    acme.server.pass(Span::minutes(6));
    let redeem = json!({ "permit": action["permit"], "action": { "action": "read" } });
    assert_eq!(
        acme.server
            .post(&acme.agent, "/v1/permits/redeem", &redeem)
            .await
            .problem(410),
        "permit_expired"
    );
    let pending = acme.pending().await;
    acme.server.pass(Span::minutes(61));
    let late = acme.vote(&acme.lead, &pending, "approve").await;
    assert!([409, 410].contains(&late.status), "{late:?}");
    let path = format!("/v1/actions/{}", pending["id"].as_str().unwrap());
    assert_eq!(
        acme.server.get(&acme.agent, &path).await.good()["reason_code"],
        "expired"
    );
}

#[tokio::test]
async fn the_same_refused_action_again_and_again_is_told_to_wait() {
    let acme = Acme::start().await;
    let mut last = None;
    for _ in 0..12 {
        last = Some(
            acme.server
                .post(&acme.agent, "/v1/actions", &json!({ "action": "wipe" }))
                .await,
        );
    }
    let last = last.unwrap();
    assert_eq!(last.problem(429), "repeated_refusal");
    assert!(last.headers["retry-after"].parse::<u64>().unwrap() > 0);
}
