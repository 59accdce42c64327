//! Who may let an action through at once, and who looks at that afterwards: `break_glass:` of the organization's document.

use super::field::Reader;
use crate::yaml::Node;

/// One minute, microseconds.
const MINUTE: i64 = 60_000_000;
/// One day, microseconds.
const DAY: i64 = 1440 * MINUTE;
/// Longest time for which a permit that was given in this way is good.
const LONGEST_PERMIT: i64 = 30 * MINUTE;
/// Latest time until which somebody looks.
const LATEST_REVIEW: i64 = 7 * DAY;
/// Longest time over which uses are counted.
const LONGEST_WINDOW: i64 = 365 * DAY;
/// Most uses of one person within that time.
const MOST: u32 = 20;

/// The rules of breaking the glass. Spans are microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakGlass {
    /// Names of the people who may.
    pub who: Vec<String>,
    /// How long a permit is good.
    pub permit: i64,
    /// How often one person may.
    pub times: u32,
    /// Within which time that is counted.
    pub within: i64,
    /// Names of the people who look afterwards.
    pub review: Vec<String>,
    /// Within what time they look.
    pub review_within: i64,
}

pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<BreakGlass> {
    let mut fields = reader.fields(node, "the rules of break glass")?;
    let who = fields.need(reader, "who").and_then(|node| people(reader, node));
    let permit = (fields.get("permit")).map_or(Some(15 * MINUTE), |node| span(reader, node, LONGEST_PERMIT));
    let quota = (fields.get("per_person")).map_or(Some((2, 30 * DAY)), |node| quota(reader, node));
    let review = fields.need(reader, "review").and_then(|node| people(reader, node));
    let review_within = (fields.get("review_within")).map_or(Some(DAY), |node| span(reader, node, LATEST_REVIEW));
    fields.finish(reader);
    let (times, within) = quota?;
    Some(BreakGlass {
        who: who?,
        permit: permit?,
        times,
        within,
        review: review?,
        review_within: review_within?,
    })
}

fn people(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<String>> {
    let names = reader.names(node)?;
    if names.is_empty() {
        reader.error("empty", node.span.clone(), "this names nobody", "name somebody");
        return None;
    }
    // Whoever is meant has to be the same at every hour, and whoever asked for the action.
    let shifting = |name: &&String| name.starts_with("schedule:") || name.starts_with("manager_of:");
    if let Some(name) = names.iter().find(shifting) {
        let message = format!("`{name}` is not the same people at every hour");
        let help = "name people, teams or duties";
        reader.error("invalid_value", node.span.clone(), message, help);
        return None;
    }
    Some(names)
}

fn span(reader: &mut Reader<'_>, node: &Node, most: i64) -> Option<i64> {
    let span = reader.duration(node)?;
    if !(MINUTE..=most).contains(&span) {
        let message = format!("this is a time of 1 to {} minutes", most / MINUTE);
        reader.error("invalid_value", node.span.clone(), message, "write it as in `15m`");
        return None;
    }
    Some(span)
}

/// `2/30d`: so many times within so long.
fn quota(reader: &mut Reader<'_>, node: &Node) -> Option<(u32, i64)> {
    let text = node.text().unwrap_or_default();
    let read = text.split_once('/').and_then(|(times, within)| {
        let times = times.trim().parse().ok().filter(|times| (1..=MOST).contains(times))?;
        let within = super::field::parse_duration(within.trim())?;
        (DAY..=LONGEST_WINDOW).contains(&within).then_some((times, within))
    });
    if read.is_none() {
        let message = format!("this is not how often within which time: 1 to {MOST} times, within 1 to 365 days");
        reader.error("invalid_value", node.span.clone(), message, "write it as in `2/30d`");
    }
    read
}
