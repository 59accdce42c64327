//! `countersign hook install`: puts the hook into a coding agent's configuration, and takes it out again.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use countersign_gateway::hook::Dialect;
use countersign_gateway::install::Hook;

use super::Host;
use crate::console::note;
use crate::failure::{Failure, Result};
use crate::governing::Governing;
use crate::install::{Changing, Configuration, home, program, project};
use crate::span::interval;

#[derive(Args)]
pub(super) struct Install {
    /// Whose configuration it is
    #[arg(long, value_enum)]
    client: Host,
    /// How long the host is told to wait for the hook
    #[arg(long, default_value = "2m", value_name = "TIME", value_parser = interval)]
    within: Duration,
    /// Where policy allows a tool, tell the host not to ask its user
    #[arg(long)]
    grant: bool,
    #[command(flatten)]
    governing: Governing,
    #[command(flatten)]
    changing: Changing,
}

impl Install {
    pub(super) fn run(self) -> Result<ExitCode> {
        let dialect = self.client.dialect();
        let path = match &self.changing.config {
            Some(path) => path.clone(),
            None => Hook::place(dialect, &home()?, &project()?),
        };
        let configuration = Configuration::read(path)?;
        let text = configuration.text.clone().unwrap_or_default();
        let edited = if self.changing.uninstall {
            Hook::uninstall(dialect, &text)
        } else {
            self.hook(dialect)?.install(&text)
        };
        let edited = edited.map_err(|unfit| configuration.unfit(&unfit))?;
        if configuration.change(&edited, &self.changing)? && !self.changing.uninstall && dialect == Dialect::Codex {
            note("Codex runs a hook only once it is trusted: start it, and agree when it asks");
        }
        Ok(ExitCode::SUCCESS)
    }

    fn hook(&self, dialect: Dialect) -> Result<Hook> {
        let seconds = self.within.as_secs();
        if seconds == 0 {
            return Err(Failure::usage("a host waits for whole seconds").next("give --within 30s or more"));
        }
        let mut words = vec![program()?];
        words.extend(["hook", "--dialect", self.client.name(), "--within"].map(str::to_owned));
        words.push(format!("{seconds}s"));
        if self.grant {
            words.push("--grant".to_owned());
        }
        words.extend(self.governing.options()?);
        let command = shlex::try_join(words.iter().map(String::as_str));
        Ok(Hook {
            dialect,
            command: command.map_err(|_| Failure::usage("a word of the command has a zero byte"))?,
            within: Duration::from_secs(seconds),
        })
    }
}
