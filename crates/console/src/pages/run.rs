//! One run in six parts: what set it off, what went in, its steps, who was asked, what came out, and what people noted.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query};
use axum::routing::{get, post};
use countersign_api::runs::{RunAnswer, RunStep, SaidBody};
use serde::Deserialize;
use serde_json::{Value, json};

use super::failure::Failure;
use super::runs::{href, short};
use crate::Console;
use crate::api::{Quoted, Slashed};
use crate::messages;
use crate::page::{Chrome, Page, see_other, show_as};
use crate::said::{Html, folded, said, value};
use crate::visit::{Posted, Visit};
use crate::when::{Lasting, When};

/// Steps of one page.
const STEPS_SHOWN: usize = 100;
/// Requests of one page.
const APPROVALS_SHOWN: usize = 50;
/// Texts of one page, and as many notes.
const TEXTS_SHOWN: usize = 30;
/// Deeper steps are shown as deep as this.
const DEPTH_AT_MOST: u32 = 8;

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/runs/{id}", get(run))
        .route("/runs/{id}/notes", post(note))
}

#[derive(Template)]
#[template(path = "run.html")]
struct Run {
    chrome: Chrome,
    href: String,
    quoted: String,
    name: Html,
    whole: Html,
    state: Html,
    tone: &'static str,
    open: bool,
    trigger: Option<&'static str>,
    started_by: Option<Html>,
    started: Option<When>,
    parent: Option<Link>,
    trace: Option<Html>,
    agents: Vec<Link>,
    reads: Html,
    context: Option<Html>,
    inputs: Vec<Text>,
    earlier_inputs: usize,
    steps: Vec<Step>,
    from: usize,
    before: Option<usize>,
    after: Option<usize>,
    of_steps: usize,
    left_off: u64,
    complete: bool,
    counts: Vec<Html>,
    costs: Vec<Html>,
    tokens: Vec<Html>,
    approvals: Vec<Asked>,
    more_approvals: usize,
    ended_by: Option<Html>,
    ended: Option<When>,
    output: Option<Html>,
    notes: Vec<Text>,
    earlier_notes: usize,
    may_note: bool,
    may_kill: bool,
    may_audit: bool,
    failure: Option<Failure>,
    note: String,
}

struct Link {
    href: String,
    name: Html,
}

struct Text {
    by: Html,
    at: When,
    text: Option<Html>,
}

/// A step, with the lists that begin and end around it.
struct Step {
    what: Html,
    name: Option<Html>,
    agent: Html,
    decision: Html,
    tone: &'static str,
    why: Option<Html>,
    outcome: Option<Outcome>,
    approval: Option<String>,
    reads: Html,
    at: When,
    index: u64,
    /// A list of deeper steps begins after it.
    opens: bool,
    /// So many lists end after it.
    closes: Vec<()>,
}

struct Outcome {
    status: Html,
    tone: &'static str,
    cost: Option<Html>,
    took: Option<Lasting>,
}

/// Somebody was asked about a step.
struct Asked {
    href: String,
    what: Html,
    state: Html,
    tone: &'static str,
    by: Html,
}

/// Which steps.
#[derive(Default, Deserialize)]
struct Place {
    #[serde(default)]
    from: String,
}

async fn run(visit: Visit, Path(id): Path<String>, Query(place): Query<Place>) -> Page {
    // What is no number is the beginning.
    page(&visit, &id, place.from.parse().unwrap_or(0), None, String::new()).await
}

async fn page(visit: &Visit, id: &str, from: usize, failure: Option<Failure>, note: String) -> Page {
    let run: RunAnswer = visit.get(&format!("/v1/runs/{}", Quoted(id))).await?;
    let status = if failure.is_some() { 422 } else { 200 };
    show_as(status, &filled(visit, &run, from, failure, note))
}

fn filled(visit: &Visit, run: &RunAnswer, from: usize, failure: Option<Failure>, note: String) -> Run {
    let from = from.min(run.steps.len());
    let zone = &visit.zone;
    let moment = |at: &Option<String>| at.as_deref().map(|at| zone.when(at));
    let word = run.status.as_deref().unwrap_or(&run.state);
    let asked: Vec<&RunStep> = run.steps.iter().filter(|step| step.approval.is_some()).collect();
    let shown = run.steps.iter().skip(from).take(STEPS_SHOWN).collect::<Vec<_>>();
    let texts = |said: &[SaidBody]| last(said).iter().map(|one| text(visit, one)).collect();
    Run {
        chrome: visit.chrome(),
        href: href(&run.run),
        quoted: Quoted(&run.run).to_string(),
        name: said(&short(&run.run)),
        whole: said(&run.run),
        state: said(messages::run(word)),
        tone: messages::tone(word),
        open: run.state == "open",
        trigger: run.trigger.as_deref().map(messages::trigger),
        started_by: run.started_by.as_deref().map(said),
        started: moment(&run.started_at),
        parent: run.parent.as_deref().map(|parent| Link {
            href: href(parent),
            name: said(&short(parent)),
        }),
        trace: run.traceparent.as_deref().map(said),
        agents: (run.agents.iter())
            .map(|agent| Link {
                href: format!("/agents/{}", Slashed(agent)),
                name: said(agent),
            })
            .collect(),
        reads: said(&run.reads.join(", ")),
        context: run.context.as_ref().map(value),
        inputs: texts(&run.inputs),
        earlier_inputs: earlier(&run.inputs, run.left_off.inputs),
        of_steps: run.steps.len(),
        before: (from > 0).then(|| from.saturating_sub(STEPS_SHOWN)),
        after: (from + shown.len() < run.steps.len()).then(|| from + shown.len()),
        from,
        steps: tree(visit, &shown),
        left_off: run.left_off.steps,
        complete: run.complete,
        counts: (run.actions.iter())
            .map(|(word, count)| said(&format!("{count} {}", messages::status(word))))
            .collect(),
        costs: (run.cost.iter())
            .map(|(currency, cost)| said(&format!("{cost} {currency}")))
            .collect(),
        tokens: (run.tokens.iter())
            .map(|(kind, count)| said(&format!("{count} {kind}")))
            .collect(),
        more_approvals: asked.len().saturating_sub(APPROVALS_SHOWN),
        approvals: (asked.iter().take(APPROVALS_SHOWN))
            .filter_map(|step| approval(step))
            .collect(),
        ended_by: run.ended_by.as_deref().map(said),
        ended: moment(&run.ended_at),
        output: run.output.as_ref().map(value),
        notes: texts(&run.notes),
        earlier_notes: earlier(&run.notes, run.left_off.notes),
        may_note: visit.may("note_run"),
        may_kill: visit.may("kill") && run.state != "ended",
        may_audit: visit.may("audit"),
        failure,
        note,
    }
}

/// The last texts: what was said lately matters most.
fn last(said: &[SaidBody]) -> &[SaidBody] {
    said.get(said.len().saturating_sub(TEXTS_SHOWN)..).unwrap_or_default()
}

fn earlier(said: &[SaidBody], left_off: u64) -> usize {
    said.len() - last(said).len() + usize::try_from(left_off).unwrap_or(usize::MAX)
}

fn text(visit: &Visit, one: &SaidBody) -> Text {
    Text {
        by: said(&one.by),
        at: visit.zone.when(&one.at),
        text: one.text.as_deref().map(folded),
    }
}

/// Steps with the lists around them, so that each list that begins ends.
fn tree(visit: &Visit, steps: &[&RunStep]) -> Vec<Step> {
    let depths: Vec<u32> = steps.iter().map(|step| step.depth).collect();
    let lists = lists(&depths);
    (steps.iter().zip(lists))
        .map(|(step, (opens, closes))| self::step(visit, step, opens, closes))
        .collect()
}

/// For each step whether a deeper list begins after it, and how many lists end.
fn lists(depths: &[u32]) -> Vec<(bool, usize)> {
    // A page may begin within a branch, and no list is left out on the way down.
    let mut shown: Vec<u32> = Vec::with_capacity(depths.len());
    let base = depths.iter().copied().min().unwrap_or(0);
    for depth in depths {
        let most = shown.last().map_or(0, |before| before + 1);
        shown.push((depth - base).min(most).min(DEPTH_AT_MOST));
    }
    let next = shown.iter().skip(1).copied().chain([0]);
    (shown.iter().zip(next))
        .map(|(here, next)| (next > *here, usize::try_from(here.saturating_sub(next)).unwrap_or(0)))
        .collect()
}

fn step(visit: &Visit, step: &RunStep, opens: bool, closes: usize) -> Step {
    let outcome = step.outcome.as_ref().map(|outcome| Outcome {
        status: said(messages::outcome(&outcome.status)),
        tone: messages::tone(&outcome.status),
        cost: (outcome.cost.as_deref())
            .map(|cost| said(format!("{cost} {}", outcome.currency.as_deref().unwrap_or_default()).trim())),
        took: (outcome.duration_ms)
            .map(|took| Lasting(i64::try_from(took / 1000).unwrap_or(i64::MAX)))
            .filter(|took| took.0 > 0),
    });
    Step {
        what: said(&what(step)),
        name: step.step.as_deref().map(said),
        agent: said(&step.agent),
        decision: said(messages::decision(&step.decision)),
        tone: messages::tone(&step.decision),
        why: (step.reason_code.as_deref())
            .filter(|why| *why != "denied")
            .map(|why| said(&why.replace('_', " "))),
        outcome,
        approval: (step.approval.as_ref()).map(|approval| format!("/approvals/{}", Quoted(&approval.id))),
        reads: said(&step.reads.join(", ")),
        at: visit.zone.when(&step.at),
        index: step.index,
        opens,
        closes: vec![(); closes],
    }
}

/// What a step does: its tool, and the operation where that is another word.
fn what(step: &RunStep) -> String {
    match step.tool.as_deref() {
        Some(tool) if tool == step.action || tool.ends_with(&format!("/{}", step.action)) => tool.to_owned(),
        Some(tool) => format!("{tool}: {}", step.action),
        None => step.action.clone(),
    }
}

fn approval(step: &RunStep) -> Option<Asked> {
    let asked = step.approval.as_ref()?;
    Some(Asked {
        href: format!("/approvals/{}", Quoted(&asked.id)),
        what: said(&what(step)),
        state: said(messages::state(&asked.state)),
        tone: messages::tone(&asked.state),
        by: said(&asked.by.join(", ")),
    })
}

async fn note(Path(id): Path<String>, Posted { visit, fields }: Posted) -> Page {
    let body = json!({"text": fields.text("text").trim()});
    let path = format!("/v1/runs/{}/notes", Quoted(&id));
    match visit.post::<Value>(&path, &body).await {
        Ok(_) => Ok(see_other(&format!("{}?done=noted", href(&id)))),
        Err(trouble) => {
            let failure = Failure::of(trouble)?;
            page(&visit, &id, 0, Some(failure), fields.text("text").to_owned()).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree as markup: whatever opens has to close.
    fn drawn(depths: &[u32]) -> String {
        let mut html = String::from("[");
        for (depth, (opens, closes)) in depths.iter().zip(lists(depths)) {
            html += &depth.to_string();
            if opens {
                html += "[";
            }
            html += &"]".repeat(closes);
        }
        html + "]"
    }

    #[test]
    fn deeper_steps_stand_under_the_one_that_they_come_from() {
        assert_eq!(drawn(&[0, 1, 2, 1, 0]), "[0[1[2]1]0]");
        assert_eq!(drawn(&[0, 1, 2]), "[0[1[2]]]");
        assert_eq!(drawn(&[]), "[]");
    }

    #[test]
    fn a_page_that_begins_within_a_branch_and_a_very_deep_tree_close_what_they_open() {
        let deep: Vec<u32> = (0..40).collect();
        for depths in [&[3, 4, 2, 3][..], &[0, 5, 0], &deep] {
            let html = drawn(depths);
            let count = |c: char| html.chars().filter(|other| *other == c).count();
            assert_eq!(count('['), count(']'), "{html}");
        }
        assert_eq!(drawn(&[3, 4, 2, 3]), "[3[4]2[3]]");
    }
}
