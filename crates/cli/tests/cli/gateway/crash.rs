//! Servers of tools that end while a call runs.

use serde_json::{Value, json};

use super::{Gateway, call, initialize};
use crate::mcp::{Shop, Wrapper};

/// A server that answers what comes first, and ends at the first call of a tool.
const ENDS: &str = r#"
while read -r line; do
  case "$line" in
    *tools/call*) echo "$line" >> ran; exit 9 ;;
    *initialize*) echo '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}}' ;;
  esac
done"#;

fn look() -> Value {
    call(2, "look_up", json!({ "order": "1" }))
}

/// What is on record of how actions ended.
fn outcomes(shop: &Shop) -> Vec<Value> {
    let bundle = shop.scene.path("bundle").display().to_string();
    shop.as_person(&["audit", "export", "--out", &bundle]);
    let records = shop.scene.read("bundle/records.jsonl");
    let records = records
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    records
        .filter(|record| record.to_string().contains("outcome.reported"))
        .collect()
}

#[test]
fn a_wrapper_whose_server_ends_during_a_call_ends_with_its_code_and_the_call_has_failed() {
    let shop = Shop::open();
    let mut wrapper = Wrapper::start(&shop, &["--", "sh", "-c", ENDS]);
    wrapper.send(&initialize().to_string());
    assert!(wrapper.line().contains("serverInfo"));
    wrapper.send(&look().to_string());
    assert_eq!(wrapper.line(), "", "its output ends with the server");
    assert_eq!(wrapper.end().0, 9);
    assert_eq!(shop.ran("ran").len(), 1);
    let outcomes = outcomes(&shop);
    assert!(
        outcomes.len() == 1 && outcomes[0].to_string().contains("\"failed\""),
        "{outcomes:?}"
    );
}

#[test]
fn a_gateway_whose_server_ends_during_a_call_says_so_and_the_next_session_has_another_one() {
    let shop = Shop::open();
    let ran = shop.scene.path("ran").display().to_string();
    let script = ENDS.replace(">> ran", &format!(">> {ran}"));
    let gateway = Gateway::start(
        &shop,
        &json!({ "shop": { "command": "sh", "args": ["-c", script] } }),
        &[],
    );
    for calls in 1..3 {
        let opened = gateway.post("shop", &shop.agent, None, &initialize());
        let session = opened.header("mcp-session-id").expect("a session");
        let crashed = gateway.post("shop", &shop.agent, Some(&session), &look()).json();
        let why = crashed["error"]["message"].as_str().unwrap_or_default();
        assert_eq!(
            (&crashed["id"], why),
            (&json!(2), "the tool's server ended before it answered")
        );
        assert_eq!(gateway.post("shop", &shop.agent, Some(&session), &look()).status, 404);
        assert_eq!(shop.ran("ran").len(), calls, "what has no server runs nowhere");
    }
    let outcomes = outcomes(&shop);
    assert_eq!(outcomes.len(), 2, "{outcomes:?}");
    assert!(
        outcomes
            .iter()
            .all(|outcome| outcome.to_string().contains("\"failed\"")),
        "{outcomes:?}"
    );
}
