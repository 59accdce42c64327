//! Policies and settings: what is wrong with them, by line. Examples that we print are tried here.

use crate::scene::{Scene, repository};

#[test]
fn policy_check_underlines_what_is_wrong_and_says_what_to_write() {
    let scene = Scene::new();
    scene.write(
        "p/bot.yaml",
        "agent: bot\npermissions:\n  - action: look\n    allowed: true\n    requires_reveiw: true\n",
    );
    let checked = scene.run(&["policy", "check", "p"]);
    assert_eq!(checked.code, 1);
    for words in [
        "p/bot.yaml:5:5",
        "5 |     requires_reveiw: true",
        "|     ^^^^^^^^^^^^^^^",
        "did you mean `requires_review`?",
    ] {
        assert!(checked.err.contains(words), "{words} is not in\n{}", checked.err);
    }
    let data: serde_json::Value =
        serde_json::from_str(&scene.run(&["policy", "check", "p", "--json"]).out).expect("JSON");
    assert_eq!(data["problems"][0]["line"], 5);
}

#[test]
fn policy_test_says_which_example_got_another_decision() {
    let scene = Scene::new();
    scene.write(
        "p/bot.yaml",
        "agent: bot\npermissions:\n- action: look\n  allowed: true\n",
    );
    scene.write(
        "p/tests.yaml",
        "tests:\n- name: looking is denied\n  agent: bot\n  action: look\n  expect: deny\n",
    );
    let tested = scene.run(&["policy", "test", "p"]);
    assert_eq!(tested.code, 1);
    assert!(
        tested.err.contains("p/tests.yaml:2") && tested.err.contains("looking is denied"),
        "{}",
        tested.err
    );
    assert!(tested.out.contains("1 failed"), "{}", tested.out);
    assert_eq!(
        scene.run(&["policy", "check", "p"]).code,
        0,
        "the documents themselves are fine"
    );
}

#[test]
fn the_policies_of_the_examples_pass_their_tests_without_a_warning() {
    let scene = Scene::new();
    for name in [
        "laptop",
        "support-refunds",
        "production-change-gate",
        "sales-outreach",
        "coding-agent",
    ] {
        let folder = repository().join("examples").join(name).join("policies");
        let tested = scene.run(&["policy", "test", &folder.display().to_string()]);
        assert!(
            tested.code == 0 && tested.out.contains(" 0 failed"),
            "{name}: {}{}",
            tested.out,
            tested.err
        );
        let checked = scene.run(&["policy", "check", &folder.display().to_string()]);
        assert!(
            checked.code == 0 && checked.out.contains("fine"),
            "{name}: {}{}",
            checked.out,
            checked.err
        );
    }
}

#[test]
fn the_settings_that_we_ship_are_fine() {
    let scene = Scene::new();
    let shipped = repository().join("packaging/countersign.yaml").display().to_string();
    let checked = scene.run(&["config", "check", &shipped]);
    assert_eq!(checked.code, 0, "{}", checked.err);
}

#[test]
fn mistakes_in_settings_are_named_by_line() {
    let scene = Scene::new();
    scene.write(
        "bad.yaml",
        "data: d\nlisen: 127.0.0.1:78\nlog_format: xml\nallow_callbacks_to: [127.0.0.1]\nkey_days: many\nbehind_proxy: [10.0.0.0/99]\n",
    );
    let checked = scene.run(&["config", "check", "bad.yaml"]);
    assert_eq!(checked.code, 1);
    for words in [
        "bad.yaml:2:1",
        "did you mean `listen`?",
        "bad.yaml:3:13",
        "`xml` is not a log format",
        "bad.yaml:4:22",
        "bad.yaml:5:11",
        "`10.0.0.0/99` is not a network",
    ] {
        assert!(checked.err.contains(words), "{words} is not in\n{}", checked.err);
    }
    scene.write("broken.yaml", "data: [d\n");
    assert!(
        scene
            .run(&["config", "check", "broken.yaml"])
            .err
            .contains("broken.yaml:2:1")
    );
}

#[test]
fn the_environment_comes_over_the_file_and_flags_over_both() {
    let (scene, _) = Scene::initialised();
    scene.write("c.yaml", "data: nowhere\nlisten: 127.0.0.1:0\n");
    let checked = scene
        .command(&["config", "check", "c.yaml"])
        .env("COUNTERSIGN_LISTEN", "everywhere")
        .output();
    let said = String::from_utf8_lossy(&checked.expect("it runs").stderr).into_owned();
    assert!(
        said.contains("COUNTERSIGN_LISTEN") && said.contains("everywhere"),
        "{said}"
    );
    let file = scene.run(&["serve", "--config", "c.yaml"]);
    assert!(file.err.contains("`nowhere`"), "{}", file.err);
    let environment = scene
        .command(&["serve", "--config", "c.yaml"])
        .env("COUNTERSIGN_DATA", "elsewhere")
        .output();
    let said = String::from_utf8_lossy(&environment.expect("it runs").stderr).into_owned();
    assert!(said.contains("`elsewhere`"), "{said}");
    let server = scene.serve(&["--config", "c.yaml"]);
    assert!(server.url.starts_with("http://127.0.0.1:"));
}
