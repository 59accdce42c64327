//! The demonstration, and the example client beside it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::scene::{Scene, repository, text};

#[test]
fn the_demonstration_comes_out_as_it_should() {
    let scene = Scene::new();
    let shown = scene.run(&["demo"]);
    assert_eq!(shown.code, 0, "{}{}", shown.out, shown.err);
    for words in [
        "remediate",
        "require_approval",
        "self_approval",
        "digest_mismatch",
        "already_redeemed",
        "killed",
        "Rust    verified",
    ] {
        assert!(shown.out.contains(words), "{words} is not in\n{}", shown.out);
    }
    assert!(!shown.out.contains('✗'), "{}", shown.out);
    let story: Value = scene.run(&["demo", "--json"]).json();
    assert_eq!(story["ok"], true);
}

#[test]
fn whoever_watches_the_demonstration_may_decide() {
    let scene = Scene::new();
    let mut command = scene.command(&["demo", "--interactive"]);
    let mut demo = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    demo.stdin
        .take()
        .expect("its input is piped")
        .write_all(b"what?\nr\n")
        .expect("it listens");
    let output = demo.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("You are dana") && said.contains("status refused (rejected)"),
        "{said}"
    );
}

#[test]
fn a_demonstration_that_is_kept_can_be_played_with() {
    let scene = Scene::new();
    let mut command = scene.command(&["demo", "--keep", "--json", "--data", "kept"]);
    let mut demo = command.stdout(Stdio::piped()).spawn().expect("it starts");
    let mut out = BufReader::new(demo.stdout.take().expect("its output is piped"));
    let mut story = String::new();
    while !story.ends_with("\n}\n") {
        assert_ne!(out.read_line(&mut story).expect("it speaks"), 0, "{story}");
    }
    let story: Value = serde_json::from_str(&story).expect("JSON");
    let (url, agent) = (text(&story, "/url"), text(&story, "/keys/agent"));
    let run = |action: &str| {
        let mut python = Command::new("python3");
        python.arg(repository().join("examples/python/client.py")).arg(action);
        python
            .env("COUNTERSIGN_SERVER", &url)
            .env("COUNTERSIGN_KEY", &agent)
            .output()
    };
    if let Ok(allowed) = run(r#"{"tool": "crm/read_ticket", "args": {"ticket": "T-1"}}"#) {
        assert!(allowed.status.success(), "{}", String::from_utf8_lossy(&allowed.stderr));
        let denied = run(r#"{"tool": "crm/delete_customer"}"#).expect("python runs");
        let said = String::from_utf8_lossy(&denied.stderr).into_owned();
        assert!(!denied.status.success() && said.contains("refused: denied"), "{said}");
    }
    let pid = i32::try_from(demo.id())
        .ok()
        .and_then(Pid::from_raw)
        .expect("a process id");
    kill_process(pid, Signal::INT).expect("it can be told");
    assert!(demo.wait().expect("it ends").success());
    assert!(scene.root.join("kept/ledger.db").exists(), "its folder stays");
}
