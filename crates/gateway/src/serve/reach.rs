//! Reaching a server of tools for an agent: with its credential, and by the way that it has.

use std::sync::Arc;

use countersign_client::Method;
use serde_json::Value;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::caller::Caller;
use super::door::in_header;
use super::pipe::Pipe;
use super::{App, Way};
use crate::broker::Place;
use crate::wire::{self, Answered, Seen};

/// Where a message of an agent goes.
pub(super) struct Target {
    /// The server's name.
    pub(super) server: String,
    /// The client's session.
    pub(super) session: Option<String>,
    /// The server that runs for it; none behind HTTP.
    pub(super) pipe: Option<Arc<Pipe>>,
    /// Headers of the client that go on.
    pub(super) headers: Vec<(String, String)>,
}

impl Target {
    /// The same, for a call of a tool that is made in answer to another request.
    pub(super) fn for_call(self, tool: &str) -> Target {
        let headers = self.headers.into_iter().map(|(name, value)| match name.as_str() {
            "mcp-method" => (name, "tools/call".to_owned()),
            "mcp-name" => (name, in_header(tool)),
            _ => (name, value),
        });
        Target {
            headers: headers.collect(),
            ..self
        }
    }
}

/// What comes back.
pub(super) struct Coming {
    /// The HTTP status of the server's answer.
    pub(super) status: u16,
    /// The session that the server opened.
    pub(super) session: Option<String>,
    /// Messages; the answer is the last.
    pub(super) messages: mpsc::Receiver<Vec<u8>>,
    /// By what a request of a running server is cancelled.
    pub(super) ours: Option<u64>,
}

impl Coming {
    /// Whether the server answered with a status of an error.
    pub(super) fn failed(&self) -> bool {
        self.status >= 400
    }

    /// The answer to a request, under the client's id, if a message is that. With a status of an error it is the answer
    /// whatever its id, since a server may not have read ours.
    pub(super) fn answered(&self, message: &[u8], id: &Value) -> Option<(Vec<u8>, Answered)> {
        let mut answered = wire::answered(message)?;
        let its_own = answered.id == wire::key(id);
        if !self.failed() {
            return its_own.then(|| (message.to_vec(), answered));
        }
        answered.error.get_or_insert_with(|| self.silence());
        answered.state = None;
        Some((wire::with_id(message, id)?, answered))
    }

    /// Why there was no answer.
    pub(super) fn silence(&self) -> String {
        match self.status {
            404 => "the tool's server knows nothing there, or this session is over: begin another one".to_owned(),
            status if self.failed() => format!("the tool's server answered with status {status}"),
            _ => "the tool's server ended before it answered".to_owned(),
        }
    }
}

impl App {
    /// Starts a server for an agent.
    pub(super) async fn start(&self, caller: &Caller, server: &str) -> Result<Arc<Pipe>, String> {
        let upstream = self.options.upstreams.get(server).ok_or("there is no such server")?;
        let Way::Command {
            program,
            arguments,
            variables,
        } = &upstream.way
        else {
            return Err("this server is behind HTTP".to_owned());
        };
        self.sessions.room(&caller.owner)?;
        let mut all: Vec<_> = (variables.iter())
            .map(|(name, value)| (name.clone(), Zeroizing::new(value.clone())))
            .collect();
        if let Some(need) = &upstream.need
            && let Place::Variable(name) = &need.place
        {
            all.push((name.clone(), self.connection(caller, server).await?));
        }
        let started = Pipe::start(program, arguments, &all);
        let pipe = started.map_err(|error| format!("the tool's server cannot be started: {error}"))?;
        Ok(Arc::new(pipe))
    }

    /// What a server is reached with, for what is no call of a tool: an action of its own.
    async fn connection(&self, caller: &Caller, server: &str) -> Result<Zeroizing<String>, String> {
        let need = self
            .options
            .upstreams
            .get(server)
            .and_then(|upstream| upstream.need.as_ref());
        let (Some(need), Some(broker)) = (need, &self.broker) else {
            return Err("the gateway has no key to get the credential of the tool's server with".to_owned());
        };
        let env = self.options.env.as_deref();
        broker
            .connect(&caller.governor, server, need, env, self.options.hold)
            .await
    }

    /// What a server behind HTTP is reached with for one call, by the permit of that call; nothing where it wants nothing, or
    /// got it when it started.
    pub(super) async fn released(&self, server: &str, permit: &str) -> Result<Option<Zeroizing<String>>, String> {
        let need = (self.options.upstreams.get(server)).and_then(|upstream| upstream.need.as_ref());
        let Some(need) = need.filter(|need| matches!(need.place, Place::Header(_))) else {
            return Ok(None);
        };
        let broker = self.broker.as_ref();
        let broker = broker.ok_or("the gateway has no key to get the credential of the tool's server with")?;
        broker.release(permit, &need.credential).await.map(Some)
    }

    /// The header that a server behind HTTP wants its credential in: `value`, which a call got by its own permit, or what
    /// everything else is reached with.
    async fn proof(
        &self,
        caller: &Caller,
        server: &str,
        value: Option<&Zeroizing<String>>,
    ) -> Result<Option<(String, String)>, String> {
        let need = self
            .options
            .upstreams
            .get(server)
            .and_then(|upstream| upstream.need.as_ref());
        let Some(need) = need else { return Ok(None) };
        let value = match (value.cloned(), self.sessions.connected(&caller.owner, server)) {
            (Some(value), _) | (None, Some(value)) => value,
            (None, None) => {
                let value = self.connection(caller, server).await?;
                self.sessions.connect(&caller.owner, server, value.clone());
                value
            }
        };
        Ok(need.header(&value).map(|(name, value)| (name, value.to_string())))
    }

    /// Hands a request on.
    pub(super) async fn ask(
        &self,
        caller: &Caller,
        target: &Target,
        line: Vec<u8>,
        seen: &Seen,
        credential: Option<&Zeroizing<String>>,
    ) -> Result<Coming, String> {
        if let Some(pipe) = &target.pipe {
            let asked = pipe.ask(&line, seen).await;
            let (ours, messages) = asked.ok_or("the tool's server has ended")?;
            return Ok(Coming {
                status: 200,
                session: None,
                messages,
                ours: Some(ours),
            });
        }
        self.send(caller, target, Method::POST, Some(line), credential).await
    }

    /// Sends anything to a server behind HTTP.
    pub(super) async fn send(
        &self,
        caller: &Caller,
        target: &Target,
        method: Method,
        body: Option<Vec<u8>>,
        credential: Option<&Zeroizing<String>>,
    ) -> Result<Coming, String> {
        let remote = self.remotes.get(&target.server).ok_or("there is no such server")?;
        let mut headers = target.headers.clone();
        headers.extend(self.proof(caller, &target.server, credential).await?);
        let begun = remote.send(method, headers, body).await?;
        if matches!(begun.status, 401 | 403) {
            self.sessions.disconnect(&caller.owner, &target.server);
            return Err(format!(
                "the tool's server does not let the gateway in (status {})",
                begun.status
            ));
        }
        if let (404, Some(session)) = (begun.status, &target.session) {
            // The server has forgotten it: the client is to begin another one.
            self.sessions.end(session);
        }
        Ok(Coming {
            status: begun.status,
            session: begun.session,
            messages: begun.messages,
            ours: None,
        })
    }
}
