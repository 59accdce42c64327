//! Parquet: the columns of CSV, with their types. Texts are UTF-8, instants are microseconds in UTC, all may be absent.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::columns::{COLUMNS, Cell, Kind};
use super::{Format, Writer, create};
use crate::entry::Entry;
use crate::error::ExportError;

pub(super) const PARQUET: Format = Format {
    name: "parquet",
    file: "records.parquet",
    lined: None,
    open,
};

/// Records in a row group: they lie in memory until it is written.
const GROUP: usize = 20_000;

/// The values of a column that wait, and for each record whether it has one (1) or not (0).
struct Waiting {
    values: Values,
    present: Vec<i16>,
}

enum Values {
    Flags(Vec<bool>),
    Numbers(Vec<i64>),
    Texts(Vec<ByteArray>),
}

struct Columns {
    file: SerializedFileWriter<BufWriter<File>>,
    waiting: Vec<Waiting>,
}

fn open(folder: &Path, _payloads: bool) -> Result<Box<dyn Writer>, ExportError> {
    let failed = |error: ParquetError| ExportError::place("write", PARQUET.file, error);
    let schema = parse_message_type(&schema()).map_err(failed)?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let file = create(folder, PARQUET.file)?;
    let file = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)).map_err(failed)?;
    let waiting = waiting();
    Ok(Box::new(Columns { file, waiting }))
}

fn schema() -> String {
    let fields: Vec<String> = COLUMNS
        .iter()
        .map(|column| {
            let name = column.name;
            match column.kind {
                Kind::Flag => format!("OPTIONAL BOOLEAN {name};"),
                Kind::Integer => format!("OPTIONAL INT64 {name};"),
                Kind::Text => format!("OPTIONAL BYTE_ARRAY {name} (UTF8);"),
                Kind::Time => format!("OPTIONAL INT64 {name} (TIMESTAMP(MICROS,true));"),
            }
        })
        .collect();
    format!("message records {{ {} }}", fields.join(" "))
}

fn waiting() -> Vec<Waiting> {
    let empty = |kind: Kind| match kind {
        Kind::Flag => Values::Flags(Vec::new()),
        Kind::Integer | Kind::Time => Values::Numbers(Vec::new()),
        Kind::Text => Values::Texts(Vec::new()),
    };
    let columns = COLUMNS.iter().map(|column| Waiting {
        values: empty(column.kind),
        present: Vec::new(),
    });
    columns.collect()
}

impl Waiting {
    /// Adds the cell of the next record. A cell that is not of the column's kind is absent.
    fn add(&mut self, cell: Option<Cell<'_>>) {
        let present = match (&mut self.values, cell) {
            (Values::Flags(flags), Some(Cell::Flag(flag))) => {
                flags.push(flag);
                true
            }
            (Values::Numbers(numbers), Some(Cell::Integer(number) | Cell::Time(number, _))) => {
                numbers.push(number);
                true
            }
            (Values::Texts(texts), Some(Cell::Text(text))) => {
                texts.push(text.into_owned().into_bytes().into());
                true
            }
            (_, _) => false,
        };
        self.present.push(i16::from(present));
    }

    fn write(&self, group: &mut SerializedRowGroupWriter<'_, BufWriter<File>>) -> Result<(), ParquetError> {
        match &self.values {
            Values::Flags(flags) => write::<BoolType>(group, flags, &self.present),
            Values::Numbers(numbers) => write::<Int64Type>(group, numbers, &self.present),
            Values::Texts(texts) => write::<ByteArrayType>(group, texts, &self.present),
        }
    }
}

fn write<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, BufWriter<File>>,
    values: &[T::T],
    present: &[i16],
) -> Result<(), ParquetError> {
    let column = group.next_column()?;
    let mut column = column.ok_or_else(|| ParquetError::General("the schema has fewer columns".to_owned()))?;
    column.typed::<T>().write_batch(values, Some(present), None)?;
    column.close()
}

impl Columns {
    fn write_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.file.next_row_group()?;
        for column in &self.waiting {
            column.write(&mut group)?;
        }
        group.close()?;
        self.waiting = waiting();
        Ok(())
    }

    fn rows(&self) -> usize {
        self.waiting.first().map_or(0, |column| column.present.len())
    }
}

impl Writer for Columns {
    fn record(&mut self, entry: &Entry) -> io::Result<()> {
        for (waiting, column) in self.waiting.iter_mut().zip(COLUMNS) {
            waiting.add((column.read)(entry));
        }
        if self.rows() >= GROUP {
            self.write_group().map_err(io::Error::other)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        if self.rows() > 0 {
            self.write_group().map_err(io::Error::other)?;
        }
        let mut file = self.file.into_inner().map_err(io::Error::other)?;
        file.flush()
    }
}
