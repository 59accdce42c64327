//! JSON-RPC messages, looked at without being changed.
//!
//! What is forwarded are the bytes that came. So that the reader behind us cannot see another message in them than we
//! did, a message with a key twice, or with a known key in another spelling of case, is refused: some readers take the
//! last of two, some fold case.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::elicit;

/// The key of the protocol's version in a request of the stateless era.
const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
/// The first version without sessions.
pub(crate) const MODERN: &str = "2026-07-28";
/// The key of what a client is able to, in a request of the stateless era.
pub(crate) const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";
/// The extension by which a client takes a task in place of a result.
pub(crate) const TASKS_KEY: &str = "io.modelcontextprotocol/tasks";
/// Where a client may put evidence for reviewers.
pub(crate) const EVIDENCE_KEY: &str = "dev.countersign/evidence";

/// The most members that a message has, or the params of a call; a call's arguments have as many as they like.
const MEMBERS: usize = 1000;

/// A message from the client.
pub(crate) enum Message {
    /// A call of a tool, which is decided.
    Call(Box<Call>),
    /// The client does not wait for this request any more.
    Cancelled {
        /// The request.
        id: String,
    },
    /// Anything else: it goes on as it is.
    Other,
    /// What no two readers need understand alike: it goes nowhere.
    Refused {
        /// The request's id, or `null`.
        id: Value,
        /// A code of JSON-RPC.
        code: i32,
        /// Why.
        why: String,
    },
}

/// A call of a tool.
#[derive(Clone)]
pub(crate) struct Call {
    /// The request's id.
    pub(crate) id: Value,
    /// The tool.
    pub(crate) name: String,
    /// Its arguments.
    pub(crate) arguments: Map<String, Value>,
    /// What reviewers need, where the client says it.
    pub(crate) evidence: Option<Map<String, Value>>,
    /// The client knows results that ask for another round.
    pub(crate) modern: bool,
    /// The client takes a task in place of a result.
    pub(crate) tasks: bool,
    /// The client leads its user to an address, and has not been asked to.
    pub(crate) elicits: bool,
    /// Its user does not want to be led to ours.
    pub(crate) turned_down: bool,
    /// Where progress may be told.
    pub(crate) progress: Option<Value>,
    /// What an earlier round gave the client to bring back.
    pub(crate) state: Option<String>,
}

/// An object's members in order, as they were written.
pub(crate) struct Members<'a>(pub(crate) Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Walk;
        impl<'de> Visitor<'de> for Walk {
            type Value = Members<'de>;
            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    if members.len() == MEMBERS {
                        return Err(serde::de::Error::custom("it has too many members"));
                    }
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Walk)
    }
}

impl Members<'_> {
    fn find(&self, key: &str) -> Option<&RawValue> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| *value)
    }

    /// Why two readers could see different members.
    pub(crate) fn ambiguous(&self, known: &[&str]) -> Option<String> {
        let mut seen = BTreeSet::new();
        for (key, _) in &self.0 {
            if !seen.insert(key) {
                return Some(format!("the key `{}` is there twice", shown(key)));
            }
            if let Some(known) = known
                .iter()
                .find(|known| **known != key && known.eq_ignore_ascii_case(key))
            {
                return Some(format!("the key `{}` is nearly `{known}`", shown(key)));
            }
        }
        None
    }
}

fn shown(key: &str) -> String {
    key.chars().take(40).flat_map(char::escape_default).collect()
}

fn refused(id: Value, code: i32, why: impl Into<String>) -> Message {
    Message::Refused {
        id,
        code,
        why: why.into(),
    }
}

/// An id as a key: equal for ids that some server takes for equal, however they are written (`1` and `1.0`).
pub(crate) fn key(id: &Value) -> String {
    match id.as_f64() {
        Some(number) => number.to_string(),
        None => id.to_string(),
    }
}

/// Looks at a message from the client.
pub(crate) fn read(line: &[u8]) -> Message {
    if line.trim_ascii_start().first() == Some(&b'[') {
        return refused(
            Value::Null,
            -32600,
            "batches of messages are not taken: send them one by one",
        );
    }
    let members: Members<'_> = match serde_json::from_slice(line) {
        Ok(members) => members,
        Err(error) => return refused(Value::Null, -32700, format!("not a JSON object: {error}")),
    };
    let id = members
        .find("id")
        .and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or(Value::Null);
    if let Some(why) = members.ambiguous(&["jsonrpc", "id", "method", "params", "result", "error"]) {
        return refused(id, -32600, why);
    }
    let Some(method) = members.find("method") else {
        return Message::Other;
    };
    let Ok(method) = serde_json::from_str::<String>(method.get()) else {
        return refused(id, -32600, "the method is not a text");
    };
    match method.as_str() {
        "tools/call" => call(line, &members, id),
        "notifications/cancelled" => {
            #[derive(Deserialize)]
            struct Cancelled {
                #[serde(rename = "requestId")]
                request_id: Value,
            }
            match members
                .find("params")
                .map(|raw| serde_json::from_str::<Cancelled>(raw.get()))
            {
                Some(Ok(cancelled)) => Message::Cancelled {
                    id: key(&cancelled.request_id),
                },
                _ => Message::Other,
            }
        }
        method if method.eq_ignore_ascii_case("tools/call") => refused(id, -32601, "no such method"),
        _ => Message::Other,
    }
}

#[derive(Deserialize)]
struct Params {
    name: String,
    #[serde(default)]
    arguments: Option<Map<String, Value>>,
    #[serde(default, rename = "_meta")]
    meta: Option<Map<String, Value>>,
    #[serde(default, rename = "requestState")]
    state: Option<String>,
    #[serde(default, rename = "inputResponses")]
    responses: Option<Value>,
}

fn call(line: &[u8], members: &Members<'_>, id: Value) -> Message {
    if !(id.is_string() || id.is_number()) {
        return refused(
            Value::Null,
            -32600,
            "a call of a tool needs an id, so that its answer can be told",
        );
    }
    let Some(raw) = members.find("params") else {
        return refused(id, -32602, "a call of a tool needs params");
    };
    let strict = countersign_policy::json::Limits {
        depth: 40,
        ..countersign_policy::json::Limits::default()
    };
    if let Err(error) = countersign_policy::json::parse(line, &strict) {
        return refused(
            id,
            -32602,
            format!("the call can be read in more than one way: {error}"),
        );
    }
    let known = ["name", "arguments", "_meta", "requestState", "inputResponses", "task"];
    match serde_json::from_str::<Members<'_>>(raw.get()) {
        Ok(params) => {
            if let Some(why) = params.ambiguous(&known) {
                return refused(id, -32602, why);
            }
        }
        Err(error) => return refused(id, -32602, format!("the params are not an object: {error}")),
    }
    let params: Params = match serde_json::from_str(raw.get()) {
        Ok(params) => params,
        Err(error) => return refused(id, -32602, format!("the params of the call cannot be read: {error}")),
    };
    let meta = params.meta.unwrap_or_default();
    let modern = meta
        .get(VERSION_KEY)
        .and_then(Value::as_str)
        .is_some_and(|version| version >= MODERN);
    let able = |of: &str, what: &str| meta.get(CAPABILITIES_KEY)?.get(of)?.get(what);
    // In a first round only: what comes later was asked before.
    let first = modern && params.state.is_none();
    Message::Call(Box::new(Call {
        id,
        tasks: first && able("extensions", TASKS_KEY).is_some(),
        elicits: first && able("elicitation", "url").is_some_and(Value::is_object),
        turned_down: elicit::turned_down(params.state.as_deref(), params.responses.as_ref()),
        name: params.name,
        arguments: params.arguments.unwrap_or_default(),
        evidence: meta.get(EVIDENCE_KEY).and_then(Value::as_object).cloned(),
        modern,
        progress: meta.get("progressToken").filter(|token| !token.is_null()).cloned(),
        state: params.state,
    }))
}

/// What a message says of itself, as far as a gateway has to agree with its headers.
#[derive(Default)]
pub(crate) struct Seen {
    /// The request's id; none in a notification.
    pub(crate) id: Option<Value>,
    /// The method; none in an answer.
    pub(crate) method: Option<String>,
    /// The version of the protocol, in a request of the stateless era.
    pub(crate) version: Option<String>,
    /// What it is about: the tool or prompt, or the URI of a resource.
    pub(crate) about: Option<String>,
    /// Where progress may be told.
    pub(crate) progress: Option<Value>,
}

/// Looks at any message.
pub(crate) fn look(line: &[u8]) -> Seen {
    #[derive(Deserialize)]
    struct Any {
        id: Option<Value>,
        method: Option<String>,
        params: Option<Value>,
    }
    let Ok(any) = serde_json::from_slice::<Any>(line) else {
        return Seen::default();
    };
    let text = |key: &str| any.params.as_ref()?.get(key)?.as_str().map(str::to_owned);
    let about = match any.method.as_deref() {
        Some("tools/call" | "prompts/get") => text("name"),
        Some("resources/read") => text("uri"),
        Some(method) if method.starts_with("tasks/") => text("taskId"),
        Some(_) | None => None,
    };
    let meta = any.params.as_ref().and_then(|params| params.get("_meta"));
    let version = meta.and_then(|meta| meta.get(VERSION_KEY)).and_then(Value::as_str);
    let progress = meta.and_then(|meta| meta.get("progressToken"));
    Seen {
        version: version.map(str::to_owned),
        progress: progress.filter(|token| !token.is_null()).cloned(),
        about,
        id: any.id.filter(|id| !id.is_null()),
        method: any.method,
    }
}

/// Whether a text is a JSON object, which every message is.
pub(crate) fn is_object(text: &[u8]) -> bool {
    text.trim_ascii_start().first() == Some(&b'{') && serde_json::from_slice::<&RawValue>(text.trim_ascii()).is_ok()
}

/// The token of a message that tells of progress.
pub(crate) fn progress_of(line: &[u8]) -> Option<Value> {
    let message: Value = serde_json::from_slice(line).ok()?;
    let told = message.get("method").and_then(Value::as_str) == Some("notifications/progress");
    message.get("params")?.get("progressToken").filter(|_| told).cloned()
}

/// The same message with another id; everything else stays as it was written.
pub(crate) fn with_id(line: &[u8], id: &Value) -> Option<Vec<u8>> {
    let members: Members<'_> = serde_json::from_slice(line).ok()?;
    let mut bytes = vec![b'{'];
    for (at, (key, value)) in members.0.iter().enumerate() {
        if at > 0 {
            bytes.push(b',');
        }
        bytes.extend(Value::from(key.as_str()).to_string().bytes());
        bytes.push(b':');
        match key.as_str() {
            "id" => bytes.extend(id.to_string().bytes()),
            _ => bytes.extend(value.get().bytes()),
        }
    }
    bytes.extend(b"}\n");
    Some(bytes)
}

/// The same call with another tool or other arguments, and without what the client brought back if that is ours.
pub(crate) fn rewritten(
    line: &[u8],
    name: &str,
    arguments: Option<&Map<String, Value>>,
    ours: bool,
) -> Option<Vec<u8>> {
    let mut message: Value = serde_json::from_slice(line).ok()?;
    let params = message.get_mut("params")?.as_object_mut()?;
    params.insert("name".to_owned(), name.into());
    if let Some(arguments) = arguments {
        params.insert("arguments".to_owned(), arguments.clone().into());
    }
    if ours {
        params.remove("requestState");
        params.remove("inputResponses");
    }
    let mut bytes = serde_json::to_vec(&message).ok()?;
    bytes.push(b'\n');
    Some(bytes)
}

/// What an answer of the server says, as far as it matters here.
pub(crate) struct Answered {
    /// The request.
    pub(crate) id: String,
    /// Why it failed, if it did.
    pub(crate) error: Option<String>,
    /// It is not done: the client is to come back with this.
    pub(crate) state: Option<String>,
}

/// Looks at a message from the server: is it the answer to a request?
pub(crate) fn answered(line: &[u8]) -> Option<Answered> {
    #[derive(Deserialize)]
    struct Reply<'a> {
        id: Value,
        method: Option<Value>,
        #[serde(borrow)]
        result: Option<&'a RawValue>,
        error: Option<Value>,
    }
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Outcome {
        #[serde(rename = "isError")]
        is_error: Option<bool>,
        #[serde(rename = "resultType")]
        kind: Option<String>,
        #[serde(rename = "requestState")]
        state: Option<String>,
    }
    let reply: Reply<'_> = serde_json::from_slice(line).ok()?;
    if reply.method.is_some() {
        return None;
    }
    let outcome: Outcome = reply
        .result
        .and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default();
    let error = match reply.error {
        Some(error) => Some(
            error
                .get("message")
                .and_then(Value::as_str)
                .unwrap_or("the tool's server answered with an error")
                .to_owned(),
        ),
        None if outcome.is_error == Some(true) => Some("the tool answered with an error".to_owned()),
        None => None,
    };
    let unfinished = outcome.kind.as_deref() == Some("input_required");
    Some(Answered {
        id: key(&reply.id),
        error,
        state: outcome.state.filter(|_| unfinished),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(text: &str) -> &'static str {
        match read(text.as_bytes()) {
            Message::Call(_) => "call",
            Message::Cancelled { .. } => "cancelled",
            Message::Other => "other",
            Message::Refused { .. } => "refused",
        }
    }

    #[test]
    fn what_two_readers_could_understand_differently_goes_nowhere() {
        for hostile in [
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"x"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call","params":{"name":"x"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"Tools/Call","params":{"name":"x"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","name":"delete"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","Name":"delete"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":{"a":1,"a":2}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":{"a":9007199254740993}}}"#,
            r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"read"}}"#,
            r#"[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read"}}]"#,
            r#"{"jsonrpc":"2.0","id":1,"method":["tools/call"],"params":{"name":"read"}}"#,
            "{\"jsonrpc\":\"2.0\",\"id\":1",
            "\u{feff}{}",
        ] {
            assert_eq!(verdict(hostile), "refused", "{hostile}");
        }
    }

    #[test]
    fn a_message_of_more_members_than_anybody_needs_goes_nowhere_and_costs_nothing() {
        let many: Vec<String> = (0..200_000).map(|at| format!(r#""k{at}":1"#)).collect();
        let many = format!("{{{}}}", many.join(","));
        let since = std::time::Instant::now();
        assert_eq!(verdict(&many), "refused");
        let of = |params: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
        assert_eq!(verdict(&of(&many)), "refused");
        assert!(since.elapsed() < std::time::Duration::from_secs(10));
        let few: Vec<String> = (0..990).map(|at| format!(r#""k{at}":1"#)).collect();
        assert_eq!(verdict(&of(&format!(r#"{{"name":"read",{}}}"#, few.join(",")))), "call");
    }

    #[test]
    fn an_id_is_the_same_however_it_is_written() {
        let id = |text: &str| key(&serde_json::from_str(text).unwrap_or_default());
        assert!(id("1") == id("1.0") && id("1") == id("10e-1"));
        assert_eq!(id("9007199254740993"), id("9007199254740992"));
        assert!(id("1") != id("\"1\"") && id("1") != id("2"));
    }

    #[test]
    fn a_method_in_another_spelling_of_the_same_text_is_the_same_method() {
        let escaped = r#"{"jsonrpc":"2.0","id":1,"method":"tools\u002fcall","params":{"name":"read"}}"#;
        assert_eq!(verdict(escaped), "call");
    }

    #[test]
    fn everything_that_is_no_call_goes_on() {
        for message in [
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{}}}"#,
            r#"{"jsonrpc":"2.0","id":"s1","result":{"action":"accept"}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        ] {
            assert_eq!(verdict(message), "other", "{message}");
        }
    }

    #[test]
    fn an_answer_says_whether_it_failed_and_a_request_of_the_server_is_none() {
        let failed = answered(br#"{"jsonrpc":"2.0","id":7,"result":{"isError":true,"content":[]}}"#);
        assert!(failed.is_some_and(|answer| answer.id == "7" && answer.error.is_some()));
        let fine = answered(br#"{"jsonrpc":"2.0","id":"a","result":{"content":[]}}"#);
        assert!(fine.is_some_and(|answer| answer.id == "\"a\"" && answer.error.is_none()));
        assert!(answered(br#"{"jsonrpc":"2.0","id":7,"method":"sampling/createMessage"}"#).is_none());
    }
}
