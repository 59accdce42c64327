//! Runs.

use countersign_api::operations::DoneAnswer;
use countersign_api::runs::{EndRunBody, EndWord, NewRunBody, ReplayBody, RunsAnswer, SayBody, TriggerWord};
use countersign_core::event::{RunStatus, Trigger};
use countersign_core::ids::RunId;
use countersign_engine::{Caller, RunWanted, RunsWanted};
use serde::Deserialize;

use super::handlers;
use super::tried::candidate;
use crate::body;
use crate::problem::Problem;
use crate::query::{self, id};
use crate::reply::{Answer, json};
use crate::way::Asked;

handlers! {
    "start_run" => Caller start,
    "runs" => Caller runs,
    "run" => Caller run,
    "end_run" => Caller end,
    "give_input" => Caller give_input,
    "note_run" => Caller note,
    "replay_run" => Caller replay,
}

/// Which runs to list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    agent: Option<String>,
    trigger: Option<TriggerWord>,
    open: Option<bool>,
    cursor: Option<u64>,
    limit: Option<usize>,
    min_seq: Option<u64>,
}

fn trigger(word: TriggerWord) -> Trigger {
    match word {
        TriggerWord::Agent => Trigger::Agent,
        TriggerWord::Event => Trigger::Event,
        TriggerWord::Person => Trigger::Person,
        TriggerWord::Schedule => Trigger::Schedule,
    }
}

/// A `traceparent` of version 00 or later, as W3C Trace Context writes it.
fn is_traceparent(text: &str) -> bool {
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let parts: Vec<&str> = text.split('-').collect();
    matches!(parts.as_slice(), [version, trace, parent, flags]
        if hex(version, 2) && hex(trace, 32) && hex(parent, 16) && hex(flags, 2))
}

async fn start(asked: Asked<Caller>) -> Answer {
    let body::Parsed { typed, mut members } = body::parse::<NewRunBody>(asked.bytes())?;
    if let Some(text) = typed.traceparent.as_deref().filter(|text| !is_traceparent(text)) {
        let text: String = text.chars().take(64).collect();
        let wrong = Problem::invalid("invalid_value", format!("`{text}` is no `traceparent`"));
        return Err(wrong.hint("send it as it came, such as `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`"));
    }
    // Whatever else an intermediary made of the header is not the caller's fault.
    let header = || {
        asked
            .header("traceparent")
            .filter(|text| is_traceparent(text))
            .map(str::to_owned)
    };
    let wanted = RunWanted {
        agents: typed.agents.into_iter().map(|agent| agent.0).collect(),
        trigger: trigger(typed.trigger),
        context: members.remove("context"),
        principal: typed.principal.map(|principal| principal.0),
        parent: typed
            .parent
            .as_deref()
            .map(|parent| id::<RunId>("run", parent))
            .transpose()?,
        traceparent: typed.traceparent.clone().or_else(header),
        idle_s: typed.idle_seconds.and_then(|idle| u32::try_from(idle.0).ok()),
    };
    let (run, replayed) = asked.app.engine.start_run(&asked.request(), wanted).await?;
    let answer = asked.app.engine.run(&asked.caller, &run).await?;
    Ok(json(&answer)?.created().replayed(replayed))
}

async fn runs(asked: Asked<Caller>) -> Answer {
    let listed: Listed = asked.query()?;
    let wanted = RunsWanted {
        agent: query::word("agent", listed.agent)?,
        trigger: listed.trigger.map(trigger),
        open: listed.open,
        before: listed.cursor,
        limit: query::within("limit", listed.limit, 50, 500)?,
        min_seq: listed.min_seq,
    };
    let page = asked.app.engine.runs(&asked.caller, wanted).await?;
    json(&RunsAnswer {
        runs: page.runs,
        next_cursor: page.next.map(|next| next.to_string()),
        as_of_seq: page.as_of_seq,
    })
}

async fn run(asked: Asked<Caller>) -> Answer {
    json(&asked.app.engine.run(&asked.caller, asked.param()).await?)
}

async fn end(asked: Asked<Caller>) -> Answer {
    let body::Parsed { typed, mut members } = body::parse::<EndRunBody>(asked.bytes())?;
    let run: RunId = id("run", asked.param())?;
    let status = match typed.status {
        EndWord::Cancelled => RunStatus::Cancelled,
        EndWord::Failed => RunStatus::Failed,
        EndWord::Succeeded => RunStatus::Succeeded,
    };
    let engine = &asked.app.engine;
    let replayed = engine
        .end_run(&asked.request(), run, status, members.remove("output"))
        .await?;
    Ok(json(&engine.run(&asked.caller, asked.param()).await?)?.replayed(replayed))
}

async fn give_input(asked: Asked<Caller>) -> Answer {
    let body: SayBody = asked.body()?;
    let engine = &asked.app.engine;
    let replayed = engine.give_input(&asked.request(), asked.param(), &body.text.0).await?;
    Ok(json(&DoneAnswer { done: true })?.replayed(replayed))
}

async fn note(asked: Asked<Caller>) -> Answer {
    let body: SayBody = asked.body()?;
    let engine = &asked.app.engine;
    let replayed = engine.note_run(&asked.request(), asked.param(), &body.text.0).await?;
    Ok(json(&DoneAnswer { done: true })?.replayed(replayed))
}

async fn replay(asked: Asked<Caller>) -> Answer {
    let body: ReplayBody = asked.body()?;
    let engine = &asked.app.engine;
    let (snapshot, ()) = candidate(&asked, body.snapshot, body.files, ()).await?;
    json(&engine.replay_run(&asked.caller, asked.param(), snapshot).await?)
}
