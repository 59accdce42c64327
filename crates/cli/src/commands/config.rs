//! `countersign config check`: a configuration file and the environment over it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::config;
use crate::console::{Console, note};
use crate::excerpt;
use crate::failure::{Failure, NO, Result};

#[derive(Args)]
pub(super) struct Config {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check a file: every mistake with its line
    Check(Check),
}

#[derive(Args)]
struct Check {
    /// The configuration file
    file: PathBuf,
}

impl Config {
    pub(super) fn run(self, console: &Console) -> Result<ExitCode> {
        let Command::Check(Check { file }) = self.command;
        let text = std::fs::read_to_string(&file).map_err(|error| Failure::io("read", &file, &error))?;
        let name = file.display().to_string();
        let (mut settings, problems) = config::check(&name, &text);
        // The text may hold secrets, so the answer shows none of it.
        let value =
            json!({ "problems": problems.iter().map(|problem| excerpt::value(problem, "")).collect::<Vec<_>>() });
        if !problems.is_empty() {
            if !console.json {
                let shown = config::showable(&text);
                for problem in &problems {
                    note(excerpt::render(problem, &name, &shown));
                }
            }
            let count = problems.len();
            console.answer(
                &value,
                format!("{name}: {count} problem{}", if count == 1 { "" } else { "s" }),
            );
            return Ok(ExitCode::from(NO));
        }
        config::from_environment(&mut settings, &config::environment())?;
        if let Some((what, help)) = settings.fault() {
            return Err(Failure::no(format!("with the environment: {what}")).next(help));
        }
        console.answer(&value, format!("{name}: fine"));
        Ok(ExitCode::SUCCESS)
    }
}
