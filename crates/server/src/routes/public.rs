//! What anybody may see: keys that verify, health, counters, the document.

use countersign_api::audit::{KeySetAnswer, LogKey, LogKeysAnswer};
use countersign_api::operations::HealthAnswer;
use countersign_store::OrganizationRow;

use super::handlers;
use crate::authorize::Visitor;
use crate::problem::Problem;
use crate::query::Organization;
use crate::reply::{Answer, Reply, json};
use crate::way::Asked;

handlers! {
    "key_set" => Visitor key_set,
    "log_keys" => Visitor log_keys,
    "health" => Visitor health,
    "ready" => Visitor ready,
    "metrics" => Visitor metrics,
    "document" => Visitor document,
    "docs" => Visitor docs,
}

async fn key_set(asked: Asked<Visitor>) -> Answer {
    let rows = named(&asked).await?;
    let keys = with_keys(asked, rows, |_, keys| {
        keys.permit
            .jwk()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    });
    json(&KeySetAnswer { keys: keys.await? })
}

/// Origins name nobody: who is meant is told only to those who ask by name.
async fn log_keys(asked: Asked<Visitor>) -> Answer {
    let rows = named(&asked).await?;
    let mut logs = Vec::with_capacity(rows.len());
    for row in rows {
        let keys = asked.app.engine.log_keys(&row.name).await?;
        logs.push(LogKey {
            origin: keys.origin,
            vkey: keys.vkey,
            earlier: keys.earlier,
        });
    }
    logs.sort_by(|a, b| a.origin.cmp(&b.origin));
    json(&LogKeysAnswer { logs })
}

/// The organizations that are meant: the one that is named, else all.
async fn named(asked: &Asked<Visitor>) -> Result<Vec<OrganizationRow>, Problem> {
    let Organization { organization } = asked.query()?;
    let mut rows = asked.app.engine.organizations().await?;
    if let Some(name) = &organization {
        rows.retain(|row| *row.name == **name);
        if rows.is_empty() {
            return Err(Problem::missing("organization", name));
        }
    }
    Ok(rows)
}

/// Keys come from the store the first time, so this may block.
async fn with_keys<T: Send + 'static>(
    asked: Asked<Visitor>,
    rows: Vec<OrganizationRow>,
    make: impl Fn(&OrganizationRow, &countersign_engine::Keys) -> T + Send + 'static,
) -> Result<Vec<T>, Problem> {
    let made = tokio::task::spawn_blocking(move || {
        let make = |row: &OrganizationRow| asked.app.engine.keys(&row.name).map(|keys| make(row, &keys));
        rows.iter().map(make).collect::<Result<Vec<T>, _>>()
    });
    Ok(made.await.map_err(Problem::internal)??)
}

async fn health(_: Asked<Visitor>) -> Answer {
    json(&HealthAnswer { status: "ok".into() })
}

async fn ready(asked: Asked<Visitor>) -> Answer {
    asked.app.engine.is_ready().await?;
    json(&HealthAnswer { status: "ok".into() })
}

async fn metrics(asked: Asked<Visitor>) -> Answer {
    let text = crate::metrics::text(&asked.app.engine, &asked.app.metrics);
    Ok(Reply::bytes("text/plain; version=0.0.4", text.into_bytes()))
}

async fn document(asked: Asked<Visitor>) -> Answer {
    Ok(Reply::bytes("application/json", asked.app.document.clone()))
}

async fn docs(asked: Asked<Visitor>) -> Answer {
    let mut reply = Reply::bytes("text/html; charset=utf-8", asked.app.docs.html.clone());
    reply.policy = Some(asked.app.docs.policy.clone());
    Ok(reply)
}
