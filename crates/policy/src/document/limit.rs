//! Limits: how often, and for how much in all, something may be done within a window that slides, and what is a repetition.
//!
//! `limits:` documents list them; `rate:` in the limits of a mandate is the same thing for one agent.

mod measure;

use std::borrow::Cow;
use std::sync::Arc;

use rust_decimal::Decimal;

use self::measure::counts;
use super::RuleId;
use super::budget::{AtCap, MOST};
use super::field::{Fields, Reader, parse_duration};
use super::rule::Approvers;
use super::which::Which;
use crate::action::{Action, Resource};
use crate::value::Value;
use crate::verdict::{Decision, Demand, Reason};
use crate::yaml::Node;

/// Most actions that a limit counts up to.
const MOST_COUNTED: u32 = 1_000_000;
/// Longest window, and shortest.
const LONGEST: i64 = 366 * 86_400_000_000;
const SHORTEST: i64 = 1_000_000;
/// The window of a limit on runs that states none: as long as budgets remember a run.
const RUN_WINDOW: i64 = 7 * 86_400_000_000;

/// What has a window of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// Every agent.
    Agent,
    /// Every team of agents; agents without a team share one.
    Team,
    /// Every tool.
    Tool,
    /// Every operation.
    Action,
    /// Every environment.
    Env,
    /// Every run of an agent.
    Run,
    /// Every action that caused others; what none caused shares one.
    Parent,
    /// Everybody on whose behalf agents act.
    Principal,
    /// Every value of a part of the action: `args.customer`, `resource.id`, `amount`.
    Part(Vec<String>),
}

impl Key {
    /// As it is written.
    pub fn text(&self) -> Cow<'_, str> {
        let word = match self {
            Key::Agent => "agent",
            Key::Team => "team",
            Key::Tool => "tool",
            Key::Action => "action",
            Key::Env => "env",
            Key::Run => "run",
            Key::Parent => "parent",
            Key::Principal => "principal",
            Key::Part(path) => return path.join(".").into(),
        };
        word.into()
    }
}

/// What of an action lies at a path, in the form in which values are compared: numbers by their value, texts without regard
/// to case and to space around them.
pub(crate) fn part(action: &Action, path: &[String]) -> Option<String> {
    let (first, rest) = path.split_first()?;
    let of = |resource: fn(&Resource) -> &Option<String>| {
        let text = action.resource.as_ref().and_then(|it| resource(it).as_deref());
        text.filter(|text| !text.trim().is_empty()).map(as_compared)
    };
    match (first.as_str(), rest) {
        ("amount", []) => action.amount.map(|amount| amount.normalize().to_string()),
        ("currency", []) => action.currency.as_deref().map(as_compared),
        ("resource", [name]) if name == "type" => of(|it| &it.kind),
        ("resource", [name]) if name == "id" => of(|it| &it.id),
        ("resource", [name]) if name == "owner" => of(|it| &it.owner),
        ("args", rest) => {
            let mut value = Some(&action.args);
            for name in rest {
                value = value.and_then(|value| value.get(name));
            }
            let mut text = String::new();
            write(value?, &mut text);
            (!text.is_empty()).then_some(text)
        }
        _ => None,
    }
}

/// A text in the form in which the values of actions are compared: without regard to case and to space around it, and a
/// number by its value.
pub fn as_compared(text: &str) -> String {
    let folded = folded(text);
    match crate::yaml::decimal(&folded) {
        Some(number) => number.normalize().to_string(),
        None => folded,
    }
}

fn folded(text: &str) -> String {
    text.trim().to_lowercase()
}

/// A value as text. Lists and maps are told from texts by signs that a text is written without.
fn write(value: &Value, into: &mut String) {
    match value {
        Value::Null => {}
        Value::Bool(truth) => into.push_str(if *truth { "true" } else { "false" }),
        Value::Number(number) => into.push_str(&number.normalize().to_string()),
        Value::String(text) => into.push_str(&as_compared(text)),
        Value::List(items) => {
            into.push('\u{1}');
            for item in items {
                write(item, into);
                into.push('\u{2}');
            }
            into.push('\u{3}');
        }
        Value::Map(map) => {
            into.push('\u{4}');
            for (name, item) in map {
                into.push_str(name);
                into.push('\u{5}');
                write(item, into);
                into.push('\u{2}');
            }
            into.push('\u{3}');
        }
        Value::Timestamp(micros) | Value::Duration(micros) => into.push_str(&micros.to_string()),
    }
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Actions, and what their amounts come to.
    Actions,
    /// What the agent has failed at before.
    Retries,
    /// Actions that repeat an earlier one.
    Repetitions,
    /// Outcomes that report a failure. So many of them open a circuit, for so many microseconds.
    Failures(i64),
    /// What outcomes say that actions cost.
    Costs,
    /// How deep an action lies in the tree of its run.
    Depth,
}

impl Measure {
    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Measure::Actions => "actions",
            Measure::Retries => "retries",
            Measure::Repetitions => "repetitions",
            Measure::Failures(_) => "failures",
            Measure::Costs => "costs",
            Measure::Depth => "depth",
        }
    }
}

/// One limit.
pub struct Limit {
    pub(crate) id: RuleId,
    pub(crate) which: Which,
    keys: Vec<Key>,
    count: Option<u32>,
    sum: Option<(Decimal, Option<String>)>,
    within: i64,
    measure: Measure,
    at_cap: AtCap,
    pub(crate) approvers: Approvers,
}

impl Limit {
    /// Its name; that of a mandate's rate is `AGENT/rate`.
    pub fn name(&self) -> &Arc<str> {
        &self.id.rule
    }

    /// What has a window of its own; nothing: all of it shares one.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The most actions that one window holds.
    pub fn count(&self) -> Option<u32> {
        self.count
    }

    /// The most that their amounts come to, and in which currency; without one, the organization's.
    pub fn sum(&self) -> Option<(Decimal, Option<&str>)> {
        self.sum.as_ref().map(|(sum, code)| (*sum, code.as_deref()))
    }

    /// How long an action is counted, in microseconds: one at `t` counts until just before `t` + this.
    pub fn within(&self) -> i64 {
        self.within
    }

    /// What it counts.
    pub fn measure(&self) -> Measure {
        self.measure
    }

    /// It looks for repetitions: the first one is shown, and one that waits for people counts as well.
    pub fn looks_for_repetitions(&self) -> bool {
        self.measure == Measure::Repetitions
    }

    /// It counts only what the agent has failed at before.
    pub fn counts_retries(&self) -> bool {
        self.measure == Measure::Retries
    }

    /// What happens to an action for which there is no room.
    pub fn at_cap(&self) -> AtCap {
        self.at_cap
    }

    /// The unit of its sum, as records name it.
    pub fn unit<'a>(&'a self, currency: &'a str) -> Option<&'a str> {
        let (_, code) = self.sum.as_ref()?;
        Some(code.as_deref().unwrap_or(currency))
    }

    /// The value by which one of its keys that is a part of the action tells windows apart.
    pub fn value(&self, key: &Key, action: &Action) -> Option<String> {
        match key {
            Key::Part(path) => part(action, path),
            Key::Principal => action.principal.as_deref().map(as_compared),
            Key::Run => action.run.clone(),
            Key::Parent => Some(action.parent.clone().unwrap_or_default()),
            Key::Env => Some(action.env.clone().unwrap_or_default()),
            Key::Agent | Key::Team | Key::Tool | Key::Action => None,
        }
    }

    /// Whether it is about an action.
    pub fn covers(&self, agent: &str, team: Option<&str>, tool: Option<&str>, action: &str) -> bool {
        self.which.covers(agent, team, tool, action)
    }

    /// What it says about an action, as a reason.
    pub fn reason(&self, code: &str, decision: Decision, message: String) -> Reason {
        self.id.reason(code, decision, message)
    }

    /// Who has to approve that for which there is no room.
    pub fn demand(&self) -> Demand {
        self.approvers.demand(&self.id)
    }
}

/// Reads `limits:`.
pub(crate) fn read(reader: &mut Reader<'_>, mut fields: Fields<'_>) -> Option<Vec<Limit>> {
    let node = fields.get("limits")?;
    fields.finish(reader);
    let items = reader.list(node)?;
    if items.is_empty() {
        let help = "add one, or remove the file";
        reader.error("empty", node.span.clone(), "no limit is listed", help);
    }
    Some(items.iter().filter_map(|item| limit(reader, item)).collect())
}

fn limit(reader: &mut Reader<'_>, node: &Node) -> Option<Limit> {
    let mut fields = reader.fields(node, "a limit")?;
    let place = reader.place(fields.head());
    let name = fields.need(reader, "name").and_then(|node| reader.id(node));
    let which = Which::read(reader, &mut fields);
    let (same, per) = (fields.get("same"), fields.get("per"));
    let counts = counts(reader, &mut fields, same);
    let measure = counts.as_ref().map(|counts| counts.measure);
    let mut keys = match (per, same) {
        (Some(node), _) => keys(reader, node, true)?,
        (None, Some(_)) => Vec::new(),
        (None, None) => measure::usual_keys(measure),
    };
    if let Some(node) = same {
        keys.extend(self::keys(reader, node, false)?);
    }
    measure::fits(reader, measure, per, &keys);
    let within = match measure {
        // Levels do not pass.
        Some(Measure::Depth) => Some(RUN_WINDOW),
        Some(_) | None => within(reader, &mut fields, &keys),
    };
    let at_cap = measure::at_cap(reader, &mut fields, measure);
    let approvers = Approvers::read(reader, &mut fields, at_cap == AtCap::Ask);
    fields.finish(reader);
    let counts = counts?;
    let id = RuleId {
        document: Arc::from("limits"),
        rule: name?,
        place,
    };
    Some(Limit {
        id,
        which,
        keys,
        count: counts.count,
        sum: counts.sum,
        within: within?,
        measure: counts.measure,
        at_cap,
        approvers: approvers?,
    })
}

fn amount(reader: &mut Reader<'_>, node: &Node) -> Option<(Decimal, Option<String>)> {
    let money = reader.money(node)?;
    if money.amount >= Decimal::from(MOST) || money.amount.scale() > 9 || money.amount.is_sign_negative() {
        let message = "an amount has up to 18 digits before the point and up to 9 after it";
        let help = "write a smaller or shorter number";
        reader.error("invalid_value", node.span.clone(), message, help);
        return None;
    }
    Some((money.amount, money.currency))
}

fn within(reader: &mut Reader<'_>, fields: &mut Fields<'_>, keys: &[Key]) -> Option<i64> {
    let node = match fields.get("within") {
        Some(node) => node,
        None if keys.contains(&Key::Run) => return Some(RUN_WINDOW),
        None => fields.need(reader, "within")?,
    };
    let within = reader.duration(node)?;
    fits(reader, node, within).then_some(within)
}

fn fits(reader: &mut Reader<'_>, node: &Node, within: i64) -> bool {
    let fits = (SHORTEST..=LONGEST).contains(&within);
    if !fits {
        let help = "write a span from `1s` to `366d`";
        let message = "a window is a second long at least and a year at most";
        reader.error("invalid_value", node.span.clone(), message, help);
    }
    fits
}

fn keys(reader: &mut Reader<'_>, node: &Node, all: bool) -> Option<Vec<Key>> {
    let items = reader.list_or_one(node)?;
    if items.is_empty() {
        let help = "name a part of the action, such as `args.customer`";
        reader.error("empty", node.span.clone(), "nothing is named", help);
    }
    let mut keys = Vec::new();
    for item in items {
        let text = item.text().unwrap_or_default();
        if text == "organization" && all && items.len() == 1 {
            continue;
        }
        let Some(key) = key(text) else {
            let message = format!("`{}` has no windows of its own", text.escape_debug());
            let help = "one of `agent`, `team`, `tool`, `action`, `env`, `run`, `parent`, `principal`, `amount`, \
                        `currency`, `resource.type`, `resource.id`, `resource.owner`, or `args.NAME`; \
                        `per: organization` alone for one window of all";
            reader.error("unknown_value", item.span.clone(), message, help);
            return None;
        };
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    Some(keys)
}

fn key(text: &str) -> Option<Key> {
    let path = || text.split('.').map(str::to_owned).collect::<Vec<_>>();
    Some(match text {
        "agent" => Key::Agent,
        "team" => Key::Team,
        "tool" => Key::Tool,
        "action" => Key::Action,
        "env" => Key::Env,
        "run" => Key::Run,
        "parent" => Key::Parent,
        "principal" => Key::Principal,
        "amount" | "currency" | "resource.type" | "resource.id" | "resource.owner" => Key::Part(path()),
        _ => {
            let rest = text.strip_prefix("args.")?;
            let fine = rest.split('.').all(|name| !name.is_empty()) && rest.split('.').count() <= 8;
            fine.then(|| Key::Part(path()))?
        }
    })
}

/// Reads `rate:` of a mandate's limits: `60/1m`, or a list of such.
pub(crate) fn rates(
    reader: &mut Reader<'_>,
    agent: &str,
    node: &Node,
    at_cap: AtCap,
    approvers: &Approvers,
) -> Vec<Limit> {
    let items = reader.list_or_one(node).unwrap_or_default();
    let mut limits = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let text = item.text().unwrap_or_default();
        let parts = text.split_once('/');
        let count = parts.and_then(|(count, _)| count.trim().parse::<u32>().ok());
        let count = count.filter(|count| (1..=MOST_COUNTED).contains(count));
        let within = parts.and_then(|(_, span)| parse_duration(span.trim()));
        let (Some(count), Some(within)) = (count, within) else {
            let message = format!("`{}` is no rate", text.escape_debug());
            let help = "write how many in which time, such as `60/1m`";
            reader.error("invalid_value", item.span.clone(), message, help);
            continue;
        };
        if !fits(reader, item, within) {
            continue;
        }
        let name = match index {
            0 => format!("{agent}/rate"),
            index => format!("{agent}/rate[{index}]"),
        };
        limits.push(Limit {
            id: RuleId {
                document: Arc::from(agent),
                rule: Arc::from(name),
                place: reader.place(item.span.clone()),
            },
            which: Which::of_agent(agent),
            keys: vec![Key::Agent],
            count: Some(count),
            sum: None,
            within,
            measure: Measure::Actions,
            at_cap,
            approvers: approvers.clone(),
        });
    }
    limits
}
