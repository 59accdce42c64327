//! Verification of an export bundle: every file is checked, or named as not covered.
//!
//! ```text
//! checkpoint                    signed note of the exported size
//! entries                       uint16 big-endian length ‖ leaf, in order
//! records.jsonl                 the same leaves, one a line
//! pruned.hashes                 leaf hashes of the records before those, which have no bytes any more, a base64 hash a line
//! first.leaf                    and the exact first of them
//! checkpoint.witnessed          the checkpoint that witnesses cosigned last, where it is not that one
//! checkpoint.old                an earlier checkpoint, and consistency.txt: its proof, a base64 hash a line
//! proofs/N.tlog-proof, N.leaf   proof and exact leaf of chosen records
//! disclosures.jsonl             {"index":n,"path":"a.b","salt":hex,"value":json}, each line in canonical form
//! snapshots/<hash>/NAME.yaml    the exact files of the policy snapshots that records cite
//! schemas/NAME.json             JSON Schemas of the record types; leaf 0 states the hash of their set
//! verify.py, README.md          not covered by any hash
//! ```
//!
//! `verify/verify.py` is this module's twin in plain Python; a test holds the two against each other.

mod blocks;
mod epochs;
mod evidence;
mod inventory;
mod records;
mod stream;
mod witnesses;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::canonical::{CanonicalError, MAX_LEAF_BYTES};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::hash::Hash;
use crate::note::{Note, VerifyingKey};
use crate::tree::verify_consistency;
use evidence::Proof;
use inventory::Inventory;
use records::{Records, Wanted};
use witnesses::WITNESSED;

/// What faults of a checkpoint are reported under that the caller passed.
const OLDER: &str = "older checkpoint";

/// The files of a bundle. Names are relative, with `/` between folders.
///
/// An implementation over a disk lists regular files only, and refuses symbolic links.
pub trait Files {
    /// The names of all files, in any order.
    fn names(&self) -> Vec<String>;

    /// The whole content of a file.
    ///
    /// # Errors
    /// Why it cannot be read, in words for a person.
    fn read(&self, name: &str) -> Result<Cow<'_, [u8]>, String>;

    /// What a file holds from `at` on, `most` bytes or fewer; nothing only behind its end. Verification reads by this
    /// whatever grows with the ledger, so an implementation over a disk reads no more than that.
    ///
    /// # Errors
    /// Why it cannot be read, in words for a person.
    fn part(&self, name: &str, at: u64, most: usize) -> Result<Cow<'_, [u8]>, String> {
        let whole = self.read(name)?;
        let begin = usize::try_from(at).unwrap_or(usize::MAX).min(whole.len());
        let range = begin..begin.saturating_add(most).min(whole.len());
        Ok(match whole {
            Cow::Borrowed(bytes) => Cow::Borrowed(bytes.get(range).unwrap_or_default()),
            Cow::Owned(bytes) => Cow::Owned(bytes.get(range).unwrap_or_default().to_vec()),
        })
    }

    /// So many records were looked at; told now and then.
    fn reached(&self, _records: u64) {}
}

impl<B: AsRef<[u8]>> Files for BTreeMap<String, B> {
    fn names(&self) -> Vec<String> {
        self.keys().cloned().collect()
    }

    fn read(&self, name: &str) -> Result<Cow<'_, [u8]>, String> {
        self.get(name)
            .map(|bytes| Cow::Borrowed(bytes.as_ref()))
            .ok_or_else(|| "there is no such file".to_owned())
    }
}

/// What was found in a bundle that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Origin of the log.
    pub origin: String,
    /// Number of records.
    pub size: u64,
    /// Root over them, hexadecimal.
    pub root: String,
    /// What was checked, a line each.
    pub checked: Vec<String>,
    /// What nothing in the bundle vouches for, a line each.
    pub not_covered: Vec<String>,
}

/// Why a bundle is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct BundleError {
    /// The file at fault, as named in the bundle; `VKEY`, `WITNESS` and `older checkpoint` for what the caller passed.
    pub file: String,
    /// The record at fault, by index, where it is known.
    pub record: Option<u64>,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.record {
            Some(record) => write!(f, "`{}`, record {record}: {}", self.file, self.what),
            None => write!(f, "`{}`: {}", self.file, self.what),
        }
    }
}

impl BundleError {
    fn new(file: &str, what: impl fmt::Display) -> BundleError {
        BundleError {
            file: file.to_owned(),
            record: None,
            what: what.to_string(),
        }
    }

    fn at(mut self, record: u64) -> BundleError {
        self.record = Some(record);
        self
    }
}

/// Appends a leaf to the content of `entries`: its length as 2 bytes, big-endian, then the leaf.
///
/// # Errors
/// [`CanonicalError::TooLong`] above [`MAX_LEAF_BYTES`]; nothing is appended then.
pub fn entries_frame(leaf: &[u8], out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    let too_long = CanonicalError::TooLong { bytes: leaf.len() };
    let Ok(length) = u16::try_from(leaf.len()) else {
        return Err(too_long);
    };
    if leaf.len() > MAX_LEAF_BYTES {
        return Err(too_long);
    }
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(leaf);
    Ok(())
}

/// Verifies a whole bundle against a pinned key and, where the auditor kept one, an `older` checkpoint.
///
/// What grows with the ledger is read a part at a time, so that memory does not grow with it.
///
/// # Errors
/// The first fault that is found.
pub fn verify(vkey: &str, files: &dyn Files, older: Option<&str>) -> Result<Report, BundleError> {
    verify_witnessed(vkey, files, older, &[])
}

/// The same, and each of the `witnesses`, whose verifying keys these are, has to have cosigned the bundle's checkpoint, or an
/// earlier one of its records in `checkpoint.witnessed`. Other keys' signatures are passed over, as ever.
///
/// # Errors
/// The first fault that is found.
pub fn verify_witnessed(
    vkey: &str,
    files: &dyn Files,
    older: Option<&str>,
    witnesses: &[&str],
) -> Result<Report, BundleError> {
    let key: VerifyingKey = vkey
        .trim_end()
        .parse()
        .map_err(|error| BundleError::new("VKEY", error))?;
    let mut witnesses = witnesses::keys(witnesses)?;
    let inventory = Inventory::of(files)?;
    let mut bundle = Bundle {
        key,
        files,
        checked: Vec::new(),
        foreign_signatures: 0,
    };

    let head = bundle.open_file("checkpoint")?;
    bundle.checked.push(format!(
        "checkpoint: {} records of `{}`, signature holds",
        head.size, head.origin
    ));
    witnesses::look(&mut bundle, "checkpoint", &head, &mut witnesses)?;
    let witnessed = if inventory.witnessed {
        let checkpoint = bundle.open_file(WITNESSED)?;
        witnesses::look(&mut bundle, WITNESSED, &checkpoint, &mut witnesses)?;
        Some(checkpoint)
    } else {
        None
    };
    let old = if inventory.old {
        Some(bundle.open_file("checkpoint.old")?)
    } else {
        None
    };
    let older = older.map(|text| bundle.open(OLDER, text)).transpose()?;
    let proofs = evidence::proofs(&mut bundle, &inventory)?;
    let mut earlier = Vec::new();
    earlier.extend(witnessed.as_ref().map(|early| (WITNESSED.to_owned(), early)));
    earlier.extend(old.as_ref().map(|old| ("checkpoint.old".to_owned(), old)));
    earlier.extend(older.as_ref().map(|older| (OLDER.to_owned(), older)));
    earlier.extend(proofs.iter().map(|proof| (proof.name(), &proof.checkpoint)));
    let first = if inventory.pruned {
        Some(bundle.read("first.leaf")?)
    } else {
        None
    };
    let mut keep: BTreeSet<u64> = proofs.iter().map(Proof::index).collect();
    keep.insert(0);
    let wanted = Wanted {
        head: &head,
        earlier: &earlier,
        first: first.as_deref(),
        keep,
    };
    let records = Records::check(files, &wanted)?;
    let without = records.begins;
    if !records.names.is_empty() && !records.names.iter().any(|name| name == bundle.key.name()) {
        let what = format!(
            "it is of the log `{}`, the export of `{}`",
            bundle.key.name(),
            head.origin
        );
        return Err(BundleError::new("VKEY", what));
    }
    if inventory.pruned {
        bundle.checked.push(format!(
            "pruned.hashes, first.leaf: leaf hashes of the first {without} records, which are under the same root"
        ));
    }
    bundle.checked.push(format!(
        "entries: {} canonical records in order, their root is the signed one",
        head.size - without
    ));
    bundle
        .checked
        .push("records.jsonl: the same records, line by line".to_owned());

    let lost = |file: &str| records.beyond.iter().any(|beyond| beyond == file);
    let (cosigned, unseen) = witnesses::demand(&witnesses, head.size, lost)?;
    bundle.checked.extend(cosigned);
    if let Some(old) = &old {
        bundle.consistency(old, &head)?;
        bundle.checked.push(format!(
            "checkpoint.old, consistency.txt: the first {} records are unchanged",
            old.size
        ));
    }
    if let Some(early) = witnessed.as_ref().filter(|_| !lost(WITNESSED)) {
        bundle
            .checked
            .push(format!("{WITNESSED}: the first {} records are unchanged", early.size));
    }
    if let Some(older) = older
        .as_ref()
        .filter(|_| !records.beyond.iter().any(|file| file == OLDER))
    {
        bundle.checked.push(format!(
            "older checkpoint: the first {} records are unchanged",
            older.size
        ));
    }
    evidence::check_proofs(&mut bundle, &proofs, &records)?;
    if inventory.disclosures {
        evidence::disclosures(&mut bundle, &records)?;
    }
    evidence::schemas(&mut bundle, &inventory, &records)?;
    let uncited = evidence::snapshots(&mut bundle, &inventory, &records)?;

    let mut not_covered = not_covered(&inventory, bundle.foreign_signatures, uncited, older.is_some());
    not_covered.extend(unseen);
    not_covered.extend(records.lost);
    if inventory.pruned {
        not_covered.push(format!(
            "what the first {without} records say: only their hashes are here"
        ));
    }
    Ok(Report {
        origin: head.origin,
        size: head.size,
        root: head.root.to_string(),
        checked: bundle.checked,
        not_covered,
    })
}

/// A bundle under verification.
struct Bundle<'a> {
    key: VerifyingKey,
    files: &'a dyn Files,
    checked: Vec<String>,
    foreign_signatures: usize,
}

impl<'a> Bundle<'a> {
    fn read(&self, name: &str) -> Result<Cow<'a, [u8]>, BundleError> {
        self.files.read(name).map_err(|why| BundleError::new(name, why))
    }

    fn read_text(&self, name: &str) -> Result<String, BundleError> {
        String::from_utf8(self.read(name)?.into_owned()).map_err(|_| BundleError::new(name, "not UTF-8"))
    }

    fn open_file(&mut self, name: &str) -> Result<Checkpoint, BundleError> {
        let text = self.read_text(name)?;
        self.open(name, &text)
    }

    fn open(&mut self, name: &str, text: &str) -> Result<Checkpoint, BundleError> {
        let key = self.key_of(text).map_err(|error| BundleError::new(name, error))?;
        let checkpoint = Checkpoint::open(&key, text).map_err(|error| BundleError::new(name, error))?;
        self.foreign_signatures += Note::parse(text).map_or(0, |note| note.others(&key));
        Ok(checkpoint)
    }

    /// The pinned key under the name that a checkpoint goes by: the log keeps its key when an epoch gives it another name.
    /// That the names belong together is for the records to say.
    fn key_of(&self, text: &str) -> Result<VerifyingKey, CheckpointError> {
        let stated = Checkpoint::parse_body(Note::parse(text)?.text)?;
        VerifyingKey::new(&stated.origin, &self.key.public()).map_err(|_| CheckpointError::Origin {
            found: stated.origin,
            wanted: self.key.name().to_owned(),
        })
    }

    /// A base64 hash a line.
    fn hashes(&self, name: &str) -> Result<Vec<Hash>, BundleError> {
        let text = self.read_text(name)?;
        if !text.is_empty() && !text.ends_with('\n') {
            return Err(BundleError::new(name, "it does not end in a newline"));
        }
        text.split_terminator('\n')
            .map(Hash::from_base64)
            .collect::<Result<_, _>>()
            .map_err(|error| BundleError::new(name, error))
    }

    fn consistency(&self, old: &Checkpoint, head: &Checkpoint) -> Result<(), BundleError> {
        let name = "consistency.txt";
        let proof = self.hashes(name)?;
        verify_consistency(old.size, old.root, head.size, head.root, &proof)
            .map_err(|error| BundleError::new(name, error))
    }
}

fn not_covered(inventory: &Inventory, foreign: usize, uncited: Vec<Hash>, pinned: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for name in &inventory.uncovered {
        lines.push(format!(
            "{name}: no hash covers it; use a verifier that you got elsewhere"
        ));
    }
    if !inventory.snapshots.is_empty() || !inventory.schemas.is_empty() {
        lines.push("the names of files under snapshots/ and schemas/: only their bytes are covered".to_owned());
    }
    for hash in uncited {
        lines.push(format!(
            "snapshots/{hash}: no record cites it, only its own name vouches for it"
        ));
    }
    if foreign > 0 {
        lines.push(format!("{foreign} signatures by other keys: not checked"));
    }
    if !pinned {
        lines
            .push("no older checkpoint was given: a history that was rewritten and signed anew is not seen".to_owned());
    }
    lines.push("commitments without a disclosure stay closed".to_owned());
    lines.push("whether reported facts are true, and whether decisions follow from the cited policies".to_owned());
    lines
}
