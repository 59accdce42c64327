//! What a command line of a POSIX shell (sh, bash, zsh) runs, by name, and which files it writes by redirection.
//!
//! The reader follows pipes, lists, subshells, substitutions, here-documents and compound commands to every place where a
//! command stands; [`program`] goes on from there into what runs other programs. It is looser than a shell where that
//! finds the same commands or more, and refuses what shells read differently or make only when they run.

mod program;
mod runner;
mod word;

use super::{Unsure, note, plain, unsure};
use program::{Program, forbidden};
use word::Word;

/// How deep lines may stand in lines: subshells, substitutions, the texts of `sh -c`.
const MAX_DEPTH: usize = 32;

/// The names of the programs that `line` runs, each once, in the order of the text. One that is called by a path is there
/// twice: as it is written, and by its last part.
///
/// # Errors
/// Where the line does not say for sure what runs.
pub fn commands(line: &str) -> Result<Vec<String>, Unsure> {
    Ok(read(line)?.commands)
}

/// The files that `line` writes by redirection (`>`, `>>`, `>|`, `&>`, `<>`), as they are written, each once.
///
/// # Errors
/// As [`commands`], and where the name of a file is made when the line runs.
pub fn writes(line: &str) -> Result<Vec<String>, Unsure> {
    let found = read(line)?;
    match found.unsure_write {
        Some(why) => unsure(why),
        None => Ok(found.writes),
    }
}

fn read(line: &str) -> Result<Found, Unsure> {
    plain(line)?;
    let mut found = Found::default();
    Reader::new(line, 0)?.list(Until::End, &mut found)?;
    Ok(found)
}

#[derive(Default)]
struct Found {
    commands: Vec<String>,
    writes: Vec<String>,
    unsure_write: Option<String>,
}

impl Found {
    fn command(&mut self, name: &str) -> Result<(), Unsure> {
        note(&mut self.commands, name)?;
        note(&mut self.commands, name.rsplit('/').next().unwrap_or(name))
    }

    fn write(&mut self, file: &Word) -> Result<(), Unsure> {
        if file.sure() {
            return note(&mut self.writes, &file.text);
        }
        let why = "the name of a file is made when the line runs".to_owned();
        self.unsure_write.get_or_insert(why);
        Ok(())
    }
}

/// What ends a list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// The end of the text.
    End,
    /// The bracket that closes a subshell or substitution.
    Bracket,
    /// `;;` or `esac`.
    Clause,
}

/// A here-document whose text comes after the line.
struct Pending {
    end: String,
    literal: bool,
    tabs: bool,
    /// A shell reads it as commands.
    commands: bool,
}

/// Reads one text.
struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
    pending: Vec<Pending>,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str, depth: usize) -> Result<Reader<'t>, Unsure> {
        if depth > MAX_DEPTH {
            return unsure(format!("commands stand in commands more than {MAX_DEPTH} deep"));
        }
        let pending = Vec::new();
        Ok(Reader {
            text,
            at: 0,
            depth,
            pending,
        })
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = self.rest().starts_with(sign);
        self.at += if found { sign.len() } else { 0 };
        found
    }

    /// Over blanks, continued lines and comments.
    fn blanks(&mut self) {
        loop {
            match self.peek() {
                Some(b' ' | b'\t') => self.at += 1,
                Some(b'\\') if self.rest().starts_with("\\\n") => self.at += 2,
                _ => return,
            }
        }
    }

    fn comment(&mut self) {
        if self.peek() == Some(b'#') {
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
    }

    /// A list within this text, up to the bracket that closes it. Here-documents of the two do not mix.
    fn nested(&mut self, found: &mut Found) -> Result<(), Unsure> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return unsure(format!("commands stand in commands more than {MAX_DEPTH} deep"));
        }
        let outer = std::mem::take(&mut self.pending);
        let from = self.at;
        self.list(Until::Bracket, found)?;
        if !outer.is_empty() && self.text.get(from..self.at).is_some_and(|inner| inner.contains('\n')) {
            return unsure("a line ends inside a command while a here-document is open");
        }
        self.pending = outer;
        self.depth -= 1;
        Ok(())
    }

    /// Commands up to `until`, which is read too.
    fn list(&mut self, until: Until, found: &mut Found) -> Result<(), Unsure> {
        loop {
            self.blanks();
            self.comment();
            match self.peek() {
                None if until == Until::End => {
                    return match self.pending.is_empty() {
                        true => Ok(()),
                        false => unsure("a here-document does not end"),
                    };
                }
                None => return unsure("something that was opened is not closed"),
                Some(b'\n') => {
                    self.at += 1;
                    self.here_documents(found)?;
                }
                Some(b')') if until == Until::Bracket => {
                    self.at += 1;
                    return match self.pending.is_empty() {
                        true => Ok(()),
                        false => unsure("a here-document does not end before its bracket"),
                    };
                }
                Some(b';') if self.rest().starts_with(";;") || self.rest().starts_with(";&") => {
                    if until != Until::Clause {
                        return unsure("`;;` stands outside of `case`");
                    }
                    self.at += 2;
                    self.take("&");
                    return Ok(());
                }
                Some(b';' | b'|') => self.at += 1,
                Some(b'&') if !self.rest().starts_with("&>") => self.at += 1,
                Some(b'(') if self.rest().starts_with("((") => {
                    return unsure("arithmetic can run commands that are made when it runs");
                }
                Some(b'(') => {
                    self.at += 1;
                    self.nested(found)?;
                }
                Some(b')') => return unsure("a bracket is closed that was not opened"),
                Some(_) => {
                    if self.command(until, found)? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// One command, or one word of a compound command. Whether the list ends with it (`esac`).
    fn command(&mut self, until: Until, found: &mut Found) -> Result<bool, Unsure> {
        let rest = self.rest();
        let plain = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || "!{}[_".contains(c)))
            .map_or(rest, |end| rest.get(..end).unwrap_or_default());
        let whole = match rest.as_bytes().get(plain.len()) {
            None | Some(b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>') => plain,
            Some(_) => "",
        };
        match whole {
            "if" | "then" | "else" | "elif" | "fi" | "do" | "done" | "while" | "until" | "{" | "}" | "!" => {
                self.at += whole.len();
            }
            "time" => {
                self.at += whole.len();
                self.blanks();
                if self.rest().starts_with("-p ") {
                    self.at += 2;
                }
            }
            "for" | "select" => {
                self.at += whole.len();
                self.variable_loop(found)?;
            }
            "case" => {
                self.at += whole.len();
                self.case(found)?;
            }
            "esac" if until == Until::Clause => {
                self.at += whole.len();
                return Ok(true);
            }
            "[[" => {
                self.at += whole.len();
                self.test(found)?;
            }
            "function" => {
                self.at += whole.len();
                self.blanks();
                self.word(found)?;
                self.blanks();
                self.take("()");
            }
            _ => self.simple(found)?,
        }
        Ok(false)
    }

    /// `for NAME in WORDS`, up to its end of words.
    fn variable_loop(&mut self, found: &mut Found) -> Result<(), Unsure> {
        self.blanks();
        let name = self.word(found)?;
        if !name.sure() || !word::is_name(&name.text) || forbidden(&name.text) {
            return unsure("a loop's variable cannot be read");
        }
        self.blanks();
        if !self.rest().starts_with("in ") && !self.rest().starts_with("in\t") {
            return Ok(());
        }
        self.at += 2;
        loop {
            self.blanks();
            match self.peek() {
                Some(b'\n' | b';') | None => return Ok(()),
                Some(b'&' | b'|' | b'<' | b'>' | b'(' | b')') => return unsure("the words of a loop cannot be read"),
                Some(_) => drop(self.word(found)?),
            }
        }
    }

    /// `case WORD in PATTERN) LIST ;; … esac`
    fn case(&mut self, found: &mut Found) -> Result<(), Unsure> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return unsure(format!("commands stand in commands more than {MAX_DEPTH} deep"));
        }
        self.blanks();
        self.word(found)?;
        self.space(found)?;
        if !self.take("in") {
            return unsure("`case` has no `in`");
        }
        loop {
            self.space(found)?;
            if self.take("esac") {
                break;
            }
            self.take("(");
            loop {
                self.blanks();
                self.word(found)?;
                self.blanks();
                match self.peek() {
                    Some(b'|') => self.at += 1,
                    Some(b')') => break,
                    _ => return unsure("a pattern of `case` cannot be read"),
                }
            }
            self.at += 1;
            self.list(Until::Clause, found)?;
            if self.text.get(..self.at).is_some_and(|read| read.ends_with("esac")) {
                break;
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn space(&mut self, found: &mut Found) -> Result<(), Unsure> {
        loop {
            self.blanks();
            self.comment();
            if self.peek() != Some(b'\n') {
                return Ok(());
            }
            self.at += 1;
            self.here_documents(found)?;
        }
    }

    /// `[[ … ]]`, where signs are operators of its own.
    fn test(&mut self, found: &mut Found) -> Result<(), Unsure> {
        loop {
            self.blanks();
            match self.peek() {
                None | Some(b';' | b'\n') => return unsure("`[[` is not closed on its line"),
                Some(b'<' | b'>' | b'(' | b')' | b'&' | b'|') => self.at += 1,
                Some(_) => {
                    let word = self.word(found)?;
                    if matches!(word.text.as_str(), "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" | "-v") {
                        return unsure("arithmetic can run commands that are made when it runs");
                    }
                    if word.text == "]]" {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// A simple command: assignments, words and redirections.
    fn simple(&mut self, found: &mut Found) -> Result<(), Unsure> {
        let mut words: Vec<Word> = Vec::new();
        let open = self.pending.len();
        let (mut input, mut named) = (false, None);
        loop {
            self.blanks();
            let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
            if matches!(self.rest().as_bytes().get(digits), Some(b'<' | b'>')) && self.process(digits).is_none() {
                self.at += digits;
                if digits > 0 && self.peek() == Some(b'<') {
                    return unsure("which input a redirection with a number is cannot be seen");
                }
                input |= self.redirection(found)?;
                continue;
            }
            match self.peek() {
                Some(b'&') if self.rest().starts_with("&>") => {
                    input |= self.redirection(found)?;
                }
                None | Some(b'\n' | b';' | b'&' | b'|' | b')') => break,
                Some(b'(') if named == Some(self.at) && self.rest().starts_with("()") => {
                    // A function: what is in it is read as if it ran here.
                    self.at += 2;
                    return Ok(());
                }
                Some(b'(') => return unsure("a bracket stands where shells read it differently"),
                Some(b'#') => self.comment(),
                Some(_) if words.is_empty() => {
                    if !self.assignment(found)? {
                        words.push(self.word(found)?);
                        named = Some(self.at);
                    }
                }
                Some(_) => words.push(self.word(found)?),
            }
        }
        let mut program = Program::new(self.depth, found);
        if !words.is_empty() && program.run(&words)? {
            match self.pending.get_mut(open..) {
                Some([only]) if !input => only.commands = true,
                _ => return unsure("a shell reads its commands from where they cannot be seen"),
            }
        }
        Ok(())
    }

    /// `<(` or `>(` behind no digits.
    fn process(&self, digits: usize) -> Option<()> {
        let rest = self.rest();
        (digits == 0 && (rest.starts_with("<(") || rest.starts_with(">("))).then_some(())
    }

    /// One redirection. Whether it gives the command another input than a here-document.
    fn redirection(&mut self, found: &mut Found) -> Result<bool, Unsure> {
        if self.take("<<<") {
            self.blanks();
            self.word(found)?;
            return Ok(true);
        }
        if self.take("<<") {
            let tabs = self.take("-");
            self.blanks();
            let from = self.at;
            let end = self.word(found)?;
            let written = self.text.get(from..self.at).unwrap_or_default();
            let literal = written.contains(['\'', '"', '\\']);
            if !end.sure() || end.text.is_empty() || end.text.contains('\n') || written.contains('$') {
                return unsure("where a here-document ends cannot be read");
            }
            self.pending.push(Pending {
                end: end.text,
                literal,
                tabs,
                commands: false,
            });
            return Ok(false);
        }
        let writing = ["&>>", "&>", ">>", ">|", ">&", "<>", ">"]
            .iter()
            .find(|sign| self.take(sign));
        let input = match writing {
            Some(sign) => *sign == "<>",
            None => self.take("<&") || self.take("<"),
        };
        self.blanks();
        let target = self.word(found)?;
        if target.text.is_empty() && target.sure() {
            return unsure("a redirection has no file");
        }
        let descriptor = target.sure() && target.text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        if writing.is_some_and(|sign| *sign != ">&" || !descriptor) {
            found.write(&target)?;
        }
        Ok(input)
    }

    /// The texts of the here-documents of the line that has just ended.
    fn here_documents(&mut self, found: &mut Found) -> Result<(), Unsure> {
        for pending in std::mem::take(&mut self.pending) {
            let from = self.at;
            let body = loop {
                let start = self.at;
                let Some(rest) = self.text.get(start..).filter(|rest| !rest.is_empty()) else {
                    return unsure("a here-document does not end");
                };
                let line = rest.split('\n').next().unwrap_or_default();
                self.at = (start + line.len() + 1).min(self.text.len());
                let line = if pending.tabs {
                    line.trim_start_matches('\t')
                } else {
                    line
                };
                if line == pending.end {
                    break self.text.get(from..start).unwrap_or_default();
                }
            };
            if pending.commands {
                if !pending.literal && body.contains(['$', '`', '\\']) {
                    return unsure("the commands of a here-document are made when it is read");
                }
                Reader::new(body, self.depth + 1)?.list(Until::End, found)?;
            } else if !pending.literal {
                Reader::new(body, self.depth + 1)?.expansions(found)?;
            }
        }
        Ok(())
    }
}
