//! Wrapper and gateway that only look on: everything runs, and what would be decided is noted.

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Gateway, call, initialize};
use crate::hooks_served::notes;
use crate::mcp::{Shop, Wrapper, raw};

/// What is on record of decisions, and who waits.
fn untouched(shop: &Shop, bundle: &str) {
    let bundle = shop.scene.path(bundle);
    shop.as_person(&["audit", "export", "--out", &bundle.display().to_string()]);
    let records = std::fs::read_to_string(bundle.join("records.jsonl")).expect("records");
    assert!(!records.contains("\"decision.made\""), "{records}");
    assert_eq!(shop.waiting(), Vec::<String>::new(), "somebody was asked");
}

/// How many notes say this of a tool.
fn noted(shop: &Shop, tool: &str, status: &str) -> usize {
    let fits = |note: &&Value| note["tool"] == json!(format!("shop/{tool}")) && note["status"] == json!(status);
    notes(shop).iter().filter(fits).count()
}

const CALLS: [(&str, &str); 3] = [
    ("look_up", "permitted"),
    ("drop_table", "refused"),
    ("refund", "pending"),
];

fn arguments() -> Value {
    json!({ "order": "t4711", "amount": 900 })
}

#[test]
fn a_wrapper_that_looks_on_lets_everything_run_and_notes_what_would_be_decided() {
    let shop = Shop::open();
    let mut wrapper = Wrapper::start(&shop, &["--observe", "--", "cat"]);
    let mut pass = |id, tool: &str| {
        let line = call(id, tool, arguments()).to_string();
        wrapper.send(&line);
        assert_eq!(wrapper.line().trim_end(), line, "it runs as it came");
    };
    for (id, (tool, _)) in (1..).zip(CALLS) {
        pass(id, tool);
    }
    untouched(&shop, "bundle");
    for (tool, status) in CALLS {
        assert_eq!(noted(&shop, tool, status), 1, "{tool}");
    }
    assert!(
        notes(&shop).iter().all(|note| !note.to_string().contains("t4711")),
        "no arguments"
    );
    shop.server.signal(Signal::KILL);
    pass(9, "drop_table");
    assert!(notes(&shop).last().expect("a note")["not_decided"].is_string());
    let (code, said) = wrapper.end();
    assert!(code == 0 && said.contains("nothing is enforced"), "{code} {said}");
}

#[test]
fn a_gateway_that_looks_on_lets_everything_run_for_whoever_proves_to_be_an_agent() {
    let shop = Shop::open();
    let server = raw::server(&shop);
    let server = json!({ "shop": { "command": server[0], "args": server[1..] } });
    let gateway = Gateway::start(&shop, &server, &["--observe"]);
    let opened = gateway.post("shop", &shop.agent, None, &initialize());
    let session = opened.header("mcp-session-id").expect("a session");
    let mut ran = 0;
    let mut pass = |id, tool: &str| {
        let got = gateway.post("shop", &shop.agent, Some(&session), &call(id, tool, arguments()));
        assert_eq!(got.status, 200, "{}", got.body);
        assert!(got.json()["result"]["isError"].is_null(), "{}", got.body);
        ran += 1;
        let read = raw::read(&shop);
        let calls = read.iter().filter(|message| message["method"] == "tools/call").count();
        assert_eq!(calls, ran, "{tool} did not run");
    };
    for (id, (tool, _)) in (1..).zip(CALLS) {
        pass(id, tool);
    }
    untouched(&shop, "bundle");
    for (tool, status) in CALLS {
        assert_eq!(noted(&shop, tool, status), 1, "{tool}");
    }
    // Where nobody can be asked, who was let in before goes on, and nobody else.
    shop.server.signal(Signal::KILL);
    pass(9, "drop_table");
    let stranger = gateway.post("shop", "cs_agent_AAAAAAAA_x", None, &initialize());
    assert_eq!(stranger.status, 503, "{}", stranger.body);
    assert!(notes(&shop).last().expect("a note")["not_decided"].is_string());
}

#[test]
fn what_denies_or_hides_is_not_for_whoever_looks_on() {
    let shop = Shop::open();
    let credential = r#"{"mcpServers": {"files": {"command": "cat", "credential": {"name": "a", "variable": "A"}}}}"#;
    shop.scene.write("servers.json", credential);
    shop.scene.write("gateway.key", "cs_user_x");
    let serve = [
        "mcp",
        "serve",
        "--servers",
        "servers.json",
        "--at",
        "http://127.0.0.1:9",
        "--observe",
    ];
    let wrap = [
        "mcp",
        "wrap",
        "--server",
        "files",
        "--observe",
        "--hide-denied",
        "--",
        "cat",
    ];
    for arguments in [
        [&serve[..], &["--pin"]].concat(),
        [&serve[..], &["--hide-denied"]].concat(),
        [&serve[..], &["--gateway-key", "gateway.key"]].concat(),
        wrap.to_vec(),
    ] {
        let ran = shop.scene.run(&arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.err);
        assert!(ran.err.contains("--observe"), "{}", ran.err);
    }
}
