//! The Merkle tree of RFC 6962: the right edge that a writer keeps, proofs, and their verification.
//!
//! A *perfect subtree* is named by `(level, index)`: it covers the leaves from `index << level` up to, but without,
//! `(index + 1) << level`. Level 0 holds the leaf hashes. Those hashes are what a store keeps, since they never change.

use crate::hash::{Hash, node_hash};

/// Gives the stored hash of the perfect subtree `(level, index)`, if there is one.
pub type Subtrees<'a> = &'a dyn Fn(u8, u64) -> Option<Hash>;

/// A proof cannot be made, or does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The sizes or the index make no sense together.
    #[error("no such proof: {0}")]
    Range(&'static str),
    /// The accessor lacks a hash.
    #[error("the hash at level {level}, index {index} is missing")]
    Missing {
        /// Level, from the leaves at 0.
        level: u8,
        /// Index within the level.
        index: u64,
    },
    /// The proof has too few or too many hashes.
    #[error("the proof has the wrong number of hashes")]
    Length,
    /// The proof leads to another root.
    #[error("the proof leads to another root")]
    Root,
    /// The bytes of a right edge are damaged.
    #[error("these bytes are no right edge")]
    Edge,
}

/// The right edge of a tree: the roots of the perfect subtrees that cover it, largest first.
///
/// At a million leaves that is at most 20 hashes; nothing else is needed to append and to know the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    hashes: Vec<Hash>,
}

impl Edge {
    /// The edge of the empty tree.
    pub fn new() -> Edge {
        Edge::default()
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf by its [`crate::leaf_hash`].
    pub fn push(&mut self, leaf: Hash) {
        // Each trailing 1 bit of the size is a perfect subtree that the new leaf completes to a larger one.
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.hashes.pop() {
                hash = node_hash(left, hash);
            }
        }
        self.hashes.push(hash);
        self.size = self.size.saturating_add(1);
    }

    /// The root: RFC 6962, section 2.1. The empty tree's is SHA-256 of nothing.
    pub fn root(&self) -> Hash {
        let folded = self
            .hashes
            .iter()
            .rev()
            .copied()
            .reduce(|right, left| node_hash(left, right));
        folded.unwrap_or_else(|| Hash::of(b""))
    }

    /// The perfect subtrees that cover the tree, by `(level, index)`, largest first.
    pub fn parts(&self) -> impl Iterator<Item = ((u8, u64), Hash)> {
        let mut at = 0_u64;
        self.hashes.iter().map(move |hash| {
            let level = 63 - self.size.saturating_sub(at).max(1).leading_zeros();
            let place = (u8::try_from(level).unwrap_or(u8::MAX), at >> level);
            at = at.saturating_add(1 << level);
            (place, *hash)
        })
    }

    /// The size as 8 bytes, big-endian, then the hashes, 32 bytes each, largest subtree first.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.size.to_be_bytes().to_vec();
        for hash in &self.hashes {
            bytes.extend_from_slice(&hash.0);
        }
        bytes
    }

    /// Reads [`Edge::to_bytes`] back.
    ///
    /// # Errors
    /// [`ProofError::Edge`] if there is not one hash for each 1 bit of the size.
    pub fn from_bytes(bytes: &[u8]) -> Result<Edge, ProofError> {
        let (size, rest) = bytes.split_first_chunk::<8>().ok_or(ProofError::Edge)?;
        let size = u64::from_be_bytes(*size);
        let (hashes, tail) = rest.as_chunks::<32>();
        if !tail.is_empty() || u32::try_from(hashes.len()) != Ok(size.count_ones()) {
            return Err(ProofError::Edge);
        }
        Ok(Edge {
            size,
            hashes: hashes.iter().copied().map(Hash).collect(),
        })
    }
}

/// The hash of one perfect subtree from all of its leaf hashes; `None` unless their number is a power of two.
///
/// `perfect_subtree(&leaves[index << level..(index + 1) << level])` is the hash stored as `(level, index)`.
pub fn perfect_subtree(leaves: &[Hash]) -> Option<Hash> {
    if !leaves.len().is_power_of_two() {
        return None;
    }
    let mut edge = Edge::new();
    leaves.iter().for_each(|leaf| edge.push(*leaf));
    Some(edge.root())
}

/// The root of the tree of `size` leaves.
///
/// # Errors
/// [`ProofError::Missing`].
pub fn root(size: u64, subtrees: Subtrees<'_>) -> Result<Hash, ProofError> {
    if size == 0 {
        Ok(Hash::of(b""))
    } else {
        range_hash(0, size, subtrees)
    }
}

/// The proof that leaf `index` is in the tree of `size` leaves, from the leaf's sibling up: RFC 6962, section 2.1.1.
///
/// # Errors
/// [`ProofError::Range`] unless `index < size`; [`ProofError::Missing`].
pub fn inclusion_proof(index: u64, size: u64, subtrees: Subtrees<'_>) -> Result<Vec<Hash>, ProofError> {
    if index >= size {
        return Err(ProofError::Range("the index is not below the size"));
    }
    let (mut start, mut end) = (0, size);
    let mut proof = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            proof.push(range_hash(middle, end, subtrees)?);
            end = middle;
        } else {
            proof.push(range_hash(start, middle, subtrees)?);
            start = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The proof that the tree of `old` leaves is a prefix of the tree of `new` leaves: RFC 6962, section 2.1.2.
///
/// It is empty if `old` is 0 or equal to `new`.
///
/// # Errors
/// [`ProofError::Range`] if `old > new`; [`ProofError::Missing`].
pub fn consistency_proof(old: u64, new: u64, subtrees: Subtrees<'_>) -> Result<Vec<Hash>, ProofError> {
    if old > new {
        return Err(ProofError::Range("the old size is above the new size"));
    }
    let mut proof = Vec::new();
    if old == 0 || old == new {
        return Ok(proof);
    }
    let (mut start, mut end) = (0, new);
    while old != end {
        let middle = start + split(end - start);
        if old <= middle {
            proof.push(range_hash(middle, end, subtrees)?);
            end = middle;
        } else {
            proof.push(range_hash(start, middle, subtrees)?);
            start = middle;
        }
    }
    // The verifier knows the old root already, so the old tree itself is left out where it is one perfect subtree.
    if start != 0 {
        proof.push(range_hash(start, end, subtrees)?);
    }
    proof.reverse();
    Ok(proof)
}

/// The largest power of two below `width`, which is at least 2.
fn split(width: u64) -> u64 {
    1 << (63 - (width - 1).leading_zeros())
}

/// The hash of the leaves from `start` to `end`, where `start` is a multiple of the power of two not below the width.
fn range_hash(start: u64, end: u64, subtrees: Subtrees<'_>) -> Result<Hash, ProofError> {
    // Perfect subtrees from the left, largest first, as in an edge; folded from the right.
    let mut parts = Vec::new();
    let mut at = start;
    while at < end {
        let level = 63 - (end - at).leading_zeros();
        let (level, index) = (u8::try_from(level).unwrap_or(u8::MAX), at >> level);
        parts.push(subtrees(level, index).ok_or(ProofError::Missing { level, index })?);
        at += 1 << level;
    }
    let folded = parts.into_iter().rev().reduce(|right, left| node_hash(left, right));
    folded.ok_or(ProofError::Range("the range is empty"))
}

/// Checks an inclusion proof: RFC 9162, section 2.1.3.2. `leaf` is the [`crate::leaf_hash`].
///
/// # Errors
/// [`ProofError::Range`] unless `index < size`; [`ProofError::Length`]; [`ProofError::Root`].
pub fn verify_inclusion(leaf: Hash, index: u64, size: u64, proof: &[Hash], root: Hash) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Range("the index is not below the size"));
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = leaf;
    for sibling in proof {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(*sibling, hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(hash, *sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::Length);
    }
    if hash == root { Ok(()) } else { Err(ProofError::Root) }
}

/// Checks a consistency proof: RFC 9162, section 2.1.4.2; the empty tree is a prefix of every tree, by an empty proof.
///
/// # Errors
/// [`ProofError::Range`] if the old size is above the new size; [`ProofError::Length`]; [`ProofError::Root`].
pub fn verify_consistency(
    old_size: u64,
    old_root: Hash,
    new_size: u64,
    new_root: Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old_size > new_size {
        return Err(ProofError::Range("the old size is above the new size"));
    }
    if old_size == 0 || old_size == new_size {
        let holds = if old_size == 0 {
            old_root == Hash::of(b"")
        } else {
            old_root == new_root
        };
        return match (proof.is_empty(), holds) {
            (false, _) => Err(ProofError::Length),
            (true, false) => Err(ProofError::Root),
            (true, true) => Ok(()),
        };
    }
    // A proof for a perfect old tree starts from the old root itself.
    let (mut old_hash, rest) = if old_size.is_power_of_two() {
        (old_root, proof)
    } else {
        proof
            .split_first()
            .map(|(first, rest)| (*first, rest))
            .ok_or(ProofError::Length)?
    };
    let mut new_hash = old_hash;
    let shift = (old_size - 1).trailing_ones();
    let (mut node, mut last) = ((old_size - 1) >> shift, (new_size - 1) >> shift);
    for sibling in rest {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(*sibling, old_hash);
            new_hash = node_hash(*sibling, new_hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(new_hash, *sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::Length);
    }
    if old_hash == old_root && new_hash == new_root {
        Ok(())
    } else {
        Err(ProofError::Root)
    }
}
