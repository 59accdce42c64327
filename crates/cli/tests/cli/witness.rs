//! A witness as its operator runs it, a log that is brought to it, and what it makes of a log that went back.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::scene::{Ran, Scene, text};

/// A witness, killed with the value.
struct Witness {
    child: Child,
    url: String,
    vkey: String,
}

impl Witness {
    fn start(scene: &Scene, log: &str, more: &[&str]) -> Witness {
        let arguments = [
            "witness",
            "--listen",
            "127.0.0.1:0",
            "--state",
            "witness",
            "--log",
            log,
            "--json",
        ];
        let mut command = scene.command(&[&arguments[..], more].concat());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the witness starts");
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("its output is piped"));
        out.read_line(&mut line).expect("it says something");
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        Witness {
            child,
            url: text(&said, "/address"),
            vkey: text(&said, "/vkey"),
        }
    }

    fn named(&self) -> String {
        format!("{}={}", self.url, self.vkey)
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command as on another machine, whose signer has no mark of this log.
fn elsewhere(scene: &Scene, arguments: &[&str]) -> Ran {
    let mut command = scene.command(arguments);
    command.env("COUNTERSIGN_SIGNER_STATE", scene.path("elsewhere"));
    let output = command.output().expect("the binary runs");
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[track_caller]
fn add(ran: &Ran) {
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
}

#[track_caller]
fn refused(ran: &Ran, words: &str) {
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    assert!((ran.out.clone() + &ran.err).contains(words), "{}{}", ran.out, ran.err);
}

fn agent<'a>(name: &'a str, data: &'a str) -> [&'a str; 7] {
    ["agents", "add", name, "--owner", "team:ops", "--data", data]
}

#[test]
fn a_witness_vouches_for_a_log_and_refuses_the_one_that_a_restored_copy_goes_on_with() {
    let (scene, made) = Scene::initialised();
    let vkey = text(&made, "/vkey");
    std::fs::create_dir(scene.path("old")).expect("a folder");
    for file in ["ledger.db", "instance.key"] {
        std::fs::copy(scene.path("data").join(file), scene.path("old").join(file)).expect("it is copied");
    }
    let witness = Witness::start(&scene, &vkey, &[]);
    add(&scene.run(&agent("one", "data")));
    let cosign = ["audit", "cosign", "--data", "data", "--witness", &witness.named()];
    let first = scene.run(&cosign);
    assert_eq!(first.code, 0, "{}{}", first.out, first.err);
    add(&scene.run(&agent("two", "data")));
    let export = [
        "audit",
        "export",
        "--to",
        "bundle",
        "--data",
        "data",
        "--witness",
        &witness.named(),
    ];
    add(&scene.run(&export));
    add(&scene.run(&["audit", "export", "--to", "plain", "--data", "data"]));

    let demand = ["--witness", &witness.vkey];
    let verify = |bundle: &str| {
        let rust = scene.run(&[&["audit", "verify", "--vkey", &vkey, bundle], &demand[..]].concat());
        let python = scene.python_verifies_with(&vkey, bundle, &demand);
        assert_eq!(python, Some(rust.code == 0), "{}{}", rust.out, rust.err);
        rust
    };
    let held = verify("bundle");
    assert!(held.out.contains("cosigned its"), "{}{}", held.out, held.err);
    refused(&verify("plain"), "no cosignature by the witness");
    // Nobody has to demand it.
    add(&scene.run(&["audit", "verify", "--vkey", &vkey, "bundle"]));
    assert_eq!(scene.python_verifies(&vkey, "bundle"), Some(true));
    // The checkpoint that was cosigned alone is one to keep, and to hold later exports against.
    scene.write("kept", &first.out);
    add(&scene.run(&["audit", "verify", "--vkey", &vkey, "--older", "kept", "bundle"]));

    // The copy's signer knows of nothing, so it signs; the witness knows.
    let cosign = ["audit", "cosign", "--data", "old", "--witness", &witness.named()];
    refused(&elsewhere(&scene, &cosign), "records of this log, which now has");
    for name in ["three", "four", "five", "six"] {
        add(&elsewhere(&scene, &agent(name, "old")));
    }
    refused(&elsewhere(&scene, &cosign), "is not the first");
    // Nor after it was started anew; the true log goes on.
    drop(witness);
    let witness = Witness::start(&scene, &vkey, &[]);
    let cosign = ["audit", "cosign", "--data", "old", "--witness", &witness.named()];
    refused(&elsewhere(&scene, &cosign), "is not the first");
    add(&scene.run(&agent("seven", "data")));
    add(&scene.run(&["audit", "cosign", "--data", "data", "--witness", &witness.named()]));
    refused(
        &elsewhere(
            &scene,
            &[
                "audit",
                "export",
                "--to",
                "forked",
                "--data",
                "old",
                "--witness",
                &witness.named(),
            ],
        ),
        "does not cosign",
    );
}

#[test]
fn a_server_brings_its_checkpoints_to_witnesses_and_shows_when_one_refuses() {
    let (scene, made) = Scene::initialised();
    let vkey = text(&made, "/vkey");
    std::fs::create_dir(scene.path("old")).expect("a folder");
    for file in ["ledger.db", "instance.key"] {
        std::fs::copy(scene.path("data").join(file), scene.path("old").join(file)).expect("it is copied");
    }
    add(&scene.run(&agent("one", "data")));
    let witness = Witness::start(&scene, &vkey, &[]);
    // One round, at the start, and then none for a day.
    let named = witness.named();
    let bring = ["--witness", &named, "--witness-interval", "86400"];
    let mut server = scene.serve(&bring);
    server.logged("a witness vouches for a log");
    let metrics = server.open_page("/metrics");
    assert!(metrics.contains("countersign_witness_age_seconds "), "{metrics}");
    assert!(metrics.contains("countersign_witness_refusals_total 0"), "{metrics}");

    let verified = |bundle: &str| {
        add(&scene.run(&["audit", "export", "--to", bundle, "--data", "data"]));
        let demand = ["--witness", &witness.vkey];
        let rust = scene.run(&[&["audit", "verify", "--vkey", &vkey, bundle], &demand[..]].concat());
        add(&rust);
        assert_eq!(scene.python_verifies_with(&vkey, bundle, &demand), Some(true));
        rust.out
    };
    let now = verified("now");
    assert!(now.contains("checkpoint: the witness"), "{now}");
    assert!(!scene.path("now/checkpoint.witnessed").exists());
    add(&scene.run(&agent("two", "data")));
    let later = verified("later");
    assert!(later.contains("checkpoint.witnessed: the witness"), "{later}");
    assert!(later.contains("had seen the first"), "{later}");
    drop(server);

    for name in ["three", "four", "five", "six"] {
        add(&elsewhere(&scene, &agent(name, "old")));
    }
    let mut forked = scene.serve_at("old", &[&bring[..], &["--signer-state", "elsewhere"]].concat());
    let line = forked.logged("does not cosign");
    assert!(line.contains("WARN"), "{line}");
    let metrics = forked.open_page("/metrics");
    assert!(metrics.contains("countersign_witness_refusals_total 1"), "{metrics}");
    assert!(!metrics.contains("countersign_witness_age_seconds"), "{metrics}");
    // Its work goes on all the same.
    add(&scene.run(&agent("seven", "old")));
}

#[test]
fn a_witness_keeps_its_key_and_name_and_watches_only_what_it_was_told() {
    let (scene, made) = Scene::initialised();
    let vkey = text(&made, "/vkey");
    let witness = Witness::start(&scene, &vkey, &["--name", "auditor.example/w1"]);
    assert!(witness.vkey.starts_with("auditor.example/w1+"), "{}", witness.vkey);
    let mode = std::fs::metadata(scene.path("witness/witness.key")).expect("its key is there");
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    let arguments = [
        "witness",
        "--listen",
        "127.0.0.1:0",
        "--state",
        "witness",
        "--log",
        &vkey,
    ];
    let second = scene.run(&arguments);
    assert_eq!(second.code, 3, "{}{}", second.out, second.err);
    assert!(second.err.contains("another witness runs on it"), "{}", second.err);
    let first = witness.vkey.clone();
    drop(witness);
    refused(
        &scene.run(&[&arguments[..], &["--name", "other"]].concat()),
        "has the name",
    );
    let again = Witness::start(&scene, &vkey, &[]);
    assert_eq!(again.vkey, first);

    // A second organization's log is one that it was not told of.
    let other = scene.run(&["init", "--data", "other", "--json"]).json();
    let cosign = ["audit", "cosign", "--data", "other", "--witness", &again.named()];
    refused(&scene.run(&cosign), "answered 404");
    // Whoever answers under another key is not the witness that was meant.
    drop(again);
    std::fs::rename(scene.path("witness"), scene.path("gone")).expect("it can be moved");
    let fresh = Witness::start(&scene, &text(&other, "/vkey"), &[]);
    let named = format!("{}={first}", fresh.url);
    let cosign = ["audit", "cosign", "--data", "other", "--witness", &named];
    refused(&scene.run(&cosign), "did not sign with the key");
}
