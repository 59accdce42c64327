//! The verbs of SQL: what the statements of a text do, without a grammar of any one database.
//!
//! Databases differ in what ends a string or a comment, and so in where a statement begins. Where such a difference would
//! matter the text is refused. What is left reads the same everywhere, as words, strings, names in quotes and signs.

use super::{Unsure, note, plain, unsure};

/// Words that do something wherever they stand: within `WITH`, behind `EXPLAIN`, in a statement that nothing separates from
/// the one before, as SQL Server takes it.
const STRONG: [&str; 23] = [
    "ALTER",
    "BACKUP",
    "BULK",
    "CALL",
    "CREATE",
    "DBCC",
    "DELETE",
    "DENY",
    "DROP",
    "EXEC",
    "EXECUTE",
    "GRANT",
    "INSERT",
    "KILL",
    "MERGE",
    "RECONFIGURE",
    "REPLACE",
    "RESTORE",
    "REVOKE",
    "SELECT",
    "SHUTDOWN",
    "TRUNCATE",
    "UPDATE",
];
/// Strong words that are also functions, told by the bracket behind them.
const FUNCTIONS: [&str; 3] = ["INSERT", "REPLACE", "TRUNCATE"];

enum Token {
    /// A word outside of quotes, in upper case.
    Word(String),
    /// A string or a name in quotes.
    Quoted,
    Sign(u8),
}

/// The verbs of all statements, in upper case, in the order in which they first stand in the text: the word that each
/// statement begins with, verbs inside it, and `SELECT INTO` where a selection writes a table or a file.
///
/// # Errors
/// Where databases read the text differently, a string or comment does not end, or a statement begins with no word.
pub fn verbs(text: &str) -> Result<Vec<String>, Unsure> {
    plain(text)?;
    let tokens = tokens(text)?;
    let mut found: Vec<String> = Vec::new();
    for statement in tokens.split(|token| matches!(token, Token::Sign(b';'))) {
        let first = statement.iter().find(|token| !matches!(token, Token::Sign(b'(')));
        let word = match first {
            None if statement.is_empty() => continue,
            Some(Token::Word(word)) => word,
            None | Some(Token::Quoted | Token::Sign(_)) => return unsure("a statement does not begin with a word"),
        };
        let inside = inside(statement);
        if word != "WITH" || inside.is_empty() {
            note(&mut found, word)?;
        }
        for verb in inside {
            note(&mut found, verb)?;
        }
    }
    Ok(found)
}

/// The strong words of one statement.
fn inside(statement: &[Token]) -> Vec<&str> {
    let word = |at: Option<usize>| match at.and_then(|at| statement.get(at)) {
        Some(Token::Word(word)) => word.as_str(),
        Some(Token::Quoted | Token::Sign(_)) | None => "",
    };
    let mut verbs = Vec::new();
    let (mut into, mut writes) = (false, false);
    for (at, token) in statement.iter().enumerate() {
        let Token::Word(found) = token else { continue };
        let before = word(at.checked_sub(1));
        let earlier = word(at.checked_sub(2));
        let of_table = matches!(statement.get(at.wrapping_sub(1)), Some(Token::Sign(b'.')));
        let called = matches!(statement.get(at + 1), Some(Token::Sign(b'('))) && FUNCTIONS.contains(&found.as_str());
        // `FOR UPDATE`, `FOR NO KEY UPDATE`, `ON DELETE CASCADE`
        let clause = match found.as_str() {
            "UPDATE" => matches!(before, "FOR" | "ON") || (before == "KEY" && earlier == "NO"),
            "DELETE" => before == "ON",
            _ => false,
        };
        into |= found == "INTO";
        if STRONG.contains(&found.as_str()) && !clause && !called && !of_table {
            writes |= matches!(found.as_str(), "INSERT" | "MERGE" | "REPLACE");
            verbs.push(found.as_str());
        }
    }
    if into && !writes {
        verbs.push("SELECT INTO");
    }
    verbs
}

fn tokens(text: &str) -> Result<Vec<Token>, Unsure> {
    let bytes = text.as_bytes();
    let (mut tokens, mut at, mut brackets) = (Vec::new(), 0, 0_usize);
    while let Some(byte) = bytes.get(at).copied() {
        let next = bytes.get(at + 1).copied();
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => at += 1,
            b'-' if next == Some(b'-') => at = line_comment(text, at, brackets)?,
            b'/' if next == Some(b'*') => at = comment(text, at, brackets)?,
            b'\'' | b'"' | b'`' => {
                at = quoted(text, at, byte, brackets)?;
                tokens.push(Token::Quoted);
            }
            b'$' if !next.is_some_and(|next| next.is_ascii_digit()) => {
                return unsure("what stands between dollar signs is a string in some databases only");
            }
            b'#' | b'\\' => {
                return unsure(format!(
                    "`{}` means something else in other databases",
                    char::from(byte)
                ));
            }
            _ if word_byte(byte) => {
                let end = word_end(bytes, at);
                let word = text.get(at..end).unwrap_or_default();
                if word.chars().any(|c| !c.is_ascii() && !c.is_alphanumeric()) {
                    return unsure("it has signs that some databases take for spaces");
                }
                let prefix = ["Q", "NQ", "U", "E"]
                    .iter()
                    .any(|prefix| word.eq_ignore_ascii_case(prefix));
                if prefix && matches!(bytes.get(end), Some(b'\'' | b'&')) {
                    return unsure("a string with letters before it ends elsewhere in other databases");
                }
                tokens.push(Token::Word(word.to_ascii_uppercase()));
                at = end;
            }
            _ if byte.is_ascii_control() => return unsure("it has a control character"),
            _ => {
                match byte {
                    b'[' => brackets += 1,
                    b']' => brackets = brackets.saturating_sub(1),
                    _ => {}
                }
                tokens.push(Token::Sign(byte));
                at += 1;
            }
        }
    }
    Ok(tokens)
}

fn word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'@' | b'$') || !byte.is_ascii()
}

fn word_end(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    from + rest.iter().position(|byte| !word_byte(*byte)).unwrap_or(rest.len())
}

/// The end of a string or a name in quotes that begins at `from`. A doubled quote is one of the text.
fn quoted(text: &str, from: usize, quote: u8, brackets: usize) -> Result<usize, Unsure> {
    let bytes = text.as_bytes();
    let (mut at, mut slashes) = (from + 1, 0_usize);
    loop {
        let Some(byte) = bytes.get(at).copied() else {
            return unsure("a string or a name in quotes does not end");
        };
        if byte == quote {
            if slashes % 2 == 1 {
                return unsure("a backslash before a quote ends the string in some databases only");
            }
            if bytes.get(at + 1) != Some(&quote) {
                break;
            }
            at += 1;
        }
        slashes = if byte == b'\\' { slashes + 1 } else { 0 };
        at += 1;
    }
    let inner = text.get(from + 1..at).unwrap_or_default();
    // A name in brackets of SQL Server would end there, and one in backticks is no name in every database.
    if brackets > 0 && inner.contains(']') {
        return unsure("a string in brackets has a bracket in it, where a name ends in some databases");
    }
    if quote == b'`' && inner.contains([';', '\'', '"', '-', '/', '*', '#', '\\']) {
        return unsure("a name in backticks has signs in it that end it in some databases");
    }
    Ok(at + 1)
}

fn line_comment(text: &str, from: usize, brackets: usize) -> Result<usize, Unsure> {
    let rest = text.get(from + 2..).unwrap_or_default();
    if rest.starts_with(|c: char| !matches!(c, ' ' | '\t' | '\n' | '\r')) || brackets > 0 {
        return unsure(
            "`--` begins a comment in some databases only, unless a space follows it and no bracket is open",
        );
    }
    let end = rest.find('\n').unwrap_or(rest.len());
    if rest
        .get(..end)
        .is_some_and(|line| line.trim_end_matches('\r').contains('\r'))
    {
        return unsure("a comment has a carriage return, which ends it in some databases");
    }
    Ok(from + 2 + end)
}

fn comment(text: &str, from: usize, brackets: usize) -> Result<usize, Unsure> {
    let rest = text.get(from + 2..).unwrap_or_default();
    if rest.starts_with('!') || rest.starts_with("M!") {
        return unsure("some databases run what stands in this comment");
    }
    let Some(end) = rest.find("*/") else {
        return unsure("a comment does not end");
    };
    let inner = rest.get(..end).unwrap_or_default();
    if inner.contains("/*") || inner.ends_with('/') || brackets > 0 {
        return unsure("comments within comments or brackets end elsewhere in other databases");
    }
    Ok(from + 2 + end + 2)
}
