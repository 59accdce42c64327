//! Hooks over HTTP, and hooks that only look on.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::hooks::{DIALECTS, ask, question, refusal};
use crate::mcp::Shop;

/// A server of hooks, killed with the value.
struct Hooks {
    child: Child,
    host: String,
}

impl Drop for Hooks {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Hooks {
    fn start(shop: &Shop, more: &[&str]) -> Hooks {
        let mut command = shop
            .scene
            .command(&[&["hook", "serve", "--listen", "127.0.0.1:0"], more].concat());
        let command = shop.around(&mut command).env_remove("COUNTERSIGN_KEY");
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("its output is piped"));
        out.read_line(&mut line).expect("it says where it serves");
        let (_, rest) = line.split_once("http://").unwrap_or_else(|| panic!("{line}"));
        let host = rest.split('/').next().expect("an address").to_owned();
        Hooks { child, host }
    }

    /// Status and body.
    fn post(&self, path: &str, headers: &[&str], body: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.host).expect("it listens");
        let patience = Some(Duration::from_secs(60));
        stream.set_read_timeout(patience).expect("an answer is waited for");
        let mut head = format!("POST {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.host);
        head += &format!("Content-Length: {}\r\n", body.len());
        for header in headers {
            head += &format!("{header}\r\n");
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).expect("it reads");
        // It may answer and hang up before it has read everything.
        let _ = stream.write_all(body);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        assert!(
            head.to_ascii_lowercase().contains("content-type: application/json"),
            "{head}"
        );
        (status.expect("a status"), body.to_owned())
    }

    /// What a host makes of the answer; silence is an object without fields.
    fn asked(&self, dialect: &str, query: &str, key: &str, body: &[u8]) -> Option<String> {
        let bearer = format!("Authorization: Bearer {key}");
        let (status, answer) = self.post(&format!("/v1/hooks/{dialect}{query}"), &[&bearer], body);
        assert_eq!(status, 200, "{dialect}: {answer}");
        refusal(dialect, if answer == "{}" { "" } else { &answer })
    }
}

#[test]
fn a_host_that_asks_an_address_gets_the_same_answers_as_from_the_command() {
    let shop = Shop::open();
    let hooks = Hooks::start(&shop, &["--hold", "0s"]);
    for dialect in DIALECTS {
        let asked = |tool: &str, input: Value| {
            let input = question(dialect, tool, &input).to_string();
            hooks.asked(dialect, "", &shop.agent, input.as_bytes())
        };
        assert_eq!(asked("look_up", json!({ "order": "1" })), None, "{dialect}");
        let denied = asked("drop_table", json!({ "name": "t" })).expect("it is denied");
        assert!(denied.starts_with("Denied by policy"), "{dialect}: {denied}");
        let order = json!({ "order": dialect, "amount": 700 });
        let waits = asked("refund", order.clone()).expect("it waits");
        assert!(waits.starts_with("PENDING approval apr_"), "{dialect}: {waits}");
        shop.approve_the_one();
        assert_eq!(asked("refund", order), None, "{dialect}: approved, it runs");
    }
}

#[test]
fn whatever_is_wrong_with_a_request_is_a_denial_in_the_hosts_words() {
    let shop = Shop::open();
    let hooks = Hooks::start(&shop, &[]);
    let long = vec![b' '; 5 * 1024 * 1024];
    for dialect in DIALECTS {
        let good = question(dialect, "look_up", &json!({ "order": "1" })).to_string();
        for (key, body) in [
            ("", good.as_bytes()),
            ("cs_agent_nonsense", good.as_bytes()),
            (shop.agent.as_str(), b"".as_slice()),
            (&shop.agent, b"{}"),
            (&shop.agent, b"[1"),
            (&shop.agent, b"\xff\xfe"),
            (&shop.agent, &long),
        ] {
            let reason = hooks
                .asked(dialect, "", key, body)
                .unwrap_or_else(|| panic!("{dialect} was let through"));
            assert!(reason.contains("Nothing was run"), "{dialect}: {reason}");
        }
        for query in ["?within=30s", "?within=", "?within=1.5", "?within=5&within=6"] {
            let reason = hooks
                .asked(dialect, query, &shop.agent, good.as_bytes())
                .unwrap_or_else(|| panic!("{dialect} was let through with {query}"));
            assert!(reason.contains("Nothing was run"), "{dialect} {query}: {reason}");
        }
        let path = format!("/v1/hooks/{dialect}");
        let bearer = format!("Authorization: Bearer {}", shop.agent);
        for headers in [vec![], vec![bearer.as_str(), bearer.as_str()]] {
            let (status, answer) = hooks.post(&path, &headers, good.as_bytes());
            assert_eq!(status, 200);
            assert!(refusal(dialect, &answer).is_some(), "{dialect}: {answer}");
        }
    }
    assert_eq!(hooks.post("/v1/hooks/nobody", &[], b"{}").0, 404);
}

#[test]
fn a_server_that_is_down_slow_or_answers_garbage_is_a_denial_over_http_too() {
    let mut shop = Shop::open();
    shop.server.signal(Signal::KILL);
    let garbage = TcpListener::bind("127.0.0.1:0").expect("a port");
    let slow = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = |listener: &TcpListener| format!("http://{}", listener.local_addr().expect("an address"));
    let (garbage_url, slow_url) = (place(&garbage), place(&slow));
    std::thread::spawn(move || {
        for mut stream in garbage.incoming().flatten() {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n<garbage>");
        }
    });
    let down = shop.server.url.clone();
    for url in [&down, &garbage_url, &slow_url] {
        shop.server.url.clone_from(url);
        let hooks = Hooks::start(&shop, &[]);
        for dialect in DIALECTS {
            let input = question(dialect, "look_up", &json!({ "order": "1" })).to_string();
            let began = Instant::now();
            let reason = hooks.asked(dialect, "?within=5", &shop.agent, input.as_bytes());
            let reason = reason.unwrap_or_else(|| panic!("{dialect} at {url} was let through"));
            assert!(reason.contains("Nothing was run"), "{dialect} at {url}: {reason}");
            assert!(began.elapsed() < Duration::from_secs(5), "{dialect} at {url} was late");
        }
    }
    drop(slow);
}

/// The notes of whoever only looked on.
pub(crate) fn notes(shop: &Shop) -> Vec<Value> {
    let folder = shop.scene.path("state").join("countersign/waiting");
    let agents = std::fs::read_dir(folder).expect("somebody looked on");
    let files = agents.map(|agent| agent.expect("a folder").path().join("observed.jsonl"));
    let texts = files.map(|file| std::fs::read_to_string(file).expect("notes"));
    let lines = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    lines.map(|line| serde_json::from_str(&line).expect("JSON")).collect()
}

#[test]
fn looking_on_notes_what_would_be_decided_and_stops_and_records_nothing() {
    let shop = Shop::open();
    let hooks = Hooks::start(&shop, &["--observe"]);
    for dialect in DIALECTS {
        for (tool, input) in [
            ("look_up", json!({ "order": "1" })),
            ("drop_table", json!({ "name": "t4711" })),
            ("refund", json!({ "order": "1", "amount": 700 })),
        ] {
            let input = question(dialect, tool, &input).to_string();
            assert_eq!(
                refusal(dialect, &ask(&shop, dialect, &["--observe"], input.as_bytes())),
                None,
                "{dialect} {tool}"
            );
            assert_eq!(
                hooks.asked(dialect, "", &shop.agent, input.as_bytes()),
                None,
                "{dialect} {tool}"
            );
        }
        for input in [b"".as_slice(), b"{}", b"[1"] {
            assert_eq!(
                refusal(dialect, &ask(&shop, dialect, &["--observe"], input)),
                None,
                "{dialect}"
            );
        }
    }
    let bundle = shop.scene.path("bundle").display().to_string();
    shop.as_person(&["audit", "export", "--out", &bundle]);
    let records = shop.scene.read("bundle/records.jsonl");
    assert!(
        records.contains("\"agent.registered\"") && !records.contains("\"decision.made\""),
        "{records}"
    );
    assert_eq!(shop.waiting(), Vec::<String>::new(), "nobody was asked");
    let noted = notes(&shop);
    let of = |tool: &str, status: &str| {
        let fits = |note: &&Value| note["tool"] == json!(format!("shop/{tool}")) && note["status"] == json!(status);
        noted.iter().filter(fits).count()
    };
    let times = 2 * DIALECTS.len();
    assert_eq!(
        (
            of("look_up", "permitted"),
            of("drop_table", "refused"),
            of("refund", "pending")
        ),
        (times, times, times)
    );
    assert!(
        noted.iter().all(|note| !note.to_string().contains("t4711")),
        "no arguments"
    );

    shop.server.signal(Signal::KILL);
    let input = question("claude", "drop_table", &json!({ "name": "t" })).to_string();
    let answer = ask(&shop, "claude", &["--observe", "--within", "10s"], input.as_bytes());
    assert_eq!(
        refusal("claude", &answer),
        None,
        "also where the server cannot be reached"
    );
    assert!(notes(&shop).last().expect("a note")["not_decided"].is_string());
}
