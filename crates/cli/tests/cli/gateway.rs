//! The gateway over HTTP: real clients of MCP in front of it, servers behind it, and requests that nobody should send.

mod crash;
mod looking;
mod official;
mod outputs;
mod passing;
mod raw;
mod tasks;
mod tokens;
mod upstream;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use self::upstream::Upstream;
use crate::mcp::{Driver, Shop, clients, said, servers};
use crate::scene::text;

/// A value that an upstream is reached with.
const TOKEN: &str = "words-that-open-the-tool";

/// A gateway, killed with the value.
pub(crate) struct Gateway {
    child: Child,
    pub(crate) url: String,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Gateway {
    pub(crate) fn start(shop: &Shop, servers: &Value, more: &[&str]) -> Gateway {
        shop.scene
            .write("servers.json", &json!({ "mcpServers": servers }).to_string());
        let serve = ["mcp", "serve", "--servers", "servers.json", "--listen", "127.0.0.1:0"];
        let mut command = shop.scene.command(&[&serve[..], more].concat());
        let command = shop.around(&mut command).env_remove("COUNTERSIGN_KEY");
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the gateway starts");
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("its output is piped"));
        out.read_line(&mut line).expect("it says where it serves");
        let url = line.split_whitespace().find(|word| word.starts_with("http://"));
        let url = url.unwrap_or_else(|| panic!("{line}")).to_owned();
        Gateway { child, url }
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Got {
        self.send_text(method, path, headers, &body.map(Value::to_string).unwrap_or_default())
    }

    fn send_text(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Got {
        let host = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).expect("the gateway listens");
        let patience = std::time::Duration::from_secs(60);
        stream
            .set_read_timeout(Some(patience))
            .expect("an answer is waited for");
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
        head += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        stream
            .write_all(format!("{head}\r\n{body}").as_bytes())
            .expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
        Got {
            status: head
                .split(' ')
                .nth(1)
                .and_then(|code| code.parse().ok())
                .expect("a status"),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    fn post(&self, server: &str, key: &str, session: Option<&str>, body: &Value) -> Got {
        let bearer = format!("Bearer {key}");
        let mut headers = vec![("Authorization", bearer.as_str()), ("Accept", "application/json")];
        headers.extend(session.map(|id| ("Mcp-Session-Id", id)));
        self.send("POST", &format!("/mcp/{server}"), &headers, Some(body))
    }
}

struct Got {
    status: u16,
    head: String,
    body: String,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.head, self.body))
    }

    fn header(&self, name: &str) -> Option<String> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
    }
}

fn initialize() -> Value {
    let params =
        json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params })
}

fn call(id: u32, name: &str, arguments: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": name, "arguments": arguments } })
}

/// A key of a gateway, whose person may register tools.
fn gateway_key(shop: &Shop) -> String {
    shop.as_person(&["users", "add", "gate", "--roles", "operator", "--json"]);
    let key = shop.as_person(&["keys", "add", "--user", "gate", "--scopes", "credential", "--json"]);
    text(&serde_json::from_str(&key).expect("JSON"), "/key")
}

#[test]
fn every_client_is_governed_over_http_as_over_a_pipe() {
    let shop = Shop::open();
    let log = shop.scene.path("log").display().to_string();
    for (era, command) in servers(&log) {
        let server = json!({ "shop": { "command": command[0], "args": command[1..] } });
        let gateway = Gateway::start(&shop, &server, &["--hold", "30s"]);
        let hiding = Gateway::start(&shop, &server, &["--hide-denied"]);
        let url = vec![format!("{}/mcp/shop", gateway.url)];
        for (client, program) in clients() {
            let case = format!("{client}, a server {era}");
            let _ = std::fs::remove_file(&log);
            let mut direct = Driver::start(&shop, &program, &command);
            let mut governed = Driver::start(&shop, &program, &url);
            let list = json!({ "do": "list" });
            direct.begin(&list);
            governed.begin(&list);
            assert_eq!(direct.result(), governed.result(), "{case}");
            let mut spared = Driver::start(&shop, &program, &[format!("{}/mcp/shop", hiding.url)]);
            spared.begin(&list);
            assert_eq!(spared.result(), json!({ "tools": ["look_up", "refund"] }), "{case}");
            let order = json!({ "order": "4521" });
            let (plain, decided) = (direct.call("look_up", order.clone()), governed.call("look_up", order));
            assert_eq!(plain, decided, "{case}: an allowed call is as without us");
            let denied = governed.call("drop_table", json!({ "name": "orders" }));
            assert!(said(&denied).starts_with("Denied by policy"), "{case}: {denied}");
            assert_eq!(shop.ran("log").len(), 2, "{case}: a denied call reached the server");
            let one = governed.call("look_up", json!({ "order": "all" }));
            assert!(said(&one).starts_with("order 4521"), "{case}: {one}");
            governed.begin(&json!({ "do": "call", "name": "refund", "arguments": { "order": "4521", "amount": 700 } }));
            shop.approve_the_one();
            assert_eq!(said(&governed.result()), "refunded 700 for 4521", "{case}");
            let refunds = shop.ran("log").iter().filter(|line| line.contains("refund")).count();
            assert_eq!(refunds, 1, "{case}");
        }
    }
}

#[test]
fn an_upstream_is_reached_with_its_own_credential_and_never_with_the_clients() {
    let shop = Shop::open();
    let key = gateway_key(&shop);
    shop.scene.write("gateway.key", &key);
    shop.scene.write("token", TOKEN);
    let file = shop.scene.path("token").display().to_string();
    shop.as_person(&[
        "credentials",
        "add",
        "notes",
        "--tool",
        "files",
        "--tool",
        "files/*",
        "--file",
        &file,
    ]);
    let upstream = Upstream::start();
    let server = json!({ "files": { "url": upstream.url, "credential": { "name": "notes" } } });
    let gateway = Gateway::start(&shop, &server, &["--gateway-key", "gateway.key"]);
    let opened = gateway.post("files", &shop.agent, None, &initialize());
    assert_eq!(opened.status, 200, "{} {}", opened.head, opened.body);
    let session = opened.header("mcp-session-id").expect("a session");
    let noted = gateway.post(
        "files",
        &shop.agent,
        Some(&session),
        &call(2, "note", json!({ "text": "a" })),
    );
    assert_eq!(noted.json()["result"]["content"][0]["text"], "noted");
    let seen = upstream.seen();
    assert_eq!(seen.len(), 2, "{seen:?}");
    for request in &seen {
        assert!(request.contains(&format!("Bearer {TOKEN}")), "{request}");
        assert!(!request.contains(&shop.agent) && !request.contains(&key), "{request}");
    }
    // Each by a permit of its own: reaching the server, and the call.
    let bundle = shop.scene.path("bundle").display().to_string();
    shop.as_person(&["audit", "export", "--out", &bundle]);
    let records = shop.scene.read("bundle/records.jsonl");
    let released = records
        .lines()
        .filter(|line| line.contains("\"credential.released\""))
        .count();
    assert_eq!(released, 2, "{records}");
    // Where the credential is gone, nothing reaches the server.
    shop.as_person(&["credentials", "remove", "notes"]);
    let refused = gateway.post(
        "files",
        &shop.agent,
        Some(&session),
        &call(3, "note", json!({ "text": "b" })),
    );
    assert!(refused.body.contains("was not given out"), "{}", refused.body);
    assert_eq!(upstream.seen().len(), 2);
}

#[test]
fn a_wrapped_server_gets_its_credential_in_its_environment_if_policy_lets_it_be_reached() {
    let shop = Shop::open();
    shop.scene.write("gateway.key", &gateway_key(&shop));
    shop.scene.write("token", TOKEN);
    let file = shop.scene.path("token").display().to_string();
    shop.as_person(&["credentials", "add", "till", "--tool", "shop", "--file", &file]);
    let wrap = |server: &str| {
        let wrap = [
            "mcp",
            "wrap",
            "--server",
            server,
            "--credential",
            "TILL=till",
            "--gateway-key",
            "gateway.key",
        ];
        let script = "printf %s \"$TILL\" > told; env | grep -c cs_ > keys; true";
        let mut command = shop.scene.command(&[&wrap[..], &["--", "sh", "-c", script]].concat());
        let output = shop.around(&mut command).output().expect("the wrapper runs");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (code, errors) = wrap("elsewhere");
    assert!(
        code == Some(1) && errors.contains("Denied by policy"),
        "{code:?} {errors}"
    );
    assert!(!shop.scene.path("told").exists());
    assert_eq!(wrap("shop").0, Some(0));
    assert_eq!(shop.scene.read("told"), TOKEN);
    assert_eq!(shop.scene.read("keys").trim(), "0");
}

#[test]
fn a_tool_that_looks_otherwise_than_before_is_denied_until_somebody_looked_at_it() {
    let shop = Shop::open();
    shop.scene.write("gateway.key", &gateway_key(&shop));
    let upstream = Upstream::start();
    let server = json!({ "files": { "url": upstream.url } });
    let gateway = Gateway::start(&shop, &server, &["--gateway-key", "gateway.key", "--pin"]);
    let session = gateway
        .post("files", &shop.agent, None, &initialize())
        .header("mcp-session-id");
    let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
    let post = |body: &Value| gateway.post("files", &shop.agent, session.as_deref(), body);
    let unlisted = post(&call(9, "note", json!({})));
    assert!(unlisted.body.contains("List the tools"), "{}", unlisted.body);
    assert_eq!(post(&list).json()["result"]["tools"][0]["description"], "writes a note");
    assert!(post(&call(3, "note", json!({}))).body.contains("noted"));
    upstream.behaves().described = "sends it to somebody";
    assert_eq!(post(&list).status, 200);
    let denied = post(&call(4, "note", json!({}))).json();
    assert_eq!(denied["result"]["isError"], true, "{denied}");
    assert!(said(&denied["result"]).contains("changed"), "{denied}");
    let calls = upstream
        .seen()
        .iter()
        .filter(|request| request.contains("tools/call"))
        .count();
    assert_eq!(calls, 1);
}

#[test]
fn requests_that_nobody_should_send_reach_nothing() {
    let shop = Shop::open();
    let upstream = Upstream::start();
    let server = json!({ "files": { "url": upstream.url } });
    let gateway = Gateway::start(&shop, &server, &[]);
    let bearer = format!("Bearer {}", shop.agent);
    let authorized = ("Authorization", bearer.as_str());
    let modern = |name: &str| {
        let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28" });
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": name, "arguments": {}, "_meta": meta } })
    };
    // Without a good key it is said where it stands what would be one.
    for headers in [
        vec![],
        vec![("Authorization", "Bearer cs_agent_AAAAAAAA_x")],
        vec![("Authorization", "Basic YTpi")],
    ] {
        let stranger = gateway.send("POST", "/mcp/files", &headers, Some(&initialize()));
        assert_eq!(stranger.status, 401);
        let line = stranger.header("www-authenticate").expect("a challenge");
        let metadata = line.split('"').find(|part| part.starts_with("http")).expect("where");
        let metadata = gateway
            .send("GET", metadata.trim_start_matches(&gateway.url), &[], None)
            .json();
        assert_eq!(metadata["resource"], format!("{}/mcp/files", gateway.url));
    }
    let page = gateway.send(
        "POST",
        "/mcp/files",
        &[authorized, ("Origin", "https://evil.example")],
        Some(&initialize()),
    );
    assert_eq!(page.status, 403);
    // A header that says another tool than the body.
    let headers = [
        authorized,
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", "read"),
    ];
    let mismatch = gateway.send("POST", "/mcp/files", &headers, Some(&modern("note")));
    assert_eq!(
        (mismatch.status, &mismatch.json()["error"]["code"]),
        (400, &json!(-32020))
    );
    let none = gateway.send("POST", "/mcp/elsewhere", &[authorized], Some(&initialize()));
    assert_eq!(none.status, 404);
    let batch = gateway.send(
        "POST",
        "/mcp/files",
        &[authorized],
        Some(&json!([call(1, "note", json!({}))])),
    );
    assert_eq!(batch.status, 400);
    // A session that nobody opened, or that another agent opened.
    assert_eq!(
        gateway
            .post("files", &shop.agent, Some("made-up"), &call(1, "note", json!({})))
            .status,
        404
    );
    assert_eq!(upstream.seen().len(), 0, "{:?}", upstream.seen());
    let session = gateway
        .post("files", &shop.agent, None, &initialize())
        .header("mcp-session-id");
    let other = shop.as_person(&["agents", "add", "other", "--owner", "team:x", "--json"]);
    let other = text(&serde_json::from_str(&other).expect("JSON"), "/key");
    assert_eq!(
        gateway
            .post("files", &other, session.as_deref(), &call(1, "note", json!({})))
            .status,
        404
    );
    assert_eq!(upstream.seen().len(), 1);
}

#[test]
fn a_client_that_hangs_up_while_people_are_asked_runs_nothing() {
    let shop = Shop::open();
    let log = shop.scene.path("log").display().to_string();
    let (_, command) = servers(&log).remove(0);
    let server = json!({ "shop": { "command": command[0], "args": command[1..] } });
    let gateway = Gateway::start(&shop, &server, &["--hold", "600s"]);
    let opened = gateway.post("shop", &shop.agent, None, &initialize());
    let session = opened.header("mcp-session-id").expect("a session");
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(gateway.post("shop", &shop.agent, Some(&session), &ready).status, 202);
    let body = call(2, "refund", json!({ "order": "1", "amount": 900 })).to_string();
    let host = gateway.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).expect("the gateway listens");
    let head = format!(
        "POST /mcp/shop HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nAccept: text/event-stream\r\n\
         Authorization: Bearer {}\r\nMcp-Session-Id: {session}\r\nContent-Length: {}\r\n\r\n{body}",
        shop.agent,
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("it reads");
    let mut begun = [0; 12];
    stream.read_exact(&mut begun).expect("the stream begins");
    while shop.waiting().is_empty() {}
    drop(stream);
    // A call behind it shows that the gateway has gone on; the approval stays for whoever calls again.
    gateway.post(
        "shop",
        &shop.agent,
        Some(&session),
        &call(3, "look_up", json!({ "order": "2" })),
    );
    shop.approve_the_one();
    gateway.post(
        "shop",
        &shop.agent,
        Some(&session),
        &call(4, "look_up", json!({ "order": "3" })),
    );
    assert!(
        shop.ran("log").iter().all(|line| !line.contains("refund")),
        "{:?}",
        shop.ran("log")
    );
    let again = gateway.post(
        "shop",
        &shop.agent,
        Some(&session),
        &call(5, "refund", json!({ "order": "1", "amount": 900 })),
    );
    assert!(again.body.contains("refunded 900"), "{}", again.body);
    assert_eq!(shop.ran("log").iter().filter(|line| line.contains("refund")).count(), 1);
}
