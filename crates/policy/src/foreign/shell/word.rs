//! Words of a command line: quotes, escapes, and what a shell puts in their place when it runs.

use super::program::forbidden;
use super::{Found, MAX_DEPTH, Reader};
use crate::foreign::{Unsure, unsure};

/// A word, as far as it is known before the line runs.
#[derive(Clone, Default)]
pub(super) struct Word {
    /// Its text without quotes; of what is made later, only signs.
    pub(super) text: String,
    /// How much of the text is known, where a part of the word is made later.
    known: Option<usize>,
    /// It may become several words, or none.
    pub(super) many: bool,
}

impl Word {
    /// Whether the text is the word.
    pub(super) fn sure(&self) -> bool {
        self.known.is_none()
    }

    /// What the word begins with for sure.
    pub(super) fn prefix(&self) -> &str {
        self.text
            .get(..self.known.unwrap_or(self.text.len()))
            .unwrap_or_default()
    }

    /// The same word, whose text is changed before it is used.
    pub(super) fn changed(&self) -> Word {
        Word {
            text: self.text.clone(),
            known: Some(0),
            many: self.many,
        }
    }

    /// What comes here is made when the line runs.
    fn made(&mut self, many: bool) {
        self.known.get_or_insert(self.text.len());
        self.many |= many;
    }
}

/// Whether it can be the name of a variable.
pub(super) fn is_name(text: &str) -> bool {
    name_length(text) == text.len() && !text.is_empty()
}

fn name_length(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.bytes()
        .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        .count()
}

impl Reader<'_> {
    fn push(&mut self, word: &mut Word) {
        if let Some(c) = self.rest().chars().next() {
            word.text.push(c);
            self.at += c.len_utf8();
        }
    }

    /// `NAME=value` before a command: it is read over.
    pub(super) fn assignment(&mut self, found: &mut Found) -> Result<bool, Unsure> {
        let rest = self.rest();
        let length = name_length(rest);
        let name = rest.get(..length).unwrap_or_default();
        let after = rest.get(length..).unwrap_or_default();
        let sign = if after.starts_with("+=") { 2 } else { 1 };
        if length == 0 || !(after.starts_with('=') || sign == 2) {
            return Ok(false);
        }
        if forbidden(name) {
            return unsure("a variable that changes what is run is set");
        }
        self.at += length + sign;
        self.word(found)?;
        Ok(true)
    }

    /// The word that begins here; empty where none does. Commands in it are found on the way.
    pub(super) fn word(&mut self, found: &mut Found) -> Result<Word, Unsure> {
        let (mut word, from) = (Word::default(), self.at);
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'(' | b')' => break,
                b'<' | b'>' => {
                    if self.text.as_bytes().get(self.at + 1) != Some(&b'(') {
                        break;
                    }
                    self.at += 2;
                    self.nested(found)?;
                    word.made(true);
                }
                b'\\' => {
                    self.at += 1;
                    match self.peek() {
                        None => return unsure("it ends in a backslash"),
                        Some(b'\n') => self.at += 1,
                        Some(_) => self.push(&mut word),
                    }
                }
                b'\'' => self.single(&mut word)?,
                b'"' => self.double(&mut word, found)?,
                b'$' => self.dollar(&mut word, false, found)?,
                b'`' => {
                    self.backticks(found)?;
                    word.made(true);
                }
                // Nothing to choose from: it stays as it is.
                b'{' if self.take("{}") => word.text.push_str("{}"),
                b'*' | b'?' | b'[' | b'{' => {
                    word.made(true);
                    self.push(&mut word);
                }
                b'=' if self.at == from => {
                    word.made(false);
                    self.push(&mut word);
                }
                _ if byte.is_ascii_control() => return unsure("it has a control character"),
                _ => self.push(&mut word),
            }
        }
        match self.text.get(from..self.at) {
            Some("[" | "[[" | "{") => (word.known, word.many) = (None, false),
            // A home folder alone, as the name of somebody says.
            Some(raw) if raw.starts_with('~') && !raw.contains('/') => word.made(false),
            Some(_) | None => {}
        }
        Ok(word)
    }

    fn single(&mut self, word: &mut Word) -> Result<(), Unsure> {
        self.at += 1;
        let Some(inner) = self.rest().split_once('\'').map(|(inner, _)| inner) else {
            return unsure("a quote is not closed");
        };
        self.within_line(inner)?;
        word.text.push_str(inner);
        self.at += inner.len() + 1;
        Ok(())
    }

    /// A line break in a quote is not one that here-documents follow, in some shells.
    fn within_line(&self, inner: &str) -> Result<(), Unsure> {
        if inner.contains('\n') && !self.pending.is_empty() {
            return unsure("a line ends inside a quote while a here-document is open");
        }
        Ok(())
    }

    fn double(&mut self, word: &mut Word, found: &mut Found) -> Result<(), Unsure> {
        let from = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                None => return unsure("a quote is not closed"),
                Some(b'"') => break,
                Some(b'\\') => {
                    self.at += 1;
                    match self.peek() {
                        Some(b'\n') => self.at += 1,
                        Some(b'$' | b'`' | b'"' | b'\\') => self.push(word),
                        _ => word.text.push('\\'),
                    }
                }
                Some(b'$') => self.dollar(word, true, found)?,
                Some(b'`') => {
                    self.backticks(found)?;
                    word.made(false);
                }
                Some(_) => self.push(word),
            }
        }
        self.at += 1;
        self.within_line(self.text.get(from..self.at).unwrap_or_default())
    }

    /// The commands in a text that a shell expands as if it stood in double quotes.
    pub(super) fn expansions(&mut self, found: &mut Found) -> Result<(), Unsure> {
        let mut word = Word::default();
        loop {
            match self.peek() {
                None => return Ok(()),
                Some(b'\\') => {
                    self.at += 1;
                    self.push(&mut word);
                }
                Some(b'$') => self.dollar(&mut word, true, found)?,
                Some(b'`') => self.backticks(found)?,
                Some(_) => self.push(&mut word),
            }
        }
    }

    fn backticks(&mut self, found: &mut Found) -> Result<(), Unsure> {
        self.at += 1;
        let Some(inner) = self.rest().split_once('`').map(|(inner, _)| inner) else {
            return unsure("a backtick is not closed");
        };
        if inner.contains('\\') {
            return unsure("there is a backslash between backticks, which shells read differently");
        }
        self.within_line(inner)?;
        Reader::new(inner, self.depth + 1)?.list(super::Until::End, found)?;
        self.at += inner.len() + 1;
        Ok(())
    }

    /// What begins with a dollar sign.
    fn dollar(&mut self, word: &mut Word, quoted: bool, found: &mut Found) -> Result<(), Unsure> {
        self.at += 1;
        let rest = self.rest();
        let length = name_length(rest);
        match rest.as_bytes().first() {
            Some(b'(') if rest.starts_with("((") => {
                self.arithmetic()?;
                word.made(!quoted);
            }
            Some(b'(') => {
                self.at += 1;
                self.nested(found)?;
                word.made(!quoted);
            }
            Some(b'{') => {
                let all = self.parameter(found)?;
                word.made(!quoted || all);
            }
            Some(b'[') => return unsure("arithmetic can run commands that are made when it runs"),
            Some(b'\'') if !quoted => {
                let inner = rest
                    .get(1..)
                    .and_then(|rest| rest.split('\'').next())
                    .unwrap_or_default();
                if inner.contains('\\') {
                    return unsure("there is a backslash in `$'…'`, which shells read differently");
                }
                word.made(false);
            }
            Some(b'"') if !quoted => word.made(false),
            Some(sign @ (b'@' | b'*' | b'#' | b'?' | b'$' | b'!' | b'-' | b'0'..=b'9')) => {
                self.at += 1;
                word.made(!quoted || matches!(sign, b'@' | b'*'));
            }
            Some(_) if length > 0 => {
                self.at += length;
                if self.peek() == Some(b'[') {
                    return unsure("a member of a variable can run commands that are made when it is read");
                }
                word.made(!quoted);
            }
            None | Some(b' ' | b'\t' | b'\n' | b'"' | b'\'' | b'\\' | b'/' | b'|' | b')' | b',' | b'.') => {
                word.text.push('$');
            }
            Some(_) => {
                word.made(!quoted);
                word.text.push('$');
            }
        }
        Ok(())
    }

    /// `$((…))` of numbers alone: names in it are texts that may run commands.
    fn arithmetic(&mut self) -> Result<(), Unsure> {
        self.at += 2;
        let mut open = 2_u32;
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'(' => open = open.saturating_add(1),
                b')' => open -= 1,
                b'0'..=b'9' | b'+' | b'-' | b'*' | b'/' | b'%' | b' ' => {}
                _ => break,
            }
            if open == 0 {
                return Ok(());
            }
        }
        unsure("arithmetic can run commands that are made when it runs")
    }

    /// `${…}`. Whether it stands for all of several values.
    fn parameter(&mut self, found: &mut Found) -> Result<bool, Unsure> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return unsure(format!("expansions stand in expansions more than {MAX_DEPTH} deep"));
        }
        self.at += 1;
        if self.rest().starts_with('#') && !self.rest().starts_with("#}") {
            self.at += 1;
        }
        let rest = self.rest();
        let special =
            rest.starts_with(['@', '*', '#', '?', '$', '-']) || rest.starts_with(|c: char| c.is_ascii_digit());
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let length = if special { digits.max(1) } else { name_length(rest) };
        let name = rest.get(..length).unwrap_or_default();
        let mut all = matches!(name, "@" | "*");
        if name.is_empty() {
            return unsure("an expansion cannot be read");
        }
        self.at += length;
        if self.take("[") {
            let member = self.rest().split(']').next().unwrap_or_default();
            all |= matches!(member, "@" | "*");
            if !all && !member.bytes().all(|byte| byte.is_ascii_digit()) {
                return unsure("a member of a variable can run commands that are made when it is read");
            }
            self.at += member.len();
            if !self.take("]") {
                return unsure("an expansion cannot be read");
            }
        }
        let places = self.take(":") && !self.rest().starts_with(['-', '=', '?', '+']);
        if self.rest().starts_with('@') || (self.rest().starts_with('=') && forbidden(name)) {
            return unsure("an expansion can change what runs");
        }
        let mut made = Word::default();
        loop {
            match self.peek() {
                Some(b'}') => break,
                Some(b'0'..=b'9' | b' ' | b':' | b'-') if places => self.at += 1,
                _ if places => return unsure("arithmetic can run commands that are made when it runs"),
                None | Some(b'\\' | b'\'' | b'"' | b'{' | b'(' | b'<' | b'>' | b'\n') => {
                    return unsure("an expansion cannot be read");
                }
                Some(b'$') => self.dollar(&mut made, true, found)?,
                Some(b'`') => self.backticks(found)?,
                Some(_) => self.push(&mut made),
            }
        }
        self.at += 1;
        self.depth -= 1;
        Ok(all)
    }
}
