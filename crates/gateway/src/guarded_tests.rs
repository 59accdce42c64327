#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use super::*;

/// A home with keys in it, and links to them.
fn home(name: &str) -> PathBuf {
    let home = std::env::temp_dir().join(format!("countersign-guarded-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&home);
    let root = home.join("share/countersign/local");
    fs::create_dir_all(root.join("data")).unwrap();
    fs::create_dir_all(home.join("work/deep")).unwrap();
    fs::write(root.join("person.key"), "of a person").unwrap();
    fs::write(root.join("data/local.json"), "{}").unwrap();
    fs::write(home.join("work/notes.txt"), "mine").unwrap();
    symlink(root.join("person.key"), home.join("work/letter.txt")).unwrap();
    symlink(home.join("share"), home.join("work/pictures")).unwrap();
    symlink(root.join("policies"), home.join("work/dangling")).unwrap();
    symlink("circle", home.join("work/circle")).unwrap();
    fs::hard_link(root.join("data/local.json"), home.join("work/settings.txt")).unwrap();
    home
}

impl Guarded {
    fn below(home: &Path) -> Guarded {
        Guarded {
            root: home.join("share/countersign/local"),
            home: Some(home.to_owned()),
        }
    }

    /// As a hook sees it whose host works in a folder.
    fn hooked(&self, folder: &Path, arguments: &Value) -> Option<&'static str> {
        let stand = Stand {
            folder: Some(folder.to_owned()),
            puts_cwd: true,
        };
        let mut arguments = arguments.as_object().unwrap().clone();
        arguments.insert("cwd".to_owned(), folder.display().to_string().into());
        self.label(&arguments, &stand)
    }
}

#[test]
fn what_leads_to_the_keys_is_seen_whatever_it_and_its_argument_are_called() {
    let home = home("seen");
    let guarded = Guarded::below(&home);
    let label = |arguments: &Value| guarded.hooked(&home.join("work"), arguments);
    let at = |rest: &str| format!("{}/{rest}", home.display());
    for there in [
        json!({ "filename": "letter.txt" }),
        json!({ "target": "deep/../letter.txt" }),
        json!({ "uri": format!("file://{}", at("work/letter.txt")) }),
        json!({ "uri": format!("file://{}", at("work/%6cetter.txt")) }),
        json!({ "uri": format!("File://{}", at("work/letter.txt")) }),
        json!({ "uri": format!("file:{}#x?y", at("work/letter.txt")) }),
        json!({ "uri": format!("file://elsewhere{}?x#%00", at("work/%6cetter.txt")) }),
        json!({ "x": { "y": [{ "z": "pictures/countersign/local/data" }] } }),
        json!({ "files": { "letter.txt": "what is to stand there" } }),
        json!({ "letter.txt": "what is to stand there" }),
        json!({ "what": "~/share/countersign/local" }),
        json!({ "what": "$HOME/work/letter.txt" }),
        json!({ "what": "~//work/letter.txt" }),
        json!({ "out": "pictures/countersign/local/new/file" }),
        json!({ "out": "dangling" }),
        json!({ "out": format!("dangling{}", "/new".repeat(1500)) }),
        json!({ "a": "settings.txt" }),
        json!({ "a": format!("{}letter.txt", "./".repeat(4000)) }),
        json!({ "a": at("share/countersign/../countersign/local/person.key") }),
    ] {
        assert_eq!(label(&there), Some("there"), "{there}");
    }
    for mentioned in [
        json!({ "line": "cat letter.txt | sort" }),
        json!({ "line": format!("cat {}letter.txt", "./".repeat(4000)) }),
        json!({ "list": "notes.txt,letter.txt" }),
        json!({ "text": "my Person.Key is lost" }),
        json!({ "text": "person%2ekey" }),
        json!({ "long": format!("{}letter.txt", "./".repeat(LONGEST)) }),
        json!({ "circle": "circle" }),
    ] {
        assert_eq!(label(&mentioned), Some("mentioned"), "{mentioned}");
    }
    for above in [
        json!({ "where": "pictures" }),
        json!({ "where": ".." }),
        json!({ "where": "~" }),
    ] {
        assert_eq!(label(&above), Some("above"), "{above}");
    }
    for far in [
        json!({ "path": "notes.txt" }),
        json!({ "path": "deep/new.txt", "content": "a letter and its text", "head": 5 }),
        json!({ "path": "deep/new.txt", "content": "a line of a long text\n".repeat(LONGEST) }),
        json!({ "path": "." }),
        json!({ "text": "100% of it, %zz and \u{0}" }),
        json!({}),
    ] {
        assert_eq!(label(&far), None, "{far}");
    }
    fs::remove_dir_all(home).unwrap();
}

#[test]
fn an_agent_does_not_say_from_where_its_arguments_are_looked_at() {
    let home = home("stand");
    let guarded = Guarded::below(&home);
    let label = |arguments: Value, folder: &str| {
        let stand = Stand {
            folder: Some(home.join(folder)),
            puts_cwd: false,
        };
        guarded.label(arguments.as_object().unwrap(), &stand)
    };
    let of_home = home.display().to_string();
    let elsewhere = json!({ "cwd": "/usr", "path": "letter.txt" });
    assert_eq!(label(elsewhere, "work"), Some("there"), "from where it runs");
    let said = json!({ "cwd": format!("{of_home}/work"), "path": "letter.txt" });
    assert_eq!(label(said, "work/deep"), Some("there"), "from where the agent says");
    let relative = json!({ "cwd": "..", "path": "letter.txt" });
    assert_eq!(
        label(relative, "work/deep"),
        Some("there"),
        "from there by a relative one"
    );
    let turned = json!({ "cwd": "../pictures/..", "path": "letter.txt" });
    assert_eq!(label(turned, "work/deep"), Some("there"), "from there as it is written");
    assert_eq!(label(json!({ "cwd": of_home }), "work"), Some("above"));
    assert_eq!(guarded.hooked(&home, &json!({})), None, "a host may work at home");
    fs::remove_dir_all(home).unwrap();
}

#[test]
fn a_turn_counts_as_the_system_takes_it_and_as_it_is_written() {
    let home = home("turns");
    let guarded = Guarded::below(&home);
    for turn in [
        "nosuch/../letter.txt",
        "nosuch/deeper/../../letter.txt",
        "pictures/../letter.txt",
        "pictures/../share/countersign/local/person.key",
        "notes.txt/../letter.txt",
    ] {
        let arguments = json!({ "path": turn });
        assert_eq!(guarded.hooked(&home.join("work"), &arguments), Some("there"), "{turn}");
    }
    fs::remove_dir_all(home).unwrap();
}

#[test]
fn what_an_agent_makes_up_to_be_looked_at_is_asked_about_soon() {
    let home = home("soon");
    let guarded = Guarded::below(&home);
    let since = std::time::Instant::now();
    for many in [
        json!({ "many": vec!["notes.txt"; STEPS + 1] }),
        json!({ "long": vec!["x/".repeat(2000); 2000] }),
        json!({ "turns": vec!["deep/../".repeat(1000); 1000] }),
        json!({ "cwd": "x/".repeat(LONGEST_FOLDER), "many": vec!["../y"; 1000] }),
    ] {
        let label = guarded.hooked(&home.join("work"), &many);
        let stand = Stand::default();
        let label = label.or_else(|| guarded.label(many.as_object().unwrap(), &stand));
        assert_eq!(label, Some("mentioned"));
    }
    assert!(
        since.elapsed() < std::time::Duration::from_secs(20),
        "{:?}",
        since.elapsed()
    );
    fs::remove_dir_all(home).unwrap();
}
