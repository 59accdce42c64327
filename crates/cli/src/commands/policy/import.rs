//! `countersign policy import`: policies of others as a gate, with a list of what could not be converted.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use countersign_policy::import::{Foreign, Left, import, recognized};
use serde_json::{Value, json};

use crate::console::{Console, note};
use crate::failure::{Failure, NO, Result};

#[derive(Args)]
pub(crate) struct Import {
    /// The policy of others
    file: PathBuf,
    /// What it is; left out, it is told by what stands in it
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// What the gate is called; left out, as the file
    #[arg(long)]
    name: Option<String>,
    /// Print what could be converted though it lets more through than the original
    #[arg(long)]
    partly: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// A policy document of the Agent Governance Toolkit
    Agt,
    /// A safety policy of Cordum
    Cordum,
    /// A decision table, comma-separated
    Table,
}

impl Import {
    pub(crate) fn run(self, console: &Console) -> Result<ExitCode> {
        let text = std::fs::read_to_string(&self.file).map_err(|error| Failure::io("read", &self.file, &error))?;
        let shown = self.file.display().to_string();
        let kind = match self.format {
            Some(Format::Agt) => Some(Foreign::Agt),
            Some(Format::Cordum) => Some(Foreign::Cordum),
            Some(Format::Table) => Some(Foreign::Table),
            None => recognized(&shown, &text),
        };
        let Some(kind) = kind else {
            let failure = Failure::usage(format!("it cannot be told what `{shown}` is"));
            return Err(failure.next("say it with `--format agt`, `cordum` or `table`"));
        };
        let stem = || self.file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let name = self.name.or_else(stem).unwrap_or_else(|| "imported".to_owned());
        let found = import(kind, &name, &shown, &text).map_err(|why| Failure::no(format!("`{shown}`: {why}")))?;
        let loosens = found.loosens();
        let refused = (loosens && !self.partly) || found.gate.is_none();
        if !console.json {
            for left in &found.left {
                let mark = if left.loosens { " (lets more through)" } else { "" };
                note(format_args!(
                    "{shown}:{}: `{}` is left out{mark}: {}",
                    left.line, left.what, left.why
                ));
            }
        }
        let left: Vec<Value> = found.left.iter().map(left_value).collect();
        let gate = found.gate.filter(|_| !refused);
        let value = json!({ "gate": gate, "left": left, "loosens": loosens });
        if refused {
            let what = "nothing is printed: what could be converted lets more through than the original; see it with `--partly`";
            console.answer(&value, what);
            return Ok(ExitCode::from(NO));
        }
        let text = gate.unwrap_or_default();
        console.answer(&value, text.trim_end());
        Ok(ExitCode::SUCCESS)
    }
}

fn left_value(left: &Left) -> Value {
    json!({ "line": left.line, "what": left.what, "why": left.why, "loosens": left.loosens })
}
