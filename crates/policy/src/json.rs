//! Strict JSON: what two readers could understand differently is refused.
//!
//! I-JSON (RFC 7493) with exact numbers: duplicate keys, invalid UTF-8, lone surrogates and trailing bytes are errors, and so
//! is a number that a reader with IEEE doubles would see as another one. The digest of an action is taken over a canonical form,
//! so every reader has to agree on what was sent.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Write as _;

use rust_decimal::Decimal;

use crate::value::Value;

mod number;

pub(crate) use number::decimal;
use number::interoperable;

/// How much a text may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Arrays and objects inside each other.
    pub depth: usize,
    /// Length of the text in bytes.
    pub bytes: usize,
    /// Values in total, keys not counted.
    pub values: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            depth: 32,
            bytes: 1024 * 1024,
            values: 100_000,
        }
    }
}

/// Why a text was refused, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} at byte {offset}")]
pub struct JsonError {
    /// Byte of the text, from 0.
    pub offset: usize,
    /// What is wrong with it.
    pub kind: JsonErrorKind,
    /// The same in words: lower case, one line, without values from the text.
    pub message: &'static str,
}

/// The kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonErrorKind {
    /// Not JSON.
    Syntax,
    /// A key occurs twice in one object.
    DuplicateKey,
    /// Not UTF-8, or half of a surrogate pair.
    InvalidText,
    /// A number that not every reader sees as the same number.
    NumberOutOfRange,
    /// More bytes, values or nesting than allowed.
    TooLarge,
}

impl JsonErrorKind {
    /// The stable code.
    pub fn as_str(self) -> &'static str {
        match self {
            JsonErrorKind::Syntax => "invalid_json",
            JsonErrorKind::DuplicateKey => "duplicate_key",
            JsonErrorKind::InvalidText => "invalid_text",
            JsonErrorKind::NumberOutOfRange => "number_out_of_range",
            JsonErrorKind::TooLarge => "too_large",
        }
    }
}

/// The value of a JSON text.
///
/// Numbers keep the scale they were written with: `50.00` has two decimals and equals `50`.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Value, JsonError> {
    let error = |offset, kind, message| JsonError { offset, kind, message };
    if bytes.len() > limits.bytes {
        return Err(error(limits.bytes, JsonErrorKind::TooLarge, "the text is too long"));
    }
    let text = std::str::from_utf8(bytes).map_err(|e| {
        error(
            e.valid_up_to(),
            JsonErrorKind::InvalidText,
            "the text is not valid UTF-8",
        )
    })?;
    let mut parser = Parser {
        text,
        bytes,
        at: 0,
        values: limits.values,
    };
    let value = parser.value(limits.depth)?;
    parser.space();
    if parser.at < bytes.len() {
        return Err(parser.syntax("unexpected bytes after the value"));
    }
    Ok(value)
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    values: usize,
}

impl<'a> Parser<'a> {
    fn error(&self, offset: usize, kind: JsonErrorKind, message: &'static str) -> JsonError {
        JsonError { offset, kind, message }
    }

    fn syntax(&self, message: &'static str) -> JsonError {
        self.error(self.at, JsonErrorKind::Syntax, message)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\t' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }

    /// Recursion is bounded by `depth`, the nesting that is left.
    fn value(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.space();
        if self.values == 0 {
            return Err(self.error(self.at, JsonErrorKind::TooLarge, "the text has too many values"));
        }
        self.values -= 1;
        match self.peek() {
            Some(b'"') => self.string().map(Value::String),
            Some(b'{' | b'[') if depth == 0 => {
                Err(self.error(self.at, JsonErrorKind::TooLarge, "the text is nested too deep"))
            }
            Some(b'{') => self.object(depth - 1),
            Some(b'[') => self.array(depth - 1),
            Some(b'-' | b'0'..=b'9') => self.number().map(Value::Number),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(_) => Err(self.syntax("expected a value")),
            None => Err(self.syntax("the text ends where a value is expected")),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, JsonError> {
        if self.bytes.get(self.at..self.at + word.len()) != Some(word.as_bytes()) {
            return Err(self.syntax("expected a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn array(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.take(b']') {
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.space();
            if self.take(b']') {
                return Ok(Value::List(items));
            }
            if !self.take(b',') {
                return Err(self.syntax("expected `,` or `]`"));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.at += 1;
        let mut members = BTreeMap::new();
        self.space();
        if self.take(b'}') {
            return Ok(Value::Map(members));
        }
        loop {
            self.space();
            let start = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.syntax("expected a key in double quotes"));
            }
            let key = self.string()?;
            self.space();
            if !self.take(b':') {
                return Err(self.syntax("expected `:`"));
            }
            match members.entry(key) {
                Entry::Occupied(_) => {
                    return Err(self.error(start, JsonErrorKind::DuplicateKey, "this key occurs twice"));
                }
                Entry::Vacant(slot) => slot.insert(self.value(depth)?),
            };
            self.space();
            if self.take(b'}') {
                return Ok(Value::Map(members));
            }
            if !self.take(b',') {
                return Err(self.syntax("expected `,` or `}`"));
            }
        }
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let start = self.at;
            let plain = |byte: &u8| !matches!(byte, b'"' | b'\\' | 0..0x20);
            let rest = self.bytes.get(start..).unwrap_or_default();
            self.at += rest.iter().position(|byte| !plain(byte)).unwrap_or(rest.len());
            text.push_str(self.slice(start, self.at));
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.push(self.escape()?),
                Some(_) => return Err(self.syntax("control characters are escaped in a string")),
                None => return Err(self.syntax("the text ends inside a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let start = self.at;
        let letter = self.bytes.get(self.at + 1).copied();
        self.at += 2;
        let lone = |parser: &Self| {
            Err(parser.error(
                start,
                JsonErrorKind::InvalidText,
                "half of a surrogate pair is not a character",
            ))
        };
        Ok(match letter {
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let high = self.hex(start)?;
                match high {
                    0xD800..0xDC00 => {
                        if !(self.take(b'\\') && self.take(b'u')) {
                            return lone(self);
                        }
                        let low = self.hex(start)?;
                        if !(0xDC00..0xE000).contains(&low) {
                            return lone(self);
                        }
                        match char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)) {
                            Some(c) => c,
                            None => return lone(self),
                        }
                    }
                    _ => match char::from_u32(high) {
                        Some(c) => c,
                        None => return lone(self),
                    },
                }
            }
            _ => return Err(self.error(start, JsonErrorKind::Syntax, "unknown escape in a string")),
        })
    }

    fn hex(&mut self, start: usize) -> Result<u32, JsonError> {
        let digits = self.bytes.get(self.at..self.at + 4).unwrap_or_default();
        let code = digits
            .iter()
            .try_fold(0, |code, digit| Some(code * 16 + char::from(*digit).to_digit(16)?));
        match code.filter(|_| digits.len() == 4) {
            Some(code) => {
                self.at += 4;
                Ok(code)
            }
            None => Err(self.error(start, JsonErrorKind::Syntax, "`\\u` takes four hexadecimal digits")),
        }
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.syntax("expected a digit"));
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Decimal, JsonError> {
        let start = self.at;
        self.take(b'-');
        if self.take(b'0') {
            if self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                return Err(self.error(start, JsonErrorKind::Syntax, "a number has no leading zeros"));
            }
        } else {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        interoperable(self.slice(start, self.at)).ok_or_else(|| {
            let message = "not every reader would see this number as the same number";
            self.error(start, JsonErrorKind::NumberOutOfRange, message)
        })
    }
}

/// Appends `value` as JSON: keys in the order of their bytes, no white space, numbers without needless zeros.
///
/// Timestamps and spans of time, which no JSON text yields, become strings.
pub fn to_json(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => push(out, format_args!("{}", number.normalize())),
        Value::String(text) => quote(text, out),
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                to_json(item, out);
            }
            out.push(']');
        }
        Value::Map(members) => {
            out.push('{');
            for (index, (key, member)) in members.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                quote(key, out);
                out.push(':');
                to_json(member, out);
            }
            out.push('}');
        }
        Value::Timestamp(at) => quote(&crate::condition::timestamp_text(*at), out),
        Value::Duration(span) => quote(&crate::condition::duration_text(*span), out),
    }
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(text);
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            8 => "\\b",
            12 => "\\f",
            0..0x20 => "",
            _ => continue,
        };
        out.push_str(text.get(plain..at).unwrap_or_default());
        plain = at + 1;
        if escape.is_empty() {
            push(out, format_args!("\\u{byte:04x}"));
        } else {
            out.push_str(escape);
        }
    }
    out.push_str(text.get(plain..).unwrap_or_default());
    out.push('"');
}
