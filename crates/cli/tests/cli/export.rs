//! Exports for other programs, once and as the ledger grows.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use countersign_client::{Client, Credential, Method};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::scene::{Scene, text};

/// How often an export is killed.
const KILLS: usize = 40;

/// Splitmix64.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

fn agent_key(scene: &Scene) -> String {
    let added = [
        "agents",
        "add",
        "bot",
        "--owner",
        "team:support",
        "--data",
        "data",
        "--json",
    ];
    text(&scene.run(&added).json(), "/key")
}

/// The parts put together, in the order of their names.
fn put_together(scene: &Scene, folder: &str) -> String {
    let mut names: Vec<_> = std::fs::read_dir(scene.root.join(folder))
        .expect("the folder can be read")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .collect();
    names.sort();
    names
        .iter()
        .map(|path| std::fs::read_to_string(path).expect("a part can be read"))
        .collect()
}

#[test]
fn the_record_is_written_for_other_programs() {
    let (scene, made) = Scene::initialised();
    agent_key(&scene);
    let vkey = text(&made, "/vkey");
    let all = ["audit", "export", "--data", "data", "--json", "--vkey", &vkey];
    let export = |more: &[&str]| scene.run(&[all.as_slice(), more].concat());
    let written = export(&["--format", "jsonl", "--to", "lines"]).json();
    let lines = scene.read("lines/records.jsonl");
    assert_eq!(written["records"], lines.lines().count());
    assert!(
        scene
            .read("lines/checkpoint")
            .contains(&format!("\n{}\n", written["size"]))
    );
    let csv = export(&["--format", "csv", "--to", "table", "--payloads"]).json();
    assert_eq!(csv["records"], written["records"]);
    assert_eq!(
        scene.read("table/records.csv").matches("\r\n").count(),
        lines.lines().count() + 1
    );
    export(&["--format", "ocsf", "--to", "events", "--from", "2", "--to-seq", "4"]).json();
    let events = scene.read("events/events.ocsf.jsonl");
    let events: Vec<Value> = events
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let sequence: Vec<u64> = events
        .iter()
        .filter_map(|event| event["metadata"]["sequence"].as_u64())
        .collect();
    assert_eq!(sequence, [2, 3, 4]);
    let other_key = export(&["--format", "jsonl", "--to", "other", "--vkey", "x+00000000+AQ"]);
    assert_eq!(other_key.code, 2, "{}{}", other_key.out, other_key.err);
}

#[test]
fn what_does_not_go_together_is_refused_with_a_hint() {
    let (scene, _) = Scene::initialised();
    scene.write("full/file", "");
    for (arguments, words) in [
        (vec!["--from", "3", "--to", "x"], "a bundle holds the whole ledger"),
        (vec!["--format", "csv", "--since", "x", "--to", "x"], "only a bundle"),
        (vec!["--follow", "--format", "csv", "--to", "x"], "continuous export"),
        (vec!["--format", "csv", "--to", "full"], "is not empty"),
        (
            vec!["--format", "csv", "--to", "x", "--lock-days", "30"],
            "cannot be locked",
        ),
        (
            vec!["--format", "csv", "--to", "x", "--to-seq", "999"],
            "there is no record 999",
        ),
        (
            vec!["--format", "csv", "--to", "x", "--from", "yesterday"],
            "neither the index",
        ),
        (vec!["--once", "--to", "x"], "--follow"),
        (vec!["--follow", "--interval", "0s", "--to", "x"], "not between"),
    ] {
        let arguments = [&["audit", "export", "--data", "data"], arguments.as_slice()].concat();
        let refused = scene.run(&arguments);
        assert_eq!(refused.code, 2, "{arguments:?}: {}{}", refused.out, refused.err);
        assert!(refused.err.contains(words), "{arguments:?}: {}", refused.err);
    }
}

#[cfg(not(all(feature = "parquet", feature = "s3")))]
#[test]
fn a_build_that_cannot_do_it_says_which_feature_it_lacks() {
    let (scene, _) = Scene::initialised();
    let export = |more: &[&str]| scene.run(&[&["audit", "export", "--data", "data"], more].concat());
    if cfg!(not(feature = "parquet")) {
        let refused = export(&["--format", "parquet", "--to", "x"]);
        assert_eq!(refused.code, 2);
        assert!(refused.err.contains("--features parquet"), "{}", refused.err);
    }
    if cfg!(not(feature = "s3")) {
        let refused = export(&["--to", "s3://bucket/folder"]);
        assert_eq!(refused.code, 2);
        assert!(refused.err.contains("--features s3"), "{}", refused.err);
    }
}

/// A continuous export under way. Its server is told by COUNTERSIGN_SERVER.
fn following(scene: &Scene, url: &str, key: &str, more: &[&str]) -> std::process::Child {
    let arguments = [
        &[
            "audit",
            "export",
            "--follow",
            "--to",
            "parts",
            "--part-records",
            "6",
            "--interval",
            "5ms",
        ],
        more,
    ]
    .concat();
    let mut command: Command = scene.command(&arguments);
    command
        .env("COUNTERSIGN_SERVER", url)
        .env("COUNTERSIGN_KEY", key)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the export starts")
}

#[tokio::test]
async fn the_parts_are_exactly_the_ledger_after_kill_9_at_any_moment() {
    let (scene, made) = Scene::initialised();
    let agent = agent_key(&scene);
    let (admin, server) = (
        text(&made, "/admin_key"),
        scene.serve_quietly(&["--policies", "data/policies"]),
    );
    let client = |key: &str| Client::new(&server.url, &Credential::Key(key.to_owned())).expect("a client");
    let (agent, auditor) = (client(&agent), client(&admin));
    let mut numbers = Numbers(3);
    let cursor = |round: usize| {
        if round.is_multiple_of(2) {
            &["--cursor", "state/cursor"][..]
        } else {
            &[]
        }
    };
    for round in 0..KILLS {
        let mut export = following(&scene, &server.url, &admin, cursor(round));
        // The ledger grows meanwhile; the kill comes from the start of the process to some parts later.
        let end = Instant::now() + Duration::from_millis(numbers.below(120));
        while Instant::now() < end {
            let body = json!({ "tool": "crm", "action": "look", "args": { "n": numbers.below(1 << 40) } });
            let body = Some(body.to_string().into_bytes());
            agent
                .send(Method::POST, "/v1/actions", body, None)
                .await
                .expect("decided");
        }
        export.kill().expect("it can be killed");
        export.wait().expect("it ends");
        if numbers.below(5) == 0 {
            // A lost cursor is read anew from the parts.
            let _ = std::fs::remove_file(scene.root.join("parts/cursor.json"));
            let _ = std::fs::remove_file(scene.root.join("state/cursor"));
        }
    }
    for more in [&["--once"][..], &["--once", "--cursor", "state/cursor"]] {
        let last = following(&scene, &server.url, &admin, more)
            .wait_with_output()
            .expect("it ends");
        assert!(last.status.success(), "{}", String::from_utf8_lossy(&last.stderr));
        let (mut ledger, mut next) = (String::new(), 0);
        loop {
            let path = format!("/v1/audit/records?from={next}&limit=1000");
            let page = auditor.text(&path).await.expect("records");
            if page.is_empty() {
                break;
            }
            next += page.lines().count();
            ledger.push_str(&page);
        }
        let parts = put_together(&scene, "parts");
        assert!(
            ledger.starts_with(&parts),
            "the parts are the beginning of the ledger, each record once"
        );
        let missing = ledger.len() - parts.len();
        assert_eq!(missing, 0, "the parts are the whole ledger");
        assert!(next > KILLS, "the ledger grew: {next} records");
    }
}

#[test]
fn sigterm_ends_a_continuous_export_and_the_next_one_goes_on() {
    let (scene, made) = Scene::initialised();
    let server = scene.serve(&[]);
    let admin = text(&made, "/admin_key");
    let mut export = following(&scene, &server.url, &admin, &[]);
    let mut first = String::new();
    let mut out = std::io::BufReader::new(export.stdout.take().expect("its output is piped"));
    std::io::BufRead::read_line(&mut out, &mut first).expect("a part is reported");
    assert!(first.starts_with("records-0000000000000-"), "{first}");
    let pid = i32::try_from(export.id())
        .ok()
        .and_then(Pid::from_raw)
        .expect("a process id");
    kill_process(pid, Signal::TERM).expect("it can be told");
    assert!(export.wait().expect("it ends").success());
    let again = following(&scene, &server.url, &admin, &["--once", "--json"])
        .wait_with_output()
        .expect("it ends");
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    assert!(!put_together(&scene, "parts").is_empty());
}

#[test]
fn a_ledger_that_lost_what_was_exported_ends_the_export_with_a_finding() {
    let (scene, _) = Scene::initialised();
    let folder = |from: &str, to: &str| {
        let status = Command::new("cp")
            .current_dir(&scene.root)
            .args(["-a", from, to])
            .status();
        assert!(status.expect("cp runs").success());
    };
    folder("data", "backup");
    agent_key(&scene);
    let follow = ["audit", "export", "--follow", "--once", "--to", "parts", "--data"];
    let done = scene.run(&[follow.as_slice(), &["data"]].concat());
    assert_eq!(done.code, 0, "{}", done.err);
    let before = put_together(&scene, "parts");
    // The signer's marks are lost as well: it does not notice by itself that this is a backup.
    let lost = ["backup", "--signer-state", "no-marks"];
    let restored = scene.run(&[follow.as_slice(), &lost].concat());
    assert_eq!(restored.code, 1, "{}{}", restored.out, restored.err);
    assert!(
        restored.err.contains("are not the beginning of the log"),
        "{}",
        restored.err
    );
    assert!(restored.err.contains("evidence"), "{}", restored.err);
    assert_eq!(put_together(&scene, "parts"), before, "nothing was written");
}
