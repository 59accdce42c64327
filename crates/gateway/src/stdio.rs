//! A wrapper around an MCP server that speaks over its standard input and output.
//!
//! Lines go through as they are, in both directions, except calls of tools: each is decided first. A held call waits in
//! a task of its own, so others overtake it. Once the client has hung up, or has cancelled a call, nothing runs by it any more:
//! whether it still waits is looked at under the same lock under which it is handed on.

use std::collections::BTreeMap;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use countersign_api::ActionBody;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use crate::govern::{Go, Governor, Ruling, Waiting};
use crate::waiting::fingerprint;
use crate::wire::{Answered, Call, Message};
use crate::{answer, wire};

/// The longest line of either side.
const LINE: u64 = 32 * 1024 * 1024;
/// Lines that may wait for a slow reader.
const QUEUE: usize = 64;
/// How often a client that asked for progress is told.
const PROGRESS: Duration = Duration::from_secs(10);
/// After so many rounds a client gives up, with an error that says nothing; we end before.
const ROUNDS: u32 = 9;
/// How long reports may take after the end.
const REPORTS: Duration = Duration::from_secs(5);
/// How long a server may take to end once its input has.
const GRACE: Duration = Duration::from_secs(10);

/// How the wrapper behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// The name of the server: its tools are `server/tool` in policy.
    pub server: String,
    /// The environment that its tools act in.
    pub env: Option<String>,
    /// The run that the calls belong to.
    pub run: Option<String>,
    /// How long a call is held for people before the agent is told to come back.
    pub hold: Duration,
}

/// A variable of the server's environment, with a value that is a secret.
pub type Secret = (String, zeroize::Zeroizing<String>);

/// A call that was handed on.
struct Running {
    action: String,
    name: String,
    since: Instant,
    timeout: Option<AbortHandle>,
}

#[derive(Default)]
struct Calls {
    /// Being decided, or held.
    held: BTreeMap<String, Option<AbortHandle>>,
    /// Handed on.
    running: BTreeMap<String, Running>,
    /// Unfinished calls that the server asked the client to come back with, by call and state; and their action.
    unfinished: BTreeMap<(String, String), String>,
    /// The client has hung up.
    closed: bool,
}

struct Wrapper {
    governor: Governor,
    options: Options,
    calls: Mutex<Calls>,
    to_client: mpsc::Sender<Vec<u8>>,
    reports: Mutex<JoinSet<()>>,
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
    let wrapper = Arc::new(Wrapper {
        governor,
        options,
        calls: Mutex::default(),
        to_client,
        reports: Mutex::default(),
    });
    let printing = tokio::spawn(write(tokio::io::stdout(), for_client));
    tokio::spawn(write(stdin, for_server));
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

pub(crate) async fn write(mut into: impl tokio::io::AsyncWrite + Unpin, mut lines: mpsc::Receiver<Vec<u8>>) {
    while let Some(line) = lines.recv().await {
        if into.write_all(&line).await.is_err() {
            return;
        }
        if lines.is_empty() && into.flush().await.is_err() {
            return;
        }
    }
}

/// The next line, with its end. `None` at the end, or if it is too long to be a message.
pub(crate) async fn next_line(from: &mut (impl tokio::io::AsyncBufRead + Unpin)) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    let length = from.take(LINE).read_until(b'\n', &mut line).await.ok()?;
    (length > 0 && (line.ends_with(b"\n") || u64::try_from(length).ok()? < LINE)).then_some(line)
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
                    if to_server.send(line).await.is_err() {
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
                self.finish(answered);
            }
            self.print(line).await;
        }
    }

    async fn print(&self, line: Vec<u8>) {
        let _ = self.to_client.send(line).await;
    }

    fn action(&self, call: &Call) -> ActionBody {
        ActionBody {
            tool: Some(format!("{}/{}", self.options.server, call.name)),
            action: Some(call.name.clone()),
            args: Some(call.arguments.clone()),
            env: self.options.env.clone(),
            run: self.options.run.clone(),
            evidence: call.evidence.clone(),
            accept_remedy: Some(true),
            ..ActionBody::default()
        }
    }

    fn begin(self: &Arc<Self>, call: Call, line: Vec<u8>, to_server: &mpsc::Sender<Vec<u8>>) {
        let key = wire::key(&call.id);
        let mut calls = lock(&self.calls);
        if calls.held.contains_key(&key) || calls.running.contains_key(&key) {
            let busy = answer::error(&call.id, -32600, "a request with this id is under way");
            let to_client = self.to_client.clone();
            tokio::spawn(async move { to_client.send(busy).await });
            return;
        }
        // The entry is there before the task looks for it.
        calls.held.insert(key.clone(), None);
        let task = tokio::spawn(Arc::clone(self).decide(call, line, to_server.clone()));
        calls.held.insert(key, Some(task.abort_handle()));
    }

    async fn decide(self: Arc<Self>, call: Call, line: Vec<u8>, to_server: mpsc::Sender<Vec<u8>>) {
        let action = self.action(&call);
        let name = fingerprint(&action);
        if let Some(action_id) = self.resumed(&call, &name) {
            let go = Go {
                id: action_id,
                changed: None,
                permit: String::new(),
                timeout: None,
                decision: Value::Null,
            };
            return self.hand_on(&call, line, go, name, &to_server).await;
        }
        let until = Instant::now() + self.options.hold;
        let ruling = self.rule_with_progress(&call, &action, until).await;
        match ruling {
            Ruling::Go(go) => self.hand_on(&call, line, *go, name, &to_server).await,
            Ruling::Refused { sentence, decision } => {
                self.reply(&call, answer::told(&call.id, call.modern, &sentence, &decision))
                    .await;
            }
            Ruling::Waiting(waiting) => self.put_off(&call, &waiting).await,
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

    /// The client comes back with what the server gave it: the call was decided, and goes on once.
    fn resumed(&self, call: &Call, name: &str) -> Option<String> {
        let state = call.state.clone()?;
        lock(&self.calls).unfinished.remove(&(name.to_owned(), state))
    }

    async fn put_off(&self, call: &Call, waiting: &Waiting) {
        let round = call.state.as_deref().and_then(answer::round).unwrap_or_default();
        let line = if call.modern && round < ROUNDS {
            answer::come_back(&call.id, round + 1)
        } else {
            answer::told(&call.id, call.modern, &waiting.sentence, &waiting.decision)
        };
        self.reply(call, line).await;
    }

    async fn reply(&self, call: &Call, line: Vec<u8>) {
        if lock(&self.calls).held.remove(&wire::key(&call.id)).is_some() {
            self.print(line).await;
        }
    }

    async fn hand_on(
        self: &Arc<Self>,
        call: &Call,
        line: Vec<u8>,
        go: Go,
        name: String,
        to_server: &mpsc::Sender<Vec<u8>>,
    ) {
        let ours = call
            .state
            .as_deref()
            .is_some_and(|state| answer::round(state).is_some());
        let line = match (&go.changed, ours) {
            (None, false) => Some(line),
            (None, true) => wire::rewritten(&line, &call.name, None),
            (Some((tool, arguments)), _) => self
                .own_tool(tool)
                .and_then(|tool| wire::rewritten(&line, tool, Some(arguments))),
        };
        let Some(line) = line else {
            self.report(
                go.id,
                Some("its alternative is no tool of this server".to_owned()),
                Duration::ZERO,
            );
            let sentence =
                "Policy puts another tool in place of this one, which is not on this server. Nothing was run.";
            let told = answer::told(&call.id, call.modern, sentence, &go.decision);
            return self.reply(call, told).await;
        };
        // Room first: once the call counts as running, it is handed on without another wait.
        let Ok(room) = to_server.reserve().await else {
            return self.report(go.id, Some("the server had ended".to_owned()), Duration::ZERO);
        };
        let key = wire::key(&call.id);
        let mut calls = lock(&self.calls);
        if calls.closed || calls.held.remove(&key).is_none() {
            drop(calls);
            return self.report(
                go.id,
                Some("the client had hung up before it ran".to_owned()),
                Duration::ZERO,
            );
        }
        let timeout = go.timeout.map(|limit| self.end_after(limit, call, to_server));
        let running = Running {
            action: go.id,
            name,
            since: Instant::now(),
            timeout,
        };
        calls.running.insert(key, running);
        room.send(line);
    }

    /// The name of a tool of this server, out of its name in policy.
    fn own_tool<'a>(&self, tool: &'a str) -> Option<&'a str> {
        match tool.split_once('/') {
            Some((server, name)) => (server == self.options.server).then_some(name),
            None => Some(tool),
        }
    }

    /// Ends a call that runs longer than policy lets it.
    fn end_after(self: &Arc<Self>, limit: Duration, call: &Call, to_server: &mpsc::Sender<Vec<u8>>) -> AbortHandle {
        // A clock that runs does not keep the server's input open after the client has hung up.
        let (wrapper, to_server) = (Arc::clone(self), to_server.downgrade());
        let (id, modern) = (call.id.clone(), call.modern);
        let task = tokio::spawn(async move {
            tokio::time::sleep(limit).await;
            let Some(running) = lock(&wrapper.calls).running.remove(&wire::key(&id)) else {
                return;
            };
            let why = format!("it ran longer than the {} s that policy allows", limit.as_secs());
            let told = answer::told(&id, modern, &format!("Ended: {why}."), &Value::Null);
            wrapper.print(told).await;
            if let Some(to_server) = to_server.upgrade() {
                let _ = to_server.send(answer::cancelled(&id, &why)).await;
            }
            wrapper.report(running.action, Some(why), running.since.elapsed());
        });
        task.abort_handle()
    }

    fn finish(&self, answered: Answered) {
        let Some(running) = lock(&self.calls).running.remove(&answered.id) else {
            return;
        };
        if let Some(timeout) = running.timeout {
            timeout.abort();
        }
        if let Some(state) = answered.state {
            lock(&self.calls)
                .unfinished
                .insert((running.name, state), running.action);
            return;
        }
        self.report(running.action, answered.error, running.since.elapsed());
    }

    fn report(&self, action: String, error: Option<String>, took: Duration) {
        let governor = self.governor.clone();
        let mut reports = lock(&self.reports);
        while reports.try_join_next().is_some() {}
        reports.spawn(async move { governor.report(&action, error, took).await });
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
            (
                std::mem::take(&mut calls.running),
                std::mem::take(&mut calls.unfinished),
            )
        };
        for call in running.into_values() {
            let why = "the server ended before it answered".to_owned();
            self.report(call.action, Some(why), call.since.elapsed());
        }
        for action in unfinished.into_values() {
            let why = "the client did not come back with it".to_owned();
            self.report(action, Some(why), Duration::ZERO);
        }
    }
}
