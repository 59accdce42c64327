//! The root of a ledger at an earlier size: what an older checkpoint of it has to state.

use std::collections::HashMap;

use countersign_store::{Head, Store};
use countersign_tlog::{Edge, Hash, tree};

use crate::error::EngineError;

/// The root over the first `size` records. What the ledger's end already knows of the tree is not read again.
pub(crate) fn root_at(store: &dyn Store, org: &str, head: &Head, size: u64) -> Result<Hash, EngineError> {
    let edge = Edge::from_bytes(&head.edge).map_err(EngineError::internal)?;
    if edge.size() == size {
        return Ok(edge.root());
    }
    let known: HashMap<(u8, u64), Hash> = edge.parts().collect();
    let subtree = |level: u8, index: u64| {
        known
            .get(&(level, index))
            .copied()
            .or_else(|| read_subtree(store, org, level, index))
    };
    tree::root(size, &subtree).map_err(EngineError::internal)
}

/// How many leaf hashes are read at once.
const LEAVES_AT_ONCE: u64 = 4096;

fn read_subtree(store: &dyn Store, org: &str, level: u8, index: u64) -> Option<Hash> {
    let width = 1_u64.checked_shl(u32::from(level))?;
    let (mut at, end) = (index.checked_mul(width)?, index.checked_add(1)?.checked_mul(width)?);
    let mut edge = Edge::new();
    while at < end {
        let leaves = store.leaf_hashes(org, at, end.min(at + LEAVES_AT_ONCE)).ok()?;
        if leaves.is_empty() {
            return None;
        }
        at += leaves.len() as u64;
        leaves.into_iter().for_each(|leaf| edge.push(Hash(leaf.0)));
    }
    Some(edge.root())
}
