//! The write-ahead log of a simulated store: frames of length, checksum and batch. A frame that is cut or garbled ends
//! the log.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_core::digest::Digest;
use countersign_store::{Append, Org};

/// What a frame carries out.
#[derive(Clone)]
pub enum Entry {
    /// A batch.
    Batch(Arc<[Append]>),
    /// An organization is removed.
    Remove(Org),
}

/// Bytes before the body of a frame: its length and its checksum.
const HEAD: usize = 4 + 32;

/// Writes frames and reads them back. The bytes of a frame hold everything of its batch, and its checksum finds the
/// batch again: what a simulation needs of a format is that a torn frame is no frame, not that it can be decoded.
#[derive(Default)]
pub struct Frames {
    known: BTreeMap<Digest, Entry>,
}

impl Frames {
    /// The frame of an entry that follows `before` bytes.
    pub fn encode(&mut self, before: usize, entry: Entry) -> Vec<u8> {
        let mut body = Vec::new();
        // The place is part of the frame, so that two equal batches are two frames.
        put(&mut body, &before.to_be_bytes());
        match &entry {
            Entry::Batch(shares) => shares.iter().for_each(|share| put_share(&mut body, share)),
            Entry::Remove(org) => put(&mut body, org.as_bytes()),
        }
        let checksum = Digest::of(&body);
        self.known.insert(checksum, entry);
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        [length.to_be_bytes().as_slice(), &checksum.0, &body].concat()
    }

    /// The whole frames at the beginning of `bytes`, and how long they are.
    pub fn decode(&self, bytes: &[u8]) -> (Vec<Entry>, usize) {
        let mut entries = Vec::new();
        let mut place = 0;
        while let Some((entry, length)) = bytes.get(place..).and_then(|rest| self.first(rest)) {
            entries.push(entry);
            place += length;
        }
        (entries, place)
    }

    fn first(&self, bytes: &[u8]) -> Option<(Entry, usize)> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (checksum, rest) = rest.split_first_chunk::<32>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let body = rest.get(..length)?;
        let checksum = Digest(*checksum);
        if Digest::of(body) != checksum {
            return None;
        }
        Some((self.known.get(&checksum)?.clone(), HEAD + length))
    }
}

fn put(body: &mut Vec<u8>, part: &[u8]) {
    body.extend_from_slice(&(part.len() as u64).to_be_bytes());
    body.extend_from_slice(part);
}

fn put_share(body: &mut Vec<u8>, share: &Append) {
    put(body, share.org.as_bytes());
    put(body, &share.base.to_be_bytes());
    put(body, share.head.checkpoint.as_bytes());
    put(body, &share.head.edge);
    for record in &share.records {
        put(body, &record.leaf);
        if let Some(payload) = &record.payload {
            put(body, &payload.sealed);
        }
    }
    for secret in &share.secrets {
        put(body, secret.id.as_bytes());
        put(body, &secret.sealed);
    }
    for snapshot in &share.snapshots {
        put(body, snapshot.hash.as_bytes());
    }
    if let Some(state) = &share.state {
        put(body, &state.bytes);
    }
}
