//! The gateway before servers that say what no library says, and requests that are made to slip past it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::upstream::Upstream;
use super::{Gateway, TOKEN, call, gateway_key, initialize};
use crate::mcp::{Shop, raw};
use crate::scene::text;

fn commanded(shop: &Shop) -> Value {
    let server = raw::server(shop);
    json!({ "shop": { "command": server[0], "args": server[1..] } })
}

/// A request without a session, with the headers that belong to it.
fn modern(gateway: &Gateway, server: &str, key: &str, more: &[(&str, &str)], body: &Value) -> Value {
    let bearer = format!("Bearer {key}");
    let name = body["params"]["name"].as_str().expect("a tool");
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Accept", "application/json"),
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", name),
    ];
    let got = gateway.send(
        "POST",
        &format!("/mcp/{server}"),
        &[&headers[..], more].concat(),
        Some(body),
    );
    assert_eq!(got.status, 200, "{} {}", got.head, got.body);
    got.json()
}

/// Everything on record and beside it, as text.
fn records(shop: &Shop) -> String {
    let bundle = shop.scene.path("bundle");
    if bundle.exists() {
        std::fs::remove_dir_all(&bundle).expect("an earlier one");
    }
    shop.as_person(&["audit", "export", "--payloads", "--out", &bundle.display().to_string()]);
    shop.scene.read("bundle/records.jsonl") + &shop.scene.read("bundle/disclosures.jsonl")
}

#[test]
fn a_message_within_a_message_is_no_message_for_a_server_that_reads_lines() {
    let shop = Shop::open();
    let gateway = Gateway::start(&shop, &commanded(&shop), &[]);
    let opened = gateway.post("shop", &shop.agent, None, &initialize());
    let session = opened.header("mcp-session-id").expect("a session");
    let bearer = format!("Bearer {}", shop.agent);
    let headers = [("Authorization", bearer.as_str()), ("Mcp-Session-Id", &session)];
    for end in ["\n", "\r", "\r\n"] {
        let told = raw::around_a_call(r#""method":"notifications/progress""#, end);
        assert_eq!(gateway.send_text("POST", "/mcp/shop", &headers, &told).status, 202);
        let asked = raw::around_a_call(r#""id":7,"method":"ping""#, end);
        assert_eq!(gateway.send_text("POST", "/mcp/shop", &headers, &asked).json()["id"], 7);
    }
    let methods: Vec<_> = raw::read(&shop)
        .iter()
        .map(|message| message["method"].clone())
        .collect();
    let each = ["notifications/progress", "ping"];
    assert_eq!(methods, [&["initialize"], &each[..], &each[..], &each[..]].concat());
}

#[test]
fn what_policy_put_in_place_of_a_call_runs_in_each_of_its_rounds() {
    let shop = Shop::open();
    let gateway = Gateway::start(&shop, &commanded(&shop), &[]);
    let ask = |id, state| {
        let body = raw::call(id, "look_up", json!({ "order": "all" }), state);
        modern(&gateway, "shop", &shop.agent, &[], &body)["result"].clone()
    };
    assert_eq!(ask(1, None)["requestState"], "of the server");
    assert_eq!(ask(2, Some("of the server"))["content"][0]["text"], "done");
    let read = raw::read(&shop);
    let ran: Vec<_> = read.iter().map(|message| &message["params"]["arguments"]).collect();
    assert_eq!(ran, [&json!({ "order": "4521" }), &json!({ "order": "4521" })]);
    assert_eq!(read[1]["params"]["requestState"], "of the server");
}

#[test]
fn each_round_of_a_call_reaches_its_server_with_what_the_calls_own_permit_got() {
    let shop = Shop::open();
    shop.scene.write("gateway.key", &gateway_key(&shop));
    shop.scene.write("token", TOKEN);
    let file = shop.scene.path("token").display().to_string();
    shop.as_person(&["credentials", "add", "notes", "--tool", "files/*", "--file", &file]);
    let upstream = Upstream::start();
    upstream.behaves().rounds = true;
    let server = json!({ "files": { "url": upstream.url, "credential": { "name": "notes" } } });
    let gateway = Gateway::start(&shop, &server, &["--gateway-key", "gateway.key"]);
    for (id, state) in [(1, None), (2, Some("of the server"))] {
        modern(
            &gateway,
            "files",
            &shop.agent,
            &[],
            &raw::call(id, "note", json!({}), state),
        );
    }
    let seen = upstream.seen();
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert!(
        seen.iter().all(|request| request.contains(&format!("Bearer {TOKEN}"))),
        "{seen:?}"
    );
    assert_eq!(records(&shop).matches("\"credential.released\"").count(), 1);
}

#[test]
fn a_call_that_its_client_does_not_come_back_with_has_failed_when_the_gateway_stops() {
    let shop = Shop::open();
    let mut gateway = Gateway::start(&shop, &commanded(&shop), &[]);
    let body = raw::call(1, "look_up", json!({ "order": "1" }), None);
    assert_eq!(
        modern(&gateway, "shop", &shop.agent, &[], &body)["result"]["requestState"],
        "of the server"
    );
    assert!(!records(&shop).contains("did not come back"));
    let pid = i32::try_from(gateway.child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.expect("a process"), Signal::TERM).expect("it is told to stop");
    assert!(gateway.child.wait().expect("it ends").success());
    assert!(records(&shop).contains("did not come back"), "{}", records(&shop));
}

#[test]
fn another_agents_session_at_a_server_is_not_reached_by_naming_it() {
    let shop = Shop::open();
    let upstream = Upstream::start();
    let gateway = Gateway::start(&shop, &json!({ "files": { "url": upstream.url } }), &[]);
    let opened = gateway.post("files", &shop.agent, None, &initialize());
    let session = opened.header("mcp-session-id").expect("a session");
    let own = gateway.post("files", &shop.agent, Some(&session), &call(2, "note", json!({})));
    assert!(own.body.contains("noted"), "{}", own.body);
    let other = shop.as_person(&["agents", "add", "other", "--owner", "team:x", "--json"]);
    let other = text(&serde_json::from_str(&other).expect("JSON"), "/key");
    let bearer = format!("Bearer {other}");
    let headers = [
        ("Authorization", bearer.as_str()),
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "tools/list"),
        ("Mcp-Session-Id", &session),
    ];
    let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28" });
    let list = json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/list", "params": { "_meta": meta } });
    assert_eq!(gateway.send("POST", "/mcp/files", &headers, Some(&list)).status, 200);
    // The server would give the same session out twice; it is the first agent's.
    let taken = gateway.post("files", &other, Some(&session), &initialize());
    assert_eq!((taken.status, taken.header("mcp-session-id")), (502, None));
    let named: Vec<_> = upstream
        .seen()
        .iter()
        .map(|request| request.contains(&session))
        .collect();
    assert_eq!(named, [false, true, false, false]);
}

#[test]
fn a_held_call_that_is_cancelled_does_not_run_whatever_its_server_says_of_the_session() {
    let shop = Shop::open();
    let upstream = Upstream::start();
    let gateway = Gateway::start(&shop, &json!({ "shop": { "url": upstream.url } }), &["--hold", "600s"]);
    let session = gateway
        .post("shop", &shop.agent, None, &initialize())
        .header("mcp-session-id");
    let post = |body: &Value| gateway.post("shop", &shop.agent, session.as_deref(), body);
    let refund = call(2, "refund", json!({ "order": "1", "amount": 900 }));
    let host = gateway.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).expect("the gateway listens");
    let (body, named) = (refund.to_string(), session.clone().expect("a session"));
    let head = format!(
        "POST /mcp/shop HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nAccept: text/event-stream\r\n\
         Connection: close\r\nAuthorization: Bearer {}\r\nMcp-Session-Id: {named}\r\nContent-Length: {}\r\n\r\n{body}",
        shop.agent,
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("it reads");
    let mut begun = [0; 12];
    stream.read_exact(&mut begun).expect("the stream begins");
    while shop.waiting().is_empty() {}
    // The server names the session in each answer.
    assert_eq!(
        post(&json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/list" })).status,
        200
    );
    let busy = post(&refund);
    assert!(
        busy.status == 400 && busy.body.contains("under way"),
        "{} {}",
        busy.head,
        busy.body
    );
    let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 2 } });
    assert_eq!(post(&cancel).status, 202);
    shop.approve_the_one();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("the stream ends");
    let seen = upstream.seen();
    assert!(
        seen.iter()
            .all(|request| !request.contains("refund") && !request.contains("cancelled")),
        "{seen:?}"
    );
    // The id is free again, and the approval is still there.
    let again = post(&refund);
    assert!(again.body.contains("noted"), "{}", again.body);
}

#[test]
fn a_session_that_its_server_has_forgotten_is_over_and_the_servers_own_words_say_so() {
    let shop = Shop::open();
    let upstream = Upstream::start();
    let gateway = Gateway::start(&shop, &json!({ "files": { "url": upstream.url } }), &[]);
    let session = gateway
        .post("files", &shop.agent, None, &initialize())
        .header("mcp-session-id");
    upstream.behaves().forgets = true;
    let post = |body: &Value| gateway.post("files", &shop.agent, session.as_deref(), body);
    let told = post(&call(5, "note", json!({}))).json();
    assert_eq!(
        (&told["id"], &told["error"]["message"]),
        (&json!(5), &json!("Session not found")),
        "{told}"
    );
    assert!(records(&shop).contains("Session not found"));
    let reached = upstream.seen().len();
    assert_eq!(post(&call(6, "note", json!({}))).status, 404);
    assert_eq!(upstream.seen().len(), reached);
}

#[test]
fn an_agent_has_32_sessions_at_once_and_another_agent_has_its_own() {
    let shop = Shop::open();
    let gateway = Gateway::start(&shop, &commanded(&shop), &[]);
    for _ in 0..32 {
        assert_eq!(gateway.post("shop", &shop.agent, None, &initialize()).status, 200);
    }
    let more = gateway.post("shop", &shop.agent, None, &initialize());
    assert!(
        more.status == 502 && more.body.contains("too many sessions"),
        "{} {}",
        more.head,
        more.body
    );
    let other = shop.as_person(&["agents", "add", "other", "--owner", "team:x", "--json"]);
    let other = text(&serde_json::from_str(&other).expect("JSON"), "/key");
    assert_eq!(gateway.post("shop", &other, None, &initialize()).status, 200);
}

#[test]
fn where_a_server_is_beyond_its_host_is_told_to_nobody() {
    let shop = Shop::open();
    let url = "http://somebody:hidden@127.0.0.1:1/hidden?token=hidden";
    let gateway = Gateway::start(&shop, &json!({ "files": { "url": url } }), &[]);
    let told = modern(
        &gateway,
        "files",
        &shop.agent,
        &[],
        &raw::call(1, "note", json!({}), None),
    )
    .to_string();
    assert!(told.contains("cannot be reached") && !told.contains("hidden"), "{told}");
    let records = records(&shop);
    assert!(
        records.contains("cannot be reached") && !records.contains("hidden"),
        "{records}"
    );
}

#[test]
fn a_page_of_a_listed_origin_may_ask_what_it_may_send_and_reads_its_session() {
    let shop = Shop::open();
    let gateway = Gateway::start(&shop, &commanded(&shop), &["--origin", "https://page.example"]);
    let ask = |origin| gateway.send("OPTIONS", "/mcp/shop", &[("Origin", origin)], None);
    assert_eq!(ask("https://other.example").status, 403);
    let allowed = ask("https://page.example");
    assert_eq!(allowed.status, 204, "{}", allowed.head);
    for (name, word) in [
        ("access-control-allow-origin", "https://page.example"),
        ("access-control-allow-methods", "DELETE"),
        ("access-control-allow-headers", "Authorization"),
        ("access-control-allow-headers", "Mcp-Session-Id"),
    ] {
        assert!(
            allowed.header(name).is_some_and(|said| said.contains(word)),
            "{name}: {}",
            allowed.head
        );
    }
    let bearer = format!("Bearer {}", shop.agent);
    for (headers, status) in [
        (
            vec![("Origin", "https://page.example"), ("Authorization", bearer.as_str())],
            200,
        ),
        (vec![("Origin", "https://page.example")], 401),
    ] {
        let opened = gateway.send("POST", "/mcp/shop", &headers, Some(&initialize()));
        assert_eq!(opened.status, status, "{}", opened.head);
        assert_eq!(
            opened.header("access-control-allow-origin").as_deref(),
            Some("https://page.example")
        );
        let exposed = opened
            .header("access-control-expose-headers")
            .expect("what it may read");
        assert!(exposed.contains("Mcp-Session-Id"), "{exposed}");
    }
}

#[test]
fn whoever_is_turned_away_before_the_body_has_come_is_told_that_the_connection_ends() {
    let shop = Shop::open();
    let gateway = Gateway::start(&shop, &commanded(&shop), &[]);
    let host = gateway.url.trim_start_matches("http://");
    let bearer = format!("Authorization: Bearer {}\r\n", shop.agent);
    let json = "Content-Type: application/json\r\n";
    for (path, headers, status) in [
        ("/mcp/shop", json.to_owned(), 401),
        ("/mcp/other", format!("{json}{bearer}"), 404),
        ("/mcp/shop", format!("Content-Type: text/plain\r\n{bearer}"), 415),
        (
            "/mcp/shop",
            format!("{json}{bearer}Origin: http://elsewhere.example\r\n"),
            403,
        ),
    ] {
        let mut stream = TcpStream::connect(host).expect("the gateway listens");
        stream
            .set_read_timeout(Some(std::time::Duration::from_secs(60)))
            .expect("an answer is waited for");
        // The body is announced, and does not come.
        let head = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 2\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers, and ends");
        let head = answer.to_ascii_lowercase();
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{answer}");
        assert!(head.contains("\r\nconnection: close\r\n"), "{answer}");
    }
}
