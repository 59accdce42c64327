//! One pass over the records: hashes of those without bytes, frames, canonical form, place, root, earlier roots, `records.jsonl`, citations.

use std::collections::{BTreeMap, BTreeSet};

use super::BundleError;
use super::epochs::{self, Epoch, Stand};
use crate::canonical::push_string;
use crate::checkpoint::Checkpoint;
use crate::hash::{Hash, leaf_hash};
use crate::scan;
use crate::tree::Edge;

/// The records of a bundle, all checked.
pub(super) struct Records<'a> {
    /// The leaves from index `begins` on.
    leaves: Vec<&'a [u8]>,
    /// Records before this index are known by their hashes only.
    begins: u64,
    /// The first record, where that is so.
    first: Option<&'a [u8]>,
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

impl<'a> Records<'a> {
    /// Checks `entries` and `records.jsonl` against the signed head, and all earlier checkpoints against the entries.
    /// They go on after `pruned`, the hashes of records without bytes.
    pub(super) fn check(
        head: &Checkpoint,
        pruned: &Pruned<'a>,
        entries: &'a [u8],
        lines: &[u8],
        earlier: &[(String, &Checkpoint)],
    ) -> Result<Records<'a>, BundleError> {
        let mut records = Records {
            leaves: Vec::new(),
            begins: pruned.hashes.len() as u64,
            first: pruned.first,
            cited: BTreeMap::new(),
            names: Vec::new(),
            epochs: Vec::new(),
            lost: Vec::new(),
            beyond: Vec::new(),
        };
        let mut roots = Roots::new(earlier);
        let mut lines = Lines { rest: lines };
        let mut place = Place::default();
        pruned.check(&mut place)?;
        pruned.hashes.iter().for_each(|hash| roots.push(*hash));
        let mut rest = entries;
        let mut index = records.begins;
        while !rest.is_empty() {
            let fault = |what: String| BundleError::new("entries", what).at(index);
            let (leaf, after) = frame(rest).ok_or_else(|| fault("it is cut short".to_owned()))?;
            rest = after;
            let cited = place.check(leaf, index, &roots.edge).map_err(fault)?;
            if let Some(hash) = cited {
                records.cited.entry(hash).or_insert(index);
            }
            lines.check(leaf, index)?;
            roots.push(leaf_hash(leaf));
            records.leaves.push(leaf);
            index += 1;
        }
        if index != head.size {
            let what = format!("it holds {index} records, the checkpoint covers {}", head.size);
            return Err(BundleError::new("entries", what));
        }
        lines.end()?;
        (records.names, records.epochs) = (place.names, place.epochs);
        if records.names.last().is_some_and(|last| *last != head.origin) {
            let what = "its `log` is not the origin of the checkpoint".to_owned();
            return Err(BundleError::new("entries", what).at(index.saturating_sub(1)));
        }
        if roots.edge.root() != head.root {
            let what = "the root over the records is not the one in `checkpoint`: records were changed";
            return Err(BundleError::new("entries", what));
        }
        let first = records.names.first().map_or(head.origin.as_str(), String::as_str);
        for (file, checkpoint) in earlier {
            let root = roots.at.get(&checkpoint.size).copied();
            match epochs::stand(file, checkpoint, head, first, &records.epochs, root)? {
                Stand::First => {}
                Stand::Lost(line) => {
                    records.lost.push(line);
                    records.beyond.push(file.clone());
                }
            }
        }
        records.lost.extend(epochs::losses(&records.epochs));
        Ok(records)
    }

    /// The leaf of a record.
    pub(super) fn leaf(&self, index: u64) -> Option<&'a [u8]> {
        match index.checked_sub(self.begins) {
            Some(at) => self.leaves.get(usize::try_from(at).ok()?).copied(),
            None => self.first.filter(|_| index == 0),
        }
    }
}

/// Records without bytes.
#[derive(Default)]
pub(super) struct Pruned<'a> {
    /// Their leaf hashes, from index 0 on.
    pub(super) hashes: Vec<Hash>,
    /// The exact first of them.
    pub(super) first: Option<&'a [u8]>,
}

impl Pruned<'_> {
    fn check(&self, place: &mut Place) -> Result<(), BundleError> {
        let Some(first) = self.first else { return Ok(()) };
        let fault = |what: String| BundleError::new("first.leaf", what);
        if self.hashes.first() != Some(&leaf_hash(first)) {
            return Err(fault("it does not have the first hash in `pruned.hashes`".to_owned()));
        }
        place.check(first, 0, &Edge::new()).map(drop).map_err(fault)
    }
}

fn frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
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

/// The lines of `records.jsonl`.
struct Lines<'a> {
    rest: &'a [u8],
}

impl Lines<'_> {
    fn check(&mut self, leaf: &[u8], index: u64) -> Result<(), BundleError> {
        match self.rest.strip_prefix(leaf).and_then(|rest| rest.strip_prefix(b"\n")) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => Err(BundleError::new("records.jsonl", "the line is not the record in `entries`").at(index)),
        }
    }

    fn end(self) -> Result<(), BundleError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(BundleError::new(
            "records.jsonl",
            "it goes on after the last record of `entries`",
        ))
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
