//! One pass over the records: hashes of those without bytes, frames, canonical form, place, root, earlier roots, `records.jsonl`, citations.

use std::collections::{BTreeMap, BTreeSet};

use super::blocks::Blocks;
use super::epochs::{self, Epoch, Stand};
use super::stream::{Frame, Stream};
use super::{BundleError, Files};
use crate::canonical::push_string;
use crate::checkpoint::Checkpoint;
use crate::hash::{Hash, leaf_hash};
use crate::scan;
use crate::tree::Edge;

/// How often it is told how far verification is, in records.
const TOLD: u64 = 1024;

/// What is known of the records of a bundle, all checked. Few of them are held.
pub(super) struct Records {
    /// Records before this index are known by their hashes only.
    pub(super) begins: u64,
    /// The leaves that were wanted.
    kept: BTreeMap<u64, Vec<u8>>,
    /// The others are read again.
    pub(super) blocks: Blocks,
    /// The snapshots that records cite, with the first record that cites each.
    pub(super) cited: BTreeMap<Hash, u64>,
    /// The origins that the log has had, in order.
    pub(super) names: Vec<String>,
    epochs: Vec<Epoch>,
    /// What records say is lost.
    pub(super) lost: Vec<String>,
    /// Checkpoints that cover some of that.
    pub(super) beyond: Vec<String>,
}

/// What a pass over the records needs besides the files.
pub(super) struct Wanted<'a> {
    /// What the records have to come to.
    pub(super) head: &'a Checkpoint,
    /// Checkpoints of their beginning, by the file that each is in.
    pub(super) earlier: &'a [(String, &'a Checkpoint)],
    /// `pruned.hashes` comes before the records, and this is the exact first of those.
    pub(super) first: Option<&'a [u8]>,
    /// Records that have to be held.
    pub(super) keep: BTreeSet<u64>,
}

impl Records {
    /// Checks `entries` and `records.jsonl` against the signed head, and all earlier checkpoints against the entries.
    pub(super) fn check(files: &dyn Files, wanted: &Wanted<'_>) -> Result<Records, BundleError> {
        let mut roots = Roots::new(wanted.earlier);
        let mut place = Place::default();
        let begins = match wanted.first {
            Some(first) => pruned(files, first, &mut place, &mut roots)?,
            None => 0,
        };
        let mut records = Records {
            begins,
            kept: wanted.first.map(|first| (0, first.to_vec())).into_iter().collect(),
            blocks: Blocks::new(begins),
            cited: BTreeMap::new(),
            names: Vec::new(),
            epochs: Vec::new(),
            lost: Vec::new(),
            beyond: Vec::new(),
        };
        records.pass(files, wanted, &mut place, &mut roots)?;
        (records.names, records.epochs) = (place.names, place.epochs);
        records.hold(wanted, &roots)?;
        Ok(records)
    }

    /// Reads all of `entries`, and `records.jsonl` beside it.
    fn pass(
        &mut self,
        files: &dyn Files,
        wanted: &Wanted<'_>,
        place: &mut Place,
        roots: &mut Roots,
    ) -> Result<(), BundleError> {
        let mut entries = Stream::new(files, "entries", 0);
        let mut lines = Stream::new(files, "records.jsonl", 0);
        let (mut index, mut at) = (self.begins, 0);
        while let Some(frame) = entries.frame()? {
            let fault = |what: String| BundleError::new("entries", what).at(index);
            let Frame::Leaf(leaf) = frame else {
                return Err(fault("it is cut short".to_owned()));
            };
            if let Some(hash) = place.check(leaf, index, &roots.edge).map_err(fault)? {
                self.cited.entry(hash).or_insert(index);
            }
            let line = lines.peek(leaf.len() + 1)?;
            if !line.strip_prefix(leaf).is_some_and(|behind| behind.starts_with(b"\n")) {
                return Err(BundleError::new("records.jsonl", "the line is not the record in `entries`").at(index));
            }
            let length = leaf.len();
            lines.take(length + 1);
            let hash = leaf_hash(leaf);
            roots.push(hash);
            self.blocks.push(hash, at);
            if wanted.keep.contains(&index) {
                self.kept.insert(index, leaf.to_vec());
            }
            entries.take(length + 2);
            at += length as u64 + 2;
            index += 1;
            if index.is_multiple_of(TOLD) {
                files.reached(index);
            }
        }
        if index != wanted.head.size {
            let what = format!("it holds {index} records, the checkpoint covers {}", wanted.head.size);
            return Err(BundleError::new("entries", what));
        }
        if !lines.peek(1)?.is_empty() {
            let what = "it goes on after the last record of `entries`";
            return Err(BundleError::new("records.jsonl", what));
        }
        Ok(())
    }

    /// Holds what the pass came to against the checkpoints.
    fn hold(&mut self, wanted: &Wanted<'_>, roots: &Roots) -> Result<(), BundleError> {
        let head = wanted.head;
        if self.names.last().is_some_and(|last| *last != head.origin) {
            let what = "its `log` is not the origin of the checkpoint".to_owned();
            return Err(BundleError::new("entries", what).at(head.size.saturating_sub(1)));
        }
        if roots.edge.root() != head.root {
            let what = "the root over the records is not the one in `checkpoint`: records were changed";
            return Err(BundleError::new("entries", what));
        }
        let first = self.names.first().map_or(head.origin.as_str(), String::as_str);
        for (file, checkpoint) in wanted.earlier {
            let root = roots.at.get(&checkpoint.size).copied();
            match epochs::stand(file, checkpoint, head, first, &self.epochs, root)? {
                Stand::First => {}
                Stand::Lost(line) => {
                    self.lost.push(line);
                    self.beyond.push(file.clone());
                }
            }
        }
        self.lost.extend(epochs::losses(&self.epochs));
        Ok(())
    }

    /// The leaf of a record that was wanted.
    pub(super) fn leaf(&self, index: u64) -> Option<&[u8]> {
        self.kept.get(&index).map(Vec::as_slice)
    }
}

/// Takes in the hashes of records without bytes, of which `first` is the exact first one. Gives how many there are.
fn pruned(files: &dyn Files, first: &[u8], place: &mut Place, roots: &mut Roots) -> Result<u64, BundleError> {
    let name = "pruned.hashes";
    let mut lines = Stream::new(files, name, 0);
    let fault = |what: String| BundleError::new("first.leaf", what);
    let other = || fault("it does not have the first hash in `pruned.hashes`".to_owned());
    let mut count = 0;
    while let Some(line) = lines.line()? {
        let hash = Hash::from_base64(line).map_err(|error| BundleError::new(name, error))?;
        if count == 0 && hash != leaf_hash(first) {
            return Err(other());
        }
        roots.push(hash);
        count += 1;
    }
    if count == 0 {
        return Err(other());
    }
    place.check(first, 0, &Edge::new()).map_err(fault)?;
    Ok(count)
}

/// What binds a record to its place: canonical form, `seq`, `log`.
#[derive(Default)]
struct Place {
    /// The origin as it stands in a canonical record.
    log: Vec<u8>,
    names: Vec<String>,
    epochs: Vec<Epoch>,
    /// The last citation, since long runs of records cite the same.
    last: Option<(Vec<u8>, Hash)>,
}

impl Place {
    /// The log has this name from here on.
    fn name(&mut self, origin: &str) {
        self.log.clear();
        push_string(&mut self.log, origin);
        self.names.push(origin.to_owned());
    }

    /// Takes the name of the first record, and that of a record that opens an epoch.
    fn follow(&mut self, leaf: &[u8], bindings: &scan::Bindings<'_>, before: &Edge) -> Result<(), String> {
        let Some(current) = self.names.last() else {
            let log = bindings.log.and_then(|raw| serde_json::from_slice::<String>(raw).ok());
            self.name(&log.ok_or("its `log` is not a text")?);
            return Ok(());
        };
        if bindings.kind == Some(epochs::OPENED) {
            let epoch = Epoch::open(leaf, before.size(), current, before.root())?;
            self.name(&epoch.log);
            self.epochs.push(epoch);
        }
        Ok(())
    }

    /// Checks a leaf; gives the snapshot that it cites, unless the record before it cites the same.
    fn check(&mut self, leaf: &[u8], index: u64, before: &Edge) -> Result<Option<Hash>, String> {
        let bindings = scan::record(leaf).map_err(|error| format!("not in canonical form: {error}"))?;
        if bindings.seq != Some(index.to_string().as_bytes()) {
            return Err("its `seq` is not its index".to_owned());
        }
        self.follow(leaf, &bindings, before)?;
        if bindings.log != Some(self.log.as_slice()) {
            return Err("its `log` is not the origin of the log that it stands in".to_owned());
        }
        let Some(raw) = bindings.snapshot else { return Ok(None) };
        if self.last.as_ref().is_some_and(|(last, _)| last == raw) {
            return Ok(None);
        }
        let hash = std::str::from_utf8(raw)
            .ok()
            .and_then(|text| text.strip_prefix("\"sha256:")?.strip_suffix('"'));
        let hash = hash
            .and_then(|hex| hex.parse().ok())
            .ok_or("its `snapshot` is not of the form `sha256:<hex>`")?;
        self.last = Some((raw.to_vec(), hash));
        Ok(Some(hash))
    }
}

/// The root, and the roots at the sizes of earlier checkpoints.
struct Roots {
    edge: Edge,
    wanted: BTreeSet<u64>,
    at: BTreeMap<u64, Hash>,
}

impl Roots {
    fn new(earlier: &[(String, &Checkpoint)]) -> Roots {
        let edge = Edge::new();
        let at = BTreeMap::from([(0, edge.root())]);
        Roots {
            edge,
            wanted: earlier.iter().map(|(_, checkpoint)| checkpoint.size).collect(),
            at,
        }
    }

    fn push(&mut self, leaf: Hash) {
        self.edge.push(leaf);
        if self.wanted.contains(&self.edge.size()) {
            self.at.insert(self.edge.size(), self.edge.root());
        }
    }
}
