//! What agents have read, run by run: labels that the tool catalogue gives its tools, and those that agents state themselves.
//! `outside` stands for content that nobody in the organization has vouched for; a person's word to the agents of a run ends
//! it, and nothing else does. Every other label stays until the run is over.
//!
//! Where it is not sure who has read what, more of them have: an action that names no run may belong to any of its agent's,
//! and whatever an agent reads for another one both have read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_policy::OUTSIDE;
use serde::{Deserialize, Serialize};

use super::runs::RUN_IDLE_S;
use super::{HandedOn, OpenAction, State};
use crate::command::Submit;
use crate::event::{ApprovalRevised, DecisionFacts, DecisionMade, Event, Verb};
use crate::ids::ActionId;
use crate::record::Record;
use crate::time::{Span, Time};

/// Runs that nobody started of which it is remembered one by one what one agent has read.
const UNSTARTED_PER_AGENT: usize = 64;
/// Labels that agents may add to what was read in a run; what the catalogue says is never left out.
const STATED_PER_RUN: usize = 64;

/// What was read in a run that nobody started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// Labels.
    pub labels: BTreeSet<Arc<str>>,
    /// When it was last read from.
    pub last: Time,
}

/// What one agent has read in runs that nobody started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unstarted {
    /// By the run; the empty name is for actions that name none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    by_run: BTreeMap<Arc<str>, Read>,
    /// In any that is not listed: it counts for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    in_any: Option<Read>,
}

impl Unstarted {
    /// What was read, by run.
    pub(super) fn each(&self) -> impl Iterator<Item = (Option<Arc<str>>, &Read)> {
        let by_run = self.by_run.iter().map(|(run, read)| (Some(run.clone()), read));
        by_run.chain(self.in_any.iter().map(|read| (None, read)))
    }

    /// Where reading in this run is remembered, and its name there.
    fn place(&mut self, run: &Arc<str>) -> (&mut Read, Option<Arc<str>>) {
        if self.by_run.len() >= UNSTARTED_PER_AGENT && !self.by_run.contains_key(run) {
            return (self.in_any.get_or_insert_default(), None);
        }
        (self.by_run.entry(run.clone()).or_default(), Some(run.clone()))
    }

    fn get(&self, run: Option<&Arc<str>>) -> Option<&Read> {
        match run {
            Some(run) => self.by_run.get(run),
            None => self.in_any.as_ref(),
        }
    }

    fn forget(&mut self, run: Option<&Arc<str>>) {
        match run {
            Some(run) => drop(self.by_run.remove(run)),
            None => self.in_any = None,
        }
    }

    fn is_empty(&self) -> bool {
        self.by_run.is_empty() && self.in_any.is_none()
    }
}

/// A set of labels.
type Labels = BTreeSet<Arc<str>>;

impl State {
    /// Reads what the agent of an action has read into the facts of its decision. Answers what of it came with the action.
    pub(super) fn read_reads(&self, submit: &Submit, facts: &mut DecisionFacts) -> Vec<String> {
        let handed = self.handed_reads(facts);
        let mut reads = self.has_read(&submit.agent, submit.shown.run.as_deref());
        reads.extend(handed.iter().map(String::as_str).map(Arc::from));
        reads.extend(submit.shown.reads.iter().map(String::as_str).map(Arc::from));
        facts.reads = texts(&reads);
        facts.run = self.run_facts(submit.shown.run.as_deref());
        handed
    }

    /// What the agents have read that handed an action on.
    pub(crate) fn handed_reads(&self, facts: &DecisionFacts) -> Vec<String> {
        let calls = facts
            .delegation
            .iter()
            .filter_map(|link| self.actions.get(&link.action_id));
        let reads = calls.flat_map(|call| self.has_read(&call.agent, call.run.as_deref()));
        texts(&reads.collect())
    }

    /// What is known of what the agent of an open action has read, and what it states now.
    pub(super) fn reads_of(&self, action: &OpenAction, stated: &[String]) -> Vec<String> {
        let mut reads = self.has_read(&action.agent, action.run.as_deref());
        let calls = action
            .delegation
            .iter()
            .filter_map(|handed| self.actions.get(&handed.action_id));
        reads.extend(calls.flat_map(|call| self.has_read(&call.agent, call.run.as_deref())));
        reads.extend(stated.iter().map(String::as_str).map(Arc::from));
        texts(&reads)
    }

    /// What an agent has read in a run.
    fn has_read(&self, agent: &str, run: Option<&str>) -> Labels {
        if self.runs.is_empty() {
            return Labels::new();
        }
        let started = |run: &str| {
            self.runs
                .line(run)
                .flat_map(|run| &run.reads)
                .cloned()
                .collect::<Labels>()
        };
        let unstarted = self.runs.unstarted.get(agent);
        match run {
            Some(run) if self.runs.open.contains_key(run) => started(run),
            Some(run) => {
                let own = unstarted.and_then(|reads| reads.by_run.get(run));
                let any = unstarted.and_then(|reads| reads.in_any.as_ref());
                own.into_iter()
                    .chain(any)
                    .flat_map(|read| &read.labels)
                    .cloned()
                    .collect()
            }
            // It may belong to any of them.
            None => {
                let unstarted = unstarted.into_iter().flat_map(Unstarted::each);
                let mut all: Labels = unstarted.flat_map(|(_, read)| &read.labels).cloned().collect();
                let runs = self.runs.of_agent.get(agent).into_iter().flatten();
                all.extend(runs.flat_map(|run| started(run)));
                all
            }
        }
    }

    /// What a record says about what was read, where a person spoke, and which runs go on.
    ///
    /// A practice is nothing that an agent did: what people say of it, and what it says that was read, is about nobody.
    pub(super) fn follow_runs(&mut self, record: &Record) {
        let is_practice = match &record.event {
            Event::DecisionMade(e) => e.practice.is_some(),
            Event::ApprovalRevised(e) => self.practices.contains_key(&e.approval),
            Event::ApprovalVoted(e) => self.practices.contains_key(&e.approval),
            _other => false,
        };
        if is_practice {
            return;
        }
        match &record.event {
            Event::DecisionMade(e) => self.decision_in_run(record.ts, e),
            Event::ApprovalResolved(e) if e.permit.is_some() => self.reads_by(e.action_id, record.ts),
            Event::ApprovalRevised(e) => self.revised_in_run(e, record.ts),
            Event::PermitRedeemed(e) => self.reads_by(e.action_id, record.ts),
            Event::OutcomeReported(e) => self.reads_by(e.action_id, record.ts),
            Event::ApprovalVoted(e) if e.counted && record.payload.is_some() => match e.verb {
                Verb::Approve | Verb::Edit | Verb::Reject => self.person_spoke_of(e.action_id, record.ts),
                // None of these decides anything; who may comment is not looked at.
                Verb::Abstain | Verb::Claim | Verb::Clarify | Verb::Comment | Verb::HandOver | Verb::Release => {}
            },
            Event::RunStarted(e) => self.run_started(record.ts, e),
            Event::RunEnded(e) => self.run_ended(e),
            Event::RunInput(e) => self.person_spoke(&e.run, record.ts),
            // Nothing else is about what agents have read.
            _other => {}
        }
    }

    fn decision_in_run(&mut self, now: Time, e: &DecisionMade) {
        let run: Arc<str> = e.run.as_deref().unwrap_or_default().into();
        self.heard_of(&run, now);
        let stated = e.stated_reads.iter().chain(&e.handed_reads);
        if stated.clone().next().is_some() {
            self.read(&e.agent, &run, &e.handed_reads, usize::MAX, now);
            self.read(&e.agent, &run, &e.stated_reads, STATED_PER_RUN, now);
        }
        if e.permit.is_some() && !e.reads.is_empty() {
            self.read(&e.agent, &run, &e.reads, usize::MAX, now);
            self.read_for(&HandedOn::chain(&e.facts), &e.reads, now);
        }
    }

    /// An open action was changed, and decided on what is known by now. Where it names no run, that is what was read in all
    /// of its agent's runs, and stays there.
    fn revised_in_run(&mut self, e: &ApprovalRevised, now: Time) {
        let Some(action) = self.actions.get(&e.action_id) else {
            return;
        };
        let (agent, run) = (action.agent.clone(), action.run.clone());
        if let Some(run) = run {
            self.heard_of(&run, now);
            if !e.facts.reads.is_empty() {
                self.read(&agent, &run, &e.facts.reads, STATED_PER_RUN, now);
            }
        }
    }

    /// An open action goes on: what it reads, its agent has read by now, whatever a person said since it was permitted.
    fn reads_by(&mut self, id: ActionId, now: Time) {
        let Some(action) = self.actions.get(&id) else { return };
        let run: Arc<str> = action.run.clone().unwrap_or_default();
        let (agent, reads, chain) = (action.agent.clone(), action.reads.clone(), action.delegation.clone());
        self.heard_of(&run, now);
        if !reads.is_empty() {
            self.read(&agent, &run, &reads, usize::MAX, now);
            self.read_for(&chain, &reads, now);
        }
    }

    /// What is read for another agent goes back to it.
    fn read_for(&mut self, chain: &[HandedOn], labels: &[String], now: Time) {
        for handed in chain {
            let run = self.actions.get(&handed.action_id).and_then(|call| call.run.clone());
            self.read(&handed.agent, &run.unwrap_or_default(), labels, usize::MAX, now);
        }
    }

    /// Remembers what an agent has read in a run, as long as there are not `most` labels already.
    fn read(&mut self, agent: &Arc<str>, run: &Arc<str>, labels: &[String], most: usize, now: Time) {
        let add = |known: &mut Labels| {
            for label in labels {
                if known.len() < most || label == OUTSIDE {
                    known.insert(Arc::from(label.as_str()));
                }
            }
        };
        if self.runs.open.contains_key(run) {
            let mut above = Some(run.clone());
            while let Some(open) = above.and_then(|run| self.runs.open.get_mut(&run)) {
                add(&mut open.reads);
                above = open.parent.clone();
            }
            return;
        }
        // Whoever may state names could state any number of them.
        if !self.agents.contains_key(agent) {
            return;
        }
        let (read, name) = self.runs.unstarted.entry(agent.clone()).or_default().place(run);
        let fresh = read.labels.is_empty();
        add(&mut read.labels);
        read.last = now;
        if fresh {
            let forgotten = now + Span::seconds(i64::from(RUN_IDLE_S));
            self.runs.forgets.insert((forgotten, agent.clone(), name));
        }
    }

    /// A person said something with a vote on an action.
    fn person_spoke_of(&mut self, id: ActionId, now: Time) {
        let Some(action) = self.actions.get(&id) else { return };
        let (agent, run) = (action.agent.clone(), action.run.clone().unwrap_or_default());
        self.heard_of(&run, now);
        match self.runs.open.get_mut(&run) {
            Some(open) => drop(open.reads.remove(OUTSIDE)),
            None => self.vouch(&agent, &run),
        }
    }

    /// A person said something to all agents of a run.
    fn person_spoke(&mut self, run: &Arc<str>, now: Time) {
        self.heard_of(run, now);
        if let Some(open) = self.runs.open.get_mut(run) {
            open.reads.remove(OUTSIDE);
            return;
        }
        let agents: Vec<Arc<str>> = (self.runs.unstarted.iter())
            .filter(|(_, reads)| reads.by_run.contains_key(run))
            .map(|(agent, _)| agent.clone())
            .collect();
        agents.iter().for_each(|agent| self.vouch(agent, run));
    }

    fn vouch(&mut self, agent: &Arc<str>, run: &Arc<str>) {
        let reads = self.runs.unstarted.get_mut(agent);
        if let Some(read) = reads.and_then(|reads| reads.by_run.get_mut(run)) {
            read.labels.remove(OUTSIDE);
            if read.labels.is_empty() {
                self.forget(agent, Some(run));
            }
        }
    }

    fn forget(&mut self, agent: &Arc<str>, run: Option<&Arc<str>>) {
        if let Some(reads) = self.runs.unstarted.get_mut(agent) {
            reads.forget(run);
            if reads.is_empty() {
                self.runs.unstarted.remove(agent);
            }
        }
    }

    /// Forgets what was read in runs that nobody started and of which nothing was heard for long.
    pub(super) fn leave_runs(&mut self, now: Time) {
        while let Some((at, agent, run)) = self.runs.forgets.first().cloned() {
            if at > now {
                return;
            }
            self.runs.forgets.pop_first();
            let known = self.runs.unstarted.get(&agent);
            let last = known.and_then(|reads| reads.get(run.as_ref())).map(|read| read.last);
            let Some(last) = last else { continue };
            let forgotten = last + Span::seconds(i64::from(RUN_IDLE_S));
            if forgotten <= now {
                self.forget(&agent, run.as_ref());
            } else {
                self.runs.forgets.insert((forgotten, agent, run));
            }
        }
    }
}

fn texts(labels: &Labels) -> Vec<String> {
    labels.iter().map(ToString::to_string).collect()
}
