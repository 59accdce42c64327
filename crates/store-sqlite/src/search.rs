//! The search index: a file of its own that is made from the ledger and checked against it.

mod lists;
mod shapes;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_core::digest::Digest;
use countersign_core::time::Time;
use countersign_store::{Query, ReadError, SearchRow};
use rusqlite::{Connection, OptionalExtension as _, Result, Row, Transaction, TransactionBehavior};

use crate::ledger;
use crate::open::{self, OpenError};
use crate::place::{OrgId, digest, seq, signed, unsigned};
use crate::pool::Pool;
use lists::Lists;
use shapes::{Shape, Shapes};

/// So many words of an organization, and so many organizations, are remembered at most; then it begins anew.
const REMEMBERED: usize = 1_000;
/// Likewise of shapes, each of which is a few numbers.
const SHAPES_REMEMBERED: usize = 50_000;

/// The search index of all organizations.
pub(crate) struct Search {
    readers: Pool,
    writer: Mutex<Index>,
}

/// Numbers of what is committed.
#[derive(Default)]
struct Numbers {
    words: HashMap<String, i64>,
    shapes: Shapes,
}

impl Numbers {
    fn clear(&mut self) {
        self.words.clear();
        self.shapes.clear();
    }
}

struct Index {
    conn: Connection,
    numbers: BTreeMap<OrgId, Numbers>,
}

const WORD: &str = "SELECT id FROM words WHERE org = ?1 AND word = ?2";
const TIME: &str = "SELECT ts FROM lines WHERE place = ?1";
const LINE: &str = "SELECT place, ts,
            (SELECT word FROM words WHERE id = kind),
            (SELECT word FROM words WHERE id = agent),
            (SELECT word FROM words WHERE id = action),
            (SELECT word FROM words WHERE id = decision)
     FROM lines WHERE place = ?1";

impl Search {
    /// Opens the index, and forgets of it what does not fit the ledger.
    pub(crate) fn open(path: &Path, ledger: &Connection) -> Result<Search, OpenError> {
        let conn = open::search(path)?;
        let search = Search {
            readers: Pool::new(path.to_owned()),
            writer: Mutex::new(Index {
                conn,
                numbers: BTreeMap::new(),
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
        index.numbers.clear();
        let tx = Transaction::new_unchecked(&index.conn, TransactionBehavior::Immediate)?;
        tx.execute(
            "DELETE FROM lines WHERE place >= ?1 AND place < ?2",
            [org.place(0), org.end()],
        )?;
        tx.execute("DELETE FROM shapes WHERE org = ?1", [org.0])?;
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
        let numbers = index.numbers.entry(org).or_default();
        let added = add_lines(&tx, numbers, org, rows)
            .and_then(|()| {
                tx.prepare_cached("INSERT OR REPLACE INTO covered (org, size, leaf_hash) VALUES (?1, ?2, ?3)")?
                    .execute((org.0, signed(after), leaf_hash.0))
            })
            .and_then(|_| tx.commit());
        // What a transaction that did not come to be has numbered has no numbers.
        if added.is_err() || numbers.words.len() > REMEMBERED || numbers.shapes.len() > SHAPES_REMEMBERED {
            numbers.clear();
        }
        if index.numbers.len() > REMEMBERED {
            index.numbers.clear();
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

fn add_lines(conn: &Connection, numbers: &mut Numbers, org: OrgId, rows: &[SearchRow]) -> Result<()> {
    let mut insert = conn.prepare_cached(
        "INSERT INTO lines (place, ts, kind, agent, action, decision, shape) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for row in rows {
        let mut number = |text: &str| number_of(conn, &mut numbers.words, org, text);
        let kind = number(&row.kind)?;
        let [agent, action, decision] = [&row.agent, &row.action, &row.decision];
        let agent = agent.as_deref().map(&mut number).transpose()?;
        let action = action.as_deref().map(&mut number).transpose()?;
        let decision = decision.as_deref().map(&mut number).transpose()?;
        let shape = Shape {
            kind,
            agent: agent.unwrap_or_default(),
            action: action.unwrap_or_default(),
            decision: decision.unwrap_or_default(),
        };
        let shape = shapes::number_of(conn, &mut numbers.shapes, org, shape)?;
        insert.execute((org.place(row.seq), row.ts.0, kind, agent, action, decision, shape))?;
    }
    Ok(())
}

/// The number of a word, which gets one if it has none.
fn number_of(conn: &Connection, words: &mut HashMap<String, i64>, org: OrgId, text: &str) -> Result<i64> {
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
    conn.prepare_cached(WORD)?
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
    let mut filters = Shape::default();
    for (word, filter) in [
        (&query.agent, &mut filters.agent),
        (&query.action, &mut filters.action),
        (&query.decision, &mut filters.decision),
        (&query.kind, &mut filters.kind),
    ] {
        if let Some(word) = word {
            match known_number(conn, org, word)? {
                Some(number) => *filter = number,
                None => return Ok(Vec::new()),
            }
        }
    }
    if first >= end {
        return Ok(Vec::new());
    }
    let mut lists = Lists::of(conn, org, filters, org.place(first), org.place(end - 1))?;
    let mut line = conn.prepare_cached(LINE)?;
    let mut found = Vec::new();
    while found.len() < query.limit {
        let Some(place) = lists.next()? else { break };
        found.push(line.query_row([place], search_row)?);
    }
    Ok(found)
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
    let mut time_of = conn.prepare_cached(TIME)?;
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
