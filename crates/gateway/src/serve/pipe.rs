//! A server of tools that speaks over its standard input and output, shared by requests that wait for their answers.
//!
//! Requests get ids of ours on the way there and theirs back on the way here, since two clients may count alike.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::BufReader;
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};

use crate::lines::{feed, next_line};
use crate::stdio::lock;
use crate::{answer, wire};

/// Lines that may wait for a slow reader.
const QUEUE: usize = 64;
/// How long a server may take to end once its input has.
const GRACE: Duration = Duration::from_secs(5);

/// A request that waits for its answer.
struct Asked {
    /// The client's id.
    id: Value,
    /// Where progress is told.
    token: Option<Value>,
    /// Who waits.
    to: mpsc::Sender<Vec<u8>>,
}

#[derive(Default)]
struct Waiting {
    asked: BTreeMap<u64, Asked>,
    /// Who listens to what belongs to no request.
    stray: Option<mpsc::Sender<Vec<u8>>>,
    ended: bool,
}

/// A running server. It ends when this is dropped.
pub(super) struct Pipe {
    to_server: mpsc::Sender<Vec<u8>>,
    waiting: Arc<Mutex<Waiting>>,
    next: AtomicU64,
    /// Dropped with the pipe: the server is to end.
    _stop: oneshot::Sender<()>,
}

impl Pipe {
    /// Starts a server.
    pub(super) fn start(
        program: &str,
        arguments: &[String],
        variables: &[(String, zeroize::Zeroizing<String>)],
    ) -> std::io::Result<Pipe> {
        let mut command = Command::new(program);
        command.args(arguments);
        // What may ask for decisions or credentials is not for the tools.
        for ours in ["COUNTERSIGN_KEY", "COUNTERSIGN_GATEWAY_KEY"] {
            command.env_remove(ours);
        }
        for (name, value) in variables {
            command.env(name, value.as_str());
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(std::io::Error::other("the server has no standard input and output"));
        };
        let (to_server, for_server) = mpsc::channel(QUEUE);
        let (stop, stopped) = oneshot::channel();
        let waiting = Arc::new(Mutex::new(Waiting::default()));
        tokio::spawn(feed(stdin, for_server));
        tokio::spawn(listen(child, stdout, Arc::clone(&waiting), stopped));
        Ok(Pipe {
            to_server,
            waiting,
            next: AtomicU64::new(1),
            _stop: stop,
        })
    }

    /// Whether the server is still there.
    pub(super) fn lives(&self) -> bool {
        !lock(&self.waiting).ended
    }

    /// Hands a request on. What comes of it comes out of the receiver, the answer last; nothing more comes when the server
    /// ends before it answers.
    pub(super) async fn ask(&self, line: &[u8], seen: &wire::Seen) -> Option<(u64, mpsc::Receiver<Vec<u8>>)> {
        let id = seen.id.clone()?;
        let ours = self.next.fetch_add(1, Ordering::Relaxed);
        let line = wire::with_id(line, &ours.into())?;
        let (to, answers) = mpsc::channel(QUEUE);
        {
            let mut waiting = lock(&self.waiting);
            if waiting.ended {
                return None;
            }
            let token = seen.progress.clone();
            waiting.asked.insert(ours, Asked { id, token, to });
        }
        if self.to_server.send(line).await.is_err() {
            lock(&self.waiting).asked.remove(&ours);
            return None;
        }
        Some((ours, answers))
    }

    /// Hands on what needs no answer.
    pub(super) async fn tell(&self, line: Vec<u8>) {
        let _ = self.to_server.send(line).await;
    }

    /// Tells the server that nobody waits for a request any more.
    pub(super) async fn cancel(&self, ours: u64, why: &str) {
        if lock(&self.waiting).asked.remove(&ours).is_some() {
            self.tell(answer::cancelled(&ours.into(), why)).await;
        }
    }

    /// The same, by the client's own id.
    pub(super) async fn cancel_of(&self, id: &str, why: &str) {
        let found = (lock(&self.waiting).asked.iter())
            .find(|(_, asked)| wire::key(&asked.id) == id)
            .map(|(ours, _)| *ours);
        if let Some(ours) = found {
            self.cancel(ours, why).await;
        }
    }

    /// Listens to what belongs to no request. Whoever listened before does no more.
    pub(super) fn listen_to_strays(&self) -> mpsc::Receiver<Vec<u8>> {
        let (to, strays) = mpsc::channel(QUEUE);
        lock(&self.waiting).stray = Some(to);
        strays
    }
}

async fn listen(
    mut child: Child,
    stdout: ChildStdout,
    waiting: Arc<Mutex<Waiting>>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut output = BufReader::new(stdout);
    loop {
        let line = tokio::select! {
            line = next_line(&mut output) => line,
            _ = &mut stopped => None,
        };
        let Some(line) = line else { break };
        if let Some((to, line)) = addressed(&waiting, line) {
            // A reader that has gone, or is too slow for what it did not ask for, misses it; the others do not wait.
            let _ = tokio::time::timeout(GRACE, to.send(line)).await;
        }
    }
    {
        let mut waiting = lock(&waiting);
        waiting.ended = true;
        waiting.asked.clear();
        waiting.stray = None;
    }
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}

/// Whom a line of the server is for, and as they know it.
fn addressed(waiting: &Mutex<Waiting>, line: Vec<u8>) -> Option<(mpsc::Sender<Vec<u8>>, Vec<u8>)> {
    let mut waiting = lock(waiting);
    if let Some(answered) = wire::answered(&line) {
        let asked = waiting.asked.remove(&answered.id.parse().ok()?)?;
        return Some((asked.to, wire::with_id(&line, &asked.id)?));
    }
    let token = wire::progress_of(&line);
    let told = token.and_then(|token| {
        let asked = waiting
            .asked
            .values()
            .find(|asked| asked.token.as_ref() == Some(&token));
        asked.map(|asked| asked.to.clone())
    });
    let first = || waiting.asked.values().next().map(|asked| asked.to.clone());
    let to = told
        .or_else(|| waiting.stray.clone().filter(|to| !to.is_closed()))
        .or_else(first)?;
    Some((to, line))
}
