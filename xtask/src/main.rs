//! Chores of this repository, one word each: `cargo xtask` lists them.
#![expect(clippy::print_stdout, reason = "a chore says what it does")]

mod graph;
mod invariants;
mod long;
mod measured;
mod mutants;
mod packages;
mod run;
mod tidy;

use std::process::ExitCode;

use run::{Failed, step};

const HELP: &str = "cargo xtask CHORE

  check    format, lints, documentation, and the rules of the house
  tidy     only the rules of the house: crate graph, licences, file sizes, what must be absent
  test     everything that a change has to pass (installs what it needs into target/)
  fuzz     a short run of every fuzz target (part of `test`)
  ci       check, then test
  bench    measures speed beside peers and ceilings, writes bench/results.md
  exports  exports read by outsiders: Parquet, OCSF, S3 with object lock (part of `long`)
  long     what takes longer than a coffee: 300 crashes, 20,000 simulated worlds, 10 million records, long fuzzing, mutants of
           what changed since main; adds its results to docs/measured.md
  mutants  breaks what grants and proves, and counts what no test notices; adds the result to docs/measured.md
           [--part core|guards|tlog] [--file TEXT] [--shard K/N] [--since COMMIT]";

fn main() -> ExitCode {
    let chore = std::env::args().nth(1).unwrap_or_default();
    let done = match chore.as_str() {
        "check" => check(),
        "tidy" => tidy::run(),
        "test" => test(),
        "fuzz" => fuzz("20000"),
        "ci" => check().and_then(|()| test()),
        "bench" => step("measuring", "bench/run.sh", &[]),
        "exports" => exports(),
        "long" => long::run(),
        "mutants" => mutants::run(&std::env::args().skip(2).collect::<Vec<_>>()),
        _ => {
            println!("{HELP}");
            return ExitCode::from(if chore.is_empty() { 0 } else { 2 });
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed(what)) => {
            println!("\nxtask: {what}");
            ExitCode::FAILURE
        }
    }
}

fn check() -> Result<(), Failed> {
    step("formatting", "cargo", &["fmt", "--all", "--check"])?;
    step(
        "lints",
        "cargo",
        &[
            "clippy",
            "--quiet",
            "--release",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ],
    )?;
    run::step_with(
        "documentation",
        "cargo",
        &["doc", "--quiet", "--release", "--workspace", "--no-deps", "--locked"],
        &[("RUSTDOCFLAGS", "-D warnings")],
    )?;
    tidy::run()
}

fn test() -> Result<(), Failed> {
    packages::postgresql()?;
    // As a whole, so that the tests do not build everything once more with other features.
    step(
        "building the binary",
        "cargo",
        &["build", "--release", "--locked", "--workspace"],
    )?;
    // All of them, so that one failure hides no other; what a test says of itself is not buried under a trace.
    run::step_with(
        "tests in Rust",
        "cargo",
        &["test", "--release", "--workspace", "--locked", "--no-fail-fast"],
        &[("RUST_BACKTRACE", "0")],
    )?;
    fuzz("20000")?;
    step(
        "checks by outsiders: PyJWT, standardwebhooks, schemathesis",
        "tests/official/run.sh",
        &[],
    )?;
    step(
        "the console in a real browser: Chromium, axe-core",
        "tests/browser/run.sh",
        &[],
    )
}

pub(crate) fn fuzz(cases: &str) -> Result<(), Failed> {
    run::step_with(
        "a short fuzz",
        "cargo",
        &["test", "--release", "--locked", "--workspace", "--test", "fuzz"],
        &[("COUNTERSIGN_FUZZ_CASES", cases)],
    )
}

pub(crate) fn exports() -> Result<(), Failed> {
    step(
        "exports read by outsiders: pyarrow, the OCSF schema, moto",
        "tests/official/exports.sh",
        &[],
    )
}
