//! Packages of the operating system that the tests need.
#![expect(clippy::print_stdout, reason = "a chore says what it does")]

use std::path::Path;

use crate::run::{Failed, output, step};

/// PostgreSQL's programs, with which the tests start servers of their own.
pub fn postgresql() -> Result<(), Failed> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    if versions
        .map(|entry| entry.path())
        .any(|path| path.join("bin/initdb").exists())
    {
        return Ok(());
    }
    let root = output("id", &["-u"]).is_ok_and(|id| id.trim() == "0");
    if !root || !Path::new("/usr/bin/apt-get").exists() {
        let what = "PostgreSQL is missing, which the tests need: run `apt-get install postgresql` as root";
        return Err(Failed(what.to_owned()));
    }
    println!("── PostgreSQL is missing, which the tests need: installing the package `postgresql`");
    step("package lists", "apt-get", &["update", "--quiet"])?;
    step(
        "PostgreSQL",
        "apt-get",
        &["install", "--yes", "--quiet", "--no-install-recommends", "postgresql"],
    )
}
