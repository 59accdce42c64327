//! A wrapper around an MCP server that speaks over its standard input and output.
//!
//! Messages go through as they are, in both directions, except calls of tools: each is decided first. A held call waits in
//! a task of its own, so others overtake it. Once the client has hung up, or has cancelled a call, nothing runs by it any more:
//! whether it still waits is looked at under the same lock under which it is handed on.

mod options;
mod tasks;
mod under_way;

use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use countersign_api::ActionBody;
use serde_json::Value;
use tokio::io::BufReader;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

pub use self::options::{Options, Secret};
use self::under_way::{BUSY, Calls, Running};
use crate::calls::{self, PROGRESS, Round};
use crate::elicit::{Elicitation, TURNED_DOWN};
use crate::govern::{Governor, Ruling};
use crate::hide::Hiding;
use crate::lines::{feed, next_line, write};
use crate::tasks::{Place, Tasks, is_ours};
use crate::waiting::fingerprint;
use crate::wire::{Answered, Call, Message};
use crate::{answer, wire};

/// Lines that may wait for a slow reader.
const QUEUE: usize = 64;
/// Whose calls they are: a wrapper has one agent.
const AGENT: &str = "";
/// How long reports may take after the end.
const REPORTS: Duration = Duration::from_secs(5);
/// How long a server may take to end once its input has.
const GRACE: Duration = Duration::from_secs(10);

struct Wrapper {
    governor: Governor,
    options: Options,
    calls: Mutex<Calls>,
    to_client: mpsc::Sender<Vec<u8>>,
    reports: Mutex<JoinSet<()>>,
    hiding: Option<Hiding>,
    tasks: Tasks,
    elicitation: Elicitation,
    /// The client has a session in which it may be told that its list of tools changed.
    told: AtomicBool,
}

/// Runs the server behind the wrapper until one of both sides ends. The result is the server's exit code.
///
/// # Errors
/// If the server cannot be started.
pub async fn wrap(
    governor: Governor,
    options: Options,
    program: &str,
    arguments: &[String],
    secret: Option<Secret>,
) -> std::io::Result<i32> {
    let mut child = Command::new(program)
        .args(arguments)
        // What may ask for decisions or credentials is not for the tools.
        .env_remove("COUNTERSIGN_KEY")
        .env_remove("COUNTERSIGN_GATEWAY_KEY")
        .envs(secret.as_ref().map(|(name, value)| (name, value.as_str())))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()?;
    let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(std::io::Error::other("the server has no standard input and output"));
    };
    let (to_client, for_client) = mpsc::channel(QUEUE);
    let (to_server, for_server) = mpsc::channel(QUEUE);
    let hiding = options
        .hide
        .then(|| Hiding::new(&options.server, options.env.as_deref()));
    let wrapper = Arc::new(Wrapper {
        hiding,
        tasks: Tasks::default(),
        elicitation: Elicitation::new(options.elicit),
        told: AtomicBool::new(false),
        governor,
        options,
        calls: Mutex::default(),
        to_client,
        reports: Mutex::default(),
    });
    let printing = tokio::spawn(write(tokio::io::stdout(), for_client));
    tokio::spawn(feed(stdin, for_server));
    let client = tokio::spawn(Arc::clone(&wrapper).listen_to_client(to_server));
    let server = tokio::spawn(Arc::clone(&wrapper).listen_to_server(stdout));
    let status = ended(&mut child, client, server).await;
    wrapper.hang_up();
    wrapper.all_failed();
    let mut reports = std::mem::take(&mut *lock(&wrapper.reports));
    let _ = tokio::time::timeout(REPORTS, async { while reports.join_next().await.is_some() {} }).await;
    drop(wrapper);
    // Held calls keep a sender each and were aborted; what was answered is still printed.
    let _ = tokio::time::timeout(Duration::from_secs(1), printing).await;
    status.map(code)
}

/// Waits for the end: the client hangs up and the server ends by that, or the server ends by itself, or a signal ends both.
async fn ended(
    child: &mut Child,
    client: tokio::task::JoinHandle<()>,
    server: tokio::task::JoinHandle<()>,
) -> std::io::Result<ExitStatus> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let client_end = client.abort_handle();
    tokio::select! {
        _ = client => {}
        _ = server => {}
        _ = terminate.recv() => signal(child),
        _ = tokio::signal::ctrl_c() => signal(child),
    }
    client_end.abort();
    if let Ok(status) = tokio::time::timeout(GRACE, child.wait()).await {
        return status;
    }
    signal(child);
    if let Ok(status) = tokio::time::timeout(GRACE, child.wait()).await {
        return status;
    }
    child.start_kill()?;
    child.wait().await
}

fn signal(child: &Child) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
}

fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Wrapper {
    async fn listen_to_client(self: Arc<Self>, to_server: mpsc::Sender<Vec<u8>>) {
        let mut input = BufReader::new(tokio::io::stdin());
        while let Some(line) = next_line(&mut input).await {
            if line.trim_ascii().is_empty() {
                continue;
            }
            match wire::read(&line) {
                Message::Call(call) => self.begin(*call, line, &to_server),
                Message::Cancelled { id } => {
                    // A held call ends here; the server has never heard of it.
                    if !self.abandon(&id) && to_server.send(line).await.is_err() {
                        break;
                    }
                }
                Message::Other => {
                    if !self.is_ours(&line, &to_server) && to_server.send(line).await.is_err() {
                        break;
                    }
                }
                Message::Refused { id, code, why } => {
                    self.print(answer::error(&id, code, &why)).await;
                }
            }
        }
        self.hang_up();
    }

    async fn listen_to_server(self: Arc<Self>, stdout: tokio::process::ChildStdout) {
        let mut output = BufReader::new(stdout);
        while let Some(line) = next_line(&mut output).await {
            if let Some(answered) = wire::answered(&line) {
                let session = {
                    let mut calls = lock(&self.calls);
                    calls.asked.remove(&answered.id);
                    if calls.ended.remove(&answered.id) {
                        continue;
                    }
                    calls.lists.remove(&answered.id)
                };
                if let Some(session) = session {
                    self.told.fetch_or(session, Ordering::Relaxed);
                    tokio::spawn(Arc::clone(&self).show(line));
                    continue;
                }
                let id = serde_json::from_str(&answered.id).unwrap_or_default();
                let line = self.finish(&id, line, answered);
                self.hand_back(&id, line).await;
                continue;
            }
            self.print(line).await;
        }
    }

    /// An answer gets to whoever asked: to the client, or to the task that the call is.
    async fn hand_back(&self, id: &Value, line: Vec<u8>) {
        match id.as_str().filter(|_| is_ours(id)) {
            Some(id) => self
                .tasks
                .end(&Place::new(&self.governor, &self.options.server, id), &line),
            None => self.print(line).await,
        }
    }

    /// Whether a request is for us alone. One for a list of tools is remembered, for when it is answered.
    fn is_ours(self: &Arc<Self>, line: &[u8], to_server: &mpsc::Sender<Vec<u8>>) -> bool {
        let seen = wire::look(line);
        if let (Some(_), Some(id)) = (&seen.method, &seen.id)
            && let Err(why) = lock(&self.calls).ask(wire::key(id))
        {
            self.refuse(id, why);
            return true;
        }
        if let (Some("tools/list"), Some(id), Some(_)) = (seen.method.as_deref(), &seen.id, &self.hiding) {
            lock(&self.calls).lists.insert(wire::key(id), seen.version.is_none());
        }
        let Some(place) = Place::of(&seen, &self.governor, &self.options.server) else {
            return false;
        };
        if let Some(id) = &seen.id {
            // It is answered by us.
            lock(&self.calls).asked.remove(&wire::key(id));
        }
        tokio::spawn(Arc::clone(self).asked_of_a_task(seen, place, to_server.clone()));
        true
    }

    /// Shows a list of tools without those that are hidden.
    async fn show(self: Arc<Self>, line: Vec<u8>) {
        let line = match &self.hiding {
            Some(hiding) => hiding.filtered(&self.governor, line).await,
            None => line,
        };
        self.print(line).await;
    }

    /// A decision was made by a policy: where that hides other tools than before, the client is told.
    async fn notice_policy(&self, decision: &Value) {
        let snapshot = decision.get("snapshot").and_then(Value::as_str);
        if let (Some(hiding), Some(snapshot)) = (&self.hiding, snapshot)
            && self.told.load(Ordering::Relaxed)
            && hiding.differs(&self.governor, snapshot).await
        {
            self.print(answer::list_changed()).await;
        }
    }

    /// Answers a request that goes nowhere, behind what else is told.
    fn refuse(&self, id: &Value, why: &str) {
        let (refused, to_client) = (answer::error(id, -32600, why), self.to_client.clone());
        tokio::spawn(async move { to_client.send(refused).await });
    }

    async fn print(&self, line: Vec<u8>) {
        let _ = self.to_client.send(line).await;
    }

    fn begin(self: &Arc<Self>, call: Call, line: Vec<u8>, to_server: &mpsc::Sender<Vec<u8>>) {
        let key = wire::key(&call.id);
        let mut calls = lock(&self.calls);
        if calls.have(&key) {
            return self.refuse(&call.id, BUSY);
        }
        // The entry is there before the task looks for it.
        calls.held.insert(key.clone(), None);
        let task = tokio::spawn(Arc::clone(self).decide(call, line, to_server.clone()));
        calls.held.insert(key, Some(task.abort_handle()));
    }

    async fn decide(self: Arc<Self>, call: Call, line: Vec<u8>, to_server: mpsc::Sender<Vec<u8>>) {
        let options = &self.options;
        let action = calls::action(&options.server, options.env.as_deref(), options.run.clone(), &call);
        let name = fingerprint(&action);
        // The client comes back with what the server gave it: the call was decided, and goes on once.
        let resumed = lock(&self.calls).unfinished.resume(AGENT, &name, &call);
        if let Some(round) = resumed {
            if !self.governor.leads_as_before(&round.go, &action).await {
                self.report(round.go.id, Some(calls::ANOTHER_WAY.to_owned()), round.ran);
                let told = answer::told(&call.id, call.modern, calls::LEADS_ELSEWHERE, &round.go.decision);
                return self.reply(&call, told).await;
            }
            return self.hand_on(&call, line, round, name, &to_server).await;
        }
        if call.turned_down {
            let told = answer::told(&call.id, call.modern, TURNED_DOWN, &Value::Null);
            return self.reply(&call, told).await;
        }
        let hold = self.elicitation.hold(&call, options.hold);
        let until = Instant::now() + crate::tasks::hold(&call, hold);
        let ruling = self.rule_with_progress(&call, &action, until).await;
        let decision = self.hiding.as_ref().map(|_| ruling.decision().clone());
        match ruling {
            Ruling::Go(go) => self.hand_on(&call, line, Round::first(*go), name, &to_server).await,
            Ruling::Refused { sentence, decision } => {
                self.reply(&call, answer::told(&call.id, call.modern, &sentence, &decision))
                    .await;
            }
            Ruling::Waiting(waiting) => {
                let question = || self.elicitation.question(AGENT, &call, &waiting);
                let told = crate::tasks::put_off(&self.governor, &options.server, &call, &line, &waiting, question);
                self.reply(&call, told).await;
            }
        }
        drop(to_server);
        if let Some(decision) = decision {
            self.notice_policy(&decision).await;
        }
    }

    async fn rule_with_progress(&self, call: &Call, action: &ActionBody, until: Instant) -> Ruling {
        let ruling = self.governor.rule(action, None, until);
        let Some(token) = &call.progress else {
            return ruling.await;
        };
        tokio::pin!(ruling);
        let mut told = 0;
        loop {
            match tokio::time::timeout(PROGRESS, &mut ruling).await {
                Ok(ruling) => return ruling,
                Err(_) => {
                    told += 1;
                    self.print(answer::progress(token, told)).await;
                }
            }
        }
    }

    async fn reply(&self, call: &Call, line: Vec<u8>) {
        if lock(&self.calls).held.remove(&wire::key(&call.id)).is_some() {
            self.hand_back(&call.id, line).await;
        }
    }

    async fn hand_on(
        self: &Arc<Self>,
        call: &Call,
        line: Vec<u8>,
        round: Round,
        name: String,
        to_server: &mpsc::Sender<Vec<u8>>,
    ) {
        let failed = |round: Round, why: &str| self.report(round.go.id, Some(why.to_owned()), round.ran);
        let Some(line) = calls::written(&line, call, &round.go, &self.options.server) else {
            let told = answer::told(&call.id, call.modern, calls::ELSEWHERE, &round.go.decision);
            failed(round, "its alternative is no tool of this server");
            return self.reply(call, told).await;
        };
        // Room first: once the call counts as running, it is handed on without another wait.
        let Ok(room) = to_server.reserve().await else {
            return failed(round, "the server had ended");
        };
        let key = wire::key(&call.id);
        let mut calls = lock(&self.calls);
        if calls.closed || calls.held.remove(&key).is_none() {
            drop(calls);
            return failed(round, "the client had hung up before it ran");
        }
        let timeout = round.left().map(|left| self.end_after(left, call, to_server));
        let running = Running {
            round,
            modern: call.modern,
            name,
            since: Instant::now(),
            timeout,
        };
        calls.running.insert(key, running);
        room.send(line);
    }

    /// Ends a call that runs longer than policy lets it.
    fn end_after(self: &Arc<Self>, left: Duration, call: &Call, to_server: &mpsc::Sender<Vec<u8>>) -> AbortHandle {
        // A clock that runs does not keep the server's input open after the client has hung up.
        let (wrapper, to_server) = (Arc::clone(self), to_server.downgrade());
        let (id, modern) = (call.id.clone(), call.modern);
        let task = tokio::spawn(async move {
            tokio::time::sleep(left).await;
            let running = {
                let (mut calls, key) = (lock(&wrapper.calls), wire::key(&id));
                let running = calls.running.remove(&key);
                // The server may answer yet: its answer is none to a later request with this id.
                if running.is_some() {
                    calls.asked.insert(key.clone());
                    calls.ended.insert(key);
                }
                running
            };
            let Some(running) = running else { return };
            let why = running.round.too_long();
            let told = answer::told(&id, modern, &format!("Ended: {why}."), &Value::Null);
            wrapper.hand_back(&id, told).await;
            if let Some(to_server) = to_server.upgrade() {
                let _ = to_server.send(answer::cancelled(&id, &why)).await;
            }
            let ran = running.round.ran + running.since.elapsed();
            wrapper.report(running.round.go.id, Some(why), ran);
        });
        task.abort_handle()
    }

    /// A call was answered, if this is the answer to one: what of it goes on.
    fn finish(&self, id: &Value, line: Vec<u8>, mut answered: Answered) -> Vec<u8> {
        let Some(mut running) = lock(&self.calls).running.remove(&answered.id) else {
            return line;
        };
        if let Some(timeout) = running.timeout {
            timeout.abort();
        }
        running.round.ran += running.since.elapsed();
        let go = &running.round.go;
        let (line, filtered) = self.governor.let_out(go, id, running.modern, line, &mut answered);
        let Some(state) = answered.state else {
            let (governor, id, ran) = (self.governor.clone(), running.round.go.id, running.round.ran);
            self.spawn(async move { governor.report_filtered(&id, answered.error, ran, filtered).await });
            return line;
        };
        let (now, place) = (Instant::now(), (AGENT.to_owned(), running.name, state));
        let mut calls = lock(&self.calls);
        let mut lost = calls.unfinished.overdue(now);
        lost.extend(calls.unfinished.keep(place, running.round, self.governor.clone(), now));
        drop(calls);
        lost.into_iter().for_each(|lost| self.spawn(lost.report()));
        line
    }

    fn report(&self, action: String, error: Option<String>, took: Duration) {
        let governor = self.governor.clone();
        self.spawn(async move { governor.report(&action, error, took).await });
    }

    fn spawn(&self, report: impl Future<Output = ()> + Send + 'static) {
        let mut reports = lock(&self.reports);
        while reports.try_join_next().is_some() {}
        reports.spawn(report);
    }

    /// Drops a call that is held: it uses no approval up any more. False if there is none.
    fn abandon(&self, id: &str) -> bool {
        let held = lock(&self.calls).held.remove(id);
        if let Some(Some(task)) = &held {
            task.abort();
        }
        held.is_some()
    }

    fn hang_up(&self) {
        let mut calls = lock(&self.calls);
        calls.closed = true;
        for task in std::mem::take(&mut calls.held).into_values().flatten() {
            task.abort();
        }
    }

    /// What still ran, or was to go on, when the server ended has failed.
    fn all_failed(&self) {
        let (running, unfinished) = {
            let mut calls = lock(&self.calls);
            (std::mem::take(&mut calls.running), calls.unfinished.all())
        };
        for call in running.into_values() {
            let why = "the server ended before it answered".to_owned();
            let ran = call.round.ran + call.since.elapsed();
            self.report(call.round.go.id, Some(why), ran);
        }
        unfinished.into_iter().for_each(|lost| self.spawn(lost.report()));
    }
}

#[cfg(test)]
#[path = "stdio_tests.rs"]
mod tests;
