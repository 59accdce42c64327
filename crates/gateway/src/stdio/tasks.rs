//! Calls that wait for people as tasks (SEP-2663, the extension `io.modelcontextprotocol/tasks`): a client that declared the
//! extension with the call is given a task at once, and asks for it as long as it likes.
//!
//! A call runs in answer to such a question, never in between: a client that does not ask any more runs nothing. The
//! request to people is kept beyond the wrapper, the task is not: who calls again finds the request.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use countersign_core::Time;
use countersign_core::digest::hex;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::{Wrapper, lock};
use crate::calls::{self, Round};
use crate::govern::{Ruling, Waiting};
use crate::waiting::fingerprint;
use crate::wire::{Call, Seen};
use crate::{answer, wire};

/// What the ids of our tasks begin with. What is behind it nobody can guess.
const OURS: &str = "countersign-";
/// How soon a client may ask again, as it is told.
const POLL_MS: u64 = 2000;
/// Tasks that one wrapper keeps; beyond that a call is held as for any other client.
const AT_MOST: usize = 1000;
/// The parameters are not what they should be.
const INVALID_PARAMS: i32 = -32602;

/// The tasks of a wrapper.
#[derive(Default)]
pub(super) struct Tasks(BTreeMap<String, Task>);

struct Task {
    /// The call, under the task's id: what comes of it is kept for whoever asks.
    call: Call,
    line: Vec<u8>,
    created: Time,
    changed: Time,
    stage: Stage,
}

#[derive(Clone)]
enum Stage {
    /// People have to decide: what the client is told meanwhile.
    Waiting(String),
    /// It is looked whether they have.
    Looking(String),
    /// It runs.
    Running,
    /// It is over: the answer to the call.
    Ended(Value),
    /// The client wants it no more.
    Cancelled,
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

impl Task {
    fn become_(&mut self, stage: Stage) {
        (self.stage, self.changed) = (stage, now());
    }

    /// The task as a client sees it.
    fn shown(&self, id: &str) -> Map<String, Value> {
        let (status, message, outcome) = match &self.stage {
            Stage::Waiting(why) | Stage::Looking(why) => ("working", Some(why.as_str()), None),
            Stage::Running => ("working", Some("the tool runs"), None),
            Stage::Cancelled => ("cancelled", None, None),
            Stage::Ended(answer) => match (answer.get("result"), answer.get("error")) {
                (Some(result), _) => ("completed", None, Some(("result", result.clone()))),
                (None, error) => ("failed", None, error.map(|error| ("error", error.clone()))),
            },
        };
        let mut shown = Map::from_iter([
            ("taskId".to_owned(), id.into()),
            ("status".to_owned(), status.into()),
            ("createdAt".to_owned(), self.created.to_string().into()),
            ("lastUpdatedAt".to_owned(), self.changed.to_string().into()),
            ("ttlMs".to_owned(), Value::Null),
            ("pollIntervalMs".to_owned(), POLL_MS.into()),
        ]);
        shown.extend(message.map(|message| ("statusMessage".to_owned(), message.into())));
        shown.extend(outcome.map(|(name, outcome)| (name.to_owned(), outcome)));
        shown
    }
}

impl Tasks {
    /// Makes room for one more, by those that are over. False if there is none.
    fn makes_room(&mut self) -> bool {
        if self.0.len() >= AT_MOST {
            let over = |task: &Task| matches!(task.stage, Stage::Ended(_) | Stage::Cancelled);
            self.0.retain(|_, task| !over(task));
        }
        self.0.len() < AT_MOST
    }

    /// Keeps what came of a call, if it is a task's. What comes after a cancellation is for nobody.
    pub(super) fn end(&mut self, id: &Value, line: &[u8]) -> bool {
        let Some(task) = id.as_str().and_then(|id| self.0.get_mut(id)) else {
            return false;
        };
        if matches!(task.stage, Stage::Cancelled | Stage::Ended(_)) {
            return true;
        }
        let answer: Value = serde_json::from_slice(line).unwrap_or_default();
        let kind = answer.pointer("/result/resultType").and_then(Value::as_str);
        let whole = kind.is_none_or(|kind| kind == "complete");
        task.become_(Stage::Ended(if whole {
            answer
        } else {
            let why = "the tool's server wants another round, which a task does not have: call the tool without tasks";
            json!({ "error": { "code": -32603, "message": why } })
        }));
        true
    }
}

/// The call under another id, for a server that is not told what only this client and we can do.
fn under(line: &[u8], id: &str) -> Option<Vec<u8>> {
    let mut message: Value = serde_json::from_slice(line).ok()?;
    message.as_object_mut()?.insert("id".to_owned(), id.into());
    let meta = message.pointer_mut("/params/_meta").and_then(Value::as_object_mut)?;
    // Nobody listens to the progress of a call that was answered with a task.
    meta.remove("progressToken");
    let able = meta.get_mut(wire::CAPABILITIES_KEY).and_then(Value::as_object_mut)?;
    able.remove("elicitation");
    able.remove("sampling");
    able.get_mut("extensions")?.as_object_mut()?.remove(wire::TASKS_KEY);
    let mut bytes = serde_json::to_vec(&message).ok()?;
    bytes.push(b'\n');
    Some(bytes)
}

/// Whether a request is about one of our tasks, whatever has become of it.
pub(super) fn is_about_ours(seen: &Seen) -> bool {
    let about = |method: &str| method.starts_with("tasks/");
    seen.id.is_some()
        && seen.method.as_deref().is_some_and(about)
        && seen.about.as_deref().is_some_and(|name| name.starts_with(OURS))
}

impl Wrapper {
    /// Makes a task of a call that waits for people, and answers the call with it. `None` if it cannot be one.
    pub(super) fn task_of(&self, call: &Call, line: &[u8], waiting: &Waiting) -> Option<Vec<u8>> {
        let mut bytes = [0_u8; 16];
        getrandom::fill(&mut bytes).ok()?;
        let id = format!("{OURS}{}", hex(&bytes));
        let at = now();
        let task = Task {
            call: Call {
                id: id.as_str().into(),
                progress: None,
                ..call.clone()
            },
            line: under(line, &id)?,
            created: at,
            changed: at,
            stage: Stage::Waiting(waiting.sentence.clone()),
        };
        let mut shown = task.shown(&id);
        shown.insert("resultType".to_owned(), "task".into());
        let mut tasks = lock(&self.tasks);
        if !tasks.makes_room() {
            return None;
        }
        tasks.0.insert(id, task);
        Some(answer::result(&call.id, shown))
    }

    /// Answers a question about one of our tasks, in a task of its own: others overtake it.
    pub(super) async fn asked_of_a_task(self: Arc<Self>, seen: Seen, to_server: mpsc::Sender<Vec<u8>>) {
        let (Some(method), Some(id), Some(name)) = (seen.method.as_deref(), &seen.id, &seen.about) else {
            return;
        };
        let known = lock(&self.tasks).0.contains_key(name);
        let said = match method {
            _ if !known => {
                let why = "there is no such task any more: call the tool again with identical arguments";
                answer::error(id, INVALID_PARAMS, why)
            }
            "tasks/get" => {
                self.look(name, &to_server).await;
                self.show_task(id, name)
            }
            "tasks/cancel" => {
                self.cancel_task(name, &to_server).await;
                answer::result(id, Map::new())
            }
            "tasks/update" => answer::result(id, Map::new()),
            _ => answer::error(id, -32601, "no such method"),
        };
        self.print(said).await;
    }

    fn show_task(&self, id: &Value, name: &str) -> Vec<u8> {
        let shown = lock(&self.tasks).0.get(name).map(|task| task.shown(name));
        answer::result(id, shown.unwrap_or_default())
    }

    /// Looks whether people have decided, and lets the call run if they said yes. One look at a time: a permit is there once.
    async fn look(self: &Arc<Self>, name: &str, to_server: &mpsc::Sender<Vec<u8>>) {
        let (call, line, why) = {
            let mut tasks = lock(&self.tasks);
            let Some(task) = tasks.0.get_mut(name) else { return };
            let Stage::Waiting(why) = task.stage.clone() else {
                return;
            };
            task.stage = Stage::Looking(why.clone());
            (task.call.clone(), task.line.clone(), why)
        };
        let options = &self.options;
        let action = calls::action(&options.server, options.env.as_deref(), options.run.clone(), &call);
        let Some(ruling) = self.governor.look(&action).await else {
            // People still decide; that one look found nobody ends nothing.
            return self.on_with(name, Stage::Waiting(why));
        };
        match ruling {
            Ruling::Waiting(waiting) => self.on_with(name, Stage::Waiting(waiting.sentence)),
            Ruling::Refused { sentence, decision } => {
                let told = answer::told(&call.id, call.modern, &sentence, &decision);
                lock(&self.tasks).end(&call.id, &told);
            }
            Ruling::Go(go) => {
                // From here on it is a call like any other, of which we are the client.
                lock(&self.calls).held.insert(wire::key(&call.id), None);
                self.on_with(name, Stage::Running);
                let round = Round::first(*go);
                self.hand_on(&call, line, round, fingerprint(&action), to_server).await;
            }
        }
    }

    /// A task goes on, unless it was cancelled meanwhile: then its call is not held any more, and nothing runs.
    fn on_with(&self, name: &str, stage: Stage) {
        let mut tasks = lock(&self.tasks);
        let Some(task) = tasks.0.get_mut(name) else { return };
        if matches!(task.stage, Stage::Cancelled) {
            let key = wire::key(&task.call.id);
            drop(tasks);
            lock(&self.calls).held.remove(&key);
        } else {
            task.become_(stage);
        }
    }

    async fn cancel_task(&self, name: &str, to_server: &mpsc::Sender<Vec<u8>>) {
        let id = {
            let mut tasks = lock(&self.tasks);
            let Some(task) = tasks.0.get_mut(name) else { return };
            if matches!(task.stage, Stage::Ended(_) | Stage::Cancelled) {
                return;
            }
            task.become_(Stage::Cancelled);
            task.call.id.clone()
        };
        let key = wire::key(&id);
        let running = {
            let mut calls = lock(&self.calls);
            calls.held.remove(&key);
            calls.running.remove(&key)
        };
        if let Some(running) = running {
            let why = "the client cancelled it";
            let _ = to_server.send(answer::cancelled(&id, why)).await;
            self.report(running.round.go.id, Some(why.to_owned()), running.since.elapsed());
        }
    }
}
