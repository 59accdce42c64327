//! `countersign witness`: a witness of other people's logs, until it is told to stop.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use countersign_core::digest::hex;
use countersign_server::TlsFiles;
use countersign_server::witness::{self, Witness as Witnessing};
use countersign_tlog::{Cosigner, VerifyingKey};
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

use crate::config::LogFormat;
use crate::console::{Console, note, say};
use crate::failure::{Failure, Result};
use crate::folder;
use crate::host::{address, listen};

use super::serve::start_log;

#[derive(Args)]
pub(super) struct Witness {
    /// Where to listen; port 0 = any free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7879")]
    listen: SocketAddr,
    /// What the witness knows, and its key: a folder that is never restored from a backup
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// The verifying key of a log to watch. May be given several times; an epoch that follows is a log of its own
    #[arg(long = "log", value_name = "VKEY", required = true)]
    logs: Vec<String>,
    /// The name of the witness, without spaces and `+`, kept from the first start on [default: witness-<8 digits of its key>]
    #[arg(long)]
    name: Option<String>,
    /// Certificate chain, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// How logs are written [default: text on a terminal, json elsewhere]
    #[arg(long, value_enum)]
    log_format: Option<LogFormat>,
}

impl Witness {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        start_log(self.log_format);
        // Before anything else: one that comes during the start is not lost.
        let listening =
            |kind| signal(kind).map_err(|error| Failure::unreachable(format!("cannot listen for signals: {error}")));
        let (mut terminate, mut interrupt) = (listening(SignalKind::terminate())?, listening(SignalKind::interrupt())?);
        let logs = self.logs.iter().map(|vkey| log(vkey)).collect::<Result<Vec<_>>>()?;
        let key = key(&self.state, self.name.as_deref())?;
        let vkey = key.witness_key().to_string();
        let origins: Vec<String> = logs.iter().map(|key| key.name().to_owned()).collect();
        let witness = Witnessing::open(&self.state, key, logs).map_err(|error| {
            Failure::unreachable(error.to_string())
                .next("a witness does not go on without what it knew: stop the other, or look at the file")
        })?;
        let listener = listen(self.listen).await?;
        let tls = match (self.tls_cert, self.tls_key) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (Some(_) | None, Some(_) | None) => None,
        };
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", address(&listener)?);
        if console.json {
            say(serde_json::json!({ "address": url, "vkey": vkey, "logs": origins }));
        } else {
            say(format_args!("countersign witness listens at {url}"));
            say(format_args!("verifying key: {vkey}"));
            for origin in &origins {
                let size = witness.size(origin).unwrap_or_default();
                note(format_args!("watches {origin}, of which it knows {size} records"));
            }
        }
        let shutdown = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        countersign_server::serve(listener, witness::router(Arc::new(witness)), tls, shutdown)
            .await
            .map_err(|error| Failure::unreachable(format!("the witness failed: {error}")))
    }
}

/// The key of a log.
fn log(vkey: &str) -> Result<VerifyingKey> {
    vkey.trim().parse().map_err(|error| {
        Failure::usage(format!("`{vkey}` is not a log's verifying key: {error}"))
            .next("take it from the output of `countersign init` or `countersign org add`")
    })
}

/// The witness's key: read, or made at the first start.
fn key(state: &Path, name: Option<&str>) -> Result<Cosigner> {
    let path = state.join("witness.key");
    match fs::read_to_string(&path).map(Zeroizing::new) {
        Ok(text) => known(&path, &text, name),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(state);
            made.map_err(|error| Failure::io("make", state, &error))?;
            let key = fresh(name)?;
            write(state, &path, &key).map_err(|error| Failure::io("write", &path, &error))?;
            Ok(key)
        }
        Err(error) => Err(Failure::io("read", &path, &error)),
    }
}

/// A key that was made before, if it has the name that is asked for.
fn known(path: &Path, text: &str, name: Option<&str>) -> Result<Cosigner> {
    if folder::mode(path).is_ok_and(|mode| mode & 0o077 != 0) {
        return Err(
            Failure::no(format!("others may read the witness's key `{}`", path.display()))
                .next(format!("take that away: chmod 600 {}", path.display())),
        );
    }
    let key = Cosigner::from_text(text.trim_end()).map_err(|error| {
        Failure::unreachable(format!(
            "the witness's key `{}` cannot be read: {error}",
            path.display()
        ))
    })?;
    match name {
        Some(name) if name != key.witness_key().name() => {
            let what = format!("this witness has the name `{}`, not `{name}`", key.witness_key().name());
            Err(Failure::no(what)
                .next("a key has one name: leave --name out, or begin a new witness with another --state"))
        }
        Some(_) | None => Ok(key),
    }
}

fn fresh(name: Option<&str>) -> Result<Cosigner> {
    let mut seed = Zeroizing::new([0_u8; 32]);
    getrandom::fill(&mut *seed)
        .map_err(|error| Failure::unreachable(format!("the operating system gives no random bytes: {error}")))?;
    let bad_name = |error: countersign_tlog::KeyError| Failure::usage(error.to_string());
    if let Some(name) = name {
        return Cosigner::from_seed(name, &seed).map_err(bad_name);
    }
    let public = Cosigner::from_seed("witness", &seed).map_err(bad_name)?;
    let public = public.witness_key().public();
    Cosigner::from_seed(&format!("witness-{}", hex(&public[..4])), &seed).map_err(bad_name)
}

/// Whole or not at all: a witness with half a key would be lost. Where another process was faster, its key stays.
fn write(state: &Path, path: &Path, key: &Cosigner) -> io::Result<()> {
    let beside = state.join(format!("witness.key.{}", std::process::id()));
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    writeln!(file, "{}", *key.to_text())?;
    file.sync_all()?;
    let linked = fs::hard_link(&beside, path);
    fs::remove_file(&beside)?;
    linked?;
    File::open(state)?.sync_all()
}
