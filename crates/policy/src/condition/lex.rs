//! Text to tokens, with the place of each.

use std::ops::Range;

use rust_decimal::Decimal;

use super::Finding;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(String),
    Number(Decimal),
    Text(String),
    Sign(&'static str),
    End,
}

/// Longer signs first: the first that matches is taken.
const SIGNS: [&str; 23] = [
    "&&", "||", "<=", ">=", "==", "!=", "<", ">", "!", "-", "+", "*", "/", "%", "?", ":", "(", ")", "[", "]", ".", ",",
    "{",
];

/// What people write out of habit, and what it is here.
const HABITS: [(&str, &str); 10] = [
    ("===", "did you mean `==`?"),
    ("!==", "did you mean `!=`?"),
    ("<>", "did you mean `!=`?"),
    ("=<", "did you mean `<=`?"),
    ("=>", "did you mean `>=`?"),
    ("=~", "use `startsWith`, `endsWith` or `contains`"),
    ("=", "did you mean `==`?"),
    ("&", "did you mean `&&`?"),
    ("|", "did you mean `||`?"),
    ("//", "a condition has no comments"),
];

pub(super) fn tokens(source: &str) -> Result<Vec<(Token, Range<usize>)>, Finding> {
    let mut lexer = Lexer { source, at: 0 };
    let mut tokens = Vec::new();
    loop {
        let (token, span) = lexer.next()?;
        let end = token == Token::End;
        tokens.push((token, span));
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.rest().chars().nth(ahead)
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c| !keep(c)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    fn next(&mut self) -> Result<(Token, Range<usize>), Finding> {
        self.take_while(|c| matches!(c, ' ' | '\t' | '\r' | '\n'));
        let start = self.at;
        let Some(first) = self.peek(0) else {
            return Ok((Token::End, start..start));
        };
        let second = self.peek(1);
        let token = match first {
            '"' | '\'' => self.text(false)?,
            'r' | 'R' if matches!(second, Some('"' | '\'')) => {
                self.at += 1;
                self.text(true)?
            }
            'b' | 'B' if matches!(second, Some('"' | '\'')) => {
                return Err(Finding::syntax(
                    start..start + 1,
                    "bytes literals are not part of conditions",
                ));
            }
            '0'..='9' => self.number()?,
            '.' if second.is_some_and(|c| c.is_ascii_digit()) => self.number()?,
            'a'..='z' | 'A'..='Z' | '_' => {
                Token::Name(self.take_while(|c| c.is_ascii_alphanumeric() || c == '_').to_owned())
            }
            _ => self.sign(first)?,
        };
        Ok((token, start..self.at))
    }

    fn sign(&mut self, first: char) -> Result<Token, Finding> {
        let rest = self.rest();
        let habit = HABITS.iter().find(|(text, _)| rest.starts_with(text));
        let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
        // A habit wins where it is at least as long as the sign: `=<` over nothing, `&&` over `&`.
        if let Some((text, help)) = habit
            && sign.is_none_or(|sign| sign.len() < text.len())
        {
            return Err(
                Finding::syntax(self.at..self.at + text.len(), format!("`{text}` is not an operator")).help(*help),
            );
        }
        if let Some(sign) = sign {
            self.at += sign.len();
            return Ok(Token::Sign(sign));
        }
        let span = self.at..self.at + first.len_utf8();
        let finding = Finding::syntax(span, format!("unexpected character `{}`", first.escape_default()));
        Err(match first {
            '‘' | '’' | '“' | '”' | '`' => finding.help("strings are quoted with `'` or `\"`"),
            '≤' => finding.help("did you mean `<=`?"),
            '≥' => finding.help("did you mean `>=`?"),
            '≠' => finding.help("did you mean `!=`?"),
            '$' => finding.help("names are written without `$`"),
            _ => finding,
        })
    }

    fn number(&mut self) -> Result<Token, Finding> {
        let start = self.at;
        self.take_while(|c| c.is_ascii_digit());
        if self.peek(0) == Some('.') && self.peek(1).is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
            self.take_while(|c| c.is_ascii_digit());
        }
        if matches!(self.peek(0), Some('e' | 'E')) {
            let sign = usize::from(matches!(self.peek(1), Some('+' | '-')));
            if self.peek(1 + sign).is_some_and(|c| c.is_ascii_digit()) {
                self.at += 1 + sign;
                self.take_while(|c| c.is_ascii_digit());
            }
        }
        let text = self.source.get(start..self.at).unwrap_or_default();
        let suffix = self.take_while(|c| c.is_alphanumeric() || c == '_');
        let span = start..self.at;
        if !suffix.is_empty() {
            let finding = Finding::syntax(span, format!("`{text}{suffix}` is not a number"));
            return Err(match suffix {
                "u" | "U" => finding.help(format!("numbers have no suffix: write `{text}`")),
                _ if suffix.starts_with('_') => finding.help("write digits without separators"),
                _ => finding.help("a duration is written `duration('5m')`, text in quotes"),
            });
        }
        if text.len() > 1 && text.starts_with('0') && text.as_bytes().get(1).is_some_and(u8::is_ascii_digit) {
            return Err(Finding::syntax(span, format!("`{text}` has a leading zero"))
                .help("identifiers are strings: put them in quotes"));
        }
        let dotted = if text.starts_with('.') {
            format!("0{text}")
        } else {
            text.to_owned()
        };
        match crate::json::decimal(&dotted) {
            Some(number) => Ok(Token::Number(number)),
            None => Err(Finding::error(
                "number_out_of_range",
                span,
                format!("`{text}` has more than 28 digits"),
            )),
        }
    }

    fn text(&mut self, raw: bool) -> Result<Token, Finding> {
        let start = self.at;
        let quote = self.peek(0).unwrap_or('"');
        let triple: String = [quote; 3].iter().collect();
        let close = if self.rest().starts_with(&triple) {
            triple
        } else {
            quote.to_string()
        };
        self.at += close.len();
        let mut text = String::new();
        loop {
            if self.rest().starts_with(&close) {
                self.at += close.len();
                return Ok(Token::Text(text));
            }
            match self.peek(0) {
                None => {
                    return Err(Finding::syntax(start..self.source.len(), "this string has no end")
                        .help(format!("close it with `{close}`")));
                }
                Some('\r' | '\n') if close.len() == 1 => {
                    return Err(Finding::syntax(start..self.at, "this string has no end on its line"));
                }
                Some('\\') if !raw => text.push(self.escape()?),
                Some(c) => {
                    self.at += c.len_utf8();
                    text.push(c);
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, Finding> {
        let start = self.at;
        let letter = self.peek(1);
        self.at += 1 + letter.map_or(0, char::len_utf8);
        let (digits, radix) = match letter {
            Some('n') => return Ok('\n'),
            Some('t') => return Ok('\t'),
            Some('r') => return Ok('\r'),
            Some('a') => return Ok('\u{7}'),
            Some('b') => return Ok('\u{8}'),
            Some('f') => return Ok('\u{c}'),
            Some('v') => return Ok('\u{b}'),
            Some(c @ ('\\' | '\'' | '"' | '`' | '?')) => return Ok(c),
            Some('x' | 'X') => (2, 16),
            Some('u') => (4, 16),
            Some('U') => (8, 16),
            Some('0'..='3') => {
                self.at -= 1;
                (3, 8)
            }
            _ => (0, 0),
        };
        let code = self
            .rest()
            .get(..digits)
            .filter(|text| digits > 0 && text.chars().all(|c| c.is_digit(radix)));
        match code
            .and_then(|text| u32::from_str_radix(text, radix).ok())
            .and_then(char::from_u32)
        {
            Some(c) => {
                self.at += digits;
                Ok(c)
            }
            None => Err(
                Finding::syntax(start..self.at.min(self.source.len()), "unknown escape in a string")
                    .help(r"a backslash is written `\\`; a raw string `r'…'` needs no escapes"),
            ),
        }
    }
}
