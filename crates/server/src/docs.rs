//! `/docs`: the document for people, one page without script.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use axum::http::HeaderValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use countersign_api::CALLS;
use countersign_api::calls::{Call, Place};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

const STYLE: &str = include_str!("docs.css");

/// The page and the policy under which browsers show it.
pub(crate) struct Page {
    pub html: Vec<u8>,
    pub policy: HeaderValue,
}

impl Page {
    /// The page of an OpenAPI document.
    pub(crate) fn new(document: &Value) -> Page {
        let hash = BASE64.encode(Sha256::digest(STYLE.as_bytes()));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        // Base 64 is visible ASCII, so this is a header.
        let policy = HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        Page {
            html: html(document).into_bytes(),
            policy,
        }
    }
}

fn html(document: &Value) -> String {
    let mut page = String::with_capacity(128 * 1024);
    let about = document
        .pointer("/info/description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let _ = write!(
        page,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><title>Countersign API</title><style>{STYLE}</style></head>\
         <body><header><h1>Countersign API</h1><p>{}</p><p>Machine-readable: <a href=\"/openapi.json\">/openapi.json</a>. \
         Send a key as <code>Authorization: Bearer cs_…</code>. Bodies are JSON of at most 256 KiB and 32 levels; money is \
         a decimal string; times are RFC 3339.</p></header><nav>",
        escape(about)
    );
    let mut groups: Vec<&str> = Vec::new();
    for call in CALLS.iter() {
        if !groups.contains(&call.group()) {
            groups.push(call.group());
        }
    }
    for group in &groups {
        let _ = write!(page, "<a href=\"#group-{group}\">{group}</a> ");
    }
    page.push_str("<a href=\"#problems\">problems</a> <a href=\"#schemas\">schemas</a></nav><main>");
    for group in groups {
        let _ = write!(page, "<section id=\"group-{group}\"><h2>{group}</h2>");
        for call in CALLS.iter().filter(|call| call.group() == group) {
            of_call(&mut page, call, document);
        }
        page.push_str("</section>");
    }
    problems(&mut page);
    schemas(&mut page, document);
    page.push_str("</main></body></html>");
    page
}

fn of_call(page: &mut String, call: &Call, document: &Value) {
    let method = call.method.as_str();
    let _ = write!(
        page,
        "<details id=\"{}\"><summary><code class=\"method\">{method}</code> <code>{}</code> <span>{}</span></summary>\
         <p>For {}.</p>",
        call.id,
        escape(call.path),
        escape(call.summary),
        ticks(&call.permission.to_string())
    );
    if !call.params.is_empty() {
        page.push_str("<h4>Parameters</h4><ul>");
        for param in call.params {
            let place = if param.place == Place::Path { "path" } else { "query" };
            let _ = write!(
                page,
                "<li><code>{}</code> ({place}): {}</li>",
                param.name,
                ticks(param.about)
            );
        }
        page.push_str("</ul>");
    }
    let pointer = |end: &str| {
        let path = call.path.replace('~', "~0").replace('/', "~1");
        document.pointer(&format!("/paths/{path}/{}/{end}", method.to_lowercase()))
    };
    if let Some(body) = &call.body {
        let content = body.content.replace('/', "~1");
        let schema = pointer(&format!("requestBody/content/{content}/schema"));
        let _ = write!(
            page,
            "<h4>Takes {}</h4><pre>curl -X {method} -H \"Authorization: Bearer $KEY\" -H 'Content-Type: {}' \\\n  \
             $URL{} \\\n  -d '{}'</pre>",
            named(schema),
            escape(body.content),
            escape(call.path),
            escape(body.example)
        );
    }
    let schema = pointer(&format!(
        "responses/{}/content/application~1json/schema",
        call.success.status
    ));
    let answer = if schema.is_some_and(|schema| schema.get("$ref").is_some()) {
        named(schema)
    } else {
        escape(call.success.content)
    };
    let _ = write!(page, "<h4>Answers {} {answer}</h4><p>Problems:", call.success.status);
    for (status, codes) in call.all_problems() {
        for code in codes {
            let _ = write!(page, " <a href=\"#{code}\">{status} {code}</a>");
        }
    }
    page.push_str("</p></details>");
}

/// A link to a schema.
fn named(schema: Option<&Value>) -> String {
    let name = schema
        .and_then(|schema| schema.get("$ref"))
        .and_then(Value::as_str)
        .and_then(|path| path.rsplit('/').next());
    name.map(|name| format!("<a href=\"#schema-{name}\"><code>{name}</code></a>"))
        .unwrap_or_default()
}

fn problems(page: &mut String) {
    let mut codes: BTreeMap<&str, (BTreeSet<u16>, Vec<&str>)> = BTreeMap::new();
    for call in CALLS.iter() {
        for (status, own) in call.all_problems() {
            for code in own {
                let (statuses, calls) = codes.entry(code).or_default();
                statuses.insert(status);
                calls.push(call.id);
            }
        }
    }
    codes.entry("method_not_allowed").or_default().0.insert(405);
    codes.entry("unknown_path").or_default().0.insert(404);
    page.push_str("<section id=\"problems\"><h2>problems</h2><p>Every problem is an RFC 9457 document with a stable <code>code</code>.</p><table>");
    for (code, (statuses, calls)) in codes {
        let statuses: Vec<String> = statuses.iter().map(u16::to_string).collect();
        let whose = if calls.len() > 8 {
            "many calls".to_owned()
        } else {
            calls.join(", ")
        };
        let _ = write!(
            page,
            "<tr id=\"{code}\"><td><code>{code}</code></td><td>{}</td><td>{whose}</td></tr>",
            statuses.join(", ")
        );
    }
    page.push_str("</table></section>");
}

fn schemas(page: &mut String, document: &Value) {
    page.push_str("<section id=\"schemas\"><h2>schemas</h2>");
    let none = serde_json::Map::new();
    for (name, schema) in document
        .pointer("/components/schemas")
        .and_then(Value::as_object)
        .unwrap_or(&none)
    {
        let about = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        let _ = write!(
            page,
            "<details id=\"schema-{name}\"><summary><code>{name}</code> <span>{}</span></summary>",
            ticks(about)
        );
        page.push_str("<table>");
        for (field, own) in schema.get("properties").and_then(Value::as_object).unwrap_or(&none) {
            let about = own.get("description").and_then(Value::as_str).unwrap_or_default();
            let _ = write!(
                page,
                "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
                escape(field),
                escape(&kind(own)),
                ticks(about)
            );
        }
        page.push_str("</table></details>");
    }
    page.push_str("</section>");
}

/// The kind of a field in a few words.
fn kind(schema: &Value) -> String {
    if let Some(path) = schema.get("$ref").and_then(Value::as_str) {
        return path.rsplit('/').next().unwrap_or_default().to_owned();
    }
    match schema.get("type") {
        Some(Value::String(kind)) if kind == "array" => {
            format!("list of {}", schema.get("items").map(kind_of).unwrap_or_default())
        }
        Some(Value::String(kind)) => kind.clone(),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        Some(_) | None => {
            let choices = schema
                .get("anyOf")
                .or_else(|| schema.get("oneOf"))
                .and_then(Value::as_array);
            choices
                .map(|choices| choices.iter().map(kind_of).collect::<Vec<_>>().join(" or "))
                .unwrap_or_default()
        }
    }
}

fn kind_of(schema: &Value) -> String {
    kind(schema)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Escaped, with what stands in backticks as code.
fn ticks(text: &str) -> String {
    let parts = escape(text);
    let mut out = String::with_capacity(parts.len() + 32);
    for (place, part) in parts.split('`').enumerate() {
        match place % 2 {
            0 => out.push_str(part),
            _ => {
                let _ = write!(out, "<code>{part}</code>");
            }
        }
    }
    out
}
