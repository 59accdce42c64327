//! What lies beside the records: proofs, disclosures, schemas, policy snapshots.

use serde_json::{Map, Value};

use super::inventory::Inventory;
use super::records::Records;
use super::stream::Stream;
use super::{Bundle, BundleError};
use crate::checkpoint::{Checkpoint, parse_decimal};
use crate::hash::{Hash, set_hash, tagged};
use crate::jcs::canonical_json;
use crate::proof_file::ProofFile;

const DISCLOSURES: &str = "disclosures.jsonl";

/// What is wrong with a line, and the record that it is of where that is known.
type Fault = (Option<u64>, &'static str);

/// A proof of one record, which holds under the log's key; its root is still to be compared with the entries.
pub(super) struct Proof {
    index: u64,
    leaf: Vec<u8>,
    /// The signed checkpoint in it.
    pub(super) checkpoint: Checkpoint,
}

impl Proof {
    /// The record that it is of.
    pub(super) fn index(&self) -> u64 {
        self.index
    }

    pub(super) fn name(&self) -> String {
        format!("proofs/{}.tlog-proof", self.index)
    }
}

/// Reads and verifies `proofs/`.
pub(super) fn proofs(bundle: &mut Bundle<'_>, inventory: &Inventory) -> Result<Vec<Proof>, BundleError> {
    let mut proofs = Vec::new();
    for &index in &inventory.proofs {
        let name = format!("proofs/{index}.tlog-proof");
        let fault = |what: &dyn std::fmt::Display| BundleError::new(&name, what);
        let leaf = bundle.read(&format!("proofs/{index}.leaf"))?.into_owned();
        let file = ProofFile::parse(&bundle.read_text(&name)?).map_err(|error| fault(&error))?;
        if file.index != index {
            return Err(fault(&"it is of another index than its name"));
        }
        if file.extra.is_some() {
            return Err(fault(&"it has an `extra` line, which nothing authenticates"));
        }
        let key = bundle.key_of(&file.checkpoint).map_err(|error| fault(&error))?;
        let checkpoint = file.verify(&key, &leaf).map_err(|error| fault(&error))?;
        bundle.open(&name, &file.checkpoint)?;
        proofs.push(Proof {
            index,
            leaf,
            checkpoint,
        });
    }
    Ok(proofs)
}

/// Compares the proven leaves with the entries.
pub(super) fn check_proofs(bundle: &mut Bundle<'_>, proofs: &[Proof], records: &Records) -> Result<(), BundleError> {
    for proof in proofs {
        if records.leaf(proof.index) != Some(proof.leaf.as_slice()) {
            let name = format!("proofs/{}.leaf", proof.index);
            return Err(BundleError::new(&name, "it is not the record in `entries`").at(proof.index));
        }
    }
    if !proofs.is_empty() {
        bundle
            .checked
            .push(format!("proofs/: {} inclusion proofs hold", proofs.len()));
    }
    Ok(())
}

/// Opens the commitments of `disclosures.jsonl`, line by line, and reads the records again that they are of.
pub(super) fn disclosures(bundle: &mut Bundle<'_>, records: &Records) -> Result<(), BundleError> {
    let mut lines = Stream::new(bundle.files, DISCLOSURES, 0);
    let mut again = records.blocks.again(bundle.files);
    let mut opened = 0_u64;
    while let Some(line) = lines.line()? {
        opened += 1;
        let fault = |(record, what): Fault| BundleError {
            file: DISCLOSURES.to_owned(),
            record,
            what: format!("line {opened}: {what}"),
        };
        let (index, given) = disclosure(line).map_err(fault)?;
        let leaf = match records.leaf(index) {
            Some(leaf) => Some(leaf),
            None => again.leaf(index)?,
        };
        let leaf = leaf.ok_or_else(|| fault((Some(index), "there is no such record")))?;
        opens(&given, leaf).map_err(|what| fault((Some(index), what)))?;
    }
    if opened > 0 {
        bundle.checked.push(format!(
            "disclosures.jsonl: {opened} disclosures open their commitments"
        ));
    }
    Ok(())
}

/// A disclosure, and the record that it is of.
fn disclosure(line: &str) -> Result<(u64, Map<String, Value>), Fault> {
    let parsed: Value = serde_json::from_str(line).map_err(|_| (None, "not JSON"))?;
    // One spelling only: this also refuses doubled keys and numbers that a double cannot hold.
    if canonical_json(&parsed).ok().as_deref() != Some(line.as_bytes()) {
        return Err((None, "not canonical JSON (RFC 8785)"));
    }
    let Value::Object(fields) = parsed else {
        return Err((None, "not the four fields"));
    };
    if fields.len() != 4 {
        return Err((None, "not the four fields"));
    }
    let index = fields
        .get("index")
        .and_then(Value::as_u64)
        .ok_or((None, "`index` is not an index"))?;
    Ok((index, fields))
}

/// Whether a disclosure opens a commitment of this leaf.
fn opens(fields: &Map<String, Value>, leaf: &[u8]) -> Result<(), &'static str> {
    let text = |key| fields.get(key).and_then(Value::as_str);
    let path = text("path").ok_or("`path` is not a text")?;
    let salt: Hash = text("salt")
        .and_then(|hex| hex.parse().ok())
        .ok_or("`salt` is not 32 bytes in hex")?;
    let value = fields.get("value").ok_or("`value` is missing")?;

    let record: Value = serde_json::from_slice(leaf).map_err(|_| "the record is not JSON")?;
    let place = path.split('.').try_fold(&record, |at, step| match at {
        Value::Object(fields) => fields.get(step),
        Value::Array(items) => items.get(usize::try_from(parse_decimal(step)?).ok()?),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    });
    let commit = place.and_then(|place| place.as_object()?.get("$commit")?.as_str());
    let commit = commit.ok_or("the record has no commitment at `path`")?;
    let bytes = canonical_json(value).map_err(|_| "`value` has no canonical form")?;
    if tagged("countersign-commit-v1", &[&salt.0, &bytes]).to_string() != commit {
        return Err("salt and value do not open the commitment");
    }
    Ok(())
}

/// Checks `schemas/` against leaf 0.
pub(super) fn schemas(bundle: &mut Bundle<'_>, inventory: &Inventory, records: &Records) -> Result<(), BundleError> {
    let mut hashes = Vec::new();
    for name in &inventory.schemas {
        let bytes = bundle.read(name)?;
        let parsed: Option<Value> = serde_json::from_slice(&bytes).ok();
        if parsed.is_none_or(|value| canonical_json(&value).is_err()) {
            return Err(BundleError::new(name, "not JSON"));
        }
        hashes.push(Hash::of(&bytes));
    }
    let first = records
        .leaf(0)
        .and_then(|leaf| serde_json::from_slice::<Value>(leaf).ok());
    let stated = first
        .as_ref()
        .and_then(|record| record.get("data")?.get("schemas")?.as_str());
    let stated = stated.ok_or_else(|| BundleError::new("entries", "it states no hash in `data.schemas`").at(0))?;
    if set_hash(hashes).to_string() != stated {
        return Err(BundleError::new(
            "schemas",
            "the set is not the one that record 0 states in `data.schemas`",
        ));
    }
    bundle.checked.push(format!(
        "schemas/: {} files, the set that record 0 states",
        inventory.schemas.len()
    ));
    Ok(())
}

/// Checks `snapshots/` against the folder names and the records. Gives the snapshots that no record cites.
pub(super) fn snapshots(
    bundle: &mut Bundle<'_>,
    inventory: &Inventory,
    records: &Records,
) -> Result<Vec<Hash>, BundleError> {
    for (hash, names) in &inventory.snapshots {
        let files: Vec<_> = names.iter().map(|name| bundle.read(name)).collect::<Result<_, _>>()?;
        if set_hash(files.iter().map(|bytes| Hash::of(bytes)).collect()) != *hash {
            let name = format!("snapshots/{hash}");
            return Err(BundleError::new(
                &name,
                "its files do not have the hash that the folder is named after",
            ));
        }
    }
    for (hash, record) in &records.cited {
        if !inventory.snapshots.contains_key(hash) {
            let name = format!("snapshots/{hash}");
            return Err(BundleError::new(&name, "the record cites this snapshot, which is missing").at(*record));
        }
    }
    if !inventory.snapshots.is_empty() {
        bundle.checked.push(format!(
            "snapshots/: {} policy snapshots, all that records cite",
            inventory.snapshots.len()
        ));
    }
    Ok(inventory
        .snapshots
        .keys()
        .filter(|hash| !records.cited.contains_key(hash))
        .copied()
        .collect())
}
