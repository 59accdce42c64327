//! Tools as their servers list them: each is told to Countersign before an agent sees it, so that one that looks otherwise
//! than before is denied until a person has looked at it.

use std::collections::BTreeMap;
use std::sync::Mutex;

use countersign_api::bounded::{Hex64, Text};
use countersign_api::inventory::ToolBody;
use countersign_client::Client;
use countersign_core::digest::hex;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::stdio::lock;

/// What was told of a tool: the hash of its schema, and of everything else that an agent reads of it.
type Looks = (String, String);

/// Tells how tools look.
pub(super) struct Pins {
    client: Client,
    told: Mutex<BTreeMap<String, Looks>>,
}

impl Pins {
    pub(super) fn new(client: Client) -> Pins {
        Pins {
            client,
            told: Mutex::default(),
        }
    }

    /// Whether a tool was on a list that was told.
    pub(super) fn knows(&self, tool: &str) -> bool {
        lock(&self.told).contains_key(tool)
    }

    /// Tells the tools of a list.
    ///
    /// # Errors
    /// If one cannot be told: then the list is not shown.
    pub(super) async fn tell(&self, server: &str, answer: &[u8]) -> Result<(), String> {
        for (tool, looks) in tools(server, answer)? {
            if lock(&self.told).get(&tool) == Some(&looks) {
                continue;
            }
            let body = ToolBody {
                tool: Text(tool.clone()),
                schema: Hex64(looks.0.clone()),
                description: Some(Hex64(looks.1.clone())),
            };
            let told = self.client.post::<Value>("/v1/tools", &body).await;
            told.map_err(|error| format!("it could not be recorded how tool `{tool}` looks: {error}"))?;
            lock(&self.told).insert(tool, looks);
        }
        Ok(())
    }
}

/// The tools of a list, as policy names them, and how they look. A list without tools is one of an error.
fn tools(server: &str, answer: &[u8]) -> Result<Vec<(String, Looks)>, String> {
    let answer: Value = serde_json::from_slice(answer).map_err(|error| error.to_string())?;
    let listed = answer.pointer("/result/tools").and_then(Value::as_array);
    let mut tools = Vec::new();
    for tool in listed.into_iter().flatten() {
        let mut rest = tool.clone();
        let Some(members) = rest.as_object_mut() else {
            return Err("a tool on its list is no object".to_owned());
        };
        let schema = members.remove("inputSchema").unwrap_or_default();
        // What servers say for programs alone, such as where a tool comes from.
        members.remove("_meta");
        let name = members.get("name").and_then(Value::as_str);
        let name = name.ok_or("a tool on its list has no name")?;
        // Keys are sorted, so a list that says the same looks the same.
        let hash = |value: &Value| hex(&Sha256::digest(value.to_string().as_bytes()));
        tools.push((format!("{server}/{name}"), (hash(&schema), hash(&rest))));
    }
    Ok(tools)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]

    use super::*;

    fn looks(list: &str) -> Looks {
        let answer = format!(r#"{{"id":1,"result":{{"tools":[{list}]}}}}"#);
        let mut tools = tools("shop", answer.as_bytes()).unwrap();
        let (name, looks) = tools.remove(0);
        assert_eq!(name, "shop/a");
        looks
    }

    #[test]
    fn a_tool_looks_otherwise_when_what_an_agent_reads_of_it_is_otherwise() {
        let first = looks(r#"{"name":"a","description":"reads","inputSchema":{"type":"object","properties":{}}}"#);
        let same = looks(
            r#"{"inputSchema":{"properties":{},"type":"object"},"description":"reads","name":"a","_meta":{"n":1}}"#,
        );
        assert_eq!(first, same);
        let described =
            looks(r#"{"name":"a","description":"deletes","inputSchema":{"type":"object","properties":{}}}"#);
        assert_eq!(first.0, described.0);
        assert_ne!(first.1, described.1);
        let shaped = looks(r#"{"name":"a","description":"reads","inputSchema":{"type":"object"}}"#);
        assert_ne!(first.0, shaped.0);
    }
}
