//! Records that are asked for by index after the pass over all of them: they are read again, a block at a time.

use super::stream::{Frame, Stream};
use super::{BundleError, Files};
use crate::hash::{Hash, leaf_hash};
use crate::tree::Edge;

/// Records in a block.
const BLOCK: u64 = 1024;

/// Where the blocks begin, and the root over each, so that what is read again is what was checked.
pub(super) struct Blocks {
    /// Index of the first record.
    begins: u64,
    marks: Vec<Mark>,
}

struct Mark {
    at: u64,
    edge: Edge,
}

impl Blocks {
    pub(super) fn new(begins: u64) -> Blocks {
        let marks = Vec::new();
        Blocks { begins, marks }
    }

    /// The next record, whose frame is at `at`.
    pub(super) fn push(&mut self, leaf: Hash, at: u64) {
        if self.marks.last().is_none_or(|mark| mark.edge.size() == BLOCK) {
            self.marks.push(Mark { at, edge: Edge::new() });
        }
        if let Some(mark) = self.marks.last_mut() {
            mark.edge.push(leaf);
        }
    }

    /// To read records again.
    pub(super) fn again<'a>(&'a self, files: &'a dyn Files) -> Again<'a> {
        Again {
            blocks: self,
            files,
            block: usize::MAX,
            leaves: Vec::new(),
        }
    }
}

/// Reads records again, fast where they are asked for in order.
pub(super) struct Again<'a> {
    blocks: &'a Blocks,
    files: &'a dyn Files,
    /// The block that is held, and its leaves.
    block: usize,
    leaves: Vec<Vec<u8>>,
}

impl Again<'_> {
    /// The leaf of a record; `None` if there is no such record, or only its hash.
    pub(super) fn leaf(&mut self, index: u64) -> Result<Option<&[u8]>, BundleError> {
        let Some(place) = index.checked_sub(self.blocks.begins) else {
            return Ok(None);
        };
        let Some(mark) = usize::try_from(place / BLOCK)
            .ok()
            .and_then(|block| Some((block, self.blocks.marks.get(block)?)))
        else {
            return Ok(None);
        };
        if self.block != mark.0 {
            self.leaves = self.read(mark.1)?;
            self.block = mark.0;
        }
        let leaf = usize::try_from(place % BLOCK).ok().and_then(|at| self.leaves.get(at));
        Ok(leaf.map(Vec::as_slice))
    }

    fn read(&self, mark: &Mark) -> Result<Vec<Vec<u8>>, BundleError> {
        let mut entries = Stream::new(self.files, "entries", mark.at);
        let (mut leaves, mut edge) = (Vec::new(), Edge::new());
        while edge.size() < mark.edge.size()
            && let Some(Frame::Leaf(leaf)) = entries.frame()?
        {
            let leaf = leaf.to_vec();
            edge.push(leaf_hash(&leaf));
            entries.take(leaf.len() + 2);
            leaves.push(leaf);
        }
        if edge != mark.edge {
            return Err(BundleError::new("entries", "it was changed while it was verified"));
        }
        Ok(leaves)
    }
}
