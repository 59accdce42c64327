//! `countersign hook`: answers the hook of a coding agent.
//!
//! Whatever happens here, the host gets an explicit answer within its time: most hosts let a tool run when a hook fails.

mod install;
mod serve;

use std::io::Read as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use countersign_gateway::hook::{self, Dialect};

use crate::console::{note, say};
use crate::failure::{Failure, Result};
use crate::governing::{Governing, Ready};
use crate::span::span;

#[derive(Clone, Copy, ValueEnum)]
enum Host {
    Claude,
    Codex,
    Copilot,
    Cursor,
    Gemini,
}

impl Host {
    fn dialect(self) -> Dialect {
        match self {
            Host::Claude => Dialect::Claude,
            Host::Codex => Dialect::Codex,
            Host::Copilot => Dialect::Copilot,
            Host::Cursor => Dialect::Cursor,
            Host::Gemini => Dialect::Gemini,
        }
    }

    /// Its name on the command line.
    fn name(self) -> &'static str {
        match self {
            Host::Claude => "claude",
            Host::Codex => "codex",
            Host::Copilot => "copilot",
            Host::Cursor => "cursor",
            Host::Gemini => "gemini",
        }
    }
}

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Hook {
    #[command(subcommand)]
    command: Option<Command>,
    /// Whose hook this is
    #[arg(long, value_enum, required = true)]
    dialect: Option<Host>,
    /// How long the host waits for the hook, as its configuration says [default: what the host waits by itself]
    #[arg(long, value_name = "TIME", value_parser = span)]
    within: Option<Duration>,
    /// How long people may take before the agent is told to come back
    #[arg(long, default_value = "45s", value_name = "TIME", value_parser = span)]
    hold: Duration,
    /// Where policy allows a tool, tell the host not to ask its user
    #[arg(long)]
    grant: bool,
    #[command(flatten)]
    governing: Governing,
}

#[derive(Subcommand)]
enum Command {
    /// Put the hook into a coding agent's configuration, or take it out again
    Install(Box<install::Install>),
    /// Answer hooks over HTTP, for hosts that call an address in place of a command
    Serve(Box<serve::Serve>),
}

impl Hook {
    pub(super) async fn run(mut self) -> Result<ExitCode> {
        match self.command.take() {
            Some(Command::Install(install)) => return install.run(),
            Some(Command::Serve(serve)) => return serve.run().await,
            None => {}
        }
        let dialect = self.dialect.map(Host::dialect);
        let dialect = dialect.ok_or_else(|| Failure::usage("`--dialect` is missing"))?;
        let patience = self.within.unwrap_or_else(|| dialect.patience());
        let limit = patience.saturating_sub(hook::MARGIN).max(Duration::from_secs(1));
        let observe = self.governing.observe;
        // A task of its own: if it panics, that is an answer too.
        let work = tokio::spawn(self.answer(dialect, limit));
        let answer = match tokio::time::timeout(limit, work).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => refused(dialect, observe, "the hook failed"),
            Err(_) => refused(dialect, observe, "it took longer than the host waits"),
        };
        if !answer.is_empty() {
            say(&answer);
        }
        // A thread may still wait for standard input, which nothing interrupts.
        std::process::exit(0)
    }

    async fn answer(self, dialect: Dialect, limit: Duration) -> String {
        let read = tokio::task::spawn_blocking(|| {
            let mut input = Vec::new();
            std::io::stdin()
                .take(hook::INPUT + 1)
                .read_to_end(&mut input)
                .map(|_| input)
        });
        let input = match read.await {
            Ok(Ok(input)) if u64::try_from(input.len()).is_ok_and(|length| length <= hook::INPUT) => input,
            Ok(Ok(_)) => return refused(dialect, self.governing.observe, "the hook's input is too long"),
            Ok(Err(_)) | Err(_) => {
                return refused(dialect, self.governing.observe, "the hook's input cannot be read");
            }
        };
        let Ready { governor, folder } = match self.governing.ready() {
            Ok(ready) => ready,
            Err(failure) => {
                let next = failure.next.map(|next| format!("; {next}")).unwrap_or_default();
                return refused(dialect, self.governing.observe, &format!("{}{next}", failure.what));
            }
        };
        let options = hook::Options {
            dialect,
            env: self.governing.deciding.env,
            hold: self.hold.min(limit.saturating_sub(Duration::from_secs(2))),
            grant: self.grant,
        };
        hook::answer(&governor, &folder, &options, &input).await
    }
}

/// The answer without a decision: a denial, unless we only look on.
fn refused(dialect: Dialect, observe: bool, why: &str) -> String {
    if observe {
        note(format_args!("not decided: {why}"));
        return dialect.go_on();
    }
    dialect.deny(&format!("Not decided: {why}. Nothing was run."))
}
