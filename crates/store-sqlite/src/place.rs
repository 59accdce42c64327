//! Where a row lies: one integer for organization and index, and the conversions that SQLite's signed integers need.

use countersign_core::digest::Digest;
use rusqlite::{Connection, OptionalExtension as _, Row};

/// Bits of the index in a place: a million million records in each of eight million organizations.
const SEQ_BITS: u32 = 40;
const MAX_SEQ: u64 = (1 << SEQ_BITS) - 1;

/// The internal number of an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OrgId(pub(crate) i64);

impl OrgId {
    /// The place of a record. An index beyond all ledgers gets the place after the last one.
    pub(crate) fn place(self, seq: u64) -> i64 {
        (self.0 << SEQ_BITS) | signed(seq.min(MAX_SEQ))
    }

    /// The place after the last one.
    pub(crate) fn end(self) -> i64 {
        self.place(MAX_SEQ)
    }
}

/// The index that a place stands for.
pub(crate) fn seq(place: i64) -> u64 {
    unsigned(place) & MAX_SEQ
}

/// Whether a ledger of this size still has places.
pub(crate) fn has_room(size: u64) -> bool {
    size <= MAX_SEQ
}

/// For SQLite, whose integers are signed; sizes beyond that are the largest.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A size as SQLite gave it.
pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// A column that holds a SHA-256 value.
pub(crate) fn digest(row: &Row<'_>, column: usize) -> rusqlite::Result<Digest> {
    row.get(column).map(Digest)
}

/// The number of an organization.
pub(crate) fn id(conn: &Connection, org: &str) -> rusqlite::Result<Option<OrgId>> {
    conn.prepare_cached("SELECT id FROM organizations WHERE name = ?1")?
        .query_row([org], |row| row.get(0).map(OrgId))
        .optional()
}
