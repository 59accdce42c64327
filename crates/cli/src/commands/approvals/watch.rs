//! Requests as they begin to wait, until somebody has seen enough.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use countersign_api::ApprovalAnswer;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::list::{left, now, waiting};
use super::show::wish;
use crate::connect::{About, Connection, Session};
use crate::console::{Console, is_watched, note, say};
use crate::failure::{Failure, Result, UNREACHABLE};
use crate::paint::{Paint, Tone};

/// How long a server may be away before the next try, at most.
const PATIENCE_S: u64 = 30;

#[derive(Args)]
pub(super) struct Watch {
    /// Requests that others decide as well
    #[arg(long)]
    all: bool,
    /// How often the server is asked, in seconds
    #[arg(long, default_value_t = 2, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
    #[command(flatten)]
    connection: Connection,
}

impl Watch {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        let work = async |session: &Session| {
            let stop = |kind| signal(kind).map_err(|error| Failure::unreachable(format!("no signals: {error}")));
            let (mut interrupt, mut terminate) = (stop(SignalKind::interrupt())?, stop(SignalKind::terminate())?);
            if is_watched() && !console.json {
                note("waiting for requests; Ctrl-C ends");
            }
            tokio::select! {
                ended = self.watch(session, console) => ended,
                _ = interrupt.recv() => Ok(()),
                _ = terminate.recv() => Ok(()),
            }
        };
        self.connection.with(About::Organization, work).await
    }

    /// Goes on until it is refused. A server that is away for a while is waited for, once it was there.
    async fn watch(&self, session: &Session, console: &Console) -> Result<()> {
        let mut known = BTreeSet::new();
        let mut pause = self.every;
        let mut greeted = false;
        loop {
            match waiting(session, self.all).await {
                Ok(answer) => {
                    if pause > self.every {
                        note("the server is back");
                    }
                    (pause, greeted) = (self.every, true);
                    let open: BTreeSet<String> = answer.approvals.iter().map(|one| one.id.clone()).collect();
                    for approval in answer.approvals.iter().filter(|one| !known.contains(&one.id)) {
                        appeared(approval, console);
                    }
                    for id in known.difference(&open) {
                        gone(id, console);
                    }
                    known = open;
                }
                Err(failure) if greeted && failure.exit == UNREACHABLE => {
                    if pause == self.every {
                        note(format_args!("{}; trying again", failure.what));
                    }
                    pause = (pause * 2).clamp(self.every + 1, PATIENCE_S.max(self.every + 1));
                }
                Err(failure) => return Err(failure),
            }
            tokio::time::sleep(Duration::from_secs(pause)).await;
        }
    }
}

fn appeared(approval: &ApprovalAnswer, console: &Console) {
    if console.json {
        return line(&json!({ "event": "waiting", "approval": approval }));
    }
    let paint = Paint::of_output();
    let rest = left(&approval.deadline, now());
    say(format_args!(
        "{}  {}  {}",
        paint.tone(Tone::Head, &approval.id),
        paint.tone(Tone::Soon, &format!("{rest} left")),
        wish(approval)
    ));
}

fn gone(id: &str, console: &Console) {
    if console.json {
        return line(&json!({ "event": "gone", "id": id }));
    }
    let told = format!("{id}  waits no longer");
    say(Paint::of_output().tone(Tone::Quiet, &told));
}

/// One JSON value on one line.
fn line(value: &Value) {
    say(value);
}
