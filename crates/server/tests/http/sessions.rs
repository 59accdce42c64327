//! Signing in over HTTP, and news as it happens.

use std::sync::Arc;
use std::time::SystemTime;

use countersign_core::{Span, Time};
use countersign_server::{FirstInvitation, ServerSettings};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Acme, Server, TOKEN};

const PASSWORD: &str = "correct horse battery staple";

async fn session(server: &Server, body: &Value) -> String {
    server.post("", "/v1/sessions", body).await.good()["session"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// A session of somebody who was invited and has chosen [`PASSWORD`].
async fn enrolled(server: &Server, admin: &str, user: &str) -> String {
    let invited = server
        .post(admin, "/v1/invitations", &json!({ "user": user }))
        .await
        .good();
    let key = session(server, &json!({ "invitation": invited["invitation"] })).await;
    let body = json!({ "password": PASSWORD });
    server
        .call(&key, "PUT", "/v1/authenticators/password", Some(&body))
        .await
        .good();
    key
}

#[tokio::test]
async fn a_session_is_a_key_of_its_person_and_ends_when_it_is_closed() {
    let acme = Acme::start().await;
    let Acme { server, lead, .. } = &acme;
    let opened = server.post("", "/v1/sessions", &json!({ "key": lead })).await.good();
    assert_eq!(
        (&opened["user"], &opened["organization"], &opened["how"]),
        (&json!("lea"), &json!("acme"), &json!("key"))
    );
    let key = opened["session"].as_str().unwrap();
    let who = server.get(key, "/v1/whoami").await.good();
    assert_eq!(
        (&who["id"], &who["roles"], &who["scopes"]),
        (&json!("lea"), &json!(["reviewer"]), &json!(["session:key"]))
    );
    assert_eq!(
        server
            .post("", "/v1/sessions", &json!({ "key": key }))
            .await
            .problem(422),
        "wrong_credential"
    );
    assert_eq!(
        server.call(lead, "DELETE", "/v1/sessions", None).await.problem(422),
        "wrong_credential"
    );
    server.call(key, "DELETE", "/v1/sessions", None).await.good();
    assert_eq!(server.get(key, "/v1/whoami").await.problem(401), "unauthenticated");
    server.get(lead, "/v1/whoami").await.good();
}

#[tokio::test]
async fn one_way_to_sign_in_is_named_and_an_agents_key_is_none() {
    let acme = Acme::start().await;
    let Acme {
        server, lead, agent, ..
    } = &acme;
    for body in [
        json!({}),
        json!({ "user": "lea" }),
        json!({ "password": PASSWORD }),
        json!({ "user": "lea", "password": PASSWORD, "key": lead }),
    ] {
        assert_eq!(
            server.post("", "/v1/sessions", &body).await.problem(422),
            "missing_field",
            "{body}"
        );
    }
    assert_eq!(
        server
            .post("", "/v1/sessions", &json!({ "key": agent }))
            .await
            .problem(422),
        "wrong_credential"
    );
    for body in [
        json!({ "key": "cs_user_x" }),
        json!({ "invitation": lead }),
        json!({ "user": "lea", "password": PASSWORD }),
    ] {
        assert_eq!(
            server.post("", "/v1/sessions", &body).await.problem(401),
            "unauthenticated",
            "{body}"
        );
    }
    assert_eq!(server.get("", "/v1/sessions/ways").await.good(), json!({}));
}

#[tokio::test]
async fn a_password_is_chosen_after_an_invitation_and_changed_with_itself() {
    let acme = Acme::start().await;
    let Acme {
        server, admin, lead, ..
    } = &acme;
    assert_eq!(
        server
            .post(lead, "/v1/invitations", &json!({ "user": "lea" }))
            .await
            .problem(403),
        "forbidden"
    );
    assert_eq!(
        server
            .post(admin, "/v1/invitations", &json!({ "user": "nobody" }))
            .await
            .problem(404),
        "not_found"
    );
    let invited = server
        .post(admin, "/v1/invitations", &json!({ "user": "lea" }))
        .await
        .good();
    let invitation = invited["invitation"].as_str().unwrap();
    assert_eq!(
        server.get(invitation, "/v1/whoami").await.problem(401),
        "unauthenticated"
    );
    let key = session(server, &json!({ "invitation": invitation })).await;
    let set = |key: String, body: Value| async move {
        server
            .call(&key, "PUT", "/v1/authenticators/password", Some(&body))
            .await
    };
    assert_eq!(
        set(key.clone(), json!({ "password": "lea lea lea lea" }))
            .await
            .problem(422),
        "weak_password"
    );
    set(key.clone(), json!({ "password": PASSWORD })).await.good();
    assert_eq!(server.get(&key, "/v1/authenticators").await.good()["password"], true);

    let by_password = session(
        server,
        &json!({ "organization": "acme", "user": "lea", "password": PASSWORD }),
    )
    .await;
    let other = json!({ "password": "another horse battery staple" });
    assert_eq!(set(by_password.clone(), other).await.problem(422), "wrong_password");
    let other = json!({ "password": "another horse battery staple", "current": PASSWORD });
    set(by_password.clone(), other).await.good();
    server.get(&by_password, "/v1/whoami").await.good();
    assert_eq!(
        server.get(&key, "/v1/whoami").await.problem(401),
        "unauthenticated",
        "every other session has ended"
    );
    let old = json!({ "user": "lea", "password": PASSWORD });
    assert_eq!(
        server.post("", "/v1/sessions", &old).await.problem(401),
        "unauthenticated"
    );
}

#[tokio::test]
async fn what_a_person_signs_in_with_is_taken_away_by_the_person_or_an_admin() {
    let acme = Acme::start().await;
    let Acme {
        server, admin, lead, ..
    } = &acme;
    let key = enrolled(server, admin, "lea").await;
    let other = server.user(admin, "mia", &["reviewer"], &[]).await;
    let (path, hers) = ("/v1/authenticators/password/remove", json!({ "user": "lea" }));
    assert_eq!(server.post(&other, path, &hers).await.problem(403), "forbidden");
    let own = json!({});
    assert_eq!(server.post(&key, path, &own).await.problem(422), "wrong_password");
    assert_eq!(server.post(lead, path, &own).await.problem(403), "wrong_credential");
    server.post(admin, path, &hers).await.good();
    assert_eq!(server.get(&key, "/v1/whoami").await.problem(401), "unauthenticated");
    assert_eq!(server.post(admin, path, &hers).await.problem(404), "not_found");
    let key = enrolled(server, admin, "lea").await;
    server.post(&key, path, &json!({ "current": PASSWORD })).await.good();
}

#[tokio::test]
async fn neither_a_key_nor_an_open_session_changes_what_somebody_signs_in_with() {
    let acme = Acme::start().await;
    let Acme {
        server, admin, lead, ..
    } = &acme;
    let new = json!({ "password": "another horse battery staple" });
    let set = async |key: &str| server.call(key, "PUT", "/v1/authenticators/password", Some(&new)).await;
    let by_key = session(server, &json!({ "key": lead })).await;
    for key in [lead, &by_key] {
        assert_eq!(set(key).await.problem(403), "wrong_credential");
    }
    let found_open = enrolled(server, admin, "lea").await;
    assert_eq!(set(&found_open).await.problem(422), "wrong_password");
    let passkey = json!({ "name": "laptop", "authenticator_data": "AA", "client_data": "AA" });
    assert_eq!(
        server
            .post(&found_open, "/v1/authenticators", &passkey)
            .await
            .problem(422),
        "wrong_password"
    );

    // An invitation is no way past a password, and one that waits too long is none at all.
    let again = server
        .post(admin, "/v1/invitations", &json!({ "user": "lea" }))
        .await
        .good();
    let invited = session(server, &json!({ "invitation": again["invitation"] })).await;
    assert_eq!(set(&invited).await.problem(422), "wrong_password");
    let reset = server
        .post(admin, "/v1/invitations", &json!({ "user": "lea", "reset": true }))
        .await
        .good();
    let invited = session(server, &json!({ "invitation": reset["invitation"] })).await;
    server.pass(Span::minutes(11));
    assert_eq!(set(&invited).await.problem(403), "stale_session");
    assert_eq!(
        server
            .post(admin, "/v1/invitations", &json!({ "user": "alex" }))
            .await
            .problem(409),
        "own_account"
    );
}

#[tokio::test]
async fn with_a_key_the_sessions_end_that_it_opened() {
    let acme = Acme::start().await;
    let Acme {
        server, admin, lead, ..
    } = &acme;
    let (by_key, by_password) = (
        session(server, &json!({ "key": lead })).await,
        enrolled(server, admin, "lea").await,
    );
    let keys = server.get(admin, "/v1/keys").await.good();
    let hers = |key: &&Value| key["subject"] == "lea" && key["scopes"] == json!([]);
    let kid = keys["keys"].as_array().unwrap().iter().find(hers).unwrap()["kid"].clone();
    server
        .call(admin, "DELETE", &format!("/v1/keys/{}", kid.as_str().unwrap()), None)
        .await
        .good();
    assert_eq!(server.get(&by_key, "/v1/whoami").await.problem(401), "unauthenticated");
    server.get(&by_password, "/v1/whoami").await.good();
}

#[tokio::test]
async fn whoever_loses_a_role_loses_it_in_the_session_too() {
    let acme = Acme::start().await;
    let Acme {
        server, admin, lead, ..
    } = &acme;
    let key = session(server, &json!({ "key": lead })).await;
    let body = json!({ "roles": ["viewer"] });
    server.call(admin, "PUT", "/v1/users/lea", Some(&body)).await.good();
    assert_eq!(server.get(&key, "/v1/whoami").await.good()["roles"], json!(["viewer"]));
    server.call(admin, "DELETE", "/v1/users/lea", None).await.good();
    assert_eq!(server.get(&key, "/v1/whoami").await.problem(401), "unauthenticated");
}

/// Reads a stream until it says something.
async fn read_until(stream: &mut TcpStream, wanted: &str) -> String {
    let mut heard = Vec::new();
    let mut part = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&heard).into_owned();
        if text.contains(wanted) {
            return text;
        }
        let count = stream.read(&mut part).await.unwrap();
        assert!(count > 0, "the stream ended: {text}");
        heard.extend_from_slice(&part[..count]);
    }
}

#[tokio::test]
async fn whoever_listens_hears_of_records_as_they_are_written_and_of_no_other_organizations() {
    let acme = Acme::start().await;
    let other = acme.server.organization("other").await;
    let mut stream = TcpStream::connect(acme.server.address).await.unwrap();
    let request = format!(
        "GET /v1/events HTTP/1.1\r\nHost: test\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\r\n",
        acme.lead
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = read_until(&mut stream, ": listening").await;
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    acme.server.agent(&other, "elsewhere").await;
    acme.pending().await;
    let heard = read_until(&mut stream, "data: approval.opened").await;
    assert!(
        heard.contains("data: decision.made") && !heard.contains("agent.registered"),
        "{heard}"
    );
    // A credential that ends takes its streams along.
    let mut other = TcpStream::connect(acme.server.address).await.unwrap();
    let by_key = session(&acme.server, &json!({ "key": acme.lead })).await;
    let request =
        format!("GET /v1/events HTTP/1.1\r\nHost: test\r\nConnection: close\r\nAuthorization: Bearer {by_key}\r\n\r\n");
    other.write_all(request.as_bytes()).await.unwrap();
    read_until(&mut other, ": listening").await;
    acme.server.call(&by_key, "DELETE", "/v1/sessions", None).await.good();
    let mut rest = Vec::new();
    other.read_to_end(&mut rest).await.unwrap();

    acme.server.engine().end_listening();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(acme.server.get(&acme.lead, "/v1/events").await.problem(503), "stopping");
}

const FIRST: &str = "first_0123456789abcdef";

/// A server that knows a way in for the first admin, good for an hour.
async fn with_a_first_invitation() -> Server {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let now = Time(i64::try_from(since.as_micros()).unwrap());
    let first = FirstInvitation::new("acme".into(), "alex".into(), FIRST.into(), now + Span::hours(1));
    let server = Server::with(ServerSettings {
        local_token: Some(TOKEN.into()),
        first_invitation: Some(Arc::new(first)),
        ..ServerSettings::default()
    })
    .await;
    server.organization("acme").await;
    server
}

#[tokio::test]
async fn the_first_admins_way_in_is_no_good_after_an_hour() {
    let server = with_a_first_invitation().await;
    server.pass(Span::minutes(61));
    let late = server.post("", "/v1/sessions", &json!({ "invitation": FIRST })).await;
    assert_eq!(late.problem(401), "unauthenticated");
}

#[tokio::test]
async fn the_first_admins_way_in_is_good_once() {
    let server = with_a_first_invitation().await;
    let body = json!({ "invitation": "first_0123456789abcdee" });
    assert_eq!(
        server.post("", "/v1/sessions", &body).await.problem(401),
        "unauthenticated"
    );
    let body = json!({ "invitation": FIRST });
    let key = session(&server, &body).await;
    assert_eq!(server.get(&key, "/v1/whoami").await.good()["id"], "alex");
    assert_eq!(
        server.post("", "/v1/sessions", &body).await.problem(401),
        "unauthenticated"
    );
}
