//! Which files a bundle has, by role. A file without a role is stray, and refused.

use std::collections::{BTreeMap, BTreeSet};

use super::{BundleError, Files};
use crate::checkpoint::parse_decimal;
use crate::hash::Hash;

/// The files of a bundle by role.
pub(super) struct Inventory {
    /// `checkpoint.old` and `consistency.txt` are there.
    pub(super) old: bool,
    /// `pruned.hashes` and `first.leaf` are there.
    pub(super) pruned: bool,
    /// `checkpoint.witnessed` is there.
    pub(super) witnessed: bool,
    /// `disclosures.jsonl` is there.
    pub(super) disclosures: bool,
    /// Indices of `proofs/N.tlog-proof` and `proofs/N.leaf`.
    pub(super) proofs: BTreeSet<u64>,
    /// Full names of the files of each snapshot, by the hash that its folder is named after.
    pub(super) snapshots: BTreeMap<Hash, Vec<String>>,
    /// Full names of the schemas.
    pub(super) schemas: Vec<String>,
    /// Files that no hash covers.
    pub(super) uncovered: Vec<String>,
}

impl Inventory {
    /// Sorts the files by role.
    ///
    /// # Errors
    /// A stray, missing or unpaired file.
    pub(super) fn of(files: &dyn Files) -> Result<Inventory, BundleError> {
        let names: BTreeSet<String> = files.names().into_iter().collect();
        let mut inventory = Inventory {
            old: names.contains("checkpoint.old"),
            pruned: names.contains("pruned.hashes"),
            witnessed: names.contains("checkpoint.witnessed"),
            disclosures: names.contains("disclosures.jsonl"),
            proofs: BTreeSet::new(),
            snapshots: BTreeMap::new(),
            schemas: Vec::new(),
            uncovered: Vec::new(),
        };
        for name in &names {
            inventory
                .file(name)
                .ok_or_else(|| BundleError::new(name, "stray file: it has no place in a bundle"))?;
        }
        let mut needed: Vec<String> = ["checkpoint", "entries", "records.jsonl"].map(str::to_owned).into();
        if inventory.old || names.contains("consistency.txt") {
            needed.extend(["checkpoint.old", "consistency.txt"].map(str::to_owned));
        }
        if inventory.pruned || names.contains("first.leaf") {
            needed.extend(["pruned.hashes", "first.leaf"].map(str::to_owned));
        }
        for index in &inventory.proofs {
            needed.extend([format!("proofs/{index}.tlog-proof"), format!("proofs/{index}.leaf")]);
        }
        match needed.iter().find(|name| !names.contains(*name)) {
            Some(missing) => Err(BundleError::new(missing, "the file is missing")),
            None => Ok(inventory),
        }
    }

    fn file(&mut self, name: &str) -> Option<()> {
        let path: Vec<&str> = name.split('/').collect();
        match path.as_slice() {
            ["checkpoint" | "checkpoint.witnessed" | "entries" | "records.jsonl"] => {}
            ["checkpoint.old" | "consistency.txt" | "disclosures.jsonl"] => {}
            ["pruned.hashes" | "first.leaf"] => {}
            ["README.md" | "verify.py"] => self.uncovered.push(name.to_owned()),
            ["proofs", file] => {
                let index = file
                    .strip_suffix(".tlog-proof")
                    .or_else(|| file.strip_suffix(".leaf"))?;
                self.proofs.insert(parse_decimal(index)?);
            }
            ["schemas", file] if is_plain(file, ".json") => self.schemas.push(name.to_owned()),
            ["snapshots", hash, file] if is_plain(file, ".yaml") => {
                self.snapshots
                    .entry(hash.parse().ok()?)
                    .or_default()
                    .push(name.to_owned());
            }
            _ => return None,
        }
        Some(())
    }
}

/// `[A-Za-z0-9_$][A-Za-z0-9._$-]*`, then the suffix.
fn is_plain(file: &str, suffix: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$';
    let Some(stem) = file.strip_suffix(suffix) else {
        return false;
    };
    let mut bytes = stem.bytes();
    bytes.next().is_some_and(plain) && bytes.all(|byte| plain(byte) || byte == b'.' || byte == b'-')
}
