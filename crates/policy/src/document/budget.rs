//! Budgets: how much may be spent, by whom, within which window, and what happens at the cap.
//!
//! `budgets:` documents list them; the `limits:` of a mandate are the same thing for one agent.

use std::sync::Arc;

use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::RuleId;
use super::field::{Fields, Reader};
use super::limit::{self, Limit};
use super::rule::Approvers;
use super::schedule;
use super::which::Which;
use crate::verdict::{Decision, Demand, Reason};
use crate::yaml::{Node, decimal};

/// Share of the limit, or of the projection, at which people are told, unless the budget says otherwise.
const TOLD_AT: [u32; 2] = [80, 100];
/// Limit of a budget that states only what is projected, in percent of that.
const CAP_OF_PROJECTION: u32 = 120;
/// Most digits of a limit before and after the point, as of every amount.
pub(super) const MOST: i64 = 1_000_000_000_000_000_000;

/// The window of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Per {
    /// One task: a run, or an action that belongs to none.
    Task,
    /// A calendar day.
    Day,
    /// A week from Monday.
    Week,
    /// A calendar month.
    Month,
}

impl Per {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Per::Task => "task",
            Per::Day => "day",
            Per::Week => "week",
            Per::Month => "month",
        }
    }
}

/// Who has one account of the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Of {
    /// Every task.
    Task,
    /// Every agent.
    Agent,
    /// Every team of agents; agents without a team share one.
    Team,
    /// All together.
    Organization,
}

/// What happens when an action would not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AtCap {
    /// People are told, and it goes on.
    Alert,
    /// People have to approve.
    Ask,
    /// It may not run.
    Deny,
    /// It may not run, and its agent is paused.
    Pause,
}

impl AtCap {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        let word = AT_CAP.iter().find(|(_, known)| *known == self);
        word.map_or("", |(word, _)| word)
    }
}

/// What a budget is counted in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Money; without a code, the organization's currency.
    Money(Option<String>),
    /// Tokens of a model.
    Tokens,
}

/// One budget.
pub struct Budget {
    pub(crate) id: RuleId,
    pub(crate) which: Which,
    per: Per,
    of: Of,
    limit: Decimal,
    unit: Unit,
    purchases: bool,
    estimate: Option<Decimal>,
    projected: Option<Decimal>,
    at_cap: AtCap,
    told_at: Vec<u32>,
    zone: Option<TimeZone>,
    pub(crate) approvers: Approvers,
}

impl Budget {
    /// Its name; that of a mandate's limit is `AGENT/LIMIT`.
    pub fn name(&self) -> &str {
        &self.id.rule
    }

    /// The window.
    pub fn per(&self) -> Per {
        self.per
    }

    /// Who has one account.
    pub fn of(&self) -> Of {
        self.of
    }

    /// The most that may be spent within one window.
    pub fn limit(&self) -> Decimal {
        self.limit
    }

    /// What it is counted in.
    pub fn unit(&self) -> &Unit {
        &self.unit
    }

    /// An action without an estimated cost counts with its amount.
    pub fn counts_purchases(&self) -> bool {
        self.purchases
    }

    /// What an action counts that states nothing.
    pub fn estimate(&self) -> Option<Decimal> {
        self.estimate
    }

    /// What is expected to be spent within one window.
    pub fn projected(&self) -> Option<Decimal> {
        self.projected
    }

    /// What happens when an action would not fit.
    pub fn at_cap(&self) -> AtCap {
        self.at_cap
    }

    /// Shares in percent, rising, at which people are told.
    pub fn told_at(&self) -> &[u32] {
        &self.told_at
    }

    /// The time zone of its windows, where that is not the organization's.
    pub fn zone(&self) -> Option<&TimeZone> {
        self.zone.as_ref()
    }

    /// The document that it is in, and its line and column there.
    pub fn place(&self) -> (&str, u32, u32) {
        (&self.id.place.file, self.id.place.line, self.id.place.column)
    }

    /// Whether it is about an action.
    pub fn covers(&self, agent: &str, team: Option<&str>, tool: Option<&str>, action: &str) -> bool {
        self.which.covers(agent, team, tool, action)
    }

    /// What it says about an action, as a reason.
    pub fn reason(&self, code: &str, decision: Decision, message: String) -> Reason {
        self.id.reason(code, decision, message)
    }

    /// Who has to approve what does not fit.
    pub fn demand(&self) -> Demand {
        self.approvers.demand(&self.id)
    }
}

/// Reads `budgets:`.
pub(crate) fn read(reader: &mut Reader<'_>, mut fields: Fields<'_>) -> Option<Vec<Budget>> {
    let node = fields.get("budgets")?;
    fields.finish(reader);
    let items = reader.list(node)?;
    if items.is_empty() {
        reader.error(
            "empty",
            node.span.clone(),
            "no budget is listed",
            "add one, or remove the file",
        );
    }
    Some(items.iter().filter_map(|item| budget(reader, item)).collect())
}

fn budget(reader: &mut Reader<'_>, node: &Node) -> Option<Budget> {
    let mut fields = reader.fields(node, "a budget")?;
    let place = reader.place(fields.head());
    let name = fields.need(reader, "name").and_then(|node| reader.id(node));
    let which = Which::read(reader, &mut fields);
    let per = fields.need(reader, "per").and_then(|node| reader.word(node, &PER));
    let of = of(reader, &mut fields, per);
    let spending = spending(reader, &mut fields);
    let zone = fields.get("zone").and_then(|node| schedule::zone(reader, node));
    let told_at = told_at(reader, &mut fields);
    let rest = rest(reader, &mut fields);
    fields.finish(reader);
    let (name, (limit, unit, projected)) = (name?, spending?);
    let id = RuleId {
        document: Arc::from("budgets"),
        rule: name,
        place,
    };
    complete(reader, &id, &unit, &rest);
    Some(Budget {
        id,
        which,
        per: per?,
        of: of?,
        limit,
        unit,
        purchases: rest.purchases,
        estimate: rest.estimate,
        projected,
        at_cap: rest.at_cap,
        told_at,
        zone,
        approvers: rest.approvers,
    })
}

const PER: [(&str, Per); 4] = [
    ("task", Per::Task),
    ("day", Per::Day),
    ("week", Per::Week),
    ("month", Per::Month),
];

fn of(reader: &mut Reader<'_>, fields: &mut Fields<'_>, per: Option<Per>) -> Option<Of> {
    let node = fields.get("of");
    if per == Some(Per::Task) {
        if let Some(node) = node {
            let message = "`of` has no effect: every task has its own account";
            reader.error("no_effect", node.span.clone(), message, "remove it");
        }
        return Some(Of::Task);
    }
    let words = [
        ("agent", Of::Agent),
        ("team", Of::Team),
        ("organization", Of::Organization),
    ];
    match node {
        Some(node) => reader.word(node, &words),
        None => Some(Of::Agent),
    }
}

/// `limit` and `projected`, one of which has to be there.
fn spending(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<(Decimal, Unit, Option<Decimal>)> {
    let (limit, projected) = (fields.get("limit"), fields.get("projected"));
    let head = limit
        .or(projected)
        .map_or_else(|| fields.head(), |node| node.span.clone());
    let read = |reader: &mut Reader<'_>, node: Option<&Node>| node.map(|node| quantity(reader, node));
    match (read(reader, limit), read(reader, projected)) {
        (None, None) => {
            let help = "add `limit: 50.00 USD`, `limit: 2000000 tokens`, or `projected:`";
            reader.error("missing_field", head, "the budget has no limit", help);
            None
        }
        (Some(limit), None) => limit.map(|(limit, unit)| (limit, unit, None)),
        (None, Some(projected)) => {
            let (projected, unit) = projected?;
            let limit = projected * Decimal::from(CAP_OF_PROJECTION) / Decimal::ONE_HUNDRED;
            Some((limit, unit, Some(projected)))
        }
        (Some(limit), Some(projected)) => {
            let ((limit, unit), (projected, other)) = (limit?, projected?);
            if unit != other {
                let help = "write both in the same currency";
                reader.error(
                    "contradiction",
                    head,
                    "`limit` and `projected` are in different units",
                    help,
                );
                return None;
            }
            Some((limit, unit, Some(projected)))
        }
    }
}

/// `50.00`, `50.00 USD`, `2000000 tokens`.
fn quantity(reader: &mut Reader<'_>, node: &Node) -> Option<(Decimal, Unit)> {
    let text = node.text().unwrap_or_default();
    let fine = |amount: &Decimal| *amount < Decimal::from(MOST) && amount.scale() <= 9;
    if let Some(count) = text.strip_suffix(" tokens").and_then(decimal) {
        if count.is_integer() && !count.is_sign_negative() && fine(&count) {
            return Some((count, Unit::Tokens));
        }
        let help = "write it as `2000000 tokens`";
        reader.error(
            "invalid_value",
            node.span.clone(),
            "tokens are counted in whole numbers",
            help,
        );
        return None;
    }
    let money = reader.money(node)?;
    if !fine(&money.amount) {
        let message = "an amount has up to 18 digits before the point and up to 9 after it";
        reader.error(
            "invalid_value",
            node.span.clone(),
            message,
            "write a smaller or shorter number",
        );
        return None;
    }
    Some((money.amount, Unit::Money(money.currency)))
}

fn told_at(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Vec<u32> {
    let Some(node) = fields.get("alert_at") else {
        return TOLD_AT.to_vec();
    };
    let items = reader.list_or_one(node).unwrap_or_default();
    let mut shares: Vec<u32> = items.iter().filter_map(|item| reader.whole(item, 1, 1000)).collect();
    shares.sort_unstable();
    shares.dedup();
    shares
}

/// The words of `at_cap`.
pub(super) const AT_CAP: [(&str, AtCap); 4] = [
    ("alert", AtCap::Alert),
    ("ask", AtCap::Ask),
    ("deny", AtCap::Deny),
    ("pause", AtCap::Pause),
];

/// What budgets and the limits of mandates have in common.
struct Rest {
    at_cap: AtCap,
    purchases: bool,
    estimate: Option<Decimal>,
    approvers: Approvers,
}

fn rest(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Rest {
    let at_cap = fields.get("at_cap").and_then(|node| reader.word(node, &AT_CAP));
    let at_cap = at_cap.unwrap_or(AtCap::Deny);
    let counts = [("cost", false), ("purchases", true)];
    let purchases = fields.get("count").and_then(|node| reader.word(node, &counts));
    let estimate = fields
        .get("estimate")
        .and_then(|node| quantity(reader, node).zip(Some(node)));
    if let Some(((_, Unit::Money(Some(_)) | Unit::Tokens), node)) = &estimate {
        let help = "write the number alone";
        reader.error(
            "invalid_value",
            node.span.clone(),
            "`estimate` is in the unit of the limit",
            help,
        );
    }
    let approvers = Approvers::read(reader, fields, at_cap == AtCap::Ask);
    Rest {
        at_cap,
        purchases: purchases.unwrap_or(false),
        estimate: estimate.map(|((amount, _), _)| amount),
        approvers: approvers.unwrap_or_else(Approvers::default_route),
    }
}

/// No action states how many tokens it takes: a budget in tokens says how many to expect.
fn complete(reader: &mut Reader<'_>, id: &RuleId, unit: &Unit, rest: &Rest) {
    let span = || id.place.span.clone();
    if *unit == Unit::Tokens && rest.estimate.is_none() {
        let help = "add `estimate: 20000`, the tokens of one action";
        reader.error("missing_field", span(), "a budget in tokens needs an `estimate`", help);
    }
    if *unit == Unit::Tokens && rest.purchases {
        let help = "give it a limit in a currency";
        reader.error("contradiction", span(), "tokens are no purchases", help);
    }
}

/// The limits of a mandate that are budgets, by name, with their windows.
const LIMITS: [(&str, Per); 4] = [
    ("per_task_cost", Per::Task),
    ("per_day_cost", Per::Day),
    ("per_week_cost", Per::Week),
    ("per_month_cost", Per::Month),
];

/// Reads `limits:` of a mandate: budgets and rates.
pub(crate) fn limits(reader: &mut Reader<'_>, agent: &str, node: &Node) -> (Vec<Budget>, Vec<Limit>) {
    let Some(mut fields) = reader.fields(node, "limits") else {
        return Default::default();
    };
    let rate = fields.get("rate");
    let mut written = Vec::new();
    for (name, per) in LIMITS {
        let Some(node) = fields.get(name) else { continue };
        let place = reader.place(node.span.clone());
        written.extend(quantity(reader, node).map(|quantity| (name, per, place, quantity)));
    }
    let told_at = told_at(reader, &mut fields);
    let rest = rest(reader, &mut fields);
    if written.is_empty() && rate.is_none() {
        let help = "add `rate:`, `per_task_cost:`, `per_day_cost:`, `per_week_cost:` or `per_month_cost:`";
        reader.error("empty", fields.head(), "no limit is stated", help);
    }
    fields.finish(reader);
    let mut each = |(name, per, place, (limit, unit)): (&str, Per, super::Place, (Decimal, Unit))| {
        let id = RuleId {
            document: Arc::from(agent),
            rule: Arc::from(format!("{agent}/{name}")),
            place,
        };
        complete(reader, &id, &unit, &rest);
        Budget {
            id,
            which: Which::of_agent(agent),
            per,
            of: if per == Per::Task { Of::Task } else { Of::Agent },
            limit,
            unit,
            purchases: rest.purchases,
            estimate: rest.estimate,
            projected: None,
            at_cap: rest.at_cap,
            told_at: told_at.clone(),
            zone: None,
            approvers: rest.approvers.clone(),
        }
    };
    let budgets = written.into_iter().map(&mut each).collect();
    let rates = rate.map(|node| limit::rates(reader, agent, node, rest.at_cap, &rest.approvers));
    (budgets, rates.unwrap_or_default())
}
