//! The log as tiles: what monitors and mirrors of C2SP logs read.

use countersign_core::Refusal;
use countersign_tlog::bundle::entries_frame;
use countersign_tlog::tile::{TILE_WIDTH, Tile};

use crate::audit::with_subtrees;
use crate::auth::Caller;
use crate::error::EngineError;
use crate::{Engine, blocking};

impl Engine {
    /// The bytes of a tile: hashes one after the other, or entries with their lengths in front. A tile that reaches beyond the
    /// newest checkpoint that may be released is not there yet.
    pub async fn tile(&self, caller: &Caller, tile: Tile) -> Result<Vec<u8>, EngineError> {
        let size = self.released(&caller.org).await?.size;
        let missing = move || EngineError::from(Refusal::missing("tile", tile));
        if tile.needs().is_none_or(|needs| needs > size) {
            return Err(missing());
        }
        let (inner, org) = (self.inner.clone(), caller.org.clone());
        blocking(move || {
            let from = tile.index * TILE_WIDTH;
            let width = usize::try_from(tile.width).map_err(EngineError::internal)?;
            let mut bytes = Vec::new();
            match tile.level {
                Some(level) => {
                    let handle = inner.org(&org)?;
                    let hashes = with_subtrees(&inner, &handle, &org, size, |subtrees| {
                        let hash = |index| {
                            let level = 8 * level;
                            subtrees(level, index).ok_or(countersign_tlog::ProofError::Missing { level, index })
                        };
                        (from..from + tile.width).map(hash).collect()
                    })?;
                    bytes.extend(hashes.into_iter().flat_map(|hash| hash.0));
                }
                None => {
                    let records = inner.store.records(&org, from, width)?;
                    // What was pruned has hashes, and no bytes.
                    let whole = records.len() == width && records.first().is_some_and(|first| first.seq == from);
                    if !whole {
                        return Err(missing());
                    }
                    for record in records {
                        entries_frame(&record.leaf, &mut bytes).map_err(EngineError::internal)?;
                    }
                }
            }
            Ok(bytes)
        })
        .await
    }
}
