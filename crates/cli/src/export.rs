//! Exports by way of the API: the source of records, and the three ways that they go out.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign_api::audit::{CheckpointAnswer, ConsistencyAnswer, InclusionAnswer, PayloadAnswer};
use countersign_client::{Client, ClientError};
use countersign_export::{
    CursorFile, Destination, ExportError, Extract, Extracted, Follow, Format, Inclusion, Lock, Payload, Place as _,
    Put, Range, Source, SourceError, Step,
};
use countersign_tlog::{Checkpoint, Hash, VerifyingKey};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::bundle;
use crate::console::{Console, note, say};
use crate::failure::{Failure, Result};
use crate::progress::Progress;

/// The API as a source of records.
struct Api<'a>(&'a Client);

type Asked<T> = std::result::Result<T, SourceError>;

impl Source for Api<'_> {
    async fn checkpoint(&self) -> Asked<String> {
        let answer: CheckpointAnswer = self.0.get("/v1/audit/checkpoint").await.map_err(asked)?;
        Ok(answer.checkpoint)
    }

    async fn records(&self, from: u64, limit: u64) -> Asked<String> {
        let path = format!("/v1/audit/records?from={from}&limit={limit}");
        self.0.text(&path).await.map_err(asked)
    }

    async fn consistency(&self, from: u64, to: u64) -> Asked<Vec<Hash>> {
        let path = format!("/v1/audit/consistency?from={from}&to={to}");
        let answer: ConsistencyAnswer = self.0.get(&path).await.map_err(asked)?;
        hashes(&answer.hashes)
    }

    async fn inclusion(&self, index: u64) -> Asked<Inclusion> {
        let answer: InclusionAnswer = self.0.get(&format!("/v1/audit/proof/{index}")).await.map_err(asked)?;
        // Only the size is taken from this checkpoint; what the proof says is tested against a verified one.
        let body = answer
            .checkpoint
            .split_once("\n\n")
            .map(|(body, _)| format!("{body}\n"));
        let size = body.and_then(|body| Checkpoint::parse_body(&body).ok());
        let size = size
            .ok_or_else(|| unreadable("the checkpoint of a proof cannot be read"))?
            .size;
        Ok(Inclusion {
            hashes: hashes(&answer.hashes)?,
            size,
        })
    }

    async fn payload(&self, index: u64) -> Asked<Payload> {
        payload(self.0, index).await.map_err(asked)
    }
}

/// The payload of a record, or what became of it.
pub(crate) async fn payload(client: &Client, index: u64) -> std::result::Result<Payload, ClientError> {
    match client.get::<PayloadAnswer>(&format!("/v1/audit/payload/{index}")).await {
        Ok(PayloadAnswer { salt, body, .. }) => Ok(Payload::Open { body, salt }),
        Err(ClientError::Problem(problem)) if matches!(problem.status, 404 | 410) => Ok(Payload::Gone),
        Err(ClientError::Problem(problem)) if problem.code == "restricted" => Ok(Payload::Restricted),
        Err(error) => Err(error),
    }
}

fn hashes(texts: &[String]) -> Asked<Vec<Hash>> {
    let read = texts.iter().map(|text| text.parse());
    read.collect::<std::result::Result<_, _>>()
        .map_err(|_| unreadable("a proof cannot be read"))
}

fn unreadable(what: &str) -> SourceError {
    SourceError {
        what: what.to_owned(),
        next: None,
        refused: true,
        code: "unreadable".to_owned(),
    }
}

fn asked(error: ClientError) -> SourceError {
    let failure = Failure::from(error);
    SourceError {
        refused: failure.exit != crate::failure::UNREACHABLE,
        what: failure.what,
        next: failure.next,
        code: failure.code,
    }
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Failure {
        let what = error.to_string();
        match error {
            ExportError::Finding(_) => Failure {
                code: "finding".to_owned(),
                ..Failure::no(what).next("this is evidence: keep what is exported already, and ask who runs the server")
            },
            ExportError::Source(source) => {
                let failure = if source.refused {
                    Failure::no(what)
                } else {
                    Failure::unreachable(what)
                };
                Failure {
                    code: source.code,
                    next: source.next,
                    ..failure
                }
            }
            ExportError::Unreadable(_) | ExportError::Place { .. } => Failure::unreachable(what),
            ExportError::MissingFeature { feature, .. } => {
                Failure::usage(what).next(format!("build it with --features {feature}"))
            }
            ExportError::Usage { next, .. } => Failure::usage(what).next(next),
        }
    }
}

/// What to write into a file.
pub(crate) struct Request<'a> {
    pub(crate) format: &'static Format,
    pub(crate) range: Range,
    pub(crate) payloads: bool,
    /// The log's key that the caller kept.
    pub(crate) vkey: Option<&'a str>,
}

/// The format of this name.
pub(crate) fn format(name: &str) -> Result<&'static Format> {
    countersign_export::format(name).ok_or_else(|| Failure::usage(format!("`{name}` is not a format")))
}

/// The log's verifying key: the one that was kept, or what the server says.
async fn key(client: &Client, kept: Option<&str>) -> Result<VerifyingKey> {
    let (vkey, kept) = match kept {
        Some(vkey) => (vkey.to_owned(), true),
        None => (bundle::log_key(client).await?.1, false),
    };
    vkey.trim().parse().map_err(|error| {
        if kept {
            Failure::usage(format!("`{vkey}` is not a verifying key: {error}"))
        } else {
            Failure::unreachable(format!("the server's log key cannot be read: {error}"))
        }
    })
}

/// Writes records in one format into an empty folder.
pub(crate) async fn write(client: &Client, folder: &Path, request: &Request<'_>) -> Result<Extracted> {
    bundle::prepare(folder)?;
    let key = key(client, request.vkey).await?;
    let progress = Progress::start("exporting records");
    let wanted = Extract {
        format: request.format,
        range: request.range,
        payloads: request.payloads,
        progress: &|count| progress.reached(count),
    };
    Ok(countersign_export::extract(&Api(client), &key, folder, &wanted).await?)
}

/// A folder of ours that goes with the value.
struct Spool(PathBuf);

impl Spool {
    fn make() -> Result<Spool> {
        let path = std::env::temp_dir().join(format!("countersign-export-{}", std::process::id()));
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| Failure::io("make", &path, &error))?;
        Ok(Spool(path))
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // What stays behind is for whoever cleans the folder of temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Lets `write` fill the folder at an address, or one that is uploaded from then.
pub(crate) async fn into<T>(to: &str, lock: Option<Lock>, write: impl AsyncFnOnce(&Path) -> Result<T>) -> Result<T> {
    if !to.starts_with("s3://") {
        if lock.is_some() {
            countersign_export::destination(to, lock)?;
        }
        return write(Path::new(to)).await;
    }
    let bucket = countersign_export::destination(to, lock)?;
    if !bucket.names("").await?.is_empty() {
        return Err(Failure::usage(format!("`{to}` is not empty"))
            .next("an export is a folder of its own: name one that is not there yet"));
    }
    let spool = Spool::make()?;
    let written = write(&spool.0).await?;
    for name in bundle::Disk::open(&spool.0)?.into_names() {
        upload(&bucket, &spool.0, &name).await?;
    }
    Ok(written)
}

async fn upload(bucket: &Destination, spool: &Path, name: &str) -> Result<()> {
    let path = spool.join(name);
    match bucket.upload(name, &path).await? {
        Put::Created => Ok(()),
        Put::Exists => Err(Failure::unreachable(format!("somebody else wrote `{name}`"))),
    }
}

/// How to go on.
pub(crate) struct Following<'a> {
    pub(crate) to: &'a str,
    pub(crate) lock: Option<Lock>,
    pub(crate) cursor: Option<&'a Path>,
    pub(crate) interval: Duration,
    pub(crate) once: bool,
    pub(crate) part_records: u64,
    pub(crate) vkey: Option<&'a str>,
}

/// What a continuous export did until it ended.
#[derive(Default)]
pub(crate) struct Followed {
    pub(crate) parts: u64,
    /// Records in those parts.
    pub(crate) records: u64,
    /// Records at the destination in all.
    pub(crate) exported: u64,
}

/// Exports until it is told to stop, or once up to now. It may be stopped at any moment: what is under way is done anew.
pub(crate) async fn follow(client: &Client, following: &Following<'_>, console: &Console) -> Result<Followed> {
    let failed = |error: std::io::Error| Failure::unreachable(format!("cannot listen to signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut followed = Followed::default();
    let done = tokio::select! {
        done = go_on(client, following, console, &mut followed) => done,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    done.map(|()| followed)
}

async fn go_on(client: &Client, following: &Following<'_>, console: &Console, followed: &mut Followed) -> Result<()> {
    let destination = countersign_export::destination(following.to, following.lock)?;
    let cursor = following.cursor.map_or(Ok(CursorFile::There), CursorFile::at)?;
    let key = key(client, following.vkey).await?;
    let api = Api(client);
    let mut follow = Follow::open(&api, &destination, key, cursor, following.part_records).await?;
    // With --once, what is there now is enough: a busy ledger never stands still.
    let mut target = None;
    loop {
        followed.exported = follow.exported();
        let step = follow.step().await;
        followed.exported = follow.exported();
        match step {
            Ok(Step::Part { name, records, found }) => {
                followed.parts += 1;
                followed.records += records;
                report(console, &name, records, found);
            }
            Ok(Step::UpToDate) if !following.once => tokio::time::sleep(following.interval).await,
            Ok(Step::UpToDate) => {}
            Err(error) if !following.once && passes(&error) => {
                note(format_args!("{error}; trying again"));
                tokio::time::sleep(following.interval).await;
                continue;
            }
            Err(error) => return Err(error.into()),
        }
        let target = *target.get_or_insert(follow.size());
        if following.once && follow.exported() >= target {
            return Ok(());
        }
    }
}

/// A fault that may be over at the next try.
fn passes(error: &ExportError) -> bool {
    match error {
        ExportError::Source(source) => !source.refused,
        ExportError::Place { .. } => true,
        ExportError::Finding(_)
        | ExportError::Unreadable(_)
        | ExportError::MissingFeature { .. }
        | ExportError::Usage { .. } => false,
    }
}

fn report(console: &Console, part: &str, records: u64, found: bool) {
    if console.json {
        say(json!({ "part": part, "records": records, "found": found }));
    } else {
        let found = if found { ", was there" } else { "" };
        say(format_args!("{part}  {records} records{found}"));
    }
}
