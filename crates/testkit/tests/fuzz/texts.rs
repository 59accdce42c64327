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

/// A line runs the same inside other lines.
fn shell(text: &str) -> bool {
    let Ok(found) = commands(text) else {
        assert!(writes(text).is_err(), "a line that cannot be read says what it writes");
        return false;
    };
    for name in &found {
        assert!(
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()),
            "{name:?}"
        );
    }
    let within = [
        format!("( {text}\n)"),
        format!("rm a; {{ {text}\n}}"),
        format!("sh -c '{}'", text.replace('\'', "'\\''")),
        format!("if {text}\nthen {text}\nfi"),
    ];
    for outer in within.iter().filter(|outer| outer.len() < MAX_BYTES) {
        match commands(outer) {
            Ok(all) => assert!(
                found.iter().all(|name| all.contains(name)),
                "{outer:?}: {all:?}, not {found:?}"
            ),
            Err(why) => assert!(
                why.0.contains("deep") || why.0.contains("different names"),
                "{outer:?}: {why}"
            ),
        }
    }
    true
}
