//! What is open: sessions of clients, servers that run for them, and what servers behind HTTP are reached with.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use countersign_core::digest::hex;
use tokio::task::AbortHandle;
use zeroize::Zeroizing;

use super::pipe::Pipe;
use crate::stdio::lock;

/// After so long without a request a session is over.
const IDLE: Duration = Duration::from_secs(30 * 60);
/// How long a credential is used for what is no call of a tool, before the server is reached anew.
const CONNECTED: Duration = Duration::from_secs(10 * 60);
/// How many sessions one agent has, and all agents together.
const OF_ONE: usize = 32;
const OF_ALL: usize = 512;

/// A client's session.
struct Session {
    owner: String,
    server: String,
    /// The server that runs for it; none behind HTTP.
    pipe: Option<Arc<Pipe>>,
    /// Calls that are decided, by the client's id.
    held: BTreeMap<String, AbortHandle>,
    used: Instant,
}

#[derive(Default)]
struct Open {
    sessions: BTreeMap<String, Session>,
    /// Servers that run for clients without sessions, by owner and server.
    shared: BTreeMap<(String, String), (Arc<Pipe>, Instant)>,
    /// What servers behind HTTP are reached with, by owner and server.
    connected: BTreeMap<(String, String), (Zeroizing<String>, Instant)>,
}

impl Open {
    fn count(&self, owner: &str) -> usize {
        let shared = self.shared.keys().filter(|(of, _)| of == owner).count();
        shared + self.sessions.values().filter(|session| session.owner == owner).count()
    }
}

/// Everything that is open.
#[derive(Default)]
pub(super) struct Sessions(Mutex<Open>);

impl Sessions {
    /// Whether an agent may open one more.
    pub(super) fn has_room(&self, owner: &str) -> bool {
        let open = lock(&self.0);
        open.sessions.len() + open.shared.len() < OF_ALL && open.count(owner) < OF_ONE
    }

    /// Opens a session under an id of the server's, or under one of ours. `None` if there are no random numbers, or the id
    /// is another agent's.
    pub(super) fn open(
        &self,
        owner: &str,
        server: &str,
        id: Option<String>,
        pipe: Option<Arc<Pipe>>,
    ) -> Option<String> {
        let id = match id {
            Some(id) => id,
            None => {
                let mut bytes = [0_u8; 24];
                getrandom::fill(&mut bytes).ok()?;
                hex(&bytes)
            }
        };
        let session = Session {
            owner: owner.to_owned(),
            server: server.to_owned(),
            pipe,
            held: BTreeMap::new(),
            used: Instant::now(),
        };
        let mut open = lock(&self.0);
        if open.sessions.get(&id).is_some_and(|known| known.owner != owner) {
            return None;
        }
        open.sessions.insert(id.clone(), session);
        Some(id)
    }

    /// The server that runs for a session of this agent. The outer `None` if there is no such session.
    pub(super) fn find(&self, owner: &str, server: &str, id: &str) -> Option<Option<Arc<Pipe>>> {
        let mut open = lock(&self.0);
        let session = open.sessions.get_mut(id)?;
        if session.owner != owner || session.server != server {
            return None;
        }
        session.used = Instant::now();
        let pipe = session.pipe.clone();
        if pipe.as_ref().is_some_and(|pipe| !pipe.lives()) {
            open.sessions.remove(id);
            return None;
        }
        Some(pipe)
    }

    /// Ends a session, and what it holds.
    pub(super) fn end(&self, id: &str) {
        if let Some(session) = lock(&self.0).sessions.remove(id) {
            session.held.into_values().for_each(|task| task.abort());
        }
    }

    /// Ends everything.
    pub(super) fn end_all(&self) {
        let open = std::mem::take(&mut *lock(&self.0));
        let held = open
            .sessions
            .into_values()
            .flat_map(|session| session.held.into_values());
        held.for_each(|task| task.abort());
    }

    /// Ends what nobody has used for long.
    pub(super) fn sweep(&self) {
        let mut open = lock(&self.0);
        // What waits for people is in use.
        open.sessions
            .retain(|_, session| !session.held.is_empty() || session.used.elapsed() < IDLE);
        open.shared
            .retain(|_, (pipe, used)| pipe.lives() && used.elapsed() < IDLE);
        open.connected.retain(|_, (_, since)| since.elapsed() < CONNECTED);
    }

    /// Notes a call that is decided: it may be cancelled.
    pub(super) fn hold(&self, session: &str, call: &str, task: AbortHandle) {
        if let Some(session) = lock(&self.0).sessions.get_mut(session) {
            session.held.insert(call.to_owned(), task);
        }
    }

    /// The call goes on, or is answered: it is not held any more.
    pub(super) fn let_go(&self, session: &str, call: &str) {
        if let Some(session) = lock(&self.0).sessions.get_mut(session) {
            session.held.remove(call);
        }
    }

    /// Drops a call that is held. False if there is none.
    pub(super) fn abandon(&self, session: &str, call: &str) -> bool {
        let mut open = lock(&self.0);
        let held = (open.sessions.get_mut(session)).and_then(|session| session.held.remove(call));
        held.inspect(AbortHandle::abort).is_some()
    }

    /// The server that runs for an agent's requests without a session.
    pub(super) fn shared(&self, owner: &str, server: &str) -> Option<Arc<Pipe>> {
        let mut open = lock(&self.0);
        let (pipe, used) = open.shared.get_mut(&(owner.to_owned(), server.to_owned()))?;
        *used = Instant::now();
        pipe.lives().then(|| Arc::clone(pipe))
    }

    /// Keeps such a server; of two that were started at once the first stays.
    pub(super) fn share(&self, owner: &str, server: &str, pipe: Arc<Pipe>) -> Arc<Pipe> {
        let mut open = lock(&self.0);
        let place = (owner.to_owned(), server.to_owned());
        if let Some((there, _)) = open.shared.get(&place).filter(|(there, _)| there.lives()) {
            return Arc::clone(there);
        }
        open.shared.insert(place, (Arc::clone(&pipe), Instant::now()));
        pipe
    }

    /// What a server behind HTTP is reached with.
    pub(super) fn connected(&self, owner: &str, server: &str) -> Option<Zeroizing<String>> {
        let open = lock(&self.0);
        let (value, since) = open.connected.get(&(owner.to_owned(), server.to_owned()))?;
        (since.elapsed() < CONNECTED).then(|| value.clone())
    }

    /// Keeps it for a while.
    pub(super) fn connect(&self, owner: &str, server: &str, value: Zeroizing<String>) {
        let place = (owner.to_owned(), server.to_owned());
        lock(&self.0).connected.insert(place, (value, Instant::now()));
    }

    /// It is not good any more.
    pub(super) fn disconnect(&self, owner: &str, server: &str) {
        lock(&self.0).connected.remove(&(owner.to_owned(), server.to_owned()));
    }
}
