//! `countersign policy`: check and test documents, upload them, make them live, go back.

mod candidate;
mod diff;
mod simulate;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use countersign_api::candidates::CanaryAnswer;
use countersign_client::segment;
use serde_json::{Value, json};

use super::{block, done};
use crate::connect::{About, Connection, Session};
use crate::console::{Console, cell, note, say, table};
use crate::failure::{Failure, NO, Result};
use crate::policies::{self, Files, failure, untried};
use crate::sarif;

mod explain;
mod import;

#[derive(Args)]
pub(super) struct Policy {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check the documents of a folder: needs no server
    Check(Check),
    /// Check the documents and run the tests in them: needs no server
    Test(Test),
    /// Say why an action or a test was decided as it was, and what would have been decided otherwise
    Explain(explain::Explain),
    /// Make a gate of policies of Cordum or the Agent Governance Toolkit, or of a decision table
    Import(import::Import),
    /// Print the JSON Schema of policy documents, for editors
    Schema,
    /// Store the documents of a folder as a snapshot
    Upload(Upload),
    /// Make a stored snapshot live
    Activate(Activate),
    /// Agree to a snapshot that somebody wants live
    Approve(Judge),
    /// Say no to a snapshot that somebody wants live
    Reject(Judge),
    /// Make the snapshot live that was live before
    Rollback(Rollback),
    /// List stored snapshots
    List(List),
    /// Say what a policy that is not live would have said of recorded actions
    Simulate(Box<simulate::Simulate>),
    /// Say in sentences what is different in a policy
    Diff(Box<diff::Diff>),
    /// Try a stored snapshot in the shadow: it decides nothing, and what it would say is recorded
    Shadow(candidate::Shadow),
    /// Let a stored snapshot decide for a share of agents or runs
    Canary(Box<candidate::Canary>),
    /// Make live what is tried
    Promote(candidate::Promote),
    /// Take back what is tried
    Withdraw(candidate::Why),
    /// Say what is live, what is tried beside it, and what both say of the same actions
    Status(candidate::Status),
}

#[derive(Args)]
struct Check {
    /// The folder of documents
    folder: PathBuf,
    /// Print the findings as SARIF 2.1.0, for code review
    #[arg(long, conflicts_with = "json")]
    sarif: bool,
}

#[derive(Args)]
struct Test {
    /// The folder of documents
    folder: PathBuf,
    /// List the rules of which the tests leave a side untried
    #[arg(long)]
    coverage: bool,
    /// Fail if the tests try fewer sides of the rules, in percent
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100))]
    least: Option<u8>,
}

#[derive(Args)]
struct Upload {
    /// The folder of documents
    folder: PathBuf,
    /// Make them live as well
    #[arg(long)]
    activate: bool,
    /// Why they are made live
    #[arg(long, requires = "activate")]
    reason: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct Activate {
    /// The snapshot, sha256:…
    hash: String,
    /// Why
    #[arg(long)]
    reason: Option<String>,
    /// Why it may become live though tests of it fail, or rules of it have none
    #[arg(long, value_name = "WHY")]
    waive: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct Judge {
    /// The snapshot, sha256:…
    hash: String,
    /// What you were shown that somebody wants of it, prp_…; `policy list` shows it
    #[arg(long)]
    proposal: Option<String>,
    /// Why; a rejection needs it
    #[arg(long)]
    comment: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct Rollback {
    /// What is to go, sha256:…: the canary, or what is live; nothing happens where another one has taken its place
    #[arg(long, value_name = "HASH")]
    from: Option<String>,
    /// Why
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct List {
    #[command(flatten)]
    connection: Connection,
}

impl Check {
    fn run(self, console: &Console) -> Result<ExitCode> {
        let files = policies::read(&self.folder)?;
        let checked = policies::check(&files).read_closely();
        let (errors, warnings) = checked.counts();
        let status = |fine| ExitCode::from(if fine { 0 } else { NO });
        if self.sarif {
            let log = sarif::log(&checked, &self.folder, &files);
            say(serde_json::to_string_pretty(&log).unwrap_or_default());
            // A test that fails is an error there, as is a document that does not load.
            return Ok(status(checked.is_fine()));
        }
        if !console.json && !checked.problems.is_empty() {
            note(checked.render(&self.folder, &files));
        }
        let summary = match &checked.snapshot {
            Some(snapshot) => format!(
                "{}: {} documents, {}\n{}",
                self.folder.display(),
                files.len(),
                counted(0, warnings),
                snapshot.hash_text()
            ),
            None => format!("{}: {}", self.folder.display(), counted(errors, warnings)),
        };
        console.answer(&checked.value(&checked.covered(), &files), summary);
        Ok(status(errors == 0))
    }
}

impl Test {
    fn run(self, console: &Console) -> Result<ExitCode> {
        let files = policies::read(&self.folder)?;
        let checked = policies::check(&files);
        if !console.json {
            if checked.snapshot.is_none() {
                note(checked.render(&self.folder, &files));
            }
            for test in checked.failed() {
                note(format_args!(
                    "{}:{}: {}",
                    self.folder.join(&test.file).display(),
                    test.line,
                    failure(test)
                ));
            }
        }
        let failed = checked.failed().count();
        let covered = checked.covered();
        if self.coverage && !console.json {
            for rule in covered.untried() {
                let file = self.folder.join(&rule.file);
                note(format_args!("{}:{}: {}", file.display(), rule.line, untried(rule)));
            }
        }
        let short = self.least.is_some_and(|least| covered.percent() < usize::from(least));
        if short && !console.json {
            note(format_args!(
                "the tests try {} % of the sides of the rules",
                covered.percent()
            ));
        }
        let ((rules_tried, rules), (branches_tried, branches)) = (covered.rules(), covered.branches());
        let summary = match checked.snapshot {
            None => "the documents do not load".to_owned(),
            Some(_) if checked.tests.is_empty() => {
                format!("{}: no tests; add a document with `tests:`", self.folder.display())
            }
            Some(_) => format!(
                "{}: {} tests, {} passed, {failed} failed\nrules tried: {rules_tried} of {rules}, sides of rules: \
                 {branches_tried} of {branches}",
                self.folder.display(),
                checked.tests.len(),
                checked.tests.len() - failed,
            ),
        };
        console.answer(&checked.value(&covered, &files), summary);
        Ok(if checked.is_fine() && !short {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(NO)
        })
    }
}

fn counted(errors: usize, warnings: usize) -> String {
    let some = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    match (errors, warnings) {
        (0, 0) => "fine".to_owned(),
        (0, warnings) => some(warnings, "warning"),
        (errors, 0) => some(errors, "error"),
        (errors, warnings) => format!("{}, {}", some(errors, "error"), some(warnings, "warning")),
    }
}

impl Policy {
    pub(super) fn run(self, console: &Console) -> Result<ExitCode> {
        match self.command {
            Command::Check(check) => check.run(console),
            Command::Test(test) => test.run(console),
            Command::Explain(explain) => done(block(explain.run(console))),
            Command::Import(import) => import.run(console),
            Command::Schema => {
                say(countersign_policy::DOCUMENT_SCHEMA.trim_end());
                Ok(ExitCode::SUCCESS)
            }
            Command::Upload(upload) => done(block(upload.run(console))),
            Command::Activate(activate) => done(block(activate.run(console))),
            Command::Approve(judge) => done(block(judge.run("approve", console))),
            Command::Reject(judge) => done(block(judge.run("reject", console))),
            Command::Rollback(rollback) => done(block(rollback.run(console))),
            Command::List(list) => done(block(list.run(console))),
            Command::Simulate(simulate) => block(simulate.run(console)),
            Command::Diff(diff) => done(block(diff.run(console))),
            Command::Shadow(shadow) => done(block(shadow.run(console))),
            Command::Canary(canary) => done(block(canary.run(console))),
            Command::Promote(promote) => done(block(promote.run(console))),
            Command::Withdraw(why) => done(block(why.withdraw(console))),
            Command::Status(status) => done(block(status.run(console))),
        }
    }
}

impl Activate {
    async fn run(self, console: &Console) -> Result<()> {
        if let Some(why) = &self.waive {
            let path = format!("/v1/policies/{}/waivers", segment(&self.hash));
            let body = json!({ "reason": why });
            let waive = async |session: &Session| Ok(session.client.post::<Value>(&path, &body).await?);
            self.connection.with(About::Organization, waive).await?;
        }
        let body = json!({ "rationale": self.reason });
        let path = format!("/v1/policies/{}/activate", segment(&self.hash));
        made_live(&self.connection, &path, body, console).await
    }
}

impl Rollback {
    async fn run(self, console: &Console) -> Result<()> {
        let body = json!({ "from": self.from, "rationale": self.reason });
        made_live(&self.connection, "/v1/policies:rollback", body, console).await
    }
}

impl List {
    async fn run(self, console: &Console) -> Result<()> {
        let read = async |session: &Session| Ok(session.client.get::<Value>("/v1/policies").await?);
        let value = self.connection.with(About::Organization, read).await?;
        let rows = value.get("snapshots").and_then(Value::as_array).into_iter().flatten();
        let line = |row: &Value| {
            let waits = value
                .pointer("/pending/hash")
                .is_some_and(|hash| row.get("hash") == Some(hash));
            let live = match (row.get("live") == Some(&Value::Bool(true)), waits) {
                (true, _) => "live",
                (false, true) => "pending",
                (false, false) => "",
            };
            let fields = ["hash", "documents", "uploaded", "activated"].map(|name| cell(row, name));
            std::iter::once(live.to_owned()).chain(fields).collect()
        };
        let lines: Vec<Vec<String>> = rows.map(line).collect();
        let listed = table(&["", "SNAPSHOT", "DOCUMENTS", "UPLOADED", "ACTIVATED"], &lines);
        let waits = pending(&value);
        console.answer(
            &value,
            std::iter::once(listed).chain(waits).collect::<Vec<_>>().join("\n"),
        );
        Ok(())
    }
}

async fn made_live(connection: &Connection, path: &str, mut body: Value, console: &Console) -> Result<()> {
    if let Some(fields) = body.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    let call = async |session: &Session| Ok(session.client.post::<Value>(path, &body).await?);
    let value = connection.with(About::Organization, call).await?;
    console.answer(&value, live_or_pending(&value));
    Ok(())
}

/// What waits for people to agree, what becomes of it when they do, and how they do.
fn pending(value: &Value) -> Vec<String> {
    let Some(pending) = value.get("pending") else {
        return Vec::new();
    };
    let hash = cell(pending, "hash");
    let names = |name| {
        let names = pending.get(name).and_then(Value::as_array).into_iter().flatten();
        names.filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
    };
    let agreed = pending.get("approved_by").and_then(Value::as_array).map_or(0, Vec::len);
    let canary = pending
        .get("canary")
        .cloned()
        .map(serde_json::from_value::<CanaryAnswer>);
    let becomes = match canary {
        None => "it becomes live for everybody".to_owned(),
        Some(Ok(canary)) => candidate::share(&canary),
        Some(Err(_)) => "it decides for a share".to_owned(),
    };
    let named = match pending.get("id") {
        Some(_) => format!(" --proposal {}", cell(pending, "id")),
        None => String::new(),
    };
    vec![
        format!(
            "pending: {hash}, wanted by {}; {agreed} of {} people have agreed, of {}, until {}",
            cell(pending, "by"),
            cell(pending, "quorum"),
            names("approvers"),
            cell(pending, "until"),
        ),
        format!("once they have agreed, {becomes}"),
        format!("they agree with `countersign policy approve {hash}{named}`"),
    ]
}

/// What is live, what waits for people to agree, and what is not as it should be.
fn live_or_pending(value: &Value) -> String {
    let mut lines = vec![format!("live: {}", cell(value, "live"))];
    lines.extend(pending(value));
    let warnings = value.get("warnings").and_then(Value::as_array).into_iter().flatten();
    lines.extend(
        warnings
            .filter_map(Value::as_str)
            .map(|warning| format!("warning: {warning}")),
    );
    lines.join("\n")
}

impl Judge {
    async fn run(self, verb: &str, console: &Console) -> Result<()> {
        let body = json!({ "verb": verb, "proposal": self.proposal, "comment": self.comment });
        let path = format!("/v1/policies/{}/votes", segment(&self.hash));
        made_live(&self.connection, &path, body, console).await
    }
}

impl Upload {
    async fn run(self, console: &Console) -> Result<()> {
        let files = policies::read(&self.folder)?;
        policies::must_be_fine(&self.folder, &files)?;
        let body = json!({ "files": texts(&files)? });
        let work = async |session: &Session| {
            let mut value: Value = session.client.post("/v1/policies", &body).await?;
            let hash = cell(&value, "hash");
            if self.activate {
                let why = self
                    .reason
                    .as_ref()
                    .map_or_else(|| json!({}), |reason| json!({ "rationale": reason }));
                let path = format!("/v1/policies/{}/activate", segment(&hash));
                let live: Value = session.client.post(&path, &why).await?;
                if let (Some(fields), Value::Object(live)) = (value.as_object_mut(), live) {
                    fields.extend(live);
                }
            }
            Ok((value, hash))
        };
        let (value, hash) = self.connection.with(About::Organization, work).await?;
        let text = if self.activate {
            match value.get("live").and_then(Value::as_str) == Some(&hash) {
                true if value.get("warnings").is_none() => format!("stored and live: {hash}"),
                true | false => format!("stored: {hash}\n{}", live_or_pending(&value)),
            }
        } else {
            format!("stored: {hash}\nmake it live with `countersign policy activate {hash}`")
        };
        console.answer(&value, text);
        Ok(())
    }
}

/// Documents by name, as the API takes them.
fn texts(files: &Files) -> Result<BTreeMap<&str, &str>> {
    let text = |(name, bytes): &'_ (String, Vec<u8>)| match std::str::from_utf8(bytes) {
        Ok(_) => Ok(()),
        Err(_) => Err(Failure::usage(format!("`{name}` is not UTF-8"))),
    };
    files.iter().try_for_each(text)?;
    Ok(files
        .iter()
        .filter_map(|(name, bytes)| Some((name.as_str(), std::str::from_utf8(bytes).ok()?)))
        .collect())
}
