//! `countersign policy simulate`: what a policy that is not live would have said of recorded actions.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use countersign_api::simulate::SimulationAnswer;
use countersign_client::{Client, ClientError};
use countersign_core::Time;
use countersign_core::simulate::Report;
use serde_json::{Value, json};

use super::super::audit::Verify;
use crate::connect::{About, Connection, Session};
use crate::console::Console;
use crate::failure::{Failure, NO, Result};
use crate::policies;
use crate::progress::Progress;
use crate::simulated::{Found, page, refold_bundle, simulate_bundle, text};
use crate::span::since;

/// How often a server is asked that is at another simulation.
const TRIES: usize = 240;
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Args)]
pub(crate) struct Simulate {
    /// The policy that is tried: a folder of documents, or a stored snapshot, sha256:…
    #[arg(long, value_name = "DIR|HASH")]
    candidate: String,
    /// What it is held against: `live`, `recorded` (what was decided then), or a stored snapshot
    #[arg(long, default_value = "live", value_name = "live|recorded|HASH")]
    against: String,
    /// Only what was decided since: 30d, 12h, or a time such as 2026-01-31T00:00:00Z. Everything when left out
    #[arg(long, value_name = "SPAN")]
    since: Option<String>,
    /// Fail where this would happen, or where nobody can say whether it would
    #[arg(long, value_name = "WHAT")]
    fail_on: Vec<FailOn>,
    /// Do not fail for the sake of actions of which nobody can say
    #[arg(long)]
    accept_gaps: bool,
    /// Do not fail for the sake of differences at which a simulation does not look, such as limits
    #[arg(long)]
    accept_outside: bool,
    /// Write the report as a page as well
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Try it on an export instead, without a server: the bundle, written with --payloads
    #[arg(long, value_name = "BUNDLE", requires = "vkey")]
    bundle: Option<PathBuf>,
    /// The verifying key of the bundle's log
    #[arg(long, requires = "bundle")]
    vkey: Option<String>,
    /// Go on from what the candidate itself lets through: budgets, limits and circuits are used up by that, from the
    /// first record on. Held against what was decided
    #[arg(long, requires = "bundle", conflicts_with = "against")]
    refold: bool,
    #[command(flatten)]
    connection: Connection,
}

/// What makes the command fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// Any decision would be another one, or in other terms
    Any,
    /// A decision would be less strict; in other terms counts as well, since terms have no order
    Loosened,
    /// A decision would be stricter
    Tightened,
    /// A condition cannot be evaluated
    Errors,
}

impl Simulate {
    pub(crate) async fn run(self, console: &Console) -> Result<ExitCode> {
        let since = self.since.as_deref().map(since).transpose()?;
        let found = match (&self.bundle, &self.vkey) {
            (Some(bundle), Some(vkey)) => {
                let verify = Verify::of(bundle.clone(), vkey.clone());
                let (disk, verdict) = verify.verify()?;
                let verified = verdict.map_err(|error| {
                    Failure::no(format!("the bundle is not to be relied on: {error}"))
                        .next("keep it, and ask where it comes from")
                })?;
                if self.refold {
                    refold_bundle(&disk, &verified, &self.candidate, since)?
                } else {
                    simulate_bundle(&disk, &verified, &self.candidate, &self.against, since)?
                }
            }
            _server => {
                let body = body(&self.candidate, &self.against, since)?;
                let ask = async |session: &Session| on_server(&session.client, body).await;
                self.connection.with(About::Organization, ask).await?
            }
        };
        if let Some(path) = &self.html {
            std::fs::write(path, page(&found)).map_err(|error| Failure::io("write", path, &error))?;
        }
        let failed = self.failed(&found);
        let mut value = found.value();
        if let Some(fields) = value.as_object_mut() {
            fields.insert("failed".to_owned(), json!(failed));
        }
        console.answer(&value, text(&found, &failed));
        Ok(if failed.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(NO)
        })
    }

    /// What it fails for, a sentence each.
    fn failed(&self, found: &Found) -> Vec<String> {
        let report: &Report = &found.report;
        let changed = report.changed;
        let mut failed = Vec::new();
        for wanted in &self.fail_on {
            let (count, what) = match wanted {
                FailOn::Any => (changed.all(), "would be decided otherwise or in other terms"),
                FailOn::Loosened => (
                    changed.loosened + changed.terms,
                    "would be decided less strictly or in other terms",
                ),
                FailOn::Tightened => (changed.tightened, "would be decided more strictly"),
                FailOn::Errors => (report.erred, "would be denied because a condition cannot be evaluated"),
            };
            if count > 0 {
                failed.push(format!("{count} {what}"));
            }
        }
        if !self.fail_on.is_empty() && report.not_derivable > 0 && !self.accept_gaps {
            let count = report.not_derivable;
            failed.push(format!("of {count} nobody can say; --accept-gaps takes that for fine"));
        }
        if !self.fail_on.is_empty() && !found.outside.is_empty() && !self.accept_outside {
            let count = found.outside.len();
            failed.push(format!(
                "at {count} differences nobody looked; --accept-outside takes that for fine"
            ));
        }
        failed
    }
}

/// The candidate and the rest of what a server is asked.
pub(super) fn body(candidate: &str, against: &str, since: Option<Time>) -> Result<Value> {
    let mut body = named(candidate)?;
    if let Some(fields) = body.as_object_mut() {
        fields.insert("against".to_owned(), json!(against));
        if let Some(since) = since {
            fields.insert("since".to_owned(), json!(since.to_string()));
        }
    }
    Ok(body)
}

/// A policy as requests name it: a stored snapshot, or the documents of a folder.
pub(super) fn named(candidate: &str) -> Result<Value> {
    if candidate.starts_with("sha256:") {
        return Ok(json!({ "snapshot": candidate }));
    }
    let folder = Path::new(candidate);
    let files = policies::read(folder)?;
    policies::load(folder, &files)?;
    Ok(json!({ "files": super::texts(&files)? }))
}

/// Asks a server for one part of the ledger after the other.
pub(super) async fn on_server(client: &Client, mut body: Value) -> Result<Found> {
    let progress = Progress::start("trying the candidate on records");
    let mut found: Option<Found> = None;
    loop {
        let part = ask(client, &body).await?;
        let found = match &mut found {
            Some(found) => {
                found.report.absorb(part.report);
                found
            }
            None => found.insert(Found {
                candidate: part.candidate,
                against: part.against.clone(),
                outside: part.outside,
                from: part.from,
                until: part.until,
                report: part.report,
                taken: None,
            }),
        };
        let Some(next) = part.next else {
            return Ok(std::mem::take(found));
        };
        progress.of(found.until.saturating_sub(found.from));
        progress.reached(next.saturating_sub(found.from));
        if let Some(fields) = body.as_object_mut() {
            // What is live may change meanwhile; what the first part was held against, all are.
            fields.insert("against".to_owned(), json!(part.against));
            fields.insert("from".to_owned(), json!(next));
            fields.insert("until".to_owned(), json!(found.until));
        }
    }
}

async fn ask(client: &Client, body: &Value) -> Result<SimulationAnswer> {
    for _ in 0..TRIES {
        match client.post::<SimulationAnswer>("/v1/policies:simulate", body).await {
            Err(ClientError::Problem(problem)) if problem.code == "simulation_running" => {
                tokio::time::sleep(PAUSE).await;
            }
            answer => return Ok(answer?),
        }
    }
    Err(Failure::unreachable("the server is at other simulations").next("try again later"))
}
