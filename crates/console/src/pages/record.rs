//! One record: what it says, what lies beside it where whoever looks may read that, and the proof that it is in the ledger,
//! which the browser checks by itself.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use countersign_api::audit::{InclusionAnswer, LogKeysAnswer, PayloadAnswer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::failure::Failure;
use crate::Console;
use crate::api::Quoted;
use crate::page::{Chrome, Page, Trouble, show_as};
use crate::said::{Html, said, value};
use crate::visit::{Posted, Visit};
use crate::when::When;

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/audit/records/{index}", get(record))
        .route("/audit/records/{index}/payload", post(payload))
}

#[derive(Template)]
#[template(path = "record.html")]
struct Record {
    chrome: Chrome,
    index: u64,
    /// The one before and the one after.
    before: Option<u64>,
    after: Option<u64>,
    at: When,
    kind: Html,
    facts: Vec<(&'static str, Html)>,
    data: Html,
    action: Option<String>,
    approval: Option<String>,
    has_payload: bool,
    payload: Option<Beside>,
    failure: Option<Failure>,
    /// The record exactly as it is hashed. Control characters are escaped in it, so that it passes a page unchanged.
    text: String,
    /// The same to be read.
    shown: Html,
    proof: Proof,
}

/// What lies beside a record.
struct Beside {
    body: Html,
    salt: String,
}

/// What the browser verifies by.
struct Proof {
    leaf: String,
    hashes: String,
    checkpoint: String,
    vkeys: Vec<String>,
    origin: Html,
}

async fn record(visit: Visit, Path(index): Path<u64>) -> Page {
    page(&visit, index, None, None).await
}

async fn page(visit: &Visit, index: u64, payload: Option<PayloadAnswer>, failure: Option<Failure>) -> Page {
    let found: Result<Box<RawValue>, Trouble> = visit.get(&format!("/v1/audit/records?from={index}&limit=1")).await;
    let proof: InclusionAnswer = visit.get(&format!("/v1/audit/proof/{index}")).await?;
    let keys = format!(
        "/.well-known/countersign-log.json?organization={}",
        Quoted(&visit.who.organization)
    );
    let keys: LogKeysAnswer = visit.get(&keys).await?;
    // Of what was pruned only the leaf hash is left, and what is read is the next that has its bytes.
    let found = found.ok().map(|found| found.get().trim().to_owned());
    let value = |text: &String| serde_json::from_str::<Value>(text).unwrap_or_default();
    let found = found.map(|text| (value(&text), text));
    let found = found.filter(|(record, _)| record.get("seq").and_then(Value::as_u64) == Some(index));
    let (record, text) = found.ok_or(Trouble::Missing)?;
    let status = if failure.is_some() { 422 } else { 200 };
    show_as(status, &filled(visit, &record, text, &proof, &keys, payload, failure))
}

fn filled(
    visit: &Visit,
    record: &Value,
    text: String,
    proof: &InclusionAnswer,
    keys: &LogKeysAnswer,
    payload: Option<PayloadAnswer>,
    failure: Option<Failure>,
) -> Record {
    let member = |pointer: &str| record.pointer(pointer).and_then(Value::as_str);
    let vkeys = keys.logs.iter().flat_map(|log| log.earlier.iter().chain([&log.vkey]));
    Record {
        chrome: visit.chrome(),
        index: proof.index,
        before: proof.index.checked_sub(1),
        after: Some(proof.index + 1).filter(|after| Some(*after) < size_of(&proof.checkpoint)),
        at: visit.zone.when(member("/ts").unwrap_or_default()),
        kind: said(member("/type").unwrap_or_default()),
        facts: facts(record),
        data: value(record.get("data").unwrap_or(&Value::Null)),
        action: member("/data/action_id").map(str::to_owned),
        approval: member("/data/approval").map(str::to_owned),
        has_payload: record.get("payload").is_some(),
        payload: payload.map(|payload| Beside {
            body: match serde_json::from_str(&payload.body) {
                Ok(body) => value(&body),
                Err(_) => said(&payload.body),
            },
            salt: payload.salt,
        }),
        failure,
        shown: said(&text),
        text,
        proof: Proof {
            leaf: proof.leaf_hash.clone(),
            hashes: proof.hashes.join(" "),
            checkpoint: proof.checkpoint.clone(),
            vkeys: vkeys.cloned().collect(),
            origin: said(proof.checkpoint.lines().next().unwrap_or_default()),
        },
    }
}

/// How many records a checkpoint covers: its second line.
fn size_of(checkpoint: &str) -> Option<u64> {
    checkpoint.lines().nth(1)?.parse().ok()
}

/// What every record says, besides what happened.
fn facts(record: &Value) -> Vec<(&'static str, Html)> {
    let member = |pointer: &str| record.pointer(pointer);
    let actor = ["/actor/kind", "/actor/id", "/actor/auth"]
        .map(|pointer| member(pointer).and_then(Value::as_str).unwrap_or_default());
    let [kind, id, auth] = actor;
    let mut facts = vec![("By", said(&format!("{kind} {id}, by {auth}")))];
    if member("/actor/verified") == Some(&Value::Bool(false)) {
        facts.push(("Named by", said("a gateway's key, not by the agent itself")));
    }
    for (name, pointer) in [
        ("Known from", "/prov"),
        ("Policy", "/snapshot"),
        ("Beside it", "/payload"),
        ("Replaced in it", "/redact"),
        ("Ledger", "/log"),
    ] {
        if let Some(shown) = member(pointer) {
            facts.push((name, value(shown)));
        }
    }
    facts
}

/// Shows what lies beside. Asked for by a form, as to read it is not a matter of course.
async fn payload(Path(index): Path<u64>, Posted { visit, fields }: Posted) -> Page {
    let purpose = if fields.text("purpose") == "legal" {
        "legal"
    } else {
        "work"
    };
    let path = format!("/v1/audit/payload/{index}?purpose={purpose}");
    match visit.get(&path).await {
        Ok(payload) => page(&visit, index, Some(payload), None).await,
        Err(trouble) => page(&visit, index, None, Some(Failure::of(trouble)?)).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_says_how_many_records_it_covers() {
        assert_eq!(size_of("log/1\n42\nroot=\n\n— log/1 AAAA\n"), Some(42));
        assert_eq!(size_of(""), None);
    }

    #[test]
    fn a_record_says_who_and_that_a_gateway_named_them() {
        let record = serde_json::json!({
            "actor": {"kind": "agent", "id": "bot", "auth": "key:a", "verified": false}, "prov": "reported", "log": "l"
        });
        let facts: Vec<String> = facts(&record)
            .into_iter()
            .map(|(name, text)| format!("{name}: {text}"))
            .collect();
        assert_eq!(
            facts,
            [
                "By: agent bot, by key:a",
                "Named by: a gateway&#39;s key, not by the agent itself",
                "Known from: reported",
                "Ledger: l"
            ]
        );
    }
}
