//! How agents earn less review, and lose it: `autonomy:` of the organization's document.

use super::field::{Fields, Reader};
use super::mode::StatedMode;
use super::{Place, mode};
use crate::yaml::Node;

/// One day, microseconds.
const DAY: i64 = 86_400_000_000;
/// All of something, in basis points.
const ALL: u32 = 10_000;

/// What has to be proven for the next mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// So many successes.
    pub successes: u32,
    /// Errors below this share, basis points.
    pub max_error: u32,
    /// So many days in the mode before.
    pub days: u32,
}

/// How an error rate is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Estimate {
    /// By what was counted.
    Point,
    /// By what is certain at 95 %: the one-sided upper bound of Wilson's interval.
    Wilson95,
}

/// The rules of autonomy. Shares are basis points (1 % = 100), spans microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AutonomyRules {
    /// From asking before each action to looking at each one afterwards.
    pub post_action: Threshold,
    /// From there to looking at exceptions and a sample.
    pub exception_only: Threshold,
    /// Above this share of errors an agent starts over.
    pub demote_above: u32,
    /// So many rejections in a row pause the agent.
    pub pause_after: u32,
    /// How error rates are judged.
    pub estimate: Estimate,
    /// Within what time a person looks at an action that has run.
    pub review_within: i64,
    /// An action that nobody looked at in time pauses its agent.
    pub pause_overdue: bool,
    /// The share of actions that is drawn for a look where only exceptions are looked at.
    pub sample: u32,
    /// Modes that hold without being earned; the first one that is about an action holds.
    pub modes: Vec<StatedMode>,
    pub(crate) place: Place,
}

impl AutonomyRules {
    /// Line and column where they stand.
    pub fn at(&self) -> (u32, u32) {
        (self.place.line, self.place.column)
    }

    /// The mode that the document says for an agent with a tool of these classes, if it says one.
    pub fn stated(&self, agent: &str, tool: &str, classes: &[String]) -> Option<&StatedMode> {
        self.modes.iter().find(|stated| stated.covers(agent, tool, classes))
    }
}

pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<AutonomyRules> {
    let mut fields = reader.fields(node, "rules of autonomy")?;
    let place = reader.place(node.span.clone());
    let first = Threshold {
        successes: 100,
        max_error: 200,
        days: 14,
    };
    let second = Threshold {
        successes: 1000,
        max_error: 100,
        days: 0,
    };
    let post_action = threshold(reader, &mut fields, "to_post_action", first);
    let exception_only = threshold(reader, &mut fields, "to_exception_only", second);
    let demote_above = share(reader, fields.get("demote_above"), 500);
    let sample = share(reader, fields.get("sample"), 500);
    let pause_after = fields.get("pause_after").map_or(Some(3), |node| reader.count(node));
    let words = [("point", Estimate::Point), ("wilson95", Estimate::Wilson95)];
    let estimate = fields
        .get("estimate")
        .map_or(Some(Estimate::Point), |node| reader.word(node, &words));
    let review_within = fields
        .get("review_within")
        .map_or(Some(DAY), |node| reader.duration(node));
    let pause_overdue = fields
        .get("pause_overdue")
        .map_or(Some(false), |node| reader.bool(node));
    let modes = match fields.get("modes") {
        Some(node) => mode::read(reader, node),
        None => Some(Vec::new()),
    };
    fields.finish(reader);
    let rules = AutonomyRules {
        post_action: post_action?,
        exception_only: exception_only?,
        demote_above: demote_above?,
        pause_after: pause_after?,
        estimate: estimate?,
        review_within: review_within?,
        pause_overdue: pause_overdue?,
        sample: sample?,
        modes: modes?,
        place,
    };
    let loosest = rules.post_action.max_error.max(rules.exception_only.max_error);
    if rules.demote_above < loosest {
        let message = "`demote_above` is below a `max_error`: whoever is promoted would start over at once";
        let help = "write a share that is not below the `max_error` of either mode";
        reader.error("contradiction", node.span.clone(), message, help);
        return None;
    }
    Some(rules)
}

fn threshold(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    name: &'static str,
    default: Threshold,
) -> Option<Threshold> {
    let Some(node) = fields.get(name) else {
        return Some(default);
    };
    let mut inner = reader.fields(node, "a threshold")?;
    let successes = inner
        .get("successes")
        .map_or(Some(default.successes), |node| reader.whole(node, 1, 1_000_000));
    let max_error = share(reader, inner.get("max_error"), default.max_error);
    let days = inner
        .get("days")
        .map_or(Some(default.days), |node| reader.whole(node, 0, 3650));
    inner.finish(reader);
    Some(Threshold {
        successes: successes?,
        max_error: max_error?,
        days: days?,
    })
}

/// A share such as `5%` or `0.5%`, in basis points.
pub(super) fn share(reader: &mut Reader<'_>, node: Option<&Node>, default: u32) -> Option<u32> {
    let Some(node) = node else { return Some(default) };
    let points = node.text().and_then(|text| {
        let percent: rust_decimal::Decimal = text.strip_suffix('%')?.trim().parse().ok()?;
        let points = percent.checked_mul(rust_decimal::Decimal::from(100))?.normalize();
        (points.scale() == 0).then_some(())?;
        u32::try_from(points).ok().filter(|points| (1..=ALL).contains(points))
    });
    if points.is_none() {
        let message = "this is not a share above 0% and up to 100%, in steps of 0.01%";
        reader.error("invalid_value", node.span.clone(), message, "write it as in `5%`");
    }
    points
}
