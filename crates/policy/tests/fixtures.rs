//! The published documents load exactly as they stand, and every published row gets its decision.

use std::fs;
use std::path::Path;

use countersign_policy::{Severity, Snapshot};

const PUBLISHED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/published");

fn published(path: &str) -> (String, Vec<u8>) {
    let file = Path::new(PUBLISHED).join(path);
    (
        path.to_owned(),
        fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())),
    )
}

fn policies() -> Vec<(String, Vec<u8>)> {
    vec![
        published("policies/customer_support.yaml"),
        published("policies/prod-safety-gate.yaml"),
    ]
}

/// The rows are a bare list: as a tests document they stand under `tests:`.
fn rows() -> (String, Vec<u8>) {
    let (name, bytes) = published("actions/expected.yaml");
    (name, [b"tests:\n".as_slice(), &bytes].concat())
}

#[test]
fn the_published_policies_load_without_errors() {
    let (snapshot, problems) = Snapshot::load(&policies()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert!(problems.iter().all(|problem| problem.severity == Severity::Warning));
    let unresolved: Vec<&str> = problems
        .iter()
        .filter(|p| p.code == "unresolved_name")
        .map(|p| p.message.as_str())
        .collect();
    let wanted = [
        "no document defines `security-team`",
        "no document defines `platform-lead`",
    ];
    assert_eq!(unresolved, wanted);
    let mandate = snapshot.mandate("customer_support").expect("it is there");
    assert_eq!(mandate.retention(), Some("90_days"));
}

#[test]
fn every_published_row_gets_its_decision_constraints_evidence_and_alert() {
    let mut files = policies();
    files.push(rows());
    let (snapshot, _) = Snapshot::load(&files).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let results = snapshot.run_tests();
    assert_eq!(results.len(), 21);
    let failed: Vec<_> = results.iter().filter(|result| !result.passed()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn the_order_of_files_changes_neither_hash_nor_rows() {
    let mut files = policies();
    files.push(rows());
    let (forward, _) = Snapshot::load(&files).unwrap_or_else(|problems| panic!("{problems:#?}"));
    files.reverse();
    for (index, (name, _)) in files.iter_mut().enumerate() {
        *name = format!("{index}.yaml");
    }
    let (backward, _) = Snapshot::load(&files).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert_eq!(forward.hash_text(), backward.hash_text());
    assert!(backward.run_tests().iter().all(|result| result.passed()));
}
