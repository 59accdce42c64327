//! JSON lines: each record as it is hashed. What lies beside the records goes into a file of its own, so that the lines
//! stay what the checkpoint covers.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde_json::json;

use super::{Format, Lined, Writer, create};
use crate::entry::{Beside, Entry};
use crate::error::ExportError;

pub(super) const JSONL: Format = Format {
    name: "jsonl",
    file: "records.jsonl",
    lined: Some(Lined {
        media: "application/jsonl",
        head: String::new,
        line,
    }),
    open,
};

fn line(entry: &Entry, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", entry.line)
}

/// For each record that has a payload: `{"index":n,"state":"open","salt":hex,"body":text}`, or only its index and state, which is
/// `gone` or `restricted`.
const PAYLOADS: &str = "payloads.jsonl";

struct Jsonl {
    lines: BufWriter<File>,
    payloads: Option<BufWriter<File>>,
}

fn open(folder: &Path, payloads: bool) -> Result<Box<dyn Writer>, ExportError> {
    Ok(Box::new(Jsonl {
        lines: create(folder, JSONL.file)?,
        payloads: payloads.then(|| create(folder, PAYLOADS)).transpose()?,
    }))
}

impl Writer for Jsonl {
    fn record(&mut self, entry: &Entry) -> io::Result<()> {
        line(entry, &mut self.lines)?;
        let Some(payloads) = &mut self.payloads else {
            return Ok(());
        };
        let (index, state) = (entry.seq, entry.beside.state());
        match &entry.beside {
            Beside::Nothing | Beside::Closed => Ok(()),
            Beside::Gone | Beside::Restricted => writeln!(payloads, "{}", json!({ "index": index, "state": state })),
            Beside::Open { body, salt } => {
                let line = json!({ "index": index, "state": state, "salt": salt, "body": body });
                writeln!(payloads, "{line}")
            }
        }
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.lines.flush()?;
        self.payloads.as_mut().map_or(Ok(()), Write::flush)
    }
}
