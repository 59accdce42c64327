//! Runs `tests/cases/` against the core on a controlled clock.

use std::path::Path;

#[test]
fn every_case_file_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases");
    let (count, failures) = countersign_testkit::cases::run_folder(&folder);
    assert!(
        failures.is_empty(),
        "{} of {count} cases fail:\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert!(count >= 40, "only {count} cases were found");
}
