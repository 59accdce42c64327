//! A call of a tool over HTTP: decided, held, handed on, reported.

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_api::ActionBody;
use serde_json::Value;
use tokio::sync::mpsc;

use super::App;
use super::caller::Caller;
use super::reach::{Coming, Target};
use crate::govern::{Go, Ruling};
use crate::stdio::lock;
use crate::waiting::fingerprint;
use crate::wire::{Call, Seen};
use crate::{answer, wire};

/// How often a client that asked for progress is told.
const PROGRESS: Duration = Duration::from_secs(10);
/// After so many rounds a client gives up, with an error that says nothing; we end before.
const ROUNDS: u32 = 9;
/// How many calls may be left for their clients to go on with.
const UNFINISHED_AT_MOST: usize = 10_000;

/// A call, where it comes from and where it goes.
pub(super) struct Asked {
    pub(super) call: Call,
    pub(super) line: Vec<u8>,
    pub(super) seen: Seen,
    pub(super) caller: Caller,
    pub(super) target: Target,
    /// Where the client listens.
    pub(super) out: mpsc::Sender<Vec<u8>>,
}

impl Asked {
    async fn tell(&self, sentence: &str, decision: &Value) {
        let told = answer::told(&self.call.id, self.call.modern, sentence, decision);
        let _ = self.out.send(told).await;
    }

    fn key(&self) -> String {
        wire::key(&self.call.id)
    }
}

/// Decides a call, and runs it if it may.
pub(super) async fn run(app: Arc<App>, asked: Asked) {
    let action = ActionBody {
        tool: Some(format!("{}/{}", asked.target.server, asked.call.name)),
        action: Some(asked.call.name.clone()),
        args: Some(asked.call.arguments.clone()),
        env: app.options.env.clone(),
        run: asked.target.session.as_ref().map(|id| run_of(id)),
        evidence: asked.call.evidence.clone(),
        accept_remedy: Some(true),
        ..ActionBody::default()
    };
    if let (Some(pins), Some(tool)) = (&app.pins, &action.tool)
        && !pins.knows(tool)
    {
        let sentence = "How this tool looks is not known yet. Nothing was run. List the tools, then call it again.";
        return asked.tell(sentence, &Value::Null).await;
    }
    let name = fingerprint(&action);
    let ruling = match resumed(&app, &asked, &name) {
        Some(id) => Some(Ruling::Go(Box::new(Go {
            id,
            changed: None,
            permit: String::new(),
            timeout: None,
            decision: Value::Null,
        }))),
        None => decide(&app, &asked, &action).await,
    };
    // Held no more: from here on a cancellation is for the server.
    if let Some(session) = &asked.target.session {
        app.sessions.let_go(session, &asked.key());
    }
    match ruling {
        // The client has hung up: nobody waits, and nothing runs.
        None => {}
        Some(Ruling::Go(go)) => hand_on(&app, asked, *go, name).await,
        Some(Ruling::Refused { sentence, decision }) => asked.tell(&sentence, &decision).await,
        Some(Ruling::Waiting(waiting)) => {
            let round = asked.call.state.as_deref().and_then(answer::round).unwrap_or_default();
            if asked.call.modern && round < ROUNDS {
                let _ = asked.out.send(answer::come_back(&asked.call.id, round + 1)).await;
            } else {
                asked.tell(&waiting.sentence, &waiting.decision).await;
            }
        }
    }
}

/// A name of a session that says nothing of the session's id, which is a secret.
fn run_of(session: &str) -> String {
    use sha2::Digest as _;
    let hash = countersign_core::digest::hex(&sha2::Sha256::digest(session.as_bytes()));
    format!("mcp-{}", hash.chars().take(16).collect::<String>())
}

/// The client comes back with what the server gave it: the call was decided, and goes on once.
fn resumed(app: &App, asked: &Asked, name: &str) -> Option<String> {
    let state = asked.call.state.clone()?;
    lock(&app.unfinished).remove(&(asked.caller.owner.clone(), name.to_owned(), state))
}

/// What policy and people say; nothing, if the client has hung up before.
async fn decide(app: &App, asked: &Asked, action: &ActionBody) -> Option<Ruling> {
    let ruling = asked
        .caller
        .governor
        .rule(action, None, Instant::now() + app.options.hold);
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

async fn hand_on(app: &App, asked: Asked, go: Go, name: String) {
    let failed = async |why: &str| {
        asked
            .caller
            .governor
            .report(&go.id, Some(why.to_owned()), Duration::ZERO)
            .await;
    };
    let ours = asked
        .call
        .state
        .as_deref()
        .is_some_and(|state| answer::round(state).is_some());
    let own = |tool: &str| match tool.split_once('/') {
        Some((server, name)) => (server == asked.target.server).then(|| name.to_owned()),
        None => Some(tool.to_owned()),
    };
    let line = match (&go.changed, ours) {
        (None, false) => Some(asked.line.clone()),
        (None, true) => wire::rewritten(&asked.line, &asked.call.name, None),
        (Some((tool, arguments)), _) => own(tool).and_then(|tool| wire::rewritten(&asked.line, &tool, Some(arguments))),
    };
    let Some(line) = line else {
        failed("its alternative is no tool of this server").await;
        let sentence = "Policy puts another tool in place of this one, which is not on this server. Nothing was run.";
        return asked.tell(sentence, &go.decision).await;
    };
    if asked.out.is_closed() {
        return failed("the client had hung up before it ran").await;
    }
    let since = Instant::now();
    let target = renamed(&asked.target, &go.changed.as_ref().and_then(|(tool, _)| own(tool)));
    let permit = Some(go.permit.as_str()).filter(|permit| !permit.is_empty());
    let coming = match app.ask(&asked.caller, &target, line, &asked.seen, permit).await {
        Ok(coming) => coming,
        Err(why) => {
            failed(&why).await;
            return asked.tell(&why, &go.decision).await;
        }
    };
    let end = follow(&asked, coming, go.timeout).await;
    match end {
        End::Unfinished(state) => {
            let mut unfinished = lock(&app.unfinished);
            if unfinished.len() < UNFINISHED_AT_MOST {
                unfinished.insert((asked.caller.owner.clone(), name, state), go.id);
            }
        }
        End::Over(error) => asked.caller.governor.report(&go.id, error, since.elapsed()).await,
    }
}

/// The same target, where the headers name the tool that runs.
fn renamed(target: &Target, tool: &Option<String>) -> Target {
    let headers = target.headers.iter().map(|(name, value)| match tool {
        Some(tool) if name == "mcp-name" => (name.clone(), tool.clone()),
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
    /// The server wants the client to come back with this.
    Unfinished(String),
    /// It is over, and failed by this.
    Over(Option<String>),
}

/// Passes on what comes of a call until it is answered.
async fn follow(asked: &Asked, mut coming: Coming, timeout: Option<Duration>) -> End {
    let late = async {
        match timeout {
            Some(limit) => tokio::time::sleep(limit).await,
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
                    let why = "the tool's server ended before it answered";
                    let error = answer::error(&asked.call.id, -32603, why);
                    let _ = asked.out.send(error).await;
                    return End::Over(Some(why.to_owned()));
                };
                let answered = wire::answered(&message).filter(|answered| answered.id == asked.key());
                let _ = asked.out.send(message).await;
                match answered {
                    Some(answered) => return match answered.state {
                        Some(state) => End::Unfinished(state),
                        None => End::Over(answered.error),
                    },
                    None => continue,
                }
            }
            () = &mut late => {
                let limit = timeout.unwrap_or_default().as_secs();
                let why = format!("it ran longer than the {limit} s that policy allows");
                asked.tell(&format!("Ended: {why}."), &Value::Null).await;
                cancel(&coming, &why).await;
                return End::Over(Some(why));
            }
            () = &mut gone => {
                cancel(&coming, "the client has hung up").await;
                return End::Over(Some("the client hung up while it ran".to_owned()));
            }
        }
    }
}
