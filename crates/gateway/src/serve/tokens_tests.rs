//! Tokens as an attacker would make them, beside those that are good.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::io::{Read as _, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::json;

use super::*;

const ISSUER: &str = "https://login.example.com";
const RESOURCE: &str = "https://gate.example.com/mcp/files";

/// An authorization server with a key of either kind.
struct Issuer {
    elliptic: EcdsaKeyPair,
    edwards: Ed25519KeyPair,
    random: SystemRandom,
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

impl Issuer {
    fn new() -> Issuer {
        let random = SystemRandom::new();
        let way = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let elliptic = EcdsaKeyPair::generate_pkcs8(way, &random).unwrap();
        let edwards = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        Issuer {
            elliptic: EcdsaKeyPair::from_pkcs8(way, elliptic.as_ref(), &random).unwrap(),
            edwards: Ed25519KeyPair::from_pkcs8(edwards.as_ref()).unwrap(),
            random,
        }
    }

    /// What it publishes: keys that are no key of a signature are among them, as in sets of real servers.
    fn keys(&self) -> Value {
        let point = self.elliptic.public_key().as_ref();
        let (x, y) = (base64(&point[1..33]), base64(&point[33..]));
        let edwards = base64(self.edwards.public_key().as_ref());
        json!({ "keys": [
            { "kty": "EC", "crv": "P-256", "kid": "ec", "use": "sig", "alg": "ES256", "x": x, "y": y },
            { "kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": edwards },
            { "kty": "EC", "crv": "P-256", "kid": "seals", "use": "enc", "x": x, "y": y },
            { "kty": "oct", "kid": "shared", "k": base64(b"a secret that was published") },
            { "kty": "of another world", "kid": "new" },
        ]})
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let body = format!(
            "{}.{}",
            base64(header.to_string().as_bytes()),
            base64(claims.to_string().as_bytes())
        );
        let signature = match header["alg"].as_str() {
            Some("ES256") => self
                .elliptic
                .sign(&self.random, body.as_bytes())
                .unwrap()
                .as_ref()
                .to_vec(),
            _ => self.edwards.sign(body.as_bytes()).as_ref().to_vec(),
        };
        format!("{body}.{}", base64(&signature))
    }

    fn token(&self, claims: &Value) -> String {
        self.sign(&json!({ "alg": "ES256", "kid": "ec", "typ": "at+jwt" }), claims)
    }
}

fn good() -> Value {
    json!({
        "iss": ISSUER, "aud": RESOURCE, "exp": now() + 300, "client_id": "assistant", "scope": "openid mcp",
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = good();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = good();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

/// Checks tokens by keys in a file of its own.
fn tokens(name: &str, keys: &Value, trust: impl FnOnce(&mut Trust)) -> (Tokens, std::path::PathBuf) {
    let path = std::env::temp_dir().join(format!("countersign-keys-{name}-{}", std::process::id()));
    std::fs::write(&path, keys.to_string()).unwrap();
    let mut wanted = Trust {
        issuer: ISSUER.to_owned(),
        keys: path.display().to_string(),
        claim: "client_id".to_owned(),
        agents: BTreeMap::new(),
        scopes: vec!["mcp".to_owned()],
    };
    trust(&mut wanted);
    (Tokens::new(wanted).unwrap(), path)
}

#[tokio::test]
async fn a_good_token_is_its_agents_whichever_way_it_is_signed() {
    let issuer = Issuer::new();
    let (tokens, path) = tokens("good", &issuer.keys(), |_| {});
    let edwards = issuer.sign(&json!({ "alg": "EdDSA", "kid": "ed" }), &good());
    for token in [
        issuer.token(&good()),
        edwards,
        issuer.token(&with("aud", json!(["https://other.example.com", RESOURCE]))),
        issuer.token(&with("exp", json!(now() - 5))),
        {
            let mut listed = without("scope");
            listed["scp"] = json!(["mcp", "openid"]);
            issuer.token(&listed)
        },
    ] {
        assert_eq!(
            tokens.agent(&token, RESOURCE).await.as_deref(),
            Ok("assistant"),
            "{token}"
        );
    }
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn no_token_that_somebody_else_made_or_that_is_for_something_else_is_good() {
    let issuer = Issuer::new();
    let (tokens, path) = tokens("bad", &issuer.keys(), |_| {});
    let (head, stranger) = (json!({ "alg": "ES256", "kid": "ec" }), Issuer::new());
    let signed = issuer.token(&good());
    let (body, signature) = signed.rsplit_once('.').unwrap();
    let other_claims = base64(with("client_id", json!("boss")).to_string().as_bytes());
    let (first, _) = body.split_once('.').unwrap();
    // Signed with what everybody can read as if it were a secret.
    let point = issuer.elliptic.public_key().as_ref().to_vec();
    let shared = |kid: &str, secret: &[u8]| {
        let head = json!({ "alg": "HS256", "kid": kid });
        let body = format!(
            "{}.{}",
            base64(head.to_string().as_bytes()),
            base64(good().to_string().as_bytes())
        );
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), body.as_bytes());
        format!("{body}.{}", base64(tag.as_ref()))
    };
    let unsigned = |alg: &str| {
        let head = json!({ "alg": alg, "typ": "JWT" });
        format!(
            "{}.{}.",
            base64(head.to_string().as_bytes()),
            base64(good().to_string().as_bytes())
        )
    };
    let headed = |more: &[(&str, Value)]| {
        let mut head = head.clone();
        for (name, value) in more {
            head[*name] = value.clone();
        }
        issuer.sign(&head, &good())
    };
    let own_key = stranger.keys()["keys"][0].clone();
    let attacks = [
        ("unsigned", unsigned("none")),
        ("unsigned, in other letters", unsigned("NoNe")),
        ("no signature", format!("{body}.")),
        ("no third part", body.to_owned()),
        (
            "other claims under the signature",
            format!("{first}.{other_claims}.{signature}"),
        ),
        ("the public key as a secret", shared("ec", &point)),
        ("a published secret", shared("shared", b"a secret that was published")),
        ("a stranger's signature", stranger.token(&good())),
        (
            "a stranger's key in the header",
            stranger.sign(&json!({ "alg": "ES256", "jwk": own_key }), &good()),
        ),
        ("an unknown key", headed(&[("kid", json!("ec2"))])),
        (
            "no name of a key, and several fit none",
            issuer.sign(&json!({ "alg": "RS256" }), &good()),
        ),
        ("a key that is not for signatures", headed(&[("kid", json!("seals"))])),
        (
            "another kind of key",
            issuer.sign(&json!({ "alg": "EdDSA", "kid": "ec" }), &good()),
        ),
        (
            "an extension",
            headed(&[("crit", json!(["b64"])), ("b64", json!(false))]),
        ),
        ("another kind of token", headed(&[("typ", json!("logout+jwt"))])),
        (
            "another resource",
            issuer.token(&with("aud", json!("https://gate.example.com/mcp/github"))),
        ),
        (
            "a resource that begins alike",
            issuer.token(&with("aud", json!(format!("{RESOURCE}2")))),
        ),
        ("no resource", issuer.token(&without("aud"))),
        (
            "another issuer",
            issuer.token(&with("iss", json!("https://login.example.com.evil"))),
        ),
        ("no issuer", issuer.token(&without("iss"))),
        ("over", issuer.token(&with("exp", json!(now() - 60)))),
        ("without an end", issuer.token(&without("exp"))),
        ("an end that is no number", issuer.token(&with("exp", json!("never")))),
        ("not yet", issuer.token(&with("nbf", json!(now() + 120)))),
        ("bound to a key", issuer.token(&with("cnf", json!({ "jkt": "x" })))),
        ("nobody's", issuer.token(&without("client_id"))),
        (
            "several agents'",
            issuer.token(&with("client_id", json!(["assistant"]))),
        ),
        ("too long", issuer.token(&with("padding", json!("x".repeat(9000))))),
        ("no token", "assistant".to_owned()),
    ];
    for (what, token) in attacks {
        assert_eq!(tokens.agent(&token, RESOURCE).await, Err(Worthless::Bad), "{what}");
    }
    let narrow = issuer.token(&with("scope", json!("openid mcp-admin")));
    assert_eq!(tokens.agent(&narrow, RESOURCE).await, Err(Worthless::Narrow));
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn where_agents_are_named_nobody_else_is_one() {
    let issuer = Issuer::new();
    let named = |trust: &mut Trust| drop(trust.agents.insert("AbC-1".to_owned(), "assistant".to_owned()));
    let (tokens, path) = tokens("named", &issuer.keys(), named);
    let of = |claimed: &str| issuer.token(&with("client_id", json!(claimed)));
    assert_eq!(tokens.agent(&of("AbC-1"), RESOURCE).await.as_deref(), Ok("assistant"));
    for other in ["assistant", "abc-1", ""] {
        assert_eq!(tokens.agent(&of(other), RESOURCE).await, Err(Worthless::Bad), "{other}");
    }
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn keys_that_are_others_now_are_looked_for_and_made_up_names_do_not_ask_again_and_again() {
    let (old, new) = (Issuer::new(), Issuer::new());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/keys", listener.local_addr().unwrap());
    let sets = [old.keys(), {
        let mut keys = new.keys();
        keys["keys"][0]["kid"] = "ec2".into();
        keys
    }];
    let serving = std::thread::spawn(move || {
        for keys in &sets {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 1024];
            let _ = stream.read(&mut asked).unwrap();
            let body = keys.to_string();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all((head + &body).as_bytes()).unwrap();
        }
    });
    let (tokens, path) = tokens("fetched", &json!({ "keys": [] }), |trust| trust.keys = address);
    assert_eq!(
        tokens.agent(&old.token(&good()), RESOURCE).await.as_deref(),
        Ok("assistant")
    );
    let later = new.sign(&json!({ "alg": "ES256", "kid": "ec2" }), &good());
    // Just looked: nobody asks again yet, and what is known stays good.
    assert_eq!(tokens.agent(&later, RESOURCE).await, Err(Worthless::Bad));
    assert_eq!(
        tokens.agent(&old.token(&good()), RESOURCE).await.as_deref(),
        Ok("assistant")
    );
    tokens.keys.paused().await;
    assert_eq!(tokens.agent(&later, RESOURCE).await.as_deref(), Ok("assistant"));
    assert_eq!(tokens.agent(&old.token(&good()), RESOURCE).await, Err(Worthless::Bad));
    serving.join().unwrap();
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn an_issuer_that_hangs_is_waited_for_by_one_and_asked_once() {
    let issuer = Issuer::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/keys", listener.local_addr().unwrap());
    let body = issuer.keys().to_string();
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let seen = asked.clone();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            if seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
                let _ = stream.read(&mut [0; 1024]).unwrap();
                let length = body.len();
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
                stream.write_all((head + &body).as_bytes()).unwrap();
            } else {
                kept.push(stream);
            }
        }
    });
    let (mut tokens, path) = tokens("hangs", &json!({ "keys": [] }), |trust| trust.keys = address);
    tokens.keys.impatient();
    let token = issuer.token(&good());
    let agent = async || tokens.agent(&token, RESOURCE).await;
    assert_eq!(agent().await.as_deref(), Ok("assistant"));
    tokens.keys.paused().await;
    let (one, two, three, four) = tokio::join!(agent(), agent(), agent(), agent());
    for told in [one, two, three, four, agent().await] {
        assert_eq!(told.as_deref(), Ok("assistant"));
    }
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 2);
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn without_an_issuer_that_answers_it_cannot_be_told() {
    let issuer = Issuer::new();
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let (tokens, path) = tokens("away", &issuer.keys(), |trust| {
        trust.keys = format!("http://{closed}/keys")
    });
    let told = tokens.agent(&issuer.token(&good()), RESOURCE).await;
    assert!(matches!(told, Err(Worthless::Unclear(_))), "{told:?}");
    std::fs::remove_file(path).unwrap();
}
