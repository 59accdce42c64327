//! A range of a ledger in one format, into a folder.

use std::path::Path;

use countersign_tlog::{Checkpoint, Edge, VerifyingKey};

use crate::entry::{Beside, Entry};
use crate::error::ExportError;
use crate::format::Format;
use crate::range::{Bound, Range, first_at, first_from};
use crate::source::{Payload, Source};
use crate::verify;

/// Records in one request.
const PAGE: u64 = 5000;

/// What to write.
pub struct Extract<'a> {
    /// The format.
    pub format: &'a Format,
    /// Which records.
    pub range: Range,
    /// What lies beside the records goes along.
    pub payloads: bool,
    /// Told how many records are written.
    pub progress: &'a dyn Fn(u64),
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extracted {
    /// Index of the first record.
    pub first: u64,
    /// How many records.
    pub records: u64,
    /// How many payloads went along.
    pub opened: u64,
    /// How many payloads are there no more.
    pub gone: u64,
    /// How many payloads are shown to nobody.
    pub restricted: u64,
    /// How many records the checkpoint beside them covers.
    pub size: u64,
}

/// Writes a range of a ledger into `folder`: the file of the format, and `checkpoint`, which covers it.
///
/// The records are held against the checkpoint: from the proof of the first one, over all, to the signed root.
///
/// # Errors
/// [`ExportError`]; what lies in the folder then is not to be used.
pub async fn extract(
    source: &impl Source,
    key: &VerifyingKey,
    folder: &Path,
    wanted: &Extract<'_>,
) -> Result<Extracted, ExportError> {
    let mut writer = (wanted.format.open)(folder, wanted.payloads)?;
    let (note, head) = verify::newest(source, key).await?;
    let mut written = Extracted {
        size: head.size,
        ..Extracted::default()
    };
    let (first, end) = span(source, &head, wanted.range).await?;
    written.first = first;
    if first < end {
        let mut edge = edge_at(source, &head, first).await?;
        while edge.size() < end {
            let page = source.records(edge.size(), PAGE.min(end - edge.size())).await?;
            if page.is_empty() {
                let next = edge.size();
                let what = format!(
                    "the server has no record {next}, although its checkpoint covers {}",
                    head.size
                );
                return Err(ExportError::Finding(what));
            }
            for line in page.lines() {
                let mut entry = Entry::read(line)?;
                verify::push(&mut edge, &entry)?;
                look_beside(source, wanted.payloads, &mut entry, &mut written).await?;
                writer.record(&entry).map_err(|error| failed(folder, &error))?;
                written.records += 1;
            }
            (wanted.progress)(written.records);
        }
        verify::covered(source, &edge, &head).await?;
    }
    writer.finish().map_err(|error| failed(folder, &error))?;
    std::fs::write(folder.join("checkpoint"), note).map_err(|error| failed(folder, &error))?;
    Ok(written)
}

fn failed(folder: &Path, error: &dyn std::fmt::Display) -> ExportError {
    ExportError::place("write to", folder.display().to_string(), error)
}

/// The first index and the one after the last. Records whose bytes are gone are left out.
async fn span(source: &impl Source, head: &Checkpoint, range: Range) -> Result<(u64, u64), ExportError> {
    let from = match range.from {
        None => 0,
        Some(Bound::Seq(seq)) => seq,
        Some(Bound::Time(time)) => first_at(source, head.size, time).await?,
    };
    let end = match range.to_seq {
        Some(to_seq) if to_seq >= head.size => {
            return Err(ExportError::Usage {
                what: format!("there is no record {to_seq}: the ledger has {} records", head.size),
                next: "leave --to-seq out to export up to the newest record".to_owned(),
            });
        }
        Some(to_seq) => to_seq + 1,
        None => head.size,
    };
    if from >= end {
        return Ok((from, from));
    }
    let first = first_from(source, from).await?.map_or(end, |entry| entry.seq);
    Ok((first, end.max(first)))
}

async fn edge_at(source: &impl Source, head: &Checkpoint, first: u64) -> Result<Edge, ExportError> {
    if first == 0 {
        return Ok(Edge::new());
    }
    let proof = source.inclusion(first).await?;
    if proof.size < head.size {
        let what = format!(
            "a proof covers {} records, an earlier checkpoint {}",
            proof.size, head.size
        );
        return Err(ExportError::Finding(what));
    }
    verify::edge_before(first, &proof)
}

async fn look_beside(
    source: &impl Source,
    wanted: bool,
    entry: &mut Entry,
    written: &mut Extracted,
) -> Result<(), ExportError> {
    if !wanted || entry.beside != Beside::Closed {
        return Ok(());
    }
    entry.beside = match source.payload(entry.seq).await? {
        Payload::Open { body, salt } => {
            written.opened += 1;
            Beside::Open { body, salt }
        }
        Payload::Gone => {
            written.gone += 1;
            Beside::Gone
        }
        Payload::Restricted => {
            written.restricted += 1;
            Beside::Restricted
        }
    };
    Ok(())
}
