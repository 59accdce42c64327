//! Which program can read which records.
//!
//! Programs that know the same types of record are one *reader*, counted from 1. A type that is added after a release
//! belongs to the next reader, and no ledger gets one before an operator has said, by the record `ledger.min_reader`,
//! that everybody who reads it is at least that reader. Until then a program of before can be put back, and runs beside a
//! newer one. A program never guesses at a record that it does not know: it stops serving the organization.

use crate::record::Record;
use crate::{Event, Refusal};

/// The reader that this program is.
pub const READER: u32 = 1;

/// Types of record that came after reader 1, each with the first reader that knows it.
const NEWER: &[(&str, u32)] = &[];

/// What a program can read: itself, and the first reader of each type of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readers {
    own: u32,
    newer: &'static [(&'static str, u32)],
}

impl Default for Readers {
    fn default() -> Readers {
        Readers {
            own: READER,
            newer: NEWER,
        }
    }
}

impl Readers {
    /// A program that is reader `own`, where these types came later than reader 1: what a test takes for the program of
    /// before, or of later.
    pub const fn of_program(own: u32, newer: &'static [(&'static str, u32)]) -> Readers {
        Readers { own, newer }
    }

    /// The reader that the program is.
    pub fn own(&self) -> u32 {
        self.own
    }

    /// The first reader that knows a type of record.
    pub fn of(&self, kind: &str) -> u32 {
        let newer = self.newer.iter().find(|(name, _)| *name == kind);
        newer.map_or(1, |(_, reader)| *reader)
    }

    /// Whether the program may fold a record, and what follows it.
    ///
    /// # Errors
    /// If it is of a later reader, or says that what follows is.
    pub fn may_fold(&self, record: &Record) -> Result<(), TooNew> {
        let said = match &record.event {
            Event::MinReaderRaised(raised) => raised.reader,
            other => self.of(other.kind()),
        };
        if said > self.own {
            return Err(TooNew {
                needed: said,
                own: self.own,
                seq: record.seq,
            });
        }
        Ok(())
    }

    /// Whether an event may be recorded where everybody is at least reader `least`.
    ///
    /// # Errors
    /// If some of them could not read it.
    pub fn may_record(&self, event: &Event, least: u32) -> Result<(), Refusal> {
        let (kind, needed) = (event.kind(), self.of(event.kind()));
        if needed <= least {
            return Ok(());
        }
        let why =
            format!("`{kind}` is read by programs from reader {needed} on, and this ledger is kept for reader {least}");
        Err(Refusal::conflict("not_upgraded", why).hint(
            "when every node runs this version, run `countersign upgrade`; then there is no way back to the one before",
        ))
    }
}

/// A ledger is for later programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {seq} is for programs from reader {needed} on, and this one is reader {own}; upgrade Countersign")]
pub struct TooNew {
    needed: u32,
    own: u32,
    seq: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_that_came_later_is_a_type_and_this_program_reads_it() {
        for (kind, reader) in NEWER {
            assert!(Event::KINDS.contains(kind), "{kind}");
            assert!(*reader > 1, "{kind} {reader}");
            assert!(*reader <= READER, "{kind} {reader}");
        }
    }

    #[test]
    fn what_says_who_may_read_is_read_by_everybody() {
        assert_eq!(Readers::default().of("ledger.min_reader"), 1);
    }
}
