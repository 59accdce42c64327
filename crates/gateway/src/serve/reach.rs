//! Reaching a server of tools for an agent: with its credential, and by the way that it has.

use std::sync::Arc;

use countersign_client::Method;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::caller::Caller;
use super::pipe::Pipe;
use super::{App, Way};
use crate::broker::Place;
use crate::wire::Seen;

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
        if !self.sessions.has_room(&caller.owner) {
            return Err("too many sessions are open: end one".to_owned());
        }
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

    /// The header that a server behind HTTP wants its credential in: for a call by the call's own permit.
    async fn proof(
        &self,
        caller: &Caller,
        server: &str,
        permit: Option<&str>,
    ) -> Result<Option<(String, String)>, String> {
        let need = self
            .options
            .upstreams
            .get(server)
            .and_then(|upstream| upstream.need.as_ref());
        let Some(need) = need else { return Ok(None) };
        let value = match (permit, self.sessions.connected(&caller.owner, server)) {
            (Some(permit), _) => {
                let broker = self.broker.as_ref();
                let broker = broker.ok_or("the gateway has no key to get the credential of the tool's server with")?;
                broker.release(permit, &need.credential).await?
            }
            (None, Some(value)) => value,
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
        permit: Option<&str>,
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
        self.send(caller, target, Method::POST, Some(line), permit).await
    }

    /// Sends anything to a server behind HTTP.
    pub(super) async fn send(
        &self,
        caller: &Caller,
        target: &Target,
        method: Method,
        body: Option<Vec<u8>>,
        permit: Option<&str>,
    ) -> Result<Coming, String> {
        let remote = self.remotes.get(&target.server).ok_or("there is no such server")?;
        let mut headers = target.headers.clone();
        headers.extend(self.proof(caller, &target.server, permit).await?);
        let begun = remote.send(method, headers, body).await?;
        if matches!(begun.status, 401 | 403) {
            self.sessions.disconnect(&caller.owner, &target.server);
            return Err(format!(
                "the tool's server does not let the gateway in (status {})",
                begun.status
            ));
        }
        Ok(Coming {
            status: begun.status,
            session: begun.session,
            messages: begun.messages,
            ours: None,
        })
    }
}
