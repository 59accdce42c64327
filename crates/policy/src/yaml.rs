//! YAML as a tree with places: bounded, without anchors, tags or second meanings.
//!
//! The scalars keep the text they were written in, so `50.00` keeps its scale and `on` is a word (YAML 1.2 core schema).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rust_decimal::Decimal;
use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use crate::problem::{Problem, Severity};
use crate::value::Value;

/// Longest file, in bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// Deepest nesting of lists and maps.
pub const MAX_DEPTH: usize = 32;
/// Most nodes in one file.
pub const MAX_NODES: usize = 50_000;

/// A part of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// The bytes of the file that it was read from.
    pub span: Range<usize>,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text; `quoted` (or a block) means that it is a string whatever it looks like.
    Scalar {
        /// The text, with escapes resolved and nothing else changed.
        text: String,
        /// It stands in quotes or in a block.
        quoted: bool,
    },
    /// A list.
    Seq(Vec<Node>),
    /// A map, in the order of the file; no key occurs twice.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// The word that messages use.
    pub fn kind_name(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar { quoted: true, .. } => "text",
            Kind::Scalar { text, .. } => match text.as_str() {
                "" | "~" | "null" | "Null" | "NULL" => "nothing",
                "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => "a truth value",
                text if is_number(text) => "a number",
                _ => "text",
            },
            Kind::Seq(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        if let Kind::Scalar { text, .. } = &self.kind {
            Some(text)
        } else {
            None
        }
    }

    /// The items of a list.
    pub(crate) fn items(&self) -> Option<&[Node]> {
        if let Kind::Seq(items) = &self.kind {
            Some(items)
        } else {
            None
        }
    }

    /// The members of a map, by the text of their keys; what is no map has none.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, &Node)> {
        let members = match &self.kind {
            Kind::Map(members) => members.as_slice(),
            Kind::Scalar { .. } | Kind::Seq(_) => &[],
        };
        members.iter().filter_map(|(key, value)| Some((key.text()?, value)))
    }

    /// The member of a map that is called so.
    pub(crate) fn member(&self, name: &str) -> Option<&Node> {
        self.members().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Nothing was written here.
    pub fn is_null(&self) -> bool {
        self.kind_name() == "nothing"
    }

    /// The exact number that the scalar is.
    pub fn number(&self) -> Option<Decimal> {
        let Kind::Scalar { text, quoted: false } = &self.kind else {
            return None;
        };
        decimal(text)
    }

    /// The truth value that the scalar is.
    pub fn bool(&self) -> Option<bool> {
        let Kind::Scalar { text, quoted: false } = &self.kind else {
            return None;
        };
        match text.as_str() {
            "true" | "True" | "TRUE" => Some(true),
            "false" | "False" | "FALSE" => Some(false),
            _ => None,
        }
    }

    /// The node as a value of actions and conditions; the error is the node that has none, such as `.nan`.
    pub fn value(&self) -> Result<Value, &Node> {
        match &self.kind {
            Kind::Scalar { text, quoted: true } => Ok(Value::from(text.as_str())),
            Kind::Scalar { text, .. } => {
                if self.is_null() {
                    return Ok(Value::Null);
                }
                if let Some(truth) = self.bool() {
                    return Ok(Value::Bool(truth));
                }
                if is_number(text) {
                    return decimal(text).map(Value::Number).ok_or(self);
                }
                Ok(Value::from(text.as_str()))
            }
            Kind::Seq(items) => items.iter().map(Node::value).collect::<Result<_, _>>().map(Value::List),
            Kind::Map(entries) => {
                let mut map = BTreeMap::new();
                for (key, value) in entries {
                    let name = key.text().ok_or(key)?;
                    map.insert(name.to_owned(), value.value()?);
                }
                Ok(Value::Map(map))
            }
        }
    }
}

/// Whether a plain scalar is a number of the YAML 1.2 core schema.
fn is_number(text: &str) -> bool {
    let digits = |text: &str, ok: fn(char) -> bool| !text.is_empty() && text.chars().all(ok);
    if let Some(rest) = text.strip_prefix("0x") {
        return digits(rest, |c| c.is_ascii_hexdigit());
    }
    if let Some(rest) = text.strip_prefix("0o") {
        return digits(rest, |c| matches!(c, '0'..='7'));
    }
    let rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(rest, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let (mantissa, exponent) = rest.split_once(['e', 'E']).map_or((rest, None), |(m, e)| (m, Some(e)));
    if let Some(exponent) = exponent
        && !digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent), |c| {
            c.is_ascii_digit()
        })
    {
        return false;
    }
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
    let all = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    all(whole) && fraction.is_none_or(all) && (!whole.is_empty() || fraction.is_some_and(|f| !f.is_empty()))
}

/// The exact decimal of a number's text; `None` for what decimals cannot hold (`0x10`, `.inf`, 40 digits).
pub(crate) fn decimal(text: &str) -> Option<Decimal> {
    if !is_number(text) || text.contains(['x', 'o', 'n', 'N', 'I']) {
        return None;
    }
    let text = text.strip_prefix('+').unwrap_or(text);
    if text.contains(['e', 'E']) {
        return Decimal::from_scientific(text).ok();
    }
    Decimal::from_str_exact(text.strip_suffix('.').unwrap_or(text)).ok()
}

/// A file and where its lines start.
pub(crate) struct Source<'a> {
    pub(crate) file: &'a str,
    pub(crate) text: &'a str,
    lines: Vec<usize>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str) -> Self {
        let ends = text
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b'\n')
            .map(|(at, _)| at + 1);
        Source {
            file,
            text,
            lines: std::iter::once(0).chain(ends).collect(),
        }
    }

    /// Line and column, both from 1.
    pub(crate) fn place(&self, offset: usize) -> (u32, u32) {
        let line = self.lines.partition_point(|start| *start <= offset).max(1);
        let start = self.lines.get(line - 1).copied().unwrap_or(0);
        let before = self.text.get(start..offset).unwrap_or_default();
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        (number(line), number(before.chars().count() + 1))
    }

    /// A finding in this file.
    pub(crate) fn problem(
        &self,
        severity: Severity,
        code: &'static str,
        span: Range<usize>,
        message: impl Into<String>,
        help: Option<String>,
    ) -> Problem {
        let (line, column) = self.place(span.start);
        Problem {
            severity,
            code,
            file: self.file.to_owned(),
            span,
            line,
            column,
            message: one_line(&message.into()),
            help: help.map(|help| one_line(&help)),
        }
    }
}

/// The longest message, in characters.
const LONGEST_MESSAGE: usize = 400;

/// A message on one line, whatever text of the document it quotes.
fn one_line(text: &str) -> String {
    let fine = !text.contains(char::is_control) && text.len() <= LONGEST_MESSAGE;
    if fine {
        return text.to_owned();
    }
    let words: Vec<&str> = text
        .split(|c: char| c.is_control() || c == ' ')
        .filter(|word| !word.is_empty())
        .collect();
    let mut line = words.join(" ");
    if let Some((end, _)) = line.char_indices().nth(LONGEST_MESSAGE) {
        line.truncate(end);
        line.push('…');
    }
    line
}

/// A list or map that is not finished.
enum Open {
    Seq(Vec<Node>),
    Map {
        entries: Vec<(Node, Node)>,
        key: Option<Node>,
        seen: BTreeSet<String>,
    },
}

struct Builder<'s, 'a> {
    source: &'s Source<'a>,
    /// Byte offsets of the characters, where they differ from the character's number.
    offsets: Option<Vec<usize>>,
    stack: Vec<(Open, usize)>,
    root: Option<Node>,
    nodes: usize,
}

/// The tree of a document; `file` only names it in the problem.
pub fn read(file: &str, text: &str) -> Result<Node, Box<Problem>> {
    parse(&Source::new(file, text))
}

/// The tree of one document.
/// The tree of one document that is not policy, such as a configuration.
///
/// # Errors
/// The first thing that is not YAML, or not in our bounds, with its place.
pub fn parse_text(file: &str, text: &str) -> Result<Node, Box<Problem>> {
    parse(&Source::new(file, text))
}

pub(crate) fn parse(source: &Source<'_>) -> Result<Node, Box<Problem>> {
    let text = source.text;
    let offsets = (!text.is_ascii()).then(|| text.char_indices().map(|(at, _)| at).collect());
    let mut builder = Builder {
        source,
        offsets,
        stack: Vec::new(),
        root: None,
        nodes: 0,
    };
    if text.len() > MAX_BYTES {
        let message = format!("the file has more than {MAX_BYTES} bytes");
        return Err(builder.error("too_large", 0..0, message, "split it"));
    }
    let mut documents = 0;
    for event in Parser::new(StrInput::new(text)) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                let at = builder.offset(error.marker().index());
                return Err(Box::new(source.problem(
                    Severity::Error,
                    "invalid_yaml",
                    at..at,
                    error.info(),
                    None,
                )));
            }
        };
        if let Event::DocumentStart(_) = event {
            documents += 1;
            if documents > 1 {
                let span = builder.bytes(span);
                let help = "put each document into a file of its own";
                return Err(builder.error("several_documents", span, "a file holds one document", help));
            }
        }
        builder.take(event, span)?;
    }
    builder.root.take().ok_or_else(|| {
        Box::new(source.problem(
            Severity::Error,
            "empty_document",
            0..0,
            "the file holds no document",
            None,
        ))
    })
}

impl Builder<'_, '_> {
    fn error(
        &self,
        code: &'static str,
        span: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Box<Problem> {
        Box::new(
            self.source
                .problem(Severity::Error, code, span, message, Some(help.into())),
        )
    }

    fn offset(&self, index: usize) -> usize {
        match &self.offsets {
            Some(offsets) => offsets.get(index).copied().unwrap_or(self.source.text.len()),
            None => index.min(self.source.text.len()),
        }
    }

    /// The bytes of a span, without white space at its end.
    fn bytes(&self, span: Span) -> Range<usize> {
        let (start, end) = (self.offset(span.start.index()), self.offset(span.end.index()));
        let text = self.source.text.get(start..end).unwrap_or_default();
        start..start + text.trim_end().len()
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Box<Problem>> {
        let bytes = self.bytes(span);
        match event {
            Event::Alias(_) => {
                let help = "write the value out: `*name` does not exist in policies";
                return Err(self.error("alias", bytes, "aliases are not allowed", help));
            }
            Event::Scalar(_, _, anchor, ref tag)
            | Event::SequenceStart(anchor, ref tag)
            | Event::MappingStart(anchor, ref tag) => {
                if anchor != 0 {
                    let help = "remove `&name`: every document says what it says in one place";
                    return Err(self.error("anchor", bytes, "anchors are not allowed", help));
                }
                if tag.is_some() {
                    let help = "remove `!tag`; put text that looks like a number into quotes";
                    return Err(self.error("tag", bytes, "tags are not allowed", help));
                }
            }
            _ => {}
        }
        match event {
            Event::Scalar(text, style, ..) => {
                let quoted = !matches!(style, ScalarStyle::Plain);
                self.push(Node {
                    kind: Kind::Scalar {
                        text: text.into_owned(),
                        quoted,
                    },
                    span: bytes,
                })
            }
            Event::SequenceStart(..) => self.open(Open::Seq(Vec::new()), bytes),
            Event::MappingStart(..) => self.open(
                Open::Map {
                    entries: Vec::new(),
                    key: None,
                    seen: BTreeSet::new(),
                },
                bytes,
            ),
            Event::SequenceEnd | Event::MappingEnd => self.close(bytes.end),
            _ => Ok(()),
        }
    }

    fn open(&mut self, open: Open, span: Range<usize>) -> Result<(), Box<Problem>> {
        if self.stack.len() >= MAX_DEPTH {
            let message = format!("lists and maps are nested more than {MAX_DEPTH} deep");
            return Err(self.error("too_deep", span, message, "flatten it"));
        }
        self.stack.push((open, span.start));
        Ok(())
    }

    fn close(&mut self, end: usize) -> Result<(), Box<Problem>> {
        let Some((open, start)) = self.stack.pop() else {
            return Ok(());
        };
        let kind = match open {
            Open::Seq(items) => Kind::Seq(items),
            Open::Map { entries, .. } => Kind::Map(entries),
        };
        // A block ends where the next thing starts: what is underlined ends with its last member instead.
        let written = self.source.text.get(start..end).map_or(0, |text| text.trim_end().len());
        self.push(Node {
            kind,
            span: start..start + written,
        })
    }

    fn push(&mut self, node: Node) -> Result<(), Box<Problem>> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            let message = format!("the file has more than {MAX_NODES} values");
            return Err(self.error("too_large", node.span, message, "split it"));
        }
        let repeated = match self.stack.last_mut() {
            None => {
                self.root = Some(node);
                return Ok(());
            }
            Some((Open::Seq(items), _)) => {
                items.push(node);
                return Ok(());
            }
            Some((Open::Map { entries, key, seen }, _)) => match key.take() {
                Some(key) => {
                    entries.push((key, node));
                    return Ok(());
                }
                None => {
                    let fresh = node.text().map(|text| seen.insert(text.to_owned()));
                    let span = node.span.clone();
                    let text = node.text().unwrap_or_default().to_owned();
                    *key = Some(node);
                    match fresh {
                        Some(true) => return Ok(()),
                        Some(false) => Some((span, text)),
                        None => {
                            return Err(self.error("complex_key", span, "a key is a list or a map", "keys are text"));
                        }
                    }
                }
            },
        };
        match repeated {
            Some((span, text)) => {
                let message = format!("`{text}` occurs twice in one map");
                Err(self.error("duplicate_key", span, message, "keep one of them"))
            }
            None => Ok(()),
        }
    }
}
