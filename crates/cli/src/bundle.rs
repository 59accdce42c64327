//! Export bundles on disk: written from what a server answers, read for verification.
//!
//! What is in a bundle is said by [`countersign_tlog::bundle`].

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use countersign_api::audit::{CheckpointAnswer, ConsistencyAnswer, InclusionAnswer, LogKeysAnswer, SchemasAnswer};
use countersign_api::policies::SnapshotFilesAnswer;
use countersign_api::registry::WhoamiAnswer;
use countersign_api::retention::LeafHashesAnswer;
use countersign_client::{Client, ClientError, segment};
use countersign_export::Payload;
use countersign_tlog::bundle::{Files, entries_frame};
use countersign_tlog::{Checkpoint, Hash, Note, ProofFile, VERIFY_PY, VerifyingKey, verify_consistency};
use serde::Deserialize;

use crate::cosign::{WitnessAt, cosigned};
use crate::export::payload;
use crate::failure::{Failure, Result};
use crate::progress::Progress;

/// Records in one request.
const PAGE: u64 = 5000;

/// What goes into a bundle besides the records.
pub(crate) struct Wanted<'a> {
    /// Where to: a folder that is missing or empty.
    pub(crate) out: &'a Path,
    /// Open the commitments: what lies beside the records goes along.
    pub(crate) payloads: bool,
    /// An earlier checkpoint to prove consistency with.
    pub(crate) since: Option<String>,
    /// Witnesses that are to cosign the checkpoint.
    pub(crate) witnesses: &'a [WitnessAt],
}

/// What was written.
pub(crate) struct Written {
    /// How many records.
    pub(crate) size: u64,
    /// Origin of the log.
    pub(crate) origin: String,
    /// The log's verifying key, as the server says.
    pub(crate) vkey: String,
    /// How many commitments are opened.
    pub(crate) disclosed: u64,
}

/// What an export reads of a record.
#[derive(Deserialize)]
struct Cites {
    snapshot: Option<String>,
    payload: Option<serde::de::IgnoredAny>,
}

/// Writes a bundle.
pub(crate) async fn write(client: &Client, wanted: &Wanted<'_>) -> Result<Written> {
    let out = wanted.out;
    prepare(out)?;
    let (origin, vkey) = log_key(client).await?;
    // Proofs first, the checkpoint after them: it then covers whatever they cover.
    let first: CheckpointAnswer = client.get("/v1/audit/checkpoint").await?;
    let known: LeafHashesAnswer = client.get("/v1/audit/leaf_hashes?limit=1").await?;
    let proofs = proofs(client, known.pruned..first.size).await?;
    let head: CheckpointAnswer = client.get("/v1/audit/checkpoint").await?;
    let size = head.size;
    witnessed(client, out, head.size, &head.checkpoint).await?;
    let checkpoint = cosigned(client, &head.checkpoint, wanted.witnesses).await?;
    put(out, "checkpoint", checkpoint.as_bytes())?;
    let begins = pruned(client, out).await?;
    let (cited, disclosed) = records(client, wanted, begins..size, &proofs).await?;
    if let Some(old) = &wanted.since {
        since(client, out, &vkey, old, &head.checkpoint).await?;
    }
    for hash in cited {
        let answer: SnapshotFilesAnswer = client.get(&format!("/v1/policies/{}", segment(&hash))).await?;
        let folder = hash.strip_prefix("sha256:").unwrap_or(&hash);
        for (name, text) in plain_names(answer.files) {
            put(out, &format!("snapshots/{folder}/{name}"), text.as_bytes())?;
        }
    }
    let schemas: SchemasAnswer = client.get("/v1/audit/schemas").await?;
    for (name, text) in schemas.files {
        put(out, &format!("schemas/{name}"), text.as_bytes())?;
    }
    put(out, "verify.py", VERIFY_PY.as_bytes())?;
    put(out, "README.md", readme(&origin, size).as_bytes())?;
    Ok(Written {
        size,
        origin,
        vkey,
        disclosed,
    })
}

/// Writes the checkpoint that witnesses cosigned last, where there is one and it is not the exported one.
async fn witnessed(client: &Client, out: &Path, size: u64, head: &str) -> Result<()> {
    let early: CheckpointAnswer = match client.get("/v1/audit/checkpoint?witnessed=true").await {
        Ok(early) => early,
        // An older server does not know the question.
        Err(ClientError::Problem(problem)) if problem.status < 500 => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if early.size > size || head == early.checkpoint {
        return Ok(());
    }
    put(out, "checkpoint.witnessed", early.checkpoint.as_bytes())
}

/// Makes a folder that has to be missing or empty.
pub(crate) fn prepare(out: &Path) -> Result<()> {
    fs::create_dir_all(out).map_err(|error| Failure::io("make", out, &error))?;
    let mut entries = fs::read_dir(out).map_err(|error| Failure::io("read", out, &error))?;
    if entries.next().is_some() {
        return Err(Failure::usage(format!("`{}` is not empty", out.display()))
            .next("a bundle is a folder of its own: name one that is not there yet"));
    }
    Ok(())
}

/// The log's origin and verifying key, as the server says.
pub(crate) async fn log_key(client: &Client) -> Result<(String, String)> {
    let who: WhoamiAnswer = client.get("/v1/whoami").await?;
    let path = format!(
        "/.well-known/countersign-log.json?organization={}",
        segment(&who.organization)
    );
    let known: LogKeysAnswer = client.get(&path).await?;
    let own = known.logs.into_iter().next();
    let own = own.ok_or_else(|| Failure::unreachable("the server does not show the log's verifying key"))?;
    Ok((own.origin, own.vkey))
}

/// Proofs of the first, the middle and the last record.
async fn proofs(client: &Client, range: Range<u64>) -> Result<Vec<InclusionAnswer>> {
    let (begins, size) = (range.start, range.end);
    let chosen: BTreeSet<u64> = [begins, begins + size.saturating_sub(begins) / 2, size.saturating_sub(1)]
        .into_iter()
        .filter(|at| range.contains(at))
        .collect();
    let mut proofs = Vec::new();
    for index in chosen {
        proofs.push(client.get(&format!("/v1/audit/proof/{index}")).await?);
    }
    Ok(proofs)
}

/// Writes the hashes of records that have no bytes any more. Answers where the others begin.
async fn pruned(client: &Client, out: &Path) -> Result<u64> {
    let (mut text, mut next) = (String::new(), 0);
    loop {
        let page: LeafHashesAnswer = client
            .get(&format!("/v1/audit/leaf_hashes?from={next}&limit={PAGE}"))
            .await?;
        let Some(first) = page.first.filter(|_| page.pruned > 0) else {
            return Ok(0);
        };
        let left = usize::try_from(page.pruned - next).unwrap_or(usize::MAX);
        if page.hashes.is_empty() {
            return Err(Failure::unreachable(format!("the server has no hash of record {next}")));
        }
        for hash in page.hashes.iter().take(left) {
            let hash: Hash = hash
                .parse()
                .map_err(|error| Failure::unreachable(format!("the hash of record {next} cannot be read: {error}")))?;
            text.push_str(&hash.to_base64());
            text.push('\n');
            next += 1;
        }
        if next == page.pruned {
            put(out, "pruned.hashes", text.as_bytes())?;
            put(out, "first.leaf", first.as_bytes())?;
            return Ok(next);
        }
    }
}

/// Writes the records, and what goes along with each. Returns the snapshots that they cite.
async fn records(
    client: &Client,
    wanted: &Wanted<'_>,
    range: Range<u64>,
    proofs: &[InclusionAnswer],
) -> Result<(BTreeSet<String>, u64)> {
    let out = wanted.out;
    let (mut entries, mut lines) = (open(out, "entries")?, open(out, "records.jsonl")?);
    let mut disclosures = if wanted.payloads {
        Some(open(out, "disclosures.jsonl")?)
    } else {
        None
    };
    let progress = Progress::start("exporting records");
    let (mut cited, mut disclosed, mut frame) = (BTreeSet::new(), 0, Vec::new());
    let failed = |error: std::io::Error| Failure::io("write to", out, &error);
    let (mut next, size) = (range.start, range.end);
    while next < size {
        let limit = PAGE.min(size - next);
        let page = client
            .text(&format!("/v1/audit/records?from={next}&limit={limit}"))
            .await?;
        if page.is_empty() {
            return Err(Failure::unreachable(format!(
                "the server has no record {next}, although its checkpoint covers {size}"
            )));
        }
        for leaf in page.lines() {
            frame.clear();
            entries_frame(leaf.as_bytes(), &mut frame)
                .map_err(|error| Failure::unreachable(format!("record {next} cannot be exported: {error}")))?;
            entries
                .write_all(&frame)
                .and_then(|()| writeln!(lines, "{leaf}"))
                .map_err(failed)?;
            let cites: Cites = serde_json::from_str(leaf)
                .map_err(|error| Failure::unreachable(format!("record {next} cannot be read: {error}")))?;
            cited.extend(cites.snapshot);
            if let (Some(file), Some(_)) = (&mut disclosures, cites.payload)
                && let Some(line) = disclosure(client, next).await?
            {
                writeln!(file, "{line}").map_err(failed)?;
                disclosed += 1;
            }
            if let Some(proof) = proofs.iter().find(|proof| proof.index == next) {
                put(out, &format!("proofs/{next}.tlog-proof"), proof_text(proof)?.as_bytes())?;
                put(out, &format!("proofs/{next}.leaf"), leaf.as_bytes())?;
            }
            next += 1;
            progress.reached(next);
        }
    }
    entries.flush().and_then(|()| lines.flush()).map_err(failed)?;
    disclosures.map_or(Ok(()), |mut file| file.flush()).map_err(failed)?;
    Ok((cited, disclosed))
}

/// What opens the commitment of a record, in canonical form; `None` if it is gone or shown to nobody.
async fn disclosure(client: &Client, index: u64) -> Result<Option<String>> {
    Ok(match payload(client, index).await? {
        Payload::Open { body, salt } => Some(format!(
            r#"{{"index":{index},"path":"payload","salt":"{salt}","value":{body}}}"#
        )),
        // What is gone, or is to be, is not disclosed; the proofs do not need it.
        Payload::Gone | Payload::Restricted => None,
    })
}

fn proof_text(proof: &InclusionAnswer) -> Result<String> {
    let hashes = proof
        .hashes
        .iter()
        .map(|hash| hash.parse())
        .collect::<std::result::Result<Vec<Hash>, _>>();
    let hashes = hashes.map_err(|error| {
        Failure::unreachable(format!("the proof of record {} cannot be read: {error}", proof.index))
    })?;
    Ok(ProofFile {
        index: proof.index,
        hashes,
        checkpoint: proof.checkpoint.clone(),
        extra: None,
    }
    .to_text())
}

/// Writes an earlier checkpoint and the proof that this ledger extends it.
async fn since(client: &Client, out: &Path, vkey: &str, old: &str, head: &str) -> Result<()> {
    let key: VerifyingKey = vkey
        .parse()
        .map_err(|error| Failure::unreachable(format!("the server's log key cannot be read: {error}")))?;
    let other = |error: &dyn std::fmt::Display| {
        Failure::no(format!("the older checkpoint is not one of this log: {error}"))
            .next("keep each log's checkpoints apart")
    };
    // A log keeps its key when an epoch gives it another name.
    let name = old.lines().next().unwrap_or_default();
    let key = VerifyingKey::new(name, &key.public()).map_err(|error| other(&error))?;
    let older = Checkpoint::open(&key, old).map_err(|error| other(&error))?;
    let unreadable = |error: &dyn std::fmt::Display| {
        Failure::unreachable(format!("what the server says of its log cannot be read: {error}"))
    };
    let note = Note::parse(head).map_err(|error| unreadable(&error))?;
    let head = Checkpoint::parse_body(note.text).map_err(|error| unreadable(&error))?;
    let size = head.size;
    let lost = "records are missing here: was this ledger restored from a backup? `countersign audit verify --older` says \
                what became of them";
    if older.size > size {
        return Err(Failure::no(format!(
            "the older checkpoint covers {} records, this ledger has {size}",
            older.size
        ))
        .next(lost));
    }
    let proof: ConsistencyAnswer = client
        .get(&format!("/v1/audit/consistency?from={}&to={size}", older.size))
        .await?;
    let hashes = proof.hashes.iter().map(|hash| hash.parse());
    let hashes: Vec<Hash> = hashes
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| Failure::unreachable(format!("the proof cannot be read: {error}")))?;
    verify_consistency(older.size, older.root, size, head.root, &hashes).map_err(|_| {
        let what = format!(
            "this ledger does not go on from the {} records of the older checkpoint",
            older.size
        );
        Failure::no(what).next(lost)
    })?;
    let text: String = hashes.iter().map(|hash| hash.to_base64() + "\n").collect();
    put(out, "checkpoint.old", old.as_bytes())?;
    put(out, "consistency.txt", text.as_bytes())
}

/// File names as a bundle takes them: `[A-Za-z0-9_$][A-Za-z0-9._$-]*.yaml`, each once.
fn plain_names(files: BTreeMap<String, String>) -> Vec<(String, String)> {
    let mut taken = BTreeSet::new();
    let plain = |name: &str| -> String {
        let stem = name
            .strip_suffix(".yaml")
            .or_else(|| name.strip_suffix(".yml"))
            .unwrap_or(name);
        let fine = |c: char| {
            if c.is_ascii_alphanumeric() || "._$-".contains(c) {
                c
            } else {
                '_'
            }
        };
        let stem: String = stem.chars().map(fine).collect();
        if stem.starts_with(['.', '-']) || stem.is_empty() {
            format!("_{stem}")
        } else {
            stem
        }
    };
    let named = files.into_iter().map(|(name, text)| {
        let stem = plain(&name);
        let mut name = format!("{stem}.yaml");
        let mut number = 2_u32;
        while !taken.insert(name.clone()) {
            name = format!("{stem}.{number}.yaml");
            number += 1;
        }
        (name, text)
    });
    named.collect()
}

fn open(out: &Path, name: &str) -> Result<BufWriter<fs::File>> {
    let path = out.join(name);
    fs::File::create_new(&path)
        .map(BufWriter::new)
        .map_err(|error| Failure::io("write", &path, &error))
}

fn put(out: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let path = out.join(name);
    let made = path
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(&path, bytes));
    made.map_err(|error| Failure::io("write", &path, &error))
}

fn readme(origin: &str, size: u64) -> String {
    format!(
        "# Export of a Countersign ledger\n\n\
         {size} records of the log `{origin}`, with all that is needed to verify them without Countersign.\n\n\
         ```\n\
         python3 verify.py VKEY .                      # Python 3, standard library only\n\
         countersign audit verify --vkey VKEY .        # the same in Rust\n\
         ```\n\n\
         `VKEY` is the log's verifying key. Take it from where it was kept when the organization was made, not from\n\
         whoever gave you this folder. Whoever kept an older checkpoint of this log adds it (`--older FILE`): only that\n\
         shows a history that was rewritten and signed anew.\n\n\
         | file | what it is |\n| --- | --- |\n\
         | `checkpoint` | signed note (C2SP tlog-checkpoint): size and root of the log |\n\
         | `entries` | the exact records: 2 bytes of length, big-endian, then the record |\n\
         | `records.jsonl` | the same records, one a line |\n\
         | `checkpoint.old`, `consistency.txt` | an earlier checkpoint, and the proof that this log extends it |\n\
         | `proofs/` | inclusion proofs (C2SP tlog-proof) of some records |\n\
         | `disclosures.jsonl` | salts and values that open commitments in records |\n\
         | `snapshots/` | the exact policy documents that decisions cite, by their hash |\n\
         | `schemas/` | JSON Schemas of the record types |\n\
         | `verify.py` | the verifier; no hash covers it, so use one that you got elsewhere |\n"
    )
}

/// The files of a bundle on disk: regular files only.
pub(crate) struct Disk {
    root: PathBuf,
    names: Vec<String>,
}

impl Disk {
    /// Lists the files of a bundle.
    pub(crate) fn open(root: &Path) -> Result<Disk> {
        let mut disk = Disk {
            root: root.to_path_buf(),
            names: Vec::new(),
        };
        disk.list(root, "")?;
        Ok(disk)
    }

    /// Where a file of the bundle lies.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The files' names.
    pub(crate) fn into_names(self) -> Vec<String> {
        self.names
    }

    fn list(&mut self, folder: &Path, prefix: &str) -> Result<()> {
        let entries = fs::read_dir(folder).map_err(|error| Failure::io("read", folder, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| Failure::io("read", folder, &error))?;
            let path = entry.path();
            let kind = entry.file_type().map_err(|error| Failure::io("read", &path, &error))?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if kind.is_dir() {
                self.list(&path, &format!("{name}/"))?;
            } else if kind.is_file() {
                self.names.push(name);
            } else {
                return Err(Failure::no(format!("`{}` is not a regular file", path.display()))
                    .next("a bundle holds regular files only"));
            }
        }
        Ok(())
    }
}

impl Files for Disk {
    fn names(&self) -> Vec<String> {
        self.names.clone()
    }

    fn read(&self, name: &str) -> std::result::Result<Cow<'_, [u8]>, String> {
        fs::read(self.root.join(name))
            .map(Cow::Owned)
            .map_err(|error| error.to_string())
    }

    fn part(&self, name: &str, at: u64, most: usize) -> std::result::Result<Cow<'_, [u8]>, String> {
        let read = || {
            let mut file = fs::File::open(self.root.join(name))?;
            file.seek(SeekFrom::Start(at))?;
            let mut bytes = Vec::with_capacity(most);
            file.take(most as u64).read_to_end(&mut bytes)?;
            Ok(Cow::Owned(bytes))
        };
        read().map_err(|error: std::io::Error| error.to_string())
    }
}

/// The files of a bundle, while a person sees how far their verification is.
pub(crate) struct Watched<'a> {
    disk: &'a Disk,
    progress: Progress,
}

impl<'a> Watched<'a> {
    /// Begins to show it.
    pub(crate) fn new(disk: &'a Disk) -> Watched<'a> {
        let progress = Progress::start("verifying records");
        Watched { disk, progress }
    }
}

impl Files for Watched<'_> {
    fn names(&self) -> Vec<String> {
        self.disk.names()
    }

    fn read(&self, name: &str) -> std::result::Result<Cow<'_, [u8]>, String> {
        self.disk.read(name)
    }

    fn part(&self, name: &str, at: u64, most: usize) -> std::result::Result<Cow<'_, [u8]>, String> {
        self.disk.part(name, at, most)
    }

    fn reached(&self, records: u64) {
        self.progress.reached(records);
    }
}
