//! The wrapper before a server that says what no library says.

use serde_json::{Value, json};

use super::{Shop, Wrapper};
use crate::scene::repository;

/// The server that takes calls in two rounds and keeps what it reads in `log`.
pub(crate) fn server(shop: &Shop) -> [String; 3] {
    let script = repository().join("tests/mcp/raw.py").display().to_string();
    [
        "python3".to_owned(),
        script,
        shop.scene.path("log").display().to_string(),
    ]
}

/// The messages that the server read, each a line.
pub(crate) fn read(shop: &Shop) -> Vec<Value> {
    let json = |line: &String| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    shop.ran("log").iter().map(json).collect()
}

/// A message around a call that nobody has decided.
pub(crate) fn around_a_call(outer: &str, end: &str) -> String {
    let inner = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"drop_table","arguments":{}}}"#;
    format!(r#"{{"jsonrpc":"2.0",{outer},"params":{{"a":{end}{inner}{end}}}}}"#)
}

/// A call of a client that can come back, in its first round or in a later one.
pub(crate) fn call(id: u32, name: &str, arguments: Value, state: Option<&str>) -> Value {
    let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28" });
    let mut params = json!({ "name": name, "arguments": arguments, "_meta": meta });
    if let Some(state) = state {
        params["requestState"] = state.into();
        params["inputResponses"] = json!({});
    }
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })
}

fn start(shop: &Shop) -> Wrapper {
    let server = server(shop);
    let arguments: Vec<&str> = ["--"].into_iter().chain(server.iter().map(String::as_str)).collect();
    Wrapper::start(shop, &arguments)
}

#[test]
fn a_message_within_a_message_is_no_message_for_a_server_that_ends_lines_at_returns() {
    let shop = Shop::open();
    let mut wrapper = start(&shop);
    wrapper.send(&around_a_call(r#""method":"notifications/progress""#, "\r"));
    wrapper.send(&around_a_call(r#""id":7,"method":"ping""#, "\r"));
    let pong: Value = serde_json::from_str(&wrapper.line()).expect("JSON");
    assert_eq!(pong["id"], 7);
    let methods: Vec<_> = read(&shop).iter().map(|message| message["method"].clone()).collect();
    assert_eq!(methods, ["notifications/progress", "ping"]);
    assert_eq!(wrapper.end().0, 0);
}

#[test]
fn what_policy_put_in_place_of_a_call_runs_in_each_of_its_rounds() {
    let shop = Shop::open();
    let mut wrapper = start(&shop);
    wrapper.send(&call(1, "look_up", json!({ "order": "all" }), None).to_string());
    let first: Value = serde_json::from_str(&wrapper.line()).expect("JSON");
    assert_eq!(first["result"]["requestState"], "of the server", "{first}");
    wrapper.send(&call(2, "look_up", json!({ "order": "all" }), Some("of the server")).to_string());
    let second: Value = serde_json::from_str(&wrapper.line()).expect("JSON");
    assert_eq!(second["result"]["content"][0]["text"], "done", "{second}");
    let read = read(&shop);
    let ran: Vec<_> = read.iter().map(|message| &message["params"]["arguments"]).collect();
    assert_eq!(ran, [&json!({ "order": "4521" }), &json!({ "order": "4521" })]);
    assert_eq!(read[1]["params"]["requestState"], "of the server");
    assert_eq!(wrapper.end().0, 0);
}
