//! Shapes: which type, agent, action and decision occur together.
//!
//! Two long lists that share few lines, such as those of a busy agent and of an action that others do, cost a step for each
//! entry when they are walked side by side: a second and more at ten million lines. A shape has a list of its own, so a search
//! with several filters looks up the few shapes that fit, and walks lists in which every entry is a find. Where nothing ever
//! fitted, there is no shape, and the answer is there at once.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, Result};

use crate::place::OrgId;

/// Numbers of words; 0 where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Shape {
    pub(super) kind: i64,
    pub(super) agent: i64,
    pub(super) action: i64,
    pub(super) decision: i64,
}

/// Numbers of committed shapes.
pub(super) type Shapes = HashMap<Shape, i64>;

pub(super) const KNOWN: &str = "SELECT id FROM shapes INDEXED BY shapes_kind
     WHERE org = ?1 AND kind = ?2 AND decision = ?3 AND action = ?4 AND agent = ?5";
const NEW: &str = "INSERT INTO shapes (org, kind, decision, action, agent) VALUES (?1, ?2, ?3, ?4, ?5)";

/// By the filter that leaves the fewest; 0 stands for a filter that is not there. Words have numbers of one organization, so
/// only the last needs to say which.
pub(super) const BY_AGENT: &str = "SELECT id FROM shapes INDEXED BY shapes_agent
     WHERE agent = ?1 AND ?2 IN (0, action) AND ?3 IN (0, decision) AND ?4 IN (0, kind) LIMIT ?5";
pub(super) const BY_ACTION: &str = "SELECT id FROM shapes INDEXED BY shapes_action
     WHERE action = ?1 AND ?2 IN (0, decision) AND ?3 IN (0, kind) LIMIT ?4";
pub(super) const BY_KIND: &str = "SELECT id FROM shapes INDEXED BY shapes_kind
     WHERE org = ?1 AND kind = ?2 AND decision = ?3 LIMIT ?4";

/// The number of a shape, which gets one if it has none.
pub(super) fn number_of(conn: &Connection, shapes: &mut Shapes, org: OrgId, shape: Shape) -> Result<i64> {
    if let Some(number) = shapes.get(&shape) {
        return Ok(*number);
    }
    let values = (org.0, shape.kind, shape.decision, shape.action, shape.agent);
    let known = conn
        .prepare_cached(KNOWN)?
        .query_row(values, |row| row.get(0))
        .optional()?;
    let number = match known {
        Some(number) => number,
        None => {
            conn.prepare_cached(NEW)?.execute(values)?;
            conn.last_insert_rowid()
        }
    };
    shapes.insert(shape, number);
    Ok(number)
}

/// The shapes that fit at least two filters; `None` if they are more than `at_most`.
pub(super) fn fitting(conn: &Connection, org: OrgId, filters: Shape, at_most: usize) -> Result<Option<Vec<i64>>> {
    let Shape {
        kind,
        agent,
        action,
        decision,
    } = filters;
    let limit = i64::try_from(at_most).unwrap_or(i64::MAX).saturating_add(1);
    let collect = |sql: &str, values: &[i64]| -> Result<Vec<i64>> {
        let mut statement = conn.prepare_cached(sql)?;
        let found = statement.query_map(rusqlite::params_from_iter(values), |row| row.get(0))?;
        found.collect()
    };
    let found = if agent != 0 {
        collect(BY_AGENT, &[agent, action, decision, kind, limit])?
    } else if action != 0 {
        collect(BY_ACTION, &[action, decision, kind, limit])?
    } else {
        collect(BY_KIND, &[org.0, kind, decision, limit])?
    };
    Ok((found.len() <= at_most).then_some(found))
}
