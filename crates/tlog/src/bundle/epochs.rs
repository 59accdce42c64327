//! The names of a log: a record `epoch.opened`, and nothing else, lets a log go on under another origin.

use serde_json::Value;

use super::BundleError;
use crate::checkpoint::{Checkpoint, parse_decimal};
use crate::hash::Hash;
use crate::note::VerifyingKey;

/// The type of the record that opens an epoch.
pub(super) const OPENED: &[u8] = b"\"epoch.opened\"";

/// Where a log ended.
pub(super) struct End {
    log: String,
    root: Hash,
    size: u64,
}

/// An epoch that a record opens.
pub(super) struct Epoch {
    number: u64,
    /// Its origin.
    pub(super) log: String,
    previous: End,
    /// What was signed for and is not in the ledger.
    lost: Option<End>,
}

impl End {
    fn read(value: &Value) -> Option<End> {
        Some(End {
            log: value.get("log")?.as_str()?.to_owned(),
            root: value.get("root")?.as_str()?.parse().ok()?,
            size: value.get("size")?.as_u64()?,
        })
    }
}

impl Epoch {
    /// Reads the record at `index`, which follows records of the log `before` with this root.
    pub(super) fn open(leaf: &[u8], index: u64, before: &str, root: Hash) -> Result<Epoch, &'static str> {
        let epoch = Epoch::read(leaf).ok_or("it opens an epoch and does not say which")?;
        if epoch.previous.log != before || epoch.previous.size != index || epoch.previous.root != root {
            return Err("it opens an epoch that follows on other records than those before it");
        }
        let (stem, number) = split(before).ok_or("it opens an epoch of a log that has none")?;
        if epoch.number <= number || epoch.log != format!("{stem}/{}", epoch.number) {
            return Err("the epoch that it opens is not a later one of this log");
        }
        Ok(epoch)
    }

    fn read(leaf: &[u8]) -> Option<Epoch> {
        let record: Value = serde_json::from_slice(leaf).ok()?;
        let data = record.get("data")?;
        let log = data.get("log")?.as_str()?;
        let vkey: VerifyingKey = data.get("vkey")?.as_str()?.parse().ok()?;
        if vkey.name() != log || record.get("log")?.as_str()? != log {
            return None;
        }
        Some(Epoch {
            number: data.get("epoch")?.as_u64()?,
            log: log.to_owned(),
            previous: End::read(data.get("previous")?)?,
            lost: match data.get("mark") {
                Some(mark) => Some(End::read(mark)?),
                None => None,
            },
        })
    }

    /// What is lost, in words.
    fn loss(&self) -> Option<String> {
        let lost = self.lost.as_ref()?;
        let kept = if lost.log == self.previous.log {
            self.previous.size
        } else {
            0
        };
        (lost.size > kept).then(|| {
            format!(
                "epoch {} was opened at record {}: the log `{}` had {} records before, and what is missing of them is lost",
                self.number, self.previous.size, lost.log, lost.size
            )
        })
    }
}

/// An origin `<log>/<epoch>`.
fn split(origin: &str) -> Option<(&str, u64)> {
    let (log, epoch) = origin.rsplit_once('/')?;
    Some((log, parse_decimal(epoch)?))
}

/// How the records before a checkpoint stand to this export.
pub(super) enum Stand {
    /// They are its first.
    First,
    /// Some are lost; the export owns up to that, in these words.
    Lost(String),
}

/// Whether an earlier checkpoint fits, `root` being that of the export at its size, if it is that long.
pub(super) fn stand(
    file: &str,
    earlier: &Checkpoint,
    head: &Checkpoint,
    first: &str,
    epochs: &[Epoch],
    root: Option<Hash>,
) -> Result<Stand, BundleError> {
    let ended_by = epochs.iter().find(|epoch| epoch.previous.log == earlier.origin);
    let kept = match ended_by {
        Some(epoch) => Some(epoch.previous.size),
        None => (earlier.origin == head.origin).then_some(head.size),
    };
    if kept.is_some_and(|kept| earlier.size <= kept) {
        if root == Some(earlier.root) {
            return Ok(Stand::First);
        }
        let what = format!(
            "history was rewritten: the first {} records of this export have another root",
            earlier.size
        );
        return Err(BundleError::new(file, what));
    }
    for epoch in epochs {
        let Some(lost) = epoch.lost.as_ref().filter(|lost| lost.log == earlier.origin) else {
            continue;
        };
        if earlier.size < lost.size || (earlier.size == lost.size && earlier.root == lost.root) {
            return Ok(Stand::Lost(format!(
                "{file}: it covers {} records of `{}`, of which the export has the first {}; the rest is lost, as epoch {} says",
                earlier.size,
                earlier.origin,
                kept.unwrap_or(0),
                epoch.number
            )));
        }
    }
    let what = match kept {
        Some(kept) if ended_by.is_none() => {
            format!("it covers {} records, the export has {kept}", earlier.size)
        }
        Some(kept) => format!(
            "it covers {} records of `{}`, the export has {kept} of them, and no epoch says that the rest is lost",
            earlier.size, earlier.origin
        ),
        None => format!("it is of the log `{}`, the export of `{first}`", earlier.origin),
    };
    Err(BundleError::new(file, what))
}

/// What epochs say is lost.
pub(super) fn losses(epochs: &[Epoch]) -> impl Iterator<Item = String> {
    epochs.iter().filter_map(Epoch::loss)
}
