//! What goes on, at a glance: for those who run it and those who answer for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use countersign_api::budgets::{BudgetAnswer, BudgetsAnswer};
use countersign_api::operations::{AlertsAnswer, DoneAnswer, KillsAnswer};
use countersign_api::overview::{HourAnswer, OverviewAnswer};
use serde_json::json;

use crate::Console;
use crate::api::Quoted;
use crate::chart::{Column, Kind, meter, stacked};
use crate::messages;
use crate::page::{Chrome, Page, see_other, show};
use crate::said::{Html, said};
use crate::visit::{Posted, Visit};
use crate::when::{When, Zone};

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/overview", get(overview))
        .route("/overview/alerts/{id}/acknowledge", post(acknowledge))
}

/// How many days the first chart has.
const DAYS: i32 = 14;
/// From which part of a limit on, in per mille, a budget is nearly used.
const NEARLY: u64 = 800;
/// How many alerts are listed, the newest first.
const ALERTS: usize = 10;

const KINDS: [Kind; 5] = [
    Kind {
        name: "allowed",
        class: "c-good",
    },
    Kind {
        name: "allowed within limits",
        class: "c-within",
    },
    Kind {
        name: "safer action offered",
        class: "c-quiet",
    },
    Kind {
        name: "needs approval",
        class: "c-warn",
    },
    Kind {
        name: "denied",
        class: "c-bad",
    },
];

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    chrome: Chrome,
    kills: Vec<Killed>,
    open: u64,
    late: u64,
    waiting: Vec<Waiting>,
    sla: Option<Share>,
    decided: u64,
    by_day: Html,
    by_hour: Html,
    rules: Vec<Rule>,
    denials: Vec<Denial>,
    budgets: Vec<Budget>,
    agents: Vec<Fact>,
    modes: Vec<Fact>,
    alerts: Vec<Alert>,
    alerts_open: usize,
    may_acknowledge: bool,
    may_audit: bool,
    ledger: Ledger,
}

struct Killed {
    what: Html,
    by: Html,
    since: When,
}

struct Waiting {
    id: String,
    action: Html,
    agent: Html,
    opened: When,
    due: When,
    late: bool,
}

/// So many of so many.
struct Share {
    percent: u64,
    of: u64,
}

struct Rule {
    name: Html,
    asked: u64,
    denied: u64,
}

struct Denial {
    href: String,
    action: Html,
    agent: Html,
    rule: Html,
    at: When,
}

struct Budget {
    name: Html,
    whose: Html,
    told: Html,
    bar: Html,
    until: When,
}

struct Fact {
    name: &'static str,
    count: u64,
    tone: &'static str,
}

struct Alert {
    id: String,
    name: Html,
    summary: Html,
    agent: Option<Html>,
    raised: When,
}

struct Ledger {
    size: u64,
    last: When,
    /// How many records witnesses have seen, and how many are newer.
    witnessed: Option<(u64, u64)>,
}

async fn overview(visit: Visit) -> Page {
    let seen: OverviewAnswer = visit.get(&format!("/v1/overview?days={DAYS}")).await?;
    let alerts: Option<AlertsAnswer> = visit.find("/v1/alerts").await?;
    let budgets: Option<BudgetsAnswer> = visit.find("/v1/budgets").await?;
    let kills: Option<KillsAnswer> = visit.find("/v1/kill").await?;
    let alerts = alerts.map(|open| open.alerts).unwrap_or_default();
    let zone = &visit.zone;
    let waiting = |request: &countersign_api::overview::WaitingRequest| Waiting {
        id: request.id.clone(),
        action: said(&request.action),
        agent: said(&request.agent),
        opened: zone.until(&request.opened),
        due: zone.until(&request.sla_due),
        late: request.late,
    };
    show(&Overview {
        chrome: visit.chrome(),
        kills: (kills.iter().flat_map(|kills| &kills.kills))
            .map(|kill| Killed {
                what: said(&messages::killed(&kill.scope, kill.name.as_deref().unwrap_or_default())),
                by: said(&kill.by),
                since: zone.when(&kill.since),
            })
            .collect(),
        open: seen.waiting.open,
        late: seen.waiting.late,
        waiting: seen.waiting.first.iter().take(6).map(waiting).collect(),
        sla: share(&seen.hours),
        decided: seen.hours.iter().flat_map(counts).sum(),
        by_day: by_day(zone, &seen),
        by_hour: by_hour(zone, &seen),
        rules: (seen.rules.iter())
            .map(|rule| Rule {
                name: said(&messages::rule(&rule.document, &rule.rule)),
                asked: rule.asked,
                denied: rule.denied,
            })
            .collect(),
        denials: (seen.denials.iter())
            .map(|denied| Denial {
                href: format!("/actions/{}", Quoted(&denied.id)),
                action: said(&denied.action),
                agent: said(&denied.agent),
                rule: said(&messages::rule(&denied.document, &denied.rule)),
                at: zone.when(&denied.at),
            })
            .collect(),
        budgets: nearly_used(zone, budgets.as_ref()),
        agents: agents(&seen),
        modes: modes(&seen.agents.modes),
        alerts_open: alerts.len(),
        alerts: (alerts.iter().rev().take(ALERTS))
            .map(|alert| Alert {
                id: alert.id.clone(),
                name: said(&alert.name),
                summary: said(&alert.summary),
                agent: alert.agent.as_deref().map(said),
                raised: zone.when(&alert.raised),
            })
            .collect(),
        may_acknowledge: visit.may("acknowledge_alert"),
        may_audit: visit.may("audit"),
        ledger: Ledger {
            size: seen.ledger.size,
            last: zone.until(&seen.ledger.last),
            witnessed: (seen.ledger.witnessed).map(|size| (size, seen.ledger.size.saturating_sub(size))),
        },
    })
}

fn counts(hour: &HourAnswer) -> [u64; 5] {
    [
        hour.allow,
        hour.allow_with_constraints,
        hour.remediate,
        hour.require_approval,
        hour.deny,
    ]
}

fn share(hours: &[HourAnswer]) -> Option<Share> {
    let in_time: u64 = hours.iter().map(|hour| hour.answered_in_time).sum();
    let of = in_time + hours.iter().map(|hour| hour.answered_late).sum::<u64>();
    Some(Share {
        percent: (in_time * 100).checked_div(of)?,
        of,
    })
}

/// Decisions by the days of whoever looks.
fn by_day(zone: &Zone, seen: &OverviewAnswer) -> Html {
    let mut days = BTreeMap::<_, Vec<u64>>::new();
    for hour in &seen.hours {
        if let Some(day) = zone.day(&hour.from) {
            add(days.entry(day).or_default(), counts(hour));
        }
    }
    let columns: Vec<Column> = (0..DAYS)
        .rev()
        .filter_map(|back| zone.day_before(&seen.now, back))
        .map(|day| Column {
            name: day.strftime("%e %b").to_string().trim().to_owned(),
            parts: days.remove(&day).unwrap_or_else(|| vec![0; KINDS.len()]),
        })
        .collect();
    stacked("Decisions by day, last 14 days", &KINDS, &columns)
}

/// Decisions by hour.
fn by_hour(zone: &Zone, seen: &OverviewAnswer) -> Html {
    let mut hours = BTreeMap::<i64, Vec<u64>>::new();
    for hour in &seen.hours {
        if let Some(second) = zone.second(&hour.from) {
            add(hours.entry(second.div_euclid(3600)).or_default(), counts(hour));
        }
    }
    let last = zone.second(&seen.now).unwrap_or_default().div_euclid(3600);
    let columns: Vec<Column> = (last - 23..=last)
        .map(|hour| Column {
            name: zone.hour(hour * 3600),
            parts: hours.remove(&hour).unwrap_or_else(|| vec![0; KINDS.len()]),
        })
        .collect();
    stacked("Decisions by hour, last 24 hours", &KINDS, &columns)
}

fn add(sum: &mut Vec<u64>, counts: [u64; 5]) {
    sum.resize(KINDS.len(), 0);
    for (sum, count) in sum.iter_mut().zip(counts) {
        *sum += count;
    }
}

fn agents(seen: &OverviewAnswer) -> Vec<Fact> {
    let fact = |name, count, tone| Fact { name, count, tone };
    vec![
        fact("active", seen.agents.active, "good"),
        fact("paused", seen.agents.paused, "warn"),
        fact("not registered", seen.agents.quarantined, "bad"),
    ]
}

fn modes(known: &BTreeMap<String, u64>) -> Vec<Fact> {
    let mode = |(mode, count): (&String, &u64)| Fact {
        name: messages::mode(mode),
        count: *count,
        tone: "quiet",
    };
    known.iter().map(mode).collect()
}

/// Budgets whose fullest account is nearly used, or more.
fn nearly_used(zone: &Zone, known: Option<&BudgetsAnswer>) -> Vec<Budget> {
    let of = |budget: &BudgetAnswer| {
        let account = budget.accounts.first()?;
        let used = used_permille(&budget.limit, &account.left)?;
        if used < NEARLY && account.state == "within" {
            return None;
        }
        let told = format!("{} of {} {} left", account.left, budget.limit, budget.unit);
        Some(Budget {
            name: said(&budget.id),
            whose: said(&account.whose),
            bar: meter(&told, used),
            told: said(&told),
            until: zone.until(&account.until),
        })
    };
    known.iter().flat_map(|known| &known.budgets).filter_map(of).collect()
}

/// What is used of a limit, in per mille.
fn used_permille(limit: &str, left: &str) -> Option<u64> {
    let (limit, left) = (millionths(limit)?, millionths(left)?);
    if limit <= 0 {
        return None;
    }
    u64::try_from((limit - left).checked_mul(1000)? / limit)
        .ok()
        .or(Some(0))
}

/// A decimal string in millionths; finer digits are left out.
fn millionths(text: &str) -> Option<i128> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(text) => (-1, text),
        None => (1, text),
    };
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part: String = part.chars().chain("000000".chars()).take(6).collect();
    let whole: i128 = whole.parse().ok()?;
    let part: i128 = part.parse().ok()?;
    Some(sign * whole.checked_mul(1_000_000)?.checked_add(part)?)
}

async fn acknowledge(Path(id): Path<String>, Posted { visit, .. }: Posted) -> Page {
    let path = format!("/v1/alerts/{}/acknowledge", Quoted(&id));
    let _: DoneAnswer = visit.post(&path, &json!({})).await?;
    Ok(see_other("/overview?done=acknowledge"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_nearly_used_from_eight_tenths_on_and_more_than_used_beyond() {
        assert_eq!(used_permille("100", "20.00"), Some(800));
        assert_eq!(used_permille("0.3", "0.1"), Some(666));
        assert_eq!(used_permille("10.00", "-2.5"), Some(1250));
        assert_eq!(used_permille("0", "0"), None);
        assert_eq!(used_permille("ten", "0"), None);
    }

    fn hour(from: &str, allow: u64, in_time: u64, late: u64) -> HourAnswer {
        HourAnswer {
            from: from.to_owned(),
            allow,
            allow_with_constraints: 0,
            deny: 0,
            remediate: 0,
            require_approval: 0,
            answered_in_time: in_time,
            answered_late: late,
        }
    }

    #[test]
    fn the_share_in_time_is_of_all_that_were_answered_and_nothing_where_none_was() {
        let hours = [
            hour("2026-11-27T10:00:00Z", 0, 3, 0),
            hour("2026-11-27T11:00:00Z", 0, 0, 1),
        ];
        assert_eq!(share(&hours).map(|share| (share.percent, share.of)), Some((75, 4)));
        assert!(share(&[]).is_none());
    }
}
