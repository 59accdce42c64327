//! The script that proves records in the browser, run by Node.
#![expect(clippy::expect_used, reason = "a test fails loudly")]

use std::path::Path;
use std::process::Command;

#[test]
fn the_browser_proves_what_is_in_the_ledger_and_nothing_else() {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("node")
        .arg(crate_dir.join("tests/verify.mjs"))
        .arg(crate_dir.join("assets/verify.js"))
        .output()
        .expect("node is there");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
}
