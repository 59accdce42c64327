//! Records against signed checkpoints: nothing is written as done that a checkpoint does not cover.

use countersign_tlog::{Checkpoint, Edge, Hash, VerifyingKey, verify_consistency};

use crate::entry::Entry;
use crate::error::ExportError;
use crate::source::{Inclusion, Source};

/// Reads the newest checkpoint of a source: the text, and what it says.
pub(crate) async fn newest(source: &impl Source, key: &VerifyingKey) -> Result<(String, Checkpoint), ExportError> {
    let note = source.checkpoint().await?;
    let checkpoint = open(key, &note)?;
    Ok((note, checkpoint))
}

/// Reads a checkpoint that `key` has to have signed.
pub(crate) fn open(key: &VerifyingKey, note: &str) -> Result<Checkpoint, ExportError> {
    Checkpoint::open(key, note)
        .map_err(|error| ExportError::Finding(format!("the checkpoint is not one of this log: {error}")))
}

/// Whether two origins are of one log, perhaps in different epochs: the last part of an origin is the number of the epoch.
pub(crate) fn same_log(one: &str, other: &str) -> bool {
    let log = |origin: &str| origin.rsplit_once('/').map(|(log, _)| log.to_owned());
    one == other || (log(one).is_some() && log(one) == log(other))
}

/// Reads a checkpoint that `key` has to have signed, in this epoch or under the name of another one.
pub(crate) fn open_earlier(key: &VerifyingKey, note: &str) -> Result<Checkpoint, ExportError> {
    let origin = note.lines().next().unwrap_or_default();
    let renamed = VerifyingKey::new(origin, &key.public());
    match renamed {
        Ok(renamed) if same_log(origin, key.name()) => open(&renamed, note),
        Ok(_) | Err(_) => open(key, note),
    }
}

/// Appends a record to the tree, if it is the next one.
pub(crate) fn push(edge: &mut Edge, entry: &Entry) -> Result<(), ExportError> {
    if entry.seq != edge.size() {
        let expected = edge.size();
        let what = format!("record {expected} was expected, and record {} came", entry.seq);
        return Err(ExportError::Finding(what));
    }
    edge.push(entry.leaf_hash);
    Ok(())
}

/// Checks that the tree of `edge` is the beginning of the tree of a checkpoint.
pub(crate) async fn covered(source: &impl Source, edge: &Edge, head: &Checkpoint) -> Result<(), ExportError> {
    begins(source, (edge.size(), edge.root()), head).await
}

/// Checks that the tree of so many records with this root is the beginning of the tree of a checkpoint.
pub(crate) async fn begins(
    source: &impl Source,
    (size, root): (u64, Hash),
    head: &Checkpoint,
) -> Result<(), ExportError> {
    let found = |why: String| {
        ExportError::Finding(format!(
            "the first {size} records are not the beginning of the log that the checkpoint of {} records signs: {why}",
            head.size
        ))
    };
    if size > head.size {
        return Err(found("it is shorter".to_owned()));
    }
    let proof = if size == 0 || size == head.size {
        Vec::new()
    } else {
        source.consistency(size, head.size).await?
    };
    verify_consistency(size, root, head.size, head.root, &proof).map_err(|error| found(error.to_string()))
}

/// The right edge of the tree of the records before `index`, from the proof that record `index` is in a larger tree: the
/// hashes that join from the left are the roots of the perfect subtrees before it.
///
/// Whether the edge is true shows when the records from `index` on lead from it to a signed root.
pub(crate) fn edge_before(index: u64, proof: &Inclusion) -> Result<Edge, ExportError> {
    let (mut node, mut last) = (index, proof.size.saturating_sub(1));
    let mut left = Vec::new();
    for sibling in &proof.hashes {
        if node & 1 == 1 || node == last {
            left.push(*sibling);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        }
        node >>= 1;
        last >>= 1;
    }
    let mut bytes = index.to_be_bytes().to_vec();
    for Hash(hash) in left.iter().rev() {
        bytes.extend_from_slice(hash);
    }
    Edge::from_bytes(&bytes)
        .map_err(|_| ExportError::Unreadable(format!("the proof of record {index} has the wrong number of hashes")))
}
