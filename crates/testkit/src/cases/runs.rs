//! Steps about runs: their start and end, and what people say in between.

use countersign_core::command::{AboutRun, EndRun, NewRun};
use countersign_core::event::{Event, RunStatus, Trigger};
use countersign_core::policy::Value;
use countersign_core::record::ActorKind;
use countersign_core::redact::Redactor;
use countersign_core::stored::store_value;
use countersign_core::{Answer, Command, Refusal};

use super::{Run, list, plain, span, text};
use crate::by;

impl Run {
    /// Does what a word about runs says; `None` if it is none.
    pub(super) fn of_run(&mut self, word: &str, value: &Value) -> Option<Result<(), Refusal>> {
        Some(match word {
            "start_run" => self.start_run(value),
            "end_run" => self.end_run(value),
            "input" => self.about_run(value, Command::GiveInput),
            "note" => self.about_run(value, Command::NoteRun),
            _ => return None,
        })
    }

    /// The run of that name as actions name it: its id, if the case has started it.
    pub(super) fn run_named(&self, name: &str) -> String {
        self.runs.get(name).map_or_else(|| name.to_owned(), ToString::to_string)
    }

    fn start_run(&mut self, value: &Value) -> Result<(), Refusal> {
        let agents: Vec<String> = list(value.get("agents")).iter().map(plain).collect();
        let triggers = [Trigger::Agent, Trigger::Event, Trigger::Person, Trigger::Schedule];
        let trigger = text(value, "trigger");
        let trigger = triggers.into_iter().find(|known| known.as_str() == trigger);
        let idle = span(&text(value, "idle")).and_then(|idle| u32::try_from(idle.as_seconds()).ok());
        let parent = value.get("parent").map(|name| self.run_named(&plain(name)));
        let new = NewRun {
            agents: agents.iter().map(|agent| agent.as_str().into()).collect(),
            idle_s: idle,
            parent: parent.map(|parent| parent.parse().expect("a run that was started")),
            traceparent: None,
            trigger: trigger.unwrap_or(Trigger::Person),
            context: None,
            redact: Default::default(),
        };
        let who = match value.get("by") {
            Some(person) => by(ActorKind::User, &plain(person)),
            None => by(ActorKind::Agent, agents.first().map_or("", String::as_str)),
        };
        let (answer, records) = self.world.give(who, Command::StartRun(Box::new(new)));
        if let (Answer::Done, Some(name)) = (&answer, value.get("as")) {
            let started = records.iter().find_map(|record| match &record.event {
                Event::RunStarted(started) => Some(started.run),
                _other => None,
            });
            self.runs.insert(plain(name), started.expect("a run was started"));
        }
        crate::outcome_of(answer)
    }

    fn end_run(&mut self, value: &Value) -> Result<(), Refusal> {
        let statuses = [RunStatus::Cancelled, RunStatus::Failed, RunStatus::Succeeded];
        let status = text(value, "status");
        let status = statuses.into_iter().find(|known| known.as_str() == status);
        let agent = value.get("agent").map(plain);
        let ask = EndRun {
            run: *self.runs.get(&text(value, "run")).expect("a run that was started"),
            agent: agent.as_deref().map(Into::into),
            status: status.unwrap_or(RunStatus::Succeeded),
            output: None,
            redact: Default::default(),
        };
        let who = match &agent {
            Some(agent) => by(ActorKind::Agent, agent),
            None => by(ActorKind::User, &text(value, "by")),
        };
        crate::outcome_of(self.world.give(who, Command::EndRun(Box::new(ask))).0)
    }

    fn about_run(&mut self, value: &Value, command: fn(Box<AboutRun>) -> Command) -> Result<(), Refusal> {
        let run = self.run_named(&text(value, "run"));
        let started = self.world.records.iter().any(|record| match &record.event {
            Event::RunStarted(started) => started.run.to_string() == run,
            _other => false,
        });
        let seen = self.world.records.iter().any(|record| match &record.event {
            Event::DecisionMade(made) => made.run.as_deref() == Some(&*run),
            _other => false,
        });
        let ask = AboutRun {
            run: run.as_str().into(),
            started,
            seen,
            text: store_value(value, &Redactor::standard(), &Default::default(), [3; 32], "default").0,
        };
        let who = by(ActorKind::User, &text(value, "by"));
        crate::outcome_of(self.world.give(who, command(Box::new(ask))).0)
    }

    /// Runs that are open, by the names that the case gave them.
    pub(super) fn open_runs(&self) -> Vec<String> {
        let open = self.world.state.runs();
        let named = self
            .runs
            .iter()
            .filter(|(_, run)| open.contains_key(run.to_string().as_str()));
        named.map(|(name, _)| name.clone()).collect()
    }
}
