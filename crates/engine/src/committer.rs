//! The committer: makes batches durable, and only then answers the callers.

use std::sync::Arc;
use std::time::Duration;

use countersign_store::{Append, AppendError, Org, Turn};

use crate::Inner;
use crate::error::EngineError;
use crate::sequencer::{Batch, fail};

/// How long the outcome of a commit is looked for.
const LOOK_FOR: Duration = Duration::from_secs(20);
/// How long to wait before looking again.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Appends batches until the sequencer is done.
pub(crate) fn commit_batches(inner: &Arc<Inner>) {
    while let Some(batch) = inner.inbox.next_batch() {
        commit(inner, batch);
    }
}

/// Makes a batch durable and answers its callers.
pub(crate) fn commit(inner: &Inner, mut batch: Batch) {
    let result = append(inner, batch.turn.take(), &batch.shares);
    // The sequencer goes on with the next batch while the callers of this one are answered.
    inner.inbox.committed(result.is_ok());
    match result {
        Ok(()) => answer(inner, batch),
        Err(error) => {
            tracing::error!(%error, "a batch was not committed");
            fail(batch, &error);
        }
    }
}

fn append(inner: &Inner, turn: Option<Box<dyn Turn>>, shares: &[Append]) -> Result<(), EngineError> {
    if shares.is_empty() {
        return Ok(());
    }
    let started = std::time::Instant::now();
    let records: usize = shares.iter().map(|share| share.records.len()).sum();
    let appended = match turn {
        Some(turn) => turn.append(shares),
        None => inner.store.append(shares),
    };
    let nothing =
        |why: &dyn std::fmt::Display| EngineError::unavailable("store_failed", format!("nothing was recorded: {why}"));
    let result = match appended {
        Ok(()) => Ok(()),
        Err(AppendError::Full(why)) => Err(EngineError::Unavailable {
            code: "store_full",
            detail: format!("the store is full, nothing was recorded: {why}"),
            retry_after_s: 10,
        }),
        Err(AppendError::Unknown(why)) => match look_for(inner, shares) {
            Ok(true) => Ok(()),
            Ok(false) => Err(nothing(&why)),
            Err(error) => Err(error),
        },
        Err(error @ (AppendError::Conflict { .. } | AppendError::Failed(_))) => Err(nothing(&error)),
    };
    inner
        .metrics
        .commits
        .observe(started.elapsed(), records, result.is_ok());
    result
}

/// When nobody knows how a commit ended, the ledger does. A store that does not answer is asked again for a while.
fn look_for(inner: &Inner, shares: &[Append]) -> Result<bool, EngineError> {
    let until = std::time::Instant::now() + LOOK_FOR;
    loop {
        let error = match is_there(inner, shares) {
            Ok(there) => return Ok(there),
            Err(error) => error,
        };
        if std::time::Instant::now() >= until || inner.is_stepped() {
            tracing::error!(%error, "nobody knows whether a batch was committed, and the store does not answer");
            return Err(EngineError::unavailable(
                "outcome_unknown",
                "it is not known whether this was recorded: ask again with the same idempotency key, or look it up",
            ));
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Whether the shares are in their ledgers: each is there whole or not at all, and one transaction holds them all.
fn is_there(inner: &Inner, shares: &[Append]) -> Result<bool, EngineError> {
    // On a shared store the commit may still be under way. A turn on the same ledgers comes after its end.
    let orgs: Vec<Org> = shares.iter().map(|share| share.org.clone()).collect();
    let turn = inner.store.shared().map(|shared| shared.turn(&orgs)).transpose();
    let _turn = turn.map_err(|error| EngineError::unavailable("store_failed", error.to_string()))?;
    for share in shares {
        let Some(last) = share.records.last() else { continue };
        let head = inner.store.head(&share.org)?;
        if head.is_none_or(|head| head.size <= last.seq) {
            return Ok(false);
        }
        // Somebody else may have appended as many records since.
        if inner.store.leaf_hashes(&share.org, last.seq, last.seq + 1)? != [last.leaf_hash] {
            return Ok(false);
        }
    }
    Ok(true)
}

fn answer(inner: &Inner, batch: Batch) {
    inner.signer.committed(&batch.shares);
    for (org, entries) in &batch.unasked {
        inner.published(org, entries);
    }
    for (org, reply, committed) in batch.replies {
        inner.published(&org, &committed.entries);
        drop(reply.send(Ok(committed)));
    }
    for release in batch.releases {
        release(Ok(()));
    }
}
