//! What may be spent and how often, as it stands: budgets with their accounts, limits with their windows, open circuits.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query};
use axum::routing::{get, post};
use countersign_api::budgets::{BudgetAccountAnswer, BudgetAnswer, BudgetsAnswer, SuggestedLimit};
use countersign_api::limits::{CircuitAnswer, CloseCircuitAnswer, LimitAnswer, LimitsAnswer, WindowAnswer};
use serde::Deserialize;
use serde_json::json;

use super::failure::Failure;
use crate::Console;
use crate::api::Slashed;
use crate::chart::meter;
use crate::messages;
use crate::page::{Chrome, Page, see_other, show, show_as};
use crate::said::{Html, said};
use crate::visit::{Posted, Visit};
use crate::when::{Lasting, When};

/// Budgets, limits and circuits of one page, each; a search narrows what is more.
const SHOWN_AT_MOST: usize = 30;

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/budgets", get(overview))
        .route("/budgets/{*id}", get(one_budget))
        .route("/limits/{*id}", get(one_limit))
        .route("/limits", post(close_circuit))
}

#[derive(Template)]
#[template(path = "budgets.html")]
struct Overview {
    chrome: Chrome,
    q: String,
    budgets: Vec<Budget>,
    more_budgets: usize,
    limits: Vec<Limit>,
    more_limits: usize,
    circuits: Vec<Circuit>,
    more_circuits: usize,
    may_close: bool,
    failure: Option<Failure>,
}

#[derive(Template)]
#[template(path = "budget.html")]
struct OneBudget {
    chrome: Chrome,
    budget: Budget,
    suggested: Option<SuggestedLimit>,
}

#[derive(Template)]
#[template(path = "limit.html")]
struct OneLimit {
    chrome: Chrome,
    limit: Limit,
}

struct Budget {
    id: Html,
    href: String,
    /// What it holds: so much of what in which time for whom.
    holds: Html,
    at_cap: &'static str,
    unit: Html,
    projected: Option<Html>,
    in_use: usize,
    accounts: Vec<Account>,
}

struct Account {
    whose: Html,
    meter: Html,
    spent: Html,
    reserved: Html,
    left: Html,
    forecast: Option<Html>,
    until: When,
    state: &'static str,
    tone: &'static str,
}

struct Limit {
    id: Html,
    href: String,
    holds: Html,
    at_cap: &'static str,
    in_use: usize,
    windows: Vec<Window>,
    circuits: usize,
}

struct Window {
    whose: Html,
    opened_by: Html,
    meter: Option<Html>,
    used: Html,
    room: Option<When>,
}

struct Circuit {
    limit: String,
    raw: String,
    name: Html,
    circuit: Html,
    failures: String,
    failed_by: Html,
    since: When,
    try_at: When,
    trial: bool,
}

#[derive(Default, Deserialize)]
struct Asked {
    #[serde(default)]
    q: String,
}

async fn overview(visit: Visit, Query(asked): Query<Asked>) -> Page {
    page(&visit, asked, None).await
}

async fn page(visit: &Visit, asked: Asked, failure: Option<Failure>) -> Page {
    let mut budgets: BudgetsAnswer = visit.get("/v1/budgets").await?;
    let mut limits: LimitsAnswer = visit.get("/v1/limits").await?;
    let words = asked.q.trim().to_lowercase();
    budgets.budgets.retain(|budget| budget.id.contains(&words));
    limits.limits.retain(|limit| limit.id.contains(&words));
    let status = if failure.is_some() { 422 } else { 200 };
    let circuits = limits.limits.iter().flat_map(|limit| {
        let of_limit = |circuit| circuit_shown(visit, limit, circuit);
        limit.circuits.iter().map(of_limit)
    });
    let open: usize = limits.limits.iter().map(|limit| limit.circuits.len()).sum();
    let page = Overview {
        chrome: visit.chrome(),
        q: asked.q,
        more_circuits: open.saturating_sub(SHOWN_AT_MOST),
        more_budgets: budgets.budgets.len().saturating_sub(SHOWN_AT_MOST),
        budgets: (budgets.budgets.iter().take(SHOWN_AT_MOST))
            .map(|budget| budget_shown(visit, budget))
            .collect(),
        more_limits: limits.limits.len().saturating_sub(SHOWN_AT_MOST),
        circuits: circuits.take(SHOWN_AT_MOST).collect(),
        limits: (limits.limits.iter().take(SHOWN_AT_MOST))
            .map(|limit| limit_shown(visit, limit))
            .collect(),
        may_close: visit.may("close_circuit"),
        failure,
    };
    show_as(status, &page)
}

async fn one_budget(visit: Visit, Path(id): Path<String>) -> Page {
    let budget: BudgetAnswer = visit.get(&format!("/v1/budgets/{}", Slashed(&id))).await?;
    show(&OneBudget {
        chrome: visit.chrome(),
        budget: budget_shown(&visit, &budget),
        suggested: budget.suggested,
    })
}

async fn one_limit(visit: Visit, Path(id): Path<String>) -> Page {
    let limit: LimitAnswer = visit.get(&format!("/v1/limits/{}", Slashed(&id))).await?;
    show(&OneLimit {
        chrome: visit.chrome(),
        limit: limit_shown(&visit, &limit),
    })
}

fn budget_shown(visit: &Visit, budget: &BudgetAnswer) -> Budget {
    let holds = format!(
        "{} {} a {} {}",
        budget.limit,
        budget.unit,
        budget.per,
        messages::account_of(&budget.of)
    );
    Budget {
        id: said(&budget.id),
        href: format!("/budgets/{}", Slashed(&budget.id)),
        holds: said(&holds),
        at_cap: messages::at_cap(&budget.at_cap),
        unit: said(&budget.unit),
        projected: budget.projected.as_deref().map(said),
        in_use: budget.accounts_in_use,
        accounts: (budget.accounts.iter())
            .map(|account| account_shown(visit, budget, account))
            .collect(),
    }
}

fn account_shown(visit: &Visit, budget: &BudgetAnswer, account: &BudgetAccountAnswer) -> Account {
    let used = permille(&[&account.spent, &account.reserved], &budget.limit);
    let told = format!(
        "{} spent and {} reserved of {} {}",
        account.spent, account.reserved, budget.limit, budget.unit
    );
    Account {
        whose: said(&messages::whose(&account.whose)),
        meter: meter(&told, used.unwrap_or(0)),
        spent: said(&account.spent),
        reserved: said(&account.reserved),
        left: said(&account.left),
        forecast: account.forecast.as_deref().map(said),
        until: visit.zone.until(&account.until),
        state: messages::fullness(&account.state),
        tone: messages::tone(&account.state),
    }
}

fn limit_shown(visit: &Visit, limit: &LimitAnswer) -> Limit {
    let unit = limit.unit.as_deref().unwrap_or_default();
    let mut bounds = Vec::new();
    bounds.extend(limit.count.map(|count| messages::counts(count, &limit.counts)));
    bounds.extend(limit.sum.as_ref().map(|sum| format!("{sum} {unit}")));
    let mut holds = format!("{} within {}", bounds.join(" and "), Lasting(limit.within_s));
    if !limit.per.is_empty() {
        holds += &format!(", for each {}", limit.per.join(" and "));
    }
    if let Some(open_for) = limit.open_for_s {
        holds += &format!("; then nothing for {}", Lasting(open_for));
    }
    Limit {
        id: said(&limit.id),
        href: format!("/limits/{}", Slashed(&limit.id)),
        holds: said(&holds),
        at_cap: messages::at_cap(&limit.at_cap),
        in_use: limit.windows_in_use,
        windows: (limit.windows.iter())
            .map(|window| window_shown(visit, limit, window))
            .collect(),
        circuits: limit.circuits.len(),
    }
}

fn window_shown(visit: &Visit, limit: &LimitAnswer, window: &WindowAnswer) -> Window {
    let unit = limit.unit.as_deref().unwrap_or_default();
    let mut used = window.counted.to_string();
    if let Some(most) = limit.count {
        used += &format!(" of {most}");
    }
    if let (Some(sum), Some(most)) = (&window.sum, &limit.sum) {
        used += &format!("; {sum} of {most} {unit}");
    }
    // The bound that is nearer says how full it is.
    let by_count = limit
        .count
        .and_then(|most| permille(&[&window.counted.to_string()], &most.to_string()));
    let by_sum = (window.sum.as_ref().zip(limit.sum.as_ref())).and_then(|(sum, most)| permille(&[sum], most));
    Window {
        whose: said(&messages::whose(&window.whose)),
        opened_by: said(&window.opened_by),
        meter: by_count.max(by_sum).map(|full| meter(&used, full)),
        used: said(&used),
        room: window.room_at.as_deref().map(|at| visit.zone.until(at)),
    }
}

fn circuit_shown(visit: &Visit, limit: &LimitAnswer, circuit: &CircuitAnswer) -> Circuit {
    Circuit {
        limit: limit.id.clone(),
        raw: circuit.circuit.clone(),
        name: said(&limit.id),
        circuit: said(&messages::whose(&circuit.circuit)),
        failures: messages::counts(circuit.failures, "failures"),
        failed_by: said(&circuit.failed_by),
        since: visit.zone.when(&circuit.open_since),
        try_at: visit.zone.until(&circuit.try_at),
        trial: circuit.trial.is_some(),
    }
}

/// How much of a whole its parts are, in per mille, rounded up so that something is never nothing; nothing where the texts
/// are no amounts, or too large to tell.
fn permille(parts: &[&str], whole: &str) -> Option<u64> {
    let whole = millionths(whole).filter(|whole| *whole > 0)?;
    let mut used: i128 = 0;
    for part in parts {
        used = used.checked_add(millionths(part)?)?;
    }
    let used = used.max(0).checked_mul(1000)?;
    u64::try_from(used.checked_add(whole - 1)? / whole).ok()
}

/// A decimal text in millionths; digits after those do not matter for a bar.
fn millionths(text: &str) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let part: String = part.chars().chain("000000".chars()).take(6).collect();
    let all = format!("{whole}{part}");
    if whole.is_empty() || !all.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    all.parse::<i128>().ok().map(|amount| sign * amount)
}

async fn close_circuit(Posted { visit, fields }: Posted) -> Page {
    let Some(reason) = fields.given("reason") else {
        return page(&visit, Asked::default(), Some(Failure::no_reason())).await;
    };
    let body = json!({"limit": fields.text("limit"), "circuit": fields.text("circuit"), "reason": reason});
    match visit
        .post::<CloseCircuitAnswer>("/v1/limits:close_circuit", &body)
        .await
    {
        Ok(_) => Ok(see_other("/budgets?done=circuit_closed")),
        Err(trouble) => page(&visit, Asked::default(), Some(Failure::of(trouble)?)).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_full_something_is_is_told_without_floats() {
        for (parts, whole, full) in [
            (&["25", "25"][..], "100", Some(500)),
            (&["0.001", "0"], "1000", Some(1)),
            (&["0", "0.00"], "10", Some(0)),
            (&["150.5"], "100", Some(1505)),
            (&["-3"], "10", Some(0)),
            (&["1"], "0", None),
            (&["much"], "10", None),
            (&["1"], "", None),
            (&["170141183460469231731687303715884105727"], "1", None),
        ] {
            assert_eq!(permille(parts, whole), full, "{parts:?} of {whole}");
        }
    }
}
