#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

fn wrapper() -> Wrapper {
    Wrapper {
        program: "/opt/countersign".to_owned(),
        options: ["--at", "http://localhost:7878", "--agent-key", "/k"]
            .map(str::to_owned)
            .to_vec(),
        only: Vec::new(),
        hold: Duration::from_secs(45),
    }
}

const CURSOR: &str = r#"{
  // what I use every day
  "mcpServers": {
    "Files": {"command": "npx", "args": ["-y", "server-filesystem", "."], "env": {"A": "b"},},
    "remote": { "url": "https://example.com/mcp" }
  },
  "theme": "dark"
}
"#;

const CODEX: &str = r#"# mine
model = "o9"

[mcp_servers.files]   # the disk
command = "npx" # by node
args = ["-y", "server-filesystem", "."]

[mcp_servers.remote]
url = "https://example.com/mcp"
"#;

#[test]
fn a_server_that_a_command_starts_is_started_behind_the_wrapper_and_all_else_stays() {
    let installed = Client::Cursor.install(CURSOR, &wrapper()).unwrap();
    let files = Change::Wrapped {
        tools: "files".to_owned(),
    };
    assert_eq!(installed.changes["Files"], files);
    assert_eq!(installed.changes["remote"], Change::Left(BY_ADDRESS));
    let value = json::value(&installed.text).unwrap();
    let entry = &value["mcpServers"]["Files"];
    assert_eq!(entry["command"], "/opt/countersign");
    let args: Vec<_> = entry["args"]
        .as_array()
        .unwrap()
        .iter()
        .map(|arg| arg.as_str().unwrap())
        .collect();
    assert_eq!(
        args.join(" "),
        "mcp wrap --server files --at http://localhost:7878 --agent-key /k -- npx -y server-filesystem ."
    );
    assert_eq!(entry["env"]["A"], "b");
    for kept in [
        "// what I use every day",
        "\"theme\": \"dark\"",
        "{ \"url\": \"https://example.com/mcp\" }",
    ] {
        assert!(installed.text.contains(kept), "{}", installed.text);
    }
}

#[test]
fn the_way_back_leads_to_what_was_there() {
    for (client, text) in [(Client::Cursor, CURSOR), (Client::Codex, CODEX)] {
        let installed = client.install(text, &wrapper()).unwrap();
        assert_ne!(installed.text, text);
        let back = client.uninstall(&installed.text, &[], None).unwrap();
        assert_eq!(back.text, text, "{client:?}");
    }
}

#[test]
fn installing_twice_changes_nothing_and_other_options_replace_the_old_ones() {
    for (client, text) in [(Client::Cursor, CURSOR), (Client::Codex, CODEX)] {
        let once = client.install(text, &wrapper()).unwrap();
        let twice = client.install(&once.text, &wrapper()).unwrap();
        assert_eq!(twice.text, once.text);
        assert!(twice.changes.values().all(|change| matches!(change, Change::Left(_))));
        let mut other = wrapper();
        other.options = vec!["--at".to_owned(), "http://localhost:1".to_owned()];
        let moved = client.install(&once.text, &other).unwrap();
        assert!(moved.text.contains("http://localhost:1") && !moved.text.contains("7878"));
        assert_eq!(moved.text.matches("wrap").count(), 1);
    }
}

#[test]
fn options_that_somebody_added_stay_when_it_is_installed_again() {
    for (client, text) in [(Client::Cursor, CURSOR), (Client::Codex, CODEX)] {
        let once = client.install(text, &wrapper()).unwrap().text;
        let added = r#""--agent-key", "/k", "--credential", "A=b", "--gateway-key=/g""#;
        let by_hand = once.replace(r#""--agent-key", "/k""#, added);
        assert_ne!(by_hand, once, "{once}");
        let mut other = wrapper();
        other.options = ["--at", "http://localhost:1", "--agent-key", "/other"]
            .map(str::to_owned)
            .to_vec();
        let moved = client.install(&by_hand, &other).unwrap().text;
        let options = r#""--agent-key", "/other", "--credential", "A=b", "--gateway-key=/g", "--""#;
        assert!(
            moved.contains(options) && !moved.contains("7878") && !moved.contains("\"/k\""),
            "{moved}"
        );
        assert_eq!(client.uninstall(&moved, &[], None).unwrap().text, text);
    }
}

const PATIENT: [(Client, &str); 2] = [
    (
        Client::Gemini,
        r#"{"mcpServers": {"a": {"command": "x"}, "b": {"command": "y", "args": [], "timeout": 1500}}}"#,
    ),
    (
        Client::Codex,
        "[mcp_servers.a]\ncommand = \"x\"\n\n[mcp_servers.b]\ncommand = \"y\"\nargs = []\ntool_timeout_sec = 1.5\n",
    ),
];

#[test]
fn what_installing_changed_besides_the_command_comes_back_too() {
    let patient = Wrapper {
        hold: Duration::from_secs(900),
        ..wrapper()
    };
    for (client, text) in PATIENT {
        let installed = client.install(text, &patient).unwrap().text;
        assert_eq!(installed.matches("915").count(), 2, "{installed}");
        let back = client.uninstall(&installed, &[], Some(text)).unwrap().text;
        assert!(super::super::same(&back, text), "{back}");
        // One at a time.
        let half = client
            .uninstall(&installed, &["a".to_owned()], Some(text))
            .unwrap()
            .text;
        assert!(
            half.matches("915").count() == 1 && super::super::has_ours(&half),
            "{half}"
        );
        let back = client.uninstall(&half, &[], Some(text)).unwrap().text;
        assert!(
            super::super::same(&back, text) && !super::super::has_ours(&back),
            "{back}"
        );
    }
}

#[test]
fn a_server_that_was_changed_since_keeps_what_it_has() {
    let patient = Wrapper {
        hold: Duration::from_secs(900),
        ..wrapper()
    };
    for (client, text) in PATIENT {
        let installed = client.install(text, &patient).unwrap().text;
        let changed = installed.replace("\"x\"", "\"z\"");
        let back = client.uninstall(&changed, &[], Some(text)).unwrap().text;
        assert_eq!(back.matches("915").count(), 1, "{back}");
    }
}

#[test]
fn in_toml_comments_stay_and_a_client_that_waits_too_short_waits_longer() {
    let installed = Client::Codex.install(CODEX, &wrapper()).unwrap();
    assert!(
        installed.text.contains("# mine")
            && installed.text.contains("# the disk")
            && installed.text.contains("# by node")
    );
    assert!(!installed.text.contains("tool_timeout_sec"), "45 s fit into its minute");
    let patient = Wrapper {
        hold: Duration::from_secs(300),
        ..wrapper()
    };
    let installed = Client::Codex.install(CODEX, &patient).unwrap();
    assert!(installed.text.contains("tool_timeout_sec = 315"), "{}", installed.text);
}

#[test]
fn only_the_chosen_servers_are_wrapped_and_an_unknown_one_is_told() {
    let two = r#"{"mcpServers": {"a": {"command": "x"}, "b": {"command": "y"}}}"#;
    let chosen = |name: &str| Wrapper {
        only: vec![name.to_owned()],
        ..wrapper()
    };
    let installed = Client::Claude.install(two, &chosen("b")).unwrap();
    assert_eq!(installed.changes["a"], Change::Left(NOT_CHOSEN));
    assert_eq!(json::value(&installed.text).unwrap()["mcpServers"]["a"]["command"], "x");
    let unfit = Client::Claude.install(two, &chosen("c")).unwrap_err();
    assert_eq!(unfit.0, "there is no server `c` in it");
}

#[test]
fn two_servers_that_policy_could_not_tell_apart_are_refused() {
    let two = r#"{"servers": {"my files": {"command": "x"}, "My-Files": {"command": "y"}}}"#;
    let unfit = Client::Vscode.install(two, &wrapper()).unwrap_err();
    assert!(unfit.0.contains("would both be `my-files` in policy"), "{}", unfit.0);
}

#[test]
fn what_is_no_configuration_is_told_and_arguments_that_are_no_texts_are_left() {
    for (client, text, why) in [
        (Client::Cursor, "{", "it is not JSON"),
        (Client::Cursor, "[]", "not an object"),
        (Client::Cursor, "{}", "there is no object `mcpServers`"),
        (Client::Cursor, r#"{"mcpServers": {"a": {}, "a": {}}}"#, "`a` twice"),
        (Client::Codex, "a =", "it is not TOML"),
        (Client::Codex, "a = 1", "there is no table `mcp_servers`"),
    ] {
        let unfit = client.install(text, &wrapper()).unwrap_err();
        assert!(unfit.0.contains(why), "{}", unfit.0);
    }
    let odd = r#"{"mcpServers": {"a": {"command": "x", "args": ["b", 1]}}}"#;
    let installed = Client::Claude.install(odd, &wrapper()).unwrap();
    assert_eq!(installed.text, odd);
    assert_eq!(installed.changes["a"], Change::Left(NO_TEXTS));
}
