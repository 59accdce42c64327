//! What a limit counts: actions, what was failed at before, repetitions, failures, costs, or how deep a run goes.

use rust_decimal::Decimal;

use super::{Key, MOST_COUNTED, Measure, amount, fits as fits_window};
use crate::document::budget::{AT_CAP, AtCap};
use crate::document::field::{Fields, Reader};
use crate::yaml::Node;

/// Levels that a limit on the depth of a run may name.
const DEEPEST: u32 = 1000;

/// What a limit counts, and up to which number or sum.
pub(super) struct Counts {
    pub(super) count: Option<u32>,
    pub(super) measure: Measure,
    pub(super) sum: Option<(Decimal, Option<String>)>,
}

/// Words that say what a limit counts and that stand alone. `count` and `sum` may stand together, `retries` beside `sum`.
const ALONE: [&str; 4] = ["same", "failures", "cost", "depth"];

/// Reads what a limit counts, of which something has to be there.
pub(super) fn counts(reader: &mut Reader<'_>, fields: &mut Fields<'_>, same: Option<&Node>) -> Option<Counts> {
    let [count, sum, retries] = ["count", "sum", "retries"].map(|name| (name, fields.get(name)));
    let [failures, cost, depth] = ["failures", "cost", "depth"].map(|name| (name, fields.get(name)));
    let open_for = fields.get("open_for");
    let given = [("same", same), failures, cost, depth, count, sum, retries];
    let mut given = given.into_iter().filter_map(|(name, node)| Some((name, node?)));
    let Some((first, _)) = given.next() else {
        let help = "add `count: 10`, `sum: 4500.00 USD`, `retries: 3`, `same: [args.order]`, `failures: 5`, `cost: 5.00 \
                    USD`, or `depth: 5`";
        reader.error("missing_field", fields.head(), "the limit limits nothing", help);
        return None;
    };
    for (name, node) in given {
        if ALONE.contains(&first) {
            let why = if first == "same" {
                ": the second one is a repetition"
            } else {
                ""
            };
            let message = format!("`{name}` has no effect beside `{first}`{why}");
            reader.error("no_effect", node.span.clone(), message, "write two limits");
        }
    }
    if let (Some(node), Some(_)) = (retries.1, count.1) {
        let message = "`count` counts every action, `retries` only those that failed before";
        reader.error("contradiction", node.span.clone(), message, "write two limits");
    }
    if let Some(node) = open_for.filter(|_| failures.1.is_none()) {
        let help = "add `failures: 5`, or take it out";
        reader.error("no_effect", node.span.clone(), "`open_for` is about `failures`", help);
    }
    let counted = |measure, count| Counts {
        count,
        measure,
        sum: None,
    };
    if same.is_some() {
        return Some(counted(Measure::Repetitions, Some(1)));
    }
    if let Some(node) = failures.1 {
        let failures = reader.whole(node, 1, MOST_COUNTED);
        let node = match open_for {
            Some(node) => node,
            None => fields.need(reader, "open_for")?,
        };
        let open_for = reader.duration(node).filter(|span| fits_window(reader, node, *span))?;
        return Some(counted(Measure::Failures(open_for), Some(failures?)));
    }
    if let Some(node) = depth.1 {
        return Some(counted(Measure::Depth, Some(reader.whole(node, 1, DEEPEST)?)));
    }
    if let Some(node) = cost.1 {
        return Some(Counts {
            sum: Some(amount(reader, node)?),
            ..counted(Measure::Costs, None)
        });
    }
    let mut whole = |node: Option<&Node>| match node {
        Some(node) => reader.whole(node, 1, MOST_COUNTED).map(Some),
        None => Some(None),
    };
    let (count, retried) = (whole(count.1)?, whole(retries.1)?);
    let sum = match sum.1 {
        Some(node) => Some(amount(reader, node)?),
        None => None,
    };
    let measure = if retried.is_some() {
        Measure::Retries
    } else {
        Measure::Actions
    };
    Some(Counts {
        count: count.or(retried),
        measure,
        sum,
    })
}

/// What has a window of its own where a limit does not say.
pub(super) fn usual_keys(measure: Option<Measure>) -> Vec<Key> {
    match measure {
        Some(Measure::Failures(_)) => vec![Key::Agent, Key::Tool],
        Some(Measure::Costs | Measure::Depth) => vec![Key::Run],
        Some(Measure::Actions | Measure::Retries | Measure::Repetitions) | None => vec![Key::Agent],
    }
}

/// Whether what it counts can be told apart by its keys: outcomes know who acted with what, and depth is that of a run.
pub(super) fn fits(reader: &mut Reader<'_>, measure: Option<Measure>, per: Option<&Node>, keys: &[Key]) {
    let Some(node) = per else { return };
    let plain = |key: &Key| matches!(key, Key::Agent | Key::Team | Key::Tool | Key::Action);
    match measure {
        Some(Measure::Failures(_)) if !keys.iter().all(plain) => {
            let help = "one or more of `agent`, `team`, `tool`, `action`, or `organization` alone";
            let message = "circuits are told apart by who acts with what";
            reader.error("invalid_value", node.span.clone(), message, help);
        }
        Some(Measure::Depth) if keys != [Key::Run] => {
            let message = "depth is that of a `run`";
            reader.error("invalid_value", node.span.clone(), message, "take `per` out");
        }
        Some(_) | None => {}
    }
}

/// What happens to an action for which there is no room.
pub(super) fn at_cap(reader: &mut Reader<'_>, fields: &mut Fields<'_>, measure: Option<Measure>) -> AtCap {
    let node = fields.get("at_cap");
    if let (Some(node), Some(Measure::Failures(_))) = (node, measure) {
        let message = "`at_cap` has no effect beside `failures`: an open circuit lets nothing through";
        reader.error("no_effect", node.span.clone(), message, "take it out");
    }
    let usual = match measure {
        Some(Measure::Repetitions) => AtCap::Ask,
        Some(_) | None => AtCap::Deny,
    };
    node.and_then(|node| reader.word(node, &AT_CAP)).unwrap_or(usual)
}
