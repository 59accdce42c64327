//! The data folder: how it is made, who may read it, lost keys.

use std::os::unix::fs::PermissionsExt as _;

use crate::scene::{Scene, text};

#[test]
fn init_makes_a_folder_for_its_owner_only() {
    let (scene, made) = Scene::initialised();
    let mode = |name: &str| {
        std::fs::metadata(scene.root.join(name))
            .expect("it is there")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode("data"), 0o700);
    assert_eq!(mode("data/instance.key"), 0o600);
    assert_eq!(mode("data/ledger.db"), 0o600);
    assert!(text(&made, "/admin_key").starts_with("cs_user_"));
    let again = scene.run(&["init", "--data", "data"]);
    assert!(again.code == 1 && again.err.contains("already"), "{}", again.err);
}

#[test]
fn init_takes_policies_of_ones_own_and_a_key_file_elsewhere() {
    let scene = Scene::new();
    scene.write(
        "p/bot.yaml",
        "agent: bot\npermissions:\n- action: look\n  allowed: true\n",
    );
    let made = [
        "init",
        "--data",
        "data",
        "--policies",
        "p",
        "--org",
        "acme",
        "--currency",
        "EUR",
        "--key-file",
        "k",
        "--json",
    ];
    assert_eq!(text(&scene.run(&made).json(), "/organization"), "acme");
    assert!(!scene.root.join("data/instance.key").exists());
    let without = scene.run(&["agents", "list", "--data", "data"]);
    assert!(
        without.code == 3 && without.err.contains("instance.key"),
        "{}",
        without.err
    );
    assert_eq!(
        scene.run(&["agents", "list", "--data", "data", "--key-file", "k"]).code,
        0
    );
}

#[test]
fn init_makes_nothing_if_the_policies_are_wrong() {
    let scene = Scene::new();
    scene.write(
        "p/bot.yaml",
        "agent: bot\npermissions:\n- action: look\n  allowed: maybe\n",
    );
    let refused = scene.run(&["init", "--data", "data", "--policies", "p"]);
    assert!(
        refused.code == 1 && refused.err.contains("p/bot.yaml:4"),
        "{}",
        refused.err
    );
    assert!(!scene.root.join("data").exists());
}

#[test]
fn a_lost_admin_key_is_replaced_at_the_machine_and_only_there() {
    let (scene, made) = Scene::initialised();
    let server = scene.serve(&[]);
    let busy = scene.run(&["users", "reset", "admin", "--data", "data"]);
    assert!(
        busy.code == 1 && busy.err.contains("is held by process"),
        "{}",
        busy.err
    );
    drop(server);
    let fresh = text(
        &scene
            .run(&["users", "reset", "admin", "--data", "data", "--json"])
            .json(),
        "/admin_key",
    );
    assert_ne!(fresh, text(&made, "/admin_key"));
    let server = scene.serve(&[]);
    let users = scene
        .run(&["users", "list", "--server", &server.url, "--key", &fresh, "--json"])
        .json();
    assert_eq!(text(&users, "/users/0/id"), "admin");
}

#[test]
fn the_doctor_finds_an_open_key_file_and_a_damaged_ledger() {
    let (scene, _) = Scene::initialised();
    let key = scene.root.join("data/instance.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("it can be changed");
    let found = scene.run(&["doctor", "--data", "data"]);
    assert!(
        found.code == 0 && found.out.contains("warn  permissions"),
        "{}",
        found.out
    );
    assert!(found.out.contains("chmod 600"), "{}", found.out);
    scene.write("data/instance.key", "short");
    let found = scene.run(&["doctor", "--data", "data", "--json"]);
    assert!(found.code == 1 && found.out.contains("\"fail\""), "{}", found.out);
}

#[test]
fn an_init_that_failed_halfway_can_be_repeated() {
    let scene = Scene::new();
    let wrong = scene.run(&["init", "--data", "data", "--currency", "dollars"]);
    assert!(wrong.code == 1 && wrong.err.contains("ISO 4217"), "{}", wrong.err);
    scene.run(&["init", "--data", "data", "--org", "acme", "--json"]).json();
    assert!(
        scene
            .read("data/policies/organization.yaml")
            .contains("\norganization: acme\n")
    );
}
