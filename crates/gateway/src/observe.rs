//! Looking on: what would be decided is noted, and everything runs as it would without us.
//!
//! Notes are lines of JSON in a file beside what waits. They name tool and operation and what the server says, never
//! arguments, which may hold what must not be kept.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use countersign_api::ActionBody;
use countersign_client::ClientError;
use countersign_core::event::Filtered;
use serde_json::{Value, json};

/// The file is put aside, in place of the one put aside before, once it is this long.
const LONGEST: u64 = 8 * 1024 * 1024;

/// Where notes go.
#[derive(Clone, Debug)]
pub(crate) struct Observer {
    file: PathBuf,
}

impl Observer {
    pub(crate) fn new(folder: &Path) -> Observer {
        Observer {
            file: folder.join("observed.jsonl"),
        }
    }

    /// Notes what would have become of an action.
    pub(crate) fn note(&self, action: &ActionBody, decision: Result<&Value, &ClientError>) {
        let mut line = json!({ "tool": action.tool, "action": action.action });
        let said = match decision {
            Ok(decision) => ["decision", "status", "reason_code", "snapshot"]
                .iter()
                .map(|name| ((*name).to_owned(), decision.get(*name).cloned().unwrap_or_default()))
                .chain([("reasons".to_owned(), messages(decision))])
                .collect(),
            Err(error) => serde_json::Map::from_iter([("not_decided".to_owned(), error.to_string().into())]),
        };
        if let Some(line) = line.as_object_mut() {
            line.extend(said);
        }
        self.write(line);
    }

    /// Notes what would have been done about a result.
    pub(crate) fn filtered(&self, tool: Option<&str>, filtered: &Filtered) {
        if !filtered.is_empty() {
            self.write(json!({ "tool": tool, "filtered": filtered }));
        }
    }

    /// Notes what could not be asked about.
    pub(crate) fn failed(&self, why: &str) {
        self.write(json!({ "not_decided": why }));
    }

    /// A note that cannot be written is lost; nothing waits for it.
    fn write(&self, mut line: Value) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        line["at_ms"] = u64::try_from(now.as_millis()).unwrap_or(u64::MAX).into();
        let _ = self.append(&format!("{line}\n"));
    }

    fn append(&self, line: &str) -> std::io::Result<()> {
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder)?;
        }
        if fs::metadata(&self.file).is_ok_and(|file| file.len() > LONGEST) {
            fs::rename(&self.file, self.file.with_extension("before.jsonl"))?;
        }
        let mut file = OpenOptions::new().create(true).append(true).open(&self.file)?;
        file.write_all(line.as_bytes())
    }
}

fn messages(decision: &Value) -> Value {
    let reasons = decision.get("reasons").and_then(Value::as_array);
    reasons
        .into_iter()
        .flatten()
        .filter_map(|reason| reason.get("message").cloned())
        .collect()
}
