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
    /// Calls that are not answered yet, by the client's id.
    calls: BTreeMap<String, Call>,
    used: Instant,
}

/// A call that is not answered yet.
struct Call {
    /// Tells it from a later call with the same id.
    number: u64,
    stage: Stage,
}

enum Stage {
    /// It is decided, and may be dropped by this.
    Held(Option<AbortHandle>),
    /// It was handed on.
    Running,
}

impl Session {
    fn drop_held(self) {
        self.calls.into_values().for_each(Call::drop_held);
    }
}

impl Call {
    fn drop_held(self) {
        if let Stage::Held(Some(task)) = self.stage {
            task.abort();
        }
    }
}

#[derive(Default)]
struct Open {
    sessions: BTreeMap<String, Session>,
    /// Servers that run for clients without sessions, by owner and server.
    shared: BTreeMap<(String, String), (Arc<Pipe>, Instant)>,
    /// What servers behind HTTP are reached with, by owner and server.
    connected: BTreeMap<(String, String), (Zeroizing<String>, Instant)>,
    /// How many calls there were.
    calls: u64,
}

impl Open {
    fn count(&self, owner: &str) -> usize {
        let shared = self.shared.keys().filter(|(of, _)| of == owner).count();
        shared + self.sessions.values().filter(|session| session.owner == owner).count()
    }

    /// Whether an agent may open one more.
    fn room(&self, owner: &str) -> Result<(), String> {
        if self.sessions.len() + self.shared.len() >= OF_ALL || self.count(owner) >= OF_ONE {
            return Err("too many sessions are open: end one".to_owned());
        }
        Ok(())
    }

    fn call(&mut self, place: &Place) -> Option<&mut Call> {
        let call = self.sessions.get_mut(&place.session)?.calls.get_mut(&place.call)?;
        (call.number == place.number).then_some(call)
    }
}

/// The place of a call among those of its session, until the value is dropped.
pub(super) struct Place {
    open: Arc<Mutex<Open>>,
    session: String,
    call: String,
    number: u64,
}

impl Place {
    /// From now on whoever cancels the call drops this task. False if it was cancelled before.
    pub(super) fn dropped_by(&self, task: AbortHandle) -> bool {
        let mut open = lock(&self.open);
        let Some(call) = open.call(self) else { return false };
        call.stage = Stage::Held(Some(task));
        true
    }

    /// The call goes on: it is not held any more. False if it was cancelled, or its session ended: then nothing may run.
    pub(super) fn let_go(&self) -> bool {
        let mut open = lock(&self.open);
        let Some(call) = open.call(self) else { return false };
        call.stage = Stage::Running;
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = lock(&self.open);
        if open.call(self).is_some()
            && let Some(session) = open.sessions.get_mut(&self.session)
        {
            session.calls.remove(&self.call);
        }
    }
}

/// Why a call has no place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unplaced {
    /// Its session is over.
    Gone,
    /// A call with its id is not answered yet.
    Busy,
}

/// Everything that is open.
#[derive(Default)]
pub(super) struct Sessions(Arc<Mutex<Open>>);

impl Sessions {
    /// Whether an agent may open one more: looked at before something is started for it, and again when it is opened.
    pub(super) fn room(&self, owner: &str) -> Result<(), String> {
        lock(&self.0).room(owner)
    }

    /// Opens a session under an id of the server's, or under one of ours. One that this agent has open stays as it is.
    ///
    /// # Errors
    /// There is no room or are no random numbers, or the id is another agent's or another server's.
    pub(super) fn open(
        &self,
        owner: &str,
        server: &str,
        id: Option<String>,
        pipe: Option<Arc<Pipe>>,
    ) -> Result<String, String> {
        let id = match id {
            Some(id) => id,
            None => {
                let mut bytes = [0_u8; 24];
                getrandom::fill(&mut bytes).map_err(|error| format!("no session can be opened: {error}"))?;
                hex(&bytes)
            }
        };
        let mut open = lock(&self.0);
        if let Some(known) = open.sessions.get_mut(&id) {
            if known.owner != owner || known.server != server {
                return Err("the tool's server opened a session that is there already".to_owned());
            }
            known.used = Instant::now();
            return Ok(id);
        }
        open.room(owner)?;
        let session = Session {
            owner: owner.to_owned(),
            server: server.to_owned(),
            pipe,
            calls: BTreeMap::new(),
            used: Instant::now(),
        };
        open.sessions.insert(id.clone(), session);
        Ok(id)
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
        let ended = lock(&self.0).sessions.remove(id);
        ended.into_iter().for_each(Session::drop_held);
    }

    /// Ends everything.
    pub(super) fn end_all(&self) {
        let open = std::mem::take(&mut *lock(&self.0));
        open.sessions.into_values().for_each(Session::drop_held);
    }

    /// Ends what nobody has used for long.
    pub(super) fn sweep(&self) {
        let mut open = lock(&self.0);
        // What waits for people, or runs, is in use.
        open.sessions
            .retain(|_, session| !session.calls.is_empty() || session.used.elapsed() < IDLE);
        open.shared
            .retain(|_, (pipe, used)| pipe.lives() && used.elapsed() < IDLE);
        open.connected.retain(|_, (_, since)| since.elapsed() < CONNECTED);
    }

    /// Notes a call that is decided: it may be cancelled until its place lets it go.
    pub(super) fn hold(&self, session: &str, call: &str) -> Result<Place, Unplaced> {
        let mut open = lock(&self.0);
        let number = open.calls;
        let calls = &mut open.sessions.get_mut(session).ok_or(Unplaced::Gone)?.calls;
        if calls.contains_key(call) {
            return Err(Unplaced::Busy);
        }
        let stage = Stage::Held(None);
        calls.insert(call.to_owned(), Call { number, stage });
        open.calls += 1;
        Ok(Place {
            open: Arc::clone(&self.0),
            session: session.to_owned(),
            call: call.to_owned(),
            number,
        })
    }

    /// Drops a call that is held. False if there is none: it may have been handed on.
    pub(super) fn abandon(&self, session: &str, call: &str) -> bool {
        let mut open = lock(&self.0);
        let Some(session) = open.sessions.get_mut(session) else {
            return false;
        };
        let held = |call: &mut Call| matches!(call.stage, Stage::Held(_));
        if !session.calls.get_mut(call).is_some_and(held) {
            return false;
        }
        let dropped = session.calls.remove(call);
        drop(open);
        dropped.into_iter().for_each(Call::drop_held);
        true
    }

    /// The server that runs for an agent's requests without a session.
    pub(super) fn shared(&self, owner: &str, server: &str) -> Option<Arc<Pipe>> {
        let mut open = lock(&self.0);
        let (pipe, used) = open.shared.get_mut(&(owner.to_owned(), server.to_owned()))?;
        *used = Instant::now();
        pipe.lives().then(|| Arc::clone(pipe))
    }

    /// Keeps such a server; of two that were started at once the first stays.
    ///
    /// # Errors
    /// There is no room.
    pub(super) fn share(&self, owner: &str, server: &str, pipe: Arc<Pipe>) -> Result<Arc<Pipe>, String> {
        let mut open = lock(&self.0);
        let place = (owner.to_owned(), server.to_owned());
        if let Some((there, _)) = open.shared.get(&place).filter(|(there, _)| there.lives()) {
            return Ok(Arc::clone(there));
        }
        // The place of one that has ended is free.
        open.shared.remove(&place);
        open.room(owner)?;
        open.shared.insert(place, (Arc::clone(&pipe), Instant::now()));
        Ok(pipe)
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

#[cfg(test)]
#[path = "sessions_tests.rs"]
mod tests;
