//! Hooks of coding agents, asked as their hosts ask.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::mcp::Shop;
use crate::scene::BINARY;

pub(crate) const DIALECTS: [&str; 5] = ["claude", "codex", "copilot", "cursor", "gemini"];

/// The same use of a tool, as each host asks about it.
pub(crate) fn question(dialect: &str, tool: &str, input: &Value) -> Value {
    match dialect {
        "copilot" => json!({
            "sessionId": "s", "timestamp": 1, "cwd": "/", "toolName": format!("mcp__shop__{tool}"),
            "toolArgs": input.to_string(),
        }),
        "cursor" => json!({
            "conversation_id": "c", "generation_id": "g", "hook_event_name": "beforeMCPExecution", "server_name": "shop",
            "tool_name": tool, "tool_input": input.to_string(), "workspace_roots": ["/"],
        }),
        "gemini" => json!({
            "session_id": "s", "transcript_path": "/t", "cwd": "/", "hook_event_name": "BeforeTool",
            "timestamp": "2026-01-01T00:00:00Z", "tool_name": format!("mcp_shop_{tool}"), "tool_input": input,
            "mcp_context": { "server_name": "shop", "tool_name": tool },
        }),
        _ => json!({
            "session_id": "s", "transcript_path": "/t", "cwd": "/", "permission_mode": "default",
            "hook_event_name": "PreToolUse", "tool_name": format!("mcp__shop__{tool}"), "tool_input": input,
        }),
    }
}

/// What a host makes of an answer: `None` if it lets the tool run, else the reason that it shows.
pub(crate) fn refusal(dialect: &str, answer: &str) -> Option<String> {
    if answer.is_empty() {
        // Silence is how these are told to go on; the others always get a word.
        assert!(
            ["claude", "codex", "copilot"].contains(&dialect),
            "{dialect} was told nothing"
        );
        return None;
    }
    let answer: Value = serde_json::from_str(answer).unwrap_or_else(|error| panic!("{dialect}: {error}: {answer}"));
    let (word, reason) = match dialect {
        "cursor" => (&answer["permission"], &answer["agent_message"]),
        "gemini" => (&answer["decision"], &answer["reason"]),
        "copilot" => (&answer["permissionDecision"], &answer["permissionDecisionReason"]),
        _ => {
            let specific = &answer["hookSpecificOutput"];
            assert_eq!(
                answer.as_object().map(serde_json::Map::len),
                Some(1),
                "{dialect}: {answer}"
            );
            assert_eq!(specific["hookEventName"], json!("PreToolUse"), "{dialect}: {answer}");
            (&specific["permissionDecision"], &specific["permissionDecisionReason"])
        }
    };
    match word.as_str() {
        Some("allow") => None,
        Some("deny") => {
            let reason = reason.as_str().unwrap_or_default();
            assert!(
                !reason.is_empty(),
                "{dialect}: a denial without a reason is not obeyed: {answer}"
            );
            Some(reason.to_owned())
        }
        other => panic!("{dialect}: {other:?} in {answer}"),
    }
}

pub(crate) fn ask(shop: &Shop, dialect: &str, more: &[&str], input: &[u8]) -> String {
    let mut command = Command::new(BINARY);
    command.args(["hook", "--dialect", dialect]).args(more);
    let mut child = shop
        .around(&mut command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the hook starts");
    // A hook that answers before it has read everything closes its end.
    let _ = child.stdin.take().expect("it is piped").write_all(input);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(
        output.status.code(),
        Some(0),
        "{dialect}: the exit code is part of the answer"
    );
    String::from_utf8(output.stdout).expect("text").trim_end().to_owned()
}

#[test]
fn every_host_is_told_in_its_own_words_what_may_run() {
    let shop = Shop::open();
    for dialect in DIALECTS {
        let looked = question(dialect, "look_up", &json!({ "order": "1" })).to_string();
        let answer = ask(&shop, dialect, &[], looked.as_bytes());
        assert_eq!(refusal(dialect, &answer), None, "{dialect}");
        let dropped = question(dialect, "drop_table", &json!({ "name": "t" })).to_string();
        let answer = ask(&shop, dialect, &[], dropped.as_bytes());
        let reason = refusal(dialect, &answer).expect("it is denied");
        assert!(reason.starts_with("Denied by policy"), "{dialect}: {reason}");
        let all = question(dialect, "look_up", &json!({ "order": "all" })).to_string();
        let answer = ask(&shop, dialect, &[], all.as_bytes());
        assert_eq!(refusal(dialect, &answer), None, "{dialect}");
        assert!(
            answer.contains(r#""order":"4521""#),
            "{dialect}: policy's arguments reach the host: {answer}"
        );
    }
}

#[test]
fn what_waits_for_people_is_denied_for_now_and_runs_once_when_it_is_asked_for_again() {
    let shop = Shop::open();
    for dialect in DIALECTS {
        let refund = question(dialect, "refund", &json!({ "order": dialect, "amount": 700 })).to_string();
        let hurried = ["--hold", "0s"];
        let reason = refusal(dialect, &ask(&shop, dialect, &hurried, refund.as_bytes())).expect("it waits");
        assert!(reason.starts_with("PENDING approval apr_"), "{dialect}: {reason}");
        shop.approve_the_one();
        assert_eq!(
            refusal(dialect, &ask(&shop, dialect, &hurried, refund.as_bytes())),
            None,
            "{dialect}"
        );
        let reason = refusal(dialect, &ask(&shop, dialect, &hurried, refund.as_bytes())).expect("it is used");
        assert!(reason.starts_with("PENDING approval apr_"), "{dialect}: {reason}");
        // The next dialect's request is the only one again.
        for _ in shop.waiting() {
            shop.approve_the_one();
        }
    }
}

#[test]
fn an_approval_that_was_not_used_in_time_is_told_once_and_then_asked_for_anew() {
    let shop = Shop::open_with("organization: default\ndefault_route: { to: [admin], valid_for: 1s }\n");
    let refund = question("claude", "refund", &json!({ "order": "1", "amount": 700 })).to_string();
    let asked = |shop: &Shop| refusal("claude", &ask(shop, "claude", &["--hold", "0s"], refund.as_bytes()));
    let first = asked(&shop).expect("it waits");
    let id = first.split(' ').find(|word| word.starts_with("apr_")).expect("an id");
    let id = id.trim_end_matches(':').to_owned();
    shop.approve_the_one();
    let end = Instant::now() + Duration::from_secs(20);
    while !shop
        .as_person(&["approvals", "show", &id, "--json"])
        .contains(r#""lapsed""#)
    {
        assert!(Instant::now() < end, "the approval stays good");
    }
    let late = asked(&shop).expect("it must not run");
    assert!(!late.starts_with("PENDING"), "{late}");
    let anew = asked(&shop).expect("it waits again");
    assert!(
        anew.starts_with("PENDING approval apr_") && !anew.contains(&id),
        "{anew}"
    );
}

#[test]
fn a_server_that_is_down_slow_or_answers_garbage_is_a_denial_in_every_dialect() {
    let mut shop = Shop::open();
    shop.server.signal(Signal::KILL);
    let garbage = TcpListener::bind("127.0.0.1:0").expect("a port");
    let slow = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = |listener: &TcpListener| format!("http://{}", listener.local_addr().expect("an address"));
    let (garbage_url, slow_url) = (place(&garbage), place(&slow));
    std::thread::spawn(move || {
        for stream in garbage.incoming().flatten() {
            let mut stream = stream;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n<garbage>");
        }
    });
    let down = shop.server.url.clone();
    for url in [&down, &garbage_url, &slow_url] {
        shop.server.url.clone_from(url);
        for dialect in DIALECTS {
            let input = question(dialect, "look_up", &json!({ "order": "1" })).to_string();
            let began = Instant::now();
            let answer = ask(&shop, dialect, &["--within", "5s"], input.as_bytes());
            let reason = refusal(dialect, &answer).unwrap_or_else(|| panic!("{dialect} at {url} was let through"));
            assert!(reason.contains("Nothing was run"), "{dialect} at {url}: {reason}");
            assert!(began.elapsed() < Duration::from_secs(5), "{dialect} at {url} was late");
        }
    }
    drop(slow);
}

#[test]
fn input_that_is_not_understood_is_a_denial_in_every_dialect() {
    let shop = Shop::open();
    let long = vec![b' '; 5 * 1024 * 1024];
    for dialect in DIALECTS {
        for input in [
            b"".as_slice(),
            b"{}",
            b"[1",
            b"\xff\xfe",
            b"{\"hook_event_name\":1}",
            &long,
        ] {
            let answer = ask(&shop, dialect, &[], input);
            assert!(refusal(dialect, &answer).is_some(), "{dialect}: {input:.40?}");
        }
        let twice = r#"{"hook_event_name":"PreToolUse","tool_name":"a","tool_name":"b","toolName":"a"}"#;
        let answer = ask(&shop, dialect, &[], twice.as_bytes());
        assert!(refusal(dialect, &answer).is_some(), "{dialect}");
    }
}
