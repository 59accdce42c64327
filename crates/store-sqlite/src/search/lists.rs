//! The places of the lines that a search finds, newest first: by the list of one word, by the lists of a few shapes, or by
//! the lists of several words walked side by side.

use std::collections::BinaryHeap;

use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Result};

use super::shapes::{self, Shape};
use crate::place::OrgId;

/// So many lists of shapes are merged at most. Where more shapes fit, lines that fit are common.
pub(super) const MERGED_AT_MOST: usize = 256;

/// The statement that finds the last place of a number in a range, by the index on its column.
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

pub(super) const AGENT: &str = list!("agent");
pub(super) const ACTION: &str = list!("action");
pub(super) const DECISION: &str = list!("decision");
pub(super) const KIND: &str = list!("kind");
pub(super) const SHAPE: &str = list!("shape");

/// The places in a range that fit, from the last one down.
pub(super) struct Lists<'a> {
    first: i64,
    last: i64,
    way: Way<'a>,
}

enum Way<'a> {
    /// The lists of words: what all of them have. Without a list, every place.
    Shared(Vec<(i64, CachedStatement<'a>)>),
    /// The lists of shapes: what any of them has. Each is on the heap with its next place.
    Any {
        next: BinaryHeap<(i64, i64)>,
        list: CachedStatement<'a>,
    },
}

impl<'a> Lists<'a> {
    /// The lists for some filters; 0 stands for one that is not there.
    pub(super) fn of(conn: &'a Connection, org: OrgId, filters: Shape, first: i64, last: i64) -> Result<Lists<'a>> {
        let words: Vec<(i64, &str)> = [
            (filters.agent, AGENT),
            (filters.action, ACTION),
            (filters.decision, DECISION),
            (filters.kind, KIND),
        ]
        .into_iter()
        .filter(|(word, _)| *word != 0)
        .collect();
        let shapes = if words.len() > 1 {
            shapes::fitting(conn, org, filters, MERGED_AT_MOST)?
        } else {
            None
        };
        let way = match shapes {
            Some(shapes) => {
                let mut list = conn.prepare_cached(SHAPE)?;
                let mut next = BinaryHeap::new();
                for shape in shapes {
                    next.extend(last_of(&mut list, shape, first, last)?.map(|place| (place, shape)));
                }
                Way::Any { next, list }
            }
            None => {
                let lists = words
                    .into_iter()
                    .map(|(word, sql)| Ok((word, conn.prepare_cached(sql)?)));
                Way::Shared(lists.collect::<Result<_>>()?)
            }
        };
        Ok(Lists { first, last, way })
    }

    /// The next place.
    pub(super) fn next(&mut self) -> Result<Option<i64>> {
        if self.last < self.first {
            return Ok(None);
        }
        let found = match &mut self.way {
            Way::Shared(lists) => shared(lists, self.first, self.last)?,
            Way::Any { next, list } => match next.pop() {
                Some((place, shape)) => {
                    next.extend(last_of(list, shape, self.first, place - 1)?.map(|place| (place, shape)));
                    Some(place)
                }
                None => None,
            },
        };
        self.last = found.map_or(self.first - 1, |place| place - 1);
        Ok(found)
    }
}

fn last_of(list: &mut CachedStatement<'_>, number: i64, first: i64, last: i64) -> Result<Option<i64>> {
    list.query_row((number, first, last), |row| row.get(0)).optional()
}

/// The last place in `first..=place` that all lists have.
///
/// Each list is in order. In turn they go down to their next place at or below the one that the others have come to;
/// where all stay is a line. The shortest list bounds the steps.
fn shared(lists: &mut [(i64, CachedStatement<'_>)], first: i64, mut place: i64) -> Result<Option<i64>> {
    let mut agreed = 0;
    while agreed < lists.len() {
        for (word, list) in lists.iter_mut() {
            match last_of(list, *word, first, place)? {
                Some(next) if next == place => agreed += 1,
                Some(next) => (place, agreed) = (next, 1),
                None => return Ok(None),
            }
        }
    }
    Ok(Some(place))
}
