//! `change_control:`: changes that people have to agree to before they hold.

use super::field::Reader;
use crate::yaml::Node;

/// The most people that a change may need.
const MOST_PEOPLE: u32 = 10;
const MINUTE: i64 = 60_000_000;
const DAY: i64 = 86_400_000_000;

/// Who has to agree before another policy becomes live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyChanges {
    /// Names of people, teams or duties.
    pub approvers: Vec<String>,
    /// How many of them, besides whoever wants the change.
    pub quorum: u32,
    /// How long they have, microseconds.
    pub within: i64,
}

pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<PolicyChanges> {
    let mut fields = reader.fields(node, "change_control")?;
    let inner = fields.need(reader, "policies");
    fields.finish(reader);
    let mut fields = reader.fields(inner?, "policies")?;
    let approvers = fields.need(reader, "approvers").and_then(|node| {
        let names = reader.names(node)?;
        if names.is_empty() {
            reader.error("empty", node.span.clone(), "nobody could agree", "name somebody");
        }
        for name in names
            .iter()
            .filter(|name| name.starts_with("schedule:") || name.starts_with("manager_of:"))
        {
            let message = format!("`{name}` means other people at other hours");
            reader.error(
                "invalid_value",
                node.span.clone(),
                message,
                "name people, teams or duties",
            );
        }
        Some(names)
    });
    let count = |text: &str| text.parse().ok().filter(|count| (1..=MOST_PEOPLE).contains(count));
    let quorum = match fields.get("quorum") {
        None => Some(1),
        Some(node) => {
            let quorum = node.text().and_then(count);
            if quorum.is_none() {
                let message = format!("`quorum` is a number from 1 to {MOST_PEOPLE}");
                let help = "write how many have to agree, besides whoever wants the change";
                reader.error("invalid_value", node.span.clone(), message, help);
            }
            quorum
        }
    };
    let within = match fields.get("within") {
        None => Some(DAY),
        Some(node) => {
            let within = reader.duration(node);
            if within.is_some_and(|within| !(MINUTE..=30 * DAY).contains(&within)) {
                let help = "write a span such as `24h`";
                reader.error(
                    "invalid_value",
                    node.span.clone(),
                    "`within` is 1 minute to 30 days",
                    help,
                );
            }
            within
        }
    };
    fields.finish(reader);
    Some(PolicyChanges {
        approvers: approvers?,
        quorum: quorum?,
        within: within?,
    })
}
