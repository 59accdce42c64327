//! A call of a tool over HTTP: decided, held, handed on, reported.

use std::sync::Arc;
use std::time::Instant;

use countersign_api::ActionBody;
use countersign_core::event::Filtered;
use serde_json::Value;
use tokio::sync::mpsc;

use super::App;
use super::caller::Caller;
use super::door::in_header;
use super::reach::{Coming, Target};
use super::sessions::Place;
use crate::answer;
use crate::calls::{self, PROGRESS, Round};
use crate::elicit::TURNED_DOWN;
use crate::govern::Ruling;
use crate::stdio::lock;
use crate::tasks;
use crate::waiting::fingerprint;
use crate::wire::{Call, Seen};

/// A call, where it comes from and where it goes.
pub(super) struct Asked {
    pub(super) call: Call,
    pub(super) line: Vec<u8>,
    pub(super) seen: Seen,
    pub(super) caller: Caller,
    pub(super) target: Target,
    /// Its place among the calls of its session; none without a session.
    pub(super) place: Option<Place>,
    /// Where the client listens.
    pub(super) out: mpsc::Sender<Vec<u8>>,
}

impl Asked {
    async fn tell(&self, sentence: &str, decision: &Value) {
        let told = answer::told(&self.call.id, self.call.modern, sentence, decision);
        let _ = self.out.send(told).await;
    }
}

/// Decides a call, and runs it if it may.
pub(super) async fn run(app: Arc<App>, asked: Asked) {
    let run = asked.target.session.as_ref().map(|id| run_of(id));
    let action = calls::action(&asked.target.server, app.options.env.as_deref(), run, &asked.call);
    if let (Some(pins), Some(tool)) = (&app.pins, &action.tool)
        && !pins.knows(tool)
    {
        let sentence = "How this tool looks is not known yet. Nothing was run. List the tools, then call it again.";
        return asked.tell(sentence, &Value::Null).await;
    }
    let name = fingerprint(&action);
    // The client comes back with what the server gave it: the call was decided, and goes on once.
    let resumed = lock(&app.unfinished).resume(&asked.caller.owner, &name, &asked.call);
    if let Some(round) = resumed {
        let governor = &asked.caller.governor;
        if !governor.leads_as_before(&round.go, &action).await {
            governor
                .report(&round.go.id, Some(calls::ANOTHER_WAY.to_owned()), round.ran)
                .await;
            return asked.tell(calls::LEADS_ELSEWHERE, &round.go.decision).await;
        }
        return hand_on(&app, asked, round, name).await;
    }
    if asked.call.turned_down {
        return asked.tell(TURNED_DOWN, &Value::Null).await;
    }
    match decide(&app, &asked, &action).await {
        // The client has hung up: nobody waits, and nothing runs.
        None => {}
        Some(Ruling::Go(go)) => hand_on(&app, asked, Round::first(*go), name).await,
        Some(Ruling::Refused { sentence, decision }) => asked.tell(&sentence, &decision).await,
        Some(Ruling::Waiting(waiting)) => {
            let (call, governor) = (&asked.call, &asked.caller.governor);
            let question = || app.elicitation.question(&asked.caller.owner, call, &waiting);
            let told = tasks::put_off(governor, &asked.target.server, call, &asked.line, &waiting, question);
            let _ = asked.out.send(told).await;
        }
    }
}

/// A name of a session that says nothing of the session's id, which is a secret.
fn run_of(session: &str) -> String {
    use sha2::Digest as _;
    let hash = countersign_core::digest::hex(&sha2::Sha256::digest(session.as_bytes()));
    format!("mcp-{}", hash.chars().take(16).collect::<String>())
}

/// What policy and people say; nothing, if the client has hung up before.
async fn decide(app: &App, asked: &Asked, action: &ActionBody) -> Option<Ruling> {
    let hold = app.elicitation.hold(&asked.call, app.options.hold);
    let until = Instant::now() + tasks::hold(&asked.call, hold);
    let ruling = asked.caller.governor.rule(action, None, until);
    tokio::pin!(ruling);
    let mut told = 0;
    loop {
        tokio::select! {
            ruling = &mut ruling => return Some(ruling),
            () = asked.out.closed() => return None,
            () = tokio::time::sleep(PROGRESS) => {
                if let Some(token) = &asked.call.progress {
                    told += 1;
                    let _ = asked.out.send(answer::progress(token, told)).await;
                }
            }
        }
    }
}

/// Hands a call on that was decided, and reports what came of it.
pub(super) async fn hand_on(app: &App, mut asked: Asked, mut round: Round, name: String) {
    let governor = asked.caller.governor.clone();
    let failed = async |round: &Round, why: &str| {
        governor.report(&round.go.id, Some(why.to_owned()), round.ran).await;
    };
    let Some(line) = calls::written(&asked.line, &asked.call, &round.go, &asked.target.server) else {
        failed(&round, "its alternative is no tool of this server").await;
        return asked.tell(calls::ELSEWHERE, &round.go.decision).await;
    };
    if round.credential.is_none() {
        match app.released(&asked.target.server, &round.go.permit).await {
            Ok(value) => round.credential = value,
            Err(why) => {
                failed(&round, &why).await;
                return asked.tell(&why, &round.go.decision).await;
            }
        }
    }
    // Held no more: from here on a cancellation is for the server.
    let held = asked.place.as_ref().is_none_or(Place::let_go);
    if !held || asked.out.is_closed() {
        return failed(&round, "the client had hung up before it ran").await;
    }
    let since = Instant::now();
    let tool = round.go.changed.as_ref();
    let tool = tool.and_then(|(tool, _)| calls::own_tool(&asked.target.server, tool));
    asked.target = renamed(&asked.target, tool);
    let credential = round.credential.as_ref();
    let coming = match app
        .ask(&asked.caller, &asked.target, line, &asked.seen, credential)
        .await
    {
        Ok(coming) => coming,
        Err(why) => {
            failed(&round, &why).await;
            return asked.tell(&why, &round.go.decision).await;
        }
    };
    let end = follow(&asked, coming, &round).await;
    round.ran += since.elapsed();
    match end {
        End::Unfinished(state, message) => {
            let place = (asked.caller.owner.clone(), name, state);
            // Before the client knows of it: it may come back at once.
            let lost = lock(&app.unfinished).keep(place, round, governor, Instant::now());
            let _ = asked.out.send(message).await;
            if let Some(lost) = lost {
                lost.report().await;
            }
        }
        End::Over(error, filtered) => {
            governor.report_filtered(&round.go.id, error, round.ran, filtered).await;
        }
    }
}

/// The same target, where the headers name the tool that runs.
fn renamed(target: &Target, tool: Option<&str>) -> Target {
    let headers = target.headers.iter().map(|(name, value)| match tool {
        Some(tool) if name == "mcp-name" => (name.clone(), in_header(tool)),
        Some(_) | None => (name.clone(), value.clone()),
    });
    Target {
        server: target.server.clone(),
        session: target.session.clone(),
        pipe: target.pipe.clone(),
        headers: headers.collect(),
    }
}

/// How a call ended.
enum End {
    /// The server wants the client to come back with this; the answer that says so has not been sent.
    Unfinished(String, Vec<u8>),
    /// It is over, and failed by this; and what was done about its result.
    Over(Option<String>, Option<Filtered>),
}

/// Passes on what comes of a call until it is answered.
async fn follow(asked: &Asked, mut coming: Coming, round: &Round) -> End {
    let late = async {
        match round.left() {
            Some(left) => tokio::time::sleep(left).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(late);
    let cancel = async |coming: &Coming, why: &str| {
        if let (Some(pipe), Some(ours)) = (&asked.target.pipe, coming.ours) {
            pipe.cancel(ours, why).await;
        }
    };
    let gone = async {
        // Without sessions, hanging up is how a client cancels.
        match asked.call.modern {
            true => asked.out.closed().await,
            false => std::future::pending().await,
        }
    };
    tokio::pin!(gone);
    loop {
        tokio::select! {
            message = coming.messages.recv() => {
                let Some(message) = message else {
                    let why = coming.silence();
                    let error = answer::error(&asked.call.id, -32603, &why);
                    let _ = asked.out.send(error).await;
                    return End::Over(Some(why), None);
                };
                match coming.answered(&message, &asked.call.id) {
                    Some((message, mut answered)) => {
                        let (call, governor) = (&asked.call, &asked.caller.governor);
                        let (message, filtered) =
                            governor.let_out(&round.go, &call.id, call.modern, message, &mut answered);
                        let Some(state) = answered.state else {
                            let _ = asked.out.send(message).await;
                            return End::Over(answered.error, filtered);
                        };
                        return End::Unfinished(state, message);
                    }
                    // What else stands in an answer of an error is not for clients.
                    None if coming.failed() => {}
                    None => drop(asked.out.send(message).await),
                }
            }
            () = &mut late => {
                let why = round.too_long();
                asked.tell(&format!("Ended: {why}."), &Value::Null).await;
                cancel(&coming, &why).await;
                return End::Over(Some(why), None);
            }
            () = &mut gone => {
                cancel(&coming, "the client has hung up").await;
                return End::Over(Some("the client hung up while it ran".to_owned()), None);
            }
        }
    }
}
