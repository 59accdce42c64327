//! Findings in policy documents as SARIF 2.1.0, which code hosts show beside the lines of a change.
//!
//! <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>

use std::collections::BTreeMap;
use std::path::Path;

use countersign_policy::{Problem, Severity};
use serde_json::{Value, json};

use crate::excerpt;
use crate::policies::{Checked, Files, failure, text_of};

/// A run of `policy check` with its findings, and with tests that fail. Paths are relative to where it was started.
pub(crate) fn log(checked: &Checked, folder: &Path, files: &Files) -> Value {
    let whys: BTreeMap<&str, &str> = checked
        .problems
        .iter()
        .map(|problem| (problem.code, problem.why()))
        .collect();
    let failing = checked
        .failed()
        .next()
        .map(|_| ("test_failed", "a bundle whose tests fail is not made live"));
    let rules: Vec<Value> = (whys.into_iter().chain(failing))
        .map(|(code, why)| {
            json!({
                "id": code,
                "shortDescription": { "text": code.replace('_', " ") },
                "fullDescription": { "text": why },
            })
        })
        .collect();
    let problems = checked.problems.iter().map(|problem| result(problem, folder, files));
    let tests = checked.failed().map(|test| {
        let region = json!({ "startLine": test.line });
        finding(
            "test_failed",
            "error",
            &failure(test),
            &uri(folder, &test.file),
            &region,
        )
    });
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "countersign policy check",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": problems.chain(tests).collect::<Vec<_>>(),
        }],
    })
}

fn result(problem: &Problem, folder: &Path, files: &Files) -> Value {
    let source = text_of(&problem.file, files);
    let (end_line, end_column) = excerpt::end(problem, &source);
    let mut region = json!({
        "startLine": problem.line.max(1),
        "startColumn": problem.column.max(1),
        "endLine": end_line.max(1),
        "endColumn": end_column.max(1),
    });
    if let (Some(fields), Some(text)) = (region.as_object_mut(), source.get(problem.span.clone())) {
        fields.insert("snippet".to_owned(), json!({ "text": text }));
    }
    let level = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let text = match &problem.help {
        Some(help) => format!("{}: {help}", problem.message),
        None => problem.message.clone(),
    };
    finding(problem.code, level, &text, &uri(folder, &problem.file), &region)
}

fn finding(code: &str, level: &str, text: &str, uri: &str, region: &Value) -> Value {
    json!({
        "ruleId": code,
        "level": level,
        "message": { "text": text },
        "locations": [{ "physicalLocation": { "artifactLocation": { "uri": uri }, "region": region } }],
    })
}

/// A relative reference to a file: its path with `/`, and everything escaped that an address does not hold.
fn uri(folder: &Path, file: &str) -> String {
    let path = folder.join(file);
    let text = path.to_string_lossy().replace('\\', "/");
    let mut uri = String::new();
    for byte in text.trim_start_matches("./").bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => uri.push(char::from(byte)),
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri
}
