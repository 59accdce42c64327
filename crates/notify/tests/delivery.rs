//! The webhook channel against a receiver on this host that misbehaves in every way.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_notify::{
    Allowlist, Attempt, Channel as _, Ed25519Key, Keys, Limits, Message, Reason, Secret, Sender, SystemResolver,
    Target, Webhook,
};
use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Reads one request: the head, and the body that its `content-length` announces.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let announced = header(head, "content-length").map_or(0, |length| length.parse().unwrap());
            if body.len() >= announced {
                return text.into_owned();
            }
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return text.into_owned(),
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        line.split_once(':')
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    })
}

fn limits() -> Limits {
    Limits {
        connect: Duration::from_millis(500),
        total: Duration::from_millis(500),
        ..Limits::default()
    }
}

fn message() -> Message {
    Message::new(
        "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
        1_795_219_200,
        r#"{"type":"action.final"}"#,
    )
    .unwrap()
}

fn secret() -> Secret {
    Secret::from_bytes([7; 32])
}

fn webhook(url: &str, port: u16) -> Webhook {
    let allowlist = Allowlist::parse([
        format!("127.0.0.1:{port}").as_str(),
        format!("localhost:{port}").as_str(),
    ])
    .unwrap();
    Webhook {
        sender: Sender::with(Arc::new(SystemResolver), limits()).unwrap(),
        target: Target::parse(url, &allowlist).unwrap(),
        secrets: vec![secret()],
        ed25519: None,
    }
}

/// What a delivery to a receiver that answers with `answer` comes to.
async fn answered(answer: impl Into<Vec<u8>>) -> Attempt {
    let (listener, port) = listen().await;
    let answer = answer.into();
    let receiver = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        let _ = stream.write_all(&answer).await;
    };
    let message = message();
    let webhook = webhook(&format!("http://127.0.0.1:{port}/hook"), port);
    tokio::join!(webhook.deliver(&message), receiver).0
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn status(status: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n")
}

fn retry(reason: Reason) -> Attempt {
    Attempt::Retry {
        reason,
        retry_after: None,
    }
}

#[tokio::test]
async fn a_receiver_can_verify_what_it_gets() {
    let (listener, port) = listen().await;
    let key = Ed25519Key::from_seed(&[9; 32]);
    let secrets = [secret(), Secret::from_bytes([8; 32])];
    let keys = Keys {
        secrets: &secrets,
        ed25519: Some(&key),
    };
    let webhook = webhook(&format!("http://localhost:{port}/hook?x=1"), port);
    let receiver = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = read_request(&mut stream).await;
        stream.write_all(status("204 No Content").as_bytes()).await.unwrap();
        request
    };
    let message = message();
    let (attempt, request) = tokio::join!(webhook.sender.deliver(&webhook.target, &message, &keys), receiver);
    assert_eq!(attempt, Attempt::Delivered { status: 204 });

    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /hook?x=1 HTTP/1.1\r\n"), "{head}");
    assert_eq!(header(head, "content-type"), Some("application/json"));
    assert_eq!(header(head, "host"), Some(format!("localhost:{port}").as_str()));
    for absent in [
        "authorization",
        "cookie",
        "referer",
        "proxy-authorization",
        "accept-encoding",
    ] {
        assert_eq!(header(head, absent), None);
    }
    let (id, at) = (
        header(head, "webhook-id").unwrap(),
        header(head, "webhook-timestamp").unwrap(),
    );
    let signatures: Vec<&str> = header(head, "webhook-signature").unwrap().split(' ').collect();
    let [first, second, own] = signatures.as_slice() else {
        panic!("{signatures:?}")
    };
    assert_eq!(*first, secrets[0].sign(id, at.parse().unwrap(), body.as_bytes()));
    assert_eq!(*second, secrets[1].sign(id, at.parse().unwrap(), body.as_bytes()));

    let public = STANDARD
        .decode(key.public_text().strip_prefix("whpk_").unwrap())
        .unwrap();
    let public = VerifyingKey::from_bytes(&public.try_into().unwrap()).unwrap();
    let signature = Signature::from_slice(&STANDARD.decode(own.strip_prefix("v1a,").unwrap()).unwrap()).unwrap();
    assert!(
        public
            .verify(format!("{id}.{at}.{body}").as_bytes(), &signature)
            .is_ok()
    );
    assert!(
        public
            .verify(format!("{id}.{at}.{body} ").as_bytes(), &signature)
            .is_err()
    );
}

#[tokio::test]
async fn only_success_is_success() {
    assert_eq!(answered(status("200 OK")).await, Attempt::Delivered { status: 200 });
    assert_eq!(answered(status("299 Odd")).await, Attempt::Delivered { status: 299 });
    assert_eq!(answered(status("410 Gone")).await, Attempt::Gone);
    for code in [
        300, 304, 400, 401, 403, 404, 409, 413, 422, 429, 500, 501, 502, 503, 504, 599,
    ] {
        assert_eq!(
            answered(status(&format!("{code} X"))).await,
            retry(Reason::Status(code))
        );
    }
}

#[tokio::test]
async fn a_busy_receiver_says_when_to_come_back() {
    for code in [429, 502, 503, 504] {
        let answer = format!("HTTP/1.1 {code} X\r\nretry-after: 90\r\ncontent-length: 0\r\n\r\n");
        let wanted = Attempt::Retry {
            reason: Reason::Status(code),
            retry_after: Some(Duration::from_secs(90)),
        };
        assert_eq!(answered(answer).await, wanted);
    }
    assert_eq!(
        answered("HTTP/1.1 500 X\r\nretry-after: 90\r\ncontent-length: 0\r\n\r\n").await,
        retry(Reason::Status(500))
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (elsewhere, port) = listen().await;
    for code in [301, 302, 303, 307, 308] {
        let answer =
            format!("HTTP/1.1 {code} X\r\nlocation: http://127.0.0.1:{port}/admin\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(answered(answer).await, retry(Reason::Status(code)));
    }
    assert!(
        tokio::time::timeout(Duration::from_millis(50), elsewhere.accept())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_broken_answer_is_tried_again() {
    assert_eq!(answered("").await, retry(Reason::Broken));
    assert_eq!(answered("220 smtp.example.com ESMTP\r\n").await, retry(Reason::Broken));
    assert_eq!(answered("HTTP/1.1 2").await, retry(Reason::Broken));
    assert_eq!(answered([0_u8; 64]).await, retry(Reason::Broken));
    let endless_head = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(1 << 20));
    assert_eq!(answered(endless_head).await, retry(Reason::Broken));
}

#[tokio::test]
async fn a_reset_connection_is_tried_again() {
    let (listener, port) = listen().await;
    let receiver = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_exact(&mut [0; 1]).await.unwrap();
        stream.set_zero_linger().unwrap();
        drop(stream);
    };
    let webhook = webhook(&format!("http://127.0.0.1:{port}/"), port);
    let message = message();
    let (attempt, ()) = tokio::join!(webhook.deliver(&message), receiver);
    assert_eq!(attempt, retry(Reason::Broken));
}

#[tokio::test]
async fn a_closed_port_is_tried_again() {
    let (listener, port) = listen().await;
    drop(listener);
    let webhook = webhook(&format!("http://127.0.0.1:{port}/"), port);
    assert_eq!(webhook.deliver(&message()).await, retry(Reason::Connect));
}

#[tokio::test]
async fn a_receiver_without_tls_is_not_spoken_to_in_the_clear() {
    let (listener, port) = listen().await;
    let receiver = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut first = [0; 1];
        stream.read_exact(&mut first).await.unwrap();
        stream.write_all(status("200 OK").as_bytes()).await.unwrap();
        first[0]
    };
    let webhook = webhook(&format!("https://127.0.0.1:{port}/"), port);
    let message = message();
    let (attempt, first) = tokio::join!(webhook.deliver(&message), receiver);
    assert_eq!(
        (attempt, first),
        (retry(Reason::Connect), 22),
        "22 starts a TLS handshake"
    );
}

#[tokio::test]
async fn a_silent_receiver_times_out() {
    let (_listener, port) = listen().await;
    let webhook = webhook(&format!("http://127.0.0.1:{port}/"), port);
    assert_eq!(webhook.deliver(&message()).await, retry(Reason::Timeout));
}

#[tokio::test]
async fn a_slow_head_times_out_and_a_slow_body_does_not_undo_success() {
    async fn drip(first: &str) -> Attempt {
        let (listener, port) = listen().await;
        let receiver = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await;
            stream.write_all(first.as_bytes()).await.unwrap();
            loop {
                tokio::time::sleep(Duration::from_millis(20)).await;
                if stream.write_all(b"x").await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        let webhook = webhook(&format!("http://127.0.0.1:{port}/"), port);
        tokio::select! {
            attempt = async { webhook.deliver(&message()).await } => attempt,
            () = receiver => unreachable!(),
        }
    }
    assert_eq!(drip("HTTP/1.1 200 OK\r\nx-slow: ").await, retry(Reason::Timeout));
    assert_eq!(
        drip("HTTP/1.1 200 OK\r\n\r\n").await,
        Attempt::Delivered { status: 200 }
    );
    assert_eq!(drip("HTTP/1.1 500 X\r\n\r\n").await, retry(Reason::Status(500)));
}

#[tokio::test]
async fn a_big_answer_is_cut() {
    let (listener, port) = listen().await;
    let receiver = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")
            .await
            .unwrap();
        let chunk = vec![b'x'; 64 * 1024];
        let mut written = 0_usize;
        while stream.write_all(&chunk).await.is_ok() {
            written += chunk.len();
        }
        written
    };
    let webhook = webhook(&format!("http://127.0.0.1:{port}/"), port);
    let message = message();
    let (attempt, written) = tokio::join!(webhook.deliver(&message), receiver);
    assert_eq!(attempt, Attempt::Delivered { status: 200 });
    // What the kernel buffers on a loopback connection may be written; a gigabyte may not.
    assert!(written < 32 * 1024 * 1024, "{written}");
}
