//! Laws of what is read from texts in other languages: command lines, addresses, paths, SQL.

use countersign_core::policy::foreign::{MAX_BYTES, commands, domain, host, verbs, within, writes};

/// Any text, read as each language.
pub fn texts(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else {
        return false;
    };
    assert_eq!(commands(text), commands(text));
    let line = shell(text);
    let address = match host(text) {
        Ok(name) => {
            assert_eq!(host(&format!("https://{name}")).as_ref(), Ok(&name));
            assert!(
                name.is_ascii() && name == name.to_ascii_lowercase() && !name.ends_with('.'),
                "{name}"
            );
            true
        }
        Err(_) => false,
    };
    let mail = match domain(text) {
        Ok(name) => {
            assert_eq!(host(&format!("https://{name}")).as_ref(), Ok(&name));
            assert!(text.contains('@'));
            true
        }
        Err(_) => false,
    };
    let path = match within(text, "/srv/project", Some("/srv/project")) {
        Ok(inside) => {
            let longer = format!("{text}/more");
            assert!(!inside || within(&longer, "/srv", Some("/srv/project")) == Ok(true) || text.len() + 5 > MAX_BYTES);
            assert!(
                !within(
                    &format!("{text}/../../../../../.."),
                    "/srv/project",
                    Some("/srv/project")
                )
                .unwrap_or(false)
                    || text.matches('/').count() > 3
            );
            true
        }
        Err(_) => false,
    };
    let sql = match verbs(text) {
        Ok(found) => {
            assert!(found.iter().all(|verb| *verb == verb.to_ascii_uppercase()));
            if text.len() + 20 < MAX_BYTES {
                let more = verbs(&format!("DROP TABLE t;\n{text}\n"))
                    .unwrap_or_else(|why| panic!("a statement before it is refused: {why}"));
                assert!(
                    found.iter().all(|verb| more.contains(verb)) && more.contains(&"DROP".to_owned()),
                    "{more:?}"
                );
            }
            true
        }
        Err(_) => false,
    };
    line || address || mail || path || sql
}

/// A line is of the few signs that shells read alike, and runs the same inside other lines.
fn shell(text: &str) -> bool {
    let Ok(found) = commands(text) else {
        assert!(writes(text).is_err(), "a line that cannot be read says what it writes");
        return false;
    };
    alike(text);
    for name in &found {
        assert!(
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()),
            "{name:?}"
        );
    }
    let within = [
        format!("rm a || true\n{text}\n"),
        format!("rm > a;{text}"),
        format!("sh -c '{}'", text.replace('\'', "'\\''")),
    ];
    for outer in within.iter().filter(|outer| outer.len() < MAX_BYTES) {
        match commands(outer) {
            Ok(all) => assert!(
                found.iter().all(|name| all.contains(name)),
                "{outer:?}: {all:?}, not {found:?}"
            ),
            Err(why) => assert!(
                why.0.contains("deep") || why.0.contains("different names") || text.trim_start().starts_with(';'),
                "{outer:?}: {why}"
            ),
        }
    }
    true
}

/// Holds the signs of a line against those that are read, outside of quotes and within double ones.
fn alike(text: &str) {
    let mut quote = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        assert!(!c.is_control() || matches!(c, '\t' | '\n'), "{text:?} has {c:?}");
        match quote {
            Some('\'') => {}
            _ if c == '\\' => {
                assert!(chars.next().is_some_and(|next| next.is_ascii_graphic()), "{text:?}");
                continue;
            }
            _ if c == '$' => {
                let next = *chars.peek().expect("a name stands behind `$`");
                assert!(next.is_ascii_alphabetic() || matches!(next, '_' | '{'), "{text:?}");
                if next == '{' {
                    assert!(chars.any(|c| c == '}'), "{text:?}");
                }
            }
            Some(_) => assert!(!matches!(c, '`' | '!'), "{text:?} has {c:?} in double quotes"),
            None => assert!(
                c.is_ascii_alphanumeric() || "%+,-./:=@_*?[]~<>;&|'\" \t\n".contains(c),
                "{text:?} has {c:?}"
            ),
        }
        if matches!(c, '\'' | '"') && quote.is_none_or(|open| open == c) {
            quote = if quote.is_none() { Some(c) } else { None };
        }
    }
    assert_eq!(quote, None, "{text:?}");
}
