//! What an author learns of policies without a server.

use serde_json::Value;

use crate::scene::Scene;

const GATE: &str = "name: g\nrules:\n- { condition: \"has(amount) && amount > 9 && amount < 5\", decision: deny }\n";

#[test]
fn check_underlines_what_cannot_be_meant_and_says_why_it_matters() {
    let scene = Scene::new();
    scene.write("p/gate.yaml", GATE);
    let checked = scene.run(&["policy", "check", "p"]);
    assert_eq!(checked.code, 0, "{}", checked.err);
    for words in [
        "`amount > 9` and `amount < 5` can never both hold [unreachable]",
        "--> p/gate.yaml:3:46",
        "^^^^^^^^^^",
        "the rule never speaks",
    ] {
        assert!(checked.err.contains(words), "{words}: {}", checked.err);
    }
    let value = scene.run(&["policy", "check", "p", "--json"]).json();
    let problem = &value["problems"][0];
    assert_eq!(problem["text"], "amount < 5");
    assert_eq!(
        (problem["line"].as_u64(), problem["column"].as_u64()),
        (Some(3), Some(46))
    );
    assert_eq!(
        (problem["end_line"].as_u64(), problem["end_column"].as_u64()),
        (Some(3), Some(56))
    );
}

#[test]
fn findings_and_failed_tests_are_sarif_that_the_published_schema_accepts() {
    let published = include_str!("../../../../tests/fixtures/sarif-2.1.0.schema.json");
    // One expression in it, of a language tag, has a bracket that strict readers do not take.
    let published = published.replace("{2}]?$", "{2}$");
    let schema: Value = serde_json::from_str(&published).expect("the schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("the schema is one");
    let scene = Scene::new();
    scene.write("p a/gate.yaml", GATE);
    let test = "tests:\n- { name: never, agent: a, action: x, expect: allow }\n";
    scene.write("p a/tests.yaml", test);
    let broken = scene.run(&["policy", "check", "p a", "--sarif"]);
    assert_eq!(broken.code, 0, "{}", broken.err);
    let log = broken.json();
    let errors: Vec<String> = validator.iter_errors(&log).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let results = log["runs"][0]["results"].as_array().expect("results are listed");
    let seen: Vec<(&str, &str)> = (results.iter())
        .map(|it| {
            (
                it["ruleId"].as_str().unwrap_or_default(),
                it["level"].as_str().unwrap_or_default(),
            )
        })
        .collect();
    assert_eq!(seen, [("unreachable", "warning"), ("test_failed", "error")]);
    let place = &results[0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "p%20a/gate.yaml");
    assert_eq!(place["region"]["snippet"]["text"], "amount < 5");
    // A log that says less than it has to would not do.
    let mut less = log.clone();
    less["runs"][0]["results"][0]["message"] = Value::Null;
    assert!(!validator.is_valid(&less));
    scene.write("p a/gate.yaml", "name: g\nrulez: []\n");
    let refused = scene.run(&["policy", "check", "p a", "--sarif"]);
    assert_eq!(refused.code, 1, "{}", refused.err);
    let errors = validator
        .iter_errors(&serde_json::from_str(&refused.out).expect("it is JSON"))
        .count();
    assert_eq!(errors, 0);
}

#[test]
fn the_schema_for_editors_is_printed() {
    let schema = Scene::new().run(&["policy", "schema"]).json();
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    assert!(schema["definitions"]["permission"]["properties"]["max_amount"].is_object());
}

#[test]
fn an_import_that_would_let_more_through_is_printed_only_if_asked_for() {
    let scene = Scene::new();
    let table = "action,amount,decision\nrefund,<= 100,allow\nrefund,much,deny\n";
    scene.write("refunds.csv", table);
    let refused = scene.run(&["policy", "import", "refunds.csv"]);
    assert_eq!(refused.code, 1, "{}", refused.out);
    assert!(
        refused
            .err
            .contains("refunds.csv:3: `row 2` is left out (lets more through): `much` is no number")
    );
    assert!(!refused.out.contains("rules:"));
    let partly = scene.run(&["policy", "import", "refunds.csv", "--partly"]);
    assert_eq!(partly.code, 0, "{}", partly.err);
    scene.write("p/refunds.yaml", &partly.out);
    assert_eq!(scene.run(&["policy", "check", "p"]).code, 0);
    let unknown = scene.run(&["policy", "import", "p/refunds.yaml"]);
    assert!(
        unknown.code == 2 && unknown.err.contains("--format"),
        "{} {}",
        unknown.code,
        unknown.err
    );
}
