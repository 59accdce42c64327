//! The formats: one file each, and the list of them.

mod columns;
mod csv;
mod jsonl;
mod ocsf;
#[cfg(feature = "parquet")]
mod parquet;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::entry::Entry;
use crate::error::ExportError;

/// Writes records in one format.
pub trait Writer {
    /// Writes the next record.
    ///
    /// # Errors
    /// As of the file.
    fn record(&mut self, entry: &Entry) -> io::Result<()>;

    /// Writes what comes last.
    ///
    /// # Errors
    /// As of the files.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// Opens the files of a format in a folder; the second value says whether payloads go along.
type Open = fn(&Path, bool) -> Result<Box<dyn Writer>, ExportError>;

/// Writes a record as one line, with its end.
type Line = fn(&Entry, &mut dyn Write) -> io::Result<()>;

/// A format of which each record is a line: it can be sent as it comes about, without a file.
pub struct Lined {
    /// Its media type.
    pub media: &'static str,
    head: fn() -> String,
    line: Line,
}

impl Lined {
    /// What comes before all records.
    pub fn head(&self) -> String {
        (self.head)()
    }

    /// A record, with the end of its line.
    ///
    /// # Errors
    /// As of what it is written to.
    pub fn line(&self, entry: &Entry, out: &mut dyn Write) -> io::Result<()> {
        (self.line)(entry, out)
    }
}

/// A format.
pub struct Format {
    /// What it is called.
    pub name: &'static str,
    /// Its file in the folder.
    pub file: &'static str,
    /// How it is sent, where each record is a line.
    pub lined: Option<Lined>,
    pub(crate) open: Open,
}

/// All formats, by name.
pub const FORMATS: [&Format; 4] = [&csv::CSV, &jsonl::JSONL, &ocsf::OCSF, &PARQUET];

#[cfg(feature = "parquet")]
const PARQUET: Format = parquet::PARQUET;
#[cfg(not(feature = "parquet"))]
const PARQUET: Format = Format {
    name: "parquet",
    file: "records.parquet",
    lined: None,
    open: |_, _| {
        Err(ExportError::MissingFeature {
            what: "Parquet",
            feature: "parquet",
        })
    },
};

/// The format of this name.
pub fn format(name: &str) -> Option<&'static Format> {
    FORMATS.into_iter().find(|format| format.name == name)
}

/// The columns of the flat formats, in order: name, and what it holds.
pub fn columns() -> impl Iterator<Item = (&'static str, &'static str)> {
    columns::COLUMNS.iter().map(|column| (column.name, column.kind.word()))
}

fn create(folder: &Path, name: &str) -> Result<BufWriter<File>, ExportError> {
    let path = folder.join(name);
    File::create_new(&path)
        .map(BufWriter::new)
        .map_err(|error| ExportError::place("write", path.display().to_string(), error))
}
