//! What a command line names to be run, and which files it writes by redirection, where it is one of the few lines that
//! sh, dash, bash, zsh and BusyBox read alike.
//!
//! Shells read a language in which nearly every sign has a second meaning in one of them. This reader knows a small part of
//! it: simple commands with `|`, `&&`, `||`, `;`, line ends and a last `&` between them, words, quotes, plain variables,
//! patterns and redirections to files. Only what is listed here is read; everything else is an error, whether it is
//! dangerous or not. [`program`] does the same with what stands in a command.
//!
//! It is held against shells that read a script or the text behind `-c`, with the options and names that they begin with.

mod program;

use super::{Unsure, note, plain, unsure};

/// How deep commands may stand in each other, as words and as the texts of `sh -c`.
const MAX_DEPTH: usize = 8;

/// The names of the programs that `line` runs, each once, in the order of the text. One that is called by a path is there
/// twice: as it is written, and by its last part.
///
/// # Errors
/// Where the line is not of the part of the language that is read.
pub fn commands(line: &str) -> Result<Vec<String>, Unsure> {
    Ok(read(line)?.commands)
}

/// The files that `line` writes by redirection (`>`, `>>`, `2>`, `2>>`), as they are written, each once.
///
/// # Errors
/// As [`commands`], and where a name is relative in a line that changes its folder.
pub fn writes(line: &str) -> Result<Vec<String>, Unsure> {
    let found = read(line)?;
    let moves = found
        .commands
        .iter()
        .any(|name| matches!(name.to_ascii_lowercase().as_str(), "cd" | "popd" | "pushd"));
    if moves && found.writes.iter().any(|file| !file.starts_with('/')) {
        return unsure("the line changes its folder and writes a file whose name is relative");
    }
    Ok(found.writes)
}

fn read(line: &str) -> Result<Found, Unsure> {
    plain(line)?;
    let mut found = Found::default();
    text(line, 0, &mut found)?;
    Ok(found)
}

/// Reads a whole text, which stands `depth` deep in others.
fn text(line: &str, depth: usize, found: &mut Found) -> Result<(), Unsure> {
    if line.contains("\\\n") {
        return unsure("a line is continued by a backslash");
    }
    if line.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n')) {
        return unsure("it has a control character");
    }
    Reader { rest: line, depth }.list(found)
}

#[derive(Default)]
struct Found {
    commands: Vec<String>,
    writes: Vec<String>,
}

impl Found {
    fn command(&mut self, name: &str) -> Result<(), Unsure> {
        note(&mut self.commands, name)?;
        note(&mut self.commands, name.rsplit('/').next().unwrap_or(name))
    }
}

/// A word without its quotes.
#[derive(Default)]
struct Word {
    text: String,
    /// A shell puts something else for a part of it: a variable, a home folder, names of files.
    made: bool,
}

struct Reader<'t> {
    rest: &'t str,
    depth: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next();
        self.rest = chars.as_str();
        c
    }

    fn take(&mut self, sign: &str) -> bool {
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Commands and what stands between them, to the end of the text.
    fn list(&mut self, found: &mut Found) -> Result<(), Unsure> {
        let mut wanted = false;
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\n']);
            if self.rest.is_empty() && !wanted {
                return Ok(());
            }
            self.command(found)?;
            wanted = self.take("&&") || self.take("||") || self.take("|");
            if !wanted && self.take("&") && !self.rest.trim_start_matches([' ', '\t', '\n']).is_empty() {
                return unsure("`&` stands elsewhere than at the end");
            }
            // One `;` ends this command; another one stands before a command that is missing.
            if !wanted {
                self.take(";");
            }
        }
    }

    /// One simple command, up to the sign that ends it.
    fn command(&mut self, found: &mut Found) -> Result<(), Unsure> {
        let mut words = Vec::new();
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t']);
            if matches!(self.peek(), None | Some('\n' | ';' | '&' | '|')) {
                return program::run(&words, self.depth, found);
            }
            if words.is_empty() || !self.redirection(found)? {
                words.push(self.word()?);
            }
        }
    }

    /// A redirection, where one begins here.
    fn redirection(&mut self, found: &mut Found) -> Result<bool, Unsure> {
        if self.take("2>&1") || self.take("1>&2") || self.take(">&2") {
            return match self.peek() {
                None | Some(' ' | '\t' | '\n' | ';' | '&' | '|') => Ok(true),
                Some(_) => unsure("a redirection is not one of those that are read"),
            };
        }
        let writes = self.take("2>>") || self.take(">>") || self.take("2>") || self.take(">");
        if !writes && !self.take("<") {
            return Ok(false);
        }
        self.rest = self.rest.trim_start_matches([' ', '\t']);
        let file = self.word()?;
        if file.made {
            return unsure("the name of a file is made when the line runs");
        }
        if file.text.is_empty() || file.text.contains("/dev/tcp/") || file.text.contains("/dev/udp/") {
            return unsure("a redirection does not lead to a file");
        }
        if writes {
            note(&mut found.writes, &file.text)?;
        }
        Ok(true)
    }

    /// The word that begins here.
    fn word(&mut self) -> Result<Word, Unsure> {
        let (mut word, whole) = (Word::default(), self.rest);
        while let Some(c) = self.peek() {
            let first = self.rest.len() == whole.len();
            match c {
                ' ' | '\t' | '\n' | ';' | '&' | '|' => break,
                '\'' => self.single(&mut word)?,
                '"' => self.double(&mut word)?,
                '$' => self.variable(&mut word)?,
                '\\' => {
                    self.next();
                    match self.next() {
                        Some(c) if c.is_ascii_graphic() => word.text.push(c),
                        Some(_) | None => return unsure("a backslash stands before something that is no sign"),
                    }
                }
                '=' if first => return unsure("a word begins with `=`"),
                '~' if first && !self.rest.starts_with("~/") => return unsure("the home of somebody is named"),
                '*' | '?' | '[' | ']' | '~' => {
                    word.made = true;
                    word.text.extend(self.next());
                }
                c if c.is_ascii_alphanumeric() || "%+,-./:=@_".contains(c) => word.text.extend(self.next()),
                _ => return unsure("a sign stands outside of quotes that shells read in ways of their own"),
            }
        }
        match self.rest.len() == whole.len() {
            true => unsure("a word is missing"),
            false => Ok(word),
        }
    }

    fn single(&mut self, word: &mut Word) -> Result<(), Unsure> {
        self.next();
        let Some((inner, rest)) = self.rest.split_once('\'') else {
            return unsure("a quote is not closed");
        };
        word.text.push_str(inner);
        self.rest = rest;
        Ok(())
    }

    fn double(&mut self, word: &mut Word) -> Result<(), Unsure> {
        self.next();
        // Where texts are of an older encoding, the last byte of a letter takes a backslash behind it along.
        let mut letter = false;
        loop {
            match self.peek() {
                None => return unsure("a quote is not closed"),
                Some('"') => break,
                Some('$') => self.variable(word)?,
                Some('`' | '!') => return unsure("a sign in double quotes is one that shells run or replace"),
                Some('\\') => {
                    self.next();
                    match self.next() {
                        Some(c @ ('"' | '\\' | '$' | '`')) if !letter => word.text.push(c),
                        Some(c) if !letter && c.is_ascii_graphic() && c != '!' => word.text.extend(['\\', c]),
                        Some(_) | None => return unsure("a backslash in double quotes is read in different ways"),
                    }
                }
                Some(_) => word.text.extend(self.next()),
            }
            letter = !word.text.ends_with(|c: char| c.is_ascii()) && !word.text.is_empty();
        }
        self.next();
        Ok(())
    }

    /// `$NAME` or `${NAME}`, and behind it nothing that could belong to it.
    fn variable(&mut self, word: &mut Word) -> Result<(), Unsure> {
        self.next();
        let braces = self.take("{");
        let digit = self.rest.starts_with(|c: char| c.is_ascii_digit());
        let after = self
            .rest
            .trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
        if digit || after.len() == self.rest.len() {
            return unsure("`$` stands for something else than a variable");
        }
        self.rest = after;
        if braces && !self.take("}") {
            return unsure("a variable is changed where it stands");
        }
        word.made = true;
        match self.peek() {
            None | Some(' ' | '\t' | '\n' | ';' | '&' | '|' | '"' | '\'' | '/' | '.' | ',' | '-' | ')') => Ok(()),
            Some(_) => unsure("a sign stands behind a variable that some shells take for a part of it"),
        }
    }
}
