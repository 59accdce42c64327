//! Windows: what counts of which action since when.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use countersign_policy::Decimal;
use serde::{Deserialize, Serialize};

use super::amount_of;
use crate::event::Counted;
use crate::ids::ActionId;
use crate::time::{Span, Time};

/// So many entries of a window are exact; of a window with more, those of one step are one entry.
const EXACT: usize = 1000;
/// Steps of a window with many entries.
const STEPS: i64 = 1000;
/// First actions that a window remembers, where it looks for repetitions.
const FIRSTS: usize = 8;

/// All windows, by limit and by whose they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Windows {
    by_limit: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Window>>,
    /// When a window is looked at, and goes if nothing in it counts any more.
    #[serde(skip)]
    closing: BTreeSet<(Time, Arc<str>, Arc<str>)>,
    /// How many windows of a limit an agent has opened.
    #[serde(skip)]
    opened: BTreeMap<Arc<str>, BTreeMap<Arc<str>, usize>>,
}

/// One window of a limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Who opened it.
    by: Arc<str>,
    entries: VecDeque<Entry>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    firsts: Vec<Seen>,
    /// How long an entry counts, microseconds.
    span: i64,
    /// What the entries come to.
    #[serde(skip)]
    total: Total,
}

/// What counts since one instant, or, in a window with many, since one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    /// The last of it counts since then: all of it leaves with that.
    at: Time,
    count: u32,
    /// The first of it counts since then.
    since: Time,
    #[serde(
        with = "super::super::budget::text",
        default,
        skip_serializing_if = "Decimal::is_zero"
    )]
    sum: Decimal,
}

/// What entries come to, kept as they come and go: nobody adds up a window of many to look into it.
///
/// Whole numbers in the smallest unit that an amount may have, since taking away what was added has to leave exactly the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Total {
    count: u64,
    units: i128,
}

impl Total {
    /// Digits after the point that an amount has at most.
    const SCALE: u32 = 9;
    /// Nothing counts for more: it is more than any limit may be, and so many entries of it are no overflow.
    const MOST: i128 = 10_i128.pow(19 + Self::SCALE);

    fn of(count: u32, sum: Decimal) -> Total {
        let units = match Self::SCALE.checked_sub(sum.scale()) {
            Some(finer) => sum.mantissa().saturating_mul(10_i128.pow(finer)),
            None => sum.mantissa() / 10_i128.pow(sum.scale().saturating_sub(Self::SCALE)),
        };
        Total {
            count: count.into(),
            units: units.clamp(-Self::MOST, Self::MOST),
        }
    }

    fn of_entry(entry: &Entry) -> Total {
        Total::of(entry.count, entry.sum)
    }

    fn add(&mut self, more: Total) {
        self.count += more.count;
        self.units += more.units;
    }

    fn take(&mut self, less: Total) {
        self.count = self.count.saturating_sub(less.count);
        self.units -= less.units;
    }

    fn count(self) -> u32 {
        u32::try_from(self.count).unwrap_or(u32::MAX)
    }

    fn sum(self) -> Decimal {
        Decimal::try_from_i128_with_scale(self.units, Self::SCALE).unwrap_or(Decimal::MAX)
    }
}

/// An action that a repetition is held against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The action.
    pub(super) action_id: ActionId,
    /// Who asked for it.
    pub(super) agent: Arc<str>,
    /// What it was about, with its currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) amount: Option<String>,
    /// When it was asked for.
    pub(super) at: Time,
    /// What became of it, in a word or two.
    pub(super) became: String,
}

/// What a window holds at an instant.
pub(super) struct Holds<'a> {
    pub(super) count: u32,
    pub(super) sum: Decimal,
    pub(super) first: Option<&'a Seen>,
    /// The entries that count.
    entries: std::collections::vec_deque::Iter<'a, Entry>,
    /// What of them does not count.
    ended: Vec<&'a Counted>,
    span: Span,
    total: Total,
}

impl Holds<'_> {
    /// When so much has left that it fits; nothing where it never does.
    pub(super) fn room(&self, fits: impl Fn(u32, Decimal) -> bool) -> Option<Time> {
        let mut left = self.total;
        self.entries.clone().find_map(|entry| {
            left.take(Total::of_entry(entry));
            for over in self.ended.iter().filter(|over| entry.covers(over.from)) {
                left.add(Total::of(1, amount_of(over)));
            }
            fits(left.count(), left.sum()).then_some(entry.at + self.span)
        })
    }
}

impl Entry {
    /// What counts since then is in it.
    fn covers(&self, from: Time) -> bool {
        self.since <= from && from <= self.at
    }
}

impl Windows {
    /// Nothing counts.
    pub fn is_empty(&self) -> bool {
        self.by_limit.is_empty()
    }

    fn window(&self, limit: &str, whose: &str) -> Option<&Window> {
        self.by_limit.get(limit)?.get(whose)
    }

    pub(super) fn is_open(&self, limit: &str, whose: &str) -> bool {
        self.window(limit, whose).is_some()
    }

    pub(super) fn opened_by(&self, limit: &str, agent: &str) -> usize {
        let opened = self.opened.get(limit).and_then(|agents| agents.get(agent));
        opened.copied().unwrap_or_default()
    }

    /// Windows of a limit, by whose they are.
    pub(super) fn of(&self, limit: &str) -> impl Iterator<Item = (&Arc<str>, &Window)> {
        self.by_limit.get(limit).into_iter().flatten()
    }

    /// How many windows there are.
    pub fn len(&self) -> usize {
        self.by_limit.values().map(BTreeMap::len).sum()
    }

    pub(super) fn first(&self, limit: &str, whose: &str, id: Option<ActionId>) -> Option<&Seen> {
        let firsts = &self.window(limit, whose)?.firsts;
        firsts.iter().find(|seen| Some(seen.action_id) == id)
    }

    /// What a window holds: entries within `span` before `now`, without what `ended` names.
    pub(super) fn holds<'a>(
        &'a self,
        limit: &str,
        whose: &str,
        span: Span,
        now: Time,
        ended: Vec<&'a Counted>,
    ) -> Holds<'a> {
        let Some(window) = self.window(limit, whose) else {
            return Holds {
                count: 0,
                sum: Decimal::ZERO,
                first: None,
                entries: Default::default(),
                ended,
                span,
                total: Total::default(),
            };
        };
        let gone = window.entries.partition_point(|entry| entry.at + span <= now);
        let mut total = window.total;
        for entry in window.entries.range(..gone) {
            total.take(Total::of_entry(entry));
        }
        for over in &ended {
            let at = window.entries.partition_point(|entry| entry.at < over.from);
            let entry = window.entries.get(at).filter(|entry| entry.covers(over.from));
            if entry.is_some_and(|_| at >= gone) {
                total.take(Total::of(1, amount_of(over)));
            }
        }
        let over = |seen: &&Seen| ended.iter().any(|over| over.from == seen.at);
        let first = window.firsts.iter().find(|seen| seen.at + span > now && !over(seen));
        Holds {
            count: total.count(),
            sum: total.sum(),
            first,
            entries: window.entries.range(gone..),
            ended,
            span,
            total,
        }
    }

    /// Counts what an action adds. `seen` is what repetitions of it are held against. `keeps`: two policies go by the window,
    /// and neither lets go of what the other one still counts.
    pub(super) fn count(&mut self, by: &Arc<str>, counted: &Counted, seen: Option<Seen>, keeps: bool) {
        let mut span = counted.until - counted.from;
        let known = self.by_limit.get_key_value(&counted.limit);
        let limit = known.map_or_else(|| counted.limit.clone(), |(limit, _)| limit.clone());
        let of_limit = self.by_limit.entry(limit.clone()).or_default();
        let window = of_limit.entry(counted.window.clone()).or_insert_with(|| {
            let opened = self.opened.entry(limit.clone()).or_default();
            *opened.entry(by.clone()).or_default() += 1;
            Window {
                by: by.clone(),
                entries: VecDeque::with_capacity(1),
                firsts: Vec::new(),
                span: 0,
                total: Total::default(),
            }
        });
        if keeps {
            span = span.max(Span(window.span));
        }
        // A window that stays as it is, is looked at when its first entry leaves, and then again.
        if window.span != span.0 {
            window.span = span.0;
            self.closing
                .insert((counted.from + span, limit, counted.window.clone()));
        }
        window.leave(counted.from);
        window.add(counted.from, amount_of(counted));
        let room = window.firsts.len() < FIRSTS;
        window.firsts.extend(seen.filter(|_| room));
    }

    /// Takes back what an action added: it never ran.
    pub(super) fn uncount(&mut self, id: ActionId, counted: &Counted) {
        let window = self
            .by_limit
            .get_mut(&counted.limit)
            .and_then(|windows| windows.get_mut(&counted.window));
        let Some(window) = window else { return };
        window.firsts.retain(|seen| seen.action_id != id);
        let at = window.entries.partition_point(|entry| entry.at < counted.from);
        let Some(entry) = window.entries.get_mut(at).filter(|entry| entry.covers(counted.from)) else {
            return;
        };
        window.total.take(Total::of_entry(entry));
        entry.count = entry.count.saturating_sub(1);
        entry.sum = entry.sum.checked_sub(amount_of(counted)).unwrap_or_default();
        if entry.count > 0 {
            window.total.add(Total::of_entry(entry));
            return;
        }
        window.entries.remove(at);
        match window.entries.back() {
            Some(last) => {
                let look = last.at + Span(window.span);
                self.closing
                    .insert((look, counted.limit.clone(), counted.window.clone()));
            }
            None => self.close(&counted.limit, &counted.window),
        }
    }

    /// Says what became of an action that repetitions are held against.
    pub(super) fn became(&mut self, id: ActionId, counted: &Counted, became: &str) {
        let windows = self.by_limit.get_mut(&counted.limit);
        let window = windows.and_then(|windows| windows.get_mut(&counted.window));
        let firsts = window.map(|window| &mut window.firsts).into_iter().flatten();
        for seen in firsts.filter(|seen| seen.action_id == id) {
            became.clone_into(&mut seen.became);
        }
    }

    /// Lets go of windows in which nothing counts any more.
    pub(in crate::state) fn leave(&mut self, now: Time) {
        while let Some((at, limit, whose)) = self.closing.first().cloned().filter(|(at, ..)| *at <= now) {
            self.closing.remove(&(at, limit.clone(), whose.clone()));
            let window = self.window(&limit, &whose);
            let ends = window.and_then(|window| Some(window.entries.back()?.at + Span(window.span)));
            match ends.filter(|ends| *ends > now) {
                Some(again) => drop(self.closing.insert((again, limit, whose))),
                // What leaves a window before its last entry goes when the next one comes: that is in the records.
                None => self.close(&limit, &whose),
            }
        }
    }

    /// Nothing counts there any more.
    pub(super) fn close(&mut self, limit: &Arc<str>, whose: &Arc<str>) {
        let Some(windows) = self.by_limit.get_mut(limit) else {
            return;
        };
        let closed = windows.remove(whose);
        if windows.is_empty() {
            self.by_limit.remove(limit);
        }
        let (Some(closed), Some(opened)) = (closed, self.opened.get_mut(limit)) else {
            return;
        };
        if let Some(count) = opened.get_mut(&closed.by) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                opened.remove(&closed.by);
            }
        }
        if opened.is_empty() {
            self.opened.remove(limit);
        }
    }

    /// Makes what is never part of the state from what the state holds.
    pub(in crate::state) fn rebuild(&mut self) {
        self.closing.clear();
        self.opened.clear();
        for (limit, windows) in &mut self.by_limit {
            let opened = self.opened.entry(limit.clone()).or_default();
            for (whose, window) in windows {
                window.total = Total::default();
                window
                    .entries
                    .iter()
                    .for_each(|entry| window.total.add(Total::of_entry(entry)));
                *opened.entry(window.by.clone()).or_default() += 1;
                if let Some(last) = window.entries.back() {
                    let look = (last.at + Span(window.span), limit.clone(), whose.clone());
                    self.closing.insert(look);
                }
            }
        }
    }
}

impl Window {
    /// Who opened it.
    pub(super) fn by(&self) -> &Arc<str> {
        &self.by
    }

    /// One more action, since `now`.
    fn add(&mut self, now: Time, amount: Decimal) {
        let step = (self.span / STEPS).max(1);
        let many = self.entries.len() >= EXACT;
        let joins =
            |entry: &&mut Entry| many && entry.since.0.div_euclid(step) == now.0.div_euclid(step) || entry.at == now;
        match self.entries.back_mut().filter(joins) {
            Some(entry) => {
                self.total.take(Total::of_entry(entry));
                entry.at = now;
                entry.count = entry.count.saturating_add(1);
                entry.sum = plus(entry.sum, amount);
                self.total.add(Total::of_entry(entry));
            }
            None => {
                self.entries.push_back(Entry {
                    at: now,
                    count: 1,
                    since: now,
                    sum: amount,
                });
                self.total.add(Total::of(1, amount));
            }
        }
    }

    /// Lets go of what does not count any more.
    fn leave(&mut self, now: Time) {
        let span = Span(self.span);
        while let Some(entry) = self.entries.front().filter(|entry| entry.at + span <= now) {
            self.total.take(Total::of_entry(entry));
            self.entries.pop_front();
        }
        self.firsts.retain(|seen| seen.at + span > now);
    }
}

/// A sum, or the most that there is.
pub(super) fn plus(sum: Decimal, more: Decimal) -> Decimal {
    sum.checked_add(more).unwrap_or(Decimal::MAX)
}
