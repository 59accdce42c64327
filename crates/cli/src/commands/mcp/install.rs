//! `countersign mcp install`: puts the wrapper into a client's configuration, and takes it out again.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use countersign_gateway::install::{Change, Client, Wrapper};

use crate::console::{note, say, visible};
use crate::failure::{Failure, Result};
use crate::governing::Governing;
use crate::install::{Changing, Configuration, home, program, project};
use crate::span::span;

#[derive(Clone, Copy, ValueEnum)]
enum Named {
    Claude,
    ClaudeDesktop,
    Codex,
    Cursor,
    Gemini,
    Vscode,
}

#[derive(Args)]
pub(super) struct Install {
    /// Whose configuration it is
    #[arg(long, value_enum)]
    client: Named,
    /// Only this MCP server, by its name in the configuration; may be given several times
    #[arg(long = "server", value_name = "NAME")]
    servers: Vec<String>,
    /// How long a call is held for people; a client that waits less by itself is told to wait longer
    #[arg(long, default_value = "45s", value_name = "TIME", value_parser = span)]
    hold: Duration,
    #[command(flatten)]
    governing: Governing,
    #[command(flatten)]
    changing: Changing,
}

impl Install {
    pub(super) fn run(self) -> Result<ExitCode> {
        let client = match self.client {
            Named::Claude => Client::Claude,
            Named::ClaudeDesktop => Client::ClaudeDesktop,
            Named::Codex => Client::Codex,
            Named::Cursor => Client::Cursor,
            Named::Gemini => Client::Gemini,
            Named::Vscode => Client::Vscode,
        };
        let path = match &self.changing.config {
            Some(path) => path.clone(),
            None => client.place(&home()?, &project()?),
        };
        let configuration = Configuration::read(path)?;
        let Some(text) = configuration.text.clone() else {
            let path = configuration.path().display();
            return Err(Failure::unreachable(format!("there is no configuration `{path}`"))
                .next("add an MCP server to the client first, or give --config FILE"));
        };
        let edited = if self.changing.uninstall {
            client.uninstall(&text, &self.servers, configuration.kept().as_deref())
        } else {
            client.install(&text, &self.wrapper()?)
        };
        let edited = edited.map_err(|unfit| configuration.unfit(&unfit))?;
        for (name, change) in &edited.changes {
            let name = visible(name);
            match change {
                Change::Wrapped { tools } => {
                    say(format_args!("{name}: wrapped; its tools are `{tools}/TOOL` in policy"))
                }
                Change::Unwrapped => say(format_args!("{name}: as it was before")),
                Change::Left(why) => say(format_args!("{name}: left as it is: {why}")),
            }
        }
        if configuration.change(&edited.text, &self.changing)? {
            note("start the client again, so that it reads its configuration");
        }
        Ok(ExitCode::SUCCESS)
    }

    fn wrapper(&self) -> Result<Wrapper> {
        let mut options = self.governing.options()?;
        options.extend(["--hold".to_owned(), format!("{}ms", self.hold.as_millis())]);
        Ok(Wrapper {
            program: program()?,
            options,
            only: self.servers.clone(),
            hold: self.hold,
        })
    }
}
