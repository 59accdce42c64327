//! Callbacks of a server that is killed while it sends them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use countersign_client::{Client, Credential, Method};
use countersign_notify::Secret;
use serde_json::{Value, json};

use crate::scene::{Scene, text};

/// A request as a receiver saw it.
pub(crate) struct Seen {
    pub(crate) id: String,
    pub(crate) at: i64,
    pub(crate) signatures: String,
    pub(crate) body: Vec<u8>,
}

/// What a receiver does with one request after the other.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    /// Nothing: the connection stays open until the other side is gone.
    Silence,
    /// `500`.
    Fault,
    /// `204`.
    Taken,
}

/// A receiver that answers as `script` says, then always takes.
pub(crate) fn receiver(script: Vec<Answer>) -> (u16, Receiver<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (sender, seen) = channel();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for (place, stream) in listener.incoming().enumerate() {
            let mut stream = stream.expect("a connection");
            let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
            let (mut headers, mut line) = (Vec::new(), String::new());
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                headers.push(line.trim().to_owned());
                line.clear();
            }
            let header = |name: &str| {
                let found = headers.iter().filter_map(|line| line.split_once(':'));
                let mut found = found.filter(|(key, _)| key.eq_ignore_ascii_case(name));
                found
                    .next()
                    .map(|(_, value)| value.trim().to_owned())
                    .unwrap_or_default()
            };
            let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
            reader.read_exact(&mut body).expect("a body");
            let request = Seen {
                id: header("webhook-id"),
                at: header("webhook-timestamp").parse().expect("a time"),
                signatures: header("webhook-signature"),
                body,
            };
            let answer = match script.get(place).copied().unwrap_or(Answer::Taken) {
                Answer::Silence => None,
                Answer::Fault => Some("500 Internal Server Error"),
                Answer::Taken => Some("204 No Content"),
            };
            match answer {
                // Kept open, so that the sender waits.
                None => held.push(stream),
                Some(status) => {
                    let head = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                    stream.write_all(head.as_bytes()).expect("an answer");
                }
            }
            if sender.send(request).is_err() {
                return;
            }
        }
    });
    (port, seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_an_action_is_told_once_though_its_sender_is_killed_and_its_receiver_fails() {
    let (port, seen) = receiver(vec![Answer::Silence, Answer::Fault, Answer::Taken]);
    let (scene, made) = Scene::initialised();
    let allowed = format!("127.0.0.1:{port}");
    let more = ["--allow-callbacks-to", allowed.as_str()];
    let bot = [
        "agents", "add", "bot", "--owner", "team:ops", "--data", "data", "--json",
    ];
    let bot = text(&scene.run(&bot).json(), "/key");
    let server = scene.serve(&more);
    let admin = Client::new(&server.url, &Credential::Key(text(&made, "/admin_key"))).expect("a client");
    let hook = format!("http://{allowed}/hook");
    let registered: Value = admin
        .post("/v1/callbacks", &json!({ "url": hook }))
        .await
        .expect("a receiver");
    let secret = Secret::parse(&text(&registered, "/secret")).expect("a secret");
    let agent = Client::new(&server.url, &Credential::Key(bot)).expect("a client");
    let body = json!({ "action": "unheard-of", "callback_url": hook })
        .to_string()
        .into_bytes();
    let decided = agent
        .send(Method::POST, "/v1/actions", Some(body), None)
        .await
        .expect("a decision");
    let decided: Value = serde_json::from_slice(&decided.body).expect("JSON");

    let next = || {
        seen.recv_timeout(std::time::Duration::from_secs(60))
            .expect("a callback")
    };
    let first = next();
    // SIGKILL, while the receiver has it and says nothing.
    drop(server);
    let server = scene.serve(&more);
    let mut all = vec![first, next(), next()];
    for seen in &all {
        let good = secret.sign(&seen.id, seen.at, &seen.body);
        assert!(
            seen.signatures.split(' ').any(|one| one == good),
            "a callback that does not verify"
        );
        let told: Value = serde_json::from_slice(&seen.body).expect("JSON");
        assert_eq!(told.pointer("/data/action/id"), decided.get("id"));
        assert_eq!(told.pointer("/data/action/status"), Some(&json!("refused")));
    }
    all.dedup_by(|a, b| a.id == b.id);
    assert_eq!(all.len(), 1, "one end has one id over all tries and starts");

    // Once it is recorded that it was taken, it is not sent again, not even after the next kill.
    let key = text(&made, "/admin_key");
    while left(&server.url, &key).await != json!([]) {}
    drop(server);
    let server = scene.serve(&more);
    assert_eq!(left(&server.url, &key).await, json!([]));
    assert!(
        seen.try_recv().is_err(),
        "it was sent once more than the receiver needed"
    );
}

/// Deliveries that have not arrived.
async fn left(url: &str, key: &str) -> Value {
    let admin = Client::new(url, &Credential::Key(key.to_owned())).expect("a client");
    let mut left: Value = admin.get("/v1/callbacks/deliveries").await.expect("deliveries");
    left["deliveries"].take()
}
