//! A run as its records tell it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use countersign_api::runs::{
    RECORDS_AT_MOST, RunAnswer, RunApproval, RunLeftOff, RunOutcome, RunStep, SAID_AT_MOST, STEPS_AT_MOST, SaidBody,
};
use countersign_core::event::{DecisionMade, Status, Verb};
use countersign_core::money::parse_decimal;
use countersign_core::policy::Decimal;
use countersign_core::state::OpenRun;
use countersign_core::view::run_subject;
use countersign_core::{ActionView, Event, Record, Refusal};
use countersign_store::{Org, StoredRecord};

use crate::Inner;
use crate::auth::Caller;
use crate::error::EngineError;

/// Records of a run that are read at once.
const PAGE: usize = 500;

/// Actions of a run, in the order of the ledger, each with the place of the one that it comes from.
#[derive(Default)]
struct Tree {
    steps: Vec<(RunStep, Option<usize>)>,
    by_action: BTreeMap<String, usize>,
    by_step: BTreeMap<String, usize>,
}

impl Tree {
    /// Adds an action. `named` is the action or step that it says it comes from.
    fn add(&mut self, mut step: RunStep, named: Option<&str>, called_by: Option<String>) {
        let of_name = named.and_then(|name| self.by_action.get(name).or_else(|| self.by_step.get(name)));
        let parent = of_name.or_else(|| self.by_action.get(called_by.as_ref()?)).copied();
        let above = parent.and_then(|parent| self.steps.get(parent));
        step.depth = above.map_or(0, |(above, _)| above.depth + 1);
        step.parent = above.map(|(above, _)| above.action_id.clone());
        let place = self.steps.len();
        self.by_action.insert(step.action_id.clone(), place);
        if let Some(name) = &step.step {
            self.by_step.entry(name.clone()).or_insert(place);
        }
        self.steps.push((step, parent));
    }

    /// The actions, each after the one that it comes from.
    fn in_order(self) -> Vec<RunStep> {
        let mut below: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
        for (place, (_, parent)) in self.steps.iter().enumerate() {
            below.entry(*parent).or_default().push(place);
        }
        let mut next = below.remove(&None).unwrap_or_default();
        next.reverse();
        let mut steps: Vec<Option<RunStep>> = self.steps.into_iter().map(|(step, _)| Some(step)).collect();
        let mut ordered = Vec::with_capacity(steps.len());
        while let Some(place) = next.pop() {
            ordered.extend(steps.get_mut(place).and_then(Option::take));
            next.extend(below.remove(&Some(place)).unwrap_or_default().into_iter().rev());
        }
        ordered
    }
}

/// What a caller is told of a run. An agent is told nothing of a run that it is not in, whatever it asked for in its name; of
/// one that nobody started only what it did itself; and never what is for other people.
struct Told<'c> {
    caller: &'c Caller,
    own: Option<Arc<str>>,
    was_started: bool,
    is_in_it: bool,
}

impl<'c> Told<'c> {
    fn to(caller: &'c Caller) -> Told<'c> {
        let own = caller.agent();
        Told {
            caller,
            is_in_it: own.is_none(),
            own,
            was_started: false,
        }
    }

    /// Whether the next record of the run is told. The first one is that of its start, where somebody started it.
    fn next(&mut self, record: &Record) -> bool {
        let Some(own) = self.own.as_deref() else { return true };
        let its = |agent: &str| *own == *agent || self.caller.may_act_for(agent);
        match &record.event {
            Event::RunStarted(e) => {
                self.was_started = true;
                self.is_in_it |= e.agents.iter().any(|agent| its(agent));
                true
            }
            Event::DecisionMade(e) => {
                let its = its(&e.agent);
                let told = e.practice.is_none() && (self.was_started || its);
                self.is_in_it |= told && its && (!self.was_started || e.status != Status::Refused);
                told
            }
            Event::RunNoted(_) => false,
            _other => true,
        }
    }
}

/// Records of a run: so many that one answer holds what they say.
#[derive(Default)]
pub(super) struct OfRun {
    /// Its start and its end.
    ends: Vec<Record>,
    /// The decisions in it, the first ones.
    pub(super) decisions: Vec<Record>,
    /// What people said to its agents, and noted about it: the last of it.
    inputs: VecDeque<Record>,
    notes: VecDeque<Record>,
    pub(super) left_off: RunLeftOff,
}

impl OfRun {
    fn take(&mut self, record: Record) {
        let (said, off) = match &record.event {
            Event::RunInput(_) => (&mut self.inputs, &mut self.left_off.inputs),
            Event::RunNoted(_) => (&mut self.notes, &mut self.left_off.notes),
            Event::DecisionMade(_) if self.decisions.len() == STEPS_AT_MOST => {
                self.left_off.steps += 1;
                return;
            }
            Event::DecisionMade(_) => return self.decisions.push(record),
            // No other record is looked up by a run than those of its start and its end.
            _other => return self.ends.push(record),
        };
        said.push_back(record);
        if said.len() > SAID_AT_MOST {
            said.pop_front();
            *off += 1;
        }
    }
}

/// Reads one page after the other, and takes `most` records at most. `take` answers the place of what it took; the answer is
/// whether there is more.
fn paged<T>(
    most: usize,
    mut read: impl FnMut(u64, usize) -> Result<Vec<T>, EngineError>,
    mut take: impl FnMut(T) -> Result<u64, EngineError>,
) -> Result<bool, EngineError> {
    let (mut from, mut left) = (0, most);
    while left > 0 {
        let limit = PAGE.min(left);
        let page = read(from, limit)?;
        let count = page.len();
        for record in page {
            from = take(record)? + 1;
        }
        if count < limit {
            return Ok(false);
        }
        left -= count;
    }
    Ok(!read(from, 1)?.is_empty())
}

impl Inner {
    /// Records that name a run, of those that are told.
    pub(super) fn records_of_run(
        &self,
        org: &Org,
        run: &str,
        mut told: impl FnMut(&Record) -> bool,
    ) -> Result<OfRun, EngineError> {
        let (mut found, mut is_there) = (OfRun::default(), false);
        let read = |from, limit| Ok(self.store.by_subject_page(org, run_subject(run), from, limit)?);
        let take = |stored: StoredRecord| {
            let record = Record::decode(&stored.leaf).map_err(EngineError::internal)?.0;
            let seq = record.seq;
            is_there = true;
            if told(&record) {
                found.take(record);
            }
            Ok(seq)
        };
        let at_least = paged(RECORDS_AT_MOST, read, take)?;
        if !is_there {
            return Err(Refusal::missing("run", run).into());
        }
        found.left_off.at_least = at_least;
        Ok(found)
    }

    /// A run as whoever asks may see it: an agent sees those that it acts in.
    pub(super) fn run(&self, caller: &Caller, run: &str, open: Option<OpenRun>) -> Result<RunAnswer, EngineError> {
        let mut told = Told::to(caller);
        let found = self.records_of_run(&caller.org, run, |record| told.next(record))?;
        if !told.is_in_it {
            return Err(Refusal::missing("run", run).into());
        }
        let mut answer = RunAnswer {
            run: run.to_owned(),
            state: "unstarted".to_owned(),
            status: None,
            agents: Vec::new(),
            trigger: None,
            started_by: None,
            started_at: None,
            ended_by: None,
            ended_at: None,
            parent: None,
            traceparent: None,
            context: None,
            output: None,
            reads: Vec::new(),
            actions: BTreeMap::new(),
            cost: BTreeMap::new(),
            tokens: BTreeMap::new(),
            steps: Vec::new(),
            inputs: Vec::new(),
            notes: Vec::new(),
            complete: found.left_off.has_all_actions(),
            left_off: found.left_off,
        };
        answer.reads = open
            .iter()
            .flat_map(|open| &open.reads)
            .map(ToString::to_string)
            .collect();
        let mut cost: BTreeMap<String, Decimal> = BTreeMap::new();
        let mut tree = Tree::default();
        for record in &found.ends {
            self.tell(&caller.org, record, &mut answer)?;
        }
        if found.left_off.at_least && answer.state == "open" && open.is_none() {
            // Its end lies further on than was looked.
            answer.state = "ended".to_owned();
        }
        for record in &found.decisions {
            if let Event::DecisionMade(e) = &record.event {
                self.tell_action(&caller.org, record, e, &mut answer, &mut cost, &mut tree)?;
            }
        }
        for record in found.inputs.iter().chain(&found.notes) {
            self.tell(&caller.org, record, &mut answer)?;
        }
        answer.cost = cost.into_iter().map(|(code, sum)| (code, sum.to_string())).collect();
        answer.steps = tree.in_order();
        Ok(answer)
    }

    fn tell(&self, org: &Org, record: &Record, answer: &mut RunAnswer) -> Result<(), EngineError> {
        let member = |name: &str| -> Result<_, EngineError> {
            let payload = self.json_payload(org, record.seq)?;
            let gone = payload
                .as_object()
                .is_some_and(|map| map.keys().any(|key| key.starts_with('$')));
            let value = if gone {
                Some(payload)
            } else {
                payload.get(name).cloned()
            };
            Ok(value.filter(|_| record.payload.is_some()))
        };
        match &record.event {
            Event::RunStarted(e) => {
                answer.state = "open".to_owned();
                answer.agents = e.agents.iter().map(ToString::to_string).collect();
                answer.trigger = Some(e.trigger.as_str().to_owned());
                answer.started_by = Some(record.actor.id.clone());
                answer.started_at = Some(record.ts.to_string());
                answer.parent = e.parent.map(|parent| parent.to_string());
                answer.traceparent.clone_from(&e.traceparent);
                answer.context = member("context")?;
            }
            Event::RunEnded(e) => {
                answer.state = "ended".to_owned();
                answer.status = Some(e.status.as_str().to_owned());
                answer.ended_by = Some(record.actor.id.clone());
                answer.ended_at = Some(record.ts.to_string());
                answer.output = member("output")?;
            }
            Event::RunInput(_) => answer.inputs.push(self.said(org, record)?),
            Event::RunNoted(_) => answer.notes.push(self.said(org, record)?),
            // No other record is looked up by a run.
            _other => {}
        }
        Ok(())
    }

    fn said(&self, org: &Org, record: &Record) -> Result<SaidBody, EngineError> {
        Ok(SaidBody {
            by: record.actor.id.clone(),
            at: record.ts.to_string(),
            text: self.text_payload(org, record.seq)?,
            index: record.seq,
        })
    }

    fn tell_action(
        &self,
        org: &Org,
        record: &Record,
        decision: &DecisionMade,
        answer: &mut RunAnswer,
        cost: &mut BTreeMap<String, Decimal>,
        tree: &mut Tree,
    ) -> Result<(), EngineError> {
        let (view, _) = self.view(org, decision.action_id)?;
        if answer.agents.is_empty() || !answer.agents.iter().any(|agent| **agent == *decision.agent) {
            answer.agents.push(decision.agent.to_string());
        }
        *answer.actions.entry(view.status.as_str().to_owned()).or_default() += 1;
        if let Some((_, _, outcome)) = &view.outcome {
            let amount = outcome.cost.as_deref().and_then(|cost| parse_decimal(cost).ok());
            if let (Some(amount), Some(code)) = (amount, &outcome.currency) {
                *cost.entry(code.clone()).or_default() += amount;
            }
            for (kind, count) in &outcome.tokens {
                let sum = answer.tokens.entry(kind.clone()).or_default();
                *sum = sum.saturating_add(*count);
            }
        }
        let stored = self.json_payload(org, record.seq)?;
        let word = |name: &str| stored.pointer(name).and_then(serde_json::Value::as_str);
        let called_by = decision.facts.delegation.last().map(|link| link.action_id.to_string());
        let step = step(record, &view, word("/action/step"));
        tree.add(step, word("/action/parent"), called_by);
        Ok(())
    }
}

fn step(record: &Record, view: &ActionView, name: Option<&str>) -> RunStep {
    let decision = &view.decision;
    let approval = view.approval.as_ref().map(|approval| RunApproval {
        id: approval.opened.approval.to_string(),
        state: approval.state.as_str().to_owned(),
        by: (approval.votes.iter())
            .filter(|cast| cast.vote.counted && matches!(cast.vote.verb, Verb::Approve | Verb::Reject))
            .map(|cast| cast.vote.user.clone())
            .collect(),
    });
    let outcome = view.outcome.as_ref().map(|(_, at, outcome)| RunOutcome {
        status: outcome.status.as_str().to_owned(),
        cost: outcome.cost.clone(),
        currency: outcome.currency.clone(),
        duration_ms: outcome.duration_ms,
        at: at.to_string(),
    });
    RunStep {
        depth: 0,
        parent: None,
        step: name.map(str::to_owned),
        action_id: decision.action_id.to_string(),
        agent: decision.agent.to_string(),
        tool: decision.tool.clone(),
        action: decision.action.clone(),
        decision: decision.decision.as_str().to_owned(),
        status: view.status.as_str().to_owned(),
        reason_code: view.reason_code.clone(),
        reads: decision.facts.reads.clone(),
        approval,
        outcome,
        at: record.ts.to_string(),
        index: record.seq,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is taken of so many records, at places with gaps between them, and whether there is more.
    fn taken(all: u64, most: usize) -> (Vec<u64>, bool) {
        let mut taken = Vec::new();
        let read = |from, limit| Ok((0..all).map(|n| n * 3).filter(|seq| *seq >= from).take(limit).collect());
        let more = paged(most, read, |seq| {
            taken.push(seq);
            Ok(seq)
        });
        (taken, more.unwrap_or_else(|error| panic!("{error}")))
    }

    #[test]
    fn a_run_is_read_to_its_end_or_to_the_cap_and_whether_there_is_more_is_known() {
        let most = RECORDS_AT_MOST;
        let cap = u64::try_from(most).unwrap_or(u64::MAX);
        for (all, more) in [
            (0, false),
            (1, false),
            (500, false),
            (501, false),
            (cap - 1, false),
            (cap, false),
            (cap + 1, true),
        ] {
            let (taken, told) = taken(all, most);
            let wanted: Vec<u64> = (0..all.min(cap)).map(|n| n * 3).collect();
            assert_eq!(taken, wanted, "of {all}");
            assert_eq!(told, more, "of {all}");
        }
    }
}
