//! The record for other programs, sent as it is read: no more than a page of it is in memory.

use std::io;
use std::sync::Arc;

use axum::body::Body;
use countersign_engine::Caller;
use countersign_export::{Entry, FORMATS, Lined};
use countersign_store::Query;
use futures_util::stream::unfold;

use super::audit::decision;
use super::handlers;
use crate::App;
use crate::places::Place;
use crate::problem::Problem;
use crate::query::{Extract, invalid, time, word};
use crate::reply::{Answer, Reply};
use crate::way::Asked;

handlers! {
    "export" => Caller export,
}

/// How many take the record with them at once, and how many with one credential.
pub(crate) const EXPORTS_AT_MOST: usize = 16;
pub(crate) const PLACES_AT_MOST: usize = 2;

struct Exporting {
    app: Arc<App>,
    caller: Caller,
    query: Query,
    lined: &'static Lined,
    /// What comes first.
    head: Option<String>,
    /// Index of the next record; `None` at the end.
    next: Option<u64>,
    end: u64,
    _place: Place,
}

async fn export(asked: Asked<Caller>) -> Answer {
    let wanted: Extract = asked.query()?;
    let lined = lined(wanted.format.as_deref().unwrap_or("jsonl"))?;
    let query = Query {
        action: word("action", wanted.action)?,
        agent: word("agent", wanted.agent)?,
        decision: decision(wanted.decision)?,
        from: time("from", wanted.from.as_deref())?,
        kind: word("type", wanted.kind)?,
        to: time("to", wanted.to.as_deref())?,
        ..Query::default()
    };
    let full = || Problem::new(503, "overloaded", "too many exports are under way").hint("wait until one has ended");
    let place = asked.app.exports.take(&asked.caller).ok_or_else(full)?;
    let (first, end) = asked.app.engine.extract_span(&asked.caller, &query).await?;
    let exporting = Exporting {
        app: asked.app.clone(),
        caller: asked.caller.clone(),
        query,
        lined,
        head: Some(lined.head()),
        next: Some(first),
        end,
        _place: place,
    };
    let sent = unfold(Some(exporting), |exporting| async move {
        let mut exporting = exporting?;
        match exporting.next().await {
            Ok(None) => None,
            Ok(Some(page)) => Some((Ok(page), Some(exporting))),
            // The connection breaks, so that nobody takes what came for all of it.
            Err(why) => {
                tracing::warn!(%why, "an export broke off");
                Some((Err(why), None))
            }
        }
    });
    let mut reply = Reply::bytes("application/octet-stream", Vec::new());
    reply.stream = Some(Body::from_stream(sent));
    Ok(reply)
}

fn lined(name: &str) -> Result<&'static Lined, Problem> {
    let known = FORMATS
        .iter()
        .filter_map(|format| Some((format.name, format.lined.as_ref()?)));
    let found = known.clone().find(|(known, _)| *known == name);
    found.map(|(_, lined)| lined).ok_or_else(|| {
        let names: Vec<&str> = known.map(|(name, _)| name).collect();
        invalid(format!("`format` is one of {}", names.join(", ")))
    })
}

impl Exporting {
    /// What is sent next; `None` at the end.
    async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut out = self.head.take().map(String::into_bytes).unwrap_or_default();
        while let (true, Some(from)) = (out.is_empty(), self.next) {
            let engine = &self.app.engine;
            // Whose credential ends meanwhile gets no more.
            if !engine.still_holds(&self.caller).await.map_err(io::Error::other)? {
                return Err(io::Error::other("the credential holds no more"));
            }
            let page = engine.extract_page(&self.caller, &self.query, from, self.end).await;
            let page = page.map_err(io::Error::other)?;
            for record in &page.records {
                let entry = Entry::read(record).map_err(io::Error::other)?;
                self.lined.line(&entry, &mut out)?;
            }
            self.next = page.next;
        }
        Ok(Some(out).filter(|out| !out.is_empty()))
    }
}
