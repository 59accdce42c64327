//! `countersign backup` and `countersign restore`: copies of a ledger, and the way back that tells no lies.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use countersign_engine::{Caller, Engine, Mark, Marks, Request, Restored, Settings, Standing, standing, state_of};
use countersign_store::Store;
use countersign_store_sqlite::{BackupError, Copied, SqliteStore};
use serde_json::{Value, json};

use crate::console::Console;
use crate::failure::{Failure, Result};
use crate::folder::Folder;
use crate::instance::Instance;

#[derive(Args)]
pub(super) struct Backup {
    /// The data folder; a server may have it
    #[arg(long)]
    data: PathBuf,
    /// The file to write, or a folder to write one into
    #[arg(long, value_name = "FILE|DIR")]
    out: PathBuf,
}

#[derive(Args)]
pub(super) struct Restore {
    /// The backup, or a folder with a `ledger.db`
    #[arg(long, value_name = "FILE|DIR")]
    from: PathBuf,
    /// The data folder to make; it must hold no ledger
    #[arg(long)]
    data: PathBuf,
    /// The instance key, if it is not in the data folder
    #[arg(long)]
    key_file: Option<PathBuf>,
    /// Where the signer remembers what was signed for, outside of the data folder [env: COUNTERSIGN_SIGNER_STATE]
    #[arg(long, value_name = "DIR")]
    signer_state: Option<PathBuf>,
    /// Go on although records are lost that were signed for: under a new name of the log
    #[arg(long)]
    open_epoch: bool,
    /// What happened; it becomes part of the record
    #[arg(long, requires = "open_epoch", default_value = "restored from a backup")]
    why: String,
}

fn copy(from: &Path, to: &Path) -> Result<Vec<Copied>> {
    countersign_store_sqlite::copy(from, to).map_err(|error| {
        let what = error.to_string();
        match error {
            BackupError::Exists(_) => Failure::no(what).next("nothing is overwritten: name another place"),
            BackupError::Unsound { .. } => {
                Failure::no(what).next("use another backup, and keep this one to look at it")
            }
            BackupError::Io { .. } | BackupError::Sqlite(_) => Failure::unreachable(what),
        }
    })
}

/// Ledgers, a line each.
fn lines(copied: &[Copied]) -> String {
    let line = |ledger: &Copied| format!("  {}: {} records\n", ledger.org, ledger.size);
    copied.iter().map(line).collect()
}

fn values(copied: &[Copied]) -> Vec<Value> {
    let value = |ledger: &Copied| json!({ "organization": ledger.org.to_string(), "size": ledger.size });
    copied.iter().map(value).collect()
}

impl Backup {
    pub(super) fn run(self, console: &Console) -> Result<()> {
        let folder = Folder::new(&self.data, None);
        folder.must_exist()?;
        let out = if self.out.is_dir() {
            // Without a colon, which other systems take for something else.
            let now =
                countersign_core::Time(rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec * 1_000_000);
            let stamp: String = now.to_string().chars().filter(char::is_ascii_digit).take(14).collect();
            self.out.join(format!("countersign-{stamp}.db"))
        } else {
            self.out.clone()
        };
        let copied = copy(&folder.root.join("ledger.db"), &out)?;
        let text = format!(
            "{} holds\n{}It was read again and is sound. The instance key and the signer's state are not in it: keep the key\n\
             (instance.key) apart, and leave the signer's state where it is, so that a restored backup is noticed.",
            out.display(),
            lines(&copied),
        );
        console.answer(
            &json!({ "file": out.display().to_string(), "ledgers": values(&copied) }),
            text,
        );
        Ok(())
    }
}

impl Restore {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        let folder =
            Folder::new(&self.data, self.key_file.as_deref()).with_signer_state(self.signer_state.as_deref())?;
        let from = if self.from.is_dir() {
            self.from.join("ledger.db")
        } else {
            self.from.clone()
        };
        if !from.is_file() {
            return Err(Failure::usage(format!(
                "there is no backup at `{}`",
                self.from.display()
            )));
        }
        if !folder.key_file.is_file() {
            let what = format!("there is no instance key at `{}`", folder.key_file.display());
            return Err(
                Failure::usage(what).next("the key is not part of a backup: put it there, or name it with --key-file")
            );
        }
        folder.create()?;
        let lock = folder.own()?;
        let ledger = folder.root.join("ledger.db");
        let copied = copy(&from, &ledger)?;
        let missing = match missing(&folder) {
            Ok(missing) if missing.is_empty() || self.open_epoch => missing,
            Ok(missing) => {
                remove(&folder.root);
                return Err(refused(&missing));
            }
            Err(failure) => {
                remove(&folder.root);
                return Err(failure);
            }
        };
        let instance = Instance::open(&folder, lock, Settings::default(), false)?;
        let opened = open_epochs(&instance.engine, &missing, &self.why).await;
        instance.stop().await;
        let opened = opened?;
        let mut text = format!("{} holds\n{}", folder.root.display(), lines(&copied));
        for (org, restored) in &missing {
            text.push_str(&format!("lost: {}\n", loss(org, restored)));
        }
        for (org, vkey) in &opened {
            text.push_str(&format!("{org} goes on in a new epoch; its log key is now\n  {vkey}\n"));
        }
        text.push_str(&format!("\nNext:  countersign serve --data {}", folder.root.display()));
        let missing = missing.iter().map(|(org, restored)| value(org, restored));
        let opened = opened
            .iter()
            .map(|(org, vkey)| json!({ "organization": org, "vkey": vkey }));
        let value = json!({
            "data": folder.root.display().to_string(), "ledgers": values(&copied),
            "lost": missing.collect::<Vec<_>>(), "epochs": opened.collect::<Vec<_>>(),
        });
        console.answer(&value, text);
        Ok(())
    }
}

/// The ledgers of a folder that are not what was signed for.
fn missing(folder: &Folder) -> Result<Vec<(String, Restored)>> {
    let unreadable =
        |error: &dyn std::fmt::Display| Failure::unreachable(format!("the backup cannot be read: {error}"));
    let Some(marks) = &folder.signer_state else {
        return Ok(Vec::new());
    };
    let marks = Marks::open(marks).map_err(|error| Failure::unreachable(error.to_string()))?;
    let store = SqliteStore::open(&folder.root).map_err(|error| unreadable(&error))?;
    let mut missing = Vec::new();
    for row in store.organizations().map_err(|error| unreadable(&error))? {
        let Some(head) = store.head(&row.name).map_err(|error| unreadable(&error))? else {
            continue;
        };
        let here = Mark::of(&head.checkpoint).map_err(|error| unreadable(&error))?;
        let mark = marks
            .read(&here.checkpoint.origin)
            .map_err(|error| Failure::unreachable(error.to_string()))?;
        let state = state_of(&store, &row.name)?;
        if let Standing::Restored(restored) = standing(&store, &row.name, &head, state.epochs(), mark)? {
            missing.push((row.name.to_string(), restored));
        }
    }
    Ok(missing)
}

/// Takes away what an attempt has written.
fn remove(root: &Path) {
    for name in ["ledger.db", "search.db"] {
        for end in ["", "-wal", "-shm"] {
            // What stays behind is refused by the next attempt, which says so.
            let _ = fs::remove_file(root.join(format!("{name}{end}")));
        }
    }
}

fn loss(org: &str, restored: &Restored) -> String {
    let mark = &restored.mark.checkpoint;
    format!(
        "{org} has {} records in the backup, and {} were signed for under {}",
        restored.size, mark.size, mark.origin
    )
}

fn value(org: &str, restored: &Restored) -> Value {
    let mark = &restored.mark.checkpoint;
    json!({ "organization": org, "size": restored.size, "signed": mark.size, "origin": mark.origin })
}

fn refused(missing: &[(String, Restored)]) -> Failure {
    let losses: Vec<String> = missing.iter().map(|(org, restored)| loss(org, restored)).collect();
    Failure {
        code: "records_lost".into(),
        ..Failure::no(format!(
            "nothing was restored, since records would be lost: {}",
            losses.join("; ")
        ))
        .next(
            "use a newer backup; or add `--open-epoch --why …`, so that the log goes on under another name and says so",
        )
    }
}

async fn open_epochs(engine: &Engine, missing: &[(String, Restored)], why: &str) -> Result<Vec<(String, String)>> {
    let mut opened = Vec::new();
    for (org, _) in missing {
        // What is closed is not gone on with.
        if engine.look(&org.as_str().into(), |state| state.is_closed()).await? {
            continue;
        }
        let caller = Caller::operator(org.as_str().into());
        let request = Request {
            caller: &caller,
            route: "local",
            idempotency_key: None,
            body: &[],
        };
        let epoch = engine.open_epoch(&request, why).await?;
        opened.push((org.clone(), epoch.vkey));
    }
    Ok(opened)
}
