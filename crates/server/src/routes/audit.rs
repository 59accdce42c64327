//! The record for outsiders.

use countersign_api::audit::{
    AuditAnswer, AuditEntryAnswer, CheckpointAnswer, ConsistencyAnswer, InclusionAnswer, PayloadAnswer, SchemasAnswer,
};
use countersign_engine::Caller;
use countersign_store::Query;
use serde_json::value::RawValue;

use super::handlers;
use crate::problem::Problem;
use crate::query::{Page, Purpose, Search, Span, Witnessed, id, time, whole, within, word};
use crate::reply::{Answer, Reply, json};
use crate::way::Asked;

handlers! {
    "audit" => Caller search,
    "checkpoint" => Caller checkpoint,
    "inclusion" => Caller inclusion,
    "consistency" => Caller consistency,
    "records" => Caller records,
    "payload" => Caller payload,
    "schemas" => Caller schemas,
}

const DECISIONS: [&str; 5] = [
    "allow",
    "allow_with_constraints",
    "remediate",
    "require_approval",
    "deny",
];

/// A decision to search for.
pub(super) fn decision(wanted: Option<String>) -> Result<Option<String>, Problem> {
    match wanted {
        Some(word) if !DECISIONS.contains(&word.as_str()) => {
            let detail = format!("`{}` is not a decision", crate::body::clip(&word, 64));
            Err(Problem::invalid("invalid_parameter", detail).hint(DECISIONS.join(", ")))
        }
        other => Ok(other),
    }
}

async fn search(asked: Asked<Caller>) -> Answer {
    let search: Search = asked.query()?;
    let query = Query {
        action: word("action", search.action)?,
        agent: word("agent", search.agent)?,
        before: search.cursor.map(|cursor| whole("cursor", cursor)).transpose()?,
        decision: decision(search.decision)?,
        from: time("from", search.from.as_deref())?,
        kind: word("type", search.kind)?,
        limit: within("limit", search.limit, 50, 500)?,
        to: time("to", search.to.as_deref())?,
    };
    let page = asked.app.engine.search(&asked.caller, query, search.min_seq).await?;
    let mut entries = Vec::with_capacity(page.entries.len());
    for entry in page.entries {
        let record = RawValue::from_string(entry.record).map_err(Problem::internal)?;
        entries.push(AuditEntryAnswer {
            receipt: entry.receipt,
            record,
        });
    }
    let next_cursor = page.next.map(|next| next.to_string());
    json(&AuditAnswer {
        entries,
        next_cursor,
        as_of_seq: page.as_of_seq,
    })
}

async fn checkpoint(asked: Asked<Caller>) -> Answer {
    let engine = &asked.app.engine;
    let (size, checkpoint) = if asked.query::<Witnessed>()?.witnessed {
        engine.witnessed(&asked.caller).await?
    } else {
        engine.checkpoint(&asked.caller).await?
    };
    json(&CheckpointAnswer { size, checkpoint })
}

async fn inclusion(asked: Asked<Caller>) -> Answer {
    let proof = asked
        .app
        .engine
        .inclusion(&asked.caller, id("record", asked.param())?)
        .await?;
    json(&InclusionAnswer {
        index: proof.index,
        leaf_hash: proof.leaf_hash.to_string(),
        hashes: proof.hashes.iter().map(ToString::to_string).collect(),
        checkpoint: proof.checkpoint,
    })
}

async fn consistency(asked: Asked<Caller>) -> Answer {
    let Span { from, to } = asked.query()?;
    let (from, to) = (whole("from", from)?, whole("to", to)?);
    let hashes = asked.app.engine.consistency(&asked.caller, from, to).await?;
    json(&ConsistencyAnswer {
        from,
        to,
        hashes: hashes.iter().map(ToString::to_string).collect(),
    })
}

async fn records(asked: Asked<Caller>) -> Answer {
    let Page { from, limit } = asked.query()?;
    let from = whole("from", from)?;
    let limit = within("limit", limit, 1000, 10_000)?;
    let records = asked.app.engine.records(&asked.caller, from, limit).await?;
    let mut lines = Vec::with_capacity(records.iter().map(|record| record.len() + 1).sum());
    for record in records {
        lines.extend_from_slice(record.as_bytes());
        lines.push(b'\n');
    }
    Ok(Reply::bytes("application/jsonl", lines))
}

async fn payload(asked: Asked<Caller>) -> Answer {
    let index = id("record", asked.param())?;
    let asked_for: Purpose = asked.query()?;
    let purpose = match asked_for.purpose.as_deref() {
        None | Some("work") => countersign_engine::Purpose::Work,
        Some("legal") => countersign_engine::Purpose::Legal,
        Some(other) => {
            let detail = format!("`{}` is not a purpose", crate::body::clip(other, 64));
            return Err(Problem::invalid("invalid_parameter", detail).hint("write `legal`, or leave it out"));
        }
    };
    let (salt, body) = asked.app.engine.payload(&asked.caller, index, purpose).await?;
    json(&PayloadAnswer { index, salt, body })
}

async fn schemas(asked: Asked<Caller>) -> Answer {
    let files = asked.app.engine.schemas(&asked.caller).await?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    json(&SchemasAnswer {
        files: files.into_iter().map(|file| (file.name, text(file.bytes))).collect(),
    })
}
