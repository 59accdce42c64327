//! Limits that travel with a grant: a closed registry of kinds, how two of a kind combine, and what violates them.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use crate::action::{Access, Action};
use crate::condition::closest;
use crate::document::field::{Money, Reader, is_currency};

pub use crate::document::field::parse_duration;
use crate::hidden::Hidden;
use crate::value::Value;
use crate::verdict::ConstraintValue;
use crate::yaml::{Kind, Node, decimal};

/// Where a constraint is held against what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforced {
    /// At the decision, where the action states the value.
    Decision,
    /// When the permit is redeemed.
    Redeem,
    /// By the gateway while it runs.
    Gateway,
    /// When the outcome is reported.
    Outcome,
}

/// What a constraint's value is, and so how two of them combine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// The smaller amount; two currencies have nothing in common.
    Money,
    /// The shorter time.
    Time,
    /// The smaller number.
    Count,
    /// On if one says so.
    Flag,
    /// The common members.
    Members,
}

/// One kind of constraint.
pub struct Entry {
    /// The name in documents, answers and permits.
    pub name: &'static str,
    /// What its number counts; empty for lists and switches.
    pub unit: &'static str,
    /// Where it is enforced.
    pub enforced: &'static [Enforced],
    shape: Shape,
}

const fn entry(name: &'static str, unit: &'static str, shape: Shape, enforced: &'static [Enforced]) -> Entry {
    Entry {
        name,
        unit,
        enforced,
        shape,
    }
}

/// Every kind, by name.
pub const REGISTRY: [Entry; 11] = {
    use Enforced::{Decision, Gateway, Outcome, Redeem};
    [
        entry("allowed_currencies", "", Shape::Members, &[Decision, Redeem]),
        entry("domains", "", Shape::Members, &[Decision, Redeem]),
        entry("environments", "", Shape::Members, &[Decision, Redeem]),
        entry("max_amount", "money", Shape::Money, &[Decision, Redeem]),
        entry("max_calls", "calls", Shape::Count, &[Gateway]),
        entry("max_cost", "money", Shape::Money, &[Decision, Outcome]),
        entry("max_rows", "rows", Shape::Count, &[Decision, Gateway]),
        entry("read_only", "", Shape::Flag, &[Decision, Gateway]),
        entry("recipients", "", Shape::Members, &[Decision, Redeem]),
        entry("timeout", "time", Shape::Time, &[Gateway, Outcome]),
        entry("tools", "", Shape::Members, &[Decision, Redeem]),
    ]
};

/// Arguments that say how many rows are wanted.
const ROW_ARGUMENTS: [&str; 4] = ["limit", "max_rows", "row_count", "rows"];
/// Arguments that say where something goes.
const DOMAIN_ARGUMENTS: [&str; 7] = ["bcc", "cc", "domain", "recipient", "recipients", "to", "url"];
/// Arguments that say to whom something goes.
const RECIPIENT_ARGUMENTS: [&str; 5] = ["bcc", "cc", "recipient", "recipients", "to"];

/// The value of one constraint, with the text it was written in.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Limit {
    Money(Money),
    Time(i64, String),
    Count(Decimal),
    Flag,
    Members(BTreeSet<String>),
}

/// Constraints of one rule, or of several that were combined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Constraints(BTreeMap<&'static str, Limit>);

/// What the action states about the values that constraints limit.
pub(crate) struct Stated<'a> {
    pub(crate) action: &'a Action,
    /// The organization's currency.
    pub(crate) currency: &'a str,
    /// What is known of the access: `None` where nobody says.
    pub(crate) access: Option<Access>,
}

impl Constraints {
    /// Reads `constraints:`; empty is an error, because it asks for nothing.
    pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Constraints> {
        let Kind::Map(entries) = &node.kind else {
            reader.fields(node, "constraints")?;
            return None;
        };
        let mut constraints = BTreeMap::new();
        for (key, value) in entries {
            let name = key.text().unwrap_or_default();
            let Some(entry) = REGISTRY.iter().find(|entry| entry.name == name) else {
                let known = || REGISTRY.iter().map(|entry| entry.name);
                let help = match closest(name, known()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known: {}", known().collect::<Vec<_>>().join(", ")),
                };
                reader.error(
                    "unknown_constraint",
                    key.span.clone(),
                    format!("`{name}` is not a constraint"),
                    help,
                );
                continue;
            };
            if let Some(limit) = limit(reader, entry, value) {
                constraints.insert(entry.name, limit);
            }
        }
        if entries.is_empty() {
            reader.error(
                "empty",
                node.span.clone(),
                "no constraint is named",
                "name one, or remove the field",
            );
        }
        Some(Constraints(constraints))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds those of another rule. Returns the names that have nothing in common.
    pub(crate) fn merge(&mut self, other: &Constraints, currency: &str) -> Vec<&'static str> {
        let mut apart = Vec::new();
        for (name, limit) in &other.0 {
            match self.0.get_mut(name) {
                None => {
                    self.0.insert(name, limit.clone());
                }
                Some(mine) => {
                    if !narrow(mine, limit, currency) {
                        apart.push(*name);
                    }
                }
            }
        }
        apart
    }

    /// What the action states beyond these limits: constraint and sentence.
    pub(crate) fn violations(&self, stated: &Stated<'_>) -> Vec<(&'static str, String)> {
        let check = |(name, limit): (&&'static str, &Limit)| Some((*name, violation(name, limit, stated)?));
        self.0.iter().filter_map(check).collect()
    }

    /// Notes what [`Constraints::violations`] looks at.
    pub(crate) fn watch(&self, action: &Action, hidden: &Hidden) {
        let arguments = |keys: &[&str]| {
            for key in keys {
                if let Some(value) = action.args.get(key) {
                    hidden.see_all(value, || format!("args.{key}"));
                }
                hidden.see_key(&action.args, key, || "args".to_owned());
            }
        };
        for name in self.0.keys() {
            match *name {
                "domains" => arguments(&DOMAIN_ARGUMENTS),
                "recipients" => arguments(&RECIPIENT_ARGUMENTS),
                "max_rows" => arguments(&ROW_ARGUMENTS),
                "environments" => hidden.see_text(action.env.as_deref(), "env"),
                "tools" => hidden.see_text(action.tool.as_deref(), "tool"),
                // Amounts and currencies are fields of their own that no redaction touches.
                _ => {}
            }
        }
    }

    /// As records, permits and answers hold them.
    pub(crate) fn values(&self) -> BTreeMap<String, ConstraintValue> {
        let value = |limit: &Limit| match limit {
            Limit::Money(money) => ConstraintValue::Text(money.to_string()),
            Limit::Time(_, text) => ConstraintValue::Text(text.clone()),
            Limit::Count(count) => ConstraintValue::Text(count.to_string()),
            Limit::Flag => ConstraintValue::Flag(true),
            Limit::Members(members) => ConstraintValue::List(members.iter().cloned().collect()),
        };
        self.0
            .iter()
            .map(|(name, limit)| ((*name).to_owned(), value(limit)))
            .collect()
    }
}

fn limit(reader: &mut Reader<'_>, entry: &Entry, node: &Node) -> Option<Limit> {
    match entry.shape {
        Shape::Money => reader.money(node).map(Limit::Money),
        Shape::Time => {
            let span = reader.duration(node)?;
            Some(Limit::Time(span, node.text()?.to_owned()))
        }
        Shape::Count => reader.count(node).map(|count| Limit::Count(Decimal::from(count))),
        Shape::Flag => {
            if !reader.bool(node)? {
                let message = format!("`{}: false` limits nothing", entry.name);
                reader.error(
                    "no_effect",
                    node.span.clone(),
                    message,
                    "remove it: no rule can take a limit away",
                );
                return None;
            }
            Some(Limit::Flag)
        }
        Shape::Members => {
            let names = reader.names(node)?;
            let bad = entry.name == "allowed_currencies" && !names.iter().all(|name| is_currency(name));
            if bad || names.is_empty() {
                let (message, help) = match bad {
                    true => ("a currency is three capital letters", "write it as in `[EUR, USD]`"),
                    false => ("an empty list allows nothing", "name what is allowed, or deny"),
                };
                reader.error("invalid_value", node.span.clone(), message, help);
                return None;
            }
            let lower = |name: String| {
                if entry.name == "domains" {
                    name.to_ascii_lowercase()
                } else {
                    name
                }
            };
            Some(Limit::Members(names.into_iter().map(lower).collect()))
        }
    }
}

/// Makes `mine` the intersection of both; `false` where they have nothing in common.
///
/// Of equal limits the lesser text stays, so that the order of the rules does not show.
fn narrow(mine: &mut Limit, other: &Limit, currency: &str) -> bool {
    match (&mut *mine, other) {
        (Limit::Money(left), Limit::Money(right)) => {
            let of = |money: &Money| money.currency.clone().unwrap_or_else(|| currency.to_owned());
            if of(left) != of(right) {
                return false;
            }
            let key = |money: &Money| (money.amount, money.to_string());
            if key(right) < key(left) {
                *left = right.clone();
            }
            true
        }
        (Limit::Time(span, text), Limit::Time(other, written)) => {
            if (other, written) < (&*span, &*text) {
                (*span, *text) = (*other, written.clone());
            }
            true
        }
        (Limit::Count(left), Limit::Count(right)) => {
            *left = (*left).min(*right);
            true
        }
        (Limit::Flag, Limit::Flag) => true,
        (Limit::Members(left), Limit::Members(right)) => {
            left.retain(|member| right.contains(member));
            !left.is_empty()
        }
        // One name has one shape.
        _ => false,
    }
}

fn violation(name: &str, limit: &Limit, stated: &Stated<'_>) -> Option<String> {
    let action = stated.action;
    match limit {
        Limit::Money(max) => {
            let (what, value) = match name {
                "max_cost" => ("the estimated cost", action.estimated_cost?),
                _ => ("the amount", action.amount?),
            };
            let wanted = max.currency.as_deref().unwrap_or(stated.currency);
            let given = action.currency.as_deref().unwrap_or(stated.currency);
            if wanted != given {
                return Some(format!("{what} is in another currency than `{name}: {max}` ({wanted})"));
            }
            (value > max.amount).then(|| format!("{what} {value} is above `{name}: {max}`"))
        }
        Limit::Count(max) if name == "max_rows" => {
            let beyond = |key: &&str| match action.args.get(key) {
                Some(Value::Number(rows)) => rows > max,
                _ => false,
            };
            let key = ROW_ARGUMENTS.iter().find(|key| beyond(key))?;
            Some(format!("`args.{key}` is above `max_rows: {max}`"))
        }
        Limit::Flag => (stated.access == Some(Access::Write)).then(|| format!("it writes, and `{name}` is on")),
        Limit::Members(allowed) => members(name, allowed, stated),
        Limit::Count(_) | Limit::Time(..) => None,
    }
}

fn members(name: &str, allowed: &BTreeSet<String>, stated: &Stated<'_>) -> Option<String> {
    let action = stated.action;
    let one = |what: &str, value: Option<&str>| {
        let value = value?;
        (!allowed.contains(value)).then(|| format!("the {what} is not one of `{name}`"))
    };
    match name {
        "allowed_currencies" => {
            let money = action.amount.or(action.estimated_cost).map(|_| stated.currency);
            one("currency", action.currency.as_deref().or(money))
        }
        "environments" => one("environment", action.env.as_deref()),
        "tools" => one("tool", action.tool.as_deref()),
        _ => {
            let listed = |address: &str| match name {
                "domains" => domain(address).is_some_and(|domain| allowed.contains(&domain)),
                _ => allowed.contains(address),
            };
            let keys: &[&str] = match name {
                "domains" => &DOMAIN_ARGUMENTS,
                _ => &RECIPIENT_ARGUMENTS,
            };
            let bad = |key: &&&str| action.args.get(key).is_some_and(|value| !addresses(value, &listed));
            keys.iter()
                .find(bad)
                .map(|key| format!("`args.{key}` goes beyond `{name}`"))
        }
    }
}

/// Whether every address in the value is listed; what is no address is not.
fn addresses(value: &Value, listed: &impl Fn(&str) -> bool) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => {
            let bare = |part: &str| match part.trim().strip_suffix('>').and_then(|part| part.rsplit_once('<')) {
                // A name that could be read as one more address is none.
                Some((name, address)) if !name.contains(['@', '<', '>']) => address.to_owned(),
                _ => part.trim().to_owned(),
            };
            text.split([',', ';']).all(|part| listed(&bare(part)))
        }
        Value::List(items) => items.iter().all(|item| addresses(item, listed)),
        _ => false,
    }
}

/// The host of `user@host`, `https://host:443/path` or a bare `host`, in lower case.
fn domain(address: &str) -> Option<String> {
    if address.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return None;
    }
    let rest = match address.split_once("://") {
        Some((_, rest)) => rest.split(['/', '?', '#', '\\']).next()?,
        None if address.matches('@').count() > 1 => return None,
        None => address,
    };
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    let ok = !host.is_empty()
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
    ok.then(|| host.to_ascii_lowercase())
}

/// How the outcome of an action goes beyond what was granted: a sentence for each constraint, none if it does not.
///
/// `cost` is in the currency of the grant, `duration_ms` in milliseconds; what was not reported is not checked.
pub fn check_outcome(
    constraints: &BTreeMap<String, ConstraintValue>,
    cost: Option<Decimal>,
    duration_ms: Option<u64>,
) -> Vec<String> {
    let mut violations = Vec::new();
    for (name, value) in constraints {
        let ConstraintValue::Text(text) = value else { continue };
        match name.as_str() {
            "max_cost" => {
                // A limit that cannot be read is not kept by anything.
                let max = text.split(' ').next().and_then(decimal).unwrap_or(Decimal::ZERO);
                if let Some(cost) = cost.filter(|cost| *cost > max) {
                    violations.push(format!("the cost {cost} is above `max_cost: {text}`"));
                }
            }
            "timeout" => {
                let max = parse_duration(text).unwrap_or(0);
                let took = duration_ms.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1000));
                if let (Some(took), Some(ms)) = (took, duration_ms)
                    && took > max
                {
                    violations.push(format!("it took {ms} ms, above `timeout: {text}`"));
                }
            }
            _ => {}
        }
    }
    violations
}
