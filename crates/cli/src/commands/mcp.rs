//! `countersign mcp`: stands between an agent and a server of tools.

mod install;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use countersign_gateway::stdio;

use crate::failure::{Failure, Result};
use crate::governing::Governing;
use crate::span::span;

#[derive(Args)]
pub(super) struct Mcp {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run an MCP server with every call of its tools decided first
    Wrap(Box<Wrap>),
    /// Put the wrapper before the MCP servers that a client has configured, or take it out again
    Install(Box<install::Install>),
}

#[derive(Args)]
struct Wrap {
    /// The name of the MCP server: its tools are `NAME/tool` in policy
    #[arg(long, value_name = "NAME")]
    server: String,
    /// How long a call is held for people before the agent is told to come back, such as `45s`
    #[arg(long, default_value = "45s", value_name = "TIME", value_parser = span)]
    hold: Duration,
    #[command(flatten)]
    governing: Governing,
    /// The command that starts the MCP server
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

impl Mcp {
    pub(super) async fn run(self) -> Result<ExitCode> {
        match self.command {
            Command::Wrap(wrap) => wrap.run().await,
            Command::Install(install) => install.run(),
        }
    }
}

impl Wrap {
    async fn run(self) -> Result<ExitCode> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.-".contains(&byte);
        if self.server.is_empty() || self.server.len() > 64 || !self.server.bytes().all(plain) {
            return Err(
                Failure::usage(format!("`{}` cannot be the name of an MCP server", self.server))
                    .next("use small letters, digits, `-`, `_` and `.`"),
            );
        }
        let governor = self.governing.ready()?.governor;
        let options = stdio::Options {
            server: self.server,
            env: self.governing.env,
            run: Some(run_id()?),
            hold: self.hold,
        };
        let Some((program, arguments)) = self.command.split_first() else {
            return Err(Failure::usage("the command of the MCP server is missing"));
        };
        let code = stdio::wrap(governor, options, program, arguments)
            .await
            .map_err(|error| Failure::unreachable(format!("cannot run `{program}`: {error}")))?;
        // A thread may still wait for standard input, which nothing interrupts.
        std::process::exit(code)
    }
}

fn run_id() -> Result<String> {
    let mut bytes = [0_u8; 8];
    getrandom::fill(&mut bytes).map_err(|error| Failure::unreachable(format!("no random numbers: {error}")))?;
    Ok(format!("mcp-{:016x}", u64::from_be_bytes(bytes)))
}
