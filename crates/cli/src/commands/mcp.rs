//! `countersign mcp`: stands between an agent and servers of tools.

mod install;
mod serve;
mod tokens;

use std::process::ExitCode;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, Subcommand};
use countersign_gateway::{Broker, Governor, Need, Place, stdio};

use crate::failure::{Failure, Result};
use crate::governing::{GatewayKey, Governing};
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
    /// Run a gateway over HTTP in front of many MCP servers, with every call of their tools decided first
    Serve(Box<serve::Serve>),
}

#[derive(Args)]
struct Wrap {
    /// The name of the MCP server: its tools are `NAME/tool` in policy
    #[arg(long, value_name = "NAME")]
    server: String,
    /// How long a call is held for people before the agent is told to come back, such as `45s`
    #[arg(long, default_value = "45s", value_name = "TIME", value_parser = span)]
    hold: Duration,
    /// Do not show the agent tools that policy denies to it whatever it says
    #[arg(long, conflicts_with = "observe")]
    hide_denied: bool,
    /// Where the client can, lead its user to the page where people decide: whoever uses it may be one of them [default: yes
    /// in local mode, no elsewhere]
    #[arg(long, conflicts_with = "observe", value_name = "yes|no", num_args = 0..=1, require_equals = true,
          default_missing_value = "yes", value_parser = BoolishValueParser::new())]
    elicit: Option<bool>,
    /// A variable of the server's environment and the credential in Countersign that it gets: VARIABLE=NAME
    #[arg(long, value_name = "VARIABLE=NAME")]
    credential: Option<String>,
    #[command(flatten)]
    gateway: GatewayKey,
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
            Command::Serve(serve) => serve.run().await,
        }
    }
}

impl Wrap {
    async fn run(self) -> Result<ExitCode> {
        server_name(&self.server)?;
        let governor = self.governing.ready()?.governor;
        let secret = self.secret(&governor).await?;
        // On one's own machine the user of the client is who decides.
        let elicit = self.elicit.unwrap_or_else(|| self.governing.names_nothing());
        let options = stdio::Options {
            server: self.server,
            env: self.governing.deciding.env,
            run: Some(run_id()?),
            hold: self.hold,
            hide: self.hide_denied,
            elicit,
        };
        let Some((program, arguments)) = self.command.split_first() else {
            return Err(Failure::usage("the command of the MCP server is missing"));
        };
        let code = stdio::wrap(governor, options, program, arguments, secret)
            .await
            .map_err(|error| Failure::unreachable(format!("cannot run `{program}`: {error}")))?;
        // A thread may still wait for standard input, which nothing interrupts.
        std::process::exit(code)
    }
}

impl Wrap {
    /// The variable that the server gets its credential in.
    async fn secret(&self, governor: &Governor) -> Result<Option<stdio::Secret>> {
        let Some(wanted) = &self.credential else {
            return Ok(None);
        };
        if self.governing.observe {
            return Err(Failure::usage(
                "a credential is given out for what is decided, and `--observe` decides nothing",
            )
            .next("leave `--credential` out while you look on"));
        }
        let (variable, name) = wanted.split_once('=').ok_or_else(|| {
            Failure::usage(format!("`{wanted}` names no credential")).next("write it as VARIABLE=NAME")
        })?;
        let deciding = &self.governing.deciding;
        let client = self.gateway.client(&deciding.address()?)?.ok_or_else(|| {
            Failure::usage("a credential takes a gateway's key")
                .next("set COUNTERSIGN_GATEWAY_KEY, or give --gateway-key FILE")
        })?;
        let need = Need {
            credential: name.to_owned(),
            place: Place::Variable(variable.to_owned()),
        };
        let env = deciding.env.as_deref();
        let broker = Broker::new(client);
        let connected = broker.connect(governor, &self.server, &need, env, self.hold).await;
        Ok(Some((variable.to_owned(), connected.map_err(Failure::no)?)))
    }
}

/// Refuses what is no name of a server.
fn server_name(name: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.-".contains(&byte);
    if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
        let what = format!("`{name}` cannot be the name of an MCP server");
        return Err(Failure::usage(what).next("use small letters, digits, `-`, `_` and `.`"));
    }
    Ok(())
}

fn run_id() -> Result<String> {
    let mut bytes = [0_u8; 8];
    getrandom::fill(&mut bytes).map_err(|error| Failure::unreachable(format!("no random numbers: {error}")))?;
    Ok(format!("mcp-{:016x}", u64::from_be_bytes(bytes)))
}
