//! A byte scanner that accepts exactly the canonical form of a record, and points at the fields that bind it.

use crate::canonical::{CanonicalError, MAX_DEPTH, MAX_INTEGER, MAX_LEAF_BYTES};

/// The raw values of top-level fields, exactly as written (a string with its quotes and escapes).
///
/// Canonical form has one spelling per value, so two raw values are equal exactly if the values are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bindings<'a> {
    /// `seq`.
    pub(crate) seq: Option<&'a [u8]>,
    /// `log`.
    pub(crate) log: Option<&'a [u8]>,
    /// `type`.
    pub(crate) kind: Option<&'a [u8]>,
    /// `snapshot`.
    pub(crate) snapshot: Option<&'a [u8]>,
}

/// Scans a whole record.
pub(crate) fn record(bytes: &[u8]) -> Result<Bindings<'_>, CanonicalError> {
    if bytes.len() > MAX_LEAF_BYTES {
        return Err(CanonicalError::TooLong { bytes: bytes.len() });
    }
    std::str::from_utf8(bytes).map_err(|error| CanonicalError::Utf8 {
        at: error.valid_up_to(),
    })?;
    let mut scanner = Scanner {
        bytes,
        at: 0,
        bindings: Bindings::default(),
    };
    if scanner.peek() != Some(b'{') {
        return scanner.fault("a record starts with `{`");
    }
    scanner.value(1)?;
    if scanner.at != bytes.len() {
        return scanner.fault("nothing may follow the record");
    }
    Ok(scanner.bindings)
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    bindings: Bindings<'a>,
}

impl<'a> Scanner<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn fault<T>(&self, what: &'static str) -> Result<T, CanonicalError> {
        Err(CanonicalError::Form { at: self.at, what })
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), CanonicalError> {
        if self.peek() != Some(byte) {
            return self.fault(what);
        }
        self.at += 1;
        Ok(())
    }

    /// One value. `depth` is its own level if it is a container, so recursion ends at [`MAX_DEPTH`].
    fn value(&mut self, depth: usize) -> Result<(), CanonicalError> {
        match self.peek() {
            Some(b'{' | b'[') if depth > MAX_DEPTH => self.fault("nested too deep"),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.integer(),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.fault("null is left out, never written"),
            _ => self.fault("a value was expected, without white space"),
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), CanonicalError> {
        self.at += 1;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        // No key is empty, so the empty one is before all.
        let mut last: &[u8] = b"";
        loop {
            let key = self.key()?;
            if key <= last {
                return self.fault("keys must be sorted and unique");
            }
            last = key;
            self.expect(b':', "`:` was expected")?;
            let start = self.at;
            self.value(depth + 1)?;
            if depth == 1 {
                self.bind(key, start);
            }
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return self.fault("`,` or `}` was expected"),
            }
        }
    }

    fn bind(&mut self, key: &[u8], start: usize) {
        let raw = self.bytes.get(start..self.at);
        match key {
            b"seq" => self.bindings.seq = raw,
            b"log" => self.bindings.log = raw,
            b"snapshot" => self.bindings.snapshot = raw,
            b"type" => self.bindings.kind = raw,
            _ => {}
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), CanonicalError> {
        self.at += 1;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return self.fault("`,` or `]` was expected"),
            }
        }
    }

    fn key(&mut self) -> Result<&'a [u8], CanonicalError> {
        self.expect(b'"', "a key was expected")?;
        let start = self.at;
        while let Some(b'a'..=b'z' | b'0'..=b'9' | b'_' | b'$') = self.peek() {
            self.at += 1;
        }
        let key = self.bytes.get(start..self.at).unwrap_or_default();
        if key.is_empty() || self.peek() != Some(b'"') {
            return self.fault("a key has one or more of a-z, 0-9, _ and $");
        }
        self.at += 1;
        Ok(key)
    }

    fn string(&mut self) -> Result<(), CanonicalError> {
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                Some(0..=0x1f) => return self.fault("a control character must be escaped"),
                Some(_) => self.at += 1,
                None => return self.fault("the string does not end"),
            }
        }
    }

    /// An escape, which must be the shortest for a character that needs one.
    fn escape(&mut self) -> Result<(), CanonicalError> {
        let rest = self.bytes.get(self.at + 1..).unwrap_or_default();
        self.at += match rest {
            [b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [b'u', b'0', b'0', b'0', b'0'..=b'7' | b'b' | b'e' | b'f', ..] => 6,
            [b'u', b'0', b'0', b'1', b'0'..=b'9' | b'a'..=b'f', ..] => 6,
            _ => return self.fault("not the shortest escape, or of a character that needs none"),
        };
        Ok(())
    }

    fn integer(&mut self) -> Result<(), CanonicalError> {
        let negative = self.peek() == Some(b'-');
        let start = self.at + usize::from(negative);
        self.at = start;
        let mut magnitude = 0_u64;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            magnitude = magnitude.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        let digits = self.at - start;
        if digits == 0 || (magnitude == 0 && (negative || digits > 1)) {
            return self.fault("not the shortest integer");
        }
        if magnitude != 0 && self.bytes.get(start) == Some(&b'0') {
            return self.fault("not the shortest integer");
        }
        if let Some(b'.' | b'e' | b'E') = self.peek() {
            return self.fault("a number must be an integer without fraction or exponent");
        }
        if magnitude > MAX_INTEGER {
            return self.fault("an integer must be within 2^53-1 of zero");
        }
        Ok(())
    }

    fn word(&mut self, word: &'static [u8]) -> Result<(), CanonicalError> {
        if !self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return self.fault("`true` or `false` was expected");
        }
        self.at += word.len();
        Ok(())
    }
}
