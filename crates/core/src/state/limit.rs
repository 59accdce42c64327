//! Limits: how often and for how much something was done within a window that slides, and the guard that keeps it there.
//!
//! A permit counts from the decision that issues it, and from its use on anew; it stops counting when it ends unused. So at
//! no time have more actions run within the last span of a window than the limit allows, however long permits are held
//! back. The window is half-open: what counts since `t` counts until just before `t` plus the span.
//!
//! An agent opens a bounded number of windows of one limit; what it does beyond that shares one window. Windows that many
//! actions fill are kept in a thousand steps, each of which leaves with its last action: never too early.

mod circuit;
mod count;
mod depth;
mod show;
mod window;

use std::cell::OnceCell;
use std::fmt::Write as _;
use std::sync::Arc;

use countersign_policy::{Action, AtCap, Decimal, Decision, Key, Limit, Measure, Snapshot};

pub use self::circuit::{Circuit, Circuits};
pub(super) use self::count::split;
pub use self::show::{CircuitStands, LimitStands, LookedFor, WindowStands};
use self::window::plus;
pub use self::window::{Window, Windows};
use super::State;
use super::budget::{read, written};
use super::guard::{Found, Keeper, NoRoom, Objection, Stricter, Wanted};
use crate::digest::DigestKey;
use crate::event::{Counted, DecisionFacts, WindowRead};
use crate::ids::ActionId;
use crate::time::{Span, Time};

/// Windows of one limit that one agent may open.
const WINDOWS_PER_AGENT: usize = 10_000;
/// Names that stand in the name of a window as they are have so many bytes at most.
const PLAIN_BYTES: usize = 64;
/// Most names of windows are no longer.
const WINDOW_BYTES: usize = 48;

/// The guard: there has to be room in every window that the action falls into.
pub(super) fn guard(state: &State, wanted: &Wanted<'_>, found: &mut Found) {
    if wanted.live.limits().is_empty() {
        return;
    }
    state.read_depth(wanted, found);
    let amount = OnceCell::new();
    let team = state.agents.get(wanted.agent).and_then(|agent| agent.team.as_deref());
    let limits = wanted
        .live
        .limits_of(wanted.agent, team, wanted.names.tool, wanted.names.operation);
    for limit in limits {
        if limit.counts_retries() && wanted.facts.failures == 0 {
            continue;
        }
        let looked = match limit.measure() {
            Measure::Failures(_) => {
                state.look_at_circuit(limit, &doing(team, wanted), wanted, found);
                Ok(())
            }
            Measure::Depth => State::look_at_depth(limit, found),
            Measure::Actions | Measure::Retries | Measure::Repetitions | Measure::Costs => {
                state.look_into(limit, team, wanted, &amount, found)
            }
        };
        if let Err((code, why)) = looked {
            found.objections.push(Objection {
                reason: limit.reason(code, Decision::Deny, why),
                stricter: Stricter::Deny,
            });
        }
    }
}

/// Who does what, as far as windows are told apart by it.
pub(super) struct Doing<'a> {
    pub(super) action: &'a Action,
    pub(super) agent: &'a str,
    pub(super) operation: &'a str,
    pub(super) team: Option<&'a str>,
    pub(super) tool: Option<&'a str>,
}

fn doing<'a>(team: Option<&'a str>, wanted: &Wanted<'a>) -> Doing<'a> {
    Doing {
        action: wanted.action,
        agent: wanted.agent,
        operation: wanted.names.operation,
        team,
        tool: wanted.names.tool,
    }
}

/// The code of a refusal, and its sentence.
type Why = (&'static str, String);

impl State {
    /// What one limit says about an action.
    fn look_into(
        &self,
        limit: &Limit,
        team: Option<&str>,
        wanted: &Wanted<'_>,
        amount: &OnceCell<Option<Decimal>>,
        found: &mut Found,
    ) -> Result<(), Why> {
        let window = self.window_of(limit, &doing(team, wanted), wanted.facts, wanted.digest_key)?;
        let currency = self.currency_under(wanted.live);
        // It is looked over once for all limits.
        let kept = |amount: &Decimal| {
            let text = amount.to_string();
            wanted.redactor.redact_text(&text, wanted.kinds).found.is_empty()
        };
        let amount = || *amount.get_or_init(|| wanted.action.amount.filter(kept));
        let takes = takes(limit, amount, wanted.action.currency.as_deref(), wanted.live, currency)?;
        let (read, beyond) = self.read_window(limit, window, takes, currency, (wanted.now, wanted.revises));
        let mut counted = counted(limit, &read, wanted.now);
        counted.beyond = beyond;
        if beyond {
            self.object(limit, &read, found);
        }
        found.windows.push(read);
        found.counted.push(counted);
        Ok(())
    }

    /// A window as it is before an action, and whether the action has no room there.
    fn read_window(
        &self,
        limit: &Limit,
        window: Arc<str>,
        takes: Option<Decimal>,
        currency: &str,
        (now, without): (Time, Option<ActionId>),
    ) -> (WindowRead, bool) {
        let holds = self.window_holds(limit.name(), &window, Span(limit.within()), now, without);
        let more = takes.unwrap_or_default();
        let fits = |count: u32, sum: Decimal| {
            limit.count().is_none_or(|most| count < most)
                && limit.sum().is_none_or(|(most, _)| match limit.measure() {
                    // What it will have cost is not known yet.
                    Measure::Costs => sum < most,
                    _amounts => more.is_zero() || plus(sum, more) <= most,
                })
        };
        let beyond = !fits(holds.count, holds.sum);
        let room = beyond.then(|| holds.room(fits)).flatten();
        let unit = limit.unit(currency).unwrap_or_default();
        let read = WindowRead {
            at_most: limit.count(),
            counted: holds.count,
            first: holds.first.filter(|_| beyond).map(|seen| seen.action_id),
            limit: limit.name().clone(),
            room,
            sum: takes.map(|_| written(holds.sum, unit)),
            sum_at_most: limit.sum().map(|(most, _)| written(most, unit)),
            takes: takes.map(|takes| written(takes, unit)),
            unit: takes.map(|_| unit.to_owned()),
            window,
        };
        (read, beyond)
    }

    /// What there is no room for, as the limit wants it.
    fn object(&self, limit: &Limit, read: &WindowRead, found: &mut Found) {
        let message = match read.first {
            Some(_) => self.repetition(limit, read),
            None => full(limit, read),
        };
        let code = code(limit, read);
        match limit.at_cap() {
            AtCap::Alert => found.no_room.push(no_room(limit, &message)),
            AtCap::Ask => found.objections.push(Objection {
                reason: limit.reason(code, Decision::RequireApproval, message),
                stricter: Stricter::Ask(limit.demand()),
            }),
            AtCap::Deny | AtCap::Pause => {
                found.no_room.push(no_room(limit, &message));
                found.objections.push(Objection {
                    reason: limit.reason(code, Decision::Deny, message),
                    stricter: Stricter::Deny,
                });
            }
        }
    }

    /// Whose window an action falls into.
    ///
    /// What the action's own values tell apart is a keyed digest, which nobody outside can make again: where a decision is
    /// derived from its record, it is the one that the record states.
    pub(super) fn window_of(
        &self,
        limit: &Limit,
        doing: &Doing<'_>,
        facts: &DecisionFacts,
        digest_key: &DigestKey,
    ) -> Result<Arc<str>, Why> {
        let (mut window, mut values) = (String::with_capacity(WINDOW_BYTES), Vec::new());
        for key in limit.keys() {
            let named = match key {
                Key::Agent => Some(doing.agent),
                Key::Team => Some(doing.team.unwrap_or_default()),
                Key::Tool => Some(doing.tool.unwrap_or(doing.operation)),
                Key::Action => Some(doing.operation),
                Key::Env | Key::Run | Key::Parent | Key::Principal | Key::Part(_) => None,
            };
            match named {
                Some(name) if name.len() <= PLAIN_BYTES => {
                    let comma = if window.is_empty() { "" } else { "," };
                    window.extend([comma, &key.text(), ":", name]);
                }
                Some(name) => values.push(name.to_owned()),
                None => {
                    let value = limit.value(key, doing.action).ok_or_else(|| missing(limit, key))?;
                    // Runs are named by whoever starts them: the same name of two agents is two runs.
                    values.extend((*key == Key::Run).then(|| doing.agent.to_owned()));
                    values.push(value);
                }
            }
        }
        if values.is_empty() {
            if window.is_empty() {
                window.push_str("organization");
            }
            return Ok(self.or_rest(limit, window, doing.agent));
        }
        if !window.is_empty() {
            window.push(',');
        }
        let stated = facts.windows.iter().find(|read| read.limit == *limit.name());
        if let Some(stated) = stated.map(|read| &read.window) {
            let same = stated
                .strip_prefix(window.as_str())
                .is_some_and(|rest| rest.starts_with("key:"));
            let rest = **stated == rest_of(doing.agent) && self.has_opened_all(limit, doing.agent);
            if same || rest {
                return Ok(stated.clone());
            }
        }
        // Writing to a string does not fail.
        let _ = write!(window, "key:{}", digest_key.window(limit.name(), &values));
        Ok(self.or_rest(limit, window, doing.agent))
    }

    /// This window, or the one that an agent's actions share once it has opened as many as it may.
    fn or_rest(&self, limit: &Limit, window: String, agent: &str) -> Arc<str> {
        match !self.windows.is_open(limit.name(), &window) && self.has_opened_all(limit, agent) {
            true => rest_of(agent).into(),
            false => window.into(),
        }
    }

    fn has_opened_all(&self, limit: &Limit, agent: &str) -> bool {
        self.windows.opened_by(limit.name(), agent) >= WINDOWS_PER_AGENT
    }

    fn repetition(&self, limit: &Limit, read: &WindowRead) -> String {
        let first = self.windows.first(&read.limit, &read.window, read.first);
        let Some(first) = first else {
            return "it repeats an earlier action".to_owned();
        };
        let same: Vec<_> = limit.keys().iter().map(|key| format!("`{}`", key.text())).collect();
        let amount = first.amount.as_ref().map(|amount| format!(" over {amount}"));
        format!(
            "the same {} as in `{}`{}, which `{}` asked for at {} and which was {}",
            same.join(", "),
            first.action_id,
            amount.unwrap_or_default(),
            first.agent,
            first.at,
            first.became
        )
    }
}

fn rest_of(agent: &str) -> String {
    format!("rest:{agent}")
}

fn missing(limit: &Limit, key: &Key) -> Why {
    let (name, key) = (limit.name(), key.text());
    let message = format!("limit `{name}` has a window for every `{key}`; state it");
    ("limit.no_value", message)
}

fn counted(limit: &Limit, read: &WindowRead, now: Time) -> Counted {
    Counted {
        amount: read.takes.clone(),
        beyond: false,
        from: now,
        limit: read.limit.clone(),
        repeats: limit.looks_for_repetitions(),
        until: now + Span(limit.within()),
        window: read.window.clone(),
    }
}

/// What an action adds to the sum of a limit; nothing where the limit is on none.
fn takes(
    limit: &Limit,
    amount: impl FnOnce() -> Option<Decimal>,
    from: Option<&str>,
    live: &Snapshot,
    currency: &str,
) -> Result<Option<Decimal>, Why> {
    let Some(to) = limit.unit(currency) else {
        return Ok(None);
    };
    if limit.measure() == Measure::Costs {
        return Ok(Some(Decimal::ZERO));
    }
    let name = limit.name();
    let amount = amount().filter(|amount| !amount.is_sign_negative() || amount.is_zero());
    let amount = amount.ok_or_else(|| {
        let message = format!("limit `{name}` adds up amounts; state `amount`, `0` for nothing");
        ("limit.no_amount", message)
    })?;
    let from = from.unwrap_or(currency);
    if from == to {
        return Ok(Some(amount));
    }
    let worth = live.rates().and_then(|rates| rates.convert(amount, from, to));
    let worth = worth.ok_or_else(|| {
        let message = format!("limit `{name}` is in {to}, and there is no rate for {from}");
        ("limit.no_rate", message)
    })?;
    Ok(Some(worth))
}

/// The reason that a record gives: what there is too much of.
fn code(limit: &Limit, read: &WindowRead) -> &'static str {
    let count_full = limit.count().is_some_and(|most| read.counted >= most);
    match () {
        () if limit.looks_for_repetitions() => "possible_duplicate",
        () if limit.counts_retries() && count_full => "retries",
        () if limit.measure() == Measure::Costs => "cost",
        () if count_full => "rate",
        () => "velocity",
    }
}

fn full(limit: &Limit, found: &WindowRead) -> String {
    let mut text = String::new();
    if let Some(most) = found.at_most {
        let what = if limit.counts_retries() { " retries" } else { "" };
        text = format!("{} of {most}{what}", found.counted);
    }
    if let (Some(most), Some(sum), Some(takes)) = (&found.sum_at_most, &found.sum, &found.takes) {
        let unit = found.unit.as_deref().unwrap_or_default();
        let comma = if text.is_empty() { "" } else { ", " };
        text = match limit.measure() {
            Measure::Costs => format!("{sum} of {most} {unit} were spent"),
            _amounts => format!("{text}{comma}sum {sum} of {most} {unit}, and this takes {takes}"),
        };
    }
    let mut told = limit.keys().iter().filter(|key| **key != Key::Agent).peekable();
    let whose = told.peek().is_some().then(|| {
        let names: Vec<_> = told.map(|key| format!("`{}`", key.text())).collect();
        format!(", for this {}", names.join(", "))
    });
    let room = found.room.map(|room| format!("; there is room again at {room}"));
    format!(
        "within {} {text}{}{}",
        span_text(limit.within()),
        whose.unwrap_or_default(),
        room.unwrap_or_default()
    )
}

fn told(limit: &Limit, message: &str) -> String {
    format!("limit `{}`: {message}", limit.name())
}

/// A span as policy writes it: a whole number of its largest unit.
fn span_text(micros: i64) -> String {
    let units = [
        (86_400_000_000, "d"),
        (3_600_000_000, "h"),
        (60_000_000, "m"),
        (1_000_000, "s"),
    ];
    let whole = units.iter().find(|(unit, _)| micros % unit == 0 && micros >= *unit);
    match whole {
        Some((unit, name)) => format!("{}{name}", micros / unit),
        None => format!("{}ms", micros / 1000),
    }
}

/// The amount of what is counted.
fn amount_of(counted: &Counted) -> Decimal {
    counted.amount.as_deref().map(read).unwrap_or_default()
}

fn no_room(limit: &Limit, message: &str) -> NoRoom {
    NoRoom {
        of: Keeper::Limit,
        pauses: limit.at_cap() == AtCap::Pause,
        why: told(limit, message),
    }
}
