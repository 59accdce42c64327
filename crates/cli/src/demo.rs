//! The demonstration: a server, an organization and an agent that makes real calls, told step by step.

mod receiver;
mod script;
mod stage;
mod transcript;

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::console::{Console, say};
use crate::failure::{Failure, NO, Result};
use script::Script;
use stage::Stage;
use transcript::Transcript;

/// How it is shown.
pub(crate) struct Options {
    /// The person at the terminal decides.
    pub(crate) interactive: bool,
    /// The server goes on afterwards.
    pub(crate) keep: bool,
    /// Where the data folder is made.
    pub(crate) data: Option<PathBuf>,
}

const INTRODUCTION: &str = "\
Countersign stands between AI agents and the tools that they use. An agent asks before it acts; policy answers
allow, deny, allow within limits, a safer way, or: ask a person. Whatever may run gets a signed permit for exactly
that, and everything is kept in a record that anybody can verify.

What follows is real: a server on this machine, an empty ledger, the policies of examples/support-refunds, and calls
over HTTP. `→` is what is sent, `←` is what comes back.
";

/// Runs the demonstration. The exit code says whether every step got what it should.
pub(crate) async fn run(options: Options, console: &Console) -> Result<ExitCode> {
    let mut transcript = Transcript::new(console.json);
    transcript.tell(INTRODUCTION);
    let stage = Stage::set(options.data.as_deref(), options.keep).await?;
    let played = async {
        let mut script = Script::new(&stage, &mut transcript, options.interactive).await?;
        script.play().await
    }
    .await;
    let fine = played.is_ok() && transcript.failures() == 0;
    if console.json {
        let mut value = json!({ "ok": fine, "steps": transcript.steps() });
        if let (true, Some(fields), Ok(keys)) = (options.keep, value.as_object_mut(), &played) {
            fields.insert("url".into(), stage.url().into());
            fields.insert(
                "keys".into(),
                json!({ "agent": keys.agent, "admin": keys.admin, "reviewer": keys.reviewer }),
            );
        }
        say(serde_json::to_string_pretty(&value).unwrap_or_default());
    } else {
        say(transcript.summary());
    }
    if let (true, Ok(keys)) = (options.keep, &played) {
        if !console.json {
            say(stage.invitation(keys));
        }
        stage.keep().await?;
        wait_for_stop().await?;
    }
    stage.clear(options.keep || options.data.is_some()).await;
    played?;
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::from(NO) })
}

async fn wait_for_stop() -> Result<()> {
    let failed = |error| Failure::unreachable(format!("cannot listen for signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
