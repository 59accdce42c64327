//! Keys, tokens, passwords and private keys in text; e-mail addresses.
//!
//! Sources: the issuers' published prefixes (GitHub "token formats", GitLab "token prefixes", AWS "unique identifiers", Slack
//! "token types", Google Cloud, Stripe, OpenAI, npm), Standard Webhooks 1.0 (`whsec_`, `whsk_`), RFC 7519 and 7516 (JWT, JWE), RFC 7468 (PEM).

use super::fold::View;
use super::keys::{self, Role};
use super::kinds::Kind;
use super::scan::Hits;

/// How the tokens of an issuer are written.
struct Token {
    prefix: &'static [u8],
    /// The least number of bytes after the prefix.
    least: usize,
    /// What else than letters and digits may follow.
    others: &'static [u8],
    /// Ordinary words end like the prefix: it counts only at the start of a word, and only if a digit follows.
    strict: bool,
}

const fn token(prefix: &'static [u8], least: usize, others: &'static [u8]) -> Token {
    Token {
        prefix,
        least,
        others,
        strict: false,
    }
}

const fn strict(prefix: &'static [u8], least: usize, others: &'static [u8]) -> Token {
    Token {
        prefix,
        least,
        others,
        strict: true,
    }
}

/// Ordered by the first byte of the prefix.
const TOKENS: [Token; 40] = [
    strict(b"AKIA", 16, b""),
    strict(b"ASIA", 16, b""),
    token(b"AIza", 35, b"_-"),
    token(b"SG.", 40, b"_-."),
    strict(b"cs_admin_", 16, b"_-"),
    strict(b"cs_agent_", 16, b"_-"),
    strict(b"cs_user_", 16, b"_-"),
    strict(b"cs_", 40, b"_-"),
    token(b"dckr_pat_", 20, b"_-"),
    token(b"doo_v1_", 40, b""),
    token(b"dop_v1_", 40, b""),
    token(b"ghp_", 30, b""),
    token(b"gho_", 30, b""),
    token(b"ghu_", 30, b""),
    token(b"ghs_", 30, b"_-."),
    token(b"ghr_", 30, b""),
    token(b"github_pat_", 22, b"_"),
    token(b"glpat-", 20, b"_-."),
    token(b"gldt-", 20, b"_-"),
    token(b"glrt-", 20, b"_-"),
    strict(b"hf_", 30, b""),
    token(b"npm_", 36, b""),
    token(b"pypi-AgE", 40, b"_-"),
    strict(b"r8_", 36, b""),
    token(b"rk_live_", 16, b"_"),
    token(b"rk_test_", 16, b"_"),
    token(b"sk_live_", 16, b"_"),
    token(b"sk_test_", 16, b"_"),
    strict(b"sk-", 20, b"_-"),
    token(b"shpat_", 32, b""),
    token(b"shpss_", 32, b""),
    token(b"sq0csp-", 40, b"_-"),
    token(b"whsec_", 16, b"+/=_-"),
    token(b"whsk_", 24, b"+/=_-"),
    token(b"xapp-", 10, b"-"),
    token(b"xoxa-", 10, b"-"),
    token(b"xoxb-", 10, b"-"),
    token(b"xoxp-", 10, b"-"),
    token(b"xoxe", 12, b"-."),
    token(b"xoxs-", 10, b"-"),
];

/// Finds tokens by their prefix, and JSON web tokens.
pub(super) fn prefixed(view: View<'_>, hits: &mut Hits<'_>) {
    let (mut at, mut no_jwt_before) = (0, 0);
    while let Some(byte) = view.bytes.get(at).copied() {
        at = match byte {
            b'e' if at >= no_jwt_before => match jwt(view, at) {
                Jwt::Until(end) => Some((end, Kind::Jwt)),
                Jwt::NoneBefore(end) => {
                    no_jwt_before = end;
                    None
                }
            },
            _ if may_start_token(byte, view.byte(at + 1)) => issued(view, at, byte).map(|end| (end, Kind::ApiKey)),
            _ => None,
        }
        .map_or(at + 1, |(end, kind)| {
            hits.add(at, end, kind);
            end
        });
    }
}

/// Whether a prefix of [`TOKENS`] starts with these two bytes.
fn may_start_token(first: u8, second: u8) -> bool {
    match first {
        b'A' => matches!(second, b'K' | b'S' | b'I'),
        b'S' => second == b'G',
        b'c' => second == b's',
        b'd' => matches!(second, b'c' | b'o'),
        b'g' => matches!(second, b'h' | b'i' | b'l'),
        b'h' => second == b'f',
        b'n' => second == b'p',
        b'p' => second == b'y',
        b'r' => matches!(second, b'8' | b'k'),
        b's' => matches!(second, b'h' | b'k' | b'q'),
        b'w' => second == b'h',
        b'x' => matches!(second, b'a' | b'o'),
        _ => false,
    }
}

fn issued(view: View<'_>, start: usize, first: u8) -> Option<usize> {
    let rest = view.bytes.get(start..)?;
    TOKENS
        .iter()
        .filter(|token| token.prefix.first() == Some(&first))
        .find_map(|token| {
            let body = rest.strip_prefix(token.prefix)?;
            let before = view.before(start);
            if token.strict
                && (before.is_ascii_alphanumeric() || before == b'_' || before == b'-')
                && !view.is_seam(start)
            {
                return None;
            }
            let length = body
                .iter()
                .take_while(|byte| byte.is_ascii_alphanumeric() || token.others.contains(byte))
                .count();
            // `sk-learn-…` is no key: the issuers draw digits and capitals too.
            let drawn = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
            let words = token.strict && !body.get(..length)?.iter().any(drawn);
            (length >= token.least && !words).then_some(start + token.prefix.len() + length)
        })
}

/// Whether a JSON web token starts somewhere.
enum Jwt {
    /// It does, and ends here.
    Until(usize),
    /// It does not, nor anywhere before this place.
    NoneBefore(usize),
}

/// A JSON web token at `start`: three parts when signed, five when encrypted.
fn jwt(view: View<'_>, start: usize) -> Jwt {
    // `{"` in base64url.
    if view.slice(start, start + 3) != b"eyJ" {
        return Jwt::NoneBefore(start + 1);
    }
    let (mut at, mut part, mut parts) = (start, 0_usize, Vec::new());
    loop {
        match view.byte(at) {
            byte if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' => part += 1,
            b'.' if parts.len() < 4 => parts.push(std::mem::take(&mut part)),
            _ => break,
        }
        at += 1;
    }
    parts.push(part);
    match parts.as_slice() {
        [head, second, _, more @ ..] if *head >= 10 && (*second >= 4 || more.len() == 2) => Jwt::Until(at),
        [head, ..] => Jwt::NoneBefore(start + head),
        [] => Jwt::NoneBefore(start + 1),
    }
}

/// Finds what is assigned to a word such as `password`, and passwords in URLs.
pub(super) fn assigned(view: View<'_>, hits: &mut Hits<'_>) {
    let mut at = 0;
    while let Some(byte) = view.bytes.get(at) {
        let value = match byte {
            b':' if view.slice(at + 1, at + 3) == b"//" => userinfo(view, at + 3),
            b':' | b'=' => match keys::role_of(word_before(view, at)) {
                role @ (Role::Password | Role::Secret | Role::Maybe) => value_after(view, at, role),
                Role::Plain | Role::Ssn | Role::CardCode | Role::Phone => None,
            },
            _ => None,
        };
        at = value.map_or(at + 1, |(start, end)| {
            hits.add(start, end, Kind::ApiKey);
            end.max(at + 1)
        });
    }
}

/// Secrets are judged by so many bytes, however long they are.
const JUDGED: usize = 1024;

fn is_quoting(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`' | b'\\' | b' ' | b'\t')
}

/// The word that ends before the sign at `at`.
fn word_before(view: View<'_>, at: usize) -> &[u8] {
    let mut end = at;
    while end > 0 && at - end < 4 && (is_quoting(view.before(end)) || matches!(view.before(end), b':' | b']')) {
        end -= 1;
    }
    let mut start = end;
    while start > 0 && end - start < 48 {
        let byte = view.before(start);
        if !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')) {
            break;
        }
        start -= 1;
    }
    view.slice(start, end)
}

/// The value after the sign at `at`, if it is written like a secret.
fn value_after(view: View<'_>, at: usize, role: Role) -> Option<(usize, usize)> {
    let mut start = at + 1;
    let mut quote = None;
    while start < at + 8 && (is_quoting(view.byte(start)) || matches!(view.byte(start), b'=' | b'>')) {
        if matches!(view.byte(start), b'"' | b'\'' | b'`') {
            quote = Some(view.byte(start));
        }
        start += 1;
    }
    let tight = start == at + 1 || quote.is_some();
    let mut schemed = false;
    for scheme in [b"bearer ".as_slice(), b"basic ", b"token ", b"digest "] {
        if view.slice(start, start + scheme.len()).eq_ignore_ascii_case(scheme) {
            start += scheme.len();
            schemed = true;
        }
    }
    let ends = |at: &usize| {
        let byte = view.byte(*at);
        match quote {
            Some(quote) => byte == quote || byte == b'\\' && view.byte(at + 1) == quote,
            None => byte.is_ascii_whitespace() || b"\"'`,;&<>})".contains(&byte),
        }
    };
    let length = view.bytes.len();
    let mut end = (start..length.min(start + JUDGED))
        .find(&ends)
        .unwrap_or(length.min(start + JUDGED));
    // A full stop ends the sentence, not the secret.
    if quote.is_none() && end > start + 1 && view.before(end) == b'.' {
        end -= 1;
    }
    let value = view.slice(start, end);
    let secret = !keys::is_reference(value)
        && if schemed {
            value.len() >= 6
        } else {
            is_written_like_secret(value, role, tight)
        };
    if secret && end == start + JUDGED {
        end = (end..length).find(&ends).unwrap_or(length);
    }
    secret.then_some((start, end))
}

fn is_written_like_secret(value: &[u8], role: Role, tight: bool) -> bool {
    let digit = value.iter().any(u8::is_ascii_digit);
    let letter = value.iter().any(u8::is_ascii_alphabetic);
    let upper = value.iter().skip(1).any(u8::is_ascii_uppercase) && value.iter().any(u8::is_ascii_lowercase);
    let sign = value
        .iter()
        .any(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'.' | b'-' | b'_' | b'/' | b':'));
    match role {
        // `password: required` is prose, `password=required` is not.
        Role::Password if tight => value.len() >= 4 && !is_word_of_code(value),
        Role::Password => value.len() >= 6 && (digit || sign || upper),
        Role::Secret => value.len() >= 8 && (digit && letter || value.len() >= 20 && letter && !value.contains(&b' ')),
        Role::Maybe => keys::looks_random(value),
        Role::Plain | Role::Ssn | Role::CardCode | Role::Phone => false,
    }
}

fn is_word_of_code(value: &[u8]) -> bool {
    [b"true".as_slice(), b"false", b"null", b"none", b"undefined"]
        .iter()
        .any(|word| value.eq_ignore_ascii_case(word))
}

/// The password of `user:password@host` in a URL whose authority starts at `start`.
fn userinfo(view: View<'_>, start: usize) -> Option<(usize, usize)> {
    let rest = view.bytes.get(start..)?;
    let length = rest
        .iter()
        .take(JUDGED)
        .take_while(|byte| !matches!(byte, b'/' | b'?' | b'#' | b' ' | b'\n' | b'\r' | b'\t' | b'"'))
        .count();
    let authority = rest.get(..length)?;
    let at = authority.iter().rposition(|byte| *byte == b'@')?;
    let colon = authority.iter().position(|byte| *byte == b':')?;
    let password = authority.get(colon + 1..at)?;
    (!password.is_empty() && !keys::is_reference(password)).then_some((start + colon + 1, start + at))
}

const BEGIN: &[u8] = b"-----BEGIN";
const END: &[u8] = b"-----END";

/// Finds private keys; one without an end goes up to the end of the text.
pub(super) fn pem(view: View<'_>, hits: &mut Hits<'_>) {
    let mut from = 0;
    while let Some(start) = find(view.bytes, BEGIN, from) {
        from = start + BEGIN.len();
        let label = view.slice(from, (from + 40).min(view.bytes.len()));
        let Some(label_end) = find(label, b"-----", 0) else {
            continue;
        };
        if find(label.get(..label_end).unwrap_or_default(), b"PRIVATE", 0).is_none() {
            continue;
        }
        let end = find(view.bytes, END, from).and_then(|end| Some(find(view.bytes, b"-----", end + END.len())? + 5));
        let end = end.unwrap_or(view.bytes.len());
        hits.add(start, end, Kind::PrivateKey);
        from = end;
    }
}

/// Where `wanted`, which starts with a dash, is at or after `from`.
fn find(bytes: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let first = wanted.first()?;
    rest.iter()
        .enumerate()
        .find(|(index, byte)| *byte == first && rest.get(*index..).is_some_and(|tail| tail.starts_with(wanted)))
        .map(|(index, _)| from + index)
}

/// Finds e-mail addresses.
pub(super) fn emails(view: View<'_>, hits: &mut Hits<'_>) {
    let is_local =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-' | b'\'' | 0x80);
    let is_domain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | 0x80);
    for (at, _) in view.bytes.iter().enumerate().filter(|(_, byte)| **byte == b'@') {
        let (mut start, mut end) = (at, at + 1);
        while start > 0 && at - start < 64 && is_local(view.before(start)) {
            start -= 1;
        }
        while end - at < 255 && is_domain(view.byte(end)) {
            end += 1;
        }
        while end > at + 1 && matches!(view.before(end), b'.' | b'-') {
            end -= 1;
        }
        let domain = view.slice(at + 1, end);
        let top = domain.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
        let named = domain.len() > top.len() && top.len() >= 2 && top.iter().all(|byte| !byte.is_ascii_digit());
        if start < at && named {
            hits.add(start, end, Kind::Email);
        }
    }
}
