//! The committer: makes batches durable, and only then answers the callers.

use std::sync::Arc;

use countersign_store::{Append, AppendError};

use crate::Inner;
use crate::error::EngineError;
use crate::sequencer::{Batch, fail};

/// Appends batches until the sequencer is done.
pub(crate) fn commit_batches(inner: &Arc<Inner>) {
    loop {
        let Some(batch) = inner.inbox.next_batch() else { return };
        let result = append(inner, &batch.shares);
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
}

fn append(inner: &Inner, shares: &[Append]) -> Result<(), EngineError> {
    if shares.is_empty() {
        return Ok(());
    }
    let started = std::time::Instant::now();
    let records: usize = shares.iter().map(|share| share.records.len()).sum();
    let result = match inner.store.append(shares) {
        Ok(()) => Ok(()),
        Err(AppendError::Full(why)) => Err(EngineError::Unavailable {
            code: "store_full",
            detail: format!("the store is full, nothing was recorded: {why}"),
            retry_after_s: 10,
        }),
        Err(AppendError::Unknown(why)) => match is_there(inner, shares) {
            Ok(true) => Ok(()),
            Ok(false) => Err(EngineError::unavailable(
                "store_failed",
                format!("nothing was recorded: {why}"),
            )),
            Err(error) => Err(error),
        },
        Err(error @ (AppendError::Conflict { .. } | AppendError::Failed(_))) => Err(EngineError::unavailable(
            "store_failed",
            format!("nothing was recorded: {error}"),
        )),
    };
    inner
        .metrics
        .commits
        .observe(started.elapsed(), records, result.is_ok());
    result
}

/// When nobody knows how a commit ended, the ledger does: each share is there whole or not at all, and one transaction
/// holds them all.
fn is_there(inner: &Inner, shares: &[Append]) -> Result<bool, EngineError> {
    for share in shares {
        let head = inner.store.head(&share.org)?;
        if head.is_none_or(|head| head.size < share.head.size) {
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
