//! `countersign audit export`: the record for auditors and for other programs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;
use countersign_core::Time;
use countersign_export::{Bound, Lock, Range};
use serde_json::json;

use crate::bundle::{self, Wanted};
use crate::connect::{About, Connection, Session};
use crate::console::Console;
use crate::cosign::WitnessAt;
use crate::export::{self, Following, Request};
use crate::failure::{Failure, Result};
use crate::span::interval;

/// The format that is verified without Countersign, and the one that an export has if nothing else is said.
const BUNDLE: &str = "bundle";

#[derive(Args)]
pub(super) struct Export {
    /// What to write: `bundle` is all that is needed to verify it without Countersign [default: bundle; with --follow jsonl]
    #[arg(long, value_parser = PossibleValuesParser::new([BUNDLE, "csv", "jsonl", "ocsf", "parquet"]))]
    format: Option<String>,
    /// Where to: a folder that is missing or empty, or s3://BUCKET/FOLDER
    #[arg(long, visible_alias = "out", value_name = "DEST")]
    to: String,
    /// Begin with this record: its index, or the first one that is not before an instant
    #[arg(long, value_name = "SEQ|TIME", value_parser = bound)]
    from: Option<Bound>,
    /// End with the record of this index
    #[arg(long, value_name = "SEQ")]
    to_seq: Option<u64>,
    /// What lies beside the records goes along: arguments, evidence and comments, as far as they are kept
    #[arg(long)]
    payloads: bool,
    /// An earlier checkpoint of this log, to prove that it was only added to
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
    /// Have a witness cosign the checkpoint: its address and the key that it shows at its start. May be given several times
    #[arg(long = "witness", value_name = "URL=VKEY")]
    witnesses: Vec<WitnessAt>,
    /// The log's verifying key that you kept; otherwise the server's word is taken
    #[arg(long)]
    vkey: Option<String>,
    /// Lock what is written until this day or instant: nobody can delete or change it (object lock, compliance mode)
    #[arg(long, value_name = "DATE", conflicts_with = "lock_days", value_parser = day)]
    lock_until: Option<Time>,
    /// Lock what is written for so many days
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    lock_days: Option<u32>,
    /// Go on as the ledger grows: numbered parts that are written once
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    continuous: Continuous,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct Continuous {
    /// Where to note what is done [default: cursor.json at the destination]
    #[arg(long, value_name = "FILE", requires = "follow")]
    cursor: Option<PathBuf>,
    /// How often to look for new records
    #[arg(long, value_name = "TIME", requires = "follow", default_value = "10s", value_parser = interval)]
    interval: Duration,
    /// End when everything up to now is exported
    #[arg(long, requires = "follow")]
    once: bool,
    /// How many records a part has at most
    #[arg(long, value_name = "COUNT", requires = "follow", default_value_t = 10_000,
          value_parser = clap::value_parser!(u64).range(1..=100_000))]
    part_records: u64,
}

fn bound(text: &str) -> std::result::Result<Bound, String> {
    text.parse()
}

/// A day, which begins at midnight UTC, or an instant.
fn day(text: &str) -> std::result::Result<Time, String> {
    let instant = if text.len() == "2033-01-01".len() {
        format!("{text}T00:00:00Z")
    } else {
        text.to_owned()
    };
    instant
        .parse()
        .map_err(|_| format!("`{text}` is neither a day such as 2033-01-01 nor an instant"))
}

impl Export {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        self.sensible()?;
        if self.follow {
            return self.follow(console).await;
        }
        match self.format.as_deref() {
            None | Some(BUNDLE) => self.bundle(console).await,
            Some(format) => self.file(format, console).await,
        }
    }

    /// Refuses what does not go together.
    fn sensible(&self) -> Result<()> {
        let format = self.format.as_deref();
        let bundle = !self.follow && matches!(format, None | Some(BUNDLE));
        let ranged = self.from.is_some() || self.to_seq.is_some();
        if bundle && ranged {
            return Err(Failure::usage("a bundle holds the whole ledger")
                .next("for some of the records add --format jsonl, csv, ocsf or parquet"));
        }
        if !bundle && self.since.is_some() {
            return Err(Failure::usage("only a bundle holds the proof of an earlier checkpoint")
                .next("leave --since or --format out"));
        }
        if !bundle && !self.witnesses.is_empty() {
            return Err(
                Failure::usage("only the checkpoint of a bundle is brought to witnesses")
                    .next("leave --witness or --format out; `countersign audit cosign` brings a checkpoint alone"),
            );
        }
        if self.follow && (ranged || self.payloads || !matches!(format, None | Some("jsonl"))) {
            return Err(Failure::usage(
                "a continuous export holds all records as they are hashed, and nothing beside them",
            )
            .next("leave --format, --from, --to-seq and --payloads out"));
        }
        Ok(())
    }

    fn lock(&self) -> Option<Lock> {
        self.lock_until.map(Lock::Until).or(self.lock_days.map(Lock::Days))
    }

    async fn bundle(&self, console: &Console) -> Result<()> {
        let since = self.since.as_deref().map(read).transpose()?;
        let work = async |session: &Session| {
            let write = async |folder: &Path| {
                let wanted = Wanted {
                    out: folder,
                    payloads: self.payloads,
                    since,
                    witnesses: &self.witnesses,
                };
                bundle::write(&session.client, &wanted).await
            };
            export::into(&self.to, self.lock(), write).await
        };
        let written = self.connection.with(About::Organization, work).await?;
        let out = &self.to;
        let value = json!({
            "out": out, "size": written.size, "origin": written.origin,
            "vkey": written.vkey, "disclosures": written.disclosed,
        });
        let text = format!(
            "{} records of {} are in {out}\n\
             verify them with  countersign audit verify --vkey '{}' {out}\n\
             or with           python3 {out}/verify.py '{}' {out}\n\
             Compare the key with the one that you kept; this one is what the server says.",
            written.size, written.origin, written.vkey, written.vkey,
        );
        console.answer(&value, text);
        Ok(())
    }

    async fn file(&self, format: &str, console: &Console) -> Result<()> {
        let request = Request {
            format: export::format(format)?,
            range: Range {
                from: self.from,
                to_seq: self.to_seq,
            },
            payloads: self.payloads,
            vkey: self.vkey.as_deref(),
        };
        let work = async |session: &Session| {
            let write = async |folder: &Path| export::write(&session.client, folder, &request).await;
            export::into(&self.to, self.lock(), write).await
        };
        let written = self.connection.with(About::Organization, work).await?;
        let (out, file) = (&self.to, request.format.file);
        let value = json!({
            "out": out, "file": file, "format": format, "first": written.first, "records": written.records,
            "payloads": written.opened, "gone": written.gone, "restricted": written.restricted, "size": written.size,
        });
        let mut text = format!(
            "{} records from record {} on are in {out}/{file}\n\
             they lead to the root that the checkpoint of {} records signs",
            written.records, written.first, written.size,
        );
        if self.payloads {
            let (opened, gone, restricted) = (written.opened, written.gone, written.restricted);
            text.push_str(&format!(
                "\n{opened} payloads; {gone} are gone, {restricted} are restricted"
            ));
        }
        console.answer(&value, text);
        Ok(())
    }

    async fn follow(&self, console: &Console) -> Result<()> {
        let following = Following {
            to: &self.to,
            lock: self.lock(),
            cursor: self.continuous.cursor.as_deref(),
            interval: self.continuous.interval,
            once: self.continuous.once,
            part_records: self.continuous.part_records,
            vkey: self.vkey.as_deref(),
        };
        let work = async |session: &Session| export::follow(&session.client, &following, console).await;
        let followed = self.connection.with(About::Organization, work).await?;
        let value = json!({
            "to": self.to, "parts": followed.parts, "records": followed.records, "exported": followed.exported,
        });
        let text = format!(
            "{} records are in {}, {} of them new in {} parts",
            followed.exported, self.to, followed.records, followed.parts
        );
        console.answer(&value, text);
        Ok(())
    }
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| Failure::io("read", path, &error))
}
