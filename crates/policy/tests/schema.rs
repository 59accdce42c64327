//! The JSON Schema for editors and the loader agree: on every document of this repository, on broken ones, on every field.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use countersign_policy::{DOCUMENT_SCHEMA, Severity, Snapshot, Value, yaml};
use jsonschema::Validator;
use serde_json::{Value as Json, json};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn schema() -> Json {
    serde_json::from_str(DOCUMENT_SCHEMA).unwrap()
}

fn validator() -> Validator {
    jsonschema::validator_for(&schema()).unwrap()
}

fn to_json(value: &Value) -> Json {
    match value {
        Value::Null | Value::Timestamp(_) | Value::Duration(_) => Json::Null,
        Value::Bool(truth) => json!(truth),
        Value::Number(number) => serde_json::from_str(&number.to_string()).unwrap(),
        Value::String(text) => json!(text),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Map(map) => map.iter().map(|(key, value)| (key.clone(), to_json(value))).collect(),
    }
}

fn document(file: &str, text: &str) -> Json {
    let node = yaml::read(file, text).unwrap_or_else(|problem| panic!("{problem:#?}"));
    to_json(&node.value().unwrap_or_else(|node| panic!("{file}: {node:?}")))
}

fn loads(text: &str) -> bool {
    let files = [("x.yaml".to_owned(), text.as_bytes().to_vec())];
    match Snapshot::load(&files) {
        Ok(_) => true,
        Err(problems) => !problems.iter().any(|problem| problem.severity == Severity::Error),
    }
}

/// Policies in a folder, at any depth.
fn files(folder: &Path, found: &mut BTreeMap<String, String>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            files(&path, found);
        } else if path.components().any(|part| part.as_os_str() == "policies")
            && path.extension().is_some_and(|it| it == "yaml")
        {
            found.insert(path.display().to_string(), fs::read_to_string(&path).unwrap());
        }
    }
}

/// The blocks of the documents that are marked as policies, with what is wrong with them.
fn blocks() -> Vec<(String, String, bool)> {
    let mut found = Vec::new();
    for path in fs::read_dir(Path::new(ROOT).join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for part in text.split("\n```yaml policy").skip(1) {
            let (marks, rest) = part.split_once('\n').unwrap();
            let body = rest.split("\n```").next().unwrap();
            found.push((path.display().to_string(), body.to_owned(), marks.contains("wrong=")));
        }
    }
    found
}

#[test]
fn every_policy_of_the_examples_the_fixtures_and_the_documents_fits() {
    let validator = validator();
    let mut all = BTreeMap::new();
    for folder in ["examples", "tests/fixtures"] {
        files(&Path::new(ROOT).join(folder), &mut all);
    }
    assert!(all.len() > 40, "{}", all.len());
    let blocks = blocks();
    assert!(blocks.len() > 20, "{}", blocks.len());
    let fine = blocks
        .into_iter()
        .filter(|(.., wrong)| !wrong)
        .map(|(file, text, _)| (file, text));
    for (file, text) in all.into_iter().chain(fine) {
        let document = document(&file, &text);
        let errors: Vec<String> = validator
            .iter_errors(&document)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{file}\n{text}\n{errors:#?}");
    }
}

/// Each is refused by the loader for what an editor can see.
const BROKEN: [&str; 28] = [
    "agent: a\npermissions:\n- { action: x, alowed: true }\n",
    "agent: a\npermissions:\n- { action: x }\n",
    "agent: a\npermissions:\n- { allowed: true }\n",
    "agent: a\npermissions:\n- { action: x, allowed: maybe }\n",
    "agent: a\npermissions:\n- { action: 'x*y', allowed: true }\n",
    "agent: a\npermissions:\n- { action: x, allowed: true, max_amount: much }\n",
    "agent: A b\n",
    "agent: a\ntier: god\n",
    "agent: a\naudit: { retention: forever }\n",
    "agent: a\ndata_access:\n- { resource: r, scope: some, access: none }\n",
    "agent: a\nlimits: { rate: often }\n",
    "name: g\nrules: []\n",
    "name: g\nrules:\n- { decision: alow }\n",
    "name: g\nrules:\n- { decision: allow_with_constraints }\n",
    "name: g\nrules:\n- { decision: deny, constraints: { max_cost: 5 } }\n",
    "name: g\nrules:\n- { decision: allow, constraints: { max_costs: 5 } }\n",
    "name: g\nrules:\n- { decision: remediate }\n",
    "name: g\non: [{}]\nrules:\n- { decision: deny }\n",
    "name: g\non: []\nrules:\n- { decision: deny }\n",
    "organization: o\ncurrency: euros\n",
    "organization: o\nrequire: [everything]\n",
    "tools:\n  t: { risk: R9 }\n",
    "budgets:\n- { name: b, per: day }\n",
    "tests:\n- { name: t, agent: a, action: x, expects: allow }\n",
    "outputs:\n- { name: o }\n",
    "outputs:\n- { name: o, redact: [cards] }\n",
    "outputs:\n- { name: o, max_bytes: 0 }\n",
    "outputs:\n- { name: o, withhold: all, flag: [email] }\n",
];

#[test]
fn what_an_editor_can_see_to_be_wrong_is_refused_by_both() {
    let validator = validator();
    for text in BROKEN {
        assert!(!loads(text), "{text}");
        assert!(!validator.is_valid(&document("x", text)), "{text}");
    }
}

/// Definitions with fields, each with a document in which `zzzzzzzzzz` stands where its fields stand.
const PLACES: &[(&str, &str)] = &[
    ("cadence", "organization: o\npractice: { p: { zzzzzzzzzz: 1 } }\n"),
    ("mandate", "agent: a\nzzzzzzzzzz: 1\n"),
    ("permission", "agent: a\npermissions:\n- { zzzzzzzzzz: 1 }\n"),
    ("data_access", "agent: a\ndata_access:\n- { zzzzzzzzzz: 1 }\n"),
    ("trigger_high_stakes", "agent: a\nescalate_when:\n- { zzzzzzzzzz: 1 }\n"),
    (
        "high_stakes",
        "agent: a\nescalate_when:\n- { high_stakes: { zzzzzzzzzz: 1 } }\n",
    ),
    ("delegation", "agent: a\ndelegation: { zzzzzzzzzz: 1 }\n"),
    ("mandate_limits", "agent: a\nlimits: { zzzzzzzzzz: 1 }\n"),
    ("audit", "agent: a\naudit: { zzzzzzzzzz: 1 }\n"),
    ("gate", "name: g\nrules: [{ decision: deny }]\nzzzzzzzzzz: 1\n"),
    ("rule", "name: g\nrules:\n- { zzzzzzzzzz: 1 }\n"),
    (
        "selector",
        "name: g\non: { zzzzzzzzzz: 1 }\nrules: [{ decision: deny }]\n",
    ),
    (
        "remedy",
        "name: g\nrules:\n- { decision: remediate, remedy: { zzzzzzzzzz: 1 } }\n",
    ),
    ("tools", "tools: {}\nzzzzzzzzzz: 1\n"),
    ("tool", "tools:\n  t: { zzzzzzzzzz: 1 }\n"),
    ("listed_tool", "tools:\n- { zzzzzzzzzz: 1 }\n"),
    ("when_tainted", "tools:\n  t: { when_tainted: { zzzzzzzzzz: 1 } }\n"),
    ("schema", "tools:\n  t: { schema: { zzzzzzzzzz: 1 } }\n"),
    ("budgets", "budgets: []\nzzzzzzzzzz: 1\n"),
    ("budget", "budgets:\n- { zzzzzzzzzz: 1 }\n"),
    ("limits", "limits: []\nzzzzzzzzzz: 1\n"),
    ("limit", "limits:\n- { count: 1, zzzzzzzzzz: 1 }\n"),
    ("disagreements", "disagreements: []\nzzzzzzzzzz: 1\n"),
    ("disagreement", "disagreements:\n- { zzzzzzzzzz: 1 }\n"),
    ("outputs", "outputs: []\nzzzzzzzzzz: 1\n"),
    ("output_rule", "outputs:\n- { zzzzzzzzzz: 1 }\n"),
    ("test_outputs", "tests:\n- { action: x, outputs: { zzzzzzzzzz: 1 } }\n"),
    ("rates", "rates: {}\nzzzzzzzzzz: 1\n"),
    ("tests", "tests: []\nzzzzzzzzzz: 1\n"),
    ("test", "tests:\n- { action: x, zzzzzzzzzz: 1 }\n"),
    ("resource", "tests:\n- { action: x, resource: { zzzzzzzzzz: 1 } }\n"),
    ("organization", "organization: o\nzzzzzzzzzz: 1\n"),
    ("default_route", "organization: o\ndefault_route: { zzzzzzzzzz: 1 }\n"),
    ("autonomy", "organization: o\nautonomy: { zzzzzzzzzz: 1 }\n"),
    (
        "threshold",
        "organization: o\nautonomy: { to_post_action: { zzzzzzzzzz: 1 } }\n",
    ),
    (
        "review_mode",
        "organization: o\nautonomy: { modes: [{ zzzzzzzzzz: 1 }] }\n",
    ),
    ("break_glass", "organization: o\nbreak_glass: { zzzzzzzzzz: 1 }\n"),
    ("theatre", "organization: o\ntheatre: { zzzzzzzzzz: 1 }\n"),
    ("dwell", "organization: o\ntheatre: { dwell: { zzzzzzzzzz: 1 } }\n"),
    (
        "theatre_count",
        "organization: o\ntheatre: { pace: { zzzzzzzzzz: 1 } }\n",
    ),
    (
        "theatre_share",
        "organization: o\ntheatre: { share: { zzzzzzzzzz: 1 } }\n",
    ),
    ("cadence", "organization: o\npractice: { p: { zzzzzzzzzz: 1 } }\n"),
    ("change_control", "organization: o\nchange_control: { zzzzzzzzzz: 1 }\n"),
    (
        "policy_changes",
        "organization: o\nchange_control: { policies: { zzzzzzzzzz: 1 } }\n",
    ),
    ("channel", "organization: o\nchannels: { mail: { zzzzzzzzzz: 1 } }\n"),
    ("calendar", "organization: o\ncalendars: { c: { zzzzzzzzzz: 1 } }\n"),
    ("schedule", "organization: o\nschedules: { s: { zzzzzzzzzz: 1 } }\n"),
    (
        "layer",
        "organization: o\nschedules: { s: { zone: UTC, layers: [{ zzzzzzzzzz: 1 }] } }\n",
    ),
    (
        "hours",
        "organization: o\nschedules: { s: { layers: [{ only: [{ zzzzzzzzzz: 1 }] }] } }\n",
    ),
    ("route", "organization: o\nroutes: { r: { zzzzzzzzzz: 1 } }\n"),
    (
        "step",
        "organization: o\nroutes: { r: { steps: [{ to: x, zzzzzzzzzz: 1 }] } }\n",
    ),
    (
        "slot",
        "organization: o\nroutes: { r: { steps: [{ slots: [{ zzzzzzzzzz: 1 }] }] } }\n",
    ),
    (
        "each",
        "organization: o\nroutes: { r: { steps: [{ quorum: { zzzzzzzzzz: 1 } }] } }\n",
    ),
    (
        "safe_fallback",
        "organization: o\nroutes: { r: { steps: [{ to: x }], on_exhausted: { zzzzzzzzzz: 1 } } }\n",
    ),
    (
        "clarify",
        "organization: o\nroutes: { r: { steps: [{ to: x }], clarify: { zzzzzzzzzz: 1 } } }\n",
    ),
];

/// Fields that the loader knows and refuses, so that their message can say why.
const REFUSED: [(&str, &[&str]); 3] = [
    ("mandate", &["autonomy"]),
    (
        "schema",
        &[
            "pattern",
            "format",
            "items",
            "oneOf",
            "anyOf",
            "allOf",
            "not",
            "$ref",
            "if",
            "multipleOf",
            "maxItems",
        ],
    ),
    ("change_control", &[]),
];

fn known_to_the_loader(text: &str) -> BTreeSet<String> {
    let files = [("x.yaml".to_owned(), text.as_bytes().to_vec())];
    let Err(problems) = Snapshot::load(&files) else {
        panic!("it loads: {text}")
    };
    let told = problems
        .into_iter()
        .find(|problem| problem.code == "unknown_field" && problem.message.contains("zzzzzzzzzz"));
    let help = told
        .and_then(|problem| problem.help)
        .unwrap_or_else(|| panic!("nobody minds: {text}"));
    let known = help
        .strip_prefix("known here: ")
        .unwrap_or_else(|| panic!("{help}: {text}"));
    known.split(", ").map(str::to_owned).collect()
}

#[test]
fn the_schema_has_exactly_the_fields_that_the_loader_knows() {
    let schema = schema();
    let definitions = schema["definitions"].as_object().unwrap();
    let with_fields: BTreeSet<&str> = (definitions.iter())
        .filter(|(_, it)| it["additionalProperties"] == json!(false))
        .map(|(name, _)| name.as_str())
        .filter(|name| *name != "constraints")
        .collect();
    let tried: BTreeSet<&str> = PLACES.iter().map(|(name, _)| *name).collect();
    assert_eq!(with_fields, tried);
    for (name, text) in PLACES {
        let refused = REFUSED
            .iter()
            .find(|(of, _)| of == name)
            .map(|(_, fields)| *fields)
            .unwrap_or_default();
        let mut known = known_to_the_loader(text);
        known.retain(|field| !refused.contains(&field.as_str()));
        let properties = definitions[*name]["properties"].as_object().unwrap();
        let stated: BTreeSet<String> = properties.keys().cloned().collect();
        assert_eq!(stated, known, "{name}");
    }
    let constraints: BTreeSet<&str> = countersign_policy::constraint::REGISTRY
        .iter()
        .map(|entry| entry.name)
        .collect();
    let stated = definitions["constraints"]["properties"].as_object().unwrap();
    assert_eq!(stated.keys().map(String::as_str).collect::<BTreeSet<_>>(), constraints);
}
