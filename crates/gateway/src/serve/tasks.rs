//! Tasks of the gateway's clients: what they ask of them, and the calls that run as one.

use std::sync::Arc;

use axum::response::Response;
use serde_json::Map;
use tokio::sync::mpsc;

use super::call::{self, Asked};
use super::caller::Caller;
use super::door::{Door, QUEUE};
use super::reach::Target;
use super::{App, reply};
use crate::answer;
use crate::calls::{self, Round};
use crate::tasks::{Begun, Place};
use crate::wire::{self, Call, Seen};

impl Door<'_> {
    /// Answers a question about one of our tasks.
    pub(super) async fn asked_of_a_task(self, app: &Arc<App>, seen: &Seen, place: Place) -> Response {
        let (Some(method), Some(id)) = (seen.method.as_deref(), &seen.id) else {
            return reply::status(400);
        };
        let said = match method {
            "tasks/get" => {
                if app.tasks.waits(&place) {
                    // Reached before the permit is used: what cannot be reached uses none up.
                    let target = match self.find(app, seen).await {
                        Ok(target) => target,
                        Err(response) => return response,
                    };
                    let looking = look(Arc::clone(app), self.caller.clone(), target, place.clone());
                    // Who hangs up meanwhile has asked all the same, and finds out later what came of it.
                    let _ = tokio::spawn(looking).await;
                }
                app.tasks.told(id, &place)
            }
            "tasks/cancel" if app.tasks.knows(&place) => {
                app.tasks.cancel(&place);
                answer::result(id, Map::new())
            }
            "tasks/update" if app.tasks.knows(&place) => answer::result(id, Map::new()),
            "tasks/cancel" | "tasks/update" => app.tasks.told(id, &place),
            _ => return reply::error(404, Some(id), -32601, "no such method"),
        };
        reply::message(200, said)
    }
}

/// The action that a call is, where the gateway lets its tool be called.
fn action_of(app: &App, server: &str, call: &Call) -> Option<countersign_api::ActionBody> {
    let action = calls::action(server, app.options.env.as_deref(), None, call);
    let known = |tool: &String| app.pins.as_ref().is_none_or(|pins| pins.knows(tool));
    action.tool.as_ref().is_some_and(known).then_some(action)
}

/// Looks whether people have decided, and lets the call run if they said yes.
async fn look(app: Arc<App>, caller: Caller, target: Target, place: Place) {
    let action = |call: &Call| action_of(&app, &place.server, call);
    let Some(begun) = app.tasks.look(&place, &caller.governor, action).await else {
        return;
    };
    let Begun { call, line, go, name } = begun;
    let (out, messages) = mpsc::channel(QUEUE);
    let following = tokio::spawn(follow(Arc::clone(&app), place.clone(), messages));
    // Whoever cancels the task hangs up.
    app.tasks.ended_by(&place, following.abort_handle());
    let asked = Asked {
        seen: wire::look(&line),
        target: target.for_call(&call.name),
        line,
        call,
        caller,
        place: None,
        out,
    };
    tokio::spawn(async move { call::hand_on(&app, asked, Round::first(*go), name).await });
}

/// Keeps what comes of a call for whoever asks.
async fn follow(app: Arc<App>, place: Place, mut messages: mpsc::Receiver<Vec<u8>>) {
    let id = place.id.as_str().into();
    let key = wire::key(&id);
    while let Some(message) = messages.recv().await {
        if wire::answered(&message).is_some_and(|answered| answered.id == key) {
            return app.tasks.end(&place, &message);
        }
    }
    app.tasks
        .end(&place, &answer::error(&id, -32603, "the call was not answered"));
}
