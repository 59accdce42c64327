//! What clients saw, held against the ledger: acknowledged appends and reads have to fit one order of events, and the
//! ledger is that order. Nothing here knows how the clients talked to the server, so histories of simulated clients and
//! of real ones over HTTP are checked alike.
//!
//! The moments of a history come from one counter or clock that all its clients share.

use std::collections::BTreeMap;

use countersign_core::Record;
use countersign_core::digest::{Digest, hex};
use countersign_tlog::{Edge, Hash, leaf_hash};

/// One thing that a client wanted, with all its tries under one idempotency key.
#[derive(Clone, Debug)]
pub struct Operation {
    /// When the first try was sent.
    pub began: u64,
    /// When the answer was there; `None` if none ever came.
    pub ended: Option<u64>,
    /// The idempotency key as records carry it, see [`key_of`]; `None` for reads and for requests without one.
    pub key: Option<String>,
    /// What it is, for the text of a breach.
    pub name: String,
    /// What the client saw.
    pub saw: Saw,
}

/// What a client saw of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saw {
    /// It happened, and the receipt says where.
    Appended {
        /// Index of the record.
        index: u64,
        /// Leaf hash of the record, hexadecimal.
        leaf_hash: String,
    },
    /// It happened; the answer has no receipt. Something must be in the ledger under its key.
    Happened,
    /// It did not happen, and no earlier try of it can have.
    Refused,
    /// Nobody told, or an earlier try is in doubt: it happened once or not at all.
    Unknown,
    /// The ledger had this many records, under this root.
    Read {
        /// How many.
        size: u64,
        /// Root of the tree over them, if the answer showed it.
        root: Option<Hash>,
    },
}

/// A line of a ledger, as far as a history is held against it. Its place is its index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The idempotency key that the record carries.
    pub key: Option<String>,
    /// RFC 6962 leaf hash of the record.
    pub leaf_hash: Digest,
}

impl Line {
    /// The line of a record, from its canonical bytes.
    ///
    /// # Errors
    /// If the bytes are not a record.
    pub fn of(leaf: &[u8]) -> Result<Line, String> {
        let (record, _) = Record::decode(leaf).map_err(|error| error.to_string())?;
        Ok(Line {
            key: record.idem.map(|idem| hex(&idem.key.0)),
            leaf_hash: Digest(leaf_hash(leaf).0),
        })
    }
}

/// An idempotency key as records carry it: of the credential `kid`, the method and path, and the key that was sent.
pub fn key_of(kid: &str, route: &str, key: &str) -> String {
    let item = 0_u64.to_be_bytes();
    let scope = [kid.as_bytes(), b"\0", route.as_bytes(), b"\0", key.as_bytes(), &item].concat();
    let digest = Digest::tagged("countersign-idempotency-v1", &[&scope]);
    hex(&digest.0[..16])
}

/// A rule that a history breaks, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The rule, as a sentence.
    pub rule: &'static str,
    /// What was seen.
    pub detail: String,
}

impl std::fmt::Display for Breach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.rule, self.detail)
    }
}

/// What is acknowledged is in the ledger at the place that the receipt names.
pub const ACKNOWLEDGED: &str = "what was acknowledged is in the ledger, where the receipt says";
/// One operation leaves one effect, however often it was sent.
pub const ONCE: &str = "one operation has one effect";
/// What was refused left nothing.
pub const REFUSED: &str = "what was refused did not happen";
/// What had ended before another began stands before it.
pub const REAL_TIME: &str = "what was acknowledged before another began comes before it";
/// A read shows everything that was acknowledged before it began, and nothing that began after it ended.
pub const READS: &str = "a read shows what was acknowledged before it, and nothing from after it";
/// A root that was shown is the root of the ledger at that size.
pub const ROOTS: &str = "a root that was shown is the ledger's at that size";

/// Holds what clients saw of one organization against its ledger. Empty if everything fits.
pub fn check(history: &[Operation], ledger: &[Line]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut keys: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (index, line) in ledger.iter().enumerate() {
        if let Some(key) = &line.key {
            keys.entry(key).or_default().push(index as u64);
        }
    }
    let places: Vec<Placed<'_>> = history.iter().map(|operation| Placed::new(operation, &keys)).collect();
    acknowledged(&places, ledger, &mut breaches);
    once(&places, &keys, &mut breaches);
    real_time(&places, &mut breaches);
    reads(&places, &mut breaches);
    roots(&places, ledger, &mut breaches);
    breaches
}

/// An operation and where its effect stands in the ledger.
struct Placed<'a> {
    operation: &'a Operation,
    /// Index of the first record under its key, or else the index that its receipt names.
    index: Option<u64>,
}

impl<'a> Placed<'a> {
    fn new(operation: &'a Operation, keys: &BTreeMap<&str, Vec<u64>>) -> Self {
        let under_key = operation.key.as_deref().and_then(|key| keys.get(key)?.first().copied());
        let receipt = match &operation.saw {
            Saw::Appended { index, .. } => Some(*index),
            Saw::Happened | Saw::Refused | Saw::Unknown | Saw::Read { .. } => None,
        };
        Placed {
            operation,
            index: under_key.or(receipt),
        }
    }

    fn breach(&self, rule: &'static str, what: impl std::fmt::Display) -> Breach {
        let (name, began) = (&self.operation.name, self.operation.began);
        Breach {
            rule,
            detail: format!("`{name}` (sent at {began}) {what}"),
        }
    }
}

fn acknowledged(places: &[Placed<'_>], ledger: &[Line], breaches: &mut Vec<Breach>) {
    for placed in places {
        match &placed.operation.saw {
            Saw::Appended { index, leaf_hash } => {
                let found = usize::try_from(*index).ok().and_then(|index| ledger.get(index));
                if found.is_none_or(|line| line.leaf_hash.to_string() != *leaf_hash) {
                    let detail = format!("was acknowledged as record {index}, which is missing or another");
                    breaches.push(placed.breach(ACKNOWLEDGED, detail));
                }
            }
            Saw::Happened if placed.operation.key.is_some() && placed.index.is_none() => {
                breaches.push(placed.breach(ACKNOWLEDGED, "was acknowledged and left nothing"));
            }
            Saw::Happened | Saw::Refused | Saw::Unknown | Saw::Read { .. } => {}
        }
    }
}

fn once(places: &[Placed<'_>], keys: &BTreeMap<&str, Vec<u64>>, breaches: &mut Vec<Breach>) {
    let mut receipts: BTreeMap<u64, Option<&str>> = BTreeMap::new();
    for placed in places {
        let key = placed.operation.key.as_deref();
        let effects = key.and_then(|key| keys.get(key)).map_or(0, Vec::len);
        if effects > 1 {
            breaches.push(placed.breach(ONCE, format!("left {effects} effects")));
        }
        match &placed.operation.saw {
            Saw::Refused if effects > 0 => breaches.push(placed.breach(REFUSED, "left an effect")),
            Saw::Appended { index, .. } => {
                let other = receipts.insert(*index, key);
                if other.is_some_and(|other| other.is_none() || other != key) {
                    breaches.push(placed.breach(ONCE, format!("shares record {index} with another operation")));
                }
                if key.is_some() && (effects == 0 || placed.index.is_some_and(|first| first > *index)) {
                    breaches.push(placed.breach(ACKNOWLEDGED, format!("is not under its key at record {index}")));
                }
            }
            Saw::Happened | Saw::Refused | Saw::Unknown | Saw::Read { .. } => {}
        }
    }
}

/// Visits operations in the order of time: `ended` whenever one has ended, `began` for each when it begins.
fn sweep<'a, 'b>(places: &'b [Placed<'a>], mut visit: impl FnMut(&'b Placed<'a>, bool)) {
    let mut moments: Vec<(u64, bool, &Placed<'_>)> = Vec::new();
    for placed in places {
        // At the same moment nothing is said about the order, so what begins is visited first.
        moments.push((placed.operation.began, false, placed));
        moments.extend(placed.operation.ended.map(|ended| (ended, true, placed)));
    }
    moments.sort_by_key(|(at, ends, _)| (*at, *ends));
    for (_, ends, placed) in moments {
        visit(placed, ends);
    }
}

/// Where something stands that happened before it was acknowledged.
fn happened(placed: &Placed<'_>) -> Option<u64> {
    match placed.operation.saw {
        Saw::Appended { .. } | Saw::Happened => placed.index,
        Saw::Refused | Saw::Unknown | Saw::Read { .. } => None,
    }
}

fn real_time(places: &[Placed<'_>], breaches: &mut Vec<Breach>) {
    let mut last: Option<u64> = None;
    sweep(places, |placed, ends| {
        if ends {
            last = last.max(happened(placed));
        } else if let (Some(last), Some(index)) = (last, placed.index)
            && index <= last
        {
            let detail = format!("is record {index}; record {last} was acknowledged before");
            breaches.push(placed.breach(REAL_TIME, detail));
        }
    });
}

fn reads(places: &[Placed<'_>], breaches: &mut Vec<Breach>) {
    // The least that a read has to show: one more than the last acknowledged index, and what a read before it showed.
    let mut least = 0;
    let mut shown = 0;
    sweep(places, |placed, ends| match (&placed.operation.saw, ends) {
        (Saw::Read { size, .. }, true) => {
            least = least.max(*size);
            shown = shown.max(*size);
        }
        (Saw::Read { size, .. }, false) => {
            if *size < least {
                breaches.push(placed.breach(READS, format!("shows {size} records, and has to show {least}")));
            }
        }
        (_, true) => least = least.max(happened(placed).map_or(0, |index| index + 1)),
        (_, false) => {
            if let Some(index) = placed.index.filter(|index| *index < shown) {
                let detail = format!("is record {index}, and a read showed {shown} records before it was sent");
                breaches.push(placed.breach(READS, detail));
            }
        }
    });
}

fn roots(places: &[Placed<'_>], ledger: &[Line], breaches: &mut Vec<Breach>) {
    let mut wanted: BTreeMap<u64, Vec<(Hash, &Placed<'_>)>> = BTreeMap::new();
    for placed in places {
        if let Saw::Read { size, root: Some(root) } = &placed.operation.saw {
            wanted.entry(*size).or_default().push((*root, placed));
        }
    }
    let mut edge = Edge::new();
    let mut lines = ledger.iter();
    for (size, shown) in wanted {
        while edge.size() < size
            && let Some(line) = lines.next()
        {
            edge.push(Hash(line.leaf_hash.0));
        }
        let actual = (edge.size() == size).then(|| edge.root());
        for (root, placed) in shown {
            if actual != Some(root) {
                breaches.push(placed.breach(ROOTS, format!("showed another root for {size} records")));
            }
        }
    }
}
