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
    assert_eq!(broken.code, 1, "an error there is an error here: {}", broken.err);
    let log: Value = serde_json::from_str(&broken.out).expect("it is JSON");
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
    scene.write("p a/tests.yaml", &test.replace("allow", "deny"));
    let warned = scene.run(&["policy", "check", "p a", "--sarif"]);
    assert_eq!(warned.json()["runs"][0]["results"].as_array().map(Vec::len), Some(1));
    scene.write("p a/gate.yaml", "name: g\nrulez: []\n");
    let refused = scene.run(&["policy", "check", "p a", "--sarif"]);
    assert_eq!(refused.code, 1, "{}", refused.err);
    let errors = validator
        .iter_errors(&serde_json::from_str(&refused.out).expect("it is JSON"))
        .count();
    assert_eq!(errors, 0);
}

#[test]
fn what_tests_leave_untried_is_listed_and_too_much_of_it_fails() {
    let scene = Scene::new();
    let gate = "name: g\nrules:\n- { name: small, condition: \"has(amount) && amount < 5\", decision: allow }\n";
    scene.write("p/gate.yaml", gate);
    let test = "- { agent: a, action: x, amount: 1, currency: USD, expect: allow }\n";
    scene.write("p/tests.yaml", &format!("tests:\n{test}"));
    let half = scene.run(&["policy", "test", "p", "--coverage", "--least", "50"]);
    assert_eq!(half.code, 0, "{}", half.err);
    assert!(
        half.out.contains("rules tried: 1 of 1, sides of rules: 1 of 2"),
        "{}",
        half.out
    );
    assert!(
        half.err.contains("p/gate.yaml:3: no test tries `g#small`: "),
        "{}",
        half.err
    );
    let short = scene.run(&["policy", "test", "p", "--least", "51"]);
    assert_eq!(short.code, 1, "{}", short.out);
    assert!(
        short.err.contains("the tests try 50 % of the sides of the rules"),
        "{}",
        short.err
    );
    scene.write(
        "p/tests.yaml",
        &format!(
            "tests:\n{test}{}",
            test.replace("amount: 1", "amount: 5").replace("allow", "deny")
        ),
    );
    let all = scene.run(&["policy", "test", "p", "--coverage", "--least", "100"]);
    assert_eq!((all.code, all.err.as_str()), (0, ""), "{}", all.out);
}

#[test]
fn tests_that_are_missing_are_let_pass_by_whoever_says_why() {
    let (scene, _) = Scene::initialised();
    scene.write("p/organization.yaml", "organization: main\nrequire: [tests]\n");
    scene.write("p/gate.yaml", "name: g\nrules: [{ decision: allow }]\n");
    let stored = scene.run(&["policy", "upload", "p", "--data", "data", "--json"]).json();
    let hash = stored["hash"].as_str().expect("a hash");
    let activate = |more: &[&str]| {
        let command = ["policy", "activate", hash, "--reason", "a wider gate", "--data", "data"];
        scene.run(&[&command[..], more].concat())
    };
    let refused = activate(&[]);
    assert!(
        refused.code == 1 && refused.err.contains("`g#rules[0]`"),
        "{} {}",
        refused.code,
        refused.err
    );
    let waived = activate(&["--waive", "tests follow"]);
    assert_eq!(waived.code, 0, "{}", waived.err);
    assert!(waived.out.contains(&format!("live: {hash}")), "{}", waived.out);
    let listed = scene.run(&["policy", "list", "--data", "data", "--json"]).json();
    let rows = listed["snapshots"].as_array().expect("a list");
    let row = rows.iter().find(|row| row["hash"] == hash).expect("it is listed");
    assert_eq!(
        (&row["live"], &row["waived"]["untried"]),
        (&Value::Bool(true), &1.into()),
        "{row}"
    );
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
