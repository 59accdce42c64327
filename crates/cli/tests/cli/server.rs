//! The server: who has the folder, signals, what it refuses.

use std::os::unix::fs::PermissionsExt as _;

use rustix::process::Signal;
use serde_json::Value;

use crate::scene::{Scene, text};

#[test]
fn a_second_server_is_told_who_holds_the_folder() {
    let (scene, _) = Scene::initialised();
    let server = scene.serve(&[]);
    let second = scene.run(&["serve", "--data", "data", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.code, 1);
    assert!(
        second.err.contains(&format!("process {}", server.pid())),
        "{}",
        second.err
    );
    assert!(second.err.contains(&server.url), "{}", second.err);
}

#[test]
fn the_address_and_a_token_lie_in_the_folder_for_its_owner_only_while_the_server_runs() {
    let (scene, _) = Scene::initialised();
    let server = scene.serve(&[]);
    let path = scene.root.join("data/local.json");
    let mode = std::fs::metadata(&path)
        .expect("the file is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let local: Value = serde_json::from_str(&scene.read("data/local.json")).expect("JSON");
    assert_eq!(text(&local, "/address"), server.url);
    server.signal(Signal::TERM);
    assert_eq!(server.ended().0, 0);
    assert!(!path.exists());
}

#[test]
fn sigterm_ends_it_in_peace_and_the_folder_is_free() {
    let (scene, _) = Scene::initialised();
    let server = scene.serve(&[]);
    server.signal(Signal::TERM);
    let (code, log) = server.ended();
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("stopped"), "{log}");
    let found = scene.run(&["doctor", "--data", "data"]);
    assert_eq!(found.code, 0, "{}", found.out);
    assert!(found.out.contains("nobody has the folder"), "{}", found.out);
}

#[test]
fn sighup_reads_policies_again_and_keeps_the_old_ones_if_the_new_ones_are_wrong() {
    let (scene, _) = Scene::initialised();
    let mut server = scene.serve(&["--policies", "data/policies"]);
    let live = || {
        let listed = scene.run(&["policy", "list", "--data", "data", "--json"]).json();
        let rows = listed["snapshots"].as_array().expect("snapshots").clone();
        text(
            rows.iter().find(|row| row["live"] == true).expect("one is live"),
            "/hash",
        )
    };
    let before = live();
    scene.write(
        "data/policies/second.yaml",
        "agent: second\npermissions:\n- tool: tickets/search\n  allowed: true\n",
    );
    server.signal(Signal::HUP);
    server.logged("policies were read again");
    let after = live();
    assert_ne!(after, before);
    scene.write("data/policies/second.yaml", "agent: second\npermisions: []\n");
    server.signal(Signal::HUP);
    let line = server.logged("policies were not changed");
    assert!(line.contains("second.yaml:2"), "{line}");
    assert_eq!(live(), after);
}

#[test]
fn a_server_that_others_can_reach_needs_tls_or_a_proxy() {
    let (scene, _) = Scene::initialised();
    let open = scene.run(&["serve", "--data", "data", "--listen", "0.0.0.0:0"]);
    assert_eq!(open.code, 2);
    assert!(
        open.err.contains("loopback") && open.err.contains("behind_proxy"),
        "{}",
        open.err
    );
    let half = scene.run(&["serve", "--data", "data", "--tls-cert", "cert.pem"]);
    assert_eq!(half.code, 2, "{}", half.err);
}

#[test]
fn targets_of_callbacks_that_are_lifted_are_printed() {
    let (scene, _) = Scene::initialised();
    let mut server = scene.serve(&["--allow-callbacks-to", "127.0.0.1:9000"]);
    assert!(server.logged("127.0.0.1:9000").contains("not public"));
}

#[test]
fn the_clock_can_be_confirmed_where_a_server_runs() {
    let (scene, _) = Scene::initialised();
    assert_eq!(scene.run(&["clock", "confirm", "--data", "data"]).code, 3);
    let mut server = scene.serve(&[]);
    assert_eq!(scene.run(&["clock", "confirm", "--data", "data"]).code, 0);
    server.logged("an operator confirmed the clock");
}

#[test]
fn without_a_folder_or_a_server_the_way_is_pointed_out() {
    let scene = Scene::new();
    let missing = scene.run(&["serve", "--data", "nothing"]);
    assert!(
        missing.code == 3 && missing.err.contains("countersign init --data nothing"),
        "{}",
        missing.err
    );
    let unnamed = scene.run(&["agents", "list"]);
    assert!(
        unnamed.code == 2 && unnamed.err.contains("--data DIR"),
        "{}",
        unnamed.err
    );
    let unreachable = scene.run(&["agents", "list", "--server", "http://127.0.0.1:9", "--key", "cs_x"]);
    assert!(
        unreachable.code == 3 && unreachable.err.contains("127.0.0.1:9"),
        "{}",
        unreachable.err
    );
    let as_json = scene.run(&["agents", "list", "--json"]);
    assert!(as_json.out.contains("\"code\": \"usage\""), "{}", as_json.out);
}

#[test]
fn with_tls_commands_on_the_machine_still_find_it() {
    let (scene, _) = Scene::initialised();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    scene.write("cert.pem", &made.cert.pem());
    scene.write("key.pem", &made.signing_key.serialize_pem());
    let server = scene.serve(&["--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    assert!(server.url.starts_with("https://"), "{}", server.url);
    assert_eq!(scene.run(&["agents", "list", "--data", "data"]).code, 0);
    let stranger = scene.run(&["agents", "list", "--server", &server.url, "--key", "cs_x"]);
    assert!(
        stranger.code == 3 && stranger.err.contains("certificate"),
        "{}",
        stranger.err
    );
    drop(server);
    scene.write("cert.pem", "nonsense");
    let broken = scene.run(&[
        "serve",
        "--data",
        "data",
        "--listen",
        "127.0.0.1:0",
        "--tls-cert",
        "cert.pem",
        "--tls-key",
        "key.pem",
    ]);
    assert!(broken.code == 3 && broken.err.contains("cert.pem"), "{}", broken.err);
}
