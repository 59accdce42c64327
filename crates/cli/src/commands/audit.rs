//! `countersign audit`: the record for outsiders.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use countersign_api::audit::CheckpointAnswer;
use countersign_core::week::Week;
use countersign_tlog::bundle::{BundleError, Report, verify_witnessed};
use serde_json::{Value, json};

use super::{block, done};
use crate::bundle::{Disk, Watched};
use crate::connect::{About, Connection, Session};
use crate::console::{Console, visible};
use crate::cosign::{WitnessAt, cosigned};
use crate::draw::Samples;
use crate::failure::{Failure, NO, Result};
use crate::replay;
use crate::sentences;
use crate::signatures::Signatures;

use super::export::Export;
use super::retention;

#[derive(Args)]
pub(super) struct Audit {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write the ledger to a folder or a bucket: with its proofs, or for other programs, once or as it grows
    Export(Box<Export>),
    /// Verify an export: needs no server
    Verify(Verify),
    /// Derive every decision of an export again from what it cites: needs no server
    Replay(Replay),
    /// Draw the weekly samples of an export again with the keys that it tells: needs no server
    Sample(Sample),
    /// Check every vote of an export that a passkey has signed, with the keys in its records: needs no server
    Votes(Verify),
    /// Have witnesses cosign the newest checkpoint, without an export
    Cosign(Cosign),
    /// Say in five sentences what became of an action
    Show(Show),
    /// Erase what is kept about a subject
    Erase(retention::Erase),
    /// Legal holds: nothing that one covers is destroyed
    Hold(retention::HoldArgs),
}

#[derive(Args)]
pub(crate) struct Verify {
    /// The bundle
    folder: PathBuf,
    /// The log's verifying key, as it was shown when the organization was made
    #[arg(long)]
    vkey: String,
    /// An older checkpoint that you kept: shows a history that was rewritten
    #[arg(long, value_name = "FILE")]
    older: Option<PathBuf>,
    /// The verifying key of a witness that has to have cosigned. May be given several times: each has to
    #[arg(long = "witness", value_name = "VKEY")]
    witnesses: Vec<String>,
}

#[derive(Args)]
pub(super) struct Replay {
    #[command(flatten)]
    bundle: Verify,
    /// Fail as well where a decision cannot be derived, because what it read was not kept or is not in the export
    #[arg(long)]
    strict: bool,
}

#[derive(Args)]
pub(super) struct Sample {
    #[command(flatten)]
    bundle: Verify,
    /// Only this week, as in 2026-W48
    #[arg(long)]
    week: Option<Week>,
}

#[derive(Args)]
pub(super) struct Show {
    /// The action, act_…
    id: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
pub(super) struct Cosign {
    /// The witness's address and the key that it shows at its start. May be given several times: each has to cosign
    #[arg(long = "witness", value_name = "URL=VKEY", required = true)]
    witnesses: Vec<WitnessAt>,
    #[command(flatten)]
    connection: Connection,
}

impl Cosign {
    async fn run(self, console: &Console) -> Result<()> {
        let work = async |session: &Session| {
            let newest: CheckpointAnswer = session.client.get("/v1/audit/checkpoint").await?;
            let checkpoint = cosigned(&session.client, &newest.checkpoint, &self.witnesses).await?;
            Ok((newest.size, checkpoint))
        };
        let (size, checkpoint) = self.connection.with(About::Organization, work).await?;
        let text = checkpoint.trim_end().to_owned();
        console.answer(&json!({ "size": size, "checkpoint": checkpoint }), text);
        Ok(())
    }
}

fn text(path: &PathBuf) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| Failure::io("read", path, &error))
}

impl Audit {
    pub(super) fn run(self, console: &Console) -> Result<ExitCode> {
        match self.command {
            Command::Verify(verify) => verify.run(console),
            Command::Sample(sample) => sample.run(console),
            Command::Votes(verify) => votes(&verify, console),
            Command::Replay(replay) => replay.run(console),
            Command::Erase(erase) => done(block(erase.run(console))),
            Command::Hold(hold) => done(block(hold.run(console))),
            Command::Cosign(cosign) => done(block(cosign.run(console))),
            Command::Export(export) => done(block(export.run(console))),
            Command::Show(show) => done(block(show.run(console))),
        }
    }
}

impl Show {
    async fn run(self, console: &Console) -> Result<()> {
        let work = async |session: &Session| sentences::of(&session.client, &self.id).await;
        let answers = self.connection.with(About::Organization, work).await?;
        let texts: Vec<String> = answers
            .iter()
            .map(|(question, answer)| format!("{question}\n  {}", visible(answer)))
            .collect();
        let values: Vec<Value> = answers
            .iter()
            .map(|(question, answer)| json!({ "question": question, "answer": answer }))
            .collect();
        console.answer(&json!({ "action": self.id, "answers": values }), texts.join("\n"));
        Ok(())
    }
}

impl Verify {
    /// A bundle, held against the key of its log alone.
    pub(crate) fn of(folder: PathBuf, vkey: String) -> Verify {
        Verify {
            folder,
            vkey,
            older: None,
            witnesses: Vec::new(),
        }
    }

    /// The bundle's files, and what verifying them comes to.
    pub(crate) fn verify(&self) -> Result<(Disk, std::result::Result<Report, BundleError>)> {
        let older = self.older.as_ref().map(text).transpose()?;
        let files = Disk::open(&self.folder)?;
        let witnesses: Vec<&str> = self.witnesses.iter().map(String::as_str).collect();
        let verdict = verify_witnessed(&self.vkey, &Watched::new(&files), older.as_deref(), &witnesses);
        Ok((files, verdict))
    }

    fn run(self, console: &Console) -> Result<ExitCode> {
        match self.verify()?.1 {
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
            Err(error) => Ok(refuse(&error, console)),
        }
    }
}

/// Says that a bundle is not to be relied on.
fn refuse(error: &BundleError, console: &Console) -> ExitCode {
    let value = json!({
        "verified": false, "file": error.file, "record": error.record, "what": error.what,
    });
    let text = format!("NOT VERIFIED: {error}\nDo not rely on this bundle; keep it, and ask where it comes from.");
    console.answer(&value, text);
    ExitCode::from(NO)
}

impl Replay {
    pub(super) fn run(self, console: &Console) -> Result<ExitCode> {
        let (files, verdict) = self.bundle.verify()?;
        let report = match verdict {
            Ok(report) => report,
            Err(error) => return Ok(refuse(&error, console)),
        };
        let found = replay::run(&files, &report)?;
        let total = found.total();
        let listed: Vec<Value> = found.listed.iter().map(replay::json).collect();
        let counts: serde_json::Map<String, Value> = found
            .counts
            .iter()
            .map(|(name, count)| ((*name).to_owned(), replay::counts(count)))
            .collect();
        let value = json!({
            "verified": true, "origin": report.origin, "size": report.size, "root": report.root,
            "by_outcome": counts, "total": replay::counts(&total), "findings": listed, "findings_left_out": found.left_out,
            "pruned": found.pruned,
        });
        console.answer(&value, replay::text(&found, &report));
        // Of what was pruned not even the number of decisions is known.
        let unknown = total.not_derivable > 0 || found.pruned > 0;
        let failed = total.differ > 0 || (self.strict && unknown);
        Ok(if failed { ExitCode::from(NO) } else { ExitCode::SUCCESS })
    }
}

/// Checks every vote of a bundle that a passkey has signed.
fn votes(bundle: &Verify, console: &Console) -> Result<ExitCode> {
    let (files, verdict) = bundle.verify()?;
    let report = match verdict {
        Ok(report) => report,
        Err(error) => return Ok(refuse(&error, console)),
    };
    let mut signatures = replay::first_of_pruned(&files)?.map_or_else(Signatures::default, Signatures::pruned);
    replay::each_record(&files, &report, |record| signatures.record(record))?;
    let found = signatures.end();
    console.answer(&found.json(), found.text());
    Ok(if found.all_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(NO)
    })
}

impl Sample {
    pub(super) fn run(self, console: &Console) -> Result<ExitCode> {
        let (files, verdict) = self.bundle.verify()?;
        let report = match verdict {
            Ok(report) => report,
            Err(error) => return Ok(refuse(&error, console)),
        };
        let mut samples = Samples::default();
        replay::each_record(&files, &report, |record| samples.record(record))?;
        let weeks = samples.drawn_again(self.week);
        let differ = weeks.iter().any(|drawn| !drawn.wrong.is_empty());
        let listed: Vec<Value> = weeks.iter().map(crate::draw::Drawn::json).collect();
        let lines: Vec<String> = weeks.iter().map(crate::draw::Drawn::text).collect();
        let text = if lines.is_empty() {
            "no week has a sample".to_owned()
        } else {
            lines.join("\n")
        };
        console.answer(&json!({ "verified": true, "weeks": listed, "agree": !differ }), text);
        Ok(if differ { ExitCode::from(NO) } else { ExitCode::SUCCESS })
    }
}
