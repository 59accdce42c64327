//! Tasks of a wrapper's client: what it asks of them, and the calls that run as one.

use std::sync::Arc;

use serde_json::Map;
use tokio::sync::mpsc;

use super::{Wrapper, lock};
use crate::calls::{self, Round};
use crate::tasks::Place;
use crate::wire::Seen;
use crate::{answer, wire};

impl Wrapper {
    /// Answers a question about one of our tasks, in a task of its own: others overtake it.
    pub(super) async fn asked_of_a_task(self: Arc<Self>, seen: Seen, place: Place, to_server: mpsc::Sender<Vec<u8>>) {
        let (Some(method), Some(id)) = (seen.method.as_deref(), &seen.id) else {
            return;
        };
        let said = match method {
            "tasks/get" => {
                self.look(&place, &to_server).await;
                self.tasks.told(id, &place)
            }
            "tasks/cancel" if self.tasks.knows(&place) => {
                self.cancel_task(&place, &to_server).await;
                answer::result(id, Map::new())
            }
            "tasks/update" if self.tasks.knows(&place) => answer::result(id, Map::new()),
            "tasks/cancel" | "tasks/update" => self.tasks.told(id, &place),
            _ => answer::error(id, -32601, "no such method"),
        };
        self.print(said).await;
    }

    /// Looks whether people have decided, and lets the call run if they said yes.
    async fn look(self: &Arc<Self>, place: &Place, to_server: &mpsc::Sender<Vec<u8>>) {
        let options = &self.options;
        let (server, env) = (&options.server, options.env.as_deref());
        let action = |call: &wire::Call| Some(calls::action(server, env, options.run.clone(), call));
        let Some(begun) = self.tasks.look(place, &self.governor, action).await else {
            return;
        };
        // From here on it is a call like any other, of which we are the client.
        let (key, round) = (wire::key(&begun.call.id), Round::first(*begun.go));
        lock(&self.calls).held.insert(key.clone(), None);
        if !self.tasks.lives(place) {
            // Whoever cancelled it a moment ago may have looked for it before it was there.
            lock(&self.calls).held.remove(&key);
        }
        self.hand_on(&begun.call, begun.line, round, begun.name, to_server)
            .await;
    }

    async fn cancel_task(&self, place: &Place, to_server: &mpsc::Sender<Vec<u8>>) {
        if !self.tasks.cancel(place) {
            return;
        }
        let id = place.id.as_str().into();
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
