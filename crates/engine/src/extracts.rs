//! The ledger in order, a page at a time: what an extract is made of while it is sent.

use countersign_core::Record;
use countersign_store::{Query, SearchRow, Store};

use crate::auth::Caller;
use crate::error::EngineError;
use crate::{Engine, blocking, index};

/// Records that one page looks at.
const LOOKED_AT: usize = 256;

/// A page of an extract.
#[derive(Debug)]
pub struct ExtractPage {
    /// Canonical texts of the records of this page that fit.
    pub records: Vec<String>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<u64>,
}

impl Engine {
    /// Index of the first record that is not before `from`, and how many records a signed checkpoint covers now: an extract ends
    /// there, however the ledger grows meanwhile.
    pub async fn extract_span(&self, caller: &Caller, query: &Query) -> Result<(u64, u64), EngineError> {
        let (size, _) = self.plain_checkpoint(caller).await?;
        let Some(from) = query.from else { return Ok((0, size)) };
        let (inner, org) = (self.inner.clone(), caller.org.clone());
        blocking(move || {
            // Times grow with the index. Records that are pruned lie before all that are there.
            let (mut low, mut high) = (0, size);
            while low < high {
                let middle = low + (high - low) / 2;
                match one(&*inner.store, &org, middle)? {
                    Some(record) if record.ts < from => low = record.seq.max(middle) + 1,
                    Some(_) | None => high = middle,
                }
            }
            Ok((low.min(size), size))
        })
        .await
    }

    /// Records from index `from` on that fit a search, as far as one page looks and `end` allows. They are read from the ledger
    /// and not from the index, so none is missing.
    pub async fn extract_page(
        &self,
        caller: &Caller,
        query: &Query,
        from: u64,
        end: u64,
    ) -> Result<ExtractPage, EngineError> {
        let (inner, org, query) = (self.inner.clone(), caller.org.clone(), query.clone());
        blocking(move || {
            let stored = inner.store.records(&org, from, LOOKED_AT)?;
            let mut page = ExtractPage {
                records: Vec::new(),
                next: None,
            };
            for stored in stored {
                let (record, _) = Record::decode(&stored.leaf).map_err(EngineError::internal)?;
                if stored.seq >= end || query.to.is_some_and(|to| record.ts >= to) {
                    return Ok(ExtractPage { next: None, ..page });
                }
                page.next = Some(stored.seq + 1).filter(|next| *next < end);
                if fits(&query, &index::row(&record)) {
                    page.records.push(String::from_utf8_lossy(&stored.leaf).into_owned());
                }
            }
            Ok(page)
        })
        .await
    }
}

fn one(store: &dyn Store, org: &str, from: u64) -> Result<Option<Record>, EngineError> {
    let first = store.records(org, from, 1)?.into_iter().next();
    let decode = |stored: countersign_store::StoredRecord| Record::decode(&stored.leaf).map(|(record, _)| record);
    first.map(decode).transpose().map_err(EngineError::internal)
}

/// Whether a search finds a record.
fn fits(query: &Query, row: &SearchRow) -> bool {
    let is = |wanted: &Option<String>, has: Option<&str>| wanted.as_deref().is_none_or(|wanted| has == Some(wanted));
    is(&query.action, row.action.as_deref())
        && is(&query.agent, row.agent.as_deref())
        && is(&query.decision, row.decision.as_deref())
        && is(&query.kind, Some(&row.kind))
        && query.from.is_none_or(|from| row.ts >= from)
}
