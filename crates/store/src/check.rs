//! What every store checks before it writes anything, so that all refuse the same.

use crate::{Append, AppendError, NewRecord, ReadError, SearchRow};

impl Append {
    /// Whether this share is whole and continues a ledger of `found` records; `None` if there is no such organization.
    ///
    /// # Errors
    /// [`AppendError::Conflict`] if the ledger has another size, [`AppendError::Failed`] if the share itself is wrong.
    pub fn check(&self, found: Option<u64>) -> Result<(), AppendError> {
        let wrong = |why: &str| Err(AppendError::Failed(format!("the batch for `{}` {why}", self.org)));
        let conflict = |found| {
            Err(AppendError::Conflict {
                org: self.org.clone(),
                expected: self.base,
                found,
            })
        };
        match (found, &self.create) {
            (Some(found), Some(_)) => return conflict(found),
            (Some(found), None) if found != self.base => return conflict(found),
            (None, Some(row)) if row.name != self.org => return wrong("creates an organization of another name"),
            (None, Some(_)) if self.base != 0 => return wrong("creates an organization that has records already"),
            (None, None) if self.base == 0 => return wrong("does not create the organization, which does not exist"),
            (None, None) => return conflict(0),
            (Some(_), None) | (None, Some(_)) => {}
        }
        if !self
            .records
            .iter()
            .map(|record| record.seq)
            .eq((self.base..).take(self.records.len()))
        {
            return wrong("has records whose indexes do not follow each other");
        }
        if self.head.size != self.base + self.records.len() as u64 {
            return wrong("has a head of another size than its records make");
        }
        let changed = |record: &&NewRecord| NewRecord::hash_of(&record.leaf) != record.leaf_hash;
        match self.records.iter().find(changed) {
            Some(record) => wrong(&format!(
                "has a record {} whose bytes are not those that its leaf hash was made of: memory fails, or a program",
                record.seq
            )),
            None => Ok(()),
        }
    }
}

impl SearchRow {
    /// Whether `rows` continue an index that covers `indexed` records of a ledger of `size`.
    ///
    /// # Errors
    /// If there is a gap, an overlap, or a line without a record.
    pub fn check(rows: &[SearchRow], indexed: u64, size: u64) -> Result<(), ReadError> {
        if !rows.iter().map(|row| row.seq).eq((indexed..).take(rows.len())) {
            return Err(ReadError(format!(
                "lines of the search index must continue at {indexed}"
            )));
        }
        if indexed + rows.len() as u64 > size {
            return Err(ReadError(format!(
                "the search index cannot cover more than the {size} records that there are"
            )));
        }
        Ok(())
    }
}
