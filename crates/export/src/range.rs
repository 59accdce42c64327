//! Which records: bounds by index or by time.

use std::str::FromStr;

use countersign_core::Time;

use crate::entry::Entry;
use crate::error::ExportError;
use crate::source::Source;

/// An index, or an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The record with this index.
    Seq(u64),
    /// The first record that is not before this instant.
    Time(Time),
}

impl FromStr for Bound {
    type Err = String;

    fn from_str(text: &str) -> Result<Bound, String> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
            let seq = text
                .parse()
                .map_err(|_| format!("`{text}` is too large for an index"))?;
            return Ok(Bound::Seq(seq));
        }
        let time = text.parse().map_err(|_| {
            format!("`{text}` is neither the index of a record nor an instant such as 2026-11-21T07:00:00Z")
        })?;
        Ok(Bound::Time(time))
    }
}

/// Which records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// Where it begins; at the first record where it is left out.
    pub from: Option<Bound>,
    /// The last index; up to the newest record where it is left out.
    pub to_seq: Option<u64>,
}

/// The first record that is there from index `from` on.
pub(crate) async fn first_from(source: &impl Source, from: u64) -> Result<Option<Entry>, ExportError> {
    let page = source.records(from, 1).await?;
    page.lines().next().map(Entry::read).transpose()
}

/// The index of the first of `size` records that is not before `time`; `size` if there is none. Times grow with the index,
/// so this halves the range. Records that are gone lie before all that are there.
pub(crate) async fn first_at(source: &impl Source, size: u64, time: Time) -> Result<u64, ExportError> {
    let Some(oldest) = first_from(source, 0).await? else {
        return Ok(size);
    };
    let (mut low, mut high) = (oldest.seq, size);
    while low < high {
        let middle = low + (high - low) / 2;
        match first_from(source, middle).await? {
            Some(entry) if entry.ts < time => low = middle + 1,
            Some(_) | None => high = middle,
        }
    }
    Ok(low)
}
