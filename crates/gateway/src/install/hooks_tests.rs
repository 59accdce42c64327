#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

const DIALECTS: [Dialect; 5] = [
    Dialect::Claude,
    Dialect::Codex,
    Dialect::Copilot,
    Dialect::Cursor,
    Dialect::Gemini,
];

fn hook(dialect: Dialect) -> Hook {
    Hook {
        dialect,
        command: format!("'/my tools/countersign' {OURS} x --agent-key /k"),
        within: Duration::from_secs(120),
    }
}

#[test]
fn the_hook_is_there_once_however_often_it_is_installed() {
    for dialect in DIALECTS {
        let once = hook(dialect).install("").unwrap();
        assert_eq!(hook(dialect).install(&once).unwrap(), once);
        assert_eq!(once.matches(OURS).count(), events(dialect).len(), "{once}");
    }
}

#[test]
fn the_way_back_leads_to_what_was_there() {
    for dialect in DIALECTS {
        for text in [
            "{\n  \"model\": \"x\", // mine\n  \"a\": [1]\n}\n".to_owned(),
            format!(
                "{{\n  \"hooks\": {{\n    \"{}\": [\n      {{\"command\": \"mine\"}}\n    ]\n  }}\n}}\n",
                events(dialect)[0]
            ),
        ] {
            let text = match dialect {
                Dialect::Copilot | Dialect::Cursor => text.replacen('{', "{\n  \"version\": 1,", 1),
                _ => text,
            };
            let installed = hook(dialect).install(&text).unwrap();
            assert!(installed.contains(OURS));
            let back = Hook::uninstall(dialect, &installed).unwrap();
            assert!(super::super::same(&back, &text), "{back}");
        }
    }
}

#[test]
fn hooks_of_others_in_the_same_group_stay() {
    let ours = r#"{"type": "command", "command": "/x/countersign hook --dialect claude"}"#;
    let theirs = r#"{"type": "command", "command": "lint countersign hooks"}"#;
    let text = format!(r#"{{"hooks": {{"PreToolUse": [{{"matcher": "Bash", "hooks": [{theirs}, {ours}]}}]}}}}"#);
    let back = Hook::uninstall(Dialect::Claude, &text).unwrap();
    assert!(back.contains(theirs) && !back.contains(ours), "{back}");
}

#[test]
fn hosts_that_can_be_told_what_a_failed_hook_means_are_told() {
    assert!(
        hook(Dialect::Claude)
            .install("")
            .unwrap()
            .contains(r#""onFailure": "block""#)
    );
    assert!(
        hook(Dialect::Cursor)
            .install("")
            .unwrap()
            .contains(r#""failClosed": true"#)
    );
    assert!(
        hook(Dialect::Gemini)
            .install("")
            .unwrap()
            .contains(r#""timeout": 120000"#)
    );
    assert!(
        hook(Dialect::Copilot)
            .install("")
            .unwrap()
            .contains(r#""timeoutSec": 120"#)
    );
}

#[test]
fn a_configuration_of_another_shape_is_refused() {
    for text in ["[]", "{\"hooks\": []}", "{\"hooks\": {\"PreToolUse\": {}}}", "nonsense"] {
        assert!(hook(Dialect::Claude).install(text).is_err(), "{text}");
    }
}
