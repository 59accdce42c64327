//! One request as a reviewer reads it: what we know on one side, what the agent says on the other, marked as its words.

mod before;

use std::fmt::Write as _;

use clap::Args;
use countersign_api::history::HistoryAnswer;
use countersign_api::revisions::RevisionBody;
use countersign_api::timeline::TimelineAnswer;
use countersign_api::visible::quoted;
use countersign_api::{ApprovalAnswer, SlotBody, StepBody};
use countersign_client::segment;
use serde_json::{Value, json};

use super::list::{left, now};
use crate::connect::{About, Connection, Session};
use crate::console::{Console, named, one_line, visible};
use crate::failure::Result;
use crate::paint::{Paint, Tone};

/// Members of an action that the agent writes for people to read; the rest is what would run.
const WORDS: [&str; 4] = ["evidence", "confidence", "conflicts", "labels"];
/// The parts of a handoff.
const HANDOFF: [(&str, &str); 4] = [
    ("attempted", "it attempted"),
    ("failed", "what failed is"),
    ("gathered", "it gathered"),
    ("recommended", "it recommends"),
];

#[derive(Args)]
pub(super) struct Show {
    /// Its id, apr_…
    id: String,
    /// Tell what happened, in order, and answer the five questions of an audit
    #[arg(long)]
    timeline: bool,
    #[command(flatten)]
    connection: Connection,
}

impl Show {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        if self.timeline {
            let path = format!("/v1/approvals/{}/timeline", segment(&self.id));
            let read = async |session: &Session| Ok(session.client.get::<TimelineAnswer>(&path).await?);
            let told = self.connection.with(About::Organization, read).await?;
            console.answer(&json!(told), story(&told, Paint::of_output()));
            return Ok(());
        }
        let path = format!("/v1/approvals/{}/history", segment(&self.id));
        let read = async |session: &Session| {
            let approval = session.client.approval(&self.id).await?;
            // A request without what was before is better than none.
            let history = session.client.get::<HistoryAnswer>(&path).await.ok();
            Ok((approval, history))
        };
        let (approval, history) = self.connection.with(About::Organization, read).await?;
        let text = describe(&approval, history.as_ref(), Paint::of_output());
        console.answer(&json!(approval), text);
        Ok(())
    }
}

/// What the agent wants, in one sentence without a full stop.
pub(super) fn wish(approval: &ApprovalAnswer) -> String {
    let action = &approval.action;
    let mut wish = format!("{} wants {}", named(&action.agent), named(&action.action));
    if let Some(tool) = action.tool.as_ref().filter(|tool| **tool != action.action) {
        wish += &format!(" with {}", named(tool));
    }
    let text = |field: &str| approval.stored.get(field).and_then(Value::as_str);
    if let Some(amount) = text("amount") {
        wish += &format!(", {}", one_line(amount));
        if let Some(currency) = text("currency") {
            wish += &format!(" {}", one_line(currency));
        }
    }
    if let Some(env) = text("env") {
        wish += &format!(", in {}", named(env));
    }
    if let Some(principal) = text("principal") {
        wish += &format!(", on behalf of {}", named(principal));
    }
    wish
}

/// What the agent hands over, in one sentence, where it says all four parts.
fn handoff(approval: &ApprovalAnswer) -> Option<String> {
    let sources = std::iter::once(&approval.stored["evidence"]).chain(&approval.answers);
    let sources: Vec<&Value> = sources.collect();
    let part = |name: &str| sources.iter().rev().find_map(|source| said(&source[name]));
    let parts: Option<Vec<String>> = HANDOFF
        .iter()
        .map(|(name, verb)| part(name).map(|words| format!("{verb} {}", quoted(&words))))
        .collect();
    Some(format!("{}: {}.", wish(approval), parts?.join(", ")))
}

/// A part in words: texts as they are, lists joined.
fn said(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()).filter(|text| !text.trim().is_empty()),
        Value::Array(items) => {
            let words: Vec<String> = items.iter().filter_map(said).collect();
            Some(words.join("; ")).filter(|words| !words.is_empty())
        }
        other => Some(other.to_string()),
    }
}

/// A page of sections.
struct Page {
    text: String,
    paint: Paint,
}

impl Page {
    fn section(&mut self, head: &str, lines: impl IntoIterator<Item = String>) {
        let lines: Vec<String> = lines.into_iter().collect();
        if lines.is_empty() {
            return;
        }
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "\n{}", self.paint.tone(Tone::Head, head));
        for line in lines {
            let _ = writeln!(self.text, "  {line}");
        }
    }

    /// What others wrote, each line behind a bar, so that nothing in it can be taken for ours.
    fn inert(&mut self, head: &str, value: &Value) {
        if value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty) {
            return;
        }
        let text = visible(&serde_json::to_string_pretty(value).unwrap_or_default());
        self.section(head, text.lines().map(|line| format!("│ {line}")));
    }
}

fn describe(approval: &ApprovalAnswer, history: Option<&HistoryAnswer>, paint: Paint) -> String {
    let mut page = Page {
        text: format!("{}  {}\n", paint.tone(Tone::Head, &approval.id), approval.state),
        paint,
    };
    page.section("the agent wants", std::iter::once(format!("{}.", wish(approval))));
    page.section("a person decides because", because(approval));
    if let Some(history) = history {
        page.section("last allowed", before::last(history));
        page.section("how people decided on requests like it", before::decided(history));
        page.section("what the agent has shown with it", before::record(history));
    }
    page.section("asked", asked(approval));
    page.section("steps so far", approval.steps.iter().map(step));
    page.section(
        "changed since it was asked for",
        approval.revisions.iter().map(revision),
    );
    page.section("votes and remarks", votes(approval));
    page.section("if nobody answers", if_unanswered(approval));
    page.section("it ended", approval.why.iter().map(|why| one_line(why)));
    page.section("what a vote is bound to", bound(approval));
    let (words, rest) = parted(&approval.stored);
    page.inert("what would run, as it is kept", &rest);
    page.section("handed over, in the agent's words", handoff(approval));
    page.inert(
        "the agent's own words: data, not instructions, and not checked by anybody",
        &words,
    );
    for answer in &approval.answers {
        page.inert("the agent's later answer: data, not instructions", answer);
    }
    page.text.trim_end().to_owned()
}

/// What the agent says of its action, and what would run.
fn parted(stored: &Value) -> (Value, Value) {
    let Value::Object(members) = stored else {
        return (Value::Null, stored.clone());
    };
    let (words, rest): (serde_json::Map<_, _>, serde_json::Map<_, _>) =
        (members.clone().into_iter()).partition(|(name, _)| WORDS.contains(&name.as_str()));
    (Value::Object(words), Value::Object(rest))
}

fn because(approval: &ApprovalAnswer) -> Vec<String> {
    let reasons = approval.action.reasons.iter().map(|reason| {
        let place = match (reason.document.as_str(), reason.line) {
            ("", _) | (_, 0) => String::new(),
            (document, line) => format!(" ({}, {}, line {line})", named(document), reason.rule),
        };
        format!("{}{place}", one_line(&reason.message))
    });
    let mut lines: Vec<String> = reasons.collect();
    if !approval.action.reported.is_empty() {
        let reported = approval.action.reported.join(", ");
        lines.push(format!("of this only the agent says: {}", one_line(&reported)));
    }
    if !approval.action.pii.is_empty() {
        lines.push(format!("found and replaced in it: {}", approval.action.pii.join(", ")));
    }
    lines
}

fn slot(slot: &SlotBody) -> String {
    let names = if slot.names.is_empty() {
        "the admins".to_owned()
    } else {
        slot.names.join(", ")
    };
    let people = if slot.people.is_empty() {
        "nobody".to_owned()
    } else {
        slot.people.join(", ")
    };
    let line = format!("{} of {names}: {people}, as {} says", slot.quorum, slot.source);
    one_line(&line)
}

fn asked(approval: &ApprovalAnswer) -> Vec<String> {
    let mut lines: Vec<String> = approval.slots.iter().map(slot).collect();
    let out = approval.excluded.iter();
    lines.extend(out.map(|(person, why)| format!("not {} ({})", named(person), one_line(why))));
    if !approval.missing.is_empty() {
        let missing = approval.missing.join(", ");
        lines.push(format!("nobody yet: the agent has to add {}", one_line(&missing)));
    }
    if let Some(question) = &approval.question {
        let words = quoted(question.text.as_deref().unwrap_or_default());
        lines.push(format!(
            "the agent, by {}: {words}, until {}",
            named(&question.by),
            question.due
        ));
    }
    if let Some(by) = &approval.claimed_by {
        let until = approval.claimed_until.as_deref().unwrap_or_default();
        lines.push(format!("{} is on it until {until}", named(by)));
    }
    lines
}

fn step(step: &StepBody) -> String {
    let missed = step
        .missed
        .as_ref()
        .map(|missed| format!(", after {missed} was missed"));
    let due = step.due.as_ref().map(|due| format!(", until {due}"));
    let fallback = if step.fallback { ", by the fallback" } else { "" };
    format!(
        "{}  step {} of {}: {}{fallback}{}{}",
        step.at,
        step.step,
        named(&step.route),
        step.what.replace('_', " "),
        missed.unwrap_or_default(),
        due.unwrap_or_default()
    )
}

fn votes(approval: &ApprovalAnswer) -> Vec<String> {
    let line = |vote: &countersign_api::VoteBody| {
        let to = vote.to.as_ref().map(|to| format!(" to {}", named(to)));
        let comment = vote.comment.as_ref().map(|comment| format!(": {}", quoted(comment)));
        let not = vote.not_counted.as_ref().filter(|_| vote.verb != "comment");
        let not = not.map(|why| format!(", does not count ({why})"));
        let before = if vote.outdated { ", for what it was before" } else { "" };
        format!(
            "{}  {} {}{}{before}{}{}",
            vote.at,
            named(&vote.user),
            vote.verb.replace('_', " "),
            to.unwrap_or_default(),
            not.unwrap_or_default(),
            comment.unwrap_or_default()
        )
    };
    approval.votes.iter().map(line).collect()
}

fn revision(revision: &RevisionBody) -> String {
    let by = revision.edited_by.as_ref();
    let by = by.map_or("the agent".to_owned(), |user| {
        format!("{}, who made less of it", named(user))
    });
    let second = if revision.needs_second {
        "; somebody else has to approve it as well"
    } else {
        ""
    };
    let places = revision.changed.join(", ");
    format!(
        "{}  revision {} by {by}: {}{second}",
        revision.at,
        revision.revision,
        one_line(&places)
    )
}

fn if_unanswered(approval: &ApprovalAnswer) -> Vec<String> {
    let mut lines = approval.if_unanswered.clone();
    if !lines.is_empty() {
        lines.push(format!("{} is left.", left(&approval.deadline, now())));
    }
    lines
}

fn bound(approval: &ApprovalAnswer) -> Vec<String> {
    let policy = approval.snapshot.as_deref().unwrap_or("-");
    let mut lines = vec![
        format!("action  {}", approval.action_digest),
        format!("policy  {policy}"),
    ];
    if !approval.editable.is_empty() {
        let places = approval.editable.join(", ");
        lines.push(format!(
            "you may make less of {} with `approvals edit`",
            one_line(&places)
        ));
    }
    lines
}

/// What happened, and the five questions of an audit.
fn story(told: &TimelineAnswer, paint: Paint) -> String {
    let mut page = Page {
        text: format!("{}  {}\n", paint.tone(Tone::Head, &told.approval), told.state),
        paint,
    };
    let entries = told.entries.iter();
    page.section(
        "what happened",
        entries.map(|entry| format!("{}  {:>6}  {}", entry.at, entry.index, one_line(&entry.sentence))),
    );
    for answered in &told.questions {
        page.section(&answered.question, std::iter::once(one_line(&answered.answer)));
    }
    page.text.trim_end().to_owned()
}
