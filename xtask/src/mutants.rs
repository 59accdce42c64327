//! Mutation tests: each function of what grants and proves is broken in turn, and some test has to notice.
//!
//! `cargo-mutants` from crates.io says what can be broken and how. Its own way, a build for each change, takes a night; here
//! all changes that allow it are built into one program behind a switch, and only the others have a build each.
#![expect(clippy::print_stdout, reason = "a chore says what it does")]

mod list;
mod switch;
mod tree;
mod trial;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use list::Mutant;
use tree::Tree;
use trial::{End, Trial};

use crate::measured;
use crate::run::{Failed, output, root};

/// What has to be noticed: the share of mutants that some test kills, percent.
const AT_LEAST: usize = 90;

/// What is broken together, and what has to notice.
struct Part {
    name: &'static str,
    package: &'static str,
    /// The root of the package, which gets the switch.
    root: &'static str,
    files: &'static [&'static str],
    /// What follows `cargo test`.
    tests: &'static [&'static str],
}

/// The state machine's own tests, and what looks at whole histories, for both parts of it.
const HISTORIES: &[&str] = &[
    "--package",
    "countersign-core",
    "--package",
    "countersign-testkit",
    "--no-default-features",
    "--lib",
    "--test",
    "boundaries",
    "--test",
    "budgets",
    "--test",
    "cases",
    "--test",
    "change_control",
    "--test",
    "circuits",
    "--test",
    "delegation",
    "--test",
    "digest_laws",
    "--test",
    "guard_edges",
    "--test",
    "history",
    "--test",
    "limits",
    "--test",
    "organization",
    "--test",
    "refold",
    "--test",
    "repetitions",
    "--test",
    "routes",
    "--test",
    "world",
];

/// The parts. What the state machine grants is looked at by the tests of whole histories, which are in the testkit.
const PARTS: [Part; 3] = [
    // Deciding, permits and approvals.
    Part {
        name: "core",
        package: "countersign-core",
        root: "crates/core/src/lib.rs",
        files: &[
            "crates/core/src/state/decide.rs",
            "crates/core/src/state/facts.rs",
            "crates/core/src/state/outcome.rs",
            "crates/core/src/state/permit.rs",
            "crates/core/src/state/ruling.rs",
            "crates/core/src/state/glass.rs",
            "crates/core/src/state/matching.rs",
            "crates/core/src/state/people.rs",
            "crates/core/src/state/post_review.rs",
            "crates/core/src/state/request.rs",
            "crates/core/src/state/review.rs",
            "crates/core/src/state/route.rs",
            "crates/core/src/state/timers.rs",
            "crates/core/src/state/track.rs",
            "crates/core/src/state/viewed.rs",
            "crates/core/src/state/vote.rs",
        ],
        tests: HISTORIES,
    },
    Part {
        name: "guards",
        package: "countersign-core",
        root: "crates/core/src/lib.rs",
        files: &[
            "crates/core/src/state/autonomy.rs",
            "crates/core/src/state/autonomy/first.rs",
            "crates/core/src/state/budget.rs",
            "crates/core/src/state/budget/**/*.rs",
            "crates/core/src/state/chain.rs",
            "crates/core/src/state/disagree.rs",
            "crates/core/src/state/disagree/**/*.rs",
            "crates/core/src/state/failures.rs",
            "crates/core/src/state/guard.rs",
            "crates/core/src/state/lease.rs",
            "crates/core/src/state/limit.rs",
            "crates/core/src/state/limit/**/*.rs",
            "crates/core/src/state/stop.rs",
        ],
        tests: HISTORIES,
    },
    Part {
        name: "tlog",
        package: "countersign-tlog",
        root: "crates/tlog/src/lib.rs",
        files: &["crates/tlog/src/**/*.rs"],
        tests: &["--package", "countersign-tlog", "--lib", "--tests"],
    },
];

/// What the arguments behind `mutants` ask for.
#[derive(Default)]
struct Wanted {
    /// `core`, `guards`, `tlog`; everything without it.
    part: Option<String>,
    /// Only mutants with this in their names, which begin with the file.
    file: Option<String>,
    /// `k/n`: every n-th mutant.
    shard: Option<String>,
    /// Only what changed since this commit.
    since: Option<String>,
    /// Only what survived the last time; what changed since then are tests.
    again: bool,
}

impl Wanted {
    fn read(arguments: &[String]) -> Result<Wanted, Failed> {
        let mut wanted = Wanted::default();
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            let place = match name.as_str() {
                "--again" => {
                    wanted.again = true;
                    continue;
                }
                "--part" => &mut wanted.part,
                "--file" => &mut wanted.file,
                "--shard" => &mut wanted.shard,
                "--since" => &mut wanted.since,
                other => {
                    return Err(Failed(format!(
                        "`{other}` is not known here: --part core|guards|tlog, --file TEXT, --shard K/N, --since COMMIT, --again"
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
            .filter(|part| !PARTS.iter().any(|known| known.name == **part))
        {
            return Err(Failed(format!("`{part}` is not a part: core, guards, tlog")));
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
        if self.again {
            words.push_str(", those that survived before");
        }
        words
    }

    /// What `cargo-mutants` is asked to list.
    fn listed(&self, part: &Part) -> Result<Vec<String>, Failed> {
        let mut arguments = vec!["--package".to_owned(), part.package.to_owned()];
        for file in part.files {
            arguments.extend(["--file".to_owned(), (*file).to_owned()]);
        }
        if let Some(only) = &self.file {
            arguments.extend(["--re".to_owned(), only.clone()]);
        }
        if let Some(shard) = &self.shard {
            arguments.extend(["--shard".to_owned(), shard.clone()]);
        }
        if let Some(since) = &self.since {
            let diff = root().join("target/mutants/since.diff");
            fs::create_dir_all(root().join("target/mutants")).map_err(|error| Failed(error.to_string()))?;
            fs::write(&diff, output("git", &["diff", since])?).map_err(|error| Failed(error.to_string()))?;
            arguments.extend(["--in-diff".to_owned(), diff.to_string_lossy().into_owned()]);
        }
        Ok(arguments)
    }
}

/// Runs what the arguments ask for, and adds the result to the table.
pub fn run(arguments: &[String]) -> Result<(), Failed> {
    let wanted = Wanted::read(arguments)?;
    let tool = list::tool()?;
    let parts = PARTS
        .iter()
        .filter(|part| wanted.part.as_deref().is_none_or(|only| only == part.name));
    for part in parts {
        let mut mutants = list::list(&tool, &wanted.listed(part)?)?;
        if wanted.again {
            let before = survivors(part)?;
            mutants.retain(|mutant| before.contains(&mutant.name));
        }
        println!("── {}: {} changes", wanted.words(part.name), mutants.len());
        if mutants.is_empty() {
            continue;
        }
        let ends = one(part, &mutants)?;
        judge(part, &wanted, &mutants, &ends)?;
    }
    Ok(())
}

/// Tries the mutants of a part; those that do not compile have no end.
fn one(part: &Part, mutants: &[Mutant]) -> Result<Vec<(usize, End)>, Failed> {
    let tree = Tree::copy()?;
    let Placed { switched, alone } = behind_switch(part, mutants, &tree)?;
    let trial = Trial::of(tree.programs(part.tests)?)?;
    println!(
        "── {} behind a switch, {} one at a time; the tests take {:.0} s where nothing is broken",
        switched.len(),
        alone.len(),
        trial.took().as_secs_f32()
    );
    let mut ends = trial.all(&switched, |done, id, end| {
        tell(&mutants[id], end);
        if done.is_multiple_of(50) {
            println!("   {done} of {}", switched.len());
        }
    });
    for file in files(mutants) {
        tree.restore(file)?;
    }
    tree.restore(part.root)?;
    for id in alone {
        if let Some(end) = in_place(part, &mutants[id], &tree)? {
            tell(&mutants[id], end);
            ends.push((id, end));
        }
    }
    Ok(ends)
}

/// A survivor is told as soon as it is known: all of them take long, and who stops in between has learnt something.
fn tell(mutant: &Mutant, end: End) {
    if end == End::Survived {
        println!("   survived: {}", mutant.name);
    }
}

/// Which mutants stand behind the switch, and which cannot; those that do not compile are in neither.
struct Placed {
    switched: Vec<usize>,
    alone: BTreeSet<usize>,
}

/// Writes the mutants behind the switch.
///
/// One that the compiler refuses there would be refused in its place too: it is the whole body of the function, between
/// two braces, so it has the types of its place.
fn behind_switch(part: &Part, mutants: &[Mutant], tree: &Tree) -> Result<Placed, Failed> {
    let (mut alone, mut refused_before) = (BTreeSet::new(), BTreeSet::new());
    let root = Tree::source(part.root)? + switch::SWITCH;
    tree.write(part.root, root.as_bytes())?;
    loop {
        let mut places = BTreeMap::new();
        for file in files(mutants) {
            let left_out = alone.union(&refused_before).copied().collect();
            let switched = switch::switched(&Tree::source(file)?, file, mutants, &left_out);
            alone.extend(switched.alone);
            tree.write(file, switched.text.as_bytes())?;
            places.insert(file, switched.lines);
        }
        let refused = tree.refused(part.package)?;
        if refused.is_empty() {
            let stands = |id: &usize| !alone.contains(id) && !refused_before.contains(id);
            let switched = (0..mutants.len()).filter(stands).collect();
            return Ok(Placed { switched, alone });
        }
        let before = refused_before.len();
        for refusal in &refused {
            let lines = places.get(refusal.file.as_str()).into_iter().flatten();
            let at = lines.filter(|(lines, _)| lines.contains(&refusal.line));
            refused_before.extend(at.map(|(_, id)| *id));
        }
        if refused_before.len() == before {
            let message = &refused[0].message;
            return Err(Failed(format!("the switch broke what it should not: {message}")));
        }
    }
}

/// Tries a mutant that cannot stand behind the switch, with a build of its own; nothing if it does not compile.
fn in_place(part: &Part, mutant: &Mutant, tree: &Tree) -> Result<Option<End>, Failed> {
    let text = switch::replaced(&Tree::source(&mutant.file)?, mutant)
        .ok_or_else(|| Failed(format!("`{}` is not where it was", mutant.name)))?;
    tree.write(&mutant.file, text.as_bytes())?;
    let end = if tree.refused(part.package)?.is_empty() {
        Some(Trial::untimed(tree.programs(part.tests)?).one(None))
    } else {
        None
    };
    tree.restore(&mutant.file)?;
    Ok(end)
}

fn files(mutants: &[Mutant]) -> BTreeSet<&str> {
    mutants.iter().map(|mutant| mutant.file.as_str()).collect()
}

/// Where the names of survivors are.
fn survivors_of(part: &Part) -> PathBuf {
    root().join(format!("target/mutants/{}.txt", part.name))
}

/// The names of those that survived the last time.
fn survivors(part: &Part) -> Result<BTreeSet<String>, Failed> {
    let path = survivors_of(part);
    let text = fs::read_to_string(&path)
        .map_err(|error| Failed(format!("{}: {error}; run it without --again first", path.display())))?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// Writes down what came of it, and judges by the share.
fn judge(part: &Part, wanted: &Wanted, mutants: &[Mutant], ends: &[(usize, End)]) -> Result<(), Failed> {
    let named = |end: End| {
        let ids = ends.iter().filter(move |(_, ended)| *ended == end);
        ids.map(|(id, _)| mutants[*id].name.as_str()).collect::<Vec<_>>()
    };
    let (survived, endless) = (named(End::Survived), named(End::Timeout));
    let survivors = survivors_of(part);
    fs::write(&survivors, survived.join("\n") + "\n").map_err(|error| Failed(error.to_string()))?;
    let killed = ends.len() - survived.len();
    let share = killed * 100 / ends.len().max(1);
    let text = format!(
        "{killed} of {} killed ({share} %), {} of them because a test did not end; {} survived; {} more do not compile",
        ends.len(),
        endless.len(),
        survived.len(),
        mutants.len() - ends.len()
    );
    measured::add(&wanted.words(part.name), &text)?;
    println!("── {text}; survivors are in {}", survivors.display());
    // Of those that survived before, each that is killed now is one more.
    if share < AT_LEAST && !wanted.again {
        return Err(Failed(format!(
            "{share} % of the mutants of `{}` were killed, at least {AT_LEAST} % have to be",
            part.name
        )));
    }
    Ok(())
}
