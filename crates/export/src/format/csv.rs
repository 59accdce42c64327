//! CSV (RFC 4180): a line of names, then one line a record. Lines end in CR LF; a cell with a comma, a quote or a line break
//! stands in quotes, with quotes doubled.
//!
//! Spreadsheets take a cell that begins with `=`, `+`, `-` or `@` for a formula, some also behind a tab or a line break, and
//! an agent chooses much of the text. Such a text gets an apostrophe in front. So does one that begins with an apostrophe:
//! whoever drops one apostrophe in front has the text as it was. Numbers stay as they are, amounts too.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::columns::{COLUMNS, Cell};
use super::{Format, Lined, Writer, create};
use crate::entry::Entry;
use crate::error::ExportError;

pub(super) const CSV: Format = Format {
    name: "csv",
    file: "records.csv",
    lined: Some(Lined {
        media: "text/csv; charset=utf-8",
        head,
        line,
    }),
    open,
};

struct Csv<W>(W);

fn open(folder: &Path, _payloads: bool) -> Result<Box<dyn Writer>, ExportError> {
    let file: BufWriter<File> = create(folder, CSV.file)?;
    let csv = begin(file).map_err(|error| ExportError::place("write", CSV.file, error))?;
    Ok(Box::new(csv))
}

fn begin<W: Write>(mut out: W) -> io::Result<Csv<W>> {
    out.write_all(head().as_bytes())?;
    Ok(Csv(out))
}

/// The line of names.
fn head() -> String {
    let names: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
    format!("{}\r\n", names.join(","))
}

fn line(entry: &Entry, out: &mut dyn Write) -> io::Result<()> {
    for (at, column) in COLUMNS.iter().enumerate() {
        if at > 0 {
            out.write_all(b",")?;
        }
        match (column.read)(entry) {
            None => {}
            Some(Cell::Flag(flag)) => write!(out, "{flag}")?,
            Some(Cell::Integer(number)) => write!(out, "{number}")?,
            Some(Cell::Time(_, text)) => out.write_all(text.as_bytes())?,
            Some(Cell::Text(text)) => out.write_all(quoted(&harmless(&text)).as_bytes())?,
        }
    }
    out.write_all(b"\r\n")
}

impl<W: Write> Writer for Csv<W> {
    fn record(&mut self, entry: &Entry) -> io::Result<()> {
        line(entry, &mut self.0)
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.0.flush()
    }
}

/// The text as no spreadsheet takes it for a formula.
fn harmless(text: &str) -> Cow<'_, str> {
    // Also the wide forms, which some programs fold into the plain ones.
    let risky = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\'', '＝', '＋', '－', '＠']);
    if risky && !is_decimal(text) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// A plain decimal number, such as a negative amount.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    plain(whole) && plain(fraction)
}

/// The text as a cell of RFC 4180.
fn quoted(text: &str) -> Cow<'_, str> {
    if text.contains([',', '"', '\r', '\n']) {
        Cow::Owned(format!("\"{}\"", text.replace('"', "\"\"")))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_begins_like_a_formula_and_each_can_be_had_back() {
        let risky = [
            "=1+1", "+1", "-x", "-1+2", "@SUM(A1)", "\tx", "\r=1", "\n=1", "'quoted", "＝1", "－1",
        ];
        for text in risky {
            let cell = harmless(text);
            assert_eq!(
                cell.strip_prefix('\''),
                Some(text),
                "one apostrophe in front of {text:?}"
            );
        }
        for text in ["", "plain", "a=1", "40.00", "-40.00", "-7", "{\"a\":1}"] {
            assert_eq!(harmless(text), text);
        }
    }

    #[test]
    fn cells_are_quoted_as_rfc_4180_says() {
        for (text, cell) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"no\"", "\"say \"\"no\"\"\""),
            ("two\r\nlines", "\"two\r\nlines\""),
        ] {
            assert_eq!(quoted(text), cell);
        }
    }
}
