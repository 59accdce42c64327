//! Mutation tests: each function of what grants and proves is broken in turn, and some test has to notice.
//!
//! `cargo-mutants` comes from crates.io, is compiled once into `target/tools`, and works on a copy of the tree.
#![expect(clippy::print_stdout, reason = "a chore says what it does")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::measured;
use crate::run::{Failed, output, root, step};

/// The version that results are compared by.
const VERSION: &str = "27.1.0";
/// What has to be noticed: the share of mutants that some test kills, percent.
const AT_LEAST: u64 = 90;
/// How long the tests of one mutant may take, seconds; one that never ends is killed by that.
const TIMEOUT_S: &str = "300";

/// A part: its name, the files that are broken, the packages, and which of their tests have to notice.
type Part = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
    &'static [&'static str],
);

/// The parts. What the state machine grants is looked at by the tests of whole histories, which are in the testkit.
const PARTS: [Part; 2] = [
    (
        "core",
        &[
            "crates/core/src/state/autonomy.rs",
            "crates/core/src/state/decide.rs",
            "crates/core/src/state/matching.rs",
            "crates/core/src/state/people.rs",
            "crates/core/src/state/permit.rs",
            "crates/core/src/state/post_review.rs",
            "crates/core/src/state/request.rs",
            "crates/core/src/state/review.rs",
            "crates/core/src/state/route.rs",
            "crates/core/src/state/stop.rs",
            "crates/core/src/state/track.rs",
            "crates/core/src/state/vote.rs",
        ],
        &["--package", "countersign-core"],
        &[
            // Behind `--`, since the run on the tree as it is looks at the broken package's own tests only.
            "--package",
            "countersign-testkit",
            "--no-default-features",
            "--lib",
            "--test",
            "boundaries",
            "--test",
            "cases",
            "--test",
            "world",
            "--test",
            "history",
            "--test",
            "organization",
            "--test",
            "digest_laws",
        ],
    ),
    (
        "tlog",
        &["crates/tlog/src/**/*.rs"],
        &["--package", "countersign-tlog"],
        &[],
    ),
];

/// What the arguments behind `mutants` ask for.
#[derive(Default)]
struct Wanted {
    /// `core`, `tlog`; everything without it.
    part: Option<String>,
    /// Only files whose path contains this.
    file: Option<String>,
    /// `k/n`: every n-th mutant.
    shard: Option<String>,
    /// Only what changed since this commit.
    since: Option<String>,
}

impl Wanted {
    fn read(arguments: &[String]) -> Result<Wanted, Failed> {
        let mut wanted = Wanted::default();
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            let place = match name.as_str() {
                "--part" => &mut wanted.part,
                "--file" => &mut wanted.file,
                "--shard" => &mut wanted.shard,
                "--since" => &mut wanted.since,
                other => {
                    return Err(Failed(format!(
                        "`{other}` is not known here: --part core|tlog, --file TEXT, --shard K/N, --since COMMIT"
                    )));
                }
            };
            *place = Some(
                rest.next()
                    .ok_or_else(|| Failed(format!("`{name}` needs a value")))?
                    .clone(),
            );
        }
        if let Some(part) = wanted
            .part
            .as_ref()
            .filter(|part| !PARTS.iter().any(|(name, ..)| name == part))
        {
            return Err(Failed(format!("`{part}` is not a part: core, tlog")));
        }
        Ok(wanted)
    }

    /// What was asked for, in words for the table of results.
    fn words(&self, part: &str) -> String {
        let mut words = format!("mutants of `{part}`");
        for (name, value) in [
            ("files", &self.file),
            ("shard", &self.shard),
            ("changed since", &self.since),
        ] {
            if let Some(value) = value {
                words.push_str(&format!(", {name} `{value}`"));
            }
        }
        words
    }
}

/// Runs what the arguments ask for, and adds the result to the table.
pub fn run(arguments: &[String]) -> Result<(), Failed> {
    let wanted = Wanted::read(arguments)?;
    let tool = tool()?;
    PARTS
        .iter()
        .filter(|(part, ..)| wanted.part.as_deref().is_none_or(|only| only == *part))
        .try_for_each(|part| one(&tool, &wanted, part))
}

/// `cargo-mutants`, compiled on first use.
fn tool() -> Result<PathBuf, Failed> {
    let tools = root().join("target/tools");
    let tool = tools.join("bin/cargo-mutants");
    if !tool.exists() {
        println!("── cargo-mutants {VERSION} is not there: compiling it into target/tools, which takes some minutes");
        let tools = tools.to_string_lossy().into_owned();
        let arguments = [
            "install",
            "cargo-mutants",
            "--version",
            VERSION,
            "--locked",
            "--root",
            &tools,
        ];
        step("a tool", "cargo", &arguments)?;
    }
    Ok(tool)
}

fn one(tool: &Path, wanted: &Wanted, (part, files, packages, tests): &Part) -> Result<(), Failed> {
    let out = root().join("target/mutants").join(part);
    fs::create_dir_all(&out).map_err(|error| Failed(error.to_string()))?;
    let mut command = Command::new(tool);
    command.args([
        "mutants",
        "--no-shuffle",
        "--jobs",
        "1",
        "--timeout",
        TIMEOUT_S,
        "--colors",
        "never",
        "--output",
    ]);
    command.arg(&out).args(*packages).current_dir(root());
    command.env("CARGO_PROFILE_DEV_DEBUG", "0");
    for file in *files {
        if wanted
            .file
            .as_ref()
            .is_none_or(|only| file.contains(only.as_str()) || file.contains('*'))
        {
            command.args(["--file", file]);
        }
    }
    if let Some(only) = wanted
        .file
        .as_ref()
        .filter(|_| files.iter().any(|file| file.contains('*')))
    {
        command.args(["--examine-re", only]);
    }
    if let Some(shard) = &wanted.shard {
        command.args(["--shard", shard]);
    }
    if let Some(since) = &wanted.since {
        let diff = out.join("since.diff");
        fs::write(&diff, output("git", &["diff", since])?).map_err(|error| Failed(error.to_string()))?;
        command.arg("--in-diff").arg(diff);
    }
    command.arg("--").args(*tests);
    println!("── {}", wanted.words(part));
    // It ends with a fault where a mutant survived; what came of it is in its files.
    command
        .status()
        .map_err(|error| Failed(format!("cannot run cargo-mutants: {error}")))?;
    let counts = counts(&out.join("mutants.out"));
    let survivors = counts.get("missed").copied().unwrap_or_default();
    let killed = counts.get("caught").copied().unwrap_or_default() + counts.get("timeout").copied().unwrap_or_default();
    let all = killed + survivors;
    if all == 0 {
        println!("── nothing to break");
        return Ok(());
    }
    let share = killed * 100 / all;
    let text = format!("{killed} of {all} killed ({share} %), {survivors} survived");
    measured::add(&wanted.words(part), &text)?;
    println!(
        "── {text}; survivors are in {}",
        out.join("mutants.out/missed.txt").display()
    );
    if share < AT_LEAST {
        return Err(Failed(format!(
            "{share} % of the mutants of `{part}` were killed, at least {AT_LEAST} % have to be"
        )));
    }
    Ok(())
}

/// How many mutants came to which end: each end has a file with a line for each.
fn counts(out: &Path) -> BTreeMap<&'static str, u64> {
    let ends = ["caught", "missed", "timeout"];
    let count = |end: &str| {
        let text = fs::read_to_string(out.join(format!("{end}.txt"))).unwrap_or_default();
        text.lines().filter(|line| !line.is_empty()).count() as u64
    };
    ends.into_iter().map(|end| (end, count(end))).collect()
}
