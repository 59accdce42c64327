//! Runs: started by an agent, a gateway or a person, and over when somebody says so or nothing is heard of them. An action may
//! also name a run that nobody started: then all that is known of it are the records that name it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_policy::Snapshot;
use serde::{Deserialize, Serialize};

use super::ruling::Ruling;
use super::taint::{Read, Unstarted};
use super::{Ctx, Handled, NamedDue, State};
use crate::command::{AboutRun, EndRun, NewRun, Submit};
use crate::event::{DecisionFacts, RunEnded, RunInput, RunNoted, RunStarted, RunStatus, Trigger};
use crate::ids::RunId;
use crate::record::{Actor, ActorKind, Draft, Provenance};
use crate::refusal::Refusal;
use crate::time::{Span, Time};

/// For how many seconds a run is waited for of which nothing is heard, unless its start says otherwise.
pub const RUN_IDLE_S: u32 = 24 * 3600;
/// Runs that may be open of one agent.
pub(super) const RUNS_PER_AGENT: usize = 1000;
/// Agents that may act in one run.
const AGENTS_PER_RUN: usize = 64;
/// Runs between a run and the first one that it is part of.
const RUNS_ABOVE: usize = 8;

/// A run that was started and has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRun {
    /// Agents that act in it, sorted.
    pub agents: Vec<Arc<str>>,
    /// It ends when nothing is heard of it for so long, seconds.
    pub idle_s: u32,
    /// When something was last heard of it.
    pub last: Time,
    /// How deep its actions lie, where the live policy limits that: by id, and by keyed digest of their step.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub levels: BTreeMap<Arc<str>, u32>,
    /// The open run that it is part of, as actions name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Arc<str>>,
    /// Labels of what was read in it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub reads: BTreeSet<Arc<str>>,
    /// When it was started.
    pub since: Time,
    /// Who started it.
    pub started_by: ActorKind,
    /// The agents that named its steps first, by keyed digest of the step.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub steps: BTreeMap<Arc<str>, Arc<str>>,
    /// What set it off.
    pub trigger: Trigger,
}

impl OpenRun {
    fn ends(&self) -> Time {
        self.last + Span::seconds(i64::from(self.idle_s))
    }
}

/// What is known of runs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Runs {
    /// Those that were started, by their id as actions name it.
    pub(super) open: BTreeMap<Arc<str>, OpenRun>,
    /// What agents have read in runs that nobody started.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) unstarted: BTreeMap<Arc<str>, Unstarted>,
    /// Open runs by the agents that act in them.
    #[serde(skip)]
    pub(super) of_agent: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    /// When to look whether what was read in a run that nobody started is forgotten: agent, and run.
    #[serde(skip)]
    pub(super) forgets: BTreeSet<(Time, Arc<str>, Option<Arc<str>>)>,
}

impl Runs {
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.unstarted.is_empty()
    }

    /// A run and those that it is part of, as far as they are open.
    pub(super) fn line(&self, run: &str) -> impl Iterator<Item = &OpenRun> {
        let first = self.open.get(run);
        let above = |run: &&OpenRun| self.open.get(run.parent.as_ref()?);
        std::iter::successors(first, above).take(RUNS_ABOVE)
    }

    pub(super) fn rebuild(&mut self) {
        self.of_agent.clear();
        for (name, run) in &self.open {
            for agent in &run.agents {
                self.of_agent.entry(agent.clone()).or_default().insert(name.clone());
            }
        }
        let forgets = (self.unstarted.iter()).flat_map(|(agent, reads)| {
            reads
                .each()
                .map(move |(run, read)| (read.forgotten(), agent.clone(), run))
        });
        self.forgets = forgets.collect();
    }

    pub(super) fn timers(&self) -> impl Iterator<Item = (Time, NamedDue)> {
        let timer = |(name, run): (&Arc<str>, &OpenRun)| (run.ends(), NamedDue::Run(name.clone()));
        self.open.iter().map(timer)
    }
}

impl State {
    /// Runs that were started and have not ended, by id.
    pub fn runs(&self) -> &BTreeMap<Arc<str>, OpenRun> {
        &self.runs.open
    }

    pub(super) fn start_run(&self, new: NewRun, actor: &Actor, ctx: &mut Ctx<'_>) -> Result<Handled, Refusal> {
        let agents: BTreeSet<Arc<str>> = new.agents.into_iter().collect();
        if agents.is_empty() || agents.len() > AGENTS_PER_RUN {
            let detail = format!("1 to {AGENTS_PER_RUN} agents act in a run");
            return Err(Refusal::invalid("invalid_value", detail).hint("name them in `agents`"));
        }
        for agent in &agents {
            if self.agents.get(agent).is_none_or(|known| known.quarantined) {
                return Err(Refusal::missing("registered agent", agent));
            }
            let open = self.runs.of_agent.get(agent).map_or(0, BTreeSet::len);
            if open >= RUNS_PER_AGENT {
                let detail = format!("{RUNS_PER_AGENT} runs of `{agent}` are open");
                return Err(Refusal::conflict("too_many_runs", detail).hint("end those that are over"));
            }
        }
        let parent = new.parent.map(|parent| parent.to_string());
        if let Some(parent) = parent.as_deref().filter(|parent| !self.runs.open.contains_key(*parent)) {
            return Err(Refusal::missing("open run", parent));
        }
        let reads: BTreeSet<&Arc<str>> = parent
            .iter()
            .flat_map(|run| self.runs.line(run))
            .flat_map(|run| &run.reads)
            .collect();
        let started = RunStarted {
            agents: agents.into_iter().collect(),
            idle_s: new.idle_s.unwrap_or(RUN_IDLE_S),
            parent: new.parent,
            reads: reads.into_iter().map(|label| label.to_string()).collect(),
            run: RunId(ctx.ids.next(ctx.now)),
            started_by: actor.kind,
            traceparent: new.traceparent,
            trigger: new.trigger,
        };
        let mut draft = Draft::observed(started).with_payload(new.context);
        draft.prov = Provenance::Reported;
        draft.redact = new.redact;
        Handled::done(vec![draft])
    }

    pub(super) fn end_run(&self, ask: EndRun) -> Result<Handled, Refusal> {
        let Some(open) = self.runs.open.get(ask.run.to_string().as_str()) else {
            return Err(Refusal::conflict("run_ended", format!("`{}` is not open", ask.run)));
        };
        if ask.agent.as_ref().is_some_and(|agent| !open.agents.contains(agent)) {
            return Err(Refusal::missing("run", ask.run));
        }
        let ended = RunEnded {
            run: ask.run,
            status: ask.status,
        };
        let mut draft = Draft::observed(ended).with_payload(ask.output);
        draft.prov = Provenance::Reported;
        draft.redact = ask.redact;
        Handled::done(vec![draft])
    }

    /// A person says something to the agents of a run.
    pub(super) fn give_input(&self, ask: AboutRun) -> Result<Handled, Refusal> {
        let open = self.runs.open.contains_key(&ask.run);
        if !open && ask.started {
            let detail = format!("`{}` is over, and nobody listens there any more", ask.run);
            return Err(Refusal::conflict("run_ended", detail));
        }
        if !open && !ask.seen {
            return Err(Refusal::missing("run", &ask.run));
        }
        let draft = Draft::observed(RunInput { run: ask.run }).with_payload(Some(ask.text));
        Handled::done(vec![draft])
    }

    /// A person notes something about a run, whether it is over or not.
    pub(super) fn note_run(&self, ask: AboutRun) -> Result<Handled, Refusal> {
        if !ask.seen && !ask.started && !self.runs.open.contains_key(&ask.run) {
            return Err(Refusal::missing("run", &ask.run));
        }
        let draft = Draft::observed(RunNoted { run: ask.run }).with_payload(Some(ask.text));
        Handled::done(vec![draft])
    }

    /// Nothing was heard of a run for as long as it was waited for.
    pub(super) fn run_idle(&self, name: &str) -> Option<Draft> {
        let run = name.parse().ok()?;
        let status = RunStatus::Idle;
        Some(Draft::observed(RunEnded { run, status }))
    }

    /// What stands above policy, for a run: who acts in one that was started is named by its start, or acts for one who is; and
    /// the organization may want every action in one.
    pub(super) fn above_run(&self, submit: &Submit, facts: &DecisionFacts, live: Option<&Snapshot>) -> Option<Ruling> {
        let run = submit.shown.run.as_deref();
        let Some(open) = run.and_then(|run| self.runs.open.get(run)) else {
            let organization = live.and_then(Snapshot::organization);
            let required = organization.is_some_and(|organization| organization.requires_run());
            let message = "the organization requires a run, and the action names none that is open";
            return required.then(|| Ruling::deny("no_run", "no_run", message.to_owned()));
        };
        let mut all = facts.delegation.iter().map(|link| &link.id).chain([&submit.agent]);
        if all.any(|agent| open.agents.contains(agent)) {
            return None;
        }
        let message = "the agent is not one of those that act in this run".to_owned();
        Some(Ruling::deny("not_in_run", "not_in_run", message))
    }

    /// What conditions see of a run that was started.
    pub(super) fn run_facts(&self, run: Option<&str>) -> BTreeMap<String, String> {
        let Some(open) = run.and_then(|run| self.runs.open.get(run)) else {
            return BTreeMap::new();
        };
        let started_by = match open.started_by {
            ActorKind::Agent => "agent",
            ActorKind::User => "user",
            ActorKind::Operator => "operator",
            ActorKind::System => "system",
        };
        let words = [("started_by", started_by), ("trigger", open.trigger.as_str())];
        words.map(|(name, word)| (name.to_owned(), word.to_owned())).into()
    }

    pub(super) fn run_started(&mut self, now: Time, e: &RunStarted) {
        let name: Arc<str> = e.run.to_string().into();
        let run = OpenRun {
            agents: e.agents.clone(),
            idle_s: e.idle_s,
            last: now,
            levels: BTreeMap::new(),
            parent: e.parent.map(|parent| parent.to_string().into()),
            reads: e.reads.iter().map(|label| Arc::from(label.as_str())).collect(),
            since: now,
            started_by: e.started_by,
            steps: BTreeMap::new(),
            trigger: e.trigger,
        };
        for agent in &run.agents {
            let of_agent = self.runs.of_agent.entry(agent.clone()).or_default();
            of_agent.insert(name.clone());
        }
        self.named_due.insert((run.ends(), NamedDue::Run(name.clone())));
        self.runs.open.insert(name, run);
    }

    pub(super) fn run_ended(&mut self, e: &RunEnded) {
        let name: Arc<str> = e.run.to_string().into();
        let Some(run) = self.runs.open.remove(&name) else {
            return;
        };
        self.named_due.remove(&(run.ends(), NamedDue::Run(name.clone())));
        for agent in &run.agents {
            if let Some(runs) = self.runs.of_agent.get_mut(agent) {
                runs.remove(&name);
                if runs.is_empty() {
                    self.runs.of_agent.remove(agent);
                }
            }
        }
        // Its parts go on as parts of what it was part of, and with what was read in it.
        for part in self.runs.open.values_mut() {
            if part.parent.as_ref() == Some(&name) {
                part.parent.clone_from(&run.parent);
                part.reads.extend(run.reads.iter().cloned());
            }
        }
    }

    /// Something was heard of a run, and so of every run that it is part of.
    pub(super) fn heard_of(&mut self, run: &str, now: Time) {
        let mut heard = self.runs.open.get_key_value(run).map(|(name, _)| name.clone());
        while let Some(name) = heard {
            let Some(run) = self.runs.open.get_mut(&name) else {
                return;
            };
            let before = run.ends();
            run.last = now;
            heard = run.parent.clone();
            self.named_due.remove(&(before, NamedDue::Run(name.clone())));
            self.named_due.insert((run.ends(), NamedDue::Run(name)));
        }
    }
}

/// What was read in a run that nobody started, for as long as it is remembered.
impl Read {
    fn forgotten(&self) -> Time {
        self.last + Span::seconds(i64::from(RUN_IDLE_S))
    }
}
