//! Headers, limits on strangers, TLS, the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_server::{ServerSettings, Strangers, TlsFiles, router, serve};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

use crate::support::{Acme, Server, TOKEN, parse};

#[tokio::test]
async fn every_answer_has_the_headers_that_keep_browsers_and_caches_away() {
    let acme = Acme::start().await;
    for (key, path) in [
        (&acme.admin, "/v1/whoami"),
        (&acme.admin, "/nowhere"),
        (&String::new(), "/v1/whoami"),
        (&acme.admin, "/docs"),
    ] {
        let answer = acme.server.get(key, path).await;
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.headers[name], value, "{path}");
        }
        assert!(
            answer.headers["content-security-policy"].starts_with("default-src 'none'"),
            "{path}"
        );
        assert!(answer.headers["x-request-id"].starts_with("req_"), "{path}");
    }
}

#[tokio::test]
async fn strangers_are_slowed_down_and_good_keys_are_not() {
    let strangers = Strangers {
        per_second: 1,
        burst: 5,
    };
    let server = Server::with(ServerSettings {
        local_token: Some(TOKEN.into()),
        strangers,
        ..ServerSettings::default()
    })
    .await;
    let admin = server.organization("acme").await;
    for _ in 0..5 {
        assert_eq!(
            server.get("nonsense", "/v1/whoami").await.problem(401),
            "unauthenticated"
        );
    }
    let slowed = server.get("nonsense", "/v1/whoami").await;
    assert_eq!(slowed.problem(429), "too_many_failures");
    assert!(slowed.headers["retry-after"].parse::<u64>().unwrap() >= 1);
    for _ in 0..20 {
        server.get(&admin, "/v1/whoami").await.good();
        server.send("GET", "/healthz", &[], None).await.good();
    }
}

#[tokio::test]
async fn a_client_behind_a_trusted_proxy_is_known_by_its_own_address() {
    let strangers = Strangers {
        per_second: 1,
        burst: 1,
    };
    let behind_proxy = vec!["127.0.0.0/8".parse().unwrap()];
    let server = Server::with(ServerSettings {
        strangers,
        behind_proxy,
        ..ServerSettings::default()
    })
    .await;
    let from = |address: &'static str| [("X-Forwarded-For", address), ("X-Forwarded-Proto", "https")];
    let first = server.send("GET", "/v1/whoami", &from("198.51.100.1"), None).await;
    assert_eq!(first.problem(401), "unauthenticated");
    assert_eq!(first.headers["strict-transport-security"], "max-age=31536000");
    assert_eq!(
        server
            .send("GET", "/v1/whoami", &from("198.51.100.1"), None)
            .await
            .problem(429),
        "too_many_failures"
    );
    assert_eq!(
        server
            .send("GET", "/v1/whoami", &from("198.51.100.2"), None)
            .await
            .problem(401),
        "unauthenticated"
    );
}

#[tokio::test]
async fn a_stop_lets_requests_in_flight_end_and_takes_no_more() {
    let mut acme = Acme::start().await;
    let action = acme.pending().await;
    let mut stream = TcpStream::connect(acme.server.address).await.unwrap();
    let path = format!("/v1/actions/{}?wait=1s", action["id"].as_str().unwrap());
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
        acme.agent
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    acme.server.stop();
    let started = Instant::now();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(parse(&answer).good()["status"], "pending");
    drop(stream);
    acme.server.serving.take().unwrap().await.unwrap().unwrap();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(TcpStream::connect(acme.server.address).await.is_err());
}

#[tokio::test]
async fn a_hasty_client_harms_nobody() {
    let acme = Acme::start().await;
    for bytes in [
        &b"GET"[..],
        b"\r\n\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"POST /v1/actions HTTP/1.1\r\nContent-Length: 5\r\n\r\n{",
    ] {
        let mut stream = TcpStream::connect(acme.server.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
    }
    acme.decide(&json!({ "action": "read" })).await;
}

#[tokio::test]
async fn tls_serves_with_the_given_certificate_and_says_to_stay_with_it() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = std::env::temp_dir().join(format!("countersign-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let files = TlsFiles {
        certificate: folder.join("cert.pem"),
        key: folder.join("key.pem"),
    };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();

    let acme = Acme::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = router(acme.server.engine().clone(), ServerSettings::default());
    let serving = tokio::spawn(serve(listener, router, Some(files.clone()), std::future::pending()));

    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(made.cert.der().to_vec())).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap();
    let request = format!(
        "GET /v1/whoami HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\r\n",
        acme.admin
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = parse(&answer);
    assert_eq!(answer.good()["id"], "alex");
    assert_eq!(answer.headers["strict-transport-security"], "max-age=31536000");

    std::fs::write(&files.key, "not a key").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refused = serve(listener, axum::Router::new(), Some(files), std::future::pending())
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("key.pem"), "{refused}");
    serving.abort();
    std::fs::remove_dir_all(folder).unwrap();
}
