//! Deriving the decisions of an export again: the bundle is streamed through [`countersign_core::replay`], and no server is asked.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Lines, Read as _};

use countersign_core::Record;
use countersign_core::digest::read_hex;
use countersign_core::record::Payload;
use countersign_core::replay::{Derivation, Outcome, Policies, Replay};
use countersign_tlog::bundle::{Files as _, Report};
use countersign_tlog::{Edge, Hash, leaf_hash};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::bundle::Disk;
use crate::console::visible;
use crate::failure::{Failure, Result};
use crate::progress::Progress;

/// The hashes of records that have no bytes any more.
const PRUNED: &str = "pruned.hashes";

/// How many records of one kind were derived to which end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) agree: u64,
    pub(crate) differ: u64,
    pub(crate) not_derivable: u64,
}

/// What a replay found.
#[derive(Default)]
pub(crate) struct Found {
    /// By what the record says: a decision, or `approval.opened`.
    pub(crate) counts: BTreeMap<&'static str, Count>,
    /// What does not agree, by index: the first [`LISTED`] that differ, and as many that cannot be derived.
    pub(crate) listed: Vec<Derivation>,
    /// How many are not listed, since memory must not grow with the ledger.
    pub(crate) left_out: u64,
    /// Records before this index have no bytes any more, so nothing is known of the decisions among them.
    pub(crate) pruned: u64,
}

impl Found {
    fn add(&mut self, derivation: Derivation) {
        let name = match derivation.kind {
            "decision.made" => derivation.decision.as_str(),
            kind => kind,
        };
        let count = self.counts.entry(name).or_default();
        match &derivation.outcome {
            Outcome::Agrees => count.agree += 1,
            Outcome::Differs { .. } => count.differ += 1,
            Outcome::NotDerivable(_) => count.not_derivable += 1,
        }
        let total = self.total();
        let nth = match &derivation.outcome {
            Outcome::Agrees => return,
            Outcome::Differs { .. } => total.differ,
            Outcome::NotDerivable(_) => total.not_derivable,
        };
        if nth > LISTED {
            self.left_out += 1;
        } else {
            self.listed.push(derivation);
        }
    }

    /// All counts together.
    pub(crate) fn total(&self) -> Count {
        self.counts.values().fold(Count::default(), |all, count| Count {
            agree: all.agree + count.agree,
            differ: all.differ + count.differ,
            not_derivable: all.not_derivable + count.not_derivable,
        })
    }
}

/// Derives every decision of a bundle that was verified.
pub(crate) fn run(disk: &Disk, verified: &Report) -> Result<Found> {
    let progress = Progress::start("deriving decisions");
    let mut entries = BufReader::with_capacity(1 << 20, open(disk, "entries")?);
    let mut disclosures = Disclosures::of(disk)?;
    let (mut found, mut edge) = (Found::default(), Edge::new());
    let mut replay = begin(disk, &mut edge)?;
    let (mut leaf, mut index) = (Vec::new(), edge.size());
    found.pruned = index;
    while index < verified.size {
        next_leaf(&mut entries, &mut leaf).map_err(|error| unreadable("entries", index, &error))?;
        edge.push(leaf_hash(&leaf));
        let record = decode(&leaf)?;
        let payload = disclosures.of_record(&record)?;
        if let Some(derivation) = replay.record(record, payload.as_ref()) {
            found.add(derivation);
        }
        index += 1;
        progress.reached(index);
    }
    for derivation in replay.end() {
        found.add(derivation);
    }
    found.listed.sort_by_key(|derivation| derivation.index);
    unchanged(&edge, verified)?;
    Ok(found)
}

/// Hands every record of a bundle that was verified to `take`, in order, as far as they have bytes.
pub(crate) fn each_record(disk: &Disk, verified: &Report, mut take: impl FnMut(Record)) -> Result<()> {
    let progress = Progress::start("reading records");
    let mut entries = BufReader::with_capacity(1 << 20, open(disk, "entries")?);
    let mut edge = Edge::new();
    begin(disk, &mut edge)?;
    let mut leaf = Vec::new();
    while edge.size() < verified.size {
        let index = edge.size();
        next_leaf(&mut entries, &mut leaf).map_err(|error| unreadable("entries", index, &error))?;
        edge.push(leaf_hash(&leaf));
        take(decode(&leaf)?);
        progress.reached(index + 1);
    }
    unchanged(&edge, verified)
}

/// The same with what lies beside each record, as far as the bundle tells it.
pub(crate) fn each_disclosed(
    disk: &Disk,
    verified: &Report,
    mut take: impl FnMut(Record, Option<Payload>),
) -> Result<()> {
    let mut disclosures = Disclosures::of(disk)?;
    let mut unread = None;
    each_record(disk, verified, |record| match disclosures.of_record(&record) {
        Ok(payload) => take(record, payload),
        Err(error) => drop(unread.get_or_insert(error)),
    })?;
    unread.map_or(Ok(()), Err)
}

/// Whether what was read is what was verified.
fn unchanged(edge: &Edge, verified: &Report) -> Result<()> {
    if edge.root().to_string() != verified.root {
        return Err(Failure::no("the bundle changed while it was read").next("verify a copy that nobody writes to"));
    }
    Ok(())
}

/// Before the first record that has bytes; the others go into the tree by their hashes.
fn begin<'d>(disk: &'d Disk, edge: &mut Edge) -> Result<Replay<'d>> {
    let Some(first) = first_of_pruned(disk)? else {
        return Ok(Replay::new(disk));
    };
    let name = PRUNED;
    for line in BufReader::new(open(disk, name)?).lines() {
        let index = edge.size();
        let line = line.map_err(|error| unreadable(name, index, &error))?;
        edge.push(Hash::from_base64(&line).map_err(|error| unreadable(name, index, &error))?);
    }
    Ok(Replay::pruned(disk, &first, edge.size()))
}

/// The first record of a ledger of which the records after it were pruned, as the bundle keeps it beside the others.
pub(crate) fn first_of_pruned(disk: &Disk) -> Result<Option<Record>> {
    if !disk.names().iter().any(|file| file == PRUNED) {
        return Ok(None);
    }
    let name = "first.leaf";
    let mut leaf = Vec::new();
    open(disk, name)?
        .read_to_end(&mut leaf)
        .map_err(|error| unreadable(name, 0, &error))?;
    decode(&leaf).map(Some)
}

fn decode(leaf: &[u8]) -> Result<Record> {
    let decoded = Record::decode(leaf).map_err(|error| {
        Failure::no(error.to_string()).next("replay with the version that wrote the export, or a newer one")
    });
    Ok(decoded?.0)
}

fn open(disk: &Disk, name: &str) -> Result<File> {
    let path = disk.path(name);
    File::open(&path).map_err(|error| Failure::io("read", &path, &error))
}

fn unreadable(name: &str, index: u64, error: &dyn std::fmt::Display) -> Failure {
    Failure::no(format!("`{name}`, record {index}: {error}")).next("verify the bundle again")
}

fn next_leaf(entries: &mut BufReader<File>, leaf: &mut Vec<u8>) -> std::io::Result<()> {
    let mut length = [0; 2];
    entries.read_exact(&mut length)?;
    leaf.resize(usize::from(u16::from_be_bytes(length)), 0);
    entries.read_exact(leaf)
}

/// `disclosures.jsonl`, read along with the records.
struct Disclosures {
    lines: Option<Lines<BufReader<File>>>,
    next: Option<(u64, Payload)>,
}

#[derive(Deserialize)]
struct Disclosure<'a> {
    index: u64,
    path: String,
    salt: String,
    #[serde(borrow)]
    value: &'a RawValue,
}

impl Disclosures {
    fn of(disk: &Disk) -> Result<Disclosures> {
        let name = "disclosures.jsonl".to_owned();
        let lines = if disk.names().contains(&name) {
            Some(BufReader::with_capacity(1 << 20, open(disk, &name)?).lines())
        } else {
            None
        };
        let mut disclosures = Disclosures { lines, next: None };
        disclosures.advance(None)?;
        Ok(disclosures)
    }

    /// Reads on to the next disclosure of a payload, which is of a record after `before`.
    fn advance(&mut self, before: Option<u64>) -> Result<()> {
        let Some(lines) = &mut self.lines else { return Ok(()) };
        for line in lines {
            let fault = |error: &dyn std::fmt::Display| {
                Failure::no(format!("`disclosures.jsonl`: {error}")).next("verify the bundle again")
            };
            let line = line.map_err(|error| fault(&error))?;
            let read: Disclosure<'_> = serde_json::from_str(&line).map_err(|error| fault(&error))?;
            if read.path != "payload" {
                continue;
            }
            if before.is_some_and(|before| read.index <= before) {
                return Err(fault(&format!(
                    "record {} comes out of its order, and replay reads in order",
                    read.index
                )));
            }
            let salt = read_hex(&read.salt).ok_or_else(|| fault(&"a salt is not 32 bytes in hex"))?;
            // The bundle was verified: the line is canonical, so this is the text that the commitment is over.
            let body = read.value.get().as_bytes().to_vec();
            let payload = Payload {
                body,
                salt,
                class: String::new(),
                about: None,
            };
            self.next = Some((read.index, payload));
            return Ok(());
        }
        Ok(())
    }

    /// The payload of a record, if it is there.
    fn of_record(&mut self, record: &Record) -> Result<Option<Payload>> {
        match self.next.take() {
            Some((index, mut payload)) if index == record.seq => {
                self.advance(Some(index))?;
                let class = record.payload.as_ref().map(|commitment| commitment.class.clone());
                payload.class = class.unwrap_or_default();
                Ok(Some(payload))
            }
            other => {
                self.next = other;
                Ok(None)
            }
        }
    }
}

impl Policies for Disk {
    fn files(&self, hash: &str) -> std::result::Result<Vec<(String, Vec<u8>)>, String> {
        let folder = format!("snapshots/{}/", hash.strip_prefix("sha256:").unwrap_or(hash));
        let names = self.names();
        let files = names.iter().filter(|name| name.starts_with(&folder));
        let read = files.map(|name| Ok((name.clone(), self.read(name)?.into_owned())));
        let files: Vec<_> = read.collect::<std::result::Result<_, String>>()?;
        if files.is_empty() {
            return Err("the export does not hold it".to_owned());
        }
        Ok(files)
    }
}

/// Findings that text shows; JSON shows all that are listed.
const SHOWN: usize = 50;
/// Findings of a kind that are listed.
const LISTED: u64 = 10_000;

/// Counts as JSON.
pub(crate) fn counts(count: &Count) -> Value {
    json!({ "agree": count.agree, "differ": count.differ, "not_derivable": count.not_derivable })
}

/// A finding as JSON.
pub(crate) fn json(derivation: &Derivation) -> Value {
    let mut value = json!({
        "record": derivation.index, "type": derivation.kind, "action_id": derivation.action_id.to_string(),
        "agent": &*derivation.agent, "decision": derivation.decision.as_str(),
    });
    let more = match &derivation.outcome {
        Outcome::Agrees => json!({ "outcome": "agrees" }),
        Outcome::Differs { rule, differences } => {
            let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
            let differences: Vec<Value> = differences
                .iter()
                .map(|one| {
                    json!({
                        "field": one.what, "recorded": parsed(&one.recorded), "recomputed": parsed(&one.recomputed),
                    })
                })
                .collect();
            json!({ "outcome": "differs", "rule": rule, "differences": differences })
        }
        Outcome::NotDerivable(gaps) => {
            let gaps: Vec<Value> = gaps
                .iter()
                .map(|gap| json!({ "field": gap.field, "why": gap.why }))
                .collect();
            json!({ "outcome": "not_derivable", "gaps": gaps })
        }
    };
    if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
        value.extend(more);
    }
    value
}

/// What a person reads.
pub(crate) fn text(found: &Found, report: &Report) -> String {
    let mut lines: Vec<String> = found.listed.iter().take(SHOWN).flat_map(finding).collect();
    let more = found.listed.len().saturating_sub(SHOWN);
    if found.left_out > 0 {
        lines.push(format!(
            "… and {} more, of which --json lists {more}",
            more as u64 + found.left_out
        ));
    } else if more > 0 {
        lines.push(format!("… and {more} more; --json lists all"));
    }
    if !lines.is_empty() {
        lines.push(String::new());
    }
    lines.push(format!(
        "{:<24} {:>10} {:>10} {:>14}",
        "record says", "agree", "differ", "not derivable"
    ));
    let total = found.total();
    let rows = found.counts.iter().map(|(name, count)| (*name, *count));
    for (name, count) in rows.chain([("in all", total)]) {
        lines.push(format!(
            "{name:<24} {:>10} {:>10} {:>14}",
            count.agree, count.differ, count.not_derivable
        ));
    }
    let verdict = match (total.differ, total.not_derivable) {
        (0, _) if found.pruned > 0 => format!(
            "NOT DERIVED: the first {} records were pruned, and what was decided after them follows from them as well; \
             {} cannot be derived",
            found.pruned, total.not_derivable
        ),
        (0, 0) => "REPLAYED: every decision follows from what it cites".to_owned(),
        (0, gaps) => format!("REPLAYED: whatever can be derived follows from what it cites; {gaps} cannot be derived"),
        (differ, _) => format!("DIFFERS: {differ} records are not what follows from what they cite"),
    };
    lines.push(format!("\n{verdict}\n{} records of {}", report.size, report.origin));
    lines.join("\n")
}

fn finding(derivation: &Derivation) -> Vec<String> {
    let about = format!(
        "record {}: {} of `{}`, {}",
        derivation.index,
        derivation.kind,
        visible(&derivation.agent),
        derivation.action_id
    );
    match &derivation.outcome {
        Outcome::Agrees => vec![format!("agrees         {about}")],
        Outcome::Differs { rule, differences } => {
            let mut lines = vec![format!("DIFFERS        {about}; rule `{}`", visible(rule))];
            lines.extend(differences.iter().map(|one| {
                format!(
                    "               {}: the record says {}, its inputs say {}",
                    one.what,
                    visible(&one.recorded),
                    visible(&one.recomputed)
                )
            }));
            lines
        }
        Outcome::NotDerivable(gaps) => {
            let mut lines = vec![format!("not derivable  {about}")];
            lines.extend(
                gaps.iter()
                    .map(|gap| format!("               {}: {}", visible(&gap.field), visible(&gap.why))),
            );
            lines
        }
    }
}

#[cfg(test)]
mod tests {
    use countersign_core::ids::ActionId;
    use countersign_core::replay::Gap;
    use countersign_policy::Decision;

    use super::*;

    #[test]
    fn what_differs_is_listed_however_many_cannot_be_derived() {
        let derivation = |index, outcome| Derivation {
            index,
            kind: "decision.made",
            action_id: ActionId(1),
            agent: "agent".into(),
            decision: Decision::Allow,
            outcome,
        };
        let mut found = Found::default();
        for index in 0..LISTED + 3 {
            found.add(derivation(index, Outcome::NotDerivable(Vec::<Gap>::new())));
        }
        let rule = String::new();
        let differences = Vec::new();
        found.add(derivation(LISTED + 3, Outcome::Differs { rule, differences }));
        assert_eq!((found.listed.len() as u64, found.left_out), (LISTED + 1, 3));
        assert_eq!(found.total().not_derivable, LISTED + 3);
        assert!(found.listed.iter().any(|one| one.index == LISTED + 3));
    }
}
