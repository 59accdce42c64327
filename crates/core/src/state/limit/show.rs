//! Limits as people look at them: what each window holds, and when there is room again.

use countersign_policy::{Limit, Snapshot, as_compared};

use super::State;
use super::{Windows, written};
use crate::digest::DigestKey;
use crate::ids::ActionId;
use crate::time::{Span, Time};

/// One window of a limit as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowStands {
    /// Who opened it.
    pub by: String,
    /// How many actions it holds.
    pub counted: u32,
    /// When there is room for one more of no amount, where there is none now.
    pub room: Option<Time>,
    /// What they come to, decimal text, where the limit is on a sum.
    pub sum: Option<String>,
    /// Whose it is, as records name it.
    pub whose: String,
}

/// A circuit that is not closed, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CircuitStands {
    /// Who failed last.
    pub by: String,
    /// How many failures opened it.
    pub failures: u32,
    /// Since when it is open.
    pub since: Time,
    /// The action that tries it now.
    pub trial: Option<ActionId>,
    /// From when on one action may try.
    pub until: Time,
    /// Whose it is, as records name it.
    pub whose: String,
}

/// A limit as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitStands {
    /// Circuits that it has opened, those that may be tried last first.
    pub circuits: Vec<CircuitStands>,
    /// How many of its windows hold something.
    pub in_use: usize,
    /// What a sum is counted in.
    pub unit: Option<String>,
    /// Its windows, the fullest first.
    pub windows: Vec<WindowStands>,
}

/// Whose windows are looked for; without more, everybody's.
#[derive(Clone, Copy, Default)]
pub struct LookedFor<'a> {
    /// Windows of this agent, and those that it opened.
    pub agent: Option<&'a str>,
    /// Windows of limits that are told apart by one value of the action, of this value.
    pub value: Option<(&'a str, &'a DigestKey)>,
}

impl LookedFor<'_> {
    fn finds(&self, limit: &Limit, whose: &str, by: &str) -> bool {
        let own = |part: &str| {
            part.strip_prefix("agent:")
                .is_some_and(|agent| Some(agent) == self.agent)
        };
        let of_agent = self.agent.is_none_or(|agent| by == agent || whose.split(',').any(own));
        let of_value = self.value.is_none_or(|(value, key)| {
            let wanted = format!("key:{}", key.window(limit.name(), &[as_compared(value)]));
            whose.ends_with(&wanted)
        });
        of_agent && of_value
    }
}

impl State {
    /// What limits count.
    pub fn windows(&self) -> &Windows {
        &self.windows
    }

    /// A limit as it stands at an instant, with so many of its windows at most: all, or those that are looked for.
    pub fn limit_stands(
        &self,
        limit: &Limit,
        live: &Snapshot,
        now: Time,
        look: &LookedFor<'_>,
        most: usize,
    ) -> LimitStands {
        let currency = self.currency_under(live);
        let unit = limit.unit(currency).map(str::to_owned);
        let mut windows = Vec::new();
        let mut in_use = 0;
        for (whose, window) in self.windows.of(limit.name()) {
            if !look.finds(limit, whose, window.by()) {
                continue;
            }
            let holds = self.window_holds(limit.name(), whose, Span(limit.within()), now, None);
            if holds.count == 0 {
                continue;
            }
            in_use += 1;
            let fits = |count: u32, sum: countersign_policy::Decimal| {
                limit.count().is_none_or(|most| count < most) && limit.sum().is_none_or(|(most, _)| sum < most)
            };
            let full = !fits(holds.count, holds.sum);
            let stands = WindowStands {
                by: window.by().to_string(),
                counted: holds.count,
                room: full.then(|| holds.room(fits)).flatten(),
                sum: unit.as_ref().map(|unit| written(holds.sum, unit)),
                whose: whose.to_string(),
            };
            windows.push((holds.count, holds.sum, stands));
            if windows.len() >= most.max(1) * 2 {
                keep(&mut windows, most);
            }
        }
        keep(&mut windows, most);
        LimitStands {
            circuits: self.circuits_stand(limit, now, look, most),
            in_use,
            unit,
            windows: windows.into_iter().map(|(_, _, stands)| stands).collect(),
        }
    }
}

impl State {
    fn circuits_stand(&self, limit: &Limit, now: Time, look: &LookedFor<'_>, most: usize) -> Vec<CircuitStands> {
        let open = self.circuits.of(limit.name());
        let open = open.filter(|(whose, circuit)| look.finds(limit, whose, &circuit.agent));
        let stands = open.map(|(whose, circuit)| CircuitStands {
            by: circuit.agent.to_string(),
            failures: circuit.failures,
            since: circuit.since,
            trial: self.trial_of(circuit, now),
            until: circuit.until,
            whose: whose.to_string(),
        });
        let mut stands: Vec<CircuitStands> = stands.collect();
        stands.sort_by(|a, b| b.until.cmp(&a.until).then_with(|| a.whose.cmp(&b.whose)));
        stands.truncate(most);
        stands
    }
}

type Used = (u32, countersign_policy::Decimal, WindowStands);

fn keep(windows: &mut Vec<Used>, most: usize) {
    windows.sort_by(|a, b| {
        let fuller = b.0.cmp(&a.0).then(b.1.cmp(&a.1));
        fuller.then_with(|| a.2.whose.cmp(&b.2.whose))
    });
    windows.truncate(most);
}
