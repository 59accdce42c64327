//! What happened to policies: who stored one, who made it live and why, as the ledger has it.

use countersign_api::policies::PolicyStepAnswer;
use countersign_core::event::{CandidateEnd, DeclinedBecause};
use countersign_core::{Event, Record};
use countersign_store::Query;

use crate::auth::Caller;
use crate::error::EngineError;
use crate::{Engine, blocking};

/// Types of records about policies.
const TYPES: [&str; 8] = [
    "candidate.ended",
    "candidate.started",
    "snapshot.activated",
    "snapshot.declined",
    "snapshot.judged",
    "snapshot.proposed",
    "snapshot.uploaded",
    "snapshot.waived",
];

impl Engine {
    /// What happened to policies, newest first, at most so many steps.
    pub async fn policy_history(&self, caller: &Caller, limit: usize) -> Result<Vec<PolicyStepAnswer>, EngineError> {
        let size = self.released(&caller.org).await?.size;
        if let Some(newest) = size.checked_sub(1) {
            // Where the index is far behind, what it has is better than nothing.
            let _ = self.wait_for_index(&caller.org, newest).await;
        }
        let (inner, org) = (self.inner.clone(), caller.org.clone());
        blocking(move || {
            let mut found = Vec::new();
            for kind in TYPES {
                let query = Query {
                    kind: Some(kind.to_owned()),
                    limit,
                    ..Query::default()
                };
                found.extend(inner.store.search(&org, &query)?.into_iter().map(|row| row.seq));
            }
            found.sort_unstable_by(|a, b| b.cmp(a));
            found.truncate(limit);
            let mut steps = Vec::with_capacity(found.len());
            for seq in found {
                // Of what was pruned a line may be left, and the record after it is another.
                let stored = inner.store.records(&org, seq, 1)?;
                for stored in stored.into_iter().filter(|stored| stored.seq == seq) {
                    let (record, _) = Record::decode(&stored.leaf).map_err(EngineError::internal)?;
                    let words = match record.payload {
                        Some(_) => inner.text_payload(&org, seq)?,
                        None => None,
                    };
                    steps.extend(step(&record, words));
                }
            }
            Ok(steps)
        })
        .await
    }
}

/// A record about a policy as a step; `words` are those of whoever took it.
fn step(record: &Record, words: Option<String>) -> Option<PolicyStepAnswer> {
    let (hash, what, why) = match &record.event {
        Event::SnapshotUploaded(event) => (&event.hash, "uploaded", None),
        Event::SnapshotActivated(event) if event.rollback => (&event.hash, "rolled_back", None),
        Event::SnapshotActivated(event) => (&event.hash, "activated", None),
        Event::SnapshotProposed(event) => (&event.hash, "proposed", None),
        Event::SnapshotJudged(event) if event.agrees => (&event.hash, "agreed", None),
        Event::SnapshotJudged(event) => (&event.hash, "rejected", None),
        Event::SnapshotWaived(event) => (&event.hash, "waived", None),
        Event::SnapshotDeclined(event) => {
            let why = match event.why {
                DeclinedBecause::Expired => "nobody decided in time",
                DeclinedBecause::Rejected => "somebody said no",
                DeclinedBecause::Superseded => "another one was proposed",
            };
            (&event.hash, "declined", Some(why))
        }
        Event::CandidateStarted(event) if event.canary.is_some() => (&event.hash, "canary", None),
        Event::CandidateStarted(event) => (&event.hash, "shadow", None),
        Event::CandidateEnded(event) => {
            let (what, why) = match event.why {
                CandidateEnd::Halted => ("halted", Some("a rate left its band")),
                CandidateEnd::Promoted => ("promoted", None),
                CandidateEnd::Superseded => ("ended", Some("another one is live, or is tried")),
                CandidateEnd::Withdrawn => ("withdrawn", None),
            };
            (&event.hash, what, why)
        }
        // Nothing else was looked for.
        _other => return None,
    };
    Some(PolicyStepAnswer {
        at: record.ts.to_string(),
        by: record.actor.id.clone(),
        hash: hash.to_string(),
        index: record.seq,
        what: what.to_owned(),
        why: words.or_else(|| why.map(str::to_owned)),
    })
}
