//! Presses of buttons in Slack: payloads as Slack posts them, signed as Slack signs.

use std::fmt::Write as _;

use countersign_core::Span;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::{Acme, Answer, POLICY};

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const ROUTE: &str = "organization: acme
teams: [leads]
routes: { desk: { steps: [{ to: [leads] }] } }
";
const PATH: &str = "/v1/channels/room/slack/acme";

/// The form of a press, as Slack posted one to an app; the ids and the value are those of the test.
fn pressed(user: &str, action: &str, value: &str, trigger: &str) -> Vec<u8> {
    let payload = json!({
        "type": "block_actions",
        "user": { "id": user, "username": "lea", "name": "lea", "team_id": "T0CAG" },
        "api_app_id": "A0CA5",
        "token": "Shh_its_a_seekrit",
        "container": {
            "type": "message", "message_ts": "1548261231.000200", "channel_id": "CBR2V3XEX", "is_ephemeral": false,
        },
        "trigger_id": trigger,
        "team": { "id": "T0CAG", "domain": "acme-creamery" },
        "enterprise": null,
        "is_enterprise_install": false,
        "channel": { "id": "CBR2V3XEX", "name": "review-updates" },
        "message": { "bot_id": "BAH5CA16Z", "type": "message", "text": "…", "user": "UAJ2RU415", "ts": "1548261231.000200" },
        "state": { "values": {} },
        // A private address: nothing leaves this host.
        "response_url": "http://127.0.0.1:9/actions/AABA1ABCD/1232321423432/D09sSasdasdAS9091209",
        "actions": [{
            "action_id": action, "block_id": "apr_1", "text": { "type": "plain_text", "text": "Approve", "emoji": false },
            "value": value, "style": "primary", "type": "button", "action_ts": "1548426417.840180",
        }],
    });
    let mut form = String::from("payload=");
    for byte in payload.to_string().bytes() {
        if byte.is_ascii_alphanumeric() {
            form.push(char::from(byte));
        } else {
            write!(form, "%{byte:02X}").unwrap();
        }
    }
    form.into_bytes()
}

fn signature(secret: &str, at: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("v0:{at}:").as_bytes());
    mac.update(body);
    let bytes = mac.finalize().into_bytes();
    format!(
        "v0={}",
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    )
}

async fn post(acme: &Acme, path: &str, at: i64, signature: &str, body: &[u8]) -> Answer {
    let at = at.to_string();
    let headers = [
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("X-Slack-Request-Timestamp", at.as_str()),
        ("X-Slack-Signature", signature),
    ];
    acme.server.send("POST", path, &headers, Some(body)).await
}

fn now_s() -> i64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

async fn press(acme: &Acme, user: &str, value: &str, trigger: &str) -> Answer {
    let (at, body) = (now_s(), pressed(user, "approve", value, trigger));
    post(acme, PATH, at, &signature(SECRET, at, &body), &body).await
}

/// An organization with a channel in Slack, in which `lea` and `vic`, who may not decide, are known by their accounts.
async fn with_slack() -> Acme {
    let acme = without_a_route().await;
    let files = json!({ "gate.yaml": POLICY.replace("[leads]", "[desk]"), "acme.yaml": ROUTE });
    acme.server.policy(&acme.admin, &files).await;
    acme
}

/// The same where the rules name people and no route.
async fn without_a_route() -> Acme {
    let acme = Acme::start().await;
    let room = json!({ "name": "room", "slack": {
        "token": "xoxb-1", "channel": "CBR2V3XEX", "signing_secret": SECRET,
    } });
    acme.server.post(&acme.admin, "/v1/channels", &room).await.good();
    let lea = json!({ "roles": ["reviewer"], "teams": ["leads"], "slack_id": "ULEA" });
    acme.server
        .call(&acme.admin, "PUT", "/v1/users/lea", Some(&lea))
        .await
        .good();
    let vic = json!({ "id": "vic", "roles": ["reviewer"], "slack_id": "UVIC" });
    acme.server.post(&acme.admin, "/v1/users", &vic).await.good();
    acme
}

fn value_of(action: &Value) -> String {
    let text = |pointer: &str| action.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    format!(
        "{} {} {}",
        text("/approval/id"),
        text("/action_digest"),
        text("/snapshot")
    )
}

async fn votes(acme: &Acme, action: &Value) -> Vec<Value> {
    let path = format!("/v1/approvals/{}", action["approval"]["id"].as_str().unwrap());
    let approval = acme.server.get(&acme.admin, &path).await.good();
    approval["votes"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_press_that_slack_signed_is_the_vote_of_the_person_whose_account_it_is() {
    let acme = with_slack().await;
    let action = acme.pending().await;
    let answer = press(&acme, "ULEA", &value_of(&action), "t1").await.good();
    assert_eq!(answer["replace_original"], true, "{answer}");
    assert!(
        answer["text"]
            .as_str()
            .unwrap()
            .starts_with("No decision is wanted any more"),
        "{answer}"
    );
    assert!(answer.to_string().contains("lea: approve"), "{answer}");
    let cast = votes(&acme, &action).await;
    assert_eq!(
        (cast.len(), &cast[0]["user"], &cast[0]["counted"]),
        (1, &json!("lea"), &json!(true))
    );
    let size = acme.server.get(&acme.admin, "/v1/audit/checkpoint").await.good()["size"].clone();
    let last = size.as_u64().unwrap() - 1;
    let search = format!("/v1/audit?type=approval.voted&min_seq={last}");
    let found = acme.server.get(&acme.admin, &search).await;
    let text = found.good().to_string();
    assert!(
        text.contains("\"auth\":\"slack\"") && text.contains("\"channel\":\"room\""),
        "the record says how the person was known, and by what the vote came: {text}"
    );
    assert_eq!(cast[0]["channel"], "room");

    // Slack sends it again, because it was not answered in time: it is one vote.
    let again = press(&acme, "ULEA", &value_of(&action), "t1").await.good();
    assert_eq!(again["replace_original"], true, "{again}");
    assert_eq!(votes(&acme, &action).await.len(), 1);
}

#[tokio::test]
async fn what_slack_did_not_sign_now_and_for_this_channel_casts_nothing() {
    let acme = with_slack().await;
    let action = acme.pending().await;
    let body = pressed("ULEA", "approve", &value_of(&action), "t1");
    let at = now_s();
    let good = signature(SECRET, at, &body);
    let mut altered = body.clone();
    altered.extend_from_slice(b"&x=1");
    let old = at - 400;
    let tries: [(&str, i64, &str, &[u8]); 8] = [
        (PATH, at, &signature("another secret", at, &body), &body),
        (PATH, at, "", &body),
        (PATH, at, &good, &altered),
        (PATH, at + 1, &good, &body),
        (PATH, old, &signature(SECRET, old, &body), &body),
        ("/v1/channels/other/slack/acme", at, &good, &body),
        ("/v1/channels/room/slack/nobody", at, &good, &body),
        ("/v1/channels/room%2F..%2Froom/slack/acme", at, &good, &body),
    ];
    for (path, at, signature, body) in tries {
        let answer = post(&acme, path, at, signature, body).await;
        assert_eq!(answer.problem(401), "unauthenticated", "{path} {at} {signature}");
    }
    // A good request that is kept back is worth nothing later.
    acme.server.pass(Span::seconds(301));
    assert_eq!(
        post(&acme, PATH, at, &good, &body).await.problem(401),
        "unauthenticated"
    );
    assert_eq!(votes(&acme, &action).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_stranger_in_slack_is_told_and_somebody_who_may_not_decide_does_not_count() {
    let acme = with_slack().await;
    let action = acme.pending().await;
    let stranger = press(&acme, "UNOBODY", &value_of(&action), "t1").await.good();
    assert_eq!(stranger["response_type"], "ephemeral");
    assert!(
        stranger["text"].as_str().unwrap().contains("does not know you"),
        "{stranger}"
    );
    assert_eq!(votes(&acme, &action).await, Vec::<Value>::new());

    let vic = press(&acme, "UVIC", &value_of(&action), "t2").await.good();
    assert_eq!(vic["response_type"], "ephemeral");
    assert!(
        vic["text"].as_str().unwrap().contains("`vic` is not among the people"),
        "{vic}"
    );
    let cast = votes(&acme, &action).await;
    assert_eq!((cast.len(), &cast[0]["counted"]), (1, &json!(false)));

    // Another digest than the request's: what was shown is not what is asked.
    let value = value_of(&action);
    let (id, rest) = value.split_once(' ').unwrap();
    let other = format!("{id} {}{}", "0".repeat(64), &rest[64..]);
    let refused = press(&acme, "ULEA", &other, "t3").await.good();
    assert_eq!(refused["response_type"], "ephemeral", "{refused}");
    let damaged = press(&acme, "ULEA", "x", "t4").await.good();
    assert!(damaged["text"].as_str().unwrap().contains("damaged"), "{damaged}");
    assert!(votes(&acme, &action).await.iter().all(|vote| vote["counted"] == false));

    let (at, body) = (now_s(), pressed("ULEA", "open", "", "t5"));
    assert_eq!(
        post(&acme, PATH, at, &signature(SECRET, at, &body), &body).await.good(),
        json!({})
    );
}

#[tokio::test]
async fn what_takes_no_route_is_not_decided_in_slack() {
    let acme = without_a_route().await;
    let action = acme.pending().await;
    let told = press(&acme, "ULEA", &value_of(&action), "t1").await.good();
    assert_eq!(told["response_type"], "ephemeral", "{told}");
    assert!(
        told["text"]
            .as_str()
            .unwrap()
            .contains("more assurance than Slack gives"),
        "{told}"
    );
    assert_eq!(votes(&acme, &action).await, Vec::<Value>::new());
}

#[tokio::test]
async fn whose_keys_were_all_revoked_decides_nothing_in_slack_until_there_is_one_again() {
    let acme = with_slack().await;
    let action = acme.pending().await;
    let keys = acme.server.get(&acme.admin, "/v1/keys").await.good();
    let of_lea = |key: &&Value| key["subject"] == "lea";
    let kid = keys["keys"].as_array().unwrap().iter().find(of_lea).unwrap()["kid"].clone();
    let path = format!("/v1/keys/{}", kid.as_str().unwrap());
    acme.server.call(&acme.admin, "DELETE", &path, None).await.good();
    let told = press(&acme, "ULEA", &value_of(&action), "t1").await.good();
    assert!(told["text"].as_str().unwrap().contains("keys were revoked"), "{told}");
    assert_eq!(votes(&acme, &action).await, Vec::<Value>::new());
    let new = json!({ "user": "lea" });
    acme.server.post(&acme.admin, "/v1/keys", &new).await.good();
    press(&acme, "ULEA", &value_of(&action), "t2").await.good();
    assert_eq!(votes(&acme, &action).await.len(), 1);
}

#[tokio::test]
async fn channels_show_no_secret_and_go_only_where_they_may() {
    let acme = with_slack().await;
    let mail = json!({ "name": "mail", "email": {
        "url": "smtps://me:hunter2@mail.example.com", "from": "Countersign <bot@example.com>",
    }, "quiet": { "zone": "Europe/Berlin", "from": "22:00", "to": "07:00" } });
    assert_eq!(
        acme.server.post(&acme.admin, "/v1/channels", &mail).await.good(),
        json!({ "name": "mail", "secret": null })
    );
    let hook = json!({ "name": "hook", "webhook": { "url": "https://hooks.example.com/notices" } });
    let hook = acme.server.post(&acme.admin, "/v1/channels", &hook).await.good();
    assert!(hook["secret"].as_str().unwrap().starts_with("whsec_"));
    let listed = acme.server.get(&acme.lead, "/v1/channels").await.good();
    let text = listed.to_string();
    assert!(!text.contains("hunter2") && !text.contains("xoxb") && !text.contains(SECRET) && !text.contains("whsec"));
    let targets: Vec<_> = listed["channels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|channel| channel["target"].clone())
        .collect();
    assert_eq!(
        targets,
        ["https://hooks.example.com/notices", "mail.example.com:465", "CBR2V3XEX"]
    );

    let refused = [
        json!({ "email": { "url": "smtp://10.0.0.1:587", "from": "bot@example.com" } }),
        json!({ "email": { "url": "smtp://mail.example.com", "from": "bot" } }),
        json!({ "webhook": { "url": "http://127.0.0.1:9/" } }),
        json!({ "slack": { "webhook_url": "https://slack.internal/services/x" } }),
        json!({ "slack": { "token": "xoxb-1", "channel": "C1 C2" } }),
    ];
    for mut body in refused {
        body["name"] = json!("more");
        let answer = acme.server.post(&acme.admin, "/v1/channels", &body).await;
        assert_eq!(answer.problem(422), "channel_refused", "{body}");
    }
    let both = json!({ "name": "more", "webhook": { "url": "https://a.example.com" }, "email": { "url": "smtp://a.example.com", "from": "a@b.c" } });
    assert_eq!(
        acme.server.post(&acme.admin, "/v1/channels", &both).await.problem(422),
        "invalid_value"
    );
    let path = "/v1/channels/mail/test";
    assert_eq!(
        acme.server.post(&acme.admin, path, &json!({})).await.problem(409),
        "no_address"
    );

    acme.server
        .call(&acme.admin, "DELETE", "/v1/channels/room", None)
        .await
        .good();
    let action = acme.pending().await;
    // Its secret went with it.
    assert_eq!(
        press(&acme, "ULEA", &value_of(&action), "t1").await.problem(401),
        "unauthenticated"
    );
}

#[tokio::test]
async fn an_address_belongs_to_one_person() {
    let acme = with_slack().await;
    let Acme { server, admin, .. } = &acme;
    let lea = json!({ "roles": ["reviewer"], "teams": ["leads"], "email": "Lea@Example.com" });
    server.call(admin, "PUT", "/v1/users/lea", Some(&lea)).await.good();
    server.call(admin, "PUT", "/v1/users/lea", Some(&lea)).await.good();
    let mallory = json!({ "id": "mallory", "roles": ["reviewer"], "email": "lea@example.COM" });
    let refused = server.post(admin, "/v1/users", &mallory).await;
    assert_eq!(refused.problem(409), "email_taken");
    let vic = json!({ "roles": ["reviewer"], "email": "LEA@example.com" });
    let refused = server.call(admin, "PUT", "/v1/users/vic", Some(&vic)).await;
    assert_eq!(refused.problem(409), "email_taken");
    // Once it is free somebody else may have it.
    let lea = json!({ "roles": ["reviewer"], "teams": ["leads"], "email": "other@example.com" });
    server.call(admin, "PUT", "/v1/users/lea", Some(&lea)).await.good();
    server.call(admin, "PUT", "/v1/users/vic", Some(&vic)).await.good();
}

#[tokio::test]
async fn a_slack_account_belongs_to_one_person() {
    let acme = with_slack().await;
    let Acme { server, admin, .. } = &acme;
    let mallory = json!({ "id": "mallory", "roles": ["reviewer"], "slack_id": "ULEA" });
    let refused = server.post(admin, "/v1/users", &mallory).await;
    assert_eq!(refused.problem(409), "slack_id_taken");
    let vic = json!({ "roles": ["reviewer"], "slack_id": "ULEA" });
    let refused = server.call(admin, "PUT", "/v1/users/vic", Some(&vic)).await;
    assert_eq!(refused.problem(409), "slack_id_taken");
    // Whoever has it may keep it, and once it is free somebody else may have it.
    let lea = json!({ "roles": ["reviewer"], "teams": ["leads"], "slack_id": "ULEA" });
    server.call(admin, "PUT", "/v1/users/lea", Some(&lea)).await.good();
    let lea = json!({ "roles": ["reviewer"], "teams": ["leads"], "slack_id": "UNEW" });
    server.call(admin, "PUT", "/v1/users/lea", Some(&lea)).await.good();
    server.call(admin, "PUT", "/v1/users/vic", Some(&vic)).await.good();
}
