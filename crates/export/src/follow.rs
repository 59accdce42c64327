//! The export that never ends: numbered parts, written once, that put together are the ledger.
//!
//! ```text
//! records-0000000000000-0000000000041.jsonl        records 0 to 41, as they are hashed
//! records-0000000000000-0000000000041.checkpoint   a signed checkpoint that covers them
//! records-0000000000042-…
//! cursor.json                                      what is done, if it lies here
//! ```
//!
//! A step ends in this order: the part is durable, the checkpoint beside it is durable, the cursor moves. So a crash leaves at
//! most one part that the cursor does not know. The next step finds it by its first index, holds it against the log as it
//! holds new records, and takes it as it is: nothing is skipped, nothing is there twice. For the same reason a lost cursor
//! costs only time: the parts are read again.
//!
//! The cursor holds the right edge of the tree of what was exported. Each step proves that the server's log still begins with
//! exactly that, before it writes anything.

use std::io;
use std::path::Path;

use countersign_tlog::{Checkpoint, Edge, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::entry::Entry;
use crate::error::ExportError;
use crate::place::{Folder, Place, Put};
use crate::source::Source;
use crate::verify;

/// Records in one request.
const PAGE: u64 = 5000;
/// The cursor's name at the destination.
const CURSOR: &str = "cursor.json";
/// Digits of an index in names: a ledger has fewer records than that, and names sort as the records do.
const DIGITS: usize = 13;

/// What is done.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cursor {
    /// The right edge of the tree of what was exported, hexadecimal.
    edge: String,
    /// Origin of the log.
    log: String,
    /// How many records were exported.
    next: u64,
    /// The part that was exported last.
    part: String,
}

/// Where the cursor lies.
pub enum CursorFile {
    /// At the destination.
    There,
    /// In a file of its own, which the export takes.
    Here {
        /// The folder.
        folder: Folder,
        /// The file's name in it.
        name: String,
    },
}

impl CursorFile {
    /// A cursor in a file.
    ///
    /// # Errors
    /// [`ExportError::Place`] if its folder cannot be made, or another process has this cursor.
    pub fn at(path: &Path) -> Result<CursorFile, ExportError> {
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| ExportError::Usage {
            what: format!("`{}` is not the name of a file", path.display()),
            next: "name a file for the cursor".to_owned(),
        })?;
        Ok(CursorFile::Here {
            folder: Folder::take(folder.unwrap_or(Path::new(".")), &format!(".{name}.lock"))?,
            name: name.to_owned(),
        })
    }
}

/// What a step did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A part was written, or one that was there was taken.
    Part {
        /// Its name.
        name: String,
        /// How many records it has.
        records: u64,
        /// It was there already.
        found: bool,
    },
    /// Everything is exported.
    UpToDate,
}

/// A continuous export.
pub struct Follow<'a, S, P> {
    source: &'a S,
    place: &'a P,
    key: VerifyingKey,
    cursor_file: CursorFile,
    /// A part has at most so many records.
    at_most: u64,
    done: Edge,
    size: u64,
}

impl<'a, S: Source, P: Place> Follow<'a, S, P> {
    /// Reads the cursor, or begins at record 0 where there is none. `at_most` is how many records a part may have.
    ///
    /// # Errors
    /// [`ExportError::Usage`] if the cursor is not one of this log, or not of this destination.
    pub async fn open(
        source: &'a S,
        place: &'a P,
        key: VerifyingKey,
        cursor_file: CursorFile,
        at_most: u64,
    ) -> Result<Follow<'a, S, P>, ExportError> {
        let mut follow = Follow {
            source,
            place,
            key,
            cursor_file,
            at_most: at_most.max(1),
            done: Edge::new(),
            size: 0,
        };
        if let Some(bytes) = follow.read_cursor().await? {
            follow.done = follow.parse_cursor(&bytes).await?;
        }
        Ok(follow)
    }

    /// How many records are exported.
    pub fn exported(&self) -> u64 {
        self.done.size()
    }

    /// How many records the log had at the last step.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Writes the next part. That this is interrupted at any moment harms nothing.
    ///
    /// # Errors
    /// [`ExportError::Finding`] if the log does not go on from what was exported, or a part there is not of this log; the
    /// cursor has not moved then.
    pub async fn step(&mut self) -> Result<Step, ExportError> {
        let (note, head) = verify::newest(self.source, &self.key).await?;
        self.size = head.size;
        verify::covered(self.source, &self.done, &head).await?;
        let (name, bytes) = match self.part_there().await? {
            Some(part) => part,
            None if self.done.size() == head.size => return Ok(Step::UpToDate),
            None => (String::new(), self.collect(&head).await?),
        };
        let found = !name.is_empty();
        let mut edge = self.done.clone();
        for line in lines(&bytes)? {
            verify::push(&mut edge, &Entry::read(line)?)?;
        }
        verify::covered(self.source, &edge, &head).await?;
        let stem = stem(self.done.size(), edge.size());
        let part = format!("{stem}.jsonl");
        if found && name != part {
            return Err(ExportError::Finding(format!(
                "`{name}` holds other records than its name says"
            )));
        }
        if !found {
            self.write_once(&part, &bytes).await?;
        }
        self.write_checkpoint(&stem, &edge, &note, &head).await?;
        let records = edge.size() - self.done.size();
        self.write_cursor(&edge, &part).await?;
        self.done = edge;
        Ok(Step::Part {
            name: part,
            records,
            found,
        })
    }

    /// The part that begins where the cursor is, if a crash has left one.
    async fn part_there(&self) -> Result<Option<(String, Vec<u8>)>, ExportError> {
        let mut names = self.place.names(&first_stem(self.done.size())).await?;
        names.retain(|name| name.ends_with(".jsonl"));
        let Some(name) = names.pop() else { return Ok(None) };
        if let Some(other) = names.pop() {
            let what = format!("`{other}` and `{name}` begin with the same record: two exports wrote here");
            return Err(ExportError::Finding(what));
        }
        let bytes = self.place.read(&name).await?;
        let bytes = bytes.ok_or_else(|| ExportError::place("read", &name, "it went away"))?;
        Ok(Some((name, bytes)))
    }

    /// The next records from the source.
    async fn collect(&self, head: &Checkpoint) -> Result<Vec<u8>, ExportError> {
        let end = head.size.min(self.done.size().saturating_add(self.at_most));
        let (mut bytes, mut next) = (Vec::new(), self.done.size());
        while next < end {
            let page = self.source.records(next, PAGE.min(end - next)).await?;
            let count = page.lines().count() as u64;
            let first = page.lines().next().map(Entry::read).transpose()?;
            match first {
                Some(entry) if entry.seq == next => {}
                Some(entry) => {
                    return Err(ExportError::Usage {
                        what: format!("records {next} to {} are there no more", entry.seq - 1),
                        next: "a continuous export begins with record 0: it has to run before records are pruned"
                            .to_owned(),
                    });
                }
                None => {
                    let what = format!(
                        "the server has no record {next}, although its checkpoint covers {}",
                        head.size
                    );
                    return Err(ExportError::Finding(what));
                }
            }
            bytes.extend_from_slice(page.as_bytes());
            if !page.ends_with('\n') {
                bytes.push(b'\n');
            }
            next += count;
        }
        Ok(bytes)
    }

    /// Writes a file; that the same one is there already is as good.
    async fn write_once(&self, name: &str, bytes: &[u8]) -> Result<(), ExportError> {
        match self.place.create(name, bytes).await? {
            Put::Created => Ok(()),
            Put::Exists if self.place.read(name).await?.as_deref() == Some(bytes) => Ok(()),
            Put::Exists => Err(ExportError::Finding(format!(
                "`{name}` is there and holds something else"
            ))),
        }
    }

    /// Writes the checkpoint beside a part, unless one that covers it is there.
    async fn write_checkpoint(
        &self,
        stem: &str,
        edge: &Edge,
        note: &str,
        head: &Checkpoint,
    ) -> Result<(), ExportError> {
        let name = format!("{stem}.checkpoint");
        let Some(there) = self.place.read(&name).await? else {
            return self.write_once(&name, note.as_bytes()).await;
        };
        let there = String::from_utf8_lossy(&there).into_owned();
        let there = verify::open_earlier(&self.key, &there)?;
        verify::covered(self.source, edge, &there).await?;
        verify::begins(self.source, (there.size, there.root), head).await
    }

    async fn read_cursor(&self) -> Result<Option<Vec<u8>>, ExportError> {
        match &self.cursor_file {
            CursorFile::There => self.place.read(CURSOR).await,
            CursorFile::Here { folder, name } => folder.read(name).await,
        }
    }

    async fn write_cursor(&self, edge: &Edge, part: &str) -> Result<(), ExportError> {
        let cursor = Cursor {
            edge: hex(&edge.to_bytes()),
            log: self.key.name().to_owned(),
            next: edge.size(),
            part: part.to_owned(),
        };
        let failed = |error: serde_json::Error| ExportError::place("write", CURSOR, io::Error::from(error));
        let bytes = serde_json::to_vec_pretty(&cursor).map_err(failed)?;
        match &self.cursor_file {
            CursorFile::There => self.place.replace(CURSOR, &bytes).await,
            CursorFile::Here { folder, name } => folder.replace(name, &bytes).await,
        }
    }

    async fn parse_cursor(&self, bytes: &[u8]) -> Result<Edge, ExportError> {
        let refused = |what: String| ExportError::Usage {
            what,
            next: "remove the cursor to begin anew: parts that are there are read again".to_owned(),
        };
        let cursor: Cursor =
            serde_json::from_slice(bytes).map_err(|error| refused(format!("the cursor cannot be read: {error}")))?;
        if !verify::same_log(&cursor.log, self.key.name()) {
            let what = format!(
                "the cursor is of the log `{}`, not of `{}`",
                cursor.log,
                self.key.name()
            );
            return Err(refused(what));
        }
        // A cursor of another destination would leave out everything before it.
        if !self.place.names(&cursor.part).await?.contains(&cursor.part) {
            return Err(refused(format!(
                "the cursor comes after `{}`, which is not at the destination",
                cursor.part
            )));
        }
        let edge = unhex(&cursor.edge).and_then(|bytes| Edge::from_bytes(&bytes).ok());
        edge.filter(|edge| edge.size() == cursor.next)
            .ok_or_else(|| refused("the cursor is damaged".to_owned()))
    }
}

/// The beginning of the names of parts that begin with this record.
fn first_stem(first: u64) -> String {
    format!("records-{first:0DIGITS$}-")
}

/// The name of the part of the records in `first..end`, without its ending.
fn stem(first: u64, end: u64) -> String {
    format!("{}{:0DIGITS$}", first_stem(first), end.saturating_sub(1))
}

/// The lines of a part, each of which has its line break.
fn lines(bytes: &[u8]) -> Result<impl Iterator<Item = &str>, ExportError> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.ends_with('\n'));
    let text = text.ok_or_else(|| ExportError::Finding("a part is not whole lines of text".to_owned()))?;
    Ok(text.split_terminator('\n'))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..text.len()).step_by(2).map(digit).collect()
}
