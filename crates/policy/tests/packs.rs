//! The starter packs load, their tests try every rule, nothing in them cannot be meant, and they are short enough to read.

use std::fs;
use std::path::Path;

use countersign_policy::Snapshot;

const PACKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/policies");
/// Longest pack without its tests, in lines.
const LONGEST: usize = 75;

fn pack(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(PACKS).join(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths
        .map(|path| (path.display().to_string(), fs::read(&path).unwrap_or_default()))
        .collect()
}

fn holds(name: &str) {
    let files = pack(name);
    let (snapshot, warnings) = Snapshot::load(&files).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let unnamed = warnings
        .iter()
        .filter(|problem| problem.code == "unresolved_name")
        .count();
    assert_eq!(unnamed, 0, "{warnings:#?}");
    assert_eq!(snapshot.lint(), []);
    let results = snapshot.run_tests();
    assert!(results.len() >= 8, "{}", results.len());
    let failed: Vec<_> = results.iter().filter(|result| !result.passed()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    let untried: Vec<_> = snapshot
        .coverage()
        .into_iter()
        .filter(|rule| !rule.untried.is_empty())
        .collect();
    assert!(untried.is_empty(), "{untried:#?}");
    let lines = |(file, bytes): &(String, Vec<u8>)| match file.ends_with("tests.yaml") {
        true => 0,
        false => bytes.iter().filter(|byte| **byte == b'\n').count(),
    };
    let total: usize = files.iter().map(lines).sum();
    assert!(total <= LONGEST, "{name} has {total} lines");
}

/// Every folder of packs, and nothing else.
fn names() -> Vec<String> {
    let entries = fs::read_dir(PACKS).unwrap_or_else(|error| panic!("{PACKS}: {error}"));
    let folders = entries.map(|entry| entry.expect("a pack can be read").path());
    let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    let mut names: Vec<String> = folders
        .filter(|path| path.is_dir())
        .map(|path| name(&path).unwrap_or_else(|| panic!("{}: no plain name", path.display())))
        .collect();
    names.sort();
    names
}

#[test]
fn every_pack_holds_and_the_list_of_packs_names_it() {
    let list = fs::read_to_string(Path::new(PACKS).join("README.md")).expect("the packs have a list");
    let names = names();
    assert!(names.len() >= 10, "the packs are not where they were: {names:?}");
    for name in names {
        assert!(
            list.contains(&format!("[{name}]({name}/)")),
            "{name} is not in the list"
        );
        holds(&name);
    }
}
