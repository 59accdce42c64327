//! When a reviewer's votes look like no review, and what follows of it: `theatre:` of the organization's document.

use super::field::{Fields, Reader};
use crate::yaml::Node;

/// One second, microseconds.
const SECOND: i64 = 1_000_000;
/// Longest time that policy takes for reading a request.
const LONGEST: i64 = 3600 * SECOND;
/// Most votes that a rule may look back at: as many as are kept of one person.
const MOST: u32 = 500;

/// What follows of a flag. Each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Response {
    /// An alert, and nothing else.
    Note,
    /// To approve takes a comment.
    Comment,
    /// What the person approves takes one more person.
    Second,
    /// The person does not vote until an admin says so.
    Suspend,
}

impl Response {
    /// The word of the document.
    pub fn as_str(self) -> &'static str {
        match self {
            Response::Note => "note",
            Response::Comment => "comment",
            Response::Second => "second",
            Response::Suspend => "suspend",
        }
    }
}

/// `dwell:`: more than half of the approvals came sooner than the request can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DwellRule {
    /// The least time for reading, by risk from `R1` to `R4`, microseconds.
    pub floors: [i64; 4],
    /// How many approvals it takes.
    pub of: u32,
    /// What follows.
    pub then: Response,
}

/// `streak:`, `pace:`, `canary:`: so many approvals in a row, more than so many votes within an hour, so many approvals of
/// what was made to be rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountRule {
    /// How many.
    pub of: u32,
    /// What follows.
    pub then: Response,
}

/// `share:`: so many of a hundred votes approve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareRule {
    /// How many of a hundred.
    pub percent: u32,
    /// How many votes it takes.
    pub of: u32,
    /// What follows.
    pub then: Response,
}

/// The rules of `theatre:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Theatre {
    /// Requests approved that were made to be rejected.
    pub canary: CountRule,
    /// Too fast.
    pub dwell: DwellRule,
    /// Too many in a row.
    pub streak: CountRule,
    /// Too many within an hour.
    pub pace: CountRule,
    /// Too few that say no.
    pub share: ShareRule,
}

impl Theatre {
    /// The least time for reading what a tool of this risk is asked for, microseconds.
    pub fn floor(&self, risk: Option<&str>) -> i64 {
        let [low, medium, high, critical] = self.dwell.floors;
        match risk {
            Some("R2") => medium,
            Some("R3") => high,
            Some("R4") => critical,
            _ => low,
        }
    }
}

pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Theatre> {
    let mut fields = reader.fields(node, "the rules of approval theatre")?;
    let dwell = within(reader, &mut fields, "dwell", |reader, fields| {
        let mut floors = [5, 10, 20, 45].map(|seconds| seconds * SECOND);
        for (floor, risk) in floors.iter_mut().zip(["R1", "R2", "R3", "R4"]) {
            if let Some(node) = fields.as_mut().and_then(|fields| fields.get(risk)) {
                *floor = floor_of(reader, node)?;
            }
        }
        let of = number(reader, fields, "of", 10, MOST)?;
        let then = then(reader, fields)?;
        Some(DwellRule { floors, of, then })
    });
    let mut count = |name, default| {
        within(reader, &mut fields, name, |reader, fields| {
            let of = number(reader, fields, "of", default, MOST)?;
            let then = then(reader, fields)?;
            Some(CountRule { of, then })
        })
    };
    let (streak, pace, canary) = (count("streak", 20), count("pace", 30), count("canary", 1));
    let share = within(reader, &mut fields, "share", |reader, fields| {
        let percent = number(reader, fields, "percent", 98, 100)?;
        let of = number(reader, fields, "of", 50, MOST)?;
        let then = then(reader, fields)?;
        Some(ShareRule { percent, of, then })
    });
    fields.finish(reader);
    Some(Theatre {
        canary: canary?,
        dwell: dwell?,
        streak: streak?,
        pace: pace?,
        share: share?,
    })
}

/// One of the rules; where the document leaves it out, what it says by default.
fn within<T>(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    name: &'static str,
    read: impl FnOnce(&mut Reader<'_>, &mut Option<Fields<'_>>) -> Option<T>,
) -> Option<T> {
    let mut own = match fields.get(name) {
        Some(node) => Some(reader.fields(node, "a rule with what it takes and what follows")?),
        None => None,
    };
    let rule = read(reader, &mut own);
    if let Some(own) = own {
        own.finish(reader);
    }
    rule
}

fn number(
    reader: &mut Reader<'_>,
    fields: &mut Option<Fields<'_>>,
    name: &'static str,
    default: u32,
    most: u32,
) -> Option<u32> {
    match fields.as_mut().and_then(|fields| fields.get(name)) {
        Some(node) => reader.whole(node, 1, most),
        None => Some(default),
    }
}

fn then(reader: &mut Reader<'_>, fields: &mut Option<Fields<'_>>) -> Option<Response> {
    let words =
        [Response::Note, Response::Comment, Response::Second, Response::Suspend].map(|word| (word.as_str(), word));
    match fields.as_mut().and_then(|fields| fields.get("then")) {
        Some(node) => reader.word(node, &words),
        None => Some(Response::Note),
    }
}

fn floor_of(reader: &mut Reader<'_>, node: &Node) -> Option<i64> {
    let span = reader.duration(node)?;
    if !(SECOND..=LONGEST).contains(&span) {
        let message = "reading takes from one second to one hour";
        reader.error("invalid_value", node.span.clone(), message, "write it as in `20s`");
        return None;
    }
    Some(span)
}
