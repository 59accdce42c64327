//! `countersign audit`: the record for outsiders.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use countersign_tlog::bundle::verify;
use serde_json::{Value, json};

use crate::bundle::Disk;
use crate::connect::{About, Connection, Session};
use crate::console::{Console, visible};
use crate::failure::{Failure, NO, Result};
use crate::progress::Progress;
use crate::sentences;

use super::export::Export;

#[derive(Args)]
pub(super) struct Audit {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Write the ledger to a folder or a bucket: with its proofs, or for other programs, once or as it grows
    Export(Box<Export>),
    /// Verify an export: needs no server
    Verify(Verify),
    /// Say in five sentences what became of an action
    Show(Show),
}

#[derive(Args)]
pub(super) struct Verify {
    /// The bundle
    folder: PathBuf,
    /// The log's verifying key, as it was shown when the organization was made
    #[arg(long)]
    vkey: String,
    /// An older checkpoint that you kept: shows a history that was rewritten
    #[arg(long, value_name = "FILE")]
    older: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct Show {
    /// The action, act_…
    id: String,
    #[command(flatten)]
    connection: Connection,
}

fn text(path: &PathBuf) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| Failure::io("read", path, &error))
}

impl Audit {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        match self.command {
            Command::Verify(_) => Ok(()),
            Command::Export(export) => export.run(console).await,
            Command::Show(show) => {
                let work = async |session: &Session| sentences::of(&session.client, &show.id).await;
                let answers = show.connection.with(About::Organization, work).await?;
                let texts: Vec<String> = answers
                    .iter()
                    .map(|(question, answer)| format!("{question}\n  {}", visible(answer)))
                    .collect();
                let values: Vec<Value> = answers
                    .iter()
                    .map(|(question, answer)| json!({ "question": question, "answer": answer }))
                    .collect();
                console.answer(&json!({ "action": show.id, "answers": values }), texts.join("\n"));
                Ok(())
            }
        }
    }
}

impl Verify {
    pub(super) fn run(self, console: &Console) -> Result<ExitCode> {
        let older = self.older.as_ref().map(text).transpose()?;
        let files = Disk::open(&self.folder)?;
        let verdict = {
            let _progress = Progress::start("verifying records");
            verify(&self.vkey, &files, older.as_deref())
        };
        match verdict {
            Ok(report) => {
                let value = json!({
                    "verified": true, "origin": report.origin, "size": report.size, "root": report.root,
                    "checked": report.checked, "not_covered": report.not_covered,
                });
                let lines = |mark: &str, lines: &[String]| -> Vec<String> {
                    lines.iter().map(|line| format!("{mark}  {line}")).collect()
                };
                let text = [
                    lines("ok         ", &report.checked),
                    lines("not covered", &report.not_covered),
                    vec![format!(
                        "\nVERIFIED: {} records of {}\nroot {}",
                        report.size, report.origin, report.root
                    )],
                ];
                console.answer(&value, text.concat().join("\n"));
                Ok(ExitCode::SUCCESS)
            }
            Err(error) => {
                let value = json!({
                    "verified": false, "file": error.file, "record": error.record, "what": error.what,
                });
                let text =
                    format!("NOT VERIFIED: {error}\nDo not rely on this bundle; keep it, and ask where it comes from.");
                console.answer(&value, text);
                Ok(ExitCode::from(NO))
            }
        }
    }
}
