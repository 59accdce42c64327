//! Calls of tools that were seen elsewhere, held against those that ran with a permit: what of an agent's calls is governed.
//!
//! Sources number what they tell: a place in their log, which only rises. Up to where a source is known is its watermark, so
//! that what is told again counts once. Calls are counted by agent and tool in days (UTC), for 30 days. From the first
//! report on, what runs with a permit is counted in the same way; an organization that is told nothing counts nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Ctx, Handled, State};
use crate::command::{Observe, ObservedCall};
use crate::event::{AgentSighted, CallsObserved, ObservedCalls};
use crate::record::{Draft, Provenance};
use crate::refusal::Refusal;
use crate::time::{Span, Time};

/// Days that are counted, the present one included.
pub const OBSERVED_DAYS: i64 = 30;
/// Sources that an organization has.
const SOURCES_AT_MOST: usize = 100;
/// Pairs of agent and tool that are counted; the calls of others are added up without their names.
const PAIRS_AT_MOST: usize = 10_000;
/// So much text of agents and tools stands in one record; a batch with more makes several.
const NAMES_PER_RECORD: usize = 6 * 1024;
/// How far ahead of ours the clock of a source may be.
const AHEAD: Span = Span::days(1);
/// A day in microseconds.
const DAY: i64 = 86_400_000_000;
/// Tools that an alert names.
const TOOLS_NAMED: usize = 5;

/// Calls by day: days since 1970-01-01, UTC.
type Days = BTreeMap<i64, u64>;

/// Where calls are seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// When it told something last.
    pub at: Time,
    /// Up to which place it is known.
    pub last: u64,
}

/// How often an agent called a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Calls {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    governed: Days,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    observed: Days,
}

/// What was seen elsewhere, and what ran here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// By agent and tool.
    calls: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Calls>>,
    /// Calls of pairs beyond those that are kept track of.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    others: Days,
    /// The first day on which what runs here is counted.
    since: i64,
    sources: BTreeMap<Arc<str>, Source>,
    /// The day on which what is too old was last let go of.
    #[serde(default, skip_serializing_if = "is_zero_day")]
    swept: i64,
}

fn is_zero_day(day: &i64) -> bool {
    *day == 0
}

/// The day of an instant, UTC: days since 1970-01-01.
pub fn day_of(at: Time) -> i64 {
    at.0.div_euclid(DAY)
}

/// The day as `2026-01-31`.
pub fn day_text(day: i64) -> String {
    Time(day.saturating_mul(DAY)).to_string().chars().take(10).collect()
}

/// How much of what an agent did with a tool is governed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covered {
    /// Who called.
    pub agent: Arc<str>,
    /// Calls seen on days before what runs here was counted.
    pub earlier: u64,
    /// Calls that ran with a permit.
    pub governed: u64,
    /// The last day on which a call was seen elsewhere.
    pub last_observed: Option<i64>,
    /// Calls that were seen elsewhere since then.
    pub observed: u64,
    /// What was called.
    pub tool: Arc<str>,
}

impl Covered {
    /// Calls that were seen and had no permit, at least.
    pub fn outside(&self) -> u64 {
        self.observed.saturating_sub(self.governed)
    }
}

/// One day of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayCovered {
    /// Calls that ran with a permit.
    pub governed: u64,
    /// Calls that were seen elsewhere.
    pub observed: u64,
}

/// What of the calls that were seen is governed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// By day.
    pub days: BTreeMap<i64, DayCovered>,
    /// Calls of pairs beyond those that are kept track of.
    pub others: u64,
    /// By agent and tool.
    pub pairs: Vec<Covered>,
    /// The first day on which what runs here is counted; `None`: nothing was told yet.
    pub since: Option<i64>,
    /// Where calls are seen.
    pub sources: BTreeMap<Arc<str>, Source>,
}

impl Observed {
    pub(super) fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    pub(super) fn sources(&self) -> &BTreeMap<Arc<str>, Source> {
        &self.sources
    }

    fn pairs(&self) -> usize {
        self.calls.values().map(BTreeMap::len).sum()
    }

    fn pair(&self, agent: &str, tool: &str) -> Option<&Calls> {
        self.calls.get(agent)?.get(tool)
    }

    /// The calls of a pair, where it is kept track of or there is room for one more.
    fn pair_mut(&mut self, agent: &Arc<str>, tool: &Arc<str>) -> Option<&mut Calls> {
        if self.pair(agent, tool).is_none() && self.pairs() >= PAIRS_AT_MOST {
            return None;
        }
        let tools = self.calls.entry(agent.clone()).or_default();
        Some(tools.entry(tool.clone()).or_default())
    }

    /// Lets go of what is older than what is counted, once a day.
    fn sweep(&mut self, today: i64) {
        if self.swept >= today {
            return;
        }
        self.swept = today;
        let first = today - OBSERVED_DAYS + 1;
        let keep = |days: &mut Days| days.retain(|day, _| *day >= first);
        keep(&mut self.others);
        self.calls.retain(|_, tools| {
            tools.retain(|_, calls| {
                keep(&mut calls.governed);
                keep(&mut calls.observed);
                !calls.governed.is_empty() || !calls.observed.is_empty()
            });
            !tools.is_empty()
        });
    }
}

impl State {
    /// Takes what a source says that was called elsewhere.
    pub(super) fn observe(&self, ask: Observe, ctx: &mut Ctx<'_>) -> Result<Handled, Refusal> {
        let known = self.observed.sources.get(&ask.source);
        if known.is_none() && self.observed.sources.len() >= SOURCES_AT_MOST {
            let detail = format!("{SOURCES_AT_MOST} sources have told something");
            return Err(Refusal::conflict("too_many_sources", detail).hint("use the name of one that you have"));
        }
        check(&ask.calls, ctx.now)?;
        let mark = known.map(|source| source.last);
        let is_new = |call: &&ObservedCall| mark.is_none_or(|mark| call.id > mark);
        let fresh: Vec<&ObservedCall> = ask.calls.iter().filter(is_new).collect();
        let Some(last) = fresh.last().map(|call| call.id) else {
            return Handled::done(Vec::new());
        };
        let first_day = day_of(ctx.now) - OBSERVED_DAYS + 1;
        let (mut counts, mut old) = (BTreeMap::new(), 0_u64);
        for call in &fresh {
            let day = day_of(call.at);
            if day < first_day {
                old = old.saturating_add(call.count);
                continue;
            }
            let count: &mut u64 = counts.entry((call.agent.clone(), call.tool.clone(), day)).or_default();
            *count = count.saturating_add(call.count);
        }
        let repeated = ask.calls.iter().filter(|call| !is_new(call)).map(|call| call.count);
        let of_batch = CallsObserved {
            counts: Vec::new(),
            last,
            old,
            repeated: repeated.fold(0, u64::saturating_add),
            source: ask.source,
        };
        let counts = self.within_bounds(counts);
        let mut events = self.sighted_elsewhere(&counts, &of_batch.source);
        events.extend(in_records(counts.clone(), of_batch));
        events.extend(self.called_outside(&counts, ctx));
        Handled::done(events)
    }

    /// Names of pairs are kept as long as there is room for them.
    fn within_bounds(&self, counts: BTreeMap<(Arc<str>, Arc<str>, i64), u64>) -> Vec<ObservedCalls> {
        let mut room = PAIRS_AT_MOST.saturating_sub(self.observed.pairs());
        let (mut named, mut added, mut others) = (Vec::new(), BTreeSet::new(), Days::new());
        for ((agent, tool, day), calls) in counts {
            let pair = (agent, tool);
            let known = self.observed.pair(&pair.0, &pair.1).is_some() || added.contains(&pair);
            if !known && room == 0 {
                let sum = others.entry(day).or_default();
                *sum = sum.saturating_add(calls);
                continue;
            }
            if !known {
                room -= 1;
                added.insert(pair.clone());
            }
            let (agent, tool) = pair;
            named.push(ObservedCalls {
                agent,
                calls,
                day,
                tool,
            });
        }
        let nobody = |(day, calls)| ObservedCalls {
            agent: "".into(),
            calls,
            day,
            tool: "".into(),
        };
        named.extend(others.into_iter().map(nobody));
        named
    }

    /// Agents that nobody has registered get a row of the inventory, in quarantine.
    fn sighted_elsewhere(&self, counts: &[ObservedCalls], source: &Arc<str>) -> Vec<Draft> {
        let names: BTreeSet<&Arc<str>> = counts.iter().map(|count| &count.agent).collect();
        let unknown = names
            .into_iter()
            .filter(|agent| !agent.is_empty() && !self.agents.contains_key(*agent));
        let sighted = |agent: &Arc<str>| {
            Draft::observed(AgentSighted {
                agent: agent.to_string(),
                source: Some(source.to_string()),
            })
        };
        unknown.take(self.room_for_sighted()).map(sighted).collect()
    }

    /// People are told of agents that call what policy governs without asking here, once a day for each pair.
    fn called_outside(&self, counts: &[ObservedCalls], ctx: &mut Ctx<'_>) -> Vec<Draft> {
        let Some(live) = ctx.live else { return Vec::new() };
        let mut outside: BTreeMap<&Arc<str>, BTreeSet<&str>> = BTreeMap::new();
        for count in counts.iter().filter(|count| live.names_tool(&count.tool)) {
            let known = self.observed.pair(&count.agent, &count.tool);
            let asks_here = known.is_some_and(|calls| !calls.governed.is_empty());
            let told = known.is_some_and(|calls| calls.observed.contains_key(&count.day));
            if !asks_here && !told {
                outside.entry(&count.agent).or_default().insert(&count.tool);
            }
        }
        let mut events = Vec::new();
        for (agent, tools) in outside {
            let named: Vec<String> = tools.iter().take(TOOLS_NAMED).map(|tool| format!("`{tool}`")).collect();
            let more = match tools.len().saturating_sub(TOOLS_NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let summary = format!("`{agent}` calls {}{more} without asking here", named.join(", "));
            events.extend(self.alert("called_outside", summary, Some(agent), None, ctx));
        }
        events
    }

    /// What of the calls that were seen is governed, as of `now`.
    pub fn coverage(&self, now: Time) -> Coverage {
        let seen = &self.observed;
        if seen.is_empty() {
            return Coverage::default();
        }
        let first = day_of(now) - OBSERVED_DAYS + 1;
        let mut coverage = Coverage {
            days: BTreeMap::new(),
            others: seen.others.range(first..).map(|(_, calls)| calls).sum(),
            pairs: Vec::new(),
            since: Some(seen.since),
            sources: seen.sources.clone(),
        };
        for (agent, tools) in &seen.calls {
            for (tool, calls) in tools {
                let mut covered = Covered {
                    agent: agent.clone(),
                    earlier: 0,
                    governed: 0,
                    last_observed: None,
                    observed: 0,
                    tool: tool.clone(),
                };
                for (day, count) in calls.governed.range(first..) {
                    covered.governed = covered.governed.saturating_add(*count);
                    let of_day = coverage.days.entry(*day).or_default();
                    of_day.governed = of_day.governed.saturating_add(*count);
                }
                for (day, count) in calls.observed.range(first..) {
                    let sum = if *day < seen.since {
                        &mut covered.earlier
                    } else {
                        &mut covered.observed
                    };
                    *sum = sum.saturating_add(*count);
                    covered.last_observed = Some(*day);
                    let of_day = coverage.days.entry(*day).or_default();
                    of_day.observed = of_day.observed.saturating_add(*count);
                }
                if covered.governed > 0 || covered.last_observed.is_some() {
                    coverage.pairs.push(covered);
                }
            }
        }
        coverage
    }

    /// Stores what was seen.
    pub(super) fn calls_observed(&mut self, now: Time, e: &CallsObserved) {
        let today = day_of(now);
        if self.observed.is_empty() {
            self.observed.since = today;
        }
        self.observed.sweep(today);
        let source = Source { at: now, last: e.last };
        self.observed.sources.insert(e.source.clone(), source);
        for count in &e.counts {
            let days = if count.agent.is_empty() {
                Some(&mut self.observed.others)
            } else {
                let pair = self.observed.pair_mut(&count.agent, &count.tool);
                pair.map(|calls| &mut calls.observed)
            };
            if let Some(days) = days {
                let sum = days.entry(count.day).or_default();
                *sum = sum.saturating_add(count.calls);
            }
        }
    }

    /// Counts a call that ran with a permit, where calls are told from elsewhere.
    pub(super) fn ran_here(&mut self, agent: &Arc<str>, tool: &Arc<str>, now: Time) {
        if self.observed.is_empty() {
            return;
        }
        let today = day_of(now);
        self.observed.sweep(today);
        if let Some(calls) = self.observed.pair_mut(agent, tool) {
            let sum = calls.governed.entry(today).or_default();
            *sum = sum.saturating_add(1);
        }
    }
}

fn check(calls: &[ObservedCall], now: Time) -> Result<(), Refusal> {
    if calls.is_empty() {
        return Err(Refusal::invalid("invalid_value", "`calls` is empty").hint("tell one call at least"));
    }
    for (before, after) in calls.iter().zip(calls.iter().skip(1)) {
        if after.id <= before.id {
            let detail = format!("call {} comes after call {}", after.id, before.id);
            return Err(Refusal::invalid("ids_not_rising", detail)
                .hint("number calls by their place in the source's log, and tell them in that order"));
        }
    }
    match calls.iter().find(|call| call.at > now + AHEAD) {
        Some(call) => Err(Refusal::invalid(
            "invalid_value",
            format!("call {} is of {}, which has not come yet", call.id, call.at),
        )),
        None => Ok(()),
    }
}

/// The records of a batch: one, unless it names so much that it takes more.
fn in_records(counts: Vec<ObservedCalls>, of_batch: CallsObserved) -> Vec<Draft> {
    let mut records = Vec::new();
    let (mut rest, mut bytes) = (of_batch, 0);
    for count in counts {
        // A character may take six bytes in the record's text.
        bytes += (count.agent.len() + count.tool.len()) + 64;
        if bytes > NAMES_PER_RECORD && !rest.counts.is_empty() {
            let next = CallsObserved {
                counts: Vec::new(),
                old: 0,
                repeated: 0,
                ..rest.clone()
            };
            records.push(std::mem::replace(&mut rest, next));
            bytes = count.agent.len() + count.tool.len() + 64;
        }
        rest.counts.push(count);
    }
    records.push(rest);
    let draft = |record| {
        let mut draft = Draft::observed(record);
        draft.prov = Provenance::Reported;
        draft
    };
    records.into_iter().map(draft).collect()
}
