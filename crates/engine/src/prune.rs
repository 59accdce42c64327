//! Pruning: old records lose their bytes, their leaf hashes stay. Proofs hold as before, and an export says where its
//! records begin.
//!
//! Only whole tiles of the tree go, below the newest seal and below everything that is open, and only where no payload
//! is left and no floor of retention asks for the records. The first record is kept beside the ledger: it names the key,
//! the currency and the schemas.

use std::sync::Arc;

use countersign_core::command::Prune;
use countersign_core::event::LedgerOpened;
use countersign_core::policy::FLOOR_DAYS;
use countersign_core::retention::legal_floor;
use countersign_core::{Command, Event, Record, Refusal, Span, Time};
use countersign_store::{Org, Payloads, SnapshotFiles, Store};

use crate::auth::Caller;
use crate::error::EngineError;
use crate::inbox::Lane;
use crate::intake::Request;
use crate::ledger::Beside;
use crate::{Engine, Inner, blocking, by_system};

/// Records of one tile of the tree.
const TILE: u64 = 256;
/// Leaf hashes that one page has at most.
pub const HASHES_AT_MOST: usize = 10_000;
/// Under which name the first record lies beside the ledger once it is pruned. No snapshot is called so.
const FIRST_RECORD: &str = "ledger.opened";

/// What is known of records besides their bytes.
#[derive(Debug)]
pub struct LeafHashes {
    /// Records before this index have no bytes any more.
    pub pruned: u64,
    /// Hashes in order, hexadecimal.
    pub hashes: Vec<String>,
    /// The exact first record, if it is among those.
    pub first: Option<String>,
}

/// The lowest index that has to stay, and what it is.
struct Bound(u64, &'static str);

impl Engine {
    /// Removes the bytes of records before an instant, as far as that may be. Answers the range.
    pub async fn prune(&self, request: &Request<'_>, before: Time, why: &str) -> Result<(u64, u64), EngineError> {
        let org = &request.caller.org;
        let Some(reason) = self.words(Some(why)) else {
            return Err(Refusal::invalid("reason_required", "say why").into());
        };
        // Nothing above the newest seal goes, so there has to be one.
        let seal = by_system(Command::Seal);
        self.perform(Lane::Write, org, seal, Beside::default()).await?;
        let (bounds, pruned, delivered) = self
            .look(org, |state| {
                let sealed = Bound(state.sealed_at(), "the state is sealed there");
                let open = state.oldest_open().map(|open| Bound(open, "something is open since"));
                // Names of the log are read off the records, so what begins an epoch stays.
                let epoch = state
                    .epochs()
                    .first()
                    .map(|epoch| Bound(epoch.previous.size, "an epoch begins there"));
                let bounds: Vec<Bound> = std::iter::once(sealed).chain(open).chain(epoch).collect();
                let actions: Vec<u128> = state.deliveries().values().map(|it| it.action_id.0).collect();
                (bounds, state.pruned(), actions)
            })
            .await?;
        let live = self.inner.org(org)?.live();
        let floor = Span::days(FLOOR_DAYS.into()).max(legal_floor(live.as_deref()).unwrap_or_default());
        let before = before.min(self.inner.clock.read().now - floor);
        let (inner, name) = (self.inner.clone(), org.clone());
        let found = blocking(move || inner.prunable(&name, bounds, &delivered, pruned, before)).await?;
        let (to, oldest, newest, first) = found;
        let prune = Prune {
            to,
            oldest,
            newest,
            reason,
        };
        let beside = Beside {
            prune: Some(to),
            snapshots: first.into_iter().collect(),
            ..Beside::default()
        };
        let envelope = request.envelope(Command::Prune(Box::new(prune)));
        self.perform(Lane::Write, org, envelope, beside).await?;
        Ok((pruned, to))
    }

    /// Leaf hashes of records from index `from` on, in order.
    pub async fn leaf_hashes(&self, caller: &Caller, from: u64, limit: usize) -> Result<LeafHashes, EngineError> {
        let (inner, org) = (self.inner.clone(), caller.org.clone());
        blocking(move || {
            let to = from.saturating_add(limit.clamp(1, HASHES_AT_MOST) as u64);
            let hashes = inner.store.leaf_hashes(&org, from, to)?;
            let pruned = inner.store.pruned(&org)?;
            let first = if pruned > 0 {
                Some(first_record(&*inner.store, &org)?)
            } else {
                None
            };
            Ok(LeafHashes {
                pruned,
                hashes: hashes.iter().map(ToString::to_string).collect(),
                first: first.map(|leaf| String::from_utf8_lossy(&leaf).into_owned()),
            })
        })
        .await
    }
}

impl Inner {
    /// How far a ledger can be pruned: the index, the times of the first and the last record that goes, and the first
    /// record, if it is among them.
    fn prunable(
        &self,
        org: &Org,
        mut bounds: Vec<Bound>,
        delivered: &[u128],
        pruned: u64,
        before: Time,
    ) -> Result<(u64, Time, Time, Option<SnapshotFiles>), EngineError> {
        let size = self.store.head(org)?.map_or(0, |head| head.size);
        let which = Payloads {
            before: size,
            limit: 1,
            ..Payloads::default()
        };
        let payload = self.store.payloads(org, &which)?;
        bounds.extend(payload.first().map(|seq| Bound(*seq, "a payload is left there")));
        for action in delivered {
            let about = self.store.by_subject(org, *action)?;
            bounds.extend(
                about
                    .first()
                    .map(|record| Bound(record.seq, "a callback about it is on its way")),
            );
        }
        let newer = self.first_not_before(org, pruned, size, before)?;
        bounds.push(Bound(newer, "it is not old enough"));
        let Some(Bound(limit, why)) = bounds.into_iter().min_by_key(|bound| bound.0) else {
            return Err(EngineError::internal("a ledger without bounds"));
        };
        let to = limit / TILE * TILE;
        if to <= pruned {
            let detail = format!("nothing can be pruned: record {limit} has to stay, {why}");
            return Err(Refusal::conflict("nothing_to_prune", detail)
                .hint(format!("records go {TILE} at a time, from {pruned} on"))
                .into());
        }
        let first = match pruned {
            0 => Some(SnapshotFiles {
                files: vec![("0.json".to_owned(), first_record(&*self.store, org)?)],
                hash: Arc::from(FIRST_RECORD),
            }),
            _ => None,
        };
        let time = |seq| Ok::<Time, EngineError>(self.record(org, seq)?.ts);
        Ok((to, time(pruned)?, time(to - 1)?, first))
    }

    /// Index of the first record in `from..to` that is not before an instant.
    fn first_not_before(&self, org: &str, mut from: u64, mut to: u64, instant: Time) -> Result<u64, EngineError> {
        while from < to {
            let middle = from + (to - from) / 2;
            if self.record(org, middle)?.ts < instant {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        Ok(from)
    }

    /// How a ledger was opened.
    pub(crate) fn opened(&self, org: &str) -> Result<LedgerOpened, EngineError> {
        let (record, _) = Record::decode(&first_record(&*self.store, org)?).map_err(EngineError::internal)?;
        match record.event {
            Event::LedgerOpened(opened) => Ok(*opened),
            _other => Err(EngineError::internal("a ledger does not begin with its opening")),
        }
    }
}

/// The exact bytes of the first record.
pub(crate) fn first_record(store: &dyn Store, org: &str) -> Result<Vec<u8>, EngineError> {
    let stored = store.records(org, 0, 1)?.into_iter().find(|stored| stored.seq == 0);
    if let Some(stored) = stored {
        return Ok(stored.leaf);
    }
    let kept = store
        .snapshot(org, FIRST_RECORD)?
        .and_then(|files| files.into_iter().next());
    let (_, leaf) = kept.ok_or_else(|| EngineError::internal("the first record of a ledger is gone"))?;
    Ok(leaf)
}
