//! `countersign doctor`: looks a data folder or a database over, a line for each thing, and says what to do.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::UNIX_EPOCH;

use clap::Args;
use countersign_core::Time;
use countersign_engine::{Inspected, Mark, Marks, Standing, Vault, inspect, standing, state_of};
use countersign_store::Store;
use countersign_store_sqlite::SqliteStore;
use serde_json::{Value, json};

use crate::console::Console;
use crate::failure::{NO, Result};
use crate::folder::{Folder, Taken, mode};
use crate::place::{Database, Place};
use crate::policies;
use crate::progress::Progress;

/// Records that are read and hashed again.
const RECORDS: u64 = 10_000;

#[derive(Args)]
pub(super) struct Doctor {
    /// The data folder
    #[arg(long)]
    data: Option<PathBuf>,
    /// A database in place of a data folder; better given as COUNTERSIGN_DATABASE_URL
    #[arg(long, conflicts_with = "data", value_name = "URL")]
    database_url: Option<String>,
    /// The instance key: with a database, and if it is not in the data folder
    #[arg(long)]
    key_file: Option<PathBuf>,
    /// Where the signer remembers what was signed for, outside of the data folder [env: COUNTERSIGN_SIGNER_STATE]
    #[arg(long, value_name = "DIR")]
    signer_state: Option<PathBuf>,
    /// A folder of policy documents to check as well [default: DATA/policies, if it is there]
    #[arg(long)]
    policies: Option<PathBuf>,
    /// How many of the newest records of each ledger to verify
    #[arg(long, default_value_t = RECORDS)]
    records: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Ok,
    Warn,
    Fail,
}

struct Finding {
    state: State,
    about: &'static str,
    what: String,
    next: Option<String>,
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn ok(&mut self, about: &'static str, what: impl Into<String>) {
        self.0.push(Finding {
            state: State::Ok,
            about,
            what: what.into(),
            next: None,
        });
    }

    fn warn(&mut self, about: &'static str, what: impl Into<String>, next: impl Into<String>) {
        self.0.push(Finding {
            state: State::Warn,
            about,
            what: what.into(),
            next: Some(next.into()),
        });
    }

    fn fail(&mut self, about: &'static str, what: impl Into<String>, next: impl Into<String>) {
        self.0.push(Finding {
            state: State::Fail,
            about,
            what: what.into(),
            next: Some(next.into()),
        });
    }
}

impl Doctor {
    pub(super) async fn run(self, console: &Console) -> Result<ExitCode> {
        let mut findings = Findings::default();
        let place = Place::named(
            self.data.as_deref(),
            self.database_url.as_deref(),
            self.key_file.as_deref(),
        )
        .and_then(|place| place.with_signer_state(self.signer_state.as_deref()))?;
        match &place {
            Place::Folder(folder) => self.examine(folder, &mut findings),
            Place::Database(database) => self.examine_database(database, &mut findings),
        }
        let word = |state: State| match state {
            State::Ok => "ok",
            State::Warn => "warn",
            State::Fail => "fail",
        };
        let values: Vec<Value> = findings
            .0
            .iter()
            .map(|finding| {
                json!({ "state": word(finding.state), "about": finding.about, "what": finding.what, "next": finding.next })
            })
            .collect();
        let lines: Vec<String> = findings
            .0
            .iter()
            .map(|finding| {
                let next = finding
                    .next
                    .as_ref()
                    .map(|next| format!("\n                    → {next}"))
                    .unwrap_or_default();
                format!(
                    "{:<4}  {:<12}  {}{next}",
                    word(finding.state),
                    finding.about,
                    finding.what
                )
            })
            .collect();
        console.answer(&json!({ "findings": values }), lines.join("\n"));
        let failed = findings.0.iter().any(|finding| finding.state == State::Fail);
        Ok(if failed { ExitCode::from(NO) } else { ExitCode::SUCCESS })
    }

    /// Servers may go on meanwhile: what is read is committed, and is not changed any more.
    fn examine_database(&self, database: &Database, findings: &mut Findings) {
        clock(findings);
        let marks = self.marks(database.signer_state.clone(), findings);
        let vault = key(&database.key_file, findings);
        self.documents(None, findings);
        match database.open() {
            Ok(store) => {
                findings.ok(
                    "store",
                    format!("`{}` opens, and its commits are durable", database.address),
                );
                verify_all(&store, vault.as_ref(), marks.as_ref(), self.records, findings);
            }
            Err(failure) => findings.fail("store", failure.what, "see that the database runs and can be reached"),
        }
    }

    fn examine(&self, folder: &Folder, findings: &mut Findings) {
        if let Err(failure) = folder.must_exist() {
            findings.fail("folder", failure.what, failure.next.unwrap_or_default());
            return;
        }
        let marks = self.marks(folder.signer_state.clone(), findings);
        permissions(folder, findings);
        space(&folder.root, findings);
        clock(findings);
        let vault = key(&folder.key_file, findings);
        self.documents(Some(folder), findings);
        // What a server has open is looked at by the server; two of us on one folder would be one too many.
        match folder.lock() {
            Ok(lock) => {
                findings.ok("lock", "nobody has the folder");
                ledgers(&folder.root, vault.as_ref(), marks.as_ref(), self.records, findings);
                drop(lock);
            }
            Err(taken @ Taken::By { .. }) => {
                findings.ok("lock", taken.failure(&folder.root).what);
                let next = "stop the server and run this again to have the records read and hashed";
                findings.warn("ledger", "not verified: a server has the folder", next);
            }
            Err(taken @ Taken::Failed(_)) => {
                let failure = taken.failure(&folder.root);
                findings.fail("lock", failure.what, "check who owns the folder and its files");
            }
        }
    }

    /// The signer's marks, if there are any.
    fn marks(&self, state: Option<PathBuf>, findings: &mut Findings) -> Option<Marks> {
        // What is not there is not made: looking changes nothing.
        let state = state.filter(|state| state.is_dir());
        match state.as_deref().map(Marks::open).transpose() {
            Ok(marks) => marks,
            Err(error) => {
                findings.fail("signer", error.to_string(), "check who owns the folder");
                None
            }
        }
    }

    fn documents(&self, data: Option<&Folder>, findings: &mut Findings) {
        let beside = data.map(|data| data.root.join("policies")).filter(|path| path.is_dir());
        let Some(folder) = self.policies.clone().or(beside) else {
            return;
        };
        let files = match policies::read(&folder) {
            Ok(files) => files,
            Err(failure) => {
                findings.fail("policies", failure.what, failure.next.unwrap_or_default());
                return;
            }
        };
        let checked = policies::check(&files);
        let next = format!("see everything with `countersign policy test {}`", folder.display());
        match (checked.first_fault(&folder), &checked.snapshot) {
            (Some(fault), _) => findings.fail("policies", fault, next),
            (None, Some(snapshot)) => {
                let what = format!(
                    "{} documents in {} load, {} tests pass: {}",
                    files.len(),
                    folder.display(),
                    checked.tests.len(),
                    snapshot.hash_text()
                );
                findings.ok("policies", what);
            }
            (None, None) => findings.fail("policies", "the documents do not load", next),
        }
    }
}

fn key(file: &Path, findings: &mut Findings) -> Option<Vault> {
    match Vault::from_file(file, false) {
        Ok(vault) => {
            findings.ok("key file", format!("{} has 32 bytes", file.display()));
            Some(vault)
        }
        Err(error) => {
            let next = "bring the key back from where it was kept; without it API keys and secrets are of no use";
            findings.fail("key file", error.to_string(), next);
            None
        }
    }
}

fn permissions(folder: &Folder, findings: &mut Findings) {
    let places = [
        (folder.root.clone(), 0o700),
        (folder.key_file.clone(), 0o600),
        (folder.root.join("ledger.db"), 0o600),
        (folder.root.join("local.json"), 0o600),
    ];
    let mut open = Vec::new();
    for (path, wanted) in places {
        if let Ok(found) = mode(&path)
            && found & !wanted != 0
        {
            open.push(format!("chmod {wanted:o} {}", path.display()));
        }
    }
    if open.is_empty() {
        findings.ok("permissions", "only the owner reads the folder and its key");
    } else {
        findings.warn(
            "permissions",
            "others may read or change what only the owner should",
            open.join(" && "),
        );
    }
}

fn space(root: &Path, findings: &mut Findings) {
    match rustix::fs::statvfs(root) {
        Err(error) => findings.warn("disk", format!("free space is not known: {error}"), "check it by hand"),
        Ok(stat) => {
            let free_mib = stat.f_bavail.saturating_mul(stat.f_frsize) / (1024 * 1024);
            let what = format!("{free_mib} MiB are free");
            match free_mib {
                0..200 => findings.fail("disk", what, "make room: a full disk makes the server refuse to decide"),
                200..2048 => findings.warn("disk", what, "make room soon"),
                _ => findings.ok("disk", what),
            }
        }
    }
}

/// The latest release of this program is younger than this: a clock before it is wrong.
const BUILT_AFTER_S: i64 = 1_767_225_600;

fn clock(findings: &mut Findings) {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec;
    let shown = Time(now.saturating_mul(1_000_000));
    if now < BUILT_AFTER_S {
        findings.fail(
            "clock",
            format!("the host's clock shows {shown}"),
            "set it; records carry its time",
        );
    } else {
        findings.ok("clock", format!("the host's clock shows {shown}"));
    }
}

fn ledgers(root: &Path, vault: Option<&Vault>, marks: Option<&Marks>, records: u64, findings: &mut Findings) {
    let store = match SqliteStore::open(root) {
        Ok(store) => store,
        Err(error) => {
            findings.fail(
                "store",
                error.to_string(),
                "bring the folder back from a backup, or ask for help with this message",
            );
            return;
        }
    };
    findings.ok("store", "SQLite opens, in WAL mode with full synchronous commits");
    verify_all(&store, vault, marks, records, findings);
}

fn verify_all(store: &dyn Store, vault: Option<&Vault>, marks: Option<&Marks>, records: u64, findings: &mut Findings) {
    let organizations = match store.organizations() {
        Ok(organizations) => organizations,
        Err(error) => {
            findings.fail("store", error.to_string(), "bring it back from a backup");
            return;
        }
    };
    if organizations.is_empty() {
        findings.warn(
            "ledger",
            "there is no organization",
            "make one with `countersign org add NAME`",
        );
    }
    let _progress = Progress::start("verifying records");
    for row in organizations {
        mark(store, marks, &row.name, findings);
        match inspect(store, vault, &row, records) {
            Ok(looked) => findings.ok("ledger", format!("{}: {}", row.name, found(&looked))),
            Err(what) => {
                let next = "stop using it, keep a copy of it, and compare with your latest export or backup";
                findings.fail("ledger", format!("{}: {what}", row.name), next);
            }
        }
    }
}

/// Holds a ledger against the signer's mark.
fn mark(store: &dyn Store, marks: Option<&Marks>, org: &str, findings: &mut Findings) {
    let look = || -> std::result::Result<(Standing, u64), String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let head = store.head(org).map_err(|error| text(&error))?.ok_or("it has no end")?;
        let origin = Mark::of(&head.checkpoint)?.checkpoint.origin;
        let mark = marks
            .map(|marks| marks.read(&origin))
            .transpose()
            .map_err(|error| text(&error))?;
        let state = state_of(store, org).map_err(|error| text(&error))?;
        let found = standing(store, org, &head, state.epochs(), mark.flatten()).map_err(|error| text(&error))?;
        Ok((found, head.size))
    };
    match look() {
        Ok((Standing::Follows(mark), size)) => {
            let signed = mark.checkpoint.size;
            let what = format!("{org}: {signed} of {size} records were signed for, and are those");
            // A mark of an earlier epoch may count records that are owned to be lost.
            let behind = size.saturating_sub(signed);
            let moved = last_moved(marks, &mark);
            findings.ok(
                "signer",
                format!("{what}; the mark {moved}, {behind} records are after it"),
            );
        }
        Ok((Standing::Unmarked, _)) => {
            let next = "name the folder with --signer-state; on a new machine a mark begins with the first start";
            findings.warn(
                "signer",
                format!("{org}: there is no mark of what was signed for"),
                next,
            );
        }
        Ok((Standing::Restored(restored), _)) => {
            let next = format!(
                "bring the newest data folder back, or open a new epoch: `countersign ledger epoch new --org {org} --why …`"
            );
            findings.fail("signer", restored.sentence(org), next);
        }
        Err(error) => findings.fail("signer", format!("{org}: {error}"), "look at the file that is named"),
    }
}

/// When a mark last moved, by the clock of its folder.
fn last_moved(marks: Option<&Marks>, mark: &Mark) -> String {
    let moved = marks.and_then(|marks| marks.moved(&mark.checkpoint.origin));
    let since = moved.and_then(|moved| moved.duration_since(UNIX_EPOCH).ok());
    match since.and_then(|since| i64::try_from(since.as_micros()).ok()) {
        Some(micros) => format!("last moved at {}", Time(micros)),
        None => "does not say when it moved".to_owned(),
    }
}

/// What was looked at and is as it should be.
fn found(looked: &Inspected) -> String {
    format!(
        "{} records are those of its signed checkpoint; of the newest {}, bytes, {} payloads and {} lines of the search index \
         are theirs; {} secrets open, {} policy snapshots have their hash",
        looked.records, looked.read, looked.payloads, looked.lines, looked.secrets, looked.snapshots
    )
}
