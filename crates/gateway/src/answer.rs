//! What we answer in place of a tool's server: lines of JSON-RPC.

use serde_json::{Map, Value, json};

/// Where programs find the decision in a result.
const DECISION_KEY: &str = "dev.countersign/decision";
/// What our own request state begins with.
const STATE: &str = "countersign:";

fn line(message: &Value) -> Vec<u8> {
    let mut bytes = message.to_string().into_bytes();
    bytes.push(b'\n');
    bytes
}

/// A result that the model reads, marked as an error: it can act on it.
pub(crate) fn told(id: &Value, modern: bool, sentence: &str, decision: &Value) -> Vec<u8> {
    let mut result = json!({
        "content": [{ "type": "text", "text": sentence }],
        "isError": true,
        "_meta": { DECISION_KEY: decision },
    });
    if let (true, Some(result)) = (modern, result.as_object_mut()) {
        result.insert("resultType".to_owned(), "complete".into());
    }
    line(&json!({ "jsonrpc": "2.0", "id": id, "result": result }))
}

/// A result of the stateless era.
pub(crate) fn result(id: &Value, mut members: Map<String, Value>) -> Vec<u8> {
    members.entry("resultType").or_insert_with(|| "complete".into());
    line(&json!({ "jsonrpc": "2.0", "id": id, "result": members }))
}

/// An error of the protocol.
pub(crate) fn error(id: &Value, code: i32, message: &str) -> Vec<u8> {
    line(&json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } }))
}

/// Asks the client to come back with the same call: a person has not decided yet. Before, it may be asked for something.
pub(crate) fn come_back(id: &Value, round: u32, question: Option<Value>) -> Vec<u8> {
    let state = format!("{STATE}{round}");
    let mut result = json!({ "resultType": "input_required", "requestState": state });
    if let (Some(question), Some(result)) = (question, result.as_object_mut()) {
        result.insert("inputRequests".to_owned(), question);
    }
    line(&json!({ "jsonrpc": "2.0", "id": id, "result": result }))
}

/// Which round a request state of ours stands for. It is not believed for anything else: what waits is found by the
/// call itself.
pub(crate) fn round(state: &str) -> Option<u32> {
    state.strip_prefix(STATE)?.parse().ok()
}

/// Tells the client that the call is still waited for.
pub(crate) fn progress(token: &Value, count: u64) -> Vec<u8> {
    line(&json!({
        "jsonrpc": "2.0",
        "method": "notifications/progress",
        "params": { "progressToken": token, "progress": count, "message": "waiting for a person to decide" },
    }))
}

/// Tells the server that nobody waits for a request any more.
pub(crate) fn cancelled(id: &Value, reason: &str) -> Vec<u8> {
    line(&json!({
        "jsonrpc": "2.0",
        "method": "notifications/cancelled",
        "params": { "requestId": id, "reason": reason },
    }))
}

/// Tells a client with a session that its list of tools is another one now.
pub(crate) fn list_changed() -> Vec<u8> {
    line(&json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" }))
}
