//! Who wants what of which subject, and until when their word stands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::event::{Position, Side};
use crate::ids::ActionId;
use crate::time::Time;

/// What agents want of the subjects of one rule, by subject and agent.
type OfRule = BTreeMap<Arc<str>, BTreeMap<Arc<str>, Stands>>;
/// When a word is over, with its rule, its subject and its agent.
type End = (Time, Arc<str>, Arc<str>, Arc<str>);

/// All positions, by rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Positions {
    by_rule: BTreeMap<Arc<str>, OfRule>,
    /// When whose word is over, by rule and subject.
    #[serde(skip)]
    ends: BTreeSet<End>,
    /// Of how many subjects of a rule an agent wants something.
    #[serde(skip)]
    subjects: BTreeMap<Arc<str>, BTreeMap<Arc<str>, usize>>,
}

/// What one agent wants of one subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stands {
    /// The action by which it said so.
    pub(super) action_id: ActionId,
    /// When.
    pub(super) at: Time,
    /// What it asked for.
    pub(super) operation: Arc<str>,
    /// Index of the record that says so.
    pub(super) seq: u64,
    /// What it wants.
    pub(super) side: Side,
    /// When its word does not stand any more.
    pub(super) until: Time,
}

impl Positions {
    /// Nobody wants anything.
    pub fn is_empty(&self) -> bool {
        self.by_rule.is_empty()
    }

    /// Whose word about a subject stands at `now`.
    pub(super) fn of(&self, rule: &str, subject: &str, now: Time) -> impl Iterator<Item = (&Arc<str>, &Stands)> {
        let agents = self.by_rule.get(rule).and_then(|subjects| subjects.get(subject));
        agents
            .into_iter()
            .flatten()
            .filter(move |(_, stands)| stands.until > now)
    }

    /// How many agents are on a side, without one of them.
    pub(super) fn agents(&self, rule: &str, subject: &str, side: Side, now: Time, without: &str) -> u32 {
        let on_it = self.of(rule, subject, now);
        let on_it = on_it.filter(|(agent, stands)| stands.side == side && ***agent != *without);
        u32::try_from(on_it.count()).unwrap_or(u32::MAX)
    }

    /// Whether an agent wants something of so many other subjects that there is no room for one more.
    pub(super) fn is_full(&self, rule: &str, subject: &str, agent: &str, most: usize) -> bool {
        let subjects = self.subjects.get(rule).and_then(|agents| agents.get(agent));
        let known = || self.by_rule.get(rule)?.get(subject)?.get(agent);
        subjects.is_some_and(|count| *count >= most) && known().is_none()
    }

    /// An agent wants something, in place of what it wanted before.
    pub(super) fn take(&mut self, agent: &Arc<str>, position: &Position, stands: Stands) {
        let (rule, subject) = (position.rule.clone(), position.subject.clone());
        let ends = (stands.until, rule.clone(), subject.clone(), agent.clone());
        let agents = self
            .by_rule
            .entry(rule.clone())
            .or_default()
            .entry(subject.clone())
            .or_default();
        match agents.insert(agent.clone(), stands) {
            Some(before) => drop(self.ends.remove(&(before.until, rule, subject, agent.clone()))),
            None => *self.subjects.entry(rule).or_default().entry(agent.clone()).or_default() += 1,
        }
        self.ends.insert(ends);
    }

    /// An agent does not want any more what it wanted by an action.
    pub(super) fn withdraw(&mut self, agent: &Arc<str>, position: &Position, by: ActionId) {
        let agents = self
            .by_rule
            .get(&position.rule)
            .and_then(|subjects| subjects.get(&position.subject));
        if agents
            .and_then(|agents| agents.get(agent))
            .is_some_and(|stands| stands.action_id == by)
        {
            self.remove(&position.rule, &position.subject, agent);
        }
    }

    /// Lets go of words that do not stand any more.
    pub(in crate::state) fn leave(&mut self, now: Time) {
        while let Some((_, rule, subject, agent)) = self.ends.first().filter(|(until, ..)| *until <= now).cloned() {
            self.remove(&rule, &subject, &agent);
        }
    }

    fn remove(&mut self, rule: &Arc<str>, subject: &Arc<str>, agent: &Arc<str>) {
        let Some(subjects) = self.by_rule.get_mut(rule) else {
            return;
        };
        let Some(agents) = subjects.get_mut(subject) else {
            return;
        };
        if let Some(stands) = agents.remove(agent) {
            self.ends
                .remove(&(stands.until, rule.clone(), subject.clone(), agent.clone()));
        }
        if agents.is_empty() {
            subjects.remove(subject);
        }
        if subjects.is_empty() {
            self.by_rule.remove(rule);
        }
        let Some(of_agents) = self.subjects.get_mut(rule) else {
            return;
        };
        if let Some(count) = of_agents.get_mut(agent) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                of_agents.remove(agent);
            }
        }
        if of_agents.is_empty() {
            self.subjects.remove(rule);
        }
    }

    /// Makes what is never part of the state from what the state holds.
    pub(in crate::state) fn rebuild(&mut self) {
        self.ends.clear();
        self.subjects.clear();
        for (rule, subjects) in &self.by_rule {
            for (subject, agents) in subjects {
                for (agent, stands) in agents {
                    self.ends
                        .insert((stands.until, rule.clone(), subject.clone(), agent.clone()));
                    *self
                        .subjects
                        .entry(rule.clone())
                        .or_default()
                        .entry(agent.clone())
                        .or_default() += 1;
                }
            }
        }
    }
}
