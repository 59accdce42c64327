//! The long tier: what takes longer than a coffee. Every result goes into `docs/measured.md`, with commit, date and cores.

use crate::run::{Failed, output, step_with, told};
use crate::{exports, fuzz, measured, mutants};

/// How often the server is killed.
const CRASHES: &str = "300";
/// How many simulated worlds there are.
const SEEDS: &str = "20000";
/// How long three nodes and their database are broken, seconds.
const CHAOS_S: &str = "600";
/// How many records are verified; for that they lie in target/ twice, about 19 GB, removed afterwards.
const RECORDS: &str = "10000000";

/// Runs all of it.
pub fn run() -> Result<(), Failed> {
    let line = told(
        "300 crashes under load",
        "cargo",
        &test("crash"),
        &[("COUNTERSIGN_CRASHES", CRASHES)],
        "acknowledged requests and",
    )?;
    measured::add(&format!("{CRASHES} crashes by `kill -9` under load"), &line)?;
    let line = told(
        "20,000 simulated worlds",
        "cargo",
        &test("simulate"),
        &[("COUNTERSIGN_SEEDS", SEEDS)],
        "worlds:",
    )?;
    measured::add(&format!("{SEEDS} seeds of the simulator"), &line)?;
    let line = told(
        "three nodes over one PostgreSQL while everything breaks",
        "cargo",
        &test("crash"),
        &[("COUNTERSIGN_CRASHES", "1"), ("COUNTERSIGN_CHAOS_S", CHAOS_S)],
        "the order of",
    )?;
    measured::add(&format!("{CHAOS_S} s of chaos on three nodes"), &line)?;
    verification()?;
    exports()?;
    let line = told(
        "searching ten million records (13 GB in target/, removed afterwards)",
        "cargo",
        &[
            "run",
            "--release",
            "--locked",
            "--package",
            "countersign-store-sqlite",
            "--example",
            "search_speed",
            "--",
            RECORDS,
        ],
        &[],
        "\"worst\"",
    )?;
    let worst = line.trim().trim_start_matches("\"worst\": \"").trim_end_matches("\",");
    measured::add(&format!("searches over {RECORDS} records"), worst)?;
    let line = told(
        "searching a million records in PostgreSQL",
        "cargo",
        &[
            "run",
            "--release",
            "--locked",
            "--package",
            "countersign-store-postgres",
            "--example",
            "search_speed_postgres",
        ],
        &[],
        "\"worst\"",
    )?;
    let worst = line.trim().trim_start_matches("\"worst\": \"").trim_end_matches("\",");
    measured::add("searches over 1000000 records in PostgreSQL", worst)?;
    fuzz("5000000")?;
    measured::add("12 fuzz targets, 5,000,000 inputs each", "no fault")?;
    // What is not on main yet; on main itself, what the last commit changed.
    let base = output("git", &["merge-base", "HEAD", "main"])?;
    let here = output("git", &["rev-parse", "HEAD"])?;
    let since = if base == here { "HEAD~1" } else { base.trim() };
    mutants::run(&["--since".to_owned(), since.to_owned()])?;
    let sizes = [("COUNTERSIGN_BENCH_SIZES", "10000,100000,1000000,10000000")];
    step_with(
        "measuring (11 GB at most, removed afterwards)",
        "bench/run.sh",
        &[],
        &sizes,
    )
}

fn test(test: &str) -> [&str; 8] {
    [
        "test",
        "--release",
        "--locked",
        "--workspace",
        "--test",
        test,
        "--",
        "--nocapture",
    ]
}

fn verification() -> Result<(), Failed> {
    let arguments = [
        "run",
        "--release",
        "--locked",
        "--manifest-path",
        "bench/Cargo.toml",
        "--bin",
        "records",
        "--",
        RECORDS,
    ];
    let line = told("verifying 10 million records", "cargo", &arguments, &[], "verified")?;
    let took = line
        .split(' ')
        .nth(2)
        .and_then(|ms| ms.parse::<u64>().ok())
        .unwrap_or_default();
    let memory = line.split_once("at most ").map_or("unknown", |(_, peak)| peak.trim());
    measured::add(
        &format!("verification of {RECORDS} records"),
        &format!("they verify, in {} s, with at most {memory} of memory", took / 1000),
    )
}
