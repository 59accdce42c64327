//! A server on a port of its own, and a client that sends exactly the bytes that a test wants.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use countersign_core::{Span, Time};
use countersign_engine::{Clock, Engine, Reading, Settings, SystemClock, Vault};
use countersign_server::{ServerSettings, Strangers, router, serve};
use countersign_store::MemoryStore;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// The operator's token.
pub const TOKEN: &str = "local-token-of-the-operator";

/// A policy with every kind of decision.
pub const POLICY: &str = "
name: gate
on:
- action: read
- action: pay
- action: wipe
rules:
- condition: \"action == 'read'\"
  decision: allow
- condition: \"action == 'pay'\"
  decision: require_approval
  approvers: [leads]
- condition: \"action == 'wipe'\"
  decision: deny
";

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of the problem.
    #[track_caller]
    pub fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["request_id"], *self.headers["x-request-id"]);
        problem["code"].as_str().unwrap().to_owned()
    }

    /// The body of a good answer.
    #[track_caller]
    pub fn good(&self) -> Value {
        assert!(
            (200..300).contains(&self.status),
            "{} {}",
            self.status,
            String::from_utf8_lossy(&self.body)
        );
        self.json()
    }

    /// The body as text, put together where it came in chunks (RFC 9112, 7.1) and ended.
    #[track_caller]
    pub fn text(&self) -> String {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        let coding = self.headers.get("transfer-encoding").map(String::as_str);
        if coding != Some("chunked") {
            return String::from_utf8(self.body.clone()).unwrap();
        }
        let (mut rest, mut whole) = (self.body.as_slice(), Vec::new());
        loop {
            let end = rest.windows(2).position(|two| two == b"\r\n").unwrap();
            let size = std::str::from_utf8(&rest[..end]).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            if size == 0 {
                return String::from_utf8(whole).unwrap();
            }
            whole.extend_from_slice(&rest[end + 2..end + 2 + size]);
            rest = &rest[end + 2 + size + 2..];
        }
    }

    /// It repeats an earlier answer.
    pub fn is_replayed(&self) -> bool {
        self.headers
            .get("idempotent-replayed")
            .is_some_and(|value| value == "true")
    }
}

/// The host's clock, set forward as a test wants.
#[derive(Default)]
struct Shifted {
    clock: SystemClock,
    by_us: Arc<AtomicI64>,
}

impl Clock for Shifted {
    fn read(&self) -> Reading {
        let now = self.clock.read().now;
        Reading {
            now: Time(now.0 + self.by_us.load(Ordering::SeqCst)),
            jumped: None,
        }
    }

    fn accept(&self) {}

    fn not_before(&self, _: Time) {}

    fn follow(&self, _: Time) {}
}

/// A running server.
pub struct Server {
    pub address: SocketAddr,
    engine: Engine,
    shifted_by_us: Arc<AtomicI64>,
    stop: Option<oneshot::Sender<()>>,
    pub serving: Option<tokio::task::JoinHandle<std::io::Result<()>>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        let engine = self.engine.clone();
        // Stopping joins the engine's threads, which takes a moment and must not hold the test's runtime.
        std::thread::spawn(move || engine.stop());
    }
}

impl Server {
    /// A server without organizations, patient with strangers.
    pub async fn start() -> Server {
        Server::with(ServerSettings {
            local_token: Some(TOKEN.into()),
            strangers: Strangers {
                per_second: 100_000,
                burst: 100_000,
            },
            ..ServerSettings::default()
        })
        .await
    }

    pub async fn with(settings: ServerSettings) -> Server {
        let (store, vault) = (Arc::new(MemoryStore::default()), Vault::new(&[7; 32]));
        let clock = Shifted::default();
        let shifted_by_us = clock.by_us.clone();
        let engine = Engine::start(store, vault, Box::new(clock), Settings::default()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let router = router(engine.clone(), settings);
        let serving = tokio::spawn(serve(listener, router, None, async move { drop(stopped.await) }));
        Server {
            address,
            engine,
            shifted_by_us,
            stop: Some(stop),
            serving: Some(serving),
        }
    }

    /// Lets time pass.
    pub fn pass(&self, span: Span) {
        self.shifted_by_us.fetch_add(span.0, Ordering::SeqCst);
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Asks the server to stop.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Sends bytes and reads until the server closes.
    pub async fn raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        parse(&answer)
    }

    /// One request, with headers of one's own.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if let Some(body) = body {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        head += "\r\n";
        let bytes = [head.as_bytes(), body.unwrap_or_default()].concat();
        self.raw(&bytes).await
    }

    /// One request with a key and a JSON body.
    pub async fn call(&self, key: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let authorization = format!("Bearer {key}");
        let headers = [
            ("Authorization", authorization.as_str()),
            ("Content-Type", "application/json"),
        ];
        let bytes = body.map(|body| serde_json::to_vec(body).unwrap());
        self.send(method, path, &headers, bytes.as_deref()).await
    }

    pub async fn get(&self, key: &str, path: &str) -> Answer {
        self.call(key, "GET", path, None).await
    }

    pub async fn post(&self, key: &str, path: &str, body: &Value) -> Answer {
        self.call(key, "POST", path, Some(body)).await
    }

    /// One request with an idempotency key.
    pub async fn repeatable(&self, key: &str, idempotency_key: &str, path: &str, body: &[u8]) -> Answer {
        let authorization = format!("Bearer {key}");
        let headers = [
            ("Authorization", authorization.as_str()),
            ("Content-Type", "application/json"),
            ("Idempotency-Key", idempotency_key),
        ];
        self.send("POST", path, &headers, Some(body)).await
    }

    /// One request as the operator at the machine.
    pub async fn operate(&self, org: Option<&str>, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let authorization = format!("Bearer {TOKEN}");
        let mut headers = vec![
            ("Authorization", authorization.as_str()),
            ("Content-Type", "application/json"),
        ];
        headers.extend(org.map(|org| ("Countersign-Organization", org)));
        let bytes = body.map(|body| serde_json::to_vec(body).unwrap());
        self.send(method, path, &headers, bytes.as_deref()).await
    }

    /// Creates an organization and answers its admin's key.
    pub async fn organization(&self, name: &str) -> String {
        let body = json!({ "name": name, "admin": "alex" });
        let created = self.operate(None, "POST", "/v1/organizations", Some(&body)).await;
        assert_eq!(created.status, 201, "{created:?}");
        created.json()["admin_key"].as_str().unwrap().to_owned()
    }

    /// Adds a person and answers their key.
    pub async fn user(&self, admin: &str, id: &str, roles: &[&str], teams: &[&str]) -> String {
        let body = json!({ "id": id, "roles": roles, "teams": teams });
        self.post(admin, "/v1/users", &body).await.good()["key"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Registers an agent and answers its key.
    pub async fn agent(&self, admin: &str, id: &str) -> String {
        let body = json!({ "id": id, "owner": "team:support" });
        self.post(admin, "/v1/agents", &body).await.good()["key"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Uploads policies, makes them live and answers their hash.
    pub async fn policy(&self, admin: &str, files: &Value) -> String {
        let uploaded = self
            .post(admin, "/v1/policies", &json!({ "files": files }))
            .await
            .good();
        let hash = uploaded["hash"].as_str().unwrap().to_owned();
        let path = format!("/v1/policies/{hash}/activate");
        self.post(admin, &path, &json!({ "rationale": "a test" })).await.good();
        hash
    }
}

/// An organization in which something can happen.
pub struct Acme {
    pub server: Server,
    pub admin: String,
    pub lead: String,
    pub agent: String,
}

impl Acme {
    /// `acme` with admin `alex`, reviewer `lea` of team `leads`, agent `bot` and [`POLICY`].
    pub async fn start() -> Acme {
        let server = Server::start().await;
        let admin = server.organization("acme").await;
        let lead = server.user(&admin, "lea", &["reviewer"], &["leads"]).await;
        let agent = server.agent(&admin, "bot").await;
        server.policy(&admin, &json!({ "gate.yaml": POLICY })).await;
        Acme {
            server,
            admin,
            lead,
            agent,
        }
    }

    /// An action of the agent.
    pub async fn decide(&self, body: &Value) -> Value {
        self.server.post(&self.agent, "/v1/actions", body).await.good()
    }

    /// A pending request: the action's answer.
    pub async fn pending(&self) -> Value {
        let answer = self
            .decide(&json!({ "action": "pay", "amount": "10", "currency": "USD" }))
            .await;
        assert_eq!(answer["status"], "pending", "{answer}");
        answer
    }

    /// A vote on the request of an action's answer.
    pub async fn vote(&self, key: &str, action: &Value, verb: &str) -> Answer {
        let path = format!("/v1/approvals/{}/votes", action["approval"]["id"].as_str().unwrap());
        let body = json!({
            "verb": verb, "comment": "because", "action_digest": action["action_digest"], "snapshot": action["snapshot"],
        });
        self.server.post(key, &path, &body).await
    }
}

/// Reads a response.
pub fn parse(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no response: {:?}", String::from_utf8_lossy(bytes)));
    let head = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    Answer {
        status,
        headers,
        body: bytes[end + 4..].to_vec(),
    }
}
