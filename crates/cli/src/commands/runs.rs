//! `countersign runs`: what agents did, run by run; start and end one, talk to its agents, note something, and hold it against
//! another policy.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use countersign_client::api::runs::{ReplayAnswer, RunAnswer, RunStep, RunsAnswer, SaidBody};
use countersign_client::segment;
use serde_json::{Map, Value, json};

use crate::connect::{About, Connection, Session};
use crate::console::{Console, table, visible};
use crate::failure::{Failure, Result};
use crate::policies;

#[derive(Args)]
pub(super) struct Runs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List runs that were started, newest first
    List(List),
    /// Show a run: what set it off, its actions as a tree, approvals, cost, what it came to
    Show(One),
    /// Start a run; its id is what actions name as their run
    Start(Start),
    /// End a run
    End(End),
    /// Say something to the agents of a run
    Input(Say),
    /// Note something about a run, for other people
    Note(Say),
    /// Say what another policy would have decided in a run
    Replay(Replay),
}

#[derive(Clone, Copy, ValueEnum)]
enum Trigger {
    Agent,
    Event,
    Person,
    Schedule,
}

impl Trigger {
    fn word(self) -> &'static str {
        match self {
            Trigger::Agent => "agent",
            Trigger::Event => "event",
            Trigger::Person => "person",
            Trigger::Schedule => "schedule",
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Status {
    Succeeded,
    Failed,
    Cancelled,
}

#[derive(Args)]
struct List {
    /// Only runs in which this agent acts
    #[arg(long)]
    agent: Option<String>,
    /// Only what this set off
    #[arg(long)]
    trigger: Option<Trigger>,
    /// Only those that are open
    #[arg(long)]
    open: bool,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=500))]
    limit: u16,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct One {
    /// The run, as actions name it
    run: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct Start {
    /// An agent that acts in it; may be given several times
    #[arg(long = "agent", value_name = "AGENT")]
    agents: Vec<String>,
    /// What sets it off
    #[arg(long, default_value = "person")]
    trigger: Trigger,
    /// What it begins with, NAME=TEXT; may be given several times
    #[arg(long = "context", value_name = "NAME=TEXT")]
    context: Vec<String>,
    /// The open run that it is part of
    #[arg(long)]
    parent: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct End {
    /// The run
    run: String,
    /// How it ended
    #[arg(long, default_value = "succeeded")]
    status: Status,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct Say {
    /// The run, as actions name it
    run: String,
    /// What
    text: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct Replay {
    /// The run, as actions name it
    run: String,
    /// A folder of policy documents
    #[arg(long, required_unless_present = "snapshot", conflicts_with = "snapshot")]
    bundle: Option<PathBuf>,
    /// An uploaded snapshot, `sha256:…`
    #[arg(long)]
    snapshot: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

impl Runs {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        match self.command {
            Command::List(list) => list.run(console).await,
            Command::Show(one) => {
                let path = format!("/v1/runs/{}", segment(&one.run));
                let read = async |session: &Session| Ok(session.client.get::<RunAnswer>(&path).await?);
                let run = one.connection.with(About::Organization, read).await?;
                console.answer(&json!(run), in_words(&run));
                Ok(())
            }
            Command::Start(start) => start.run(console).await,
            Command::End(end) => end.run(console).await,
            Command::Input(say) => say.run(console, "input").await,
            Command::Note(say) => say.run(console, "notes").await,
            Command::Replay(replay) => replay.run(console).await,
        }
    }
}

impl List {
    async fn run(self, console: &Console) -> Result<()> {
        let mut path = format!("/v1/runs?limit={}", self.limit);
        if let Some(agent) = &self.agent {
            path.push_str(&format!("&agent={}", segment(agent)));
        }
        if let Some(trigger) = self.trigger {
            path.push_str(&format!("&trigger={}", trigger.word()));
        }
        if self.open {
            path.push_str("&open=true");
        }
        let read = async |session: &Session| Ok(session.client.get::<RunsAnswer>(&path).await?);
        let found = self.connection.with(About::Organization, read).await?;
        let lines: Vec<Vec<String>> = (found.runs.iter())
            .map(|run| {
                vec![
                    run.run.clone(),
                    run.state.clone(),
                    run.agents.join(", "),
                    run.trigger.clone(),
                    run.started_by.clone(),
                    run.started_at.clone(),
                ]
            })
            .collect();
        let heads = ["RUN", "STATE", "AGENTS", "SET OFF BY", "STARTED BY", "AT"];
        console.answer(&json!(found), table(&heads, &lines));
        Ok(())
    }
}

impl Start {
    async fn run(self, console: &Console) -> Result<()> {
        let mut context = Map::new();
        for member in &self.context {
            let Some((name, text)) = member.split_once('=') else {
                return Err(Failure::usage(format!("`{member}` is no context")).next("write it as NAME=TEXT"));
            };
            context.insert(name.to_owned(), text.into());
        }
        let mut body = json!({ "trigger": self.trigger.word(), "agents": self.agents });
        if let Some(fields) = body.as_object_mut() {
            if !context.is_empty() {
                fields.insert("context".to_owned(), Value::Object(context));
            }
            fields.extend(self.parent.map(|parent| ("parent".to_owned(), parent.into())));
        }
        let call = async |session: &Session| Ok(session.client.post::<RunAnswer>("/v1/runs", &body).await?);
        let run = self.connection.with(About::Organization, call).await?;
        console.answer(&json!(run), &run.run);
        Ok(())
    }
}

impl End {
    async fn run(self, console: &Console) -> Result<()> {
        let status = match self.status {
            Status::Succeeded => "succeeded",
            Status::Failed => "failed",
            Status::Cancelled => "cancelled",
        };
        let path = format!("/v1/runs/{}/end", segment(&self.run));
        let body = json!({ "status": status });
        let call = async |session: &Session| Ok(session.client.post::<RunAnswer>(&path, &body).await?);
        let run = self.connection.with(About::Organization, call).await?;
        console.answer(&json!(run), in_words(&run));
        Ok(())
    }
}

impl Say {
    async fn run(self, console: &Console, to: &str) -> Result<()> {
        let path = format!("/v1/runs/{}/{to}", segment(&self.run));
        let body = json!({ "text": self.text });
        let call = async |session: &Session| Ok(session.client.post::<Value>(&path, &body).await?);
        let value = self.connection.with(About::Organization, call).await?;
        console.answer(&value, format!("noted with run {}", visible(&self.run)));
        Ok(())
    }
}

impl Replay {
    async fn run(self, console: &Console) -> Result<()> {
        let body = match (&self.bundle, &self.snapshot) {
            (Some(folder), _) => {
                let mut files = Map::new();
                for (name, bytes) in policies::read(folder)? {
                    let text = String::from_utf8(bytes)
                        .map_err(|_| Failure::usage(format!("`{name}` is not UTF-8, as YAML has to be")))?;
                    files.insert(name, text.into());
                }
                json!({ "files": files })
            }
            (None, snapshot) => json!({ "snapshot": snapshot }),
        };
        let path = format!("/v1/runs/{}/replay", segment(&self.run));
        let call = async |session: &Session| Ok(session.client.post::<ReplayAnswer>(&path, &body).await?);
        let found = self.connection.with(About::Organization, call).await?;
        console.answer(&json!(found), compared(&found));
        Ok(())
    }
}

/// A run for a person who was not there.
fn in_words(run: &RunAnswer) -> String {
    let mut lines = vec![format!("run      {} ({})", visible(&run.run), state(run))];
    let mut say = |head: &str, text: Option<String>| {
        lines.extend(text.map(|text| format!("{head:<8} {text}")));
    };
    say(
        "set off",
        run.trigger
            .as_ref()
            .map(|trigger| format!("by {}", with_article(trigger))),
    );
    say("started", when(run.started_at.as_deref(), run.started_by.as_deref()));
    say("ended", when(run.ended_at.as_deref(), run.ended_by.as_deref()));
    say("part of", run.parent.clone());
    say("trace", run.traceparent.clone());
    say("agents", (!run.agents.is_empty()).then(|| run.agents.join(", ")));
    say(
        "context",
        run.context.as_ref().map(|context| visible(&context.to_string())),
    );
    say("output", run.output.as_ref().map(|output| visible(&output.to_string())));
    let counts = run.actions.iter().map(|(status, count)| format!("{count} {status}"));
    say(
        "actions",
        (!run.actions.is_empty()).then(|| counts.collect::<Vec<_>>().join(", ")),
    );
    let cost = run.cost.iter().map(|(currency, amount)| format!("{amount} {currency}"));
    say(
        "cost",
        (!run.cost.is_empty()).then(|| cost.collect::<Vec<_>>().join(", ")),
    );
    say("read", (!run.reads.is_empty()).then(|| run.reads.join(", ")));
    if !run.steps.is_empty() {
        lines.push(String::new());
        lines.extend(tree(&run.steps));
    }
    let off = run.left_off;
    for (head, said, off) in [
        ("people said", &run.inputs, off.inputs),
        ("notes", &run.notes, off.notes),
    ] {
        if !said.is_empty() {
            lines.push(String::new());
            lines.push(match off {
                0 => head.to_owned(),
                off => format!("{head} (the last {} of {})", said.len(), off + said.len() as u64),
            });
            lines.extend(said.iter().map(words));
        }
    }
    if !run.complete {
        lines.push(String::new());
        let more = run.left_off.steps;
        let at_least = if run.left_off.at_least { "at least " } else { "" };
        lines.push(format!(
            "the run has {at_least}{more} more actions, which are neither shown nor counted here"
        ));
    }
    lines.join("\n")
}

fn state(run: &RunAnswer) -> String {
    match (&run.status, run.state.as_str()) {
        (Some(status), _) => status.clone(),
        (None, "unstarted") => "nobody started it".to_owned(),
        (None, state) => state.to_owned(),
    }
}

fn with_article(trigger: &str) -> &'static str {
    match trigger {
        "agent" => "an agent",
        "event" => "an event",
        "schedule" => "the clock",
        _ => "a person",
    }
}

fn when(at: Option<&str>, by: Option<&str>) -> Option<String> {
    Some(format!("{} by {}", at?, visible(by.unwrap_or("nobody"))))
}

fn words(said: &SaidBody) -> String {
    let text = said.text.as_deref().map_or_else(|| "(gone)".to_owned(), visible);
    format!("  {}  {}: {text}", said.at, visible(&said.by))
}

/// The actions with lines that lead from each to those that come from it.
fn tree(steps: &[RunStep]) -> Vec<String> {
    let mut lines = Vec::with_capacity(steps.len());
    // Of each level above, whether another action follows on it.
    let mut open: Vec<bool> = Vec::new();
    for (place, step) in steps.iter().enumerate() {
        let depth = step.depth as usize;
        open.truncate(depth);
        let rest = steps.get(place + 1..).unwrap_or_default();
        let mut siblings = rest.iter().take_while(|other| other.depth as usize >= depth);
        let follows = siblings.any(|other| other.depth as usize == depth);
        let rails: String = open
            .iter()
            .map(|goes_on| if *goes_on { "│  " } else { "   " })
            .collect();
        let branch = if follows { "├─ " } else { "└─ " };
        lines.push(format!("{rails}{branch}{}", one(step)));
        open.push(follows);
    }
    lines
}

fn one(step: &RunStep) -> String {
    let mut text = visible(&step.action);
    if let Some(tool) = step
        .tool
        .as_ref()
        .filter(|tool| tool.rsplit('/').next() != Some(&step.action))
    {
        text = format!("{} {text}", visible(tool));
    } else if let Some(tool) = &step.tool {
        text = visible(tool);
    }
    if let Some(name) = &step.step {
        text.push_str(&format!(" [{}]", visible(name)));
    }
    text.push_str(&format!("  {}: {}", visible(&step.agent), step.decision));
    if let Some(approval) = &step.approval {
        text.push_str(&format!(", {}", approval.state));
        if !approval.by.is_empty() {
            text.push_str(&format!(" by {}", approval.by.join(", ")));
        }
    }
    if let Some(outcome) = &step.outcome {
        text.push_str(&format!(", {}", outcome.status));
        if let (Some(cost), Some(currency)) = (&outcome.cost, &outcome.currency) {
            text.push_str(&format!(", {cost} {currency}"));
        }
    }
    format!("{text}  {}", step.action_id)
}

fn compared(found: &ReplayAnswer) -> String {
    let changed = found.decisions.iter().filter(|decision| decision.outcome != "same");
    let lines: Vec<Vec<String>> = changed
        .map(|decision| {
            let why = match decision.gaps.first() {
                Some(gap) => gap.clone(),
                None => decision.message.clone().unwrap_or_default(),
            };
            vec![
                decision.action_id.clone(),
                visible(decision.tool.as_deref().unwrap_or(&decision.action)),
                decision.before.clone().unwrap_or_else(|| decision.recorded.clone()),
                decision.after.clone().unwrap_or_else(|| "not derivable".to_owned()),
                visible(&why),
            ]
        })
        .collect();
    let mut text = format!(
        "{} the same, {} differ, {} not derivable under {}",
        found.same, found.differs, found.not_derivable, found.snapshot
    );
    if !lines.is_empty() {
        let heads = ["ACTION", "TOOL", "POLICY OF THEN", "THIS POLICY", "WHY"];
        text = format!("{}\n\n{text}", table(&heads, &lines));
    }
    if !found.complete {
        text.push_str("\nthe run has more actions than were looked at");
    }
    text
}
