//! OCSF events: class API Activity (6003) of version 1.9.0 of the Open Cybersecurity Schema Framework
//! (<https://schema.ocsf.io/1.9.0/classes/api_activity>), one a line, with the profiles `security_control` where something was
//! allowed or stopped and `ai_operation` where an agent acts.
//!
//! Nothing of a record is lost: what OCSF has no place for stands in `unmapped`. The table is in docs/audit.md.

mod meaning;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Format, Lined, Writer, create};
use crate::entry::Entry;
use crate::error::ExportError;
use meaning::{Control, Named, activity, control, severity, status};

pub(super) const OCSF: Format = Format {
    name: "ocsf",
    file: "events.ocsf.jsonl",
    lined: Some(Lined {
        media: "application/jsonl",
        head: String::new,
        line,
    }),
    open,
};

const VERSION: &str = "1.9.0";
const CATEGORY: Named = (6, "Application Activity");
const CLASS: Named = (6003, "API Activity");

struct Ocsf(BufWriter<File>);

fn open(folder: &Path, _payloads: bool) -> Result<Box<dyn Writer>, ExportError> {
    Ok(Box::new(Ocsf(create(folder, OCSF.file)?)))
}

impl Writer for Ocsf {
    fn record(&mut self, entry: &Entry) -> io::Result<()> {
        line(entry, &mut self.0)
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.0.flush()
    }
}

fn line(entry: &Entry, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", event(entry))
}

/// The event of a record.
pub(super) fn event(entry: &Entry) -> Value {
    let (activity_id, activity_name) = activity(entry.kind());
    let (severity_id, severity_name) = severity(entry);
    let (status_id, status_name) = status(entry);
    let mut event = json!({
        "activity_id": activity_id,
        "activity_name": activity_name,
        "actor": { "user": actor(entry) },
        "api": api(entry),
        "category_name": CATEGORY.1,
        "category_uid": CATEGORY.0,
        "class_name": CLASS.1,
        "class_uid": CLASS.0,
        "message": message(entry),
        "severity": severity_name,
        "severity_id": severity_id,
        "src_endpoint": source(entry),
        "status": status_name,
        "status_id": status_id,
        "time": entry.ts.0.div_euclid(1000),
        "type_name": format!("{}: {activity_name}", CLASS.1),
        "type_uid": CLASS.0 * 100 + activity_id,
        "unmapped": unmapped(entry),
    });
    let mut profiles = Vec::new();
    if let Some(agent) = entry.agent() {
        profiles.push("ai_operation");
        event["ai_agent"] = json!({ "name": agent, "uid": agent });
    }
    if let Some(Control { action, disposition }) = control(entry) {
        profiles.push("security_control");
        event["action"] = action.1.into();
        event["action_id"] = action.0.into();
        event["disposition"] = disposition.1.into();
        event["disposition_id"] = disposition.0.into();
        if let Some(snapshot) = entry.text("snapshot") {
            event["policy"] = json!({ "uid": snapshot });
        }
    }
    if let Some(code) = entry.text("data.reason_code").or_else(|| entry.text("data.reason")) {
        event["status_code"] = code.into();
    }
    if let Some(tool) = entry.text("data.tool") {
        event["resources"] = json!([{ "name": tool, "type": "tool" }]);
    }
    event["metadata"] = metadata(entry, &profiles);
    event
}

fn metadata(entry: &Entry, profiles: &[&str]) -> Value {
    let log = entry.text("log").unwrap_or_default();
    let mut metadata = json!({
        "event_code": entry.kind(),
        "log_name": log,
        "original_time": entry.text("ts"),
        "product": { "name": "Countersign", "vendor_name": "Countersign", "version": env!("CARGO_PKG_VERSION") },
        "profiles": profiles,
        "sequence": entry.seq,
        "uid": format!("{log}#{}", entry.seq),
        "version": VERSION,
    });
    // All that belongs to one action can be joined.
    if let Some(action) = entry.text("data.action_id") {
        metadata["correlation_uid"] = action.into();
    }
    metadata
}

fn actor(entry: &Entry) -> Value {
    let id = entry.text("actor.id").unwrap_or("unknown");
    let (type_id, kind) = match entry.text("actor.kind") {
        Some("agent") => (4, "Service"),
        Some("user") => (1, "User"),
        Some("operator") => (2, "Admin"),
        Some("system") => (3, "System"),
        Some(_) | None => (0, "Unknown"),
    };
    let mut user = json!({ "name": id, "type": kind, "type_id": type_id, "uid": id });
    if let Some(kid) = entry.text("actor.auth").and_then(|auth| auth.strip_prefix("key:")) {
        user["credential_uid"] = kid.into();
    }
    user
}

/// The operation that was asked for: the agent's where there is one, else what happened here.
fn api(entry: &Entry) -> Value {
    let operation = entry.text("data.action").unwrap_or(entry.kind());
    let mut api = json!({ "operation": operation, "service": { "name": "Countersign" } });
    if let Some(tool) = entry.text("data.tool") {
        api["service"]["name"] = tool.into();
    }
    if let Some(action) = entry.text("data.action_id") {
        api["request"] = json!({ "uid": action });
    }
    api
}

/// Records hold no network addresses, so the source is named by who it is.
fn source(entry: &Entry) -> Value {
    let id = entry.agent().or_else(|| entry.text("actor.id")).unwrap_or("unknown");
    json!({ "name": id, "uid": id })
}

fn message(entry: &Entry) -> String {
    let who = entry.agent().or_else(|| entry.text("actor.id")).unwrap_or("unknown");
    let what = entry.text("data.action").unwrap_or_default();
    let how = ["data.decision", "data.status", "data.state", "data.result"]
        .into_iter()
        .find_map(|path| entry.text(path))
        .unwrap_or_default();
    let words = [entry.kind(), who, what, how];
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

fn unmapped(entry: &Entry) -> Value {
    let mut unmapped = Map::new();
    for name in ["data", "idem", "payload", "prov", "redact", "snapshot", "v"] {
        if let Some(value) = entry.record.get(name) {
            unmapped.insert(name.to_owned(), value.clone());
        }
    }
    for (name, path) in [("actor_auth", "actor.auth"), ("actor_verified", "actor.verified")] {
        if let Some(value) = entry.value(path) {
            unmapped.insert(name.to_owned(), value.clone());
        }
    }
    unmapped.insert("leaf_hash".to_owned(), entry.leaf_hash.to_string().into());
    unmapped.insert("payload_state".to_owned(), entry.beside.state().into());
    if let Some(body) = entry.beside.body() {
        unmapped.insert("payload_body".to_owned(), body.into());
    }
    Value::Object(unmapped)
}
