//! The search index: a file of its own that is made from the ledger and checked against it.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_core::digest::Digest;
use countersign_core::time::Time;
use countersign_store::{Query, ReadError, SearchRow};
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Result, Row, Transaction, TransactionBehavior};

use crate::ledger;
use crate::open::{self, OpenError};
use crate::place::{OrgId, digest, seq, signed, unsigned};
use crate::pool::Pool;

/// So many words of an organization, and so many organizations, are remembered at most; then it begins anew.
const REMEMBERED: usize = 1_000;

/// The search index of all organizations.
pub(crate) struct Search {
    readers: Pool,
    writer: Mutex<Index>,
}

/// Numbers of committed words.
type Words = HashMap<String, i64>;

struct Index {
    conn: Connection,
    words: BTreeMap<OrgId, Words>,
}

/// The statement that finds the last place of a word in a range, by the index on its column.
macro_rules! list {
    ($column:literal) => {
        concat!(
            "SELECT place FROM lines INDEXED BY lines_",
            $column,
            " WHERE ",
            $column,
            " = ?1 AND place >= ?2 AND place <= ?3 ORDER BY place DESC LIMIT 1"
        )
    };
}

impl Search {
    /// Opens the index, and forgets of it what does not fit the ledger.
    pub(crate) fn open(path: &Path, ledger: &Connection) -> Result<Search, OpenError> {
        let conn = open::search(path)?;
        let search = Search {
            readers: Pool::new(path.to_owned()),
            writer: Mutex::new(Index {
                conn,
                words: BTreeMap::new(),
            }),
        };
        let covered: Vec<(OrgId, u64, Digest)> = search
            .lock()
            .conn
            .prepare("SELECT org, size, leaf_hash FROM covered")?
            .query_map([], |row| {
                Ok((OrgId(row.get(0)?), row.get(1).map(unsigned)?, digest(row, 2)?))
            })?
            .collect::<Result<_>>()?;
        for (org, size, hash) in covered {
            if ledger::leaf_hash(ledger, org.place(size.saturating_sub(1)))? != Some(hash) {
                search.forget(org)?;
            }
        }
        Ok(search)
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many records of the organization are covered.
    pub(crate) fn covered(&self, org: OrgId) -> Result<u64, ReadError> {
        self.readers.read(|conn| covered(conn, org))
    }

    /// Removes what belongs to the organization.
    pub(crate) fn forget(&self, org: OrgId) -> Result<()> {
        let mut index = self.lock();
        index.words.clear();
        let tx = Transaction::new_unchecked(&index.conn, TransactionBehavior::Immediate)?;
        tx.execute(
            "DELETE FROM lines WHERE place >= ?1 AND place < ?2",
            [org.place(0), org.end()],
        )?;
        tx.execute("DELETE FROM words WHERE org = ?1", [org.0])?;
        tx.execute("DELETE FROM covered WHERE org = ?1", [org.0])?;
        tx.commit()
    }

    /// Adds lines. `size` is that of the ledger, `leaf_hash` that of the last line's record.
    pub(crate) fn add(
        &self,
        org: OrgId,
        size: u64,
        leaf_hash: Option<Digest>,
        rows: &[SearchRow],
    ) -> Result<(), ReadError> {
        let mut guard = self.lock();
        let index = &mut *guard;
        let failed = |error: rusqlite::Error| ReadError(error.to_string());
        let tx = Transaction::new_unchecked(&index.conn, TransactionBehavior::Immediate).map_err(failed)?;
        let before = covered(&tx, org).map_err(failed)?;
        SearchRow::check(rows, before, size)?;
        let Some(leaf_hash) = leaf_hash else { return Ok(()) };
        let after = before + rows.len() as u64;
        let words = index.words.entry(org).or_default();
        let added = add_lines(&tx, words, org, rows)
            .and_then(|()| {
                tx.prepare_cached("INSERT OR REPLACE INTO covered (org, size, leaf_hash) VALUES (?1, ?2, ?3)")?
                    .execute((org.0, signed(after), leaf_hash.0))
            })
            .and_then(|_| tx.commit());
        // Words of a transaction that did not come to be have no numbers.
        if added.is_err() || words.len() > REMEMBERED {
            words.clear();
        }
        if index.words.len() > REMEMBERED {
            index.words.clear();
        }
        added.map_err(failed)
    }

    /// Finds lines, newest first.
    pub(crate) fn find(&self, org: OrgId, query: &Query) -> Result<Vec<SearchRow>, ReadError> {
        self.readers.read(|conn| {
            // One moment for all that follows.
            let tx = Transaction::new_unchecked(conn, TransactionBehavior::Deferred)?;
            let found = find(&tx, org, query)?;
            tx.commit()?;
            Ok(found)
        })
    }
}

fn covered(conn: &Connection, org: OrgId) -> Result<u64> {
    let size = conn
        .prepare_cached("SELECT size FROM covered WHERE org = ?1")?
        .query_row([org.0], |row| row.get(0).map(unsigned))
        .optional()?;
    Ok(size.unwrap_or_default())
}

fn add_lines(conn: &Connection, words: &mut Words, org: OrgId, rows: &[SearchRow]) -> Result<()> {
    let mut insert = conn.prepare_cached(
        "INSERT INTO lines (place, ts, kind, agent, action, decision) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for row in rows {
        let mut number = |text: &str| number_of(conn, words, org, text);
        let kind = number(&row.kind)?;
        let [agent, action, decision] = [&row.agent, &row.action, &row.decision];
        let agent = agent.as_deref().map(&mut number).transpose()?;
        let action = action.as_deref().map(&mut number).transpose()?;
        let decision = decision.as_deref().map(&mut number).transpose()?;
        insert.execute((org.place(row.seq), row.ts.0, kind, agent, action, decision))?;
    }
    Ok(())
}

/// The number of a word, which gets one if it has none.
fn number_of(conn: &Connection, words: &mut Words, org: OrgId, text: &str) -> Result<i64> {
    if let Some(number) = words.get(text) {
        return Ok(*number);
    }
    let number = match known_number(conn, org, text)? {
        Some(number) => number,
        None => {
            conn.prepare_cached("INSERT INTO words (org, word) VALUES (?1, ?2)")?
                .execute((org.0, text))?;
            conn.last_insert_rowid()
        }
    };
    words.insert(text.to_owned(), number);
    Ok(number)
}

fn known_number(conn: &Connection, org: OrgId, text: &str) -> Result<Option<i64>> {
    conn.prepare_cached("SELECT id FROM words WHERE org = ?1 AND word = ?2")?
        .query_row((org.0, text), |row| row.get(0))
        .optional()
}

fn find(conn: &Connection, org: OrgId, query: &Query) -> Result<Vec<SearchRow>> {
    let size = covered(conn, org)?;
    let first = match query.from {
        Some(from) => first_at(conn, org, size, from)?,
        None => 0,
    };
    let mut end = query.before.unwrap_or(size).min(size);
    if let Some(to) = query.to {
        end = end.min(first_at(conn, org, size, to)?);
    }
    let mut filters = Vec::new();
    for (word, sql) in [
        (&query.agent, list!("agent")),
        (&query.action, list!("action")),
        (&query.decision, list!("decision")),
        (&query.kind, list!("kind")),
    ] {
        if let Some(word) = word {
            match known_number(conn, org, word)? {
                Some(number) => filters.push((number, conn.prepare_cached(sql)?)),
                None => return Ok(Vec::new()),
            }
        }
    }
    let mut line = conn.prepare_cached(
        "SELECT place, ts,
                (SELECT word FROM words WHERE id = kind),
                (SELECT word FROM words WHERE id = agent),
                (SELECT word FROM words WHERE id = action),
                (SELECT word FROM words WHERE id = decision)
         FROM lines WHERE place = ?1",
    )?;
    let mut found = Vec::new();
    while found.len() < query.limit && first < end {
        let Some(place) = newest(&mut filters, org.place(first), org.place(end - 1))? else {
            break;
        };
        found.push(line.query_row([place], search_row)?);
        end = seq(place);
    }
    Ok(found)
}

/// The last place in `first..=place` that all filters list.
///
/// Each list is in order. In turn they go down to their next place at or below the one that the others have come to;
/// where all stay is a line. The shortest list bounds the steps.
fn newest(filters: &mut [(i64, CachedStatement<'_>)], first: i64, mut place: i64) -> Result<Option<i64>> {
    let mut agreed = 0;
    while agreed < filters.len() {
        for (word, list) in filters.iter_mut() {
            match list
                .query_row((*word, first, place), |row| row.get::<_, i64>(0))
                .optional()?
            {
                Some(next) if next == place => agreed += 1,
                Some(next) => (place, agreed) = (next, 1),
                None => return Ok(None),
            }
        }
    }
    Ok(Some(place))
}

fn search_row(row: &Row<'_>) -> Result<SearchRow> {
    Ok(SearchRow {
        action: row.get(4)?,
        agent: row.get(3)?,
        decision: row.get(5)?,
        kind: row.get(2)?,
        seq: seq(row.get(0)?),
        ts: Time(row.get(1)?),
    })
}

/// The first of `size` records that is not before `ts`: times grow with the index, so this halves the range.
fn first_at(conn: &Connection, org: OrgId, size: u64, ts: Time) -> Result<u64> {
    let mut time_of = conn.prepare_cached("SELECT ts FROM lines WHERE place = ?1")?;
    let (mut low, mut high) = (0, size);
    while low < high {
        let middle = low + (high - low) / 2;
        if time_of.query_row([org.place(middle)], |row| row.get::<_, i64>(0))? < ts.0 {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}
