//! The record for outsiders: search, checkpoints, proofs, and everything that an export is made of.

use std::cell::RefCell;
use std::sync::Arc;

use countersign_api::Receipt;
use countersign_core::digest::Digest;
use countersign_core::{Refusal, event};
use countersign_store::{Head, Org, Query, SearchRow, SnapshotFiles, Store};
use countersign_tlog::{Hash, ProofError, consistency_proof, file_set_hash, inclusion_proof, tree};

use crate::auth::Caller;
use crate::error::EngineError;
use crate::{Engine, Inner, OrgHandle, blocking};

/// Leaves under one cached node of the tree.
const NODE_LEAVES: u64 = 256;
/// Level of those nodes: 2⁸ leaves.
const NODE_LEVEL: u8 = 8;
/// Records that one page of an export has at most.
pub const EXPORT_PAGE_AT_MOST: usize = 10_000;
/// Lines that one page of a search has at most.
pub const SEARCH_PAGE_AT_MOST: usize = 500;

/// A line of a search, with its record.
#[derive(Debug)]
pub struct AuditEntry {
    /// Where it is.
    pub receipt: Receipt,
    /// The record's canonical text.
    pub record: String,
}

/// A page of a search.
#[derive(Debug)]
pub struct SearchPage {
    /// Newest first.
    pub entries: Vec<AuditEntry>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<u64>,
    /// How many records the index covers.
    pub as_of_seq: u64,
}

/// A proof that a record is in the tree of a checkpoint.
#[derive(Debug)]
pub struct InclusionProof {
    /// The record's index.
    pub index: u64,
    /// Leaf hash of the record.
    pub leaf_hash: Digest,
    /// Sibling hashes from the leaf up.
    pub hashes: Vec<Hash>,
    /// The signed checkpoint.
    pub checkpoint: String,
}

/// A file of an export that is small enough to be had at once.
#[derive(Debug)]
pub struct ExportFile {
    /// Its name in the bundle.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Engine {
    /// Searches the ledger, newest first. Waits up to a second for the index to cover `min_seq`.
    pub async fn search(
        &self,
        caller: &Caller,
        mut query: Query,
        min_seq: Option<u64>,
    ) -> Result<SearchPage, EngineError> {
        query.limit = query.limit.clamp(1, SEARCH_PAGE_AT_MOST);
        let org = caller.org.clone();
        if let Some(min_seq) = min_seq {
            self.wait_for_index(&org, min_seq).await?;
        }
        let inner = self.inner.clone();
        blocking(move || {
            let as_of_seq = inner.store.indexed(&org)?;
            let rows: Vec<SearchRow> = inner.store.search(&org, &query)?;
            let next = rows.last().filter(|_| rows.len() == query.limit).map(|row| row.seq);
            let mut entries = Vec::with_capacity(rows.len());
            for row in rows {
                let stored = inner.store.records(&org, row.seq, 1)?;
                // Of what was pruned a line may be left, and the record after it is another.
                for stored in stored.into_iter().filter(|stored| stored.seq == row.seq) {
                    entries.push(AuditEntry {
                        receipt: Receipt {
                            index: stored.seq,
                            leaf_hash: stored.leaf_hash.to_string(),
                        },
                        record: String::from_utf8_lossy(&stored.leaf).into_owned(),
                    });
                }
            }
            Ok(SearchPage {
                entries,
                next,
                as_of_seq,
            })
        })
        .await
    }

    /// Waits up to a second for the index to cover a record. One that is not there yet is not waited for: only the index lags behind, never the ledger.
    pub(crate) async fn wait_for_index(&self, org: &Org, min_seq: u64) -> Result<(), EngineError> {
        let size = self.released(org).await?.size;
        if min_seq >= size {
            let detail = format!("`min_seq`: the ledger has {size} records");
            return Err(Refusal::invalid("invalid_parameter", detail).into());
        }
        if self.is_indexed(org, min_seq).await? {
            return Ok(());
        }
        Err(EngineError::unavailable(
            "index_behind",
            format!("the search index does not cover record {min_seq} yet"),
        ))
    }

    /// Waits up to a second for the index to cover a record that is there, and says whether it does.
    pub(crate) async fn is_indexed(&self, org: &Org, seq: u64) -> Result<bool, EngineError> {
        for _ in 0..50 {
            let (inner, name) = (self.inner.clone(), org.clone());
            if blocking(move || Ok(inner.store.indexed(&name)?)).await? > seq {
                return Ok(true);
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        Ok(false)
    }

    /// The newest signed checkpoint, with what witnesses say of it.
    pub async fn checkpoint(&self, caller: &Caller) -> Result<(u64, String), EngineError> {
        let (size, checkpoint) = self.plain_checkpoint(caller).await?;
        Ok((size, self.with_cosignatures(&caller.org, checkpoint)))
    }

    /// The newest signed checkpoint as the log signed it.
    pub async fn plain_checkpoint(&self, caller: &Caller) -> Result<(u64, String), EngineError> {
        let head = self.released(&caller.org).await?;
        Ok((head.size, head.checkpoint))
    }

    /// A proof that record `index` is in the newest checkpoint.
    pub async fn inclusion(&self, caller: &Caller, index: u64) -> Result<InclusionProof, EngineError> {
        let Head { size, checkpoint, .. } = self.released(&caller.org).await?;
        let (inner, org) = (self.inner.clone(), caller.org.clone());
        blocking(move || {
            if index >= size {
                return Err(Refusal::missing("record", index).into());
            }
            let handle = inner.org(&org)?;
            let hashes = with_subtrees(&inner, &handle, &org, size, |subtrees| {
                inclusion_proof(index, size, subtrees)
            })?;
            let leaf_hash = inner.store.leaf_hashes(&org, index, index + 1)?.first().copied();
            let leaf_hash = leaf_hash.ok_or_else(|| Refusal::missing("record", index))?;
            Ok(InclusionProof {
                index,
                leaf_hash,
                hashes,
                checkpoint,
            })
        })
        .await
    }

    /// A proof that the tree of `new` records extends the tree of `old` records.
    pub async fn consistency(&self, caller: &Caller, old: u64, new: u64) -> Result<Vec<Hash>, EngineError> {
        let size = self.released(&caller.org).await?.size;
        let (inner, org) = (self.inner.clone(), caller.org.clone());
        blocking(move || {
            if old == 0 || old > new || new > size {
                let detail = format!("there is no proof from {old} to {new} in a ledger of {size} records");
                return Err(Refusal::invalid("invalid_range", detail).into());
            }
            let handle = inner.org(&org)?;
            with_subtrees(&inner, &handle, &org, new, |subtrees| {
                consistency_proof(old, new, subtrees)
            })
        })
        .await
    }

    /// Canonical texts of records from index `from` on, in order.
    pub async fn records(&self, caller: &Caller, from: u64, limit: usize) -> Result<Vec<String>, EngineError> {
        let (inner, org) = (self.inner.clone(), caller.org.clone());
        blocking(move || {
            let stored = inner.store.records(&org, from, limit.clamp(1, EXPORT_PAGE_AT_MOST))?;
            Ok(stored
                .into_iter()
                .map(|stored| String::from_utf8_lossy(&stored.leaf).into_owned())
                .collect())
        })
        .await
    }

    /// The JSON Schemas that the ledger began with.
    pub async fn schemas(&self, caller: &Caller) -> Result<Vec<ExportFile>, EngineError> {
        let (inner, org) = (self.inner.clone(), caller.org.clone());
        blocking(move || {
            let opened = inner.opened(&org)?;
            let files = inner.store.snapshot(&org, &format!("sha256:{}", opened.schemas))?;
            let files = files.ok_or_else(|| EngineError::internal("the schemas of a ledger are gone"))?;
            Ok(files
                .into_iter()
                .map(|(name, bytes)| ExportFile { name, bytes })
                .collect())
        })
        .await
    }
}

/// Gives `prove` the hashes of perfect subtrees: small ones from the store's leaf hashes, large ones from roots of 256
/// leaves each, which are kept in memory (32 bytes for 256 records).
pub(crate) fn with_subtrees(
    inner: &Inner,
    handle: &OrgHandle,
    org: &str,
    size: u64,
    prove: impl FnOnce(tree::Subtrees<'_>) -> Result<Vec<Hash>, ProofError>,
) -> Result<Vec<Hash>, EngineError> {
    let mut nodes = crate::lock(&handle.nodes);
    while (nodes.len() as u64 + 1) * NODE_LEAVES <= size {
        let from = nodes.len() as u64 * NODE_LEAVES;
        let leaves = leaf_hashes(&*inner.store, org, from, from + NODE_LEAVES)?;
        let root = tree::perfect_subtree(&leaves);
        nodes.push(root.ok_or_else(|| EngineError::internal(format!("leaf hashes from {from} on are incomplete")))?);
    }
    // A proof only knows that a hash is missing; why is told here.
    let unread = RefCell::new(None);
    let subtree = |level: u8, index: u64| -> Option<Hash> {
        if level >= NODE_LEVEL {
            let span = 1_u64.checked_shl(u32::from(level - NODE_LEVEL))?;
            let from = usize::try_from(index.checked_mul(span)?).ok()?;
            return tree::perfect_subtree(nodes.get(from..from + usize::try_from(span).ok()?)?);
        }
        let from = index << level;
        match leaf_hashes(&*inner.store, org, from, from + (1 << level)) {
            Ok(leaves) => tree::perfect_subtree(&leaves),
            Err(error) => {
                unread.replace(Some(error));
                None
            }
        }
    };
    prove(&subtree).map_err(|error| unread.take().unwrap_or_else(|| EngineError::internal(error)))
}

fn leaf_hashes(store: &dyn Store, org: &str, from: u64, to: u64) -> Result<Vec<Hash>, EngineError> {
    Ok(store
        .leaf_hashes(org, from, to)?
        .into_iter()
        .map(|digest| Hash(digest.0))
        .collect())
}

/// The JSON Schemas of all record types of this version.
fn schema_files() -> Vec<(String, Vec<u8>)> {
    event::schemas()
        .into_iter()
        .map(|(kind, schema)| (format!("{kind}.json"), schema.into_bytes()))
        .collect()
}

/// The schemas as they go beside a ledger, under the hash of their set.
pub(crate) fn schema_set() -> (Digest, SnapshotFiles) {
    let files = schema_files();
    let hash = Digest(file_set_hash(files.iter().map(|(_, bytes)| bytes.as_slice())).0);
    let name: Arc<str> = format!("sha256:{hash}").into();
    (hash, SnapshotFiles { files, hash: name })
}
