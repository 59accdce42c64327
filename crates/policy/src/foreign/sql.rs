//! The verbs of SQL: what the statements of a text do, without a grammar of any one database.
//!
//! Databases and their consoles differ in what ends a string, a name or a comment, and so in where a statement begins. Only
//! words, numbers, plain strings and names in quotes, and a few signs are read; everything else is an error.

use super::{Unsure, note, plain, unsure};

/// Words that do something wherever they stand: within `WITH`, behind `EXPLAIN`, in a statement that nothing separates from
/// the one before, as SQL Server takes it.
#[rustfmt::skip]
const STRONG: &[&str] = &[
    "ALTER", "ATTACH", "BACKUP", "BEGIN", "BULK", "CALL", "CHECKPOINT", "COMMIT", "CONVERSATION", "COPY", "CREATE", "DBCC",
    "DECLARE", "DELETE", "DENY", "DETACH", "DISABLE", "DROP", "ENABLE", "EXEC", "EXECUTE", "GRANT", "HANDLER", "IMPORT",
    "INSERT", "INSTALL", "KILL", "LOAD", "LOCK", "MERGE", "PRAGMA", "PREPARE", "RAISERROR", "RECEIVE", "RECONFIGURE",
    "REFRESH", "REINDEX", "RENAME", "REPLACE", "RESTORE", "REVERT", "REVOKE", "ROLLBACK", "SELECT", "SEND", "SETUSER",
    "SHUTDOWN", "SIGNATURE", "TRUNCATE", "UNDROP", "UNLOAD", "UPDATE", "UPDATETEXT", "UPSERT", "USE", "VACUUM", "WAITFOR",
    "WRITETEXT",
];
/// Strong words that are also functions, told by the bracket behind them.
const FUNCTIONS: [&str; 3] = ["INSERT", "REPLACE", "TRUNCATE"];
/// Strong words that have a part which begins with `SET`.
const SETTING: [&str; 5] = ["ALTER", "INSERT", "MERGE", "REPLACE", "UPDATE"];
/// What consoles read as an order to themselves, at the beginning of a line.
const CONSOLE: [&str; 6] = ["delimiter", "ed", "exit", "go", "quit", "reset"];

enum Token {
    /// A word outside of quotes, in upper case.
    Word(String),
    /// A name in quotes, which is a string in some databases.
    Quoted,
    /// A string, a number, or the place of a parameter.
    Value,
    Sign(char),
}

/// The verbs of all statements, in upper case, in the order in which they first stand in the text: the word that each
/// statement begins with, verbs inside it, and `SELECT INTO` where a selection writes a table or a file.
///
/// # Errors
/// Where the text has anything that is not read: comments, backslashes, strings with a prefix or between dollar signs,
/// numbers with letters, lines for a console; or where a statement begins with no word.
pub fn verbs(text: &str) -> Result<Vec<String>, Unsure> {
    plain(text)?;
    consoles(text)?;
    let tokens = Reader { rest: text }.tokens()?;
    let mut found: Vec<String> = Vec::new();
    for statement in tokens.split(|token| matches!(token, Token::Sign(';'))) {
        let first = statement.iter().find(|token| !matches!(token, Token::Sign('(')));
        let word = match first {
            None if statement.is_empty() => continue,
            Some(Token::Word(word)) => word,
            None | Some(Token::Quoted | Token::Value | Token::Sign(_)) => {
                return unsure("a statement does not begin with a word");
            }
        };
        let inside = inside(statement, word);
        if word != "WITH" || inside.is_empty() {
            note(&mut found, word)?;
        }
        for verb in inside {
            note(&mut found, verb)?;
        }
    }
    Ok(found)
}

/// Refuses lines that a console may take for itself, in strings too: some cut the text there.
fn consoles(text: &str) -> Result<(), Unsure> {
    for line in text.lines().map(str::trim_start) {
        let word = line
            .split(|c: char| !c.is_ascii_alphanumeric())
            .next()
            .unwrap_or_default();
        if line.starts_with(['.', '/', '\\', '!', ':', '@', '#', '$', '?'])
            || CONSOLE.iter().any(|order| word.eq_ignore_ascii_case(order))
        {
            return unsure("a line begins with what consoles take for an order to themselves");
        }
    }
    Ok(())
}

/// The strong words of a statement that begins with `first`.
fn inside<'t>(statement: &'t [Token], first: &str) -> Vec<&'t str> {
    let word = |at: usize| match statement.get(at) {
        Some(Token::Word(word)) => word.as_str(),
        Some(Token::Quoted | Token::Value | Token::Sign(_)) | None => "",
    };
    let mut verbs = Vec::new();
    for (at, token) in statement.iter().enumerate() {
        let Token::Word(found) = token else { continue };
        let before = word(at.wrapping_sub(1));
        let of_table = matches!(statement.get(at.wrapping_sub(1)), Some(Token::Sign('.')));
        let called = matches!(statement.get(at + 1), Some(Token::Sign('('))) && FUNCTIONS.contains(&found.as_str());
        // `SELECT … FOR UPDATE`, `FOR NO KEY UPDATE`, at the end of a selection alone.
        let lock = found == "UPDATE"
            && matches!(first, "SELECT" | "WITH")
            && (before == "FOR" || before == "KEY" && word(at.wrapping_sub(2)) == "NO")
            && (statement.len() == at + 1 || matches!(word(at + 1), "NOWAIT" | "SKIP"));
        if of_table || called || lock {
            continue;
        }
        let sets = found == "SET" && !verbs.iter().any(|verb| SETTING.contains(verb));
        if STRONG.contains(&found.as_str()) || sets {
            verbs.push(found.as_str());
        } else if found == "INTO" && !matches!(before, "INSERT" | "MERGE" | "REPLACE") {
            verbs.push("SELECT INTO");
        }
    }
    verbs
}

struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    fn tokens(mut self) -> Result<Vec<Token>, Unsure> {
        if self.rest.contains("'''") || self.rest.contains("\"\"\"") {
            return unsure("three quotes begin another string in some databases");
        }
        let mut tokens = Vec::new();
        let mut bracket = false;
        while let Some(c) = self.rest.chars().next() {
            let after = self.rest.get(c.len_utf8()..).unwrap_or_default();
            match c {
                ' ' | '\t' | '\n' => self.rest = after,
                '\'' | '"' | '`' => {
                    self.quoted(after, c)?;
                    tokens.push(if c == '\'' { Token::Value } else { Token::Quoted });
                }
                c if c.is_ascii_alphabetic() || c == '_' => tokens.push(Token::Word(self.word()?.to_ascii_uppercase())),
                c if c.is_ascii_digit() => {
                    self.number()?;
                    tokens.push(Token::Value);
                }
                '@' | '$' | '?' => {
                    self.parameter(c)?;
                    tokens.push(Token::Value);
                }
                ':' => {
                    self.colon()?;
                    tokens.push(Token::Value);
                }
                '[' | ']' => {
                    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ' ' | ',');
                    let closes = after.trim_start_matches(name).starts_with(']') && !bracket;
                    let closed = bracket && !after.starts_with(']');
                    if !(if c == '[' { closes } else { closed }) {
                        return unsure("brackets hold more than a name or a number, or are not closed");
                    }
                    bracket = c == '[';
                    tokens.push(Token::Sign(c));
                    self.rest = after;
                }
                c => {
                    self.sign(c, after, tokens.last())?;
                    tokens.push(Token::Sign(c));
                    self.rest = after;
                }
            }
        }
        Ok(tokens)
    }

    /// Takes the letters, digits and `_` that come here.
    fn letters(&mut self) -> &'t str {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let (letters, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        letters
    }

    fn word(&mut self) -> Result<&'t str, Unsure> {
        let word = self.letters();
        match self.rest.starts_with(['\'', '"', '`', '@', '$']) {
            true => unsure("a word has a sign behind it that some databases take for a part of it"),
            false => Ok(word),
        }
    }

    /// Digits, and a dot with digits behind it.
    fn number(&mut self) -> Result<(), Unsure> {
        let whole = self.letters();
        let part = match self.rest.strip_prefix('.') {
            Some(rest) => {
                self.rest = rest;
                self.letters()
            }
            None => "0",
        };
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match digits(whole) && digits(part) && self.ends() {
            true => Ok(()),
            false => unsure("a number is not one of digits alone"),
        }
    }

    /// Whether a value ends here for every database.
    fn ends(&self) -> bool {
        self.rest.is_empty()
            || self.rest.starts_with([
                ' ', '\t', '\n', ',', ';', ')', ']', '=', '<', '>', '+', '-', '*', '/', '%', '|',
            ])
            || self.rest.starts_with("::")
    }

    /// `@name`, `@@name`, `$1`, `?`.
    fn parameter(&mut self, sign: char) -> Result<(), Unsure> {
        self.rest = self.rest.trim_start_matches(sign);
        let name = self.letters();
        let fine = match sign {
            '@' => name.starts_with(|c: char| c.is_ascii_alphabetic()),
            '$' => !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()),
            _ => name.is_empty(),
        };
        match fine && self.ends() && !self.rest.starts_with(':') {
            true => Ok(()),
            false => unsure("a parameter is read differently by databases"),
        }
    }

    /// `:name`, or `::type` behind a value.
    fn colon(&mut self) -> Result<(), Unsure> {
        let colons = self.rest.len() - self.rest.trim_start_matches(':').len();
        self.rest = self.rest.trim_start_matches(':');
        let name = self.letters();
        let fine = colons <= 2 && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        match fine && self.ends() && !self.rest.starts_with(':') {
            true => Ok(()),
            false => unsure("a colon is read differently by databases"),
        }
    }

    /// A string or a name in quotes. A doubled quote is one of the text.
    fn quoted(&mut self, mut rest: &'t str, quote: char) -> Result<(), Unsure> {
        loop {
            let Some((inner, after)) = rest.split_once(quote) else {
                return unsure("a string or a name in quotes does not end");
            };
            let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ' ' | '.');
            if quote == '`' && !inner.chars().all(name) {
                return unsure("a name in backticks has other signs than letters, digits, `_` and `.`");
            }
            if inner
                .chars()
                .any(|c| c == '\\' || c.is_control() && !matches!(c, '\t' | '\n'))
            {
                return unsure("a backslash or a control character in quotes ends them in some databases only");
            }
            self.rest = after;
            match after.strip_prefix(quote) {
                Some(after) if quote != '`' => rest = after,
                Some(_) => return unsure("a name in backticks has a backtick in it"),
                None => return Ok(()),
            }
        }
    }

    /// Refuses signs, and pairs of them, that databases read differently.
    fn sign(&self, c: char, after: &str, before: Option<&Token>) -> Result<(), Unsure> {
        let fine = match c {
            '(' | ')' | ',' | ';' | '=' | '<' | '>' | '+' | '%' | '|' => true,
            '*' => !after.starts_with('/'),
            '-' => !after.starts_with('-'),
            '/' => !after.starts_with(['/', '*']),
            '!' => after.starts_with('='),
            // Between the parts of a name alone: `1.DELETE` is two words.
            '.' => {
                matches!(before, Some(Token::Word(_) | Token::Quoted | Token::Sign(']')))
                    && after.starts_with(|c: char| c.is_ascii_alphabetic() || "_\"`[*".contains(c))
            }
            _ => false,
        };
        match fine {
            true => Ok(()),
            false => unsure("it has a comment, or a sign that databases read differently"),
        }
    }
}
